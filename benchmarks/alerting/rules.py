"""The real rules over what was scraped: blocks made by promtool, evaluated by a Prometheus, at each interval of the months.

    samples --promtool--> blocks --Prometheus--> recording rules --promtool--> blocks --Prometheus--> the alert's expression

What is left to us is `for` and `keep_firing_for` (an alert fires once its expression has held for so long, and ends so long after it does
not), and Alertmanager's `group_wait`: a page is there when it is sent.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import yaml

from benchmarks.alerting.intervals import EVALUATION, LATER, SCRAPE, duration, group_wait
from benchmarks.alerting.scrapes import Seen
from benchmarks.alerting.verdict import Pages
from benchmarks.processes import BenchmarkError, Child
from streams.board import metrics
from streams.board.levels import goals
from streams.broker.server_properties import free_port
from streams.engine.policy import DAY, MINUTE, SECOND, QueuePolicy
from streams.kpis.registry import BY_ID
from streams.settings import usual_alarms

RULES: Final = Path(__file__).parents[2] / "prometheus" / "rules" / "callers.yml"
ALERTS: Final = ("ContactCenterAbandonmentSpike", "ContactCenterAbandonmentUnusual")
_POINTS: Final = 10_000
"""Of a series in one answer: Prometheus gives 11,000 at most."""
_AGAIN: Final = 4 * MINUTE
"""A sample that does not change is written again before Prometheus, which looks back 5 minutes, has forgotten it."""
_CONDITION: Final = {"job": "contact-center-board", "instance": "board:8080"}
_KPI: Final = BY_ID["abandonment_rate"]


class Rule(NamedTuple):
    """An alert with the recording rules that it is made of."""

    expression: str
    """Of what is scraped and of ``records``; what is recorded from records is spelled out, as promtool writes no blocks of that."""
    hold: int
    """`for`, microseconds."""
    keep: int
    """`keep_firing_for`, microseconds."""
    wait: int
    """`group_wait` of its severity in Alertmanager's routing, microseconds."""
    records: list[dict[str, str]]


