"""The real rules over what was scraped: blocks made by promtool, evaluated by a Prometheus, every 10 s of the months.

    samples --promtool--> blocks --Prometheus--> recording rules --promtool--> blocks --Prometheus--> the alert's expression

What is left to us is `for` and `keep_firing_for`: an alert fires once its expression has held for so long, and ends so long after it does not.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import yaml

from benchmarks.alerting.scrapes import SCRAPE, Parts, Seen
from benchmarks.processes import BenchmarkError, Child
from streams.board import metrics
from streams.board.levels import goals
from streams.broker.server_properties import free_port
from streams.engine.policy import DAY, MINUTE, SECOND, QueuePolicy
from streams.kpis.registry import BY_ID
from streams.settings import usual_alarms

RULES: Final = Path(__file__).parents[2] / "prometheus" / "rules" / "callers.yml"
ALERT: Final = "ContactCenterAbandonmentSpike"
EVALUATION: Final = SCRAPE // 2
"""Rules are evaluated at other moments than boards are scraped: on average half an interval later."""
_AGAIN: Final = 4 * MINUTE
"""A sample that does not change is written again before Prometheus, which looks back 5 minutes, has forgotten it."""
_CONDITION: Final = {"job": "contact-center-board", "instance": "board:8080"}
_KPI: Final = BY_ID["abandonment_rate"]


class Rule(NamedTuple):
    """An alert with the recording rules that it is made of."""

    expression: str
    hold: int
    """`for`, microseconds."""
    keep: int
    """`keep_firing_for`, microseconds."""
    records: list[dict[str, str]]


def rule(alert: str = ALERT, file: Path = RULES) -> Rule:
    """Return an alert as the file has it."""
    rules = [one for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"] for one in group["rules"]]
    found = next((one for one in rules if one.get("alert") == alert), None)
    if found is None:
        names = ", ".join(one["alert"] for one in rules if "alert" in one)
        raise BenchmarkError(f"--alert: seen {alert!r}, expected one of {names}")
    records = [one for one in rules if "record" in one and one["record"] in found["expr"]]
    return Rule(found["expr"], _duration(found["for"]), _duration(found.get("keep_firing_for", "0s")), records)


def _duration(text: str) -> int:
    """Return a duration of a rule in microseconds.

    >>> _duration("40s"), _duration("5m")
    (40000000, 300000000)
    """
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]] * SECOND


class Samples:
    """Writes what a board exports about abandonment as OpenMetrics, a file a day."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._day = 0
        self._lines: dict[str, list[str]] = defaultdict(list)
        self._last: dict[str, tuple[int, float]] = {}
        self.files: list[Path] = []

    def scrape(self, now: int, queues: Mapping[str, Seen]) -> None:
        """Note what a scrape sees."""
        if now // DAY != self._day:
            self.close()
            self._day = now // DAY
        self._note(now, metrics.LIVE, {}, 1)
        for queue, seen in queues.items():
            place = {"queue": queue, "channel": "call"}
            for level, value in _BOUNDS.items():
                self._note(now, metrics.BOUND, {**place, "kpi": _KPI.id, "level": level}, value)
            self._note(now, metrics.MINIMUM, {**place, "kpi": _KPI.id}, _MINIMUM)
            self._note(now, metrics.WAITING, place, seen.waiting)
            for window, parts in seen.windows.items():
                self._parts(now, {**place, "window": window}, parts)

    def _parts(self, now: int, labels: dict[str, str], parts: Parts) -> None:
        top, bottom = metrics.part_names(_KPI.id, _KPI.unit)
        self._note(now, top, labels, parts.top)
        self._note(now, bottom, labels, parts.bottom)
        if parts.bottom:
            self._note(now, metrics.name_of(_KPI.id, _KPI.unit), labels, parts.top / parts.bottom)

    def _note(self, now: int, name: str, labels: Mapping[str, str], value: float) -> None:
        told = ",".join(
            f"{label}={json.dumps(text, ensure_ascii=False)}" for label, text in {**_CONDITION, **labels}.items()
        )
        series = f"{name}{{{told}}}"
        before = self._last.get(series)
        if before is None or before[1] != value or now - before[0] >= _AGAIN:
            self._last[series] = (now, value)
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
        self.files.append(file)


