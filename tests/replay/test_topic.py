"""A range of the topic says what the same events in a file say; reading it leaves no trace in Kafka."""

from __future__ import annotations

import errno
import os
import re
import time

import msgspec
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.dead_letters import Reason
from schemas.rows import Row
from streams.cli import group
from streams.engine.policy import DAY, HOUR
from streams.errors import BrokerError, InputError, OutputError, TopicError
from tests.harness import records
from tests.harness.exactness import wait_until_caught_up
from tests.harness.workers import WorkerProcess
from tests.replay import expected

pytestmark = pytest.mark.kafka
EVENTS = expected.traffic(contacts=400, seed=11)


@pytest.fixture
def report(kafka: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch):
    """Run the command against the broker; what goes wrong is raised."""
    monkeypatch.setenv("CENTRALITA_KAFKA", kafka)
    monkeypatch.setenv("CENTRALITA_KAFKA_PREFIX", topic_prefix)

    def run(*arguments: object, command: str = "report") -> Result:
        result = CliRunner().invoke(group, [command, *map(str, arguments)])
        if isinstance(result.exception, Exception):
            raise result.exception
        return result

    return run


def rows(result: Result) -> list[Row]:
    assert result.exit_code == 0, result.output
    return [msgspec.json.decode(line, type=Row) for line in result.stdout_bytes.splitlines()]


WHOLE = ("--from", "2026-03-02T09:00", "--format", "json")


@pytest.mark.parametrize("processes", [1, 3])
def test_a_range_equals_one_engine(kafka, topics, report, processes: int) -> None:
    """Whatever the number of partitions and of processes that read them."""
    records.send(kafka, topics.events, EVENTS)
    found = rows(report(*WHOLE, "--every", "15m", "--by", "queue", "--processes", processes))
    assert found == expected.rows(expected.figures(EVENTS), "15m", "queue")


def test_reading_joins_no_group_and_commits_nothing(kafka, topics, report) -> None:
    """Neither a group nor an offset of one is left."""
    records.send(kafka, topics.events, EVENTS)
    report(*WHOLE)
    groups = AdminClient({"bootstrap.servers": kafka}).list_consumer_groups().result().valid
    assert "centralita-replay" not in {found.group_id for found in groups}


def test_what_was_not_committed_is_not_read(kafka, topics, report) -> None:
    """Events of a transaction that was aborted do not count, and its control records do not keep the report waiting."""
    records.send(kafka, topics.events, EVENTS)
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": f"aborted-{topics.prefix}"})
    producer.init_transactions(10)
    producer.begin_transaction()
    for number in range(4):
        ended = b'{"type":"call.queued","id":"x","time":"2026-03-02T09:01:00Z","contact_id":"x","queue":"none"}'
        producer.produce(topics.events, ended, b"x", partition=number)
    producer.flush(10)
    producer.abort_transaction(10)
    found = rows(report(*WHOLE, "--by", "queue"))
    assert "none" not in {row.queue for row in found}
    assert found == expected.rows(expected.figures(EVENTS), "all", "queue")


def test_other_definitions_than_the_workers_are_said(kafka, topics, report, monkeypatch, tmp_path) -> None:
    """Boards show other figures then; what is only aimed at differs in no figure."""
    records.send(kafka, topics.events, EVENTS)
    with WorkerProcess(kafka, topics.prefix, tmp_path) as worker:
        worker.ready()
        wait_until_caught_up(kafka, topics)
        assert worker.terminate() == 0, worker.tail()
    assert "other definitions" not in report(*WHOLE).stderr
    monkeypatch.setenv("CENTRALITA_DEFAULTS_SERVICE_LEVEL_TARGET", "0.5")
    assert "other definitions" not in report(*WHOLE).stderr
    monkeypatch.setenv("CENTRALITA_DEFAULTS_SERVICE_LEVEL_THRESHOLD", "60")
    assert "Workers count under other definitions" in report(*WHOLE).stderr


def test_reading_stops_when_nothing_can_matter_any_more(kafka, topics, report) -> None:
    """Events weeks after the range are refused or not read: either way the range says the same."""
    later = b'{"type":"call.queued","id":"%d","time":"2026-04-%02dT09:00:00Z","contact_id":"later%d","queue":"later"}'
    records.send(kafka, topics.events, EVENTS)
    records.send(kafka, topics.events, [(b"l%d" % day, later % (day, day, day)) for day in range(1, 29)])
    asked = ("--from", "2026-03-02T09:00", "--to", "2026-03-02T09:15", "--format", "json")
    (row,) = rows(report(*asked))
    whole = expected.rows(expected.figures(EVENTS), "15m")[0]
    final = {
        name: figure if figure.status == "unavailable" else msgspec.structs.replace(figure, status="final")
        for name, figure in whole.kpis.items()
    }
    assert row.kpis == final


def test_reading_begins_at_arrivals_before_the_range(kafka, topics) -> None:
    """What arrived well before the range is left out; forty days before it nothing can belong to it."""
    from streams.engine.policy import Policy
    from streams.replay.topic import Asked, spans
    from streams.settings import KafkaSettings

    now = time.time_ns() // 1_000
    records.send(kafka, topics.events, EVENTS)
    settings = KafkaSettings(bootstrap=kafka, prefix=topics.prefix)
    near = spans(Asked(settings, topics.events, now - HOUR, now), Policy())
    assert sum(span.end - span.begin for span in near) == len(EVENTS)
    with pytest.raises(InputError, match="nothing to report"):
        spans(Asked(settings, topics.events, now + 40 * DAY, now + 41 * DAY), Policy())


