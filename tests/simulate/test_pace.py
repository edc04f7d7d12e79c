"""Events leave when they are due, by a clock that the test moves."""

from __future__ import annotations

from streams.simulate.pace import Pace, paced
from streams.simulate.timed import SECOND, Sent


class Clock:
    """A clock that only idling moves."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def idle(self, seconds: float) -> None:
        self.now += seconds


def _run(times: list[float], pace: Pace, clock: Clock) -> list[tuple[float, float]]:
    stream = iter([Sent(round(when * SECOND), b"k", b"v") for when in times])
    sent = []
    for one, _late in paced(stream, pace, clock.idle, clock):
        sent.append((one.time_us / SECOND, round(clock.now, 2)))
    return sent


def test_live_events_leave_at_their_time_and_history_at_once() -> None:
    """History up to the launch takes no time; after it each event waits for the clock."""
    pace = Pace(live_from=1_000 * SECOND, launch=1_000 * SECOND, speed=1.0)
    assert _run([10, 999, 1_000.5, 1_007], pace, Clock(1_000)) == [
        (10, 1_000),
        (999, 1_000),
        (1_000.5, 1_000.5),
        (1_007, 1_007),
    ]


def test_speed_shortens_the_past_and_never_sends_the_future() -> None:
    """Ten times as fast from 1,000 s ago: the clock is caught up after 111 s, and not overtaken."""
    pace = Pace(live_from=0, launch=1_000 * SECOND, speed=10.0)
    assert _run([100, 1_000, 1_100, 1_200], pace, Clock(1_000)) == [
        (100, 1_010),
        (1_000, 1_100),
        (1_100, 1_110),
        (1_200, 1_200),
    ]


def test_being_late_is_told_and_does_not_slow_down() -> None:
    """An open loop: what is due is sent at once, with how late it is."""
    clock = Clock(1_000)
    late = []
    stream = iter([Sent(round(when * SECOND), b"k", b"v") for when in (1_001, 1_002, 1_003)])
    for _, seconds in paced(stream, Pace(live_from=0, launch=0, speed=1.0), clock.idle, clock):
        late.append(round(seconds, 1))
        clock.now += 5
    assert late == [0, 4, 8]
