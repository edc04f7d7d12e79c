"""What the registry says of each KPI, it says in both languages."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from streams.engine.measures import NAMES
from streams.kpis.document import ORACLE, page, proof, sample
from streams.kpis.registry import KPIS, Kpi
from tests.kpis import test_formulas
from tests.oracle import formulas

ROOT = Path(__file__).parents[2]
BY_ORACLE = {
    *formulas.ratios(Counter()), "service_level", *test_formulas.COUNTS, *test_formulas.AMOUNTS,
    *(f"{stem}_{percent}" for stem in test_formulas.PERCENTILES for percent in formulas.PERCENTILES),
}  # fmt: skip


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.id)
def test_a_definition_is_whole_in_english_and_in_spanish(kpi: Kpi) -> None:
    """Name and formula in both, and what is left out in both or in neither."""
    assert kpi.name
    assert kpi.name_es
    assert kpi.formula
    assert kpi.formula_es
    assert kpi.formula_es != kpi.formula
    assert bool(kpi.exclusions) == bool(kpi.exclusions_es)


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.id)
def test_a_sample_is_of_what_is_counted(kpi: Kpi) -> None:
    """Never blank, and in measures; in the page beside formula, crediting and proof."""
    counted = {*NAMES, "waiting", "agents"}
    named = set(re.findall("`(.+?)`", sample(kpi)))
    assert (named and named <= counted) or kpi.id == "service_level"
    (line,) = [line for line in page().splitlines() if line.startswith(f"| `{kpi.id}` | {kpi.name} |")]
    assert [part in line for part in (kpi.formula, f"| {kpi.crediting} |", f"| {sample(kpi)} |", proof(kpi))] == [
        True
    ] * 4


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.id)
def test_the_test_that_is_said_to_prove_a_definition_does(kpi: Kpi) -> None:
    """It is there, and asks for this KPI by its id."""
    file, _, name = proof(kpi).partition("::")
    text = (ROOT / file).read_text(encoding="utf-8")
    assert f"def {name}(" in text
    assert kpi.id in BY_ORACLE if proof(kpi) == ORACLE else f'"{kpi.id}"' in text
