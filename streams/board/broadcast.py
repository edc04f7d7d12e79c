"""Server-sent events: a snapshot at most half a second after a change, a beat every second.

One snapshot is computed for all who look at the same window, and each client keeps only the newest that it has not been sent: a slow
client skips, and costs at most two snapshots of memory, however long it stays.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

import msgspec

from streams.board.view import View

PAUSE: Final = 0.4
"""Seconds between two snapshots at least."""
SLIDE: Final = 10.0
"""Seconds after which a window has moved, so that a snapshot is due though nothing happened."""
BEAT: Final = 1.0
CLIENTS: Final = 500
Key = tuple[str, str | None, str | None]


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
            await asyncio.wait_for(self.news.wait(), BEAT)
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
            client.offer(await self._compute(key))
            while True:
                snapshot = await client.take()
                yield (
                    message("snapshot", snapshot)
                    if snapshot
                    else message("beat", msgspec.json.encode(self._view.beat()))
                )
        finally:
            self._clients[key].discard(client)
            if not self._clients[key]:
                del self._clients[key]

    async def _run(self) -> None:
        while True:
            slid = SLIDE - time.time() % SLIDE + 0.01
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), slid)
            self._changed.clear()
            for key in list(self._clients):
                snapshot = await self._compute(key)
                for client in list(self._clients.get(key, ())):
                    client.offer(snapshot)
            await asyncio.sleep(PAUSE)

    async def _compute(self, key: Key) -> bytes:
        return await self._loop.run_in_executor(self._thread, lambda: msgspec.json.encode(self._view.snapshot(*key)))


def message(event: str, data: bytes) -> bytes:
    r"""Return an event as it is sent.

    >>> message("beat", b"{}")
    b'event: beat\ndata: {}\n\n'
    """
    return b"event: %s\ndata: %s\n\n" % (event.encode(), data)
