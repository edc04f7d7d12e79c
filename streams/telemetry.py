"""Say that something happened: one sentence with fields in the log, and a count beside it, together or not at all.

    refused = Fact(logging.WARNING, "An event was refused.", counter, ("reason",))
    refused(reason="invalid", partition=2, offset=7)

    2026-11-22T10:00:00.000Z WARNING streams.worker An event was refused. reason=invalid partition=2 offset=7

DEBUG is one event, INFO the lifecycle, WARNING no loss, ERROR a loss or an operator is needed.
"""

import json
import logging
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from prometheus_client import Counter

SELDOM = 30.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that can happen. `labels` names the fields that the counter is split by: bounded values only.

    The counter belongs to the registry of whoever declares it (a worker has its own).
    """

    level: int
    sentence: str
    counter: Counter | None = None
    labels: tuple[str, ...] = ()
    logger: logging.Logger = field(default=logging.getLogger("streams"))

    def __call__(self, amount: float = 1, /, **fields: object) -> None:
        """Count `amount` and log the sentence with the fields."""
        if self.counter is not None:
            counter = (
                self.counter.labels(**{name: fields[name] for name in self.labels}) if self.labels else self.counter
            )
            counter.inc(amount)
        log(self.logger, self.level, self.sentence, **fields)


def log(logger: logging.Logger, level: int, sentence: str, **fields: object) -> None:
    """Log one sentence with fields."""
    if logger.isEnabledFor(level):
        logger.log(level, sentence, extra={"fields": fields})


def configure(level: str = "INFO", style: Literal["text", "json"] = "text") -> None:
    """Send everything that is logged in this process, by libraries too, to standard error, one line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    handler.addFilter(Seldom())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class Seldom(logging.Filter):
    """Lets each sentence of aiokafka through once in `SELDOM`: of a broker that is away it says so at every attempt, ten times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record is new."""
        if not record.name.startswith("aiokafka"):
            return True
        sentence = record.getMessage()
        new = record.created - self._told.get(sentence, 0.0) >= SELDOM
        if new:
            recent = {one: at for one, at in self._told.items() if record.created - at < SELDOM}
            self._told = {**recent, sentence: record.created}  # a new one: other threads may be looking at the old
        return new


class TextFormatter(logging.Formatter):
    """Time, level, logger, sentence and `key=value`; values with spaces are quoted."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, a traceback below it."""
        head = f"{_time(record)} {record.levelname} {record.name} {record.getMessage()}"
        line = " ".join([head, *(f"{key}={_value(value)}" for key, value in _fields(record).items())])
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message and the fields beside them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one JSON object."""
        line = {"time": _time(record), "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        trace = {"exception": self.formatException(record.exc_info)} if record.exc_info else {}
        return json.dumps(_fields(record) | line | trace, default=str, ensure_ascii=False)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = getattr(record, "fields", {})
    return fields


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _value(value: object) -> str:
    """Return a value as it stands in a line of text.

    >>> _value(7), _value("two words"), _value("")
    ('7', '"two words"', '""')
    """
    text = str(value)
    plain = text and not any(char.isspace() or char in '"=' for char in text)
    return text if plain else json.dumps(text, ensure_ascii=False)
