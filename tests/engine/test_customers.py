"""Customers taken back: from any log of their contacts, read in any pieces, what it says last."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine import customers, shelf
from streams.engine.customer import FEW
from streams.engine.customers import Customers
from streams.engine.policy import Policy
from streams.engine.records import BLOCK, CONTACT, contact_key, split_block_key

FINISHED = 1
LOG = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        st.integers(0, FEW + 1),
        st.sampled_from([FINISHED, FINISHED, FINISHED, FINISHED, FINISHED, FINISHED, 0, None]),
    ),
    min_size=50,
    max_size=100,
)
"""Customer, contact, and the flags of its record, or its deletion. The first customer has many contacts."""


@given(LOG, st.integers(1, 60), st.sampled_from([4, 1 << 60]))
def test_a_restore_is_what_the_log_says_last(log: list[tuple[int, int, int | None]], piece: int, indices: int) -> None:
    """New ones, those who lie loose, were put away, have many contacts or the index of another; deletions at any time. And again after it has written."""
    expected: dict[bytes, dict[str, bytes]] = {}
    records: list[tuple[bytes, bytes | None]] = []
    for version, (customer, contact, flags) in enumerate(log):
        key, name = b"customer-%d" % customer, f"c{contact}"
        record = None if flags is None else struct.pack("<BqqqH", flags, version, version, 0, 0) + b"%d" % version
        records.append((contact_key(key, name), record))
        if record is None:
            expected.get(key, {}).pop(name, None)
        else:
            expected.setdefault(key, {})[name] = record
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shelf, "LOOSE", 3)
        patch.setattr(shelf, "BLOCK", 4)
        patch.setattr(customers, "RETURNED", 3)
        patch.setattr(shelf, "_index", lambda key: hash(key) % indices)
        kept = Customers(Policy())
        for at in range(0, len(records), piece):
            kept.restore(records[at : at + piece])
        waiting = {key for key, _ in kept.restored(0)}
        assert {key: kept.get(key, 0).contacts for key in expected if expected[key]} == {
            key: contacts for key, contacts in expected.items() if contacts
        }
        assert waiting == {
            key for key, found in expected.items() if any(record[0] != FINISHED for record in found.values())
        }
        assert all(not kept.get(key, 0).contacts for key in expected if not expected[key])

        topic = {name: record for name, record in (dict(records) | kept.written()).items() if record is not None}
        again = Customers(Policy())
        again.restore([record for record in topic.items() if record[0].startswith(CONTACT)])
        for name, record in topic.items():
            if name.startswith(BLOCK):
                again.restore_block(split_block_key(name), record)
        for _ in again.restored(0):
            pass
        assert {key: contacts for key in expected if (contacts := again.get(key, 0).contacts)} == {
            key: contacts for key, contacts in expected.items() if contacts
        }
