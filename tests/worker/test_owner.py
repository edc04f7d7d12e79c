"""Which partitions are waited for when rebalances follow each other faster than partitions are restored."""

from __future__ import annotations

import asyncio

from streams.settings import Settings
from streams.worker.metrics import Metrics
from streams.worker.owner import Owner


async def test_a_partition_assigned_while_others_are_waited_for_is_waited_for_too():
    """Reading must not go on before: what is not restored would be read from anywhere."""
    #  first rebalance    take 0 ======|
    #  waiting            .............|.. not yet .......|
    #  second rebalance          take 1 ==================|
    owner = Owner(Settings(), Metrics(), lambda _: None)
    done = {number: asyncio.Event() for number in (0, 1)}
    owner._taking[0] = asyncio.create_task(done[0].wait())  # type: ignore[assignment]
    both = [asyncio.create_task(owner.taken())]
    await asyncio.sleep(0)
    owner._taking[1] = asyncio.create_task(done[1].wait())  # type: ignore[assignment]
    done[0].set()
    await asyncio.sleep(0.01)
    both.append(asyncio.create_task(owner.taken()))
    await asyncio.sleep(0.01)
    assert [task.done() for task in both] == [False, False]
    done[1].set()
    await asyncio.gather(*both)
