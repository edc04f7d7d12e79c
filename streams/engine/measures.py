"""The measures that panes hold, packed into one integer.

Each measure has a lane of bits; a bundle of measures is the sum of its values, each shifted to its lane. So adding two
bundles is one integer addition however many measures they hold, withdrawing is one subtraction, the order cannot
matter, and nothing rounds: panes are a commutative group because the integers are one. A difference may be negative
in any lane (it borrows from the lanes above and gives it back when added); a pane's total never is.

Counts take 32 bits (2,147,483,647 a pane), sums of microseconds 64 (292,000 years).
"""

from __future__ import annotations

import struct
from itertools import compress
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import astuple

COUNT: Final = 32
SUM: Final = 64


class Measure(NamedTuple):
    """A measure: its name on the wire, the width of its lane in bits, and what it counts."""

    name: str
    bits: int
    meaning: str


MEASURES: Final = (
    Measure("entered", COUNT, "queue visits, at their start"),
    Measure("cohort_answered", COUNT, "visits that were answered, at their start"),
    Measure("cohort_abandoned", COUNT, "visits that the customer left while waiting, at their start"),
    Measure("cohort_flowed_out", COUNT, "visits left otherwise, at their start"),
    Measure("short_abandoned", COUNT, "abandoned with a wait within the queue's short-abandon limit, at their start"),
    Measure("answered_within", COUNT, "answered within the queue's threshold T, at their start"),
    Measure("abandoned_within", COUNT, "abandoned within T, at their start"),
    Measure("callback_within", COUNT, "left for a callback within T, at their start"),
    Measure("reached_threshold", COUNT, "waited longer than T, decided or not, at their start"),
    Measure("resolved", COUNT, "contacts resolved, at the start of the visit that resolved them"),
    Measure("resolved_identified", COUNT, "of those, contacts of a known customer"),
    Measure("resolved_first_contact", COUNT, "of those, neither transferred nor followed by another contact within W"),
    Measure("answered", COUNT, "visits answered, when answered"),
    Measure("abandoned", COUNT, "visits abandoned, when abandoned"),
    Measure("flowed_out", COUNT, "visits that flowed out, when they did"),
    Measure("transferred", COUNT, "conversations handed on, when handed on"),
    Measure("wait_answered_us", SUM, "microseconds waited by the answered, when answered"),
    Measure("wait_abandoned_us", SUM, "microseconds waited by the abandoned, when abandoned"),
    Measure("handled", COUNT, "conversations that ended, when they ended"),
    Measure("held", COUNT, "of those, with at least one hold"),
    Measure("talk_us", SUM, "microseconds of talk, when the conversation ended"),
    Measure("hold_us", SUM, "microseconds of hold, when the conversation ended"),
    Measure("wrap_up_us", SUM, "microseconds of after-call work, when the conversation ended"),
    Measure("available_us", SUM, "microseconds of agents available, split over the intervals spanned"),
    Measure("on_contact_us", SUM, "microseconds of agents busy or wrapping up, split over the intervals spanned"),
    Measure("paused_us", SUM, "microseconds of agents paused, split over the intervals spanned"),
    Measure("opened", COUNT, "contacts, at the start of their first visit and in its queue"),
    Measure("opened_unhandled", COUNT, "of those, without a conversation (yet)"),
    Measure("opened_unresolved", COUNT, "of those, not resolved (yet), or open again"),
    Measure("resolutions", COUNT, "resolutions, when resolved"),
    Measure("resolved_alone", COUNT, "of the resolved of a known customer, neither transferred nor reopened"),
    Measure("returned_within_1d", COUNT, "of those, followed by another contact within 1 day"),
    Measure("returned_within_7d", COUNT, "the same within 7 days"),
    Measure("returned_within_14d", COUNT, "the same within 14 days"),
    Measure("returned_within_30d", COUNT, "the same within 30 days"),
    Measure("transfers", COUNT, "transfers, when made, with or without a conversation before"),
    Measure(
        "escalations",
        COUNT,
        "of those, to a higher level of attention than a known one; of levels that are no numbers, to another",
    ),
    Measure("opened_sold", COUNT, "contacts handled with a sale, at the start of their first visit"),
    Measure("resolutions_reopened", COUNT, "resolutions that were reopened, when resolved"),
    Measure("tickets_handled", COUNT, "agents' parts in tickets that ended, when they ended"),
    Measure("reopened", COUNT, "resolutions that were reopened, when reopened"),
    Measure("resolved_first", COUNT, "chats and tickets resolved for the first time, when resolved"),
    Measure("resolution_first_us", SUM, "microseconds from their opening, when resolved for the first time"),
    Measure("resolved_written", COUNT, "chats and tickets resolved and not open again, when resolved last"),
    Measure("resolution_full_us", SUM, "microseconds from their opening, when resolved last"),
    *(
        measure
        for origin, meaning in (
            ("creation", "a first opening"),
            ("reopening", "a reopening"),
            ("handover", "a hand-over by a bot"),
        )
        for measure in (
            Measure(f"responses_{origin}", COUNT, f"first responses after {meaning}, when made"),
            Measure(f"response_{origin}_us", SUM, f"microseconds from {meaning} to the first response, when made"),
            Measure(f"response_{origin}_open_us", SUM, "of those, within business hours"),
        )
    ),
    Measure("surveyed", COUNT, "contacts with an answer to a survey, when the first came"),
    Measure("csat_answers", COUNT, "answers to csat"),
    Measure("csat_top", COUNT, "of those, in the top two boxes of their scale, or in the top one of three or two"),
    Measure("csat_millionths", SUM, "their sum on a scale of 1 to 5, in millionths"),
    Measure("nps_answers", COUNT, "answers to nps"),
    Measure("nps_promoters", COUNT, "of those, 9 or 10 on a scale of 0 to 10"),
    Measure("nps_detractors", COUNT, "of those, 0 to 6"),
    Measure("ces_answers", COUNT, "answers to ces"),
    Measure("ces_easy", COUNT, "of those, 5 to 7 on a scale of 1 to 7"),
    Measure("ces_millionths", SUM, "their sum on a scale of 1 to 7, in millionths"),
    Measure("enps_answers", COUNT, "answers of agents to enps"),
    Measure("enps_promoters", COUNT, "of those, 9 or 10 on a scale of 0 to 10"),
    Measure("enps_detractors", COUNT, "of those, 0 to 6"),
    Measure("survey_fcr_answers", COUNT, "answers to whether one contact was enough"),
    Measure("survey_fcr_yes", COUNT, "of those, yes"),
    Measure("complaints", COUNT, "contacts with a complaint, when the first came"),
    Measure("applause", COUNT, "contacts with applause, when the first came"),
    Measure("sales", COUNT, "sales, when closed, but for refunds"),
    Measure("retained", COUNT, "customers who stay, when they say so"),
    Measure("lost", COUNT, "customers who leave, when they say so"),
    Measure("costs", COUNT, "parts of costs, one in each interval that a cost is spread over"),
    Measure("refunds", COUNT, "sales with a negative amount"),
    Measure(
        "moved_unresolved",
        COUNT,
        "tickets not resolved (yet), at the start of the visit where they were handled last, if it is not their first",
    ),
)
NAMES: Final = tuple(measure.name for measure in MEASURES)


