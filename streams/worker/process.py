"""The worker as a process: start, run until told to stop or until something fails, and the exit code.

Stopping is bounded: the last commit and leaving the group have `GRACE` seconds, whatever the broker does.
0: all that was applied is committed. Else the code of the error (streams/errors.py); 75 asks to be started again.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Coroutine
from typing import Any, NoReturn

from aiokafka.errors import KafkaError

from streams.broker.topics import TopicSet
from streams.errors import CentralitaError, ConfigurationError, RestartError
from streams.settings import Settings
from streams.telemetry import log
from streams.worker import app as faust_app
from streams.worker import topics
from streams.worker.health import serve
from streams.worker.metrics import Metrics
from streams.worker.monitor import Monitor
from streams.worker.owner import Owner

logger = logging.getLogger(__name__)
GRACE = 8.0
"""Seconds, below the 10 s after which Docker kills."""
LEAVING = 2.5
"""Seconds of them that are kept for leaving the group."""
UNEXPECTED = 1
COLLECTED_EVERY = 300.0
"""Seconds between two looks for cyclic garbage. The engine makes none, and each automatic look would go through all contacts that are
being worked on: pauses of up to 100 ms when catching up on a busy machine."""


def run(settings: Settings) -> None:
    """Run the worker; does not return. Threads that wait for a broker must not hold the end up."""
    gc.disable()  # `_collect` does it
    threading.excepthook = _thread_failed
    asyncio.Runner(loop_factory=_loop).run(_run(settings))


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    """Log what ended a thread. Cancelled is the one that Faust reads in, when it is stopped while the broker is away."""
    if not issubclass(failed.exc_type, asyncio.CancelledError):
        logger.error("A thread failed.", exc_info=failed.exc_value)


def _exit(code: int) -> NoReturn:
    """End now: a loop that is closed in order would wait for threads that wait for the broker."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


def _loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _run(settings: Settings) -> NoReturn:
    loop = asyncio.get_running_loop()
    end: asyncio.Future[BaseException | None] = loop.create_future()

    def finish(error: BaseException | None = None) -> None:
        loop.call_soon_threadsafe(_settle, end, error)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, finish)
    worker = _Worker(settings, finish)
    try:
        await worker.start(end)
        error = await end
    except Exception as failed:  # noqa: BLE001 - every failure becomes an exit code
        error = failed
    code = None if error is None else _code(error)
    left = await worker.stop(clean=error is None)
    _exit(left if code is None else code)


def _settle(end: asyncio.Future[BaseException | None], error: BaseException | None) -> None:
    if not end.done():
        end.set_result(error)


class _Worker:
    def __init__(self, settings: Settings, fail: faust_app.Fail) -> None:
        self._settings = settings
        self._metrics = Metrics()
        self._owner = Owner(settings, self._metrics, fail)
        self._monitor = Monitor(settings, self._owner, self._metrics)
        self._app = faust_app.create(settings, self._owner, fail)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, end: asyncio.Future[BaseException | None]) -> None:
        worker, kafka = self._settings.worker, self._settings.kafka
        log(logger, logging.INFO, "The worker starts.", kafka=kafka.bootstrap, events=TopicSet(kafka.prefix).events)
        await self._serve()
        await _unless(end, asyncio.to_thread(topics.check, kafka))
        if end.done():
            return
        self._monitor.watch()
        self._tasks += [asyncio.create_task(self._monitor.run()), asyncio.create_task(_collect())]
        await _unless(end, self._app.start())
        log(logger, logging.INFO, "The worker runs.", port=worker.port)

    async def _serve(self) -> None:
        worker = self._settings.worker
        try:
            await serve(worker.host, worker.port, self._monitor.problems, self._metrics.registry)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            message = f"worker.port: seen {worker.port}, which is in use at {worker.host}: choose another"
            raise ConfigurationError(message) from None

    async def stop(self, *, clean: bool) -> int:
        """Commit what was applied when the end is clean, leave the group, and return the code."""
        committed = not clean or await _within(GRACE - LEAVING, self._owner.stop())
        self._owner.abandon()
        if self._app.started:
            await _within(LEAVING, self._app.stop())
        if committed:
            return 0
        log(
            logger,
            logging.WARNING,
            "What was applied last is not committed; it is done again after a restart.",
            seconds=GRACE,
        )
        return RestartError.exit_code


async def _collect() -> None:
    """Look for cyclic garbage now and then: Faust and asyncio leave some at rebalances and errors."""
    while True:
        await asyncio.sleep(COLLECTED_EVERY)
        gc.collect()


async def _unless(end: asyncio.Future[BaseException | None], doing: Coroutine[Any, Any, None]) -> None:
    """Wait until it is done, raising what it raises, or until the end has come."""
    task = asyncio.create_task(doing)
    either: list[asyncio.Future[Any]] = [end, task]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()


async def _within(seconds: float, doing: Coroutine[Any, Any, None]) -> bool:
    """Tell whether it was done in time. It is not waited for any longer, nor cancelled: what hangs may hang in that too."""
    task = asyncio.ensure_future(doing)
    await asyncio.wait([task], timeout=seconds)
    if task.done() and task.exception() is not None:
        logger.error("Stopping failed.", exc_info=task.exception())
    return task.done() and task.exception() is None


def _code(error: BaseException) -> int:
    if isinstance(error, CentralitaError):
        log(logger, logging.ERROR, str(error), code=error.exit_code)
        return error.exit_code
    if isinstance(error, KafkaError):
        log(logger, logging.ERROR, "Reading from Kafka failed.", error=repr(error), code=RestartError.exit_code)
        return RestartError.exit_code
    logger.error("The worker fails.", exc_info=error)
    return UNEXPECTED
