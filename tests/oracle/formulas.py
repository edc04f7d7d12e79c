"""Every KPI as a fraction over a stretch of time, from the counts themselves.

A denominator of 0 means that the KPI has no value. Over several queues, numerators and denominators are added, each
queue by its own formula and limits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from fractions import Fraction

from streams.engine.policy import Policy
from tests.oracle.figures import Count, Oracle

Place = tuple[str | None, str | None]
"""Channel and queue; None for all."""
Ratio = tuple[Fraction, Fraction]
SECOND = 1_000_000
AGENTS_TIME = {"available_us", "on_contact_us", "paused_us"}
RESPONSES = {
    "": ("creation", "reopening"), "_creation": ("creation",), "_reopening": ("reopening",), "_handover": ("handover",),
}  # fmt: skip
PERCENTILES = {"p50": Fraction(50, 100), "p90": Fraction(90, 100), "p95": Fraction(95, 100), "p99": Fraction(99, 100)}


def service_level(formula: str, n: Counter[str]) -> Ratio:
    """Return numerator and denominator of one of the eight service levels (docs/kpis.md)."""
    answered, abandoned = n["cohort_answered"], n["cohort_abandoned"]
    answered_in, abandoned_in = n["answered_within"], n["abandoned_within"]
    short, entered = n["short_abandoned"], n["entered"]
    top, bottom = {
        "SL1": (answered_in + abandoned_in, answered + abandoned),
        "SL2": (answered_in, answered),
        "SL3": (answered_in, answered + abandoned),
        "SL4": (answered_in, answered + abandoned - abandoned_in),
        "SL5": (answered_in + short, answered + abandoned),
        "SL6": (answered_in, entered - short),
        "SL7": (answered_in + abandoned_in + n["callback_within"], entered),
        "SL8": (answered_in, answered_in + abandoned_in + n["reached_threshold"]),
    }[formula]
    return Fraction(top), Fraction(bottom)


def ratios(n: Counter[str]) -> dict[str, Ratio]:
    """Return the KPIs that need nothing of a queue's policy, from counts; durations in seconds."""
    answered, abandoned, handled = n["answered"], n["abandoned"], n["handled"]
    settled = n["cohort_answered"] + n["cohort_abandoned"] + n["cohort_flowed_out"] - n["short_abandoned"]
    counted_abandons = n["cohort_abandoned"] - n["short_abandoned"]
    talk, hold, wrap_up = (Fraction(n[name], SECOND) for name in ("talk_us", "hold_us", "wrap_up_us"))
    busy = Fraction(n["on_contact_us"], SECOND)
    plain: dict[str, tuple[int | Fraction, int | Fraction]] = {
        "abandonment_rate": (counted_abandons, settled),
        "abandonment_rate_offered": (counted_abandons, n["entered"] - n["short_abandoned"]),
        "average_speed_of_answer": (Fraction(n["wait_answered_us"], SECOND), answered),
        "average_time_to_abandon": (Fraction(n["wait_abandoned_us"], SECOND), abandoned),
        "hold_time": (hold, n["held"]),
        "hold_time_all": (hold, handled),
        "talk_time": (talk, handled),
        "wrap_up_time": (wrap_up, handled),
        "handle_time": (talk + hold + wrap_up, handled),
        "transfer_rate": (n["transferred"], answered),
        "first_contact_resolution": (n["resolved_first_contact"], n["resolved_identified"]),
        "occupancy": (busy, busy + Fraction(n["available_us"], SECOND)),
        **_written(n),
        **_opinions(n),
    }
    levels = {f"service_level_sl{i}": service_level(f"SL{i}", n) for i in range(1, 9)}
    return {**{name: (Fraction(top), Fraction(bottom)) for name, (top, bottom) in plain.items()}, **levels}


def _written(n: Counter[str]) -> dict[str, tuple[int | Fraction, int | Fraction]]:
    found: dict[str, tuple[int | Fraction, int | Fraction]] = {
        "resolution_rate": (n["opened"] - n["opened_unresolved"], n["opened"]),
        "reopen_rate": (n["reopened"], n["resolutions"]),
        "first_resolution_time": (Fraction(n["resolution_first_us"], SECOND), n["resolved_first"]),
        "full_resolution_time": (Fraction(n["resolution_full_us"], SECOND), n["resolved_written"]),
        "first_contact_resolution_survey": (n["survey_fcr_yes"], n["survey_fcr_answers"]),
        "sales_conversion": (n["opened_sold"], n["opened"] - n["opened_unhandled"]),
    }
    for days in (1, 7, 14, 30):
        alone = n["resolved_alone"] - n[f"returned_within_{days}d"]
        found[f"first_contact_resolution_{days}d"] = (alone, n["resolved_identified"])
    for suffix, origins in RESPONSES.items():
        many = sum(n[f"responses_{origin}"] for origin in origins)
        for hours, clock in (("", ""), ("_business", "_open")):
            took = sum(n[f"response_{origin}{clock}_us"] for origin in origins)
            found[f"first_response_time{suffix}{hours}"] = (Fraction(took, SECOND), many)
    return found