def _shifts() -> dict[str, int]:
    shifts, shift = {}, 0
    for measure in MEASURES:
        shifts[measure.name] = shift
        shift += measure.bits
    return shifts


SHIFT: Final = _shifts()
_RARE: Final = 1 << SHIFT["returned_within_1d"]
ONE: Final = {name: 1 << shift for name, shift in SHIFT.items()}
AGENTS_TIME: Final = sum((1 << SUM) - 1 << SHIFT[name] for name in ("available_us", "on_contact_us", "paused_us"))
"""The lanes of agents' time, of which a slice without a channel may hold other things too."""
_SIZE: Final = sum(measure.bits for measure in MEASURES) // 8
_SIGNS: Final = sum(1 << shift + measure.bits - 1 for shift, measure in zip(SHIFT.values(), MEASURES, strict=True))
"""The highest bit of each lane, which no total reaches."""
_signed = struct.Struct("<" + "".join("i" if measure.bits == COUNT else "q" for measure in MEASURES))
_lanes = struct.Struct("<" + "".join("I" if measure.bits == COUNT else "Q" for measure in MEASURES))


def pack(values: dict[str, int]) -> int:
    """Return the bundle of ``values``, by measure name.

    >>> unpack(pack({"entered": 2, "talk_us": 5}) + pack({"entered": 1}))
    {'entered': 3, 'talk_us': 5}
    """
    bundle = 0
    for name, value in values.items():
        bundle += value << SHIFT[name]
    return bundle


def _structure(many: int) -> type[msgspec.Struct]:
    return msgspec.defstruct(
        "Measures", [(name, int, 0) for name in NAMES[:many]], omit_defaults=True, frozen=True, gc=False
    )


Measures: Final = _structure(len(NAMES))
"""A structure of all measures. It is written as `unpack` would be, without those that are 0, in a third of the time."""
_OFTEN: Final = NAMES.index("resolved_alone") + 1
"""The first measures are all that most panes of calls have; of these alone the structure is smaller, and faster."""
_Often: Final = _structure(_OFTEN)
_often_signed = struct.Struct("<" + "".join("i" if measure.bits == COUNT else "q" for measure in MEASURES[:_OFTEN]))
_often_lanes = struct.Struct("<" + "".join("I" if measure.bits == COUNT else "Q" for measure in MEASURES[:_OFTEN]))


def to_bytes(bundle: int) -> bytes:
    """Return a total's bytes; raises OverflowError when it is negative or too large: such a pane is corrupt."""
    return bundle.to_bytes(_SIZE, "little")


def from_bytes(total: bytes) -> int:
    """Return the bundle of a total's bytes."""
    return int.from_bytes(total, "little")


def measures(bundle: int) -> msgspec.Struct:
    """Return the `Measures` of a total; raises OverflowError as `unpack` does.

    >>> msgspec.json.encode(measures(pack({"entered": 2, "talk_us": 5, "costs": 1})))
    b'{"entered":2,"talk_us":5,"costs":1}'
    """
    if bundle < _RARE:
        return _Often(*_often_lanes.unpack(bundle.to_bytes(_often_lanes.size, "little")))
    return Measures(*_lanes.unpack(to_bytes(bundle)))


def changes(bundle: int) -> msgspec.Struct:
    """Return the `Measures` of a difference, which may be negative in any lane.

    >>> msgspec.json.encode(changes(pack({"entered": 2, "talk_us": -5}))), msgspec.json.encode(changes(pack({"costs": -1})))
    (b'{"entered":2,"talk_us":-5}', b'{"costs":-1}')
    """
    lanes = (bundle + _SIGNS) ^ _SIGNS  # each by itself, in two's complement
    if lanes < _RARE:
        return _Often(*_often_signed.unpack(lanes.to_bytes(_often_signed.size, "little")))
    return Measures(*_signed.unpack(lanes.to_bytes(_SIZE, "little")))


def bundle_of(values: Any) -> int:
    """Return the bundle of a `Measures`.

    >>> unpack(bundle_of(Measures(entered=2, talk_us=5)))
    {'entered': 2, 'talk_us': 5}
    """
    return from_bytes(_lanes.pack(*astuple(values)))


def unpack(bundle: int) -> dict[str, int]:
    """Return the measures of a total that are not 0.

    Raises OverflowError when the total is negative or too large: such a pane is corrupt.
    """
    lanes = _lanes.unpack(to_bytes(bundle))
    return dict(zip(compress(NAMES, lanes), filter(None, lanes), strict=True))
