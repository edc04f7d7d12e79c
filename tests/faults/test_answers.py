"""Numbers 5 to 7 of the list: two deployments on the same topics, answers to commits that are lost, commits that come late."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.dead_letters import Reason
from streams.broker.embedded import EmbeddedKafka
from streams.broker.server_properties import HOST, free_port
from streams.broker.topics import TopicSet, admin_client
from streams.worker.resending import CHUNK
from tests.chaos.feeder import Feeder
from tests.harness import records
from tests.harness.commands import centralita
from tests.harness.exactness import wait_until, wait_until_caught_up
from tests.harness.invariants import assert_invariants, garbage, send
from tests.harness.proxy import END_TXN, TXN_OFFSET_COMMIT, Proxy
from tests.harness.storm import Item, storm
from tests.harness.watcher import Watcher
from tests.harness.workers import WorkerProcess

pytestmark = [pytest.mark.kafka, pytest.mark.long, pytest.mark.timeout(300)]


@pytest.mark.parametrize("partitions", [2])
def test_fault_5_two_deployments_on_the_same_topics(kafka: str, topics: TopicSet, tmp_path: Path):
    """The second ends with 78, before it has written anything, and says which setting is wrong; the first goes on."""
    items = list(storm(6_000, seed=5))
    with Watcher(kafka, topics), WorkerProcess(kafka, topics.prefix, tmp_path) as first:
        first.ready()
        send(kafka, topics, items[:3_000])
        wait_until_caught_up(kafka, topics)
        other = {"CENTRALITA_WORKER_APPLICATION_ID": "another"}
        with WorkerProcess(kafka, topics.prefix, tmp_path, other) as second:
            assert second.exit_code() == 78
            told = rf"seen 'another', but the state of partition \d is written by '{topics.prefix}'"
            assert re.search(told, second.log.read_text()), second.tail()
            send(kafka, topics, items[3_000:])
            wait_until_caught_up(kafka, topics, supervised=[first])
            second.start()
            assert second.exit_code() == 78
        wait_until_caught_up(kafka, topics, supervised=[first])
        assert_invariants(kafka, topics, garbage(items))


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[tuple[EmbeddedKafka, Proxy, TopicSet]]:
    """A broker that is reached through a proxy only, and its topics."""
    port = free_port()
    broker = EmbeddedKafka(tmp_path / "kafka", settings={"advertised.listeners": f"PLAINTEXT://{HOST}:{port}"})
    with Proxy(port, broker.port) as proxy, broker:
        made = TopicSet("behind")
        with admin_client(broker.bootstrap) as admin:
            made.create(admin, 2)
        yield broker, proxy, made


def test_fault_6_the_answer_to_a_commit_is_lost(behind: tuple[EmbeddedKafka, Proxy, TopicSet], tmp_path: Path):
    """It has landed and nobody knows: the same worker asks again, or the next one reads it in the marker."""
    broker, proxy, own = behind
    items = list(storm(9_000, seed=6))
    with Watcher(broker.bootstrap, own), WorkerProcess(broker.bootstrap, own.prefix, tmp_path) as worker:
        worker.ready()
        for part in range(2):
            proxy.lose(2)
            send(broker.bootstrap, own, items[part::2])
            wait_until(lambda part=part: proxy.lost >= 2 * (part + 1), 60, f"nothing was lost: {worker.tail()}")
            wait_until_caught_up(broker.bootstrap, own, supervised=[worker])
        assert_invariants(broker.bootstrap, own, garbage(items))


def test_fault_7_a_commit_comes_when_another_transaction_is_open(
    behind: tuple[EmbeddedKafka, Proxy, TopicSet], tmp_path: Path
):
    """Held back while its worker asks again and goes on, and then until it has given up and started again: every transaction stays whole."""
    broker, proxy, own = behind
    feeder = Feeder(broker.bootstrap, own.events, storm(16_000, seed=7), rate=800)
    with Watcher(broker.bootstrap, own), WorkerProcess(broker.bootstrap, own.prefix, tmp_path) as worker:
        worker.ready()
        feeder.start()
        proxy.hold(2, 5.0)
        wait_until(lambda: proxy.held[END_TXN] >= 2, 30, "nothing was held back")
        assert worker.running, worker.tail()
        proxy.hold(1_000, 20.0)
        assert worker.exit_code() == 75
        held = proxy.held[END_TXN]
        proxy.hold(0, 0.0)
        worker.start().ready()
        wait_until(lambda: proxy.held[END_TXN] > held, 30, "nothing was let through later")
        wait_until(lambda: feeder.done, 60, "the load did not get through")
        wait_until_caught_up(broker.bootstrap, own, supervised=[worker])
        assert_invariants(broker.bootstrap, own, feeder.garbage)


@pytest.mark.parametrize(
    ("late", "seconds", "other", "others"),
    [(END_TXN, 3.0, TXN_OFFSET_COMMIT, 5.0), (TXN_OFFSET_COMMIT, 5.0, END_TXN, 3.5)],
    ids=["commit", "offsets"],
)
def test_fault_7_what_a_resend_asked_for_comes_late(
    behind: tuple[EmbeddedKafka, Proxy, TopicSet], tmp_path: Path, late: int, seconds: float, other: int, others: float
):
    """A request of its first transaction is held back, asked for again, and comes in its second one: no letter is sent twice.

    The commit, which would commit the second one's events without their offsets (and the command is killed then):

        0 s          5 s          8 s       10 s
        |--offsets---|--commit----|
          first one     cut: asked for again at once, done
                     |--offsets-------------|
                        second one

    The offsets, which would take the place of the second one's, while its commit is held back.
    """
    broker, proxy, own = behind
    items = [Item(b"k%d" % number, b'{"id": "%d"' % number, Reason.UNDECODABLE) for number in range(2 * CHUNK)]
    resend = ("dead-letters", "resend", "--reason", "undecodable")
    with Watcher(broker.bootstrap, own), WorkerProcess(broker.bootstrap, own.prefix, tmp_path) as worker:
        worker.ready()
        send(broker.bootstrap, own, items)
        wait_until_caught_up(broker.bootstrap, own)
        assert worker.terminate() == 0
        proxy.hold(1, seconds, late, cut=True)
        proxy.hold(2, others, other)
        command = centralita(broker.bootstrap, own, *resend)
        wait_until(lambda: proxy.held[late] == 1, 60, "nothing was held back", 0.02)
        assert proxy.held[other] == 1, "it came before the second transaction was open, or after it"
        if late == END_TXN:
            command.kill()
        command.communicate()
        for left in (False, True):
            said, _ = centralita(broker.bootstrap, own, *resend).communicate(timeout=60)
            assert (b"\n0 sent again, 0 parked" in said) == (left or late == TXN_OFFSET_COMMIT), said
        assert sum(1 for _ in records.read(broker.bootstrap, own.events)) == 2 * len(items)
        worker.start().ready()
        wait_until_caught_up(broker.bootstrap, own)
        assert_invariants(broker.bootstrap, own, garbage([*items, *items]))
