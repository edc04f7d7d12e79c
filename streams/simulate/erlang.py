"""Erlang A (M/M/N+M): what a queue with impatient callers does in the long run.

Calls come at ``rate`` a second, take an exponential time of mean ``handle`` seconds with one of ``agents`` agents, and give up after
an exponential time of mean ``patience`` seconds (None: they wait forever, Erlang C). The number of calls in the system is a
birth-death process, so everything follows from its stationary distribution:

    p(j) ~ (rate * handle)^j / j!                                j <= agents
    p(N + k) = p(N + k - 1) * rate / (N / handle + k / patience)     k waiting

Source: C. Palm (1957); A. Mandelbaum and S. Zeltyn, "Service Engineering in Action: The Palm/Erlang-A Queue, with Applications
to Call Centers" (2007), sections 2 and 3; O. Garnett, A. Mandelbaum and M. Reiman, "Designing a Call Center with Impatient
Customers", M&SOM 4(3), 2002. The sums stop when a term no longer changes a double: about 15 digits.
"""

from __future__ import annotations

from msgspec import Struct

_NEGLIGIBLE = 1e-18
_MOST_WAITING = 1_000_000


class LongRun(Struct, frozen=True):
    """Probabilities and mean times (seconds) of one arriving call, and means of the center at any moment."""

    wait: float
    """Probability of waiting at all."""
    abandon: float
    """Probability of hanging up before an answer."""
    mean_wait: float
    """Of all calls, those who did not wait and those who abandoned included."""
    mean_wait_answered: float
    """Speed of answer: of the answered calls, zero waits included."""
    queue_length: float
    occupancy: float


def erlang_a(rate: float, handle: float, agents: int, patience: float | None) -> LongRun:
    """Return the long-run figures of M/M/N+M; raise ValueError when the queue would grow without end.

    The call center of Garnett, Mandelbaum and Reiman, table 1: 48 calls a minute, 1 minute each, 50 agents, 2 minutes of patience;
    they print 3.1 % abandoned, 3.7 s of wait, 3 in queue, 93 % occupied, and with infinite patience 20.8 s, 17 in queue, 96 %.

    >>> a = erlang_a(48 / 60, 60, 50, 120)
    >>> round(a.abandon, 3), round(a.mean_wait, 1), round(a.queue_length), round(a.occupancy, 2)
    (0.031, 3.7, 3, 0.93)
    >>> c = erlang_a(48 / 60, 60, 50, None)
    >>> c.abandon, round(c.mean_wait, 1), round(c.queue_length), round(c.occupancy, 2)
    (0.0, 20.8, 17, 0.96)

    Erlang C, 10 Erlang on 12 agents: every table says that .4494 wait.

    >>> round(erlang_a(10, 1, 12, None).wait, 4)
    0.4494

    Patience as long as the handling makes the number in the system Poisson: wait = P(Poisson(5) >= 6).

    >>> a = erlang_a(5, 1, 6, 1)
    >>> round(a.wait, 6), round(a.queue_length, 6)
    (0.384039, 0.493298)
    """
    impatience = 1 / patience if patience else 0.0
    if not impatience and rate * handle >= agents:
        raise ValueError(
            f"patience: seen None with a load of {rate * handle} on {agents} agents, expected a finite patience"
        )
    serving = _idle_states(rate * handle, agents)
    waiting = _waiting_states(serving[-1], rate, agents / handle, impatience)
    total = sum(serving) + sum(waiting[1:])
    queue = sum(k * weight for k, weight in enumerate(waiting)) / total
    abandon = impatience * queue / rate
    answered_wait = _answered_wait(waiting, agents / handle, impatience) / total
    return LongRun(
        wait=sum(waiting) / total,
        abandon=abandon,
        mean_wait=queue / rate,
        mean_wait_answered=answered_wait / (1 - abandon),
        queue_length=queue,
        occupancy=rate * (1 - abandon) * handle / agents,
    )


def _idle_states(load: float, agents: int) -> list[float]:
    """Return weights of 0 to ``agents`` calls in the system, the last one 1."""
    weights = [1.0]
    for busy in range(agents, 0, -1):
        weights.append(weights[-1] * busy / load)
    return weights[::-1]


def _waiting_states(full: float, rate: float, service: float, impatience: float) -> list[float]:
    """Return weights of all agents busy and 0, 1, 2... calls waiting, until they are negligible."""
    weights = [full]
    while weights[-1] > _NEGLIGIBLE * full and len(weights) < _MOST_WAITING:
        weights.append(weights[-1] * rate / (service + len(weights) * impatience))
    return weights


def _answered_wait(waiting: list[float], service: float, impatience: float) -> float:
    """Return the wait of an arriving call counted only if it is answered, before normalisation.

    With k waiting before it, k + 1 places have to clear, place i at the rate service + i * impatience, whoever leaves; the
    caller itself lasts until the answer with probability service / (service + (k + 1) * impatience).
    """
    passed = total = 0.0
    for ahead, weight in enumerate(waiting):
        clearing = service + (ahead + 1) * impatience
        passed += 1 / clearing
        total += weight * passed * service / clearing
    return total