_GOAL = goals(QueuePolicy(), usual_alarms())[_KPI.id]
_BOUNDS: Final = {"attention": _GOAL.attention, "action": _GOAL.action}
_MINIMUM: Final = _GOAL.minimum


def firing(samples: Samples, span: tuple[int, int], of: Rule, folder: Path) -> dict[str, list[tuple[int, int]]]:
    """Return by queue from when to when the alert fires."""
    data = folder / "data"
    for file in samples.files:
        _run("tsdb", "create-blocks-from", "openmetrics", file, data)
        file.unlink()
    begin, end = (time_us // SCRAPE * SCRAPE + EVALUATION for time_us in span)
    (folder / "records.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "records", "rules": of.records}]}), encoding="utf-8"
    )
    with _Prometheus(data, folder) as server:
        _run(
            "tsdb", "create-blocks-from", "rules", f"--url={server.url}", f"--start={begin // SECOND}", f"--end={end // SECOND}",
            "--eval-interval=10s", f"--output-dir={data}", folder / "records.yml",
        )  # fmt: skip
    with _Prometheus(data, folder) as server:
        held: dict[str, list[int]] = defaultdict(list)
        for since in range(begin, end, DAY):
            for queue, times in server.times(of.expression, since, min(since + DAY - SCRAPE, end)):
                held[queue] += times
    return {queue: list(_episodes(times, of.hold, of.keep)) for queue, times in held.items()}


def _episodes(times: Iterable[int], hold: int, keep: int) -> Iterator[tuple[int, int]]:
    """Yield from when to when an alert fires whose expression holds at these times, ten seconds apart.

    >>> ten = [at * SCRAPE for at in (1, 2, 3, 4, 9, 10, 11, 20, 21, 22)]
    >>> [(begin // SCRAPE, end // SCRAPE) for begin, end in _episodes(ten, 2 * SCRAPE, 0)]
    [(3, 5), (11, 12), (22, 23)]
    >>> [(begin // SCRAPE, end // SCRAPE) for begin, end in _episodes(ten, 2 * SCRAPE, 5 * SCRAPE)]
    [(3, 17), (22, 28)]
    """
    fires: tuple[int, int] | None = None
    since = last = None
    for now in times:
        if since is None or last is None or now - last > SCRAPE:
            since = now
        last = now
        if fires is not None and now > fires[1]:
            yield fires
            fires = None
        if fires is not None:
            fires = (fires[0], now + SCRAPE + keep)
        elif now - since >= hold:
            fires = (now, now + SCRAPE + keep)
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
    """A Prometheus over blocks that are there; it scrapes nothing."""

    def __init__(self, data: Path, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        (folder / "prometheus.yml").write_text("{}\n", encoding="utf-8")
        super().__init__(
            [
                _program("prometheus"), f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={data}",
                "--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}",
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
        except OSError:
            return False

    def times(self, expression: str, begin: int, end: int) -> Iterator[tuple[str, list[int]]]:
        """Yield each queue with the times at which an expression holds for it, evaluated every 10 s."""
        query = {"query": expression, "start": begin / SECOND, "end": end / SECOND, "step": SCRAPE / SECOND}
        with urllib.request.urlopen(
            f"{self.url}/api/v1/query_range?{urllib.parse.urlencode(query)}", timeout=300
        ) as answer:
            found: list[dict[str, Any]] = json.loads(answer.read())["data"]["result"]
        for series in found:
            yield series["metric"]["queue"], [round(float(at) * SECOND) for at, _ in series["values"]]
