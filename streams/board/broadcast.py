"""Server-sent events: a snapshot at most a quarter of a second and its own time after a change, a beat every second.

A snapshot that fails is logged, tried again every second, and told to its clients by beats that say so: their figures are stale.

One snapshot is computed for all who look at the same window, and each client keeps only the newest that it has not been sent: a slow
client skips, and costs at most two snapshots of memory, however long it stays.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

import msgspec
from msgspec import structs

from streams.board.messages import Beat
from streams.board.view import View
from streams.telemetry import Fact

PAUSE: Final = 0.25
"""Seconds from the beginning of one snapshot to that of the next at least: a worker commits no more often."""
LET_GO: Final = 0.1
"""Seconds for others after one that took longer."""
SLIDE: Final = 10.0
"""Seconds after which a window has moved, so that a snapshot is due though nothing happened."""
BEAT: Final = 1.0
AGAIN: Final = 1.0
"""Seconds after which a snapshot that failed is tried again."""
CLIENTS: Final = 500
KEYS: Final = 100
"""Different windows, channels and queues looked at: a snapshot is computed for each."""
FAILED: Final = "failed"
Key = tuple[str, str | None, str | None]
_log = logging.getLogger("streams.board")
_failed = Fact(logging.ERROR, "A snapshot failed; its wallboards are told that their figures are stale.", logger=_log)
_recovered = Fact(logging.INFO, "Snapshots succeed again.", logger=_log)


class Client:
    """The newest snapshot that a client has not been sent."""

    def __init__(self) -> None:
        self.newest: bytes | None = None
        self.news = asyncio.Event()

    def offer(self, snapshot: bytes) -> None:
        """Put a snapshot in the place of the one before."""
        self.newest = snapshot
        self.news.set()

    async def take(self) -> bytes | None:
        """Return the newest snapshot, or None when there was none for a beat's time."""
        try:
            async with asyncio.timeout(BEAT):
                await self.news.wait()
        except TimeoutError:
            return None
        self.news.clear()
        newest, self.newest = self.newest, None
        return newest


class Broadcast:
    """Computes snapshots when the figures have changed and hands them to the clients."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._clients: dict[Key, set[Client]] = {}
        self._failing: set[Key] = set()
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        # A thread of its own: long questions to the API must not hold up the wallboards.
        self._thread = ThreadPoolExecutor(1, "board-snapshots")
        self._task = asyncio.create_task(self._run())
        view.feed.changed = self._wake

    def _wake(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)

    @property
    def clients(self) -> int:
        """Return how many clients are connected."""
        return sum(map(len, self._clients.values()))

    def has_room(self, key: Key) -> bool:
        """Tell whether one more client may look at this."""
        return self.clients < CLIENTS and (key in self._clients or len(self._clients) < KEYS)

    async def close(self) -> None:
        """Stop computing."""
        self._view.feed.changed = lambda: None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown(wait=False)

    async def messages(self, key: Key) -> AsyncGenerator[bytes, None]:
        """Yield the messages for one client: a snapshot at once, then snapshots and beats."""
        client = Client()
        self._clients.setdefault(key, set()).add(client)
        try:
            await self._refresh(key, [client])
            while True:
                snapshot = await client.take()
                yield message("snapshot", snapshot) if snapshot else message("beat", self._beat(key))
        finally:
            self._clients[key].discard(client)
            if not self._clients[key]:
                del self._clients[key]
                self._failing.discard(key)

    async def _run(self) -> None:
        while True:
            due = AGAIN if self._failing else SLIDE - time.time() % SLIDE + 0.01
            with suppress(TimeoutError):
                async with asyncio.timeout(due):  # wait_for of Python 3.11 may lose the cancellation of `close`
                    await self._changed.wait()
            self._changed.clear()
            began = time.monotonic()
            for key in list(self._clients):
                await self._refresh(key)
            await asyncio.sleep(max(LET_GO, began + PAUSE - time.monotonic()))

    async def _refresh(self, key: Key, clients: list[Client] | None = None) -> None:
        """Compute a snapshot and offer it to these clients, else to all of its key."""
        try:
            snapshot = await self._compute(key)
        except Exception as error:  # noqa: BLE001 - the others must go on, whatever it is
            if key in self._clients and key not in self._failing:
                self._failing.add(key)
                _failed(window=key[0], channel=key[1], queue=key[2], error=repr(error))
            return
        if key in self._failing:
            self._failing.discard(key)
            _recovered(window=key[0], channel=key[1], queue=key[2])
        for client in list(self._clients.get(key, ())) if clients is None else clients:
            client.offer(snapshot)

    async def _compute(self, key: Key) -> bytes:
        return await self._loop.run_in_executor(self._thread, lambda: msgspec.json.encode(self._view.snapshot(*key)))

    def _beat(self, key: Key) -> bytes:
        beat: Beat = self._view.beat()
        if key in self._failing and beat.feed.state == "live":
            beat = structs.replace(beat, feed=structs.replace(beat.feed, state=FAILED))
        return msgspec.json.encode(beat)


def message(event: str, data: bytes) -> bytes:
    r"""Return an event as it is sent.

    >>> message("beat", b"{}")
    b'event: beat\ndata: {}\n\n'
    """
    return b"event: %s\ndata: %s\n\n" % (event.encode(), data)
