"""How long Hypothesis looks: quickly by default, for long with HYPOTHESIS_PROFILE=thorough."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from streams.engine import customers, ring, shelf
from tests.harness import panes

# A stream of events is a large thing to draw, which is no fault of the test.
SLOW_TO_DRAW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")

settings.register_profile("quick", max_examples=60, deadline=None, print_blob=True, suppress_health_check=SLOW_TO_DRAW)
settings.register_profile(
    "thorough", max_examples=3000, deadline=None, print_blob=True, suppress_health_check=SLOW_TO_DRAW
)
settings.load_profile(PROFILE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give thorough searches all the time they need."""
    here = Path(__file__).parent
    for item in items:
        if PROFILE == "thorough" and here in item.path.parents:
            item.add_marker(pytest.mark.timeout(0))


@pytest.fixture(autouse=True)
def _small_blocks() -> Iterator[None]:
    """Let quiet customers be put away in twos as soon as there are three."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shelf, "LOOSE", 1)
        patched.setattr(shelf, "BLOCK", 2)
        patched.setattr(customers, "RETURNED", 3)
        yield


@pytest.fixture(autouse=True)
def _short_ring() -> Iterator[None]:
    """Let panes be written after three records of credits: streams of some dozen events go round it again and again."""
    with pytest.MonkeyPatch.context() as patched:
        for user in (ring, panes):
            patched.setattr(user, "RING", 3)
        yield
