import time
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from click.testing import CliRunner
from kafka.admin import ConfigResource, ConfigResourceType

from streams.broker.topics import FREE, Shape, TopicSet, admin_client
from streams.broker.topics_command import command
from streams.errors import BrokerError, TopicError
from streams.settings import KafkaSettings, Settings

pytestmark = pytest.mark.kafka


@pytest.fixture
def admin(kafka):
    with admin_client(kafka) as client:
        yield client


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait for what the controller decided to reach the broker: some milliseconds."""
    deadline = time.monotonic() + 10
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return met


def test_created_topics_are_right(topics, admin):
    """What create makes, check accepts, and creating again changes nothing."""
    assert topics.check(admin) == []
    assert topics.create(admin) == []
    assert topics.partitions(admin) == 4


@pytest.mark.parametrize("partitions", [2])
def test_other_numbers_of_partitions_are_named(topics, admin, partitions):
    """The number is final: asking for another one is a problem, not a silent change."""
    assert topics.check(admin, 2) == []
    assert "have 2 partitions, 8 were asked for" in topics.check(admin, 8)[0]


def test_missing_topics_are_named(admin):
    """Each missing topic is one problem, and asking for its partitions is an error."""
    absent = TopicSet(f"absent-{uuid4().hex}")
    assert [problem.split()[0] for problem in absent.check(admin)] == list(absent.names)
    with pytest.raises(TopicError, match=absent.events):
        absent.partitions(admin)


def test_a_topic_with_fewer_partitions_is_named(topics, admin):
    """All numbers are shown, so that one sees which topic differs."""
    admin.delete_topics([topics.kpis])
    assert eventually(lambda: topics.create(admin, 3) == [topics.kpis])
    assert f"{topics.kpis} has 3" in topics.check(admin)[0]


@pytest.mark.parametrize("partitions", [2])
def test_a_topic_that_went_missing_is_made_like_the_others(topics, admin, partitions):
    """Without a number, the partitions of the existing topics count."""
    admin.delete_topics([topics.kpis])
    assert eventually(lambda: topics.create(admin) == [topics.kpis])
    assert topics.check(admin) == []


@pytest.mark.parametrize(
    ("topic", "key", "value"),
    [
        ("events", "retention.ms", "1000"),
        ("events", "cleanup.policy", "compact"),
        ("events", "message.timestamp.type", "CreateTime"),
        ("state", "cleanup.policy", "delete"),
        ("kpis", "cleanup.policy", "compact,delete"),
        ("state", "max.message.bytes", "1000000"),
    ],
)
def test_a_harmful_setting_is_named(topics, admin, topic, key, value):
    """The problem has the topic, the key and the value seen."""
    name = getattr(topics, topic)
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {key: value})])
    assert eventually(lambda: topics.check(admin) != [])
    assert f"{name} has {key}={value}, expected" in topics.check(admin)[0]


def test_longer_retention_than_needed_is_accepted(topics, admin):
    """Keeping events for longer does no harm; for less does."""
    assert TopicSet(topics.prefix, timedelta(days=7)).check(admin) == []
    assert "retention.ms" in TopicSet(topics.prefix, timedelta(days=90)).check(admin)[0]


def test_three_replicas_have_to_be_two_in_sync():
    """Kafka asks for one; on a single broker one is all there is."""
    topics = TopicSet()
    configs = {topic.name: {**topic.config, "min.insync.replicas": "1"} for topic in topics.topics}
    three, one = (dict.fromkeys(topics.names, Shape(4, replicas)) for replicas in (3, 1))
    assert list(topics._harmful(three, configs, FREE)) == [(n, "min.insync.replicas", "1", "2") for n in topics.names]
    assert list(topics._harmful(one, configs, FREE)) == []


def test_what_was_just_changed_is_looked_at_again(monkeypatch):
    """The broker that is asked may not have heard of what another one has done."""
    answers = [["contact-center.events is missing"], []]
    monkeypatch.setattr(TopicSet, "check", lambda *_: answers.pop(0))
    assert TopicSet().check_changed(None) == []


def test_the_command_creates_checks_and_reports_by_exit_code(kafka):
    """First everything is missing (1), then it is made (0), then it is right (0)."""
    run = CliRunner()
    settings = Settings(kafka=KafkaSettings(bootstrap=kafka, prefix=f"command-{uuid4().hex}"))
    assert run.invoke(command, ["--check"], obj=lambda: settings).exit_code == 1
    assert "created" in run.invoke(command, ["--partitions", "2"], obj=lambda: settings).output
    assert run.invoke(command, ["--check"], obj=lambda: settings).exit_code == 0


def test_an_unreachable_broker_is_named():
    """The address is in the message."""
    with pytest.raises(BrokerError, match="127.0.0.1:1"), admin_client("127.0.0.1:1", bootstrap_timeout_ms=200):
        pass


def test_the_command_mends_settings_when_asked(kafka, topics, admin):
    """Without --mend it only says what is wrong (1); with it, it sets what was wrong and nothing else (0)."""
    run = CliRunner()
    settings = Settings(kafka=KafkaSettings(bootstrap=kafka, prefix=topics.prefix))
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topics.state, {"cleanup.policy": "delete"})])
    assert eventually(lambda: topics.check(admin) != [])
    assert run.invoke(command, [], obj=lambda: settings).exit_code == 1
    mended = run.invoke(command, ["--mend"], obj=lambda: settings)
    assert mended.exit_code == 0, mended.output
    assert [line for line in mended.output.splitlines() if line.endswith(" set")] == [
        f"{topics.state}: cleanup.policy=compact set"
    ]
