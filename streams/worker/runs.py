"""Record runs: one Faust event carries up to 1,000 records of one partition, so Faust's 80 us an event are paid once a run.

Beyond the wrapping, this consumer takes three decisions out of Faust's hands, because only the store knows the truth:

- where to read from: the marker of the last committed transaction (`Owner.positions`), never the group's offset;
- what the group's offset is: that marker again, a hint for lag tools. Faust's own bookkeeping of acknowledged
  offsets is left out: it commits past events that it skipped in a rebalance, and spends seconds on gaps in a log;
- that a failed commit of a hint ends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import aiokafka
from aiokafka.consumer.fetcher import OffsetResetStrategy
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message
from mode.utils.futures import notify

LONGEST_RUN = 1_000
"""Records. Given to Faust as ``broker_max_poll_records``."""
LEAST_FETCHED = 64 << 10
LONGEST_FETCH = 50
"""A broker answers when it has so many bytes, or after so many milliseconds: one answer for each small batch costs it and us more than counting."""


class Run(NamedTuple):
    """Consecutive records of one partition, and the offset after the record that was read before them."""

    records: list[Any]
    follows: int | None


class Owner(Protocol):
    """Who knows how far each partition is."""

    def positions(self) -> dict[int, int]:
        """Return the next input offset of every partition that is restored."""

    def passed(self, number: int, reached: int, position: int) -> None:
        """Take note that after the record before ``reached`` there is none below ``position``."""

    def committed(self) -> dict[int, int]:
        """Return the next input offset that each partition's last committed transaction says."""


class RunThread(driver.AIOKafkaConsumerThread):
    """Reads only committed events: those of a source's aborted transaction were never sent."""

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - Faust ties it to its own exactly_once
        consumer._fetch_min_bytes = LEAST_FETCHED  # noqa: SLF001 - Faust has no setting for these two
        consumer._fetch_max_wait_ms = LONGEST_FETCH  # noqa: SLF001
        return consumer


class Consumer(driver.Consumer):
    """Faust's consumer, in runs."""

    def __init__(self, owner: Owner, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owner = owner
        self._reached: dict[TP, int] = {}
        self._seeks = 0

    def _new_consumer_thread(self) -> RunThread:
        return RunThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Mapping[TP, list[Any]]:  # noqa: ASYNC109 - Faust's
        seeks = self._seeks
        fetched = await super()._getmany(active_partitions, timeout)
        if fetched and seeks != self._seeks:  # these may be from before or after the seek: read them again
            await self.perform_seek()
            return {}
        runs = {tp: [self._run(tp, records)] for tp, records in fetched.items() if records}
        self._pass_over(runs)
        return runs

    def _run(self, tp: TP, records: list[Any]) -> Run:
        follows = self._reached.get(tp)
        self._reached[tp] = records[-1].offset + 1
        return Run(records, follows)

    def _pass_over(self, runs: Mapping[TP, list[Any]]) -> None:
        """Tell how far partitions without records are: ends of transactions, and what was aborted, have offsets too.

        Positions move only while records are fetched, and nothing is being fetched now.
        """
        assignment = self._thread._ensure_consumer()._subscription.subscription.assignment  # noqa: SLF001
        for tp in assignment.tps - runs.keys():
            state = assignment.state_value(tp)
            if tp in self._reached and state is not None and state.has_valid_position:
                self.owner.passed(tp.partition, self._reached[tp], state.position)

    def _to_message(self, tp: TP, run: Run) -> ConsumerMessage:
        last = run.records[-1]
        return ConsumerMessage(
            last.topic, last.partition, last.offset, None, last.timestamp_type, (), None, run, None, 0, 0, tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip

    async def perform_seek(self) -> None:
        """Go on where the restored partitions are."""
        assigned = self.assignment()
        positions = self.owner.positions()
        targets = {tp: positions[tp.partition] for tp in assigned if tp.partition in positions}
        self._seeks += 1
        self._reached.update(targets)
        if targets:
            await self.seek_wait(targets)
        if targets.keys() == assigned:
            self._reset(OffsetResetStrategy.NONE)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let new partitions have any position until they are restored."""
        self._reset(OffsetResetStrategy.EARLIEST)
        await super().on_partitions_revoked(revoked)

    def _reset(self, strategy: int) -> None:
        """Decide what reading does when its position has expired: once we count, it fails instead of skipping events."""
        fetcher = self._thread._ensure_consumer()._fetcher  # noqa: SLF001 - there is no other way to it
        fetcher._default_reset_strategy = strategy  # noqa: SLF001

    def ack(self, message: Message) -> bool:
        """Let go of a message whose transaction is committed (or that was skipped)."""
        message.acked = True
        self._unacked_messages.discard(message)
        notify(self._waiting_for_ack)
        return True

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: no acknowledged offsets are kept that a gap could interrupt."""

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return iter(self.assignment())

    def _filter_committable_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
        committed = self.owner.committed()
        found = ((tp, committed.get(tp.partition, 0)) for tp in tps)
        return {tp: offset for tp, offset in found if offset > (self._committed_offset[tp] or 0)}

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        hints = {driver.ensure_aiokafka_TP(tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items()}
        try:
            consumer = self._thread._ensure_consumer()  # noqa: SLF001 - there is no other way to it
            await self._thread.call_thread(consumer.commit, hints)
        except KafkaError as error:
            self.log.warning("The group's offsets, a hint only, were not committed: %r", error)
            return False
        return True


class Transport(driver.Transport):
    """Faust's transport with our consumer."""

    Consumer = Consumer
