"""Wrong parameters are named, with the value seen and what was expected."""

import pytest
from click.testing import CliRunner

from streams.board.parameters import LONGEST_NAME, BadRequestError, asked, stream_asked
from streams.cli import group
from streams.engine.policy import HOUR, MINUTE

NOW = 1_772_442_000_000_000

WRONG = [
    ({"window": ["7m"]}, "window", "7m", "one of 5m, 15m"),
    ({"windw": ["5m"]}, "windw", "5m", "one of the parameters"),
    ({"by": ["customer"]}, "by", "customer", "one of queue"),
    ({"by": [""]}, "by", "", "one of queue"),
    ({"by": ["language"], "window": ["15m"]}, "by", "language", "queue, channel or agent"),
    ({"every": ["2h"]}, "every", "2h", "one of 15m"),
    ({"format": ["xml"]}, "format", "xml", "one of json, csv, csv-long"),
    ({"from": ["2026-03-01T08:00:00Z"]}, "to", None, "a time: from and to"),
    ({"to": ["2026-03-01T08:00:00Z"]}, "from", None, "a time: from and to"),
    ({"from": ["yesterday"], "to": ["2026-03-01T08:00:00Z"]}, "from", "yesterday", "a time like"),
    ({"from": ["2026-03-01T08:07:00Z"], "to": ["2026-03-01T09:00:00Z"]}, "from", "2026-03-01T08:07:00Z", "a quarter"),
    ({"from": ["2026-03-01T08:00:01Z"], "to": ["2026-03-01T09:00:00Z"]}, "from", "2026-03-01T08:00:01Z", "a quarter"),
    ({"from": ["2026-03-01T09:00:00Z"], "to": ["2026-03-01T09:00:00Z"]}, "to", "2026-03-01T09:00:00Z", "after from"),
    ({"from": ["0001-01-01T00:00:00Z"], "to": ["2026-03-01T09:00:00Z"]}, "from", "0001-01-01T00:00:00Z", "a time"),
    (
        {"from": ["9999-12-31T23:45:00-23:00"], "to": ["2026-03-01T09:00:00Z"]},
        "from",
        "9999-12-31T23:45:00-23:00",
        "a time",
    ),
    ({"from": ["1971-01-01T00:00:00Z"], "to": ["2026-03-01T09:00:00Z"], "every": ["15m"]}, "every", "15m", "at most"),
    ({"window": ["5m"], "from": ["2026-03-01T08:00:00Z"], "to": ["2026-03-01T09:00:00Z"]}, "window", "5m", "either"),
    ({"queue": [""]}, "queue", "", "a name"),
    ({"queue": ["q" * 500]}, "queue", "q" * LONGEST_NAME, "a name"),
    ({"queue": ["a", "b"]}, "queue", "a, b", "one value"),
]


@pytest.mark.parametrize(("given", "parameter", "seen", "expected"), WRONG)
def test_a_wrong_parameter_is_named(given, parameter, seen, expected):
    with pytest.raises(BadRequestError) as caught:
        asked(given, NOW, lambda _: "UTC")
    assert (caught.value.parameter, caught.value.seen) == (parameter, seen)
    assert caught.value.expected.startswith(expected) or expected in caught.value.expected


def test_a_range_is_read_in_any_offset_also_when_the_plus_came_unescaped():
    given = {"from": ["2026-03-01T09:00:00 01:00"], "to": ["2026-03-01T09:30:00Z"], "every": ["15m"]}
    question = asked(given, NOW, lambda _: "UTC")
    assert question.end_us - question.start_us == HOUR + 30 * MINUTE
    assert question.window is None


def test_a_day_or_a_time_without_an_offset_is_of_the_zone_of_the_queue():
    given = {"from": ["2026-03-01"], "to": ["2026-03-01T09:30"], "queue": ["far"]}
    question = asked(given, NOW, lambda queue: "Asia/Tokyo" if queue == "far" else "UTC")
    assert question.start_us == 1_772_290_800_000_000
    assert question.end_us - question.start_us == 9 * HOUR + 30 * MINUTE


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-03-01T08:07", "1960-01-01", "2150-01-01", "9999-12-31T23:45-23:00"]
)
def test_a_wrong_time_is_told_as_the_report_tells_it(text):
    with pytest.raises(BadRequestError) as told:
        asked({"from": [text], "to": ["2026-03-01"]}, NOW, lambda _: "UTC")
    reported = CliRunner().invoke(group, ["report", "--from", text])
    assert reported.exit_code == 2
    assert f"-{told.value}" in " ".join(reported.stderr.split())


def test_nothing_asked_is_the_last_half_hour():
    question = asked({}, NOW, lambda _: "UTC")
    assert (question.window, question.every, question.by) == ("30m", "all", None)
    assert question.end_us - question.start_us == 30 * MINUTE


def test_today_begins_at_midnight_of_the_zone():
    question = asked({"window": ["today"]}, NOW, lambda _: "Europe/Madrid")
    assert (question.start_us // HOUR) % 24 == 23


def test_a_stream_takes_no_range():
    with pytest.raises(BadRequestError, match="from"):
        stream_asked({"from": ["2026-03-01T08:00:00Z"]})
