"""How figures are printed and kept: a title, then lines of name, value and what was aimed at."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

from msgspec import Struct, to_builtins


class Line(Struct, frozen=True):
    """One figure. ``aim`` is what docs/performance.md promises to reach, in words."""

    name: str
    value: float
    unit: str
    aim: str = ""


class Section(Struct, frozen=True):
    """The figures of one measurement, and what a reader must know about how they came about."""

    title: str
    lines: list[Line]
    notes: tuple[str, ...] = ()

    def show(self) -> None:
        """Print it."""
        print(f"\n{self.title}")
        for line in self.lines:
            aim = f"   (aim {line.aim})" if line.aim else ""
            print(f"  {line.name:<54} {number(line.value):>12} {line.unit}{aim}")
        for note in self.notes:
            print(f"  - {note}")
        print(end="", flush=True)


def number(value: float) -> str:
    """Return a figure with as many digits as it is worth.

    >>> number(123456.7), number(12.345), number(0.01234)
    ('123,457', '12.3', '0.0123')
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def typical(values: Iterable[float]) -> float:
    """Return the median."""
    return median(values)


def percentile(ordered: list[float], share: float) -> float:
    """Return the value that ``share`` of the ordered values do not exceed.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5), percentile([1.0, 2.0, 3.0, 4.0], 0.999)
    (2.0, 4.0)
    """
    return ordered[max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))]


def keep(path: Path, head: dict[str, str], sections: list[Section]) -> None:
    """Write everything as JSON."""
    found: dict[str, Any] = {"header": head, "sections": to_builtins(sections)}
    path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
