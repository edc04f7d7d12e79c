import json
import logging
import sys

from prometheus_client import CollectorRegistry, Counter

from streams.telemetry import SELDOM, Fact, JsonFormatter, Seldom, TextFormatter


def record(**fields):
    made = logging.LogRecord("streams.worker", logging.INFO, __file__, 1, "A partition was restored.", None, None)
    made.created = 1_795_341_600.25
    made.fields = fields
    return made


def test_a_fact_is_logged_and_counted(caplog):
    """Both happen, with the same reason."""
    registry = CollectorRegistry()
    fact = Fact(
        logging.WARNING, "An event was refused.", Counter("refused", "x", ["reason"], registry=registry), ("reason",)
    )
    fact(reason="invalid", offset=7)
    fact(2, reason="invalid", offset=9)
    assert registry.get_sample_value("refused_total", {"reason": "invalid"}) == 3
    assert [entry.message for entry in caplog.records] == ["An event was refused."] * 2
    assert caplog.records[0].fields == {"reason": "invalid", "offset": 7}


def test_a_fact_that_is_not_logged_is_counted():
    """The level hides the line, never the count."""
    registry = CollectorRegistry()
    Fact(
        logging.DEBUG,
        "An event was taken.",
        Counter("taken", "x", registry=registry),
        logger=logging.getLogger("quiet"),
    )()
    assert registry.get_sample_value("taken_total") == 1


def test_text_is_one_line_with_fields():
    """Values with spaces are quoted, so that a line can be split."""
    line = TextFormatter().format(record(partition=3, why="two words"))
    assert line == '2026-11-22T10:00:00.250Z INFO streams.worker A partition was restored. partition=3 why="two words"'


def test_json_is_one_object_with_fields_and_the_exception():
    """A record's own keys win over fields of the same name."""
    made = record(partition=3, level="fake")
    try:
        raise ValueError("broken")
    except ValueError:
        made.exc_info = sys.exc_info()
    line = json.loads(JsonFormatter().format(made))
    assert (line["level"], line["partition"], line["time"]) == ("INFO", 3, "2026-11-22T10:00:00.250Z")
    assert "ValueError: broken" in line["exception"]


def test_a_library_that_repeats_itself_is_heard_seldom():
    """The same sentence of aiokafka once in half a minute, another one and our own at once."""
    seldom, began = Seldom(), 1_795_341_600.0
    said = [
        ("aiokafka", "Unable connect to node 1", 0.0),
        ("aiokafka", "Unable connect to node 1", 0.1),
        ("aiokafka", "Unable connect to node 2", 0.2),
        ("streams.worker", "The broker does not answer.", 0.3),
        ("streams.worker", "The broker does not answer.", 0.4),
        ("aiokafka", "Unable connect to node 1", SELDOM),
    ]
    heard = []
    for name, sentence, at in said:
        made = logging.LogRecord(name, logging.ERROR, __file__, 1, sentence, None, None)
        made.created = began + at
        heard.append(seldom.filter(made))
    assert heard == [True, False, True, True, True, True]
