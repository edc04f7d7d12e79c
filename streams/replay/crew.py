"""The processes of a report: started, fed or left to read by themselves, and ended whatever happens.

    parent                            child (one a core)
      | -- batches (files only) ------> |  engine
      | <------ progress (topic only) --|
      | <------ Summary, or an error ---|
      | -- largest event time --------> |  who still waits is what they are as of then
      | <------ figures ----------------|

Children ignore Ctrl-C, which the terminal sends to all: the parent ends them. A child whose parent is gone ends by itself.
"""

from __future__ import annotations

import gc
import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from streams.engine.partition import Record
from streams.engine.policy import Policy
from streams.errors import CentralitaError
from streams.replay.shard import DisorderError, Entry, Shard, Summary

Batch = list[tuple[int, bytes, bytes]]
"""Offset, key and value of records."""
_CHUNK: Final = 5_000
"""Records of figures handed over at once."""
_JOIN_SECONDS: Final = 5.0
_batches = msgspec.msgpack.Decoder(Batch)
_entries = msgspec.msgpack.Decoder(list[Entry])
encode_batch: Final = msgspec.msgpack.Encoder().encode


class Crew:
    """Child processes that run ``target`` (connection, job), one for each job; a context manager that leaves none behind."""

    def __init__(self, target: Callable[[Connection, Any], None], jobs: Sequence[Any]) -> None:
        self._target, self._jobs = target, jobs
        self._connections: list[Connection] = []
        self._processes: list[SpawnProcess] = []

    def __enter__(self) -> Self:
        # What a process ignores, its children ignore from their first instruction on.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            for job in self._jobs:
                self._start(job)
        finally:
            signal.signal(signal.SIGINT, before)
        return self

    def _start(self, job: Any) -> None:
        # A fresh interpreter: forking would copy the locks of the parent's threads.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=self._target, args=(theirs, job), daemon=True)
        process.start()
        theirs.close()
        self._connections.append(ours)
        self._processes.append(process)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            if kind is not None:
                process.terminate()
            process.join(_JOIN_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()

    def send(self, index: int, data: bytes) -> None:
        """Hand a batch to a process; no bytes mean that no more come. Raise what has gone wrong there."""
        connection = self._connections[index]
        if connection.poll():
            self._receive(index)
        try:
            connection.send_bytes(data)
        except OSError:
            self._receive(index)

    def summaries(self, progress: Callable[[int], None]) -> list[Summary]:
        """Wait until all have read everything, and return what became of it."""
        found: dict[int, Summary] = {}
        while len(found) < len(self._connections):
            waiting = {self._connections[index]: index for index in range(len(self._connections)) if index not in found}
            for connection in wait(list(waiting)):
                index = waiting[connection]  # type: ignore[index]
                said = self._receive(index)
                if isinstance(said, Summary):
                    found[index] = said
                else:
                    progress(said)
        return [found[index] for index in range(len(self._connections))]

    def figures(self, now_us: int) -> Iterator[Entry]:
        """Tell all what time it is, and yield the figures of each."""
        for connection in self._connections:
            connection.send(now_us)
        for index, connection in enumerate(self._connections):
            try:
                while chunk := connection.recv_bytes():
                    yield from _entries.decode(chunk)
            except (EOFError, OSError):
                raise self._gone(index) from None

    def _receive(self, index: int) -> Any:
        """Return what a process says; raise it when it is an error."""
        try:
            said = self._connections[index].recv()
        except (EOFError, OSError):
            raise self._gone(index) from None
        if isinstance(said, Exception):
            raise said
        return said

    def _gone(self, index: int) -> CentralitaError:
        process = self._processes[index]
        process.join(_JOIN_SECONDS)
        return CentralitaError(
            f"a process of the report ended with exit code {process.exitcode}: is there enough memory?"
        )


def child(work: Callable[[Connection], Shard], connection: Connection) -> None:
    """Do the work in a child, hand over its figures, and tell the parent what goes wrong."""
    # The engine makes many objects and no cycles; looking for some would take a third of the time.
    gc.set_threshold(200_000, 50, 100)
    try:
        shard = work(connection)
        connection.send(shard.summary())
        entries = shard.close(connection.recv())
        while chunk := list(islice(entries, _CHUNK)):
            connection.send_bytes(msgspec.msgpack.encode(chunk))
        connection.send_bytes(b"")
    except (CentralitaError, DisorderError) as error:
        connection.send(error)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        sys.exit(1)


FedJob = tuple[int, Policy, str | None, bool, int]
"""Number, policy, breakdown asked for, whether to stop at disorder, and the time that counts as now (microseconds)."""


def fed(connection: Connection, job: FedJob) -> None:
    """Count the batches that the parent sends: a child's target."""
    number, policy, by, ordered, now_us = job

    def work(connection: Connection) -> Shard:
        shard = Shard(policy, by, ordered=ordered)
        while data := connection.recv_bytes():
            shard.take(number, [Record(offset, now_us, key, value) for offset, key, value in _batches.decode(data)])
        return shard

    child(work, connection)
