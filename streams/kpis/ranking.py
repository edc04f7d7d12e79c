"""Agents in order: a composite of KPIs with published weights, a minimum sample, and each KPI shrunk to the team's mean.

An agent with few contacts is mostly luck, so each KPI is drawn towards the team's: the agent's numerator and denominator and `MINIMUM` contacts of the
team's mean are added up (an empirical Bayes estimate; Efron and Morris 1977). What is left is measured in standard deviations of the
team (at most three), multiplied by the weight, and added up:

    score = 50 + 10 x (sum of weight x deviations) / (sum of the weights of the KPIs that the team has)

50 is the team's mean; a KPI that an agent has no sample of counts as the mean. Who has handled fewer than `MINIMUM` contacts has no score and no rank.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import pstdev
from typing import Final

from msgspec import Struct

from schemas.rows import Figure, Row
from streams.kpis.registry import BY_ID

WEIGHTS: Final = {
    "first_contact_resolution": 0.3,
    "csat": 0.25,
    "handle_time": 0.15,
    "transfer_rate": 0.1,
    "reopen_rate": 0.1,
    "complaint_rate": 0.1,
}
"""What a KPI counts for; the registry says whether more or less of it is better."""
MINIMUM: Final = 30
"""Contacts that an agent must have handled, and of the team's mean that each KPI is given."""
_HANDLED: Final = "complaint_rate"
"""A KPI of which the denominator is the contacts handled."""
_FURTHEST: Final = 3.0


class Part(Struct, frozen=True):
    """One KPI of one agent: as it is, its sample, shrunk, and how many deviations of the team better (worse: negative)."""

    value: float | None
    sample: float
    shrunk: float
    better: float


class Ranked(Struct, frozen=True):
    """One agent's place; no rank and no score with too few contacts handled."""

    rank: int | None
    agent: str
    score: float | None
    handled: float
    parts: dict[str, Part]


def ranking(rows: Iterable[Row]) -> list[Ranked]:
    """Return the agents of rows by agent (the total last, as `Figures.rows` gives them), best first, then those without a rank by name.

    Agents of the same score have the same rank.
    """
    *agents, team = rows
    found = {row.value or "": row.kpis for row in agents if row.value}
    enough = [name for name, kpis in found.items() if _handled(kpis) >= MINIMUM]
    parts = {kpi: _parts(kpi, found, team.kpis[kpi], enough) for kpi in WEIGHTS if team.kpis[kpi].value is not None}
    weight = sum(WEIGHTS[kpi] for kpi in parts)
    own = {name: {kpi: of[name] for kpi, of in parts.items()} for name in found}
    scores = {
        name: 50 + 10 * sum(WEIGHTS[kpi] * part.better for kpi, part in own[name].items()) / weight
        for name in (enough if weight else ())
    }
    ordered = sorted(scores.values(), reverse=True)
    ranked = [
        Ranked(1 + ordered.index(score), name, score, _handled(found[name]), own[name])
        for name, score in scores.items()
    ]
    others = [
        Ranked(None, name, None, _handled(found[name]), own[name]) for name in sorted(found) if name not in scores
    ]
    return [*sorted(ranked, key=lambda one: (one.rank or 0, one.agent)), *others]


def _handled(kpis: Mapping[str, Figure]) -> float:
    return kpis[_HANDLED].denominator or 0.0


def _parts(
    kpi: str, agents: Mapping[str, Mapping[str, Figure]], team: Figure, enough: Sequence[str]
) -> dict[str, Part]:
    """Return each agent's part for a KPI that the team has; the spread is that of the agents with enough contacts."""
    mean = (team.numerator or 0.0) / (team.denominator or 1.0)
    shrunk = {name: _shrunk(kpis[kpi], mean) for name, kpis in agents.items()}
    spread = pstdev([shrunk[name] for name in enough]) if enough else 0.0
    sign = 1 if BY_ID[kpi].better == "higher" else -1
    found = {}
    for name, kpis in agents.items():
        away = sign * (shrunk[name] - mean) / spread if spread else 0.0
        figure = kpis[kpi]
        found[name] = Part(figure.value, figure.denominator or 0.0, shrunk[name], max(-_FURTHEST, min(_FURTHEST, away)))
    return found


def _shrunk(figure: Figure, mean: float) -> float:
    return ((figure.numerator or 0.0) + MINIMUM * mean) / ((figure.denominator or 0.0) + MINIMUM)