def test_refused_records_are_counted_by_reason(kafka, topics, report) -> None:
    """They are dead letters of the worker's; the report is whole without them, and the exit code 1."""
    records.send(kafka, topics.events, EVENTS)
    records.send(kafka, topics.events, [(b"k", b"nonsense"), (None, EVENTS[0][1])])
    result = report(*WHOLE)
    assert result.exit_code == 1
    found = [msgspec.json.decode(line, type=Row) for line in result.stdout_bytes.splitlines()]
    assert found == expected.rows(expected.figures(EVENTS))
    assert (
        f"2 records are no events and not in the figures: {Reason.INVALID} 1, {Reason.UNDECODABLE} 1" in result.stderr
    )
    assert "partition " in result.stderr


def test_a_range_without_events(kafka, topics, report) -> None:
    """Says so, with the exit code for input."""
    records.send(kafka, topics.events, EVENTS)
    with pytest.raises(InputError, match="no events to report between") as error:
        report("--from", "2020-01-01", "--to", "2020-01-02")
    assert error.value.exit_code == os.EX_DATAERR


def test_an_empty_topic(topics, report) -> None:
    """Nothing has arrived at all."""
    with pytest.raises(InputError, match="nothing to report"):
        report(*WHOLE)


def test_a_missing_topic_is_named(report, monkeypatch) -> None:
    """And how to make it."""
    monkeypatch.setenv("CENTRALITA_KAFKA_PREFIX", "absent")
    with pytest.raises(TopicError, match="create it with `centralita topics`"):
        report(*WHOLE)


def test_an_unreachable_broker_is_named(report, monkeypatch) -> None:
    """Within seconds."""
    monkeypatch.setenv("CENTRALITA_KAFKA", "127.0.0.1:1")
    monkeypatch.setattr("streams.replay.topic._TIMEOUT", 1.0)
    with pytest.raises(BrokerError, match="127.0.0.1:1"):
        report(*WHOLE)


def test_a_range_that_the_log_no_longer_has_says_what_is_missing(kafka, topics, report) -> None:
    """How many records of which partition are gone, from when on figures are complete; --incomplete counts the rest."""
    records.send(kafka, topics.events, EVENTS)
    admin = AdminClient({"bootstrap.servers": kafka})
    for done in admin.delete_records([TopicPartition(topics.events, 1, 100)]).values():
        done.result(10)
    with pytest.raises(
        InputError, match=r"partition 1 begins with what .*: the 100 records before it are deleted"
    ) as error:
        report(*WHOLE)
    assert error.value.exit_code == os.EX_DATAERR
    advised = re.search(r"complete with --from (\S+);", str(error.value))
    assert advised is not None
    with pytest.raises(InputError, match="no events arrived|no events to report"):  # so late a begin is accepted
        report("--from", advised[1])
    (left,) = rows(report(*WHOLE, "--incomplete"))
    (whole,) = expected.rows(expected.figures(EVENTS))
    assert 0 < left.kpis["entered"].value < whole.kpis["entered"].value


def test_a_partition_whose_records_are_all_gone(kafka, topics, report) -> None:
    """Nobody can tell what was in it."""
    records.send(kafka, topics.events, EVENTS)
    end = records.ends(kafka, topics.events)[2]
    admin = AdminClient({"bootstrap.servers": kafka})
    for done in admin.delete_records([TopicPartition(topics.events, 2, -1)]).values():
        done.result(10)
    with pytest.raises(InputError, match=f"partition 2 is empty, its first {end} records are deleted"):
        report(*WHOLE)


def test_a_partition_of_which_half_cannot_be_read(kafka, topics, report, tmp_path_factory, tmp_path) -> None:
    """A damaged block on the broker's disk: the place is named, the exit code is 69, and there is no output."""
    for start in range(0, len(EVENTS), 100):
        records.send(kafka, topics.events, EVENTS[start : start + 100])
    segments = list(tmp_path_factory.getbasetemp().glob(f"kafka*/log/{topics.events}-1/*0.log"))
    if not segments:
        pytest.skip("the broker's disk is not ours")
    with segments[0].open("r+b") as segment:
        segment.seek(segments[0].stat().st_size // 2)
        segment.write(b"\xff" * 64)
    output = tmp_path / "rows.json"
    with pytest.raises(BrokerError, match=r"partition 1, offset \d+: cannot be read") as error:
        report(*WHOLE, "--output", output, command="replay")
    assert error.value.exit_code == os.EX_UNAVAILABLE
    assert not output.exists()


def _full(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_replay_killed_and_gone_on_with(kafka, topics, report, tmp_path, monkeypatch) -> None:
    """By the journals of some partitions only, with another number of processes: the rows are those of one engine."""
    records.send(kafka, topics.events, EVENTS)
    output = tmp_path / "rows.json"
    with monkeypatch.context() as broken:
        broken.setattr("streams.replay.atomic.os.fsync", _full)  # at the very end: all is counted, nothing is written
        with pytest.raises(OutputError, match="No space left"):
            report(*WHOLE, "--output", output, command="replay")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.json.progress"]
    journals = sorted((tmp_path / "rows.json.progress").glob("*.journal"))
    assert len(journals) == 4
    journals[0].unlink()
    journals[1].write_bytes(journals[1].read_bytes()[:-5])
    report(*WHOLE, "--output", output, "--processes", 1, command="replay")
    found = [msgspec.json.decode(line, type=Row) for line in output.read_bytes().splitlines()]
    assert found == expected.rows(expected.figures(EVENTS))
    assert [path.name for path in tmp_path.iterdir()] == ["rows.json"]
