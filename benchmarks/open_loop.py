"""A producer that never waits for whoever receives: each event is sent when its time comes, however the rest fares.

A process of its own, so that nothing it is measured with slows it. Events are made beforehand; what became of them is written at the end,
one line an event in the order of sending: the time it was due (microseconds since the epoch), partition and offset, as 64-bit integers.
"""

from __future__ import annotations

import gc
import sys
import time
from array import array
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import click

from benchmarks.processes import Child
from benchmarks.traffic import SEED, live, producing
from streams.simulate.timed import SECOND, Sent, encoded
from streams.simulate.traffic import events

_NAP = 0.002
"""Seconds between two looks at the clock; what has come due meanwhile is sent at once."""
_ROW = 3
_TRIED = 6


class Due(NamedTuple):
    """An event as it was sent."""

    due_us: int
    partition: int
    offset: int


def sending(bootstrap: str, topic: str, rate: float, seconds: float, folder: Path) -> Child:
    """Return the process, not started; its outcome is in `outcome`."""
    command = [sys.executable, "-m", "benchmarks.open_loop", bootstrap, topic, str(rate), str(seconds)]
    return Child([*command, str(folder / "sent")], folder / "open-loop.log")


def outcome(folder: Path) -> list[Due]:
    """Read what became of the events, in the order of sending."""
    flat = array("q")
    flat.frombytes((folder / "sent").read_bytes())
    return [Due(*flat[at : at + _ROW]) for at in range(0, len(flat), _ROW)]


def _made(rate: float, seconds: float) -> list[Sent]:
    """Return the events of so many seconds from soon on; the first is a burst of agents who sign in.

    A center's rate is reckoned from its calls; how often its agents change state is found by trying a few seconds.
    """
    tried = sum(sent.time_us >= SECOND for sent in _stream(rate, 0, _TRIED))
    return list(
        _stream(
            rate * rate * (_TRIED - 1) / tried,
            time.time_ns() // 1000 + round((2 + rate * seconds / 50_000) * SECOND),
            seconds,
        )
    )


def _stream(rate: float, launch: int, seconds: float) -> Iterator[Sent]:
    stream = encoded(events(live(rate).lasting(launch, None), SEED))
    return takewhile(lambda sent: sent.time_us < launch + seconds * SECOND, stream)


def _send(bootstrap: str, topic: str, made: list[Sent]) -> list[Due]:
    found: list[Due | None] = [None] * len(made)

    def delivered(number: int) -> object:
        def note(error: object, message: object) -> None:
            if error is None:
                found[number] = Due(made[number].time_us, message.partition(), message.offset())  # type: ignore[attr-defined]

        return note

    with producing(bootstrap) as producer:
        for number, sent in enumerate(made):
            while sent.time_us > time.time_ns() // 1000:
                producer.poll(0)
                time.sleep(_NAP)
            producer.produce(topic, sent.value, sent.key, on_delivery=delivered(number))
            if number % 16 == 0:
                producer.poll(0)
    return [one for one in found if one is not None]


@click.command
@click.argument("bootstrap")
@click.argument("topic")
@click.argument("rate", type=float)
@click.argument("seconds", type=float)
@click.argument("file", type=click.Path(path_type=Path))
def main(bootstrap: str, topic: str, rate: float, seconds: float, file: Path) -> None:
    """Send RATE events a second for SECONDS seconds, and write what became of them."""
    made = _made(rate, seconds)
    gc.freeze()
    gc.disable()
    flat = array("q")
    for one in _send(bootstrap, topic, made):
        flat.extend(one)
    file.write_bytes(flat.tobytes())


if __name__ == "__main__":
    main()
