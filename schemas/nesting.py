"""How deep a record may be nested: `DEEPEST` levels, on every Python.

How deep a decoder follows depends on the version of Python and on the stack: 3.11 ends at about 1,000 levels, 3.14 at 100,000. What a worker
refuses a replay has to refuse too, so the limit is ours.
"""

from __future__ import annotations

import re
from typing import Final

DEEPEST: Final = 128
"""Levels of brackets."""
_BRACKETS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{\]}]', re.DOTALL)
"""A string, or a bracket outside of one."""


def is_too_deep(data: bytes) -> bool:
    """Tell whether JSON is nested deeper than `DEEPEST` levels; what is short or has few brackets is not looked through.

    >>> is_too_deep(b"[" * 128 + b"]" * 128), is_too_deep(b"[" * 129 + b"]" * 129), is_too_deep(b'{"a": "' + b"[" * 999 + b'"}')
    (False, True, False)
    """
    if len(data) <= 2 * DEEPEST or data.count(b"[") + data.count(b"{") <= DEEPEST:
        return False
    depth = 0
    for found in _BRACKETS.finditer(data):
        bracket = found[0]
        if bracket in _OPENING:
            depth += 1
            if depth > DEEPEST:
                return True
        elif bracket in _CLOSING:
            depth -= 1
    return False


_OPENING: Final = (b"[", b"{")
_CLOSING: Final = (b"]", b"}")