def rule(alert: str, file: Path = RULES) -> Rule:
    """Return an alert as the file has it."""
    rules = [one for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"] for one in group["rules"]]
    found = next((one for one in rules if one.get("alert") == alert), None)
    if found is None:
        names = ", ".join(one["alert"] for one in rules if "alert" in one)
        raise BenchmarkError(f"--alert: seen {alert!r}, expected one of {names}")
    records = {one["record"]: one["expr"] for one in rules if "record" in one}
    plain = {name: text for name, text in records.items() if not any(other in text for other in records)}
    expression = _spelled_out(found["expr"], {name: text for name, text in records.items() if name not in plain})
    used = [{"record": name, "expr": text} for name, text in plain.items() if name in expression]
    hold, keep = (duration(found.get(name, "0s")) for name in ("for", "keep_firing_for"))
    return Rule(expression, hold, keep, group_wait(found["labels"]["severity"]), used)


def _spelled_out(expression: str, records: Mapping[str, str]) -> str:
    """Return an expression with what is recorded in place of the names of records: the same at each moment, as a group has one.

    >>> _spelled_out("a:b:c > 1", {"a:b:c": "x:y:z + 1", "x:y:z": "2"})
    '((2) + 1) > 1'
    >>> _spelled_out('a:b:c{d="e"}', {"a:b:c": "x"})
    '((x) and on (d) label_replace(vector(1), "d", "e", "", ""))'
    """
    named = re.compile(rf'({"|".join(map(re.escape, records)) or "$^"})(?:{{(\w+)="([^"]*)"}})?')
    while found := named.search(expression):
        name, label, value = found.groups()
        text = f"({records[name].strip()})"
        if label:  # what is no name of a series takes no selector
            text = f'({text} and on ({label}) label_replace(vector(1), "{label}", "{value}", "", ""))'
        expression = expression[: found.start()] + text + expression[found.end() :]
    return expression


class Samples:
    """Writes what a board exports about abandonment and waits as OpenMetrics, a file a day."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._day = 0
        self._lines: dict[str, list[str]] = defaultdict(list)
        self._last: dict[str, tuple[int, Seen]] = {}
        self._values: dict[str, float] = {}
        self.files: list[Path] = []

    def scrape(self, now: int, queues: Mapping[str, Seen]) -> None:
        """Note what a scrape sees."""
        if now // DAY != self._day:
            self.close()
            self._day = now // DAY
        for queue, seen in queues.items():
            at, before = self._last.get(queue, (0, None))
            again = now - at >= _AGAIN
            if again:
                self._note(now, _series(metrics.LIVE), 1, again=True)
                self._constants(now, queue)
            if again or seen != before:
                self._last[queue] = (now if again else at, seen)
                self._seen(now, queue, seen, again=again)

    def _constants(self, now: int, queue: str) -> None:
        for level, value in _BOUNDS.items():
            self._note(now, _series(metrics.BOUND, queue, "kpi", _KPI.id, "level", level), value, again=True)
        self._note(now, _series(metrics.MINIMUM, queue, "kpi", _KPI.id), _MINIMUM, again=True)

    def _seen(self, now: int, queue: str, seen: Seen, *, again: bool) -> None:
        self._note(now, _series(metrics.WAITING, queue), seen.waiting, again=again)
        for window in seen.windows:
            for kpi, top, bottom in seen.parts(window):
                value, *parts = _names(kpi)
                for name, part in zip(parts, (top, bottom), strict=True):
                    self._note(now, _series(name, queue, "window", window), part, again=again)
                if bottom:
                    self._note(now, _series(value, queue, "window", window), top / bottom, again=again)

    def _note(self, now: int, series: str, value: float, *, again: bool) -> None:
        if again or self._values.get(series) != value:
            self._values[series] = value
            self._lines[series].append(f"{series} {value} {now / SECOND:.3f}\n")

    def close(self) -> None:
        """Write the day's file."""
        if not self._lines:
            return
        file = self._folder / f"{self._day}.om"
        with file.open("w", encoding="utf-8") as out:
            for series in sorted(self._lines):
                out.writelines(self._lines[series])
            out.write("# EOF\n")
        self._lines.clear()
        self._last.clear()
        self._values.clear()
        self.files.append(file)


@cache
def _series(name: str, queue: str | None = None, *more: str) -> str:
    """Return a series of a board as OpenMetrics writes it; ``more`` are names and values of labels by turns."""
    place = {} if queue is None else {"queue": queue, "channel": "call"}
    labels = {**_CONDITION, **place, **dict(zip(more[::2], more[1::2], strict=True))}
    told = ",".join(f"{label}={json.dumps(text, ensure_ascii=False)}" for label, text in labels.items())
    return f"{name}{{{told}}}"


@cache
def _names(kpi: str) -> tuple[str, str, str]:
    """Return the names of a KPI's series: value, numerator, denominator."""
    unit = BY_ID[kpi].unit
    return metrics.name_of(kpi, unit), *metrics.part_names(kpi, unit)


_GOAL = goals(QueuePolicy(), usual_alarms())[_KPI.id]
_BOUNDS: Final = {"attention": _GOAL.attention, "action": _GOAL.action}
_MINIMUM: Final = _GOAL.minimum


def firing(samples: Samples, span: tuple[int, int], rules: Mapping[str, Rule], folder: Path) -> dict[str, Pages]:
    """Return by alert and queue from when to when it fires."""
    data = folder / "data"
    for file in samples.files:
        _run("tsdb", "create-blocks-from", "openmetrics", file, data)
        file.unlink()
    begin, end = (time_us // SCRAPE * SCRAPE + LATER for time_us in span)
    records = {one["record"]: one for of in rules.values() for one in of.records}
    groups = [{"name": "records", "rules": list(records.values())}]
    (folder / "records.yml").write_text(yaml.safe_dump({"groups": groups}), encoding="utf-8")
    with _Prometheus(data, folder) as server:
        _run(
            "tsdb", "create-blocks-from", "rules", f"--url={server.url}", f"--start={begin // SECOND}", f"--end={end // SECOND}",
            f"--eval-interval={EVALUATION // SECOND}s", f"--output-dir={data}", folder / "records.yml",
        )  # fmt: skip
    with _Prometheus(data, folder) as server:
        return {name: _pages(server, of, begin, end) for name, of in rules.items()}


def _pages(server: _Prometheus, of: Rule, begin: int, end: int) -> Pages:
    held: dict[str, list[int]] = defaultdict(list)
    stretch = _POINTS * EVALUATION
    for since in range(begin, end, stretch):
        for queue, times in server.times(of.expression, since, min(since + stretch - EVALUATION, end)):
            held[queue] += times
    return {
        queue: [(fires + of.wait, ends + of.wait) for fires, ends in _episodes(times, of.hold, of.keep)]
        for queue, times in held.items()
    }


def _episodes(times: Iterable[int], hold: int, keep: int) -> Iterator[tuple[int, int]]:
    """Yield from when to when an alert fires whose expression holds at these times, an interval apart.

    >>> held = [at * EVALUATION for at in (1, 2, 3, 4, 9, 10, 11, 20, 21, 22)]
    >>> [(begin // EVALUATION, end // EVALUATION) for begin, end in _episodes(held, 2 * EVALUATION, 0)]
    [(3, 5), (11, 12), (22, 23)]
    >>> [(begin // EVALUATION, end // EVALUATION) for begin, end in _episodes(held, 2 * EVALUATION, 5 * EVALUATION)]
    [(3, 17), (22, 28)]
    """
    fires: tuple[int, int] | None = None
    since = last = None
    for now in times:
        if since is None or last is None or now - last > EVALUATION:
            since = now
        last = now
        if fires is not None and now > fires[1]:
            yield fires
            fires = None
        if fires is not None:
            fires = (fires[0], now + EVALUATION + keep)
        elif now - since >= hold:
            fires = (now, now + EVALUATION + keep)
    if fires is not None:
        yield fires


def _run(*arguments: str | Path) -> None:
    done = subprocess.run([_program("promtool"), *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"promtool: {done.stderr.strip()[-500:]}")


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise BenchmarkError(f"{name}: not found; it is in Debian's package prometheus")
    return path


class _Prometheus(Child):
    """A Prometheus over blocks that are there; it scrapes nothing, and makes no larger blocks of them."""

    def __init__(self, data: Path, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        (folder / "prometheus.yml").write_text("{}\n", encoding="utf-8")
        super().__init__(
            [
                _program("prometheus"), f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={data}",
                "--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}",
                "--storage.tsdb.min-block-duration=2h", "--storage.tsdb.max-block-duration=2h",
            ],
            folder / "prometheus.log",
        )  # fmt: skip

    def __enter__(self) -> Self:
        super().__enter__()
        until = time.monotonic() + 60
        while not self._ready():
            if time.monotonic() > until:
                raise BenchmarkError(f"prometheus: not ready within 60 s: {self.log.read_text()[-500:]}")
            time.sleep(0.1)
        return self

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5):
                return True
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            pass
        return False

    def times(self, expression: str, begin: int, end: int) -> Iterator[tuple[str, list[int]]]:
        """Yield each queue with the times at which an expression holds for it."""
        query = {"query": expression, "start": begin / SECOND, "end": end / SECOND, "step": EVALUATION / SECOND}
        url = f"{self.url}/api/v1/query_range?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=300) as answer:
                found: list[dict[str, Any]] = json.loads(answer.read())["data"]["result"]
        except urllib.error.HTTPError as error:
            with error:
                raise BenchmarkError(f"prometheus: {error.read().decode()[:500]}") from None
        for series in found:
            yield series["metric"]["queue"], [round(float(at) * SECOND) for at, _ in series["values"]]
