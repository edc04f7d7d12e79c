"""What is kept of a customer who has gone quiet."""

from __future__ import annotations

import tracemalloc
from sys import getsizeof

from streams.engine.customer import gather, unpack

RECORD = b"\x01" + bytes(219)
COUNT = 200


def test_a_quiet_customer_takes_no_more_memory_than_the_record_is_long() -> None:
    """An encoder reserves room ahead; what it did not use is not held on to for days."""
    customer = gather({"c1": RECORD})
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = [customer.settle() or b"" for _ in range(COUNT)]
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held <= sum(map(getsizeof, kept)) + COUNT * 16  # and the list
    assert unpack(kept[0]).contacts == {"c1": RECORD}
