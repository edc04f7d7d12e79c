"""What simulated contacts of every channel have: a customer, an id, and numbered events."""

from __future__ import annotations

from typing import Any

from streams.simulate.timed import moment


class Caller:
    """A customer who may call again: identity and what all of the calls share. ``None`` is nobody known."""

    __slots__ = ("attributes", "customer_id", "key")

    def __init__(self, customer_id: str | None, attributes: tuple[Any, ...]) -> None:
        self.customer_id = customer_id
        self.key = customer_id.encode() if customer_id else None
        self.attributes = attributes


class Contact:
    """A contact on its way. ``waiting`` grows when a wait begins and when it ends, so an old entry is known as void."""

    __slots__ = ("caller", "contact_id", "events", "key", "since", "waiting")

    def __init__(self, contact_id: str, caller: Caller) -> None:
        self.contact_id = contact_id
        self.caller = caller
        self.key = caller.key or contact_id.encode()
        self.events = self.since = self.waiting = 0

    def next(self, now: int) -> dict[str, Any]:
        """Return what every event of the contact has, for its next one."""
        self.events += 1
        return {
            "id": f"{self.contact_id}.{self.events}",
            "time": moment(now),
            "contact_id": self.contact_id,
            "customer_id": self.caller.customer_id,
        }
