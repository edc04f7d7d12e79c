"""Timers by the second, for what happens when nothing happens (a caller who goes on waiting)."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush

from streams.engine.policy import SECOND


class Timers:
    """Names to wake at a second; setting one costs O(1), and a night without calls costs nothing."""

    def __init__(self) -> None:
        self._names: dict[int, list[tuple[bytes, str]]] = {}
        self._seconds: list[int] = []

    def set(self, due_us: int, name: tuple[bytes, str]) -> None:
        """Wake ``name`` once the time is after ``due_us`` (microseconds), at the next full second."""
        second = due_us // SECOND + 1
        names = self._names.get(second)
        if names is None:
            self._names[second] = [name]
            heappush(self._seconds, second)
        else:
            names.append(name)

    def due(self, now_us: int) -> Iterator[tuple[bytes, str]]:
        """Yield, and forget, the names whose time has come."""
        second = now_us // SECOND
        while self._seconds and self._seconds[0] <= second:
            yield from self._names.pop(heappop(self._seconds))
