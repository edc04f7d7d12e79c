"""What the registry says of each KPI, it says in both languages."""

from __future__ import annotations

import pytest

from streams.kpis.registry import KPIS, Kpi


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.id)
def test_a_definition_is_whole_in_english_and_in_spanish(kpi: Kpi) -> None:
    """Name and formula in both, and what is left out in both or in neither."""
    assert kpi.name
    assert kpi.name_es
    assert kpi.formula
    assert kpi.formula_es
    assert kpi.formula_es != kpi.formula
    assert bool(kpi.exclusions) == bool(kpi.exclusions_es)
