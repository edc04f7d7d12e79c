"""Dead letters keep what was refused, and say why."""

from __future__ import annotations

import hashlib

from schemas.dead_letters import CUT_HEADERS, HEADERS, LONGEST_MESSAGE, Reason
from streams.engine.partition import Record, Refusal
from streams.worker.letters import KEPT, LARGEST_LETTER, Letter, letter


def refused(value: bytes | None, headers: list[tuple[str, bytes | None]] | None = None, message: str = "no") -> Letter:
    """The letter of a record with this value."""
    return letter(Refusal(Record(7, 5_000_000, b"k", value), Reason.INVALID, message), "x.events", 3, headers or [])


def test_bytes_key_and_headers_are_untouched():
    """Whatever the record was, it can be sent again as it was."""
    made = refused(b"\xff\x00", [("a", b"1"), ("a", None)])
    assert (made.key, made.value, made.headers[:2]) == (b"k", b"\xff\x00", [("a", b"1"), ("a", None)])


def test_our_headers_say_where_why_and_how_often():
    """All the headers of the schema that a whole letter has are there, an earlier attempt is counted, none is there twice."""
    made = refused(b"x", [("dead-letter-attempt", b"1"), ("dead-letter-reason", b"too_late")])
    assert [name for name, _ in made.headers] == [f"dead-letter-{name}" for name in HEADERS if name not in CUT_HEADERS]
    assert dict(made.headers) | {"dead-letter-error": b"no"} == {
        "dead-letter-reason": b"invalid",
        "dead-letter-error": b"no",
        "dead-letter-topic": b"x.events",
        "dead-letter-partition": b"3",
        "dead-letter-offset": b"7",
        "dead-letter-timestamp": b"5000000",
        "dead-letter-version": b"1",
        "dead-letter-attempt": b"2",
    }


def test_a_message_is_cut_between_characters():
    """The error is UTF-8 of at most 1 KB."""
    error = dict(refused(b"x", message="ñ" * 2_000).headers)["dead-letter-error"]
    assert error is not None
    assert len(error) <= LONGEST_MESSAGE
    assert error.decode() == "ñ" * 512


def test_a_value_too_large_is_kept_as_prefix_size_and_hash():
    """A letter always fits into its topic."""
    value = b"x" * (LARGEST_LETTER + 1)
    made = refused(value)
    found = dict(made.headers)
    assert made.value == value[:KEPT]
    assert [name for name, _ in made.headers] == [f"dead-letter-{name}" for name in HEADERS]
    assert found["dead-letter-size"] == b"900001"
    assert found["dead-letter-sha256"] == hashlib.sha256(value).hexdigest().encode()
