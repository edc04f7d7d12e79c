"""The page of definitions, docs/kpis.md, written from the registry: ``python -m streams.kpis.document [--check]``.

So no definition is written twice. ``--check`` writes nothing and ends with 1 when the page says something else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from streams.engine.measures import MEASURES
from streams.kpis.registry import KPIS, SERVICE_LEVELS, Kpi, Terms

PAGE: Final = Path(__file__).parents[2] / "docs" / "kpis.md"
_HEAD: Final = """\
# KPIs

Written by `python -m streams.kpis.document` from the registry (`streams/kpis/registry.py`); change it there.

Wallboard, API, Prometheus and reports all read these definitions. A KPI is a numerator over a denominator, each a sum of measures, so
a total over queues or over time is the sum of its parts, never an average of averages. Nothing to divide by gives no value
(`null`, an absent sample, `--`), never 0.

## When something is credited

| crediting | an outcome belongs to the interval |
|---|---|
| COHORT | in which the visit entered the queue (rates) |
| EVENT | of the event itself (counts, waits, responses, answers to surveys) |
| CLOSE | in which the conversation ended (handling) |
| CLIP | every one that it spans, each its part (agents' time) |
| PERIOD | of the event itself; a cost every one of its period, each its part |
| now | none: it is of the moment, or of the end of the stretch asked for |

So `answered` of an interval need not equal the answers in a rate of the same interval: a call that entered at 7:28 and was answered at 7:32
is entered, and counts in the service level, at 7:15, and is answered at 7:30. Both are right, and the ledger holds in every interval:
waiting at start + entered = answered + abandoned + flowed out + waiting at end.

## What has no value

| a figure is | when |
|---|---|
| without value, with its status | nothing to divide by; nobody waits (`longest_wait`); a moment that has passed (`longest_wait`, `agents`); who waited within a day of which only the whole is kept |
| `unavailable` | it is not counted by what was asked (*rows by*, below), or no worker has published figures yet |

`occupancy` and `agents` do not add up over queues: an agent of two queues is available for both, so its time is in each of them, and once in the
total. For the same reason a row by agent has the agent's time over all queues: asked for one queue, or for a channel, it is `unavailable`, while
the row of the queue itself has the time of everybody signed in to it.

A cost of a queue that names no channel is of the queue's only channel. Where the queue has several it is in none of their rows and has one of its own, with
a queue and no channel: rows add up to the total, and asked for that queue alone the total is what it costs in all of them.
"""
_STATUSES: Final = """\
## When a figure is final

`open` while its stretch goes on, `provisional` while events can still change it, then `final`:

- everything, once the allowed lateness has passed after the end of the stretch;
- {names}: once W has passed too, as a customer may come back;
- `sales_conversion`: once a sale would be too late to be of its contact;
- rates by cohort (`resolution_rate`, those of first-contact resolution, `sales_conversion`, abandonment, service levels) of a row that has tickets which were opened
  in the stretch, or came to another queue in it, and are not resolved, or not answered: once they are, or tickets of that age are given up (`maximum_ticket_age_days`). A call that ended unresolved stays so.

What can change a final figure all the same, since nobody knows whether it will happen: a ticket or chat that is opened again after that takes its resolution back from
`resolution_rate`, first-contact resolution, `full_resolution_time` and `cost_per_resolution` of then (`reopen_rate` counts it when it is reopened); so does a chat that
ends so late; a sale after a ticket was resolved counts in `sales_conversion` of when that was opened; and a cost
counts in its period whenever it is told, which of a month is its end.
"""
_EXCLUDED: Final = """\
T, the limit of short abandons, W and the longest wait are settings of each queue. A total over queues takes each queue's visits by its own
limits, and `service_level` by its own formula: live windows use `service_level_formula_live`, any other range `service_level_formula`.

Survey response, complaints and applause are what was said in a stretch, of contacts of that stretch, of earlier ones and of some that nobody handled, over the
conversations that ended in it. Where few ended, such a rate may be above 1: ask for stretches that are long against the time that customers take to say it.
Retention and churn count answers, as a sum over stretches must: a customer who is kept three times counts three times. Of an agent, `sales_conversion` is of the
contacts whose last conversation was the agent's, whoever sold; `sales` and `sales_amount` are of who sold.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([_HEAD, *_kpis(), *_service_levels(), *_measures()])


def _kpis() -> Iterator[str]:
    yield "## Definitions\n"
    yield "The sample is how many things a figure is made of: `denominator` in the API, of a count the count itself. What proves a definition is a test of ours against"
    yield "figures that the engine had no part in: the oracle's over generated traffic, or some reckoned by hand.\n"
    yield "| id | name | formula | unit | crediting | sample | left out | proved by |"
    yield "|---|---|---|---|---|---|---|---|"
    for kpi in KPIS:
        cells = (kpi.name, kpi.formula, kpi.unit, kpi.crediting, sample(kpi), kpi.exclusions, f"`{proof(kpi)}`")
        yield f"| `{kpi.id}` | " + " | ".join(cells) + " |"
    yield "\n" + _EXCLUDED
    yield "## What they are made of\n"
    yield "| id | subject | numerator | denominator | rows by | better | version |"
    yield "|---|---|---|---|---|---|---|"
    for kpi in KPIS:
        made_of = (_top(kpi), _terms(kpi.denominator), ", ".join(kpi.breakdowns), kpi.better or "", str(kpi.version))
        yield f"| `{kpi.id}` | {kpi.subject} | " + " | ".join(made_of) + " |"
    yield ""
    names = ", ".join(f"`{kpi.id}`" for kpi in KPIS if kpi.follows_customers)
    yield _STATUSES.format(names=names)


ORACLE: Final = "tests/kpis/test_formulas.py::test_the_rows_of_queues_and_their_total_are_the_oracles"
_MOMENT: Final = "tests/kpis/test_moment.py::test_waiting_and_agents_are_of_now"
_OTHERS: Final = {
    "waiting": _MOMENT,
    "longest_wait": _MOMENT,
    "agents": _MOMENT,
    "level_share": "tests/kpis/test_written.py::test_levels_share_all_resolutions",
}


_COUNTED: Final = {"resolution_first": "resolved_first", "resolution_full": "resolved_written"}
"""Measures that count what is in a histogram, where it has another name."""


def sample(kpi: Kpi) -> str:
    """Return how many things a figure is made of, in measures.

    >>> from streams.kpis.registry import BY_ID
    >>> sample(BY_ID["speed_of_answer_p90"]), sample(BY_ID["csat"]), sample(BY_ID["sales_amount"])
    ('`answered`', '`csat_answers`', '`sales`')
    """
    if kpi.id == "service_level":
        return "the denominator of the queue's formula"
    if kpi.crediting == "now":
        return "`waiting`" if kpi.subject == "waiting" else f"`{kpi.id}`"
    if kpi.histograms:
        return _terms({_number_in(histogram): 1 for histogram in kpi.histograms})
    if kpi.amount is not None and kpi.denominator is None:
        return "`sales`" if kpi.amount == "sales_amount" else "`costs`"
    of_all = " of all levels" if kpi.share else ""
    return _terms(kpi.denominator or kpi.numerator) + of_all


def _number_in(histogram: str) -> str:
    """Return the measure that counts what is in a histogram.

    >>> _number_in("wait_answered"), _number_in("response_creation_open")
    ('answered', 'responses_creation')
    """
    name = histogram.removesuffix("_open").replace("response_", "responses_").removeprefix("wait_")
    return _COUNTED.get(name, name)


def proof(kpi: Kpi) -> str:
    """Return the test that proves a definition; tests/kpis/test_registry.py sees to it that it does."""
    return _OTHERS.get(kpi.id, ORACLE)


def _top(kpi: Kpi) -> str:
    if kpi.histograms:
        names = " + ".join(f"`{name}`" for name in kpi.histograms)
        return f"percentile {kpi.percent} of histogram {names}"
    if kpi.amount is not None:
        return f"`{kpi.amount}` of each currency"
    return _terms(kpi.numerator) or ("the queue's formula" if kpi.id == "service_level" else "of the moment")


def _terms(terms: Terms | None) -> str:
    """Return a sum of measures as text.

    >>> _terms({"entered": 1, "short_abandoned": -1})
    '`entered` - `short_abandoned`'
    """
    signed = " ".join(
        f"{'-' if times < 0 else '+'} {'' if abs(times) == 1 else f'{abs(times)} * '}`{name}`"
        for name, times in (terms or {}).items()
    )
    return signed.removeprefix("+ ")


def _service_levels() -> Iterator[str]:
    yield "## Service level\n"
    yield "T is `service_level_threshold`, of tickets `service_level_threshold_tickets`. The eight formulas in use, of which each queue chooses one for history and one for live windows:\n"
    yield "| formula | is |"
    yield "|---|---|"
    for name, (_, _, formula, _) in SERVICE_LEVELS.items():
        yield f"| {name} | {formula} |"
    yield ""


def _measures() -> Iterator[str]:
    yield "## Measures\n"
    yield "What panes on `contact-center.kpis` hold; sums are microseconds.\n"
    yield "| measure | is |"
    yield "|---|---|"
    for measure in MEASURES:
        yield f"| `{measure.name}` | {measure.meaning} |"
    yield ""


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` only tell whether it is current."""
    if arguments == ["--check"]:
        current = PAGE.exists() and PAGE.read_text(encoding="utf-8") == page()
        if not current:
            sys.stderr.write(f"{PAGE.name} is not current: run python -m streams.kpis.document\n")
        return 0 if current else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
