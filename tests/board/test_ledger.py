"""The ledger of a row: it adds up, or says that it does not know."""

from __future__ import annotations

from schemas.rows import Figure
from streams.board.ledger import Ledger, ledger


def figures(**values: float | None) -> dict[str, Figure]:
    return {name: Figure(value, value, None, "count", "final") for name, value in values.items()}


def test_who_waited_at_the_start_follows_from_the_rest():
    """Two waited, nine came, eight left."""
    found = ledger("call", "sales", figures(entered=9, answered=6, abandoned=1, flowed_out=1, waiting=3))
    assert found == Ledger("call", "sales", 2, 9, 6, 1, 1, 3, balanced=True)


def test_fewer_than_nobody_is_not_balanced():
    """Nine came, nobody left, and nobody waits."""
    found = ledger("call", "sales", figures(entered=9, answered=0, abandoned=0, flowed_out=0, waiting=0))
    assert (found.waiting_start, found.balanced) == (-9, False)


def test_an_unknown_number_of_waiting_is_unknown_at_both_ends():
    """Not 0, and the ledger neither holds nor fails."""
    found = ledger("call", "sales", figures(entered=9, answered=6, abandoned=1, flowed_out=1, waiting=None))
    assert found == Ledger("call", "sales", None, 9, 6, 1, 1, None, balanced=None)
