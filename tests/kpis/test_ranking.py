"""The ranking of agents, reckoned by hand, and what makes it fair: a minimum sample and shrinking."""

from __future__ import annotations

import pytest

from schemas.rows import Figure, Row
from streams.kpis.ranking import MINIMUM, WEIGHTS, ranking
from streams.kpis.registry import BY_ID

Counts = dict[str, tuple[float, float]]


def row(agent: str | None, counts: Counts) -> Row:
    """Return a row with these numerators and denominators; all other KPIs have no value."""
    kpis = {name: Figure(None, None, None, kpi.unit, "final") for name, kpi in BY_ID.items()}
    for name, (top, bottom) in counts.items():
        kpis[name] = Figure(top / bottom if bottom else None, top, bottom, BY_ID[name].unit, "final")
    return Row("", "", None, None, "agent" if agent else None, agent, kpis)


def team(**agents: Counts) -> list[Row]:
    """Return the rows of agents, and the total: the sum of their parts."""
    names = {kpi for counts in agents.values() for kpi in counts}
    total = {
        kpi: (
            sum(counts.get(kpi, (0, 0))[0] for counts in agents.values()),
            sum(counts.get(kpi, (0, 0))[1] for counts in agents.values()),
        )
        for kpi in names
    }
    return [*(row(name, counts) for name, counts in agents.items()), row(None, total)]


def counts(handled: float, resolved: float, seconds: float = 300.0) -> Counts:
    """Return an agent's contacts handled, those of them resolved at first contact, and the mean time of handling."""
    return {
        "complaint_rate": (0, handled),
        "first_contact_resolution": (resolved, handled),
        "handle_time": (seconds * handled, handled),
    }


def test_the_score_is_the_weighted_sum_of_shrunk_deviations():
    """By hand: 70 of 100 and 50 of 100 resolved, mean 0.6; shrunk (70 + 18) / 130 and (50 + 18) / 130; one deviation each way."""
    ana, bob = ranking(team(bob=counts(100, 50), ana=counts(100, 70)))
    assert (ana.agent, ana.rank, bob.rank) == ("ana", 1, 2)
    part = ana.parts["first_contact_resolution"]
    assert (part.value, part.sample, part.shrunk) == (0.7, 100, pytest.approx(88 / 130))
    assert part.better == pytest.approx(1)
    weight = WEIGHTS["first_contact_resolution"] / sum(
        WEIGHTS[kpi] for kpi in ("first_contact_resolution", "handle_time", "complaint_rate")
    )
    assert ana.score == pytest.approx(50 + 10 * weight)
    assert bob.score == pytest.approx(50 - 10 * weight)


def test_less_is_better_where_the_registry_says_so():
    """A shorter time of handling ranks first."""
    fast, slow = ranking(team(slow=counts(100, 60, seconds=400), fast=counts(100, 60, seconds=200)))
    assert (fast.agent, slow.agent) == ("fast", "slow")


def test_few_contacts_have_no_rank_and_luck_is_shrunk():
    """29 of 29 is no rank; 30 of 30 is less far from the mean than 280 of 300."""
    found = {
        one.agent: one
        for one in ranking(
            team(new=counts(MINIMUM - 1, 29), lucky=counts(30, 30), good=counts(300, 290), usual=counts(300, 180))
        )
    }
    assert (found["new"].rank, found["new"].score) == (None, None)
    assert found["good"].rank == 1
    assert (found["lucky"].score or 0) < (found["good"].score or 0)


def test_equals_share_a_rank_and_nothing_is_no_ranking():
    """And agents that do not differ have the team's mean."""
    same = ranking(team(a=counts(50, 25), b=counts(50, 25), c=counts(50, 10)))
    assert [(one.agent, one.rank) for one in same] == [("a", 1), ("b", 1), ("c", 3)]
    assert [one.score for one in ranking(team(a=counts(50, 25), b=counts(50, 25)))] == [50, 50]
    assert ranking([row(None, {})]) == []
    assert sum(WEIGHTS.values()) == pytest.approx(1)
