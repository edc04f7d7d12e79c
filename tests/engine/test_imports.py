"""The engine is pure: it imports no clock, no network, no log, no chance."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import streams.engine.policy

ENGINE = Path(streams.engine.policy.__file__).parent
IMPURE = frozenset(
    {
        "asyncio", "concurrent", "getpass", "http", "io", "logging", "multiprocessing", "os", "pathlib", "platform",
        "queue", "random", "sched", "secrets", "select", "selectors", "shutil", "signal", "socket", "socketserver",
        "ssl", "subprocess", "tempfile", "threading", "time", "urllib", "uuid",
    }
)  # fmt: skip
CLOCKS = frozenset({"now", "utcnow", "today"})
OURS = ("schemas", "streams.engine")


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the full names of the modules that a tree imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
            if node.module == "streams":
                yield from (f"streams.{alias.name}" for alias in node.names)


def allowed(module: str) -> bool:
    """Return whether the engine may import a module."""
    top = module.split(".", maxsplit=1)[0]
    if any(module == ours or module.startswith(ours + ".") for ours in OURS) or top in {"lz4", "msgspec"}:
        return True
    return top in sys.stdlib_module_names and top not in IMPURE


def clocks(tree: ast.AST) -> list[str]:
    """Return the calls that read the clock."""
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [call.attr for call in calls if isinstance(call, ast.Attribute) and call.attr in CLOCKS]


@pytest.mark.parametrize("module", sorted(ENGINE.rglob("*.py")), ids=lambda path: path.stem)
def test_a_module_of_the_engine_imports_nothing_impure(module: Path) -> None:
    """Only the standard library without its clocks and its input and output, msgspec, the schemas and the engine."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    assert [name for name in imported(tree) if not allowed(name)] == []
    assert clocks(tree) == []


@pytest.mark.parametrize(
    "source", ["import time", "from os import path", "import streams.kpis", "from streams import kpis"]
)
def test_an_impure_import_is_found(source: str) -> None:
    """The rule sees each way to write an import."""
    assert not all(allowed(name) for name in imported(ast.parse(source)) if name != "streams")
