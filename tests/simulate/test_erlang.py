"""Erlang A against what follows from it without the formulas used."""

from __future__ import annotations

import pytest

from streams.simulate.erlang import erlang_a


@pytest.mark.parametrize("agents", [1, 5, 10, 12, 40])
@pytest.mark.parametrize("patience", [5.0, 90.0, 600.0])
def test_flow_is_conserved(agents: int, patience: float) -> None:
    """What is answered is what the agents can do: rate * answered * handle = agents * occupancy <= agents."""
    figures = erlang_a(0.05, 200.0, agents, patience)
    assert 0 <= figures.abandon <= figures.wait <= 1
    assert figures.occupancy <= 1 + 1e-12
    assert figures.mean_wait == pytest.approx(figures.abandon * patience)
    assert figures.queue_length == pytest.approx(0.05 * figures.mean_wait)


def test_one_agent_and_no_patience_is_a_loss_system() -> None:
    """With vanishing patience the abandoned are Erlang B's blocked: load 1 on 1 agent loses one half."""
    assert erlang_a(1.0, 1.0, 1, 1e-9).abandon == pytest.approx(0.5, abs=1e-6)


def test_endless_patience_needs_enough_agents() -> None:
    """Erlang C with too few agents has no long run."""
    with pytest.raises(ValueError, match="patience: seen None"):
        erlang_a(1.0, 10.0, 10, None)
