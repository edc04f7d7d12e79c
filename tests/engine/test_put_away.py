"""Customers in blocks, over restarts: what a block still says of who was taken out of it, or forgotten, changes no figure."""

from __future__ import annotations

import msgspec
import pytest
from lz4.block import compress, decompress
from msgspec.structs import replace

from schemas.calls import CallAbandoned, CallQueued
from schemas.chats import ChatAnswered, ChatEnded, ChatStarted
from schemas.events import Event
from schemas.opinions import SurveyAnswered
from schemas.tickets import TicketOpened, TicketReopened, TicketResolved
from streams.engine import shelf
from streams.engine.contacts import FEW as FEW_FACTS
from streams.engine.customer import FEW
from streams.engine.customers import LARGE
from streams.engine.marker import StateCorruptError
from streams.engine.partition import Partition
from streams.engine.policy import DAY, HOUR, INTERVAL, MINUTE, SECOND, Policy, Retention
from streams.engine.records import BLOCK, contact_key
from tests.engine.store import Store, records
from tests.engine.test_restarts import NOON, call

POLICY = Policy(retention=Retention(sliding=0, breakdowns=None, intervals=None, days=0))
BLOCK_SIZE = 4


@pytest.fixture(autouse=True)
def _blocks_of_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "BLOCK", BLOCK_SIZE)


def ticket(name: str, start: int) -> list[Event]:
    """Return a ticket that is resolved in a minute."""
    seconds = start / SECOND
    return [
        TicketOpened(id=f"{name}.0", time=seconds, contact_id=name, queue="sales", channel="email"),
        TicketResolved(id=f"{name}.1", time=seconds + 60, contact_id=name, agent_id="ana"),
    ]


def chat(name: str, start: int) -> list[Event]:
    """Return a chat of a minute."""
    seconds = start / SECOND
    return [
        ChatStarted(id=f"{name}.c0", time=seconds, contact_id=name, queue="sales"),
        ChatAnswered(id=f"{name}.c1", time=seconds + 10, contact_id=name, agent_id="ana"),
        ChatEnded(id=f"{name}.c2", time=seconds + 60, contact_id=name),
    ]


def reopened(name: str, time: int) -> list[Event]:
    """Return what a ticket is withdrawn from the resolved for."""
    return [TicketReopened(id=f"{name}.r", time=time / SECOND, contact_id=name)]


def go_on(store: Store, steps: range, unit: int) -> None:
    """Let a call of another customer come at each of some units of time after noon."""
    for step in steps:
        at = NOON + step * unit
        store.feed(call(f"other{at}@other{at}", at), at)
        store.flush()


def named(store: Store, name: str) -> int:
    """Return how many blocks say something of a contact."""
    blocks = [value for key, value in store.state.items() if key.startswith(BLOCK)]
    return sum(name.encode() in decompress(block[4:]) for block in blocks)


def put_away(*contacts: list[Event], policy: Policy = POLICY, day: int = 0) -> Store:
    """Return a store in which these contacts, and nine of others, are in blocks some hours after they were there, on this day."""
    store, now = Store(policy), NOON + day * DAY
    store.feed([event for events in contacts for event in events], now + HOUR)
    for number in range(9):
        store.feed(ticket(f"more{number}@more{number}", now + 2 * MINUTE + number), now + HOUR)
    go_on(store, range(day * 24 + 1, day * 24 + 6), HOUR)
    return store


def agree_on(store: Store, events: list[Event], now: int) -> None:
    """Hold a store's figures against those of one that restarts, after these events."""
    again = store.restarted()
    for one in (store, again):
        one.feed(events, now)
        one.flush()
    assert store.measures(INTERVAL) == again.measures(INTERVAL)


def test_who_was_forgotten_does_not_come_back_as_what_he_was() -> None:
    """A ticket in a block goes on as a chat, of which less is remembered; a chat is forgotten, and the block still says ticket."""
    store = put_away(ticket("t@k", NOON))
    store.feed(chat("t@k", NOON + 5 * DAY), NOON + 5 * DAY)
    go_on(store, range(6, 60), DAY)
    assert named(store, "t@k")
    agree_on(store, reopened("t@k", NOON + 60 * DAY), NOON + 60 * DAY)


def test_who_ended_later_than_is_known_now_does_not_come_back() -> None:
    """Of two events with one id the smaller stays: a ticket that a block says was resolved nine days later than it was."""
    policy = replace(POLICY, lateness=10 * DAY)
    opened, resolved = ticket("t@k", NOON)
    pause = policy.longest_pause(ticket=True) // DAY
    store = put_away([opened, replace(resolved, time=(NOON + 9 * DAY) / SECOND)], policy=policy, day=9)
    store.feed([resolved], NOON + 10 * DAY)
    go_on(store, range(11, pause + 15), DAY)
    assert named(store, "t@k")
    go_on(store, range(pause + 15, pause + 17), DAY)
    agree_on(store, reopened("t@k", NOON + (pause + 8) * DAY), NOON + (pause + 17) * DAY)


def test_who_is_part_of_another_contact_is_remembered_by_it() -> None:
    """A chat and much later, in a block, a ticket of the same id: what comes between makes them one, which is no ticket in the end."""
    policy = replace(POLICY, lateness=60 * DAY)
    pause = policy.longest_pause(ticket=False) // DAY
    store = put_away(chat("t@k", NOON), ticket("t@k", NOON + (pause + 2) * DAY), policy=policy, day=pause + 2)
    between = SurveyAnswered(
        id="between",
        time=(NOON + pause * DAY) / SECOND,
        contact_id="t@k",
        kind="csat",
        value=5,
        scale_min=1,
        scale_max=5,
    )
    again = [replace(event, id=f"again {event.id}") for event in chat("t@k", NOON + (pause + 3) * DAY)]
    store.feed([between, *again], NOON + (pause + 3) * DAY)
    go_on(store, range(pause + 4, 2 * pause + 70), DAY)
    assert named(store, "t@k")
    agree_on(store, reopened("t@k", NOON + (2 * pause + 70) * DAY), NOON + (2 * pause + 70) * DAY)


def test_who_is_forgotten_in_part_stays_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a customer with a call and a ticket the call is forgotten; who comes out of a block lies loose for long, as in a large center."""
    store = put_away([*call("a@k", NOON), *ticket("b@k", NOON + MINUTE)])
    assert named(store, "b@k") == 1
    monkeypatch.setattr(shelf, "LOOSE", 4096)
    go_on(store, range(1, 45), DAY)
    assert any(b"b@k" in key for key in store.kept())
    agree_on(store, reopened("b@k", NOON + 45 * DAY), NOON + 45 * DAY)


def test_who_has_many_contacts_since_has_them_after_a_restart() -> None:
    """He is kept elsewhere, whatever a block says of the first of them."""
    store = put_away(call("a@k", NOON))
    assert named(store, "a@k") == 1
    for number in range(FEW + 4):
        at = NOON + (6 + number) * HOUR
        store.feed(call(f"a{number}@k", at), at)
        store.flush()
    go_on(store, range(FEW + 10, FEW + 16), HOUR)
    agree_on(store, call("new@k", NOON + 30 * HOUR), NOON + 31 * HOUR)


def talkative(name: str, start: int) -> list[Event]:
    """Return a call of few events that are as long as they may be."""
    long = "\U0001f4de" * 128
    said = dict.fromkeys(("priority", "language", "platform", "customer_type", "entry_point"), long)
    queued = [
        CallQueued(id=f"{name}.q{at}", time=start / SECOND + at, contact_id=name, queue="sales", **said)
        for at in range(FEW_FACTS - 1)
    ]
    return [*queued, CallAbandoned(id=f"{name}.e", time=start / SECOND + FEW_FACTS, contact_id=name)]


def test_who_has_much_to_say_is_in_no_record_of_a_block() -> None:
    """With all that 32 customers may say it would be larger than the topic takes."""
    store = put_away(*(talkative(f"long{number}@k{number}", NOON) for number in range(2 * BLOCK_SIZE)))
    assert max(len(value) for key, value in store.kept().items() if b"long" in key) > LARGE
    assert [named(store, f"long{number}@") for number in range(2 * BLOCK_SIZE)] == [0] * 2 * BLOCK_SIZE
    assert named(store, "more0@more0") == 1
    agree_on(store, call("new@k0", NOON + DAY), NOON + DAY)


def use(store: Store, broken: dict[bytes, bytes], events: list[Event]) -> None:
    """Take back what a store has written, but for these records, and go on."""
    partition = Partition(0, POLICY)
    partition.restore_state(list((store.state | broken).items()))
    partition.restore_kpis(list(store.kpis.items()))
    partition.restored()
    partition.process(records(events, store.read))
    partition.flush()


@pytest.mark.parametrize(
    ("broken", "used"),
    [(b"", "a2@k2"), (b"\x01", "a1@k1"), (b"\x01" * 40, "a1@k1")],
    ids=["nothing", "half a head", "nothing but a head"],
)
def test_a_contact_that_cannot_be_read_is_said_to_be(broken: bytes, used: str) -> None:
    """When it is taken back, or used; that nothing else is broken makes no difference."""
    store = Store(POLICY)
    for number in range(4):
        store.feed(call(f"a{number}@k{number}", NOON), NOON + HOUR)
    store.flush()
    (key,) = [key for key in store.state if b"a1@k1" in key]
    with pytest.raises(StateCorruptError):
        use(store, {key: broken}, call(used, NOON + HOUR))


def test_a_contact_whose_name_cannot_be_read_is_said_to_be() -> None:
    """At the restore: what follows it would be missing."""
    store = put_away(call("a@k", NOON))
    with pytest.raises(StateCorruptError):
        use(store, {contact_key(b"k1", "a1") + b"\xff": b"\x01" * 40}, [])


@pytest.mark.parametrize("broken", [b"\x07", msgspec.msgpack.encode({"a@k": b"\x01"})], ids=["a customer", "a contact"])
def test_a_customer_in_a_block_who_cannot_be_read_is_said_to_be(broken: bytes) -> None:
    """When he is needed, or forgotten: a restore does not look into blocks."""
    store = put_away(call("a@k", NOON))
    (name,) = [key for key, value in store.state.items() if key.startswith(BLOCK) and b"a@k" in decompress(value[4:])]
    block = store.state[name]
    customers = msgspec.msgpack.decode(decompress(block[4:]), type=dict[bytes, msgspec.Raw])
    packed = b"".join(
        msgspec.msgpack.encode(key) + bytes(broken if key == b"k" else raw) for key, raw in customers.items()
    )
    record = block[:4] + compress(bytes([0x80 | len(customers)]) + packed)
    for later, event in ((HOUR, "new@k"), (100 * DAY, "new@nobody")):
        with pytest.raises(StateCorruptError):
            use(store, {name: record}, call(event, NOON + later))