def _opinions(n: Counter[str]) -> dict[str, tuple[int | Fraction, int | Fraction]]:
    handled = n["handled"] + n["tickets_handled"]
    stayed_or_left = n["retained"] + n["lost"]
    return {
        "csat": (n["csat_top"], n["csat_answers"]),
        "csat_mean": (Fraction(n["csat_millionths"], 1_000_000), n["csat_answers"]),
        "ces": (n["ces_easy"], n["ces_answers"]),
        "ces_mean": (Fraction(n["ces_millionths"], 1_000_000), n["ces_answers"]),
        "nps": (100 * (n["nps_promoters"] - n["nps_detractors"]), n["nps_answers"]),
        "enps": (100 * (n["enps_promoters"] - n["enps_detractors"]), n["enps_answers"]),
        "survey_response_rate": (n["surveyed"], handled),
        "complaint_rate": (n["complaints"], handled),
        "applause_rate": (n["applause"], handled),
        "retention_rate": (n["retained"], stayed_or_left),
        "churn_rate": (n["lost"], stayed_or_left),
    }


def figures(
    oracle: Oracle, policy: Policy, start: int, end: int, place: Place, *, live: bool = False
) -> dict[str, Ratio]:
    """Return all ratios of a channel's queue, or of all queues together (None), over ``start`` to ``end``."""
    chosen = [count for count in of_row(oracle, place) if start <= count.time < end]
    queues = {count.queue for count in chosen}
    top, bottom = Fraction(0), Fraction(0)
    for name in queues - {None}:
        own = policy.of(name or "")
        of_queue = tally([count for count in chosen if count.queue == name])
        numerator, denominator = service_level(own.formula_live if live else own.formula, of_queue)
        top, bottom = top + numerator, bottom + denominator
    return {**ratios(tally(chosen)), "service_level": (top, bottom)}


def of_row(oracle: Oracle, place: Place) -> list[Count]:
    """Return what counts in the row of a channel's queue, of a queue whatever the channel, or of all together.

    An agent's time is of all channels of its queues, and counts once in all together. What else is of a queue and no channel is
    of the queue's only channel; where it has several, or none, it has a row of its own.
    """
    channels = defaultdict(set)
    for name, of_policy in oracle.policy.queues.items():
        channels[name].update(of_policy.channels)
    for visit in oracle.visits():
        channels[visit.queue].add(visit.channel)

    def wanted(count: Count) -> bool:
        if count.measure in AGENTS_TIME:
            return count.queue == place[1] and (place[0] is not None or place[1] is None)
        if place == (None, None):
            return True
        channel = count.channel
        if channel is None and count.queue is not None and len(channels[count.queue]) == 1:
            (channel,) = channels[count.queue]
        return (channel, count.queue) == place

    return [count for count in oracle.counts if wanted(count)]


def tally(counts: Iterable[Count]) -> Counter[str]:
    """Add counts up, but for those that are one of a list."""
    n: Counter[str] = Counter()
    for count in counts:
        if not count.listed:
            n[count.measure] += count.value
    return n


def percentiles(oracle: Oracle, start: int, end: int, place: Place, *names: str) -> dict[str, Fraction | None]:
    """Return the exact percentiles, in seconds, of lists of a queue's durations: the shortest that a share of all do not exceed."""
    waits = sorted(
        count.value
        for count in of_row(oracle, place)
        if count.listed and count.measure in names and start <= count.time < end
    )
    return {
        key: next(
            (Fraction(wait, SECOND) for number, wait in enumerate(waits, 1) if Fraction(number, len(waits)) >= q), None
        )
        for key, q in PERCENTILES.items()
    }


def value(ratio: Ratio) -> Fraction | None:
    """Return the value of a ratio, or None when there is nothing to divide by."""
    return ratio[0] / ratio[1] if ratio[1] else None
