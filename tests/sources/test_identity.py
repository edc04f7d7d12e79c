"""An event's key is its customer's, whichever of the contact's events name the customer."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode

import msgspec
import pytest

from streams.sources.identity import Identity, Memory, Pseudonyms, identity


@pytest.mark.parametrize(
    "value", [b"", b"{", b"[]", b"null", b'{"contact_id":1}', b'{"customer_id":{}}', b"\xff", b"[" * 5000]
)
def test_what_is_no_event_has_no_identity(value: bytes) -> None:
    """Garbage is nobody's; it is refused later, with its reason."""
    assert identity(value) is None


def test_the_first_customer_of_a_contact_stays() -> None:
    """A contact is never split over two keys, even when its events name two customers."""
    memory = Memory()
    memory.learn(Identity(contact_id="c", customer_id="ann"))
    memory.learn(Identity(contact_id="c", customer_id="bob"))
    assert memory.key(Identity(contact_id="c", customer_id="bob")) == "ann"


def test_memory_is_bounded() -> None:
    """Beyond the most that are remembered the oldest contact is forgotten."""
    memory = Memory(most=2)
    for contact in ("a", "b", "c"):
        memory.learn(Identity(contact_id=contact, customer_id=contact.upper()))
    assert [memory.key(Identity(contact_id=contact)) for contact in ("a", "b", "c")] == ["a", "B", "C"]


def test_pseudonyms_are_keyed_hashes_and_leave_the_rest_alone() -> None:
    """HMAC-SHA256 under the secret; other fields, unknown ones too, keep their values."""
    expected = urlsafe_b64encode(hmac.new(b"s", b"ann", hashlib.sha256).digest()).rstrip(b"=").decode()
    event = {"type": "x", "customer_id": "ann", "contact_id": "c", "more": {"deep": [1, 2.5, None]}}
    rewritten = msgspec.json.decode(Pseudonyms("s").rewrite(msgspec.json.encode(event)))
    assert rewritten == event | {"customer_id": expected}
    assert Pseudonyms("other").of("ann") != expected
