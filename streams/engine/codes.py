"""Codes: what a credit counts beside its bundle, a bucket of a histogram or an amount of money, as one integer.

    amount in millionths, or 0 for a count of one | histogram, 4 bits | bucket or currency, 16 bits

A pane holds both alike, as counts by index under a name: a currency's index is its code as a number, and its count its amount.
"""

from __future__ import annotations

from typing import Final

HISTOGRAMS: Final = (
    "wait_answered",
    "wait_abandoned",
    "response_creation",
    "response_reopening",
    "response_handover",
    "response_creation_open",
    "response_reopening_open",
    "response_handover_open",
    "resolution_first",
    "resolution_full",
    "handle",
    "sales_amount",
    "cost_amount",
)
"""Names of the histograms and of the amounts."""
WHOLE: Final = frozenset({"handle"})
"""Histograms that a queue has as a whole and in no breakdown."""
AMOUNTS: Final = ("sales_amount", "cost_amount")
CODES: Final = 20
"""Bits of a code without its amount."""
MASK: Final = (1 << CODES) - 1
HALF: Final = 1 << 15


def code_of(name: str) -> int:
    """Return the code of index 0 of a histogram; add the index.

    >>> code_of("wait_abandoned") + 7
    98311
    """
    return (HISTOGRAMS.index(name) << 16) + HALF


def money(name: str, currency: str, amount: int) -> int:
    """Return the code of an amount in millionths, which may be negative but not 0."""
    return amount << CODES | code_of(name) + currency_index(currency)


def split(code: int) -> tuple[str, int]:
    """Return the histogram's name and the index of a code without its amount."""
    return HISTOGRAMS[code >> 16], (code & 0xFFFF) - HALF


def currency_index(currency: str) -> int:
    """Return the number of a currency.

    >>> currency_index("EUR"), currency(currency_index("EUR"))
    (3241, 'EUR')
    """
    index = 0
    for letter in currency:
        index = index * 26 + ord(letter) - 65
    return index


def currency(index: int) -> str:
    """Return the currency of a number."""
    rest, last = divmod(index, 26)
    first, middle = divmod(rest, 26)
    return "".join(chr(65 + letter) for letter in (first, middle, last))
