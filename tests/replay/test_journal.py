"""A journal gives back what was written, cuts off what a kill tore, and takes an engine up where it was."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from schemas.calls import CallAnswered, CallEnded, CallQueued
from schemas.events import Event, encode
from streams.engine.partition import Record
from streams.engine.policy import Policy
from streams.replay.journal import Example, Frame, Journal, frames
from streams.replay.shard import Shard, Task, kept
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
    assert list(frames(path)) == FRAMES


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


def figures(path: Path) -> dict[bytes, object]:
    """Return what a journal has of each key in the end, but for how many flushes it took and where nobody waits."""
    found: dict[bytes, bytes | None] = {}
    for frame in frames(path):
        found.update(frame.kpis)
    return {
        key: msgspec.json.decode(value)
        for key, value in found.items()
        if value and key != b'["partition"]' and b'"waiting":0' not in value
    }


def shard(folder: Path) -> Shard:
    folder.mkdir(exist_ok=True)
    return Shard(Task(kept(Policy(), None), None, str(folder), resumable=True))


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


def test_a_customer_back_after_breakdowns_are_let_go_of_leaves_none_behind(tmp_path: Path) -> None:
    """On the seventh day: the queue's first-contact resolution is taken back, in the breakdowns nothing is left to take it from."""
    events = [*call(1, 0, "ana"), *(one for day in range(1, 7) for one in call(10 + day, day, f"other-{day}"))]
    counting = shard(tmp_path / "days")
    counting.open(0)
    for offset, (key, event) in enumerate([*events, *call(2, 6.5, "ana")]):
        counting.take(0, [Record(offset, 1_900_000_000_000_000, key, encode(event))])
        counting._flush()
    counting.close(0)
    found = figures(tmp_path / "days" / "0.journal")
    first = {key: pane for key, pane in found.items() if key.startswith(b'["pane",900,%d,"call"' % START)}
    assert list(first) == [b'["pane",900,%d,"call","sales",null,null]' % START]
    measures = first[b'["pane",900,%d,"call","sales",null,null]' % START]["measures"]
    assert (measures["resolved_identified"], measures.get("resolved_first_contact", 0)) == (1, 0)
