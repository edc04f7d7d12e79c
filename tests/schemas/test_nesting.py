"""How deep a record may be nested is the same on every Python and every stack."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.dead_letters import Reason, RefusedError
from schemas.events import decode
from schemas.nesting import DEEPEST, is_too_deep

QUEUED = b'{"type":"call.queued","id":"e","time":1,"contact_id":"c","queue":"sales","more":%s}'


def _nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def _depth(value: Any) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max(map(_depth, parts), default=0)


def test_a_field_that_nobody_reads_may_be_as_deep_as_the_limit_and_no_deeper() -> None:
    """The event is one level; on Python 3.14 a decoder would follow 100,000 more, on 3.11 about 1,000."""
    decode(QUEUED % _nested(DEEPEST - 1))
    for levels in (DEEPEST, 900, 5_000, 50_000):
        with pytest.raises(RefusedError, match="128 levels") as refused:
            decode(QUEUED % _nested(levels))
        assert refused.value.reason is Reason.UNDECODABLE


def test_a_small_stack_makes_no_difference() -> None:
    """What is as deep as the limit is decoded in a thread that has the least stack that Python allows for."""
    decoded: list[object] = []
    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=lambda: decoded.append(decode(QUEUED % _nested(DEEPEST - 1))))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert decoded


@given(
    st.recursive(
        st.text('[]{}"\\a', max_size=6),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    ),
    st.integers(0, 140),
)
def test_the_depth_is_that_of_the_value(value: Any, more: int) -> None:
    """Brackets and quotes within strings are no levels."""
    for _ in range(more):
        value = [value, "[[[{" * 40]
    assert is_too_deep(json.dumps(value).encode()) == (_depth(value) > DEEPEST)


@pytest.mark.parametrize("garbage", [b'"' * 300, b'["' * 300, b"\\" * 300 + b"[" * 300, b'[\\"' * 300, b"]" * 300])
def test_garbage_is_refused_one_way_or_the_other(garbage: bytes) -> None:
    """What is no JSON is looked through as well, and is undecodable however its brackets are counted."""
    with pytest.raises(RefusedError) as refused:
        decode(garbage)
    assert refused.value.reason is Reason.UNDECODABLE
