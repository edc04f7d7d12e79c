"""A journal gives back what was written, cuts off what a kill tore, and takes an engine up where it was."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from streams.engine.partition import Record
from streams.engine.policy import Policy
from streams.replay.journal import Example, Frame, Journal, frames
from streams.replay.shard import Shard, Task, kept
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
