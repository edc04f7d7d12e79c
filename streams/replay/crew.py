"""The processes of a replay: started, fed or left to read by themselves, and ended whatever happens.

    parent                            child (one a core)
      | -- batches (files only) ------> |  engine --> journals
      | <------ progress (topic only) --|
      | <------ Summary, or an error ---|
      | -- what time it is -----------> |  who still waits is what they are as of then
      | <------ the journals are whole -|

Children ignore Ctrl-C, which the terminal sends to all: the parent ends them. A child whose parent is gone ends by itself.
"""

from __future__ import annotations

import gc
import multiprocessing
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import msgspec

from streams.engine.partition import Record
from streams.errors import CentralitaError, OutputError
from streams.replay.shard import DisorderError, Shard, Summary, Task

Batch = list[tuple[int, bytes, bytes]]
"""Offset, key and value of records."""
_JOIN_SECONDS: Final = 5.0
_batches = msgspec.msgpack.Decoder(Batch)
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

    def summaries(self, progress: Callable[[int, int], None]) -> list[Summary]:
        """Wait until all have read everything, and return what became of it; progress is records passed, and events among them counted now."""
        found: dict[int, Summary] = {}
        while len(found) < len(self._connections):
            waiting = {self._connections[index]: index for index in range(len(self._connections)) if index not in found}
            for connection in wait(list(waiting)):
                index = waiting[connection]  # type: ignore[index]
                said = self._receive(index)
                if isinstance(said, Summary):
                    found[index] = said
                else:
                    progress(*said)
        return [found[index] for index in range(len(self._connections))]

    def finish(self, now_us: int) -> None:
        """Tell all what time it is, and wait until their journals are whole."""
        for connection in self._connections:
            connection.send(now_us)
        for index in range(len(self._connections)):
            self._receive(index)

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
            f"a process of the replay ended with exit code {process.exitcode}: is there enough memory?"
        )


def child(work: Callable[[Connection], Shard], connection: Connection) -> None:
    """Do the work in a child, and tell the parent when its journals are whole, or what went wrong."""
    gc.disable()  # a shard collects at each flush
    try:
        shard = work(connection)
        connection.send(shard.summary())
        shard.close(connection.recv())
        connection.send(None)
    except (CentralitaError, DisorderError) as error:
        _tell(connection, error)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        sys.exit(1)
    except OSError as error:  # a journal: whatever else there is to read or write has its own words
        _tell(connection, OutputError(f"{error.filename or 'a journal'}: cannot be written: {error.strerror}"))


def _tell(connection: Connection, error: Exception) -> None:
    with suppress(OSError):  # the parent has heard it of another child already
        connection.send(error)


class FedJob(NamedTuple):
    """A process that is fed: its number, whether to stop at disorder, and the time that counts as now (microseconds)."""

    task: Task
    number: int
    ordered: bool
    now_us: int


def fed(connection: Connection, job: FedJob) -> None:
    """Count the batches that the parent sends: a child's target."""

    def work(connection: Connection) -> Shard:
        shard = Shard(job.task, ordered=job.ordered)
        shard.open(job.number)
        while data := connection.recv_bytes():
            batch = _batches.decode(data)
            shard.take(job.number, [Record(offset, job.now_us, key, value) for offset, key, value in batch])
        return shard

    child(work, connection)
