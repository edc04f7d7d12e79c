"""The benchmarks run, in a form too small to mean anything. No time is asserted: machines differ."""

from __future__ import annotations

import doctest
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import engine, latency, machine, memory, processes, recovery, replay, report, restore, stream
from benchmarks.report import Section, keep

ROOT = Path(__file__).parents[2]


@pytest.fixture
def broker(kafka: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tests' broker is the benchmarks' too."""
    monkeypatch.setenv("CENTRALITA_KAFKA", kafka)
    return kafka


def figures(section: Section) -> dict[str, float]:
    return {line.name: line.value for line in section.lines}


def test_the_engine_is_timed_in_parts_that_add_up():
    """An event's time is that of its decode, process, advance and flush."""
    found = figures(engine.measure(events=2_000, flush_every=500, repeat=1))
    for case in engine.cases():
        parts = sum(found[f"{case}:   {part}"] for part in ("decode", "process", "advance", "flush"))
        assert parts == pytest.approx(found[f"{case}: an event"])
        assert found[f"{case}: events"] > 0


def test_memory_is_told_apart_in_contacts_and_panes():
    """Both are positive, for a few contacts."""
    found = figures(memory.measure(contacts=50))
    assert all(value > 0 for name, value in found.items() if "grew" not in name)


@pytest.mark.kafka
def test_the_worker_is_timed_without_peers(broker):
    """Its rate and processor time are told."""
    found = figures(stream.measure(events=60_000, repeat=1, names=[], seconds=40))
    assert found[f"{stream.OURS}: events"] > 0


@pytest.mark.kafka
def test_a_peer_is_timed_on_the_same_events(broker):
    """Stock Faust is always at hand; no rate of another is told without one of ours."""
    found = figures(stream.measure(events=20_000, repeat=1, names=["faust"], seconds=40, ours=False))
    assert found["faust: events"] > 0
    assert not any("/" in name for name in found)


def test_a_peer_that_cannot_be_had_is_skipped_with_the_reason(monkeypatch):
    """The others still run."""

    class Missing:
        name = "missing"

        def prepare(self):
            raise stream.PeerMissingError("there is no network")

    monkeypatch.setitem(stream.PEERS, "missing", Missing)
    ready, notes = stream.available(["missing", "faust"])
    assert [one.name for one in ready] == ["faust"]
    assert notes == ["missing is skipped: there is no network"]


@pytest.mark.kafka
def test_every_event_is_seen_on_the_board(broker):
    """Percentiles rise, and none is before its event."""
    found = figures(latency.measure(rate=200, seconds=8, warm_up=3))
    for what in ("API (status)", "wallboard (stream)"):
        assert 0 < found[f"{what}: p50"] <= found[f"{what}: p99"] <= found[f"{what}: p99.9"]


@pytest.mark.kafka
def test_a_worker_restores_what_was_written_for_it(broker):
    """All records are read."""
    found = figures(restore.measure(contacts=400))
    assert found["records restored"] > 0


@pytest.mark.kafka
def test_a_replay_is_timed_beside_the_engine_alone(broker):
    """Its rate, its share of the engine's and its memory are told."""
    found = figures(replay.measure(events=4_000, repeat=1, processes=(1,)))
    assert found["replay, 1 process"] == pytest.approx(
        found["engine alone, 1 process"] * found["  of the engine alone"]
    )
    assert found["  memory of all processes, at most"] > 20


@pytest.mark.kafka
def test_a_killed_worker_comes_back(broker):
    """Its first commit is after the kill, and it catches up after that."""
    found = figures(recovery.measure(rate=200, seconds=28))
    assert 0 < found["kill to first commit"] <= found["kill to caught up"]


def test_figures_are_kept_with_what_they_were_measured_on(tmp_path):
    """As JSON, header first."""
    file = tmp_path / "figures.json"
    keep(file, {"machine": "a"}, [Section("Title", [], ("note",))])
    assert json.loads(file.read_text())["header"] == {"machine": "a"}


@pytest.mark.parametrize(
    "part", [[], ["engine"], ["stream"], ["peers"], ["latency"], ["restore"], ["memory"], ["recovery"], ["replay"]]
)
def test_every_part_has_help_with_an_example(part):
    """Without running anything."""
    command = [sys.executable, "-m", "benchmarks", *part, "--help"]
    said = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ, timeout=60
    ).stdout
    assert "Example: python -m benchmarks" in said


@pytest.mark.parametrize("module", [latency, machine, processes, report, stream])
def test_examples_in_docstrings_hold(module):
    """They are outside of what pytest collects by itself."""
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed
