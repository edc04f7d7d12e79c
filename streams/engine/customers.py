"""The customers of a partition: in use, settled into bytes, and forgotten when nothing can change them any more."""

from __future__ import annotations

from collections.abc import Iterator

from streams.engine.contacts import UNKNOWN, Contact, Customer, decode, head, pack, unpack, unpack_records
from streams.engine.policy import DAY, MINUTE, Policy

QUIET = 5 * MINUTE
"""A customer for whom nothing happened for one to two of these is kept as bytes."""


class Customers:
    """All customers, by the key of their records."""

    def __init__(self, policy: Policy) -> None:
        limits = (policy.defaults, *policy.queues.values())
        self._longest_wait = max(limit.maximum_wait for limit in limits)
        self._memory = max(limit.return_window for limit in limits) + policy.lateness + self._longest_wait
        """For how long after its last fact a contact may still matter."""
        self.live: dict[bytes, Customer] = {}
        self._settled: dict[bytes, bytes] = {}
        self._touched: dict[int, list[bytes]] = {}
        self._expiry: dict[int, list[bytes]] = {}
        """Keys to look at on a day; one may be named twice, since a list takes a fifth of a set's memory."""

    def get(self, key: bytes, watermark: int) -> Customer:
        """Return a customer for use, a new one if there was none."""
        customer = self.live.get(key)
        if customer is None:
            packed = self._settled.pop(key, None)
            customer = Customer() if packed is None else unpack(packed)
            self.live[key] = customer
        bucket = watermark // QUIET
        if customer.touched != bucket:
            self._touch(key, customer, bucket)
        return customer

    def _touch(self, key: bytes, customer: Customer, bucket: int) -> None:
        customer.touched = bucket
        keys = self._touched.get(bucket)
        if keys is None:
            self._touched[bucket] = [key]
        else:
            keys.append(key)

    @property
    def known(self) -> bool:
        """Tell whether there is any customer."""
        return bool(self.live or self._settled)

    def restore(self, key: bytes, name: str, record: bytes | None) -> None:
        """Take a contact's record back, or its deletion; of several the last one counts."""
        packed = self._settled.get(key)
        records = {} if packed is None else unpack_records(packed)
        if record is None:
            records.pop(name, None)
        else:
            records[name] = record
        if records:
            self._settled[key] = pack(records)
        else:
            self._settled.pop(key, None)

    def restored(self, watermark: int) -> Iterator[tuple[bytes, Customer]]:
        """Be ready after all records were taken; yield the customers in use, for whom somebody waits or talks."""
        in_use = []
        for key, packed in self._settled.items():
            heads = [head(record) for record in unpack_records(packed).values()]
            if all(one.finished for one in heads):
                self._look_at(key, min(one.last for one in heads))
            else:
                in_use.append(key)
        for key in in_use:
            customer = self.live[key] = unpack(self._settled.pop(key))
            self._touch(key, customer, watermark // QUIET)
            yield key, customer

    def settle(self, watermark: int) -> None:
        """Keep as bytes the customers for whom nothing has happened for a while and nobody waits."""
        now = watermark // QUIET
        for bucket in [bucket for bucket in self._touched if bucket < now - 1]:
            for key in self._touched.pop(bucket):
                customer = self.live.get(key)
                if customer is not None and customer.touched == bucket:
                    self._settle(key, customer, watermark)

    def _settle(self, key: bytes, customer: Customer, watermark: int) -> None:
        horizon = watermark - self._longest_wait
        for contact in customer.contacts.values():
            if isinstance(contact, Contact) and contact.busy(horizon):
                self._touch(key, customer, watermark // QUIET)
                return
        del self.live[key]
        self._keep(key, customer)

    def _keep(self, key: bytes, customer: Customer) -> None:
        self._settled[key] = customer.pack()
        self._look_at(key, min(_last(contact) for contact in customer.contacts.values()))

    def _look_at(self, key: bytes, first: int) -> None:
        """Look at a customer again when the first of its contacts may be forgotten, which last something happened to at ``first``."""
        self._expiry.setdefault((first + self._memory) // DAY + 1, []).append(key)

    def expire(self, watermark: int) -> Iterator[tuple[bytes, str]]:
        """Forget the contacts that nothing can change any more; yield key and contact id of each."""
        for day in [day for day in self._expiry if day <= watermark // DAY]:
            for key in set(self._expiry.pop(day)):
                packed = self._settled.get(key)
                if packed is not None:
                    yield from self._forget(key, unpack(packed), watermark)

    def _forget(self, key: bytes, customer: Customer, watermark: int) -> Iterator[tuple[bytes, str]]:
        """Forget a customer's first contacts, in their order: a later one may still tell whether an earlier was resolved."""
        horizon = watermark - self._memory
        contacts = customer.contacts
        gone = [name for name, contact in contacts.items() if _start(contact) == UNKNOWN and _last(contact) < horizon]
        for _, name in customer.order:
            if _last(contacts[name]) >= horizon:
                break
            gone.append(name)
        if not gone:
            self._expiry.setdefault(watermark // DAY + 1, []).append(key)
            return
        for name in gone:
            del contacts[name]
            yield key, name
        del self._settled[key]
        if contacts:
            self._keep(key, customer)


def load(key: bytes, customer: Customer, name: str) -> tuple[Contact | None, bool]:
    """Return a contact ready for use, and whether it had settled (then nothing is credited in it yet)."""
    contact = customer.contacts.get(name)
    if isinstance(contact, bytes):
        contact = customer.contacts[name] = decode(contact, identified=key != name.encode())
        return contact, True
    return contact, False


def _last(contact: Contact | bytes) -> int:
    return head(contact).last if isinstance(contact, bytes) else contact.facts[-1][0]


def _start(contact: Contact | bytes) -> int:
    return head(contact).start if isinstance(contact, bytes) else contact.start
