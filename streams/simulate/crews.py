"""The agents who write: each has some contacts at once, and is busy while there is one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from functools import partial
from math import ceil
from typing import Any

from schemas.agents import State
from streams.simulate import center
from streams.simulate.agents import SHIFT, Employee
from streams.simulate.clockwork import Clockwork


class Writer(Employee):
    """One agent who writes, and how many contacts are in hand."""

    __slots__ = ("in_hand",)

    def __init__(self, agent_id: str) -> None:
        super().__init__(agent_id)
        self.in_hand = 0


class Crew:
    """A crew at work; ``serve`` gives a writer the contact that has waited for longest, and tells whether there was one."""

    def __init__(self, clockwork: Clockwork, stamp: str, of: center.Crew, serve: Callable[[int, Writer], bool]) -> None:
        self._clockwork = clockwork
        self._stamp = stamp
        self._of = of
        self._serve = serve
        self._queues = tuple(desk.name for desk in clockwork.center.desks if desk.crew == of.name)
        self._writers = [Writer(f"{of.name}-{number + 1}") for number in range(of.agents)]
        self._free: deque[Writer] = deque()
        """A writer for each contact that could be taken, who has waited for longest first; some entries have become void."""

    def begin(self, now: int) -> None:
        """Set how many are on duty, and do so again after a while."""
        self._set(now)
        if not self._clockwork.steady:
            self._clockwork.later(now - now % SHIFT + SHIFT, self._shift, None)

    def take(self, now: int) -> Writer | None:
        """Give somebody another contact."""
        while self._free:
            writer = self._free.popleft()
            if writer.on_duty and writer.in_hand < self._of.at_once:
                writer.in_hand += 1
                self._settle(now, writer)
                return writer
        return None

    def free(self, now: int, writer: Writer) -> None:
        """Take a contact off somebody, who takes the next one if there is one."""
        writer.in_hand -= 1
        self._employ(now, writer)
        self._settle(now, writer)

    def _employ(self, now: int, writer: Writer) -> None:
        if not writer.on_duty:
            return
        if self._serve(now, writer):
            writer.in_hand += 1
        else:
            self._free.append(writer)

    def _shift(self, now: int, _: Any) -> None:
        self.begin(now)

    def _set(self, now: int) -> None:
        level = min(1.0, self._clockwork.level(now))
        wanted = max(self._of.least, ceil(self._of.agents * level - 0.5))
        come = [writer for writer in self._writers[:wanted] if not writer.on_duty]
        for number, writer in enumerate(self._writers):
            writer.on_duty = number < wanted
        for _ in range(self._of.at_once):
            for writer in come:
                if writer.in_hand < self._of.at_once:
                    self._employ(now, writer)
        for writer in self._writers:
            self._settle(now, writer)

    def _settle(self, now: int, writer: Writer) -> None:
        """Tell a state that has changed."""
        state: State = "busy" if writer.in_hand else "available" if writer.on_duty else "offline"
        self._clockwork.out.extend(writer.become(now, self._stamp, state, self._queues))


def crews_of(
    clockwork: Clockwork, stamp: str, names: Collection[str], serve: Callable[[str, int, Writer], bool]
) -> dict[str, Crew]:
    """Return the crews of these names, at work; ``serve`` is told the name of the crew first."""
    crews = {
        crew.name: Crew(clockwork, stamp, crew, partial(serve, crew.name))
        for crew in clockwork.center.crews
        if crew.name in names
    }
    for crew in crews.values():
        crew.begin(clockwork.center.start)
    return crews
