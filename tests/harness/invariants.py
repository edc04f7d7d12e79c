"""I1, I2 and I4 of the list of faults in one assertion, for input of which it is known what is garbage.

I3 is the waiting for the end of the input, I5 the `Watcher`, I6 the exit codes that each test looks at.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

from streams.broker.topics import TopicSet
from streams.engine.policy import Policy
from tests.chaos.verdict import Garbage, letters
from tests.harness import records
from tests.harness.exactness import assert_exact
from tests.harness.independent import assert_independent
from tests.harness.storm import Item


def send(bootstrap: str, topics: TopicSet, items: Iterable[Item]) -> None:
    """Send items."""
    records.send(bootstrap, topics.events, ((item.key, item.value) for item in items))


def garbage(items: Iterable[Item]) -> Counter[Garbage]:
    """Return what of them must be refused, and why."""
    return Counter((item.key, item.value, str(item.reason)) for item in items if item.reason is not None)


def assert_invariants(bootstrap: str, topics: TopicSet, bad: Counter[Garbage], policy: Policy | None = None) -> None:
    """Assert that engine and oracle agree with what is published, markers add up, and letters are there once each."""
    policy = policy or Policy()
    refused = {(key, value) for key, value, _ in bad}
    assert_exact(bootstrap, topics, policy)
    now = time.time_ns() // 1000
    assert_independent(bootstrap, topics, policy, now, lambda seen: (seen.key, seen.value) in refused)
    wrong = letters(bootstrap, topics, bad)
    assert not wrong, wrong
