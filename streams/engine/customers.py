"""The customers of a partition: in use, settled into bytes, and forgotten when nothing can change them any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from streams.engine.contacts import (
    UNKNOWN,
    Contact,
    Head,
    decode,
    head_of,
    is_plain,
    is_ticket,
    short_of,
    with_pages,
)
from streams.engine.customer import FEW, UNTOUCHED, Customer, gather, is_identified, many
from streams.engine.marker import UNREADABLE, StateCorruptError
from streams.engine.policy import DAY, MINUTE, Policy
from streams.engine.shelf import Records, Shelf, Written

RETURNED: Final = 20_000
"""Customers put away already of whom a restore has read more, before they are taken out together."""
LARGE: Final = 32 * 1024
"""Bytes of a customer's contacts from which they are not in a block's record: with 32 such it would be an eighth of what the topic takes."""
QUIET: Final = 5 * MINUTE
"""A customer for whom nothing happened for one to two of these is kept as bytes."""
_BEGINNING: Final = -(1 << 62)


class Customers:
    """All customers, by the key of their records."""

    def __init__(self, policy: Policy) -> None:
        self._window = policy.longest_window
        self._lateness = policy.lateness
        self._longest_wait = policy.longest_wait
        self._memory, self._ticket_memory = (
            policy.longest_pause(ticket=ticket) + policy.lateness for ticket in (False, True)
        )
        """For how long after its last fact a contact, or a ticket, may still matter."""
        self.live: dict[bytes, Customer] = {}
        self._shelf = Shelf(self._look_on, _fits)
        """Those with few contacts who have gone quiet."""
        self._crowded: dict[bytes, Customer] = {}
        """Those with many; each contact is kept as bytes."""
        self._touched: dict[int, list[Customer]] = {}
        """Those in use, by when something happened for them last, in units of `QUIET`."""
        self._looked_at_crowds = 0
        """The day on which those with many contacts were looked at last."""
        self._long: dict[int, list[bytes]] = {}
        """Keys of contacts with many facts, by the day on which the last of them is out of reach."""
        self._pages: dict[tuple[bytes, str], dict[int, bytes]] = {}
        """Pages taken back, by contact and number."""
        self._returned: dict[bytes, dict[str, bytes | None]] = {}
        """What was read of customers after they had been put away: the last of each contact, None to delete it."""
        self._blocks: dict[int, bytes] = {}
        """Records of blocks taken back, by number."""
        self._unfinished: set[bytes] = set()
        """Keys of which a record was taken back that says that somebody waits or talks; a later record may say otherwise."""

    def get(self, key: bytes, watermark: int) -> Customer:
        """Return a customer for use, a new one if there was none."""
        customer = self.live.get(key)
        if customer is None:
            customer = self.live[key] = self._taken(key) or Customer()
            customer.key = key
        bucket = watermark // QUIET
        if customer.touched != bucket:
            self._touch(customer, bucket)
        return customer

    def _taken(self, key: bytes) -> Customer | None:
        """Return a customer who has settled, who is no longer."""
        records = self._shelf.take(key)
        return gather(records) if records is not None else self._crowded.pop(key, None)

    def _touch(self, customer: Customer, bucket: int) -> None:
        customer.touched = bucket
        touched = self._touched.get(bucket)
        if touched is None:
            self._touched[bucket] = [customer]
        else:
            touched.append(customer)

    @property
    def known(self) -> bool:
        """Tell whether there is anything of any customer."""
        return bool(self.live or self._shelf or self._crowded or self._blocks or self._pages)

    def written(self) -> Written:
        """Return what has to be written since the last time for customers who were put away and taken out again, by key."""
        written, self._shelf.written = self._shelf.written, {}
        return written

    def restore(self, contacts: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Take contacts' records back by their keys in the state, or their deletions; of several of a contact the last one counts."""
        shelf, crowded, returned = self._shelf, self._crowded, self._returned
        with shelf.adding() as loose:
            for state_key, record in contacts:
                end = 3 + (state_key[1] << 8 | state_key[2])  # `split_contact_key`, of which a restore has millions
                key, name = state_key[3:end], state_key[end:].decode()
                records = loose.get(key)
                if records is None and (key in crowded or not shelf.new(key)):
                    returned.setdefault(key, {})[name] = record
                elif record is None or (records is not None and len(records) >= FEW):
                    self._add(key, name, record)
                elif records is None:
                    loose[key] = {name: record}
                else:
                    records[name] = record
                if record is not None and not is_plain(record):
                    self._watch(key, head_of(record))
        if len(returned) >= RETURNED:
            self._add_returned()

    def _add_returned(self) -> None:
        """Take out those who were put away and of whom there was more to read, each block once."""
        returned, self._returned = self._returned, {}
        for key in self._shelf.by_block(returned):
            for name, record in returned[key].items():
                self._add(key, name, record)

    def _add(self, key: bytes, name: str, record: bytes | None) -> None:
        records = self._records(key)
        if record is None:
            if records is not None:
                self._deleted(key, name, records)
        elif records is None:
            self._shelf.put(key, {name: record})
        else:
            records[name] = record
            if len(records) == FEW + 1 and key not in self._crowded:
                self._crowded[key] = many(records)
                self._shelf.take(key)

    def _watch(self, key: bytes, head: Head) -> None:
        if not head.finished:
            self._unfinished.add(key)
        elif head.long:
            self._look_long(key, head)

    def _deleted(self, key: bytes, name: str, records: Records) -> None:
        records.pop(name, None)
        if not records and self._crowded.pop(key, None) is None:
            self._shelf.take(key)

    def restore_page(self, key: bytes, name: str, number: int, record: bytes | None) -> None:
        """Take a page of a contact's facts back, or its deletion; of several the last one counts."""
        pages = self._pages.setdefault((key, name), {})
        if record is None:
            pages.pop(number, None)
        else:
            pages[number] = record

    def restore_block(self, number: int, record: bytes | None) -> None:
        """Take a block of quiet customers back, or its deletion; of several the last one counts."""
        if record is None:
            self._blocks.pop(number, None)
        else:
            self._blocks[number] = record

    def restored(self, watermark: int) -> Iterator[tuple[bytes, Customer]]:
        """Be ready after all records were taken; yield the customers in use, for whom somebody waits or talks."""
        self._add_returned()
        for (key, name), pages in self._pages.items():
            records = self._records(key) if pages else None
            if records is not None:
                record = records[name]
                self._add(key, name, with_pages(record, [pages[number] for number in range(head_of(record).pages)]))
        self._pages = {}
        for key, customer in self._crowded.items():
            self._crowded[key] = gather(customer.contacts)
        blocks, self._blocks = self._blocks, {}
        self._shelf.restore(blocks, self._crowded.__contains__)
        unfinished, self._unfinished = self._unfinished, set()
        for key in unfinished:
            if not all(head_of(record).finished for record in (self._records(key) or {}).values()):
                yield key, self.get(key, watermark)

    def settle(self, watermark: int) -> None:
        """Keep as bytes the customers for whom nothing has happened for a while and nobody waits."""
        now = watermark // QUIET
        for bucket in [bucket for bucket in self._touched if bucket < now - 1]:
            for customer in self._touched.pop(bucket):
                if customer.touched == bucket:
                    self._settle(customer, watermark)

    def _settle(self, customer: Customer, watermark: int) -> None:
        horizon = watermark - self._longest_wait
        used = [contact for name in customer.used if isinstance(contact := customer.contacts[name], Contact)]
        if any(contact.busy(horizon) for contact in used):
            self._touch(customer, watermark // QUIET)
            return
        key, customer.touched = customer.key, UNTOUCHED
        del self.live[key]
        self._keep(key, customer)
        for contact in used:
            record = contact.record()
            if not is_plain(record):
                head = head_of(record)
                if head.long:
                    self._look_long(key, head)

    def _keep(self, key: bytes, customer: Customer) -> None:
        """Keep a customer as bytes."""
        records = customer.settle()
        if len(records) <= FEW:
            self._shelf.put(key, records)
        else:
            self._crowded[key] = customer

    def _look_long(self, key: bytes, head: Head) -> None:
        self._long.setdefault((head.last + self._lateness) // DAY + 1, []).append(key)

    def _look_on(self, customers: Iterable[Records]) -> int:
        """Return the day on which the first of some customers' contacts may be over."""
        records = chain.from_iterable(map(dict.values, customers))
        return min([self._until(*short) for short in map(short_of, records)]) // DAY + 1

    def _until(self, flags: int, last: int) -> int:
        """Return until when a contact may still matter."""
        return last + (self._ticket_memory if is_ticket(flags) else self._memory)

    def long(self, watermark: int) -> Iterator[bytes]:
        """Yield the keys of settled contacts with many facts that can be summed up by now."""
        for day in [day for day in self._long if day <= watermark // DAY]:
            for key in set(self._long.pop(day)):
                if key in self._shelf or key in self._crowded:
                    yield key

    def expire(self, watermark: int) -> Iterator[tuple[bytes, str, int]]:
        """Forget the contacts that nothing can change any more; yield key, contact id and number of pages of each."""
        today = watermark // DAY
        for key in self._shelf.due(today):
            yield from self._expire_quiet(key, watermark)
        if today > self._looked_at_crowds:
            self._looked_at_crowds = today
            for key in list(self._crowded):
                customer = self._crowded.pop(key)
                yield from ((key, name, pages) for name, pages in self._forget(customer, watermark))
                if customer.contacts:
                    self._keep(key, customer)

    def _expire_quiet(self, key: bytes, watermark: int) -> Iterator[tuple[bytes, str, int]]:
        records, is_in_block = self._shelf.leave(key)
        if records is None:
            return
        customer = gather(records)
        gone = [(key, name, pages) for name, pages in self._forget(customer, watermark)]
        if is_in_block:
            self._shelf.write_again(key, records)
        else:  # of who is in a block there is nothing else to delete
            yield from gone
        if records:
            self._keep(key, customer)

    def _forget(self, customer: Customer, watermark: int) -> Iterator[tuple[str, int]]:
        """Let go of what is over, but of a contact that began within the longest window after one that stays: it may still tell of that one."""
        heads = {name: head_of(record) for name, record in customer.contacts.items() if isinstance(record, bytes)}
        over = {name for name, head in heads.items() if self._until(head.flags, head.last) < watermark}
        gone = [name for name in over if heads[name].start == UNKNOWN]
        stays = _BEGINNING
        for start, name in customer.order:
            if name not in over:
                stays = start
            elif start > stays + self._window:
                gone.append(name)
        for name in gone:
            customer.forget(name, heads[name].start)
            yield name, heads[name].pages

    def _records(self, key: bytes) -> Records | None:
        """Return the records of a customer who has settled, which may be changed; None of one who is not there."""
        records = self._shelf.loose(key)
        if records is None and self._crowded and (crowd := self._crowded.get(key)) is not None:
            return crowd.contacts
        return records


def _fits(records: Records) -> bool:
    """Tell whether a block may take the place of a customer's records: none has to be looked for at a restore, and they are not large."""
    return all(map(is_plain, records.values())) and sum(map(len, records.values())) < LARGE


def load(key: bytes, customer: Customer, name: str) -> tuple[Contact | None, bool]:
    """Return a contact ready for use, and whether it had settled (then nothing is credited in it yet); raises StateCorruptError."""
    contact = customer.contacts.get(name)
    if isinstance(contact, bytes):
        try:
            contact = customer.contacts[name] = decode(contact, identified=is_identified(key, name))
        except UNREADABLE as error:
            message = f"a contact cannot be read: {type(error).__name__}"
            raise StateCorruptError(message) from error
        customer.used.add(name)
        return contact, True
    return contact, False
