"""The Faust app: one agent over record runs. Faust does membership and lifecycle, and nothing that a figure depends on.

At least once is all that is asked of Faust; each partition's transactions make it exactly once (store.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import faust
from faust.app import BootStrategy
from faust.tables import TableManager
from faust.types import TP, StreamT
from yarl import URL

from streams.broker.topics import TopicSet
from streams.settings import Settings
from streams.worker.clients import credentials
from streams.worker.owner import Owner
from streams.worker.runs import LONGEST_RUN, Consumer, Transport

Fail = Callable[[BaseException], None]
BUFFERED_RUNS = 64


class Boot(BootStrategy):
    """Faust's services without its producer (the store has its own) and its web server (ours is health.py)."""

    enable_kafka_producer = False
    enable_web = False


class Tables(TableManager):
    """Faust's tables, of which there are none: it does not wait a second for them to be declared, at every start."""

    async def sleep(self, *_: Any, **__: Any) -> None:
        """Go on."""


class App(faust.App):
    """Faust's app with our boot strategy; its own crash ends the process with ours."""

    BootStrategy = Boot
    fail: Fail

    def _create_directories(self) -> None:
        """Make none: they are for tables, and a killed worker would leave them behind."""

    async def crash(self, reason: BaseException) -> None:
        """Report what ended a service of Faust."""
        self.fail(reason)
        await super().crash(reason)


def create(settings: Settings, owner: Owner, fail: Fail) -> App:
    """Return the app, wired to the owner of partitions."""
    topics = TopicSet(settings.kafka.prefix)
    app = App(settings.worker.application_id, **configuration(settings))
    app.fail = fail
    app.transport = _transport(app, settings, owner)
    _follow_rebalances(app, topics.events, owner)
    _apply_runs(app, topics.events, owner, fail)
    return app


def configuration(settings: Settings) -> dict[str, Any]:
    """Return Faust's configuration, with the reason where a value is not the obvious one."""
    worker = settings.worker
    return {
        "broker": _url(settings),
        "broker_credentials": credentials(settings.kafka),
        "processing_guarantee": "at_least_once",
        "consumer_auto_offset_reset": "earliest",
        "broker_commit_interval": 1.0,
        "broker_session_timeout": worker.session_timeout,
        "broker_heartbeat_interval": worker.session_timeout / 6,
        "broker_request_timeout": max(90.0, worker.session_timeout),
        "broker_rebalance_timeout": max(60.0, worker.transaction_timeout),
        "broker_max_poll_interval": 3600.0,  # a long restore fetches nothing
        "broker_max_poll_records": LONGEST_RUN,
        "consumer_max_fetch_size": 4 << 20,
        "stream_buffer_maxsize": BUFFERED_RUNS,
        "stream_wait_empty": True,
        "stream_recovery_delay": 0.0,  # waits for tables to settle; there are none
        "stream_publish_on_commit": False,
        "table_standby_replicas": 0,
        "TableManager": Tables,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "web_enabled": False,
        "web_in_thread": False,
        "autodiscover": False,
    }


def _url(settings: Settings) -> list[URL]:
    return [URL(f"kafka://{place.strip()}") for place in settings.kafka.bootstrap.split(",")]


def _transport(app: App, settings: Settings, owner: Owner) -> Transport:
    transport = Transport(_url(settings), app)
    transport.Consumer = partial(Consumer, owner)  # type: ignore[assignment]  # Faust makes it, and passes nothing on
    return transport


def _follow_rebalances(app: App, events: str, owner: Owner) -> None:
    def numbers(places: set[TP]) -> list[int]:
        return [place.partition for place in places if place.topic == events]

    @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
    async def revoked(_: App, places: set[TP], **__: Any) -> None:
        await owner.revoke(numbers(places))

    @app.on_partitions_assigned.connect  # type: ignore[untyped-decorator]
    async def assigned(_: App, places: set[TP], **__: Any) -> None:
        owner.assign(numbers(places))

    @app.on_rebalance_complete.connect  # type: ignore[untyped-decorator]
    async def complete(_: App, **__: Any) -> None:
        await owner.taken()


def _apply_runs(app: App, events: str, owner: Owner, fail: Fail) -> None:
    topic = app.topic(events, value_type=bytes, value_serializer="raw", key_serializer="raw")

    @app.agent(topic, concurrency=1, name="runs")  # type: ignore[untyped-decorator]
    async def runs(stream: StreamT[bytes]) -> None:
        async for event in stream.noack().events():
            try:
                await owner.apply(event)
            except Exception as error:
                logging.getLogger(__name__).exception("A run was not applied.")
                fail(error)
                event.ack()
                await asyncio.Event().wait()  # the process ends; no later run may be applied after a lost one
