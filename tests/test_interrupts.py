from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from streams import interrupts
from streams.interrupts import HELD


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    interrupts.install()
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_signals_interrupt(number: signal.Signals) -> None:
    """At once, outside a library."""
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


def test_an_interrupt_is_put_off_until_the_library_returns() -> None:
    """What runs inside is not disturbed; the interrupt is not lost, and comes once."""
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        _hold(done)
    assert done == ["called"]
    with HELD:
        pass


def _hold(done: list[str]) -> None:
    with HELD:
        os.kill(os.getpid(), signal.SIGINT)
        done.append("called")
