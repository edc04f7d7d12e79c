"""What the documentation shows is what the decoder takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from schemas.dead_letters import Reason
from schemas.events import EVENT_TYPES, TYPE_NAMES, contradiction, decode, negative_duration

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```json\n(.*?)\n```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_is_an_event(example: str) -> None:
    """It decodes, states no negative duration and does not contradict itself."""
    event = decode(example.encode())
    assert negative_duration(event) is None
    assert contradiction(event) is None


def test_each_type_has_an_example_and_a_row() -> None:
    """No type is left out, and the row names every field."""
    assert {type(decode(example.encode())) for example in EXAMPLES} == set(EVENT_TYPES)
    common = {"id", "time", "source", "contact_id", "customer_id"}
    for kind, name in TYPE_NAMES.items():
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
        for field in set(kind.__struct_fields__) - common:
            assert f"`{field}`" in row, f"{name} has {field}"


def test_each_reason_has_a_row() -> None:
    """The closed set of reasons is told whole."""
    assert set(re.findall(r"^\| `(\w+)` \| [^|]+ \|$", PAGE, re.MULTILINE)) == set(Reason)
