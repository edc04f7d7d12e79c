"""`rebuild` and `dead-letters` against workers on a real Kafka, and a worker that refuses to count on."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streams.broker.topics import TopicSet
from streams.cli import group
from streams.errors import TopicError
from tests.harness import records
from tests.harness.exactness import assert_exact, published, wait_until, wait_until_caught_up
from tests.harness.traffic import GARBAGE, REASONS, calls
from tests.harness.workers import WorkerProcess

pytestmark = [pytest.mark.kafka, pytest.mark.parametrize("partitions", [2])]


def centralita(kafka: str, topics: TopicSet, *arguments: str) -> Result:
    """Run a command in this process."""
    environment = {
        "CENTRALITA_KAFKA": kafka,
        "CENTRALITA_KAFKA_PREFIX": topics.prefix,
        "CENTRALITA_WORKER_APPLICATION_ID": topics.prefix,
    }
    return CliRunner().invoke(group, arguments, env=environment, catch_exceptions=True)


def run_once(kafka: str, topics: TopicSet, folder: Path) -> None:
    """Let a worker catch up and end."""
    with WorkerProcess(kafka, topics.prefix, folder) as worker:
        worker.ready()
        wait_until_caught_up(kafka, topics)
        assert worker.terminate() == 0, worker.tail()


def test_a_worker_without_its_state_refuses_until_rebuilt(kafka: str, topics: TopicSet, tmp_path: Path):
    """State or panes deleted: the worker ends with 70 and names the cure; after `rebuild` the figures are exact."""
    records.send(kafka, topics.events, calls(300))
    run_once(kafka, topics, tmp_path)
    for topic in (topics.state, topics.kpis):
        records.send_to(kafka, topic, [(number, key, None) for number, key in records.last(kafka, topic)])
        with WorkerProcess(kafka, topics.prefix, tmp_path) as worker:
            assert worker.exit_code() == 70
            assert "centralita rebuild" in worker.tail()
        assert centralita(kafka, topics, "rebuild", "--yes").exit_code == 0
        assert_exact(kafka, topics)
    records.send(kafka, topics.events, calls(100, first=300))
    run_once(kafka, topics, tmp_path)
    assert_exact(kafka, topics)


def test_rebuild_makes_the_same_anew_and_asks_first(kafka: str, topics: TopicSet, tmp_path: Path):
    """Without a yes nothing happens, and not while a worker runs; then all is exact without a worker, which goes on from it."""
    records.send(kafka, topics.events, calls(300))
    with WorkerProcess(kafka, topics.prefix, tmp_path) as worker:
        worker.ready()
        wait_until_caught_up(kafka, topics)
        refused = centralita(kafka, topics, "rebuild", "--yes", "--wait", "0")
        assert refused.exit_code == 1
        assert "stop the workers" in str(refused.exception)
        assert worker.terminate() == 0
    before = published(kafka, topics)
    assert centralita(kafka, topics, "rebuild").exit_code == 1
    assert published(kafka, topics) == before
    assert centralita(kafka, topics, "rebuild", "--yes").exit_code == 0
    assert_exact(kafka, topics)
    records.send(kafka, topics.events, calls(50, first=300))
    run_once(kafka, topics, tmp_path)
    assert_exact(kafka, topics)


def test_dead_letters_are_resent_once_and_parked_after_three_attempts(kafka: str, topics: TopicSet, tmp_path: Path):
    """Each resend sends each letter once; what is refused for the third time is parked."""
    records.send(kafka, topics.events, [*calls(50), *GARBAGE.values()])
    run_once(kafka, topics, tmp_path)
    resend = ("dead-letters", "resend", "--reason", "undecodable")
    undecodable = list(REASONS.values()).count("undecodable")
    for attempt in (1, 2, 3):
        listed = centralita(kafka, topics, "dead-letters", "list")
        assert listed.output.count("@") == len(GARBAGE) + (attempt - 1) * undecodable, listed.output
        assert f"{undecodable if attempt < 3 else 0} sent again" in centralita(kafka, topics, *resend).output
        assert "0 sent again" in centralita(kafka, topics, *resend).output
        if attempt < 3:
            run_once(kafka, topics, tmp_path)
    letters = list(records.read(kafka, topics.dead_letters))
    assert {(letter.key, letter.value) for letter in letters} == set(GARBAGE.values())
    assert "(parked)" in centralita(kafka, topics, "dead-letters", "list").output
    assert_exact(kafka, topics)


def test_a_letter_that_counts_now_counts_once(kafka: str, topics: TopicSet, tmp_path: Path):
    """An event that came too early is refused; an event that was counted is not counted again when it is resent."""
    event = next(calls(1))
    too_late = (event[0], event[1].replace(b'"time":1772', b'"time":1572'))
    records.send(kafka, topics.events, [*calls(50), too_late])
    run_once(kafka, topics, tmp_path)
    listed = centralita(kafka, topics, "dead-letters", "list", "--reason", "too_late")
    header, row = listed.output.splitlines()
    assert header.split() == ["time", "from", "reason", "attempt", "bytes", "error"]
    assert header.index("reason") == row.index("too_late")
    assert centralita(kafka, topics, "dead-letters", "list", "--reason", "invalid").output == "There are none.\n"


@pytest.mark.parametrize("what", ["list", "resend"])
def test_dead_letters_without_their_topic_name_the_command_that_makes_it(kafka: str, partitions: int, what: str):
    """As `send` does; "There are none" would be a lie."""
    absent = TopicSet(f"absent-{what}-{partitions}")
    error = centralita(kafka, absent, "dead-letters", what).exception
    assert isinstance(error, TopicError)
    assert f"{absent.dead_letters}: " in str(error)
    assert "centralita topics" in str(error)


def test_a_foreign_open_transaction_is_noticed(kafka: str, topics: TopicSet, tmp_path: Path):
    """Another producer's open transaction on our topics: alarm in the metrics, not ready, said in words."""
    records.send(kafka, topics.events, calls(100))
    quick = {"CENTRALITA_WORKER_TRANSACTION_TIMEOUT": "2"}
    with WorkerProcess(kafka, topics.prefix, tmp_path, quick) as worker:
        worker.ready()
        wait_until_caught_up(kafka, topics)
        with records.open_transaction(kafka, topics.kpis, 1):
            wait_until(lambda: "hangs" in str(worker.problems()), 20, f"not noticed: {worker.problems()}")
            assert 'unstable_records{partition="1"' in worker.get("/metrics")
        wait_until(lambda: worker.problems() == [], 20, f"not ready again: {worker.problems()}")
