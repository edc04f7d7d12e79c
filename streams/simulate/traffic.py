"""A center's contacts and agents as a discrete-event simulation: the events that its systems would send, in the order of time.

The same center and seed give the same events, byte for byte. One core makes about 150,000 events a second, and memory grows
only with the contacts in progress and the customers who will come again.

Calls are the same with or without desks: what customers write has chance, agents and a heap of its own, and hears what becomes of calls.

    switch    |--- calls, their agents ----------------------------------------->
                    | heard                                                        merged by time
    channels  |--- chats, tickets, surveys, feedback, sales, customers, costs --->
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from random import Random

from streams.simulate.calls import attributes
from streams.simulate.center import Center
from streams.simulate.channels import Channels
from streams.simulate.clockwork import Clockwork
from streams.simulate.switch import Switch
from streams.simulate.timed import SECOND, Timed


def events(center: Center, seed: int | str) -> Iterator[Timed]:
    """Yield the center's events; after ``center.seconds`` no new contact comes, and calls and chats in progress are finished.

    Tickets stay as they are then: the last of them would be resolved days later.
    """
    calls = _calls(center, seed)
    return _with_channels(calls, Channels(center, seed)) if center.desks else calls


def _calls(center: Center, seed: int | str) -> Iterator[Timed]:
    random = Random(f"{seed}")  # noqa: S311 - traffic, no secrets
    clockwork = Clockwork(center, random)
    kinds = [attributes(random) for _ in range(256)] if center.callers.attributes else [()]
    Switch(clockwork, f"{center.start // SECOND:x}{seed}", kinds).begin()
    return clockwork.run()


def _with_channels(calls: Iterator[Timed], channels: Channels) -> Iterator[Timed]:
    for timed in calls:
        yield from channels.run(timed.time_us)
        yield timed
        channels.hear(timed)
    yield from channels.run()


def natural_rate(center: Center, sample: int = 20_000) -> float:
    """Return the events a second that a steady center makes, measured on a trial run after a tenth of it has passed."""
    trial = list(islice(events(center.steady(), "trial"), sample))
    begin, end = trial[len(trial) // 10].time_us, trial[-1].time_us
    return 0.9 * len(trial) * SECOND / (end - begin)


def at_rate(center: Center, rate: float) -> Center:
    """Return a steady center in such a hurry that it makes ``rate`` events a second."""
    return center.steady().quicker(rate / natural_rate(center))
