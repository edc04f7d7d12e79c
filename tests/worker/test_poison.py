"""Nothing but garbage for long enough stops a worker, and nothing else does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from schemas.dead_letters import Reason
from streams.broker.topics import TopicSet
from streams.engine.partition import Record, Refusal
from streams.worker.poison import FEWEST, Poison
from tests.harness import records
from tests.harness.exactness import assert_exact, wait_until, wait_until_caught_up
from tests.harness.traffic import GARBAGE, calls
from tests.harness.workers import WorkerProcess

LIMIT = 60.0


def refusals(count: int) -> list[Refusal]:
    """So many refusals of one reason."""
    return [Refusal(Record(number, 0, b"k", b"x"), Reason.UNDECODABLE, "no") for number in range(count)]


def after(*runs: tuple[float, int, int]) -> Poison:
    """What is known after runs of (time, records, refused)."""
    poison = Poison(LIMIT)
    for now, count, refused in runs:
        poison.see(count, refusals(refused), now)
    return poison


def test_all_refused_for_the_whole_time_is_fatal_and_a_problem_from_half_of_it_on():
    """Refused at 0 s, at 29 s: nothing; at 30 s: a problem; at 60 s: the end."""
    poison = after((1_000.0, FEWEST, FEWEST), (1_029.0, 1, 1))
    assert (poison.problem(1_029.0), poison.fatal(1_029.0)) == (None, False)
    poison.see(1, refusals(1), 1_030.0)
    assert poison.problem(1_030.0) == f"all {FEWEST + 2} records of 30 s were refused ({FEWEST + 2} undecodable)"
    assert not poison.fatal(1_030.0)
    poison.see(1, refusals(1), 1_060.0)
    assert poison.fatal(1_060.0)


@pytest.mark.parametrize(
    "runs",
    [
        [(0.0, 50, 50), (61.0, FEWEST - 51, FEWEST - 51)],  # too few
        [(0.0, 5_000, 5_000)],  # many, but at once
        [(0.0, 500, 500), (40.0, 500, 499), (61.0, 500, 500)],  # one good event between
        [(0.0, 500, 500), (61.0, 500, 500)],  # nothing came for longer than the limit
    ],
)
def test_anything_less_goes_on(runs: list[tuple[float, int, int]]):
    """Too few, too short, a good one between, or a pause: the time begins anew."""
    assert not after(*runs).fatal(runs[-1][0])


def test_a_problem_ends_with_the_garbage():
    """When nothing has come for the whole limit, readiness does not speak of it any more."""
    poison = after((0.0, 500, 500), (40.0, 1, 1))
    assert poison.problem(99.0) is not None
    assert (poison.problem(101.0), poison.seconds(101.0)) == (None, 0.0)


@pytest.mark.kafka
@pytest.mark.parametrize("partitions", [2])
def test_a_worker_stops_when_only_garbage_comes_and_goes_on_when_good_events_do(
    kafka: str, topics: TopicSet, tmp_path: Path
):
    """First not ready, then code 65 with the reasons; each bad record is a dead letter once, good ones count afterwards."""
    sent = 0
    records.send(kafka, topics.events, calls(50))
    with WorkerProcess(kafka, topics.prefix, tmp_path, {"CENTRALITA_WORKER_POISON_TIMEOUT": "3"}) as worker:
        worker.ready()
        wait_until_caught_up(kafka, topics)
        said: list[str] = []
        deadline = time.monotonic() + 30
        while worker.running and time.monotonic() < deadline:
            sent += records.send(kafka, topics.events, list(GARBAGE.values()) * 5)
            said += worker.problems() if worker.running else []
            time.sleep(0.1)
        assert worker.exit_code(1) == 65, worker.tail()
        assert any("were refused (" in problem for problem in said), said
        assert "centralita dead-letters list" in worker.tail()
        records.send(kafka, topics.events, calls(50, first=50))
        worker.start().ready()
        wait_until_caught_up(kafka, topics)
        assert_exact(kafka, topics)
        wait_until(lambda: len(list(records.read(kafka, topics.dead_letters))) == sent, 10, "not each once")
