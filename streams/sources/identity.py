"""Whose event it is: the key that makes all contacts of one customer meet on one partition.

The key is the customer where one is known, else the contact; an agent's events are keyed by the agent, a cost by its own id. Later events of a contact
often name no customer, so the contact's customer is remembered: the first one named, for all of its events. That holds exactly
for what was read before (`Memory.learn`), and for the last million contacts otherwise.

With a secret, customers' ids leave this door only as HMAC-SHA256 under it: the same customer has the same pseudonym, and who
lacks the secret can neither reverse it nor try out phone numbers.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from functools import lru_cache

import msgspec
from msgspec import Struct

from schemas.nesting import is_too_deep

MOST_REMEMBERED = 1_000_000


class Identity(Struct, gc=False):
    """What of an event tells whose it is."""

    contact_id: str | None = None
    customer_id: str | None = None
    agent_id: str | None = None
    id: str | None = None
    type: str | None = None


_OWN_KEY = ("cost.accrued", "survey.answered")
"""Types of events that can be of nobody; their own id is their key then."""
_identity = msgspec.json.Decoder(Identity)


def identity(value: bytes) -> Identity | None:
    """Return whose event this is, or None when it cannot be read.

    >>> identity(b'{"contact_id": "c1", "customer_id": "ann", "unknown": [1]}').customer_id
    'ann'
    >>> identity(b'{"contact_id": 7}') is None
    True
    """
    try:
        return None if is_too_deep(value) else _identity.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class Memory:
    """The customer of each contact; forgets the oldest contacts beyond ``most`` (None: never)."""

    def __init__(self, most: int | None = MOST_REMEMBERED) -> None:
        self._customers: dict[str, str] = {}
        self._most = most

    def learn(self, who: Identity) -> None:
        """Remember the customer of a contact; the first one named stays."""
        if who.contact_id and who.customer_id:
            self._customers.setdefault(who.contact_id, who.customer_id)
            if self._most is not None and len(self._customers) > self._most:
                del self._customers[next(iter(self._customers))]

    def key(self, who: Identity) -> str | None:
        """Return the key of an event, None when it says of nobody whose it is.

        >>> memory = Memory()
        >>> memory.learn(Identity(contact_id="c1", customer_id="ann"))
        >>> memory.key(Identity(contact_id="c1")), memory.key(Identity(contact_id="c2")), memory.key(Identity(agent_id="a"))
        ('ann', 'c2', 'a')
        """
        if who.contact_id:
            return self._customers.get(who.contact_id) or who.customer_id or who.contact_id
        return who.customer_id or who.agent_id or (who.id if who.type in _OWN_KEY else None)

    def is_customer(self, who: Identity) -> bool:
        """Tell whether the event's key names a customer."""
        return bool(who.customer_id or (who.contact_id and who.contact_id in self._customers))


class Pseudonyms:
    """Customers' ids under a secret.

    >>> Pseudonyms("secret").of("ann")
    'qtTmGZt33jMF5WiZlIaovkO0y8fWKZ_zLqze0Q0aEms'
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self.of = lru_cache(100_000)(self._of)

    def _of(self, customer_id: str) -> str:
        digest = hmac.digest(self._secret, customer_id.encode(), hashlib.sha256)
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    def rewrite(self, value: bytes) -> bytes:
        """Return an event with its customer under the pseudonym, all other fields as they were.

        >>> Pseudonyms("secret").rewrite(b'{"customer_id":"ann","more":[1]}')
        b'{"customer_id":"qtTmGZt33jMF5WiZlIaovkO0y8fWKZ_zLqze0Q0aEms","more":[1]}'
        """
        event = msgspec.json.decode(value)
        if event.get("customer_id") is not None:
            event["customer_id"] = self.of(event["customer_id"])
        return msgspec.json.encode(event)
