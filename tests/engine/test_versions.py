"""State of another version is told from state that is corrupt, and a change of what is written cannot be made without a word."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from random import Random
from typing import Any

import msgspec
import pytest
from lz4.block import decompress
from msgspec.structs import replace

from schemas.panes import FORMAT, PARTITION, decode_value, format_of
from streams.engine.marker import MARKER, STATE_FORMAT, FormatChangedError, PolicyChangedError, StateCorruptError
from streams.engine.partition import Partition
from streams.engine.policy import HOUR, MINUTE, Policy, QueuePolicy
from streams.engine.records import BLOCK, CONTACT, PAGE
from tests.engine.store import Store
from tests.engine.test_bounded import POLICY, story
from tests.oracle.make import event, state

SOON = replace(POLICY, lateness=5 * HOUR)
"""So that contacts have pages of facts, and a past without."""
RECORDS = "a45363c28da5b004"
"""A digest of the state that some events make, and of the shape of their figures."""


def kept() -> Store:
    """Return a partition that has written every kind of record."""
    store = Store(SOON)
    store.feed([
        state("ana", 30, "available", queues=["first"]), event("queued", 60, "a@x", queue="first", language="es"),
        event("answered", 75, "a@x", agent_id="ana"), state("ana", 75, "busy"), event("ended", 200, "a@x"),
        event("queued", 230, "b@x", queue="second"), event("abandoned", 260, "b@x"), event("queued", 300, "w", queue="first"),
    ])  # fmt: skip
    store.feed(
        [event(kind, 310 + at, f"q{at}@{at}", queue="first") for at in range(4) for kind in ("queued", "abandoned")]
    )
    for number, family in enumerate(("ticket", "chat")):
        store.flush().feed(story(family, Random(number), f"{family}@x", 400))
    return store.flush()


def paths(value: Any, at: str) -> Iterator[str]:
    """Yield where there are values in a record, and of which kind; which slices share a record is left to their order."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from paths(one, f"{at}.{'#' if name.isdigit() else name}")
    elif isinstance(value, list):
        fixed = len({type(one) for one in value}) > 1  # fields, not a list
        for number, one in enumerate(value):
            yield from paths(one, f"{at}[{number if fixed else ''}]")
    else:
        yield f"{at} {type(value).__name__}"


def test_what_is_written_changes_with_its_version_only() -> None:
    """Who changes it raises `STATE_FORMAT` for the state, `FORMAT` for figures, or `_CREDITS` where it is what is counted, and then this.

    But not where another version reads it right: a field that it does not know is nothing to it.
    """
    store = kept()
    assert {key[:1] for key in store.state} == {b"a", BLOCK, CONTACT, PAGE, MARKER[:1]}
    shape = {
        path
        for key, value in store.kpis.items()
        for path in paths([msgspec.json.decode(key), msgspec.json.decode(value)], "")
    }
    state = [
        (key, value[:4] + decompress(value[4:]) if key.startswith(BLOCK) else value)
        for key, value in sorted(store.state.items())
    ]
    records = state, sorted(shape)
    assert blake2b(msgspec.msgpack.encode(records), digest_size=8).hexdigest() == RECORDS


def test_figures_say_in_which_format_they_are() -> None:
    """Whoever reads them can look at that alone."""
    record = kept().kpis[PARTITION]
    assert (format_of(record), decode_value("partition", record).format) == (FORMAT, FORMAT)


def restore(store: Store, marker: Any, *, policy: Policy = SOON, broken: bytes = b"") -> None:
    """Restore what a store has written, with another marker, and with records that begin so replaced by something else."""
    others = [(key, value) for key, value in store.state.items() if key != MARKER]
    others = [(key, b"\xc1" if broken and key.startswith(broken) else value) for key, value in others]
    partition = Partition(0, policy)
    partition.restore_state(others)
    partition.restore_state([(MARKER, msgspec.msgpack.encode(marker))])
    partition.restore_kpis([(key, b"?" if broken else value) for key, value in store.kpis.items()])
    partition.restored()


@pytest.mark.parametrize(
    ("marker", "seen"),
    [
        (["0123456789abcdef", {"offset": 7}, [0, 0, 0, 0, 0, 0], ""], "0"),
        ([[STATE_FORMAT[0] + 1, FORMAT], "whatever"], f"{STATE_FORMAT[0] + 1}.{FORMAT}"),
        ([[STATE_FORMAT[0], FORMAT + 1]], f"{STATE_FORMAT[0]}.{FORMAT + 1}"),
    ],
    ids=["before formats", "another state", "other figures"],
)
@pytest.mark.parametrize(
    "broken", [b"", BLOCK, CONTACT, PAGE, b"a"], ids=["readable", "blocks", "contacts", "pages", "agents"]
)
def test_state_of_another_version_is_told_whatever_else_can_be_read_of_it(
    marker: Any, seen: str, broken: bytes
) -> None:
    """By what comes first in its marker; the marker comes last."""
    expected = ".".join(map(str, STATE_FORMAT))
    with pytest.raises(FormatChangedError, match=f"another version: seen format {seen}, expected {expected}"):
        restore(kept(), marker, broken=broken)


@pytest.mark.parametrize("broken", [BLOCK, CONTACT, PAGE, b"a"], ids=["blocks", "contacts", "pages", "agents"])
def test_what_cannot_be_read_of_this_version_is_corrupt(broken: bytes) -> None:
    """Unless the definitions differ, which says more."""
    store = kept()
    marker = msgspec.msgpack.decode(store.state[MARKER])
    with pytest.raises(StateCorruptError):
        restore(store, marker, broken=broken)
    other = Policy(defaults=QueuePolicy(threshold=MINUTE), lateness=HOUR)
    with pytest.raises(PolicyChangedError):
        restore(store, marker, policy=other, broken=broken)


@pytest.mark.parametrize("kind", [BLOCK, CONTACT, PAGE, b"a"], ids=["blocks", "contacts", "pages", "agents"])
def test_state_without_its_marker_is_corrupt(kind: bytes) -> None:
    """Of whatever kind all that is left is: what it was counted from cannot be told."""
    partition = Partition(0, SOON)
    partition.restore_state([(key, value) for key, value in kept().state.items() if key.startswith(kind)])
    with pytest.raises(StateCorruptError, match="without its marker"):
        partition.restored()


def test_what_was_written_before_definitions_were_named_is_gone_on_with() -> None:
    """State and figures of one time are so too where neither says under which definitions; what is written next does."""
    store = kept()
    marker = msgspec.msgpack.decode(store.state[MARKER])
    figures = msgspec.json.decode(store.kpis[PARTITION])
    assert marker[2].pop("definitions") == figures.pop("definitions") == marker[1]
    partition = Partition(0, SOON)
    partition.restore_state(list((store.state | {MARKER: msgspec.msgpack.encode(marker)}).items()))
    partition.restore_kpis(list((store.kpis | {PARTITION: msgspec.json.encode(figures)}).items()))
    found = partition.restored()
    assert found.state == found.figures != store.status()
    assert partition.status() == store.status()
