"""A journal gives back what was written, cuts off what a kill tore, and takes an engine up where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.calls import CallAnswered, CallEnded, CallQueued
from schemas.events import Event, encode
from schemas.panes import PANES, PARTITION, Pane, panes_of
from streams.engine.partition import Record
from streams.engine.policy import Policy
from streams.replay.journal import Example, Frame, Journal, Shown, frames, shown
from streams.replay.shard import Shard, Task, broken_down, kept
from tests.harness.traffic import START
from tests.replay import expected

FRAMES = [Frame([(b"a", b"1")], [(b"k", None)], []), Frame([], [(b"k", b"v" * 999)], [Example(0, 7, "invalid", "why")])]
EVENTS = [Record(offset, 1_900_000_000_000_000, *event) for offset, event in enumerate(expected.traffic(300, seed=3))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "0.journal"
    journal = Journal(path)
    for frame in FRAMES:
        journal.append(frame)
    journal.close()
    return path


def test_frames_come_back_in_order(path: Path) -> None:
    """Whole, or without the state."""
    assert list(frames(path)) == FRAMES
    assert list(shown(path)) == [Shown(frame.kpis, frame.examples) for frame in FRAMES]


@pytest.mark.parametrize("lost", [1, 9, 40])
def test_a_torn_frame_is_cut_off_and_written_over(path: Path, lost: int) -> None:
    """Whatever part of its last frame a kill left."""
    path.write_bytes(path.read_bytes()[:-lost])
    assert list(frames(path)) == FRAMES[:1]
    journal = Journal(path)
    journal.append(FRAMES[1])
    journal.close()
    assert list(frames(path)) == FRAMES


def test_a_frame_that_is_damaged_ends_the_journal(path: Path) -> None:
    """A bit that changed on the disk is not taken for a figure."""
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    assert list(frames(path)) == FRAMES[:1]


def figures(path: Path) -> dict[Any, object]:
    """Return what a journal has of each pane and each other key in the end, but for how many flushes it took and where nobody waits."""
    found = {
        key: msgspec.json.decode(value)
        for key, value in last(path).items()
        if not key.startswith(PANES) and key != PARTITION and b'"waiting":0' not in value
    }
    return found | panes(path)


def panes(path: Path) -> dict[tuple[Any, ...], Pane]:
    """Return the panes that a journal has in the end."""
    return dict(pane for record in last(path).items() for pane in panes_of(*record))


def last(path: Path) -> dict[bytes, bytes]:
    """Return the last record of each key in a journal."""
    found = {key: value for frame in frames(path) for key, value in frame.kpis}
    return {key: value for key, value in found.items() if value is not None}


def shard(folder: Path) -> Shard:
    folder.mkdir(exist_ok=True)
    return Shard(Task(kept(Policy()), (), str(folder), resumable=True))


def test_an_engine_goes_on_from_its_journal(tmp_path: Path) -> None:
    """Killed three times with work not written; each time it is told which record is next."""
    whole = shard(tmp_path / "whole")
    assert whole.open(0) == 0
    whole.take(0, EVENTS)
    whole.close(0)
    for cut in (200, 500, 501):
        killed = shard(tmp_path / "killed")
        killed.take(0, EVENTS[killed.open(0) : cut])
        killed._flush()
        killed.take(0, EVENTS[cut : cut + 50])
        killed._journals[0].close()
    last = shard(tmp_path / "killed")
    assert last.open(0) == 501
    last.take(0, EVENTS)  # those before are known
    last.close(0)
    assert last.summary() == whole.summary()
    assert figures(tmp_path / "killed" / "0.journal") == figures(tmp_path / "whole" / "0.journal")


def call(number: int, day: float, customer: str) -> list[tuple[bytes, Event]]:
    """Return a call that was answered and resolved, so many days after the first."""
    at, common = START + day * 86_400, {"contact_id": f"c{number}", "customer_id": customer}
    events = [
        CallQueued(id=f"{number}-1", time=at, queue="sales", language="es", **common),
        CallAnswered(id=f"{number}-2", time=at + 5, agent_id="ana", **common),
        CallEnded(id=f"{number}-3", time=at + 60, **common),
    ]
    return [(customer.encode(), event) for event in events]


@pytest.mark.parametrize(("by", "cuts"), [(None, {None}), ("queue", {None}), ("agent", {None, "agent"})])
def test_a_replay_breaks_down_by_what_is_asked_alone(tmp_path: Path, by: str | None, cuts: set[str | None]) -> None:
    """And keeps that of the first day, from which a customer's return on the seventh takes the first-contact resolution back."""
    events = [*call(1, 0, "ana"), *(one for day in range(1, 7) for one in call(10 + day, day, f"other-{day}"))]
    counting = Shard(Task(kept(Policy()), broken_down(by), str(tmp_path), resumable=False))
    counting.open(0)
    for offset, (key, event) in enumerate([*events, *call(2, 6.5, "ana")]):
        counting.take(0, [Record(offset, 1_900_000_000_000_000, key, encode(event))])
        counting._flush()
    counting.close(0)
    first = {key[4]: pane for key, pane in panes(tmp_path / "0.journal").items() if key[:3] == (900, START, "call")}
    assert set(first) == cuts
    for pane in first.values():
        assert pane.measures["resolved_identified"] == 1
        assert "resolved_first_contact" not in pane.measures
