"""The peer that is said to do the worker's own job does it: its panes are the engine's, to the last count."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest

from benchmarks.peers import PEERS, Peer, PeerMissingError, Stage, committed
from benchmarks.processes import Child
from benchmarks.stream import prepared
from benchmarks.traffic import REALISTIC, records
from schemas.panes import QUARTER, panes_of
from streams.engine.partition import Partition
from streams.engine.policy import Policy

EVENTS = 20_000
BREAKDOWNS = {
    "p": "platform", "i": "priority", "t": "customer_type", "l": "language", "e": "entry_point", "a": "agent", "v": "level",
}  # fmt: skip
"""By the letter with which a slice of the peer begins."""
Figures = dict[tuple[object, ...], dict[str, int]]
"""Measures, and counts by histogram and bucket, by start, channel, queue, breakdown and value."""


@pytest.mark.kafka
def test_kafka_streams_keeps_the_panes_of_the_engine(kafka, monkeypatch):
    """Every measure and every bucket of every slice in every quarter of an hour, over its partitions."""
    monkeypatch.setenv("CENTRALITA_KAFKA", kafka)
    try:
        one = PEERS["kafka-streams-kpis"]().prepare()
    except PeerMissingError as error:
        pytest.skip(str(error))
    expected = of_the_engine()
    assert {name for pane in expected.values() for name in pane} >= {
        "resolved_first_contact",
        "returned_within_1d",
        "held",
    }
    with prepared(EVENTS) as stage:
        assert of_the_peer(said(one, stage)) == expected


def of_the_engine() -> Figures:
    """Return what the engine keeps of the events, all in one partition."""
    partition = Partition(0, Policy())
    assert not partition.process(records(REALISTIC, EVENTS))
    return {
        tuple(place): pane.measures
        | {f"{name} {at}": n for name, counts in pane.histograms.items() for at, n in counts.items()}
        for key, value in partition.flush().kpis
        if value is not None
        for (length, *place), pane in panes_of(key, value)
        if length == QUARTER
    }


def said(one: Peer, stage: Stage) -> str:
    """Return what the peer prints at its end, when it has taken all events."""
    with Child(one.command(stage, one.name, stage.folder), stage.folder / "log") as child:
        done = committed(stage, one.name)
        deadline = time.monotonic() + 60
        while done() < EVENTS:
            assert child.running, child.tail()
            assert time.monotonic() < deadline, child.tail()
            time.sleep(0.1)
        os.kill(child.pid, signal.SIGTERM)
        while child.running:
            assert time.monotonic() < deadline, child.tail()
            time.sleep(0.05)
        return child.log.read_text(encoding="utf-8")


def of_the_peer(text: str) -> Figures:
    """Add up what the tasks keep, as a reader of the panes would."""
    found: dict[tuple[object, ...], Counter[str]] = defaultdict(Counter)
    for line in text.splitlines():
        if line.startswith("{"):
            pane = json.loads(line)
            for place in places(pane["kind"], pane["queue"], pane["slice"]):
                found[pane["start"], *place].update(pane["measures"] | pane["histograms"])
    return {
        place: counted for place, counts in found.items() if (counted := {name: n for name, n in counts.items() if n})
    }


def places(kind: str, queue: str, cut: str) -> Iterator[tuple[object, ...]]:
    """Yield channel, queue, breakdown and value of what a slice counts for; the time of agents who are for the same queues is of each of these."""
    breakdown = (BREAKDOWNS[cut[0]], cut[1:]) if cut else (None, None)
    if kind == "c":
        yield "call", queue, *breakdown
    elif cut:
        yield None, None, *breakdown
    else:
        yield from ((None, name, None, None) for name in (None, *queue.split("\n")))
