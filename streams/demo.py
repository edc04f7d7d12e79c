"""The command `centralita demo`: broker, topics, worker, board and simulated traffic in one go, and nothing left afterwards.

    this process --+-- broker     (unless CENTRALITA_KAFKA names one)        data in a folder that goes with it, or --data
                   +-- worker     started again when it asks for it (75), finds no broker (69) or is killed
                   +-- board      the wallboard's address
                   +-- simulate   two hours of history at once, then live

Each part is a process in a group of its own. Ctrl-C, SIGTERM and a failing part end all of them, the broker last; on Linux they
also end when this process is killed (PR_SET_PDEATHSIG). Their messages are in the data folder's logs.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.status import Status

from streams.broker import jars
from streams.broker.server_properties import HOST, free_port, is_free
from streams.broker.topics import TopicSet, admin_client
from streams.errors import BrokerError, CentralitaError, ConfigurationError, RestartError
from streams.parts import Part
from streams.settings import Settings
from streams.simulate.options import traffic_option

HISTORY = "2h"
START_SECONDS = 90.0
STOP_SECONDS = 12.0
BROKER_STOP_SECONDS = 35.0
RESTART_PAUSE = 1.0
MOST_RESTARTS = 20
_TICK = 0.25

_QUICK = {
    "CENTRALITA_WORKER_TRANSACTION_TIMEOUT": "5",
    "CENTRALITA_WORKER_SESSION_TIMEOUT": "6",
    "CENTRALITA_WORKER_PROGRESS_TIMEOUT": "30",
}
"""One worker and a broker beside it: a killed worker is back in seconds."""
_TICKETS = {"CENTRALITA_DEFAULTS_SERVICE_LEVEL_THRESHOLD_TICKETS": str(4 * 3600)}
"""Nobody answers tickets as telephones are; settings may say otherwise."""


@click.command
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Port of the wallboard.")
@traffic_option(2.0)
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help="Folder to keep; default: a temporary one."
)
@click.option("--browser/--no-browser", default=None, help="Open the wallboard; default: on a desktop.")
@click.pass_context
def command(ctx: click.Context, port: int, traffic: float, data: Path | None, *, browser: bool | None) -> None:
    """Show the whole of Centralita with simulated traffic of every channel; Ctrl-C ends everything and leaves nothing running.

    It runs a real Apache Kafka (fetched once, 43 MB) unless CENTRALITA_KAFKA names one. The wallboard's address is shown as soon as
    figures move.

    Example: centralita demo --port 8090
    """
    if not is_free(port):
        raise ConfigurationError(f"--port: seen {port}, which is in use: choose another, such as {free_port()}")
    console = Console(stderr=True)
    with suppress(KeyboardInterrupt), _folder(data) as folder:
        Demo(folder, port, traffic, console, *_chosen(ctx)).run(browser=browser)


def _chosen(ctx: click.Context) -> tuple[Settings, list[str]]:
    """Return the settings, and the options that every part is given."""
    config = ctx.find_root().params.get("config")
    return ctx.obj(), ["--config", str(config.resolve())] if config else []


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    """Yield the folder to keep, or one that is removed at the end."""
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        yield data.resolve()
        return
    made = Path(tempfile.mkdtemp(prefix="centralita-demo-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


class Demo:
    """The parts, in the order of their start."""

    def __init__(
        self, folder: Path, port: int, traffic: float, console: Console, settings: Settings, options: list[str]
    ) -> None:
        self.folder = folder
        self.url = f"http://{HOST}:{port}/"
        self._port = port
        self._traffic = traffic
        self._console = console
        self._options = options
        self._parts: list[Part] = []
        self._given = os.environ.get("CENTRALITA_KAFKA")
        # A broker of the demo's own is open, whatever the settings say of another one.
        kafka = settings.kafka
        own = replace(kafka, bootstrap=f"{HOST}:{free_port()}", security_protocol="PLAINTEXT")
        self._kafka = kafka if self._given else own
        self._usual = _QUICK if settings.defaults.service_level_threshold_tickets is not None else _QUICK | _TICKETS

    def run(self, *, browser: bool | None) -> None:
        """Start all, show the address when figures move, watch until interrupted, and stop all."""
        try:
            with self._console.status("starting") as status:
                self._start(status)
                self._until_figures_move(status)
                self._console.print(f"Wallboard: [bold]{self.url}[/bold]   (Ctrl-C ends the demo)", highlight=False)
                self._console.print(f"For commands beside it: export {self._beside()}", highlight=False, soft_wrap=True)
                self._open(browser=browser)
                self._watch(status)
        finally:
            self._stop()

    def _beside(self) -> str:
        """Return the variables with which other commands see what the demo's parts do."""
        given = [
            f"{name}={value}" for name, value in self._usual.items() if name in _TICKETS and name not in os.environ
        ]
        return " ".join([f"CENTRALITA_KAFKA={self._kafka.bootstrap}", *given])

    # --- start

    def _start(self, status: Status) -> None:
        if not self._given:
            self._start_broker(status)
        status.update("making topics")
        with admin_client(self._kafka) as admin:
            created = TopicSet(self._kafka.prefix).create(admin)
        # An earlier demo's figures go on from where they were.
        history = HISTORY if created else "0s"
        status.update("starting worker, board and traffic")
        self._add("worker", "worker", "--port", str(free_port()), restartable=True)
        self._add("board", "board", "--host", HOST, "--port", str(self._port), restartable=True)
        self._add("traffic", "simulate", "--history", history, "--steady", "--traffic", str(self._traffic), "--quiet")

    def _start_broker(self, status: Status) -> None:
        jars.class_path(lambda done, total: status.update(f"fetching Apache Kafka, once: {done} of {total} files"))
        status.update("starting Apache Kafka")
        port = self._kafka.bootstrap.rpartition(":")[2]
        broker = self._add("broker", "broker", "--port", port, "--data", str(self.folder / "kafka"))
        self._wait("Apache Kafka", lambda: "answers at" in broker.tail())

    def _add(self, name: str, *arguments: str, restartable: bool = False) -> Part:
        environment = {
            **self._usual,
            **os.environ,
            "CENTRALITA_KAFKA": self._kafka.bootstrap,
            "CENTRALITA_KAFKA_SECURITY_PROTOCOL": self._kafka.security_protocol,
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
        }
        part = Part(name, [*self._options, *arguments], self.folder, environment, restartable)
        self._parts.append(part)
        part.start()
        return part

    def _until_figures_move(self, status: Status) -> None:
        status.update("waiting for figures to move")
        seen: set[int] = set()

        def moved() -> bool:
            figures = self._figures()
            if figures is not None:
                seen.add(figures)
            return len(seen) > 1

        self._wait("the wallboard", moved)

    def _wait(self, what: str, ready: Callable[[], bool]) -> None:
        end = time.monotonic() + START_SECONDS
        while not ready():
            self._check()
            if time.monotonic() > end:
                raise BrokerError(f"{what} was not ready within {START_SECONDS:.0f} s; logs are in {self.folder}")
            time.sleep(_TICK)

    def _open(self, *, browser: bool | None) -> None:
        desktop = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) or sys.platform == "darwin"
        if browser or (browser is None and desktop and self._console.is_terminal):
            webbrowser.open(self.url)

    # --- watch

    def _watch(self, status: Status) -> None:
        while True:
            self._check()
            figures = self._figures()
            told = "the board does not answer" if figures is None else f"{figures:,} queue visits in the last hour"
            restarts = sum(part.restarts for part in self._parts)
            status.update(told + (f", restarted: {restarts}" if restarts else ""))
            time.sleep(1)

    def _check(self) -> None:
        """Start again what asks for it; raise when another part has ended."""
        for part in self._parts:
            code = part.process.poll() if part.process is not None else None
            if code is None:
                continue
            if not part.restartable or not _restarts(code) or part.restarts >= MOST_RESTARTS:
                raise CentralitaError(f"{part.name} ended with exit code {code}; its last lines:\n{part.tail()}")
            part.restarts += 1
            self._console.print(f"{part.name} ended with exit code {code}: started again", highlight=False)
            time.sleep(RESTART_PAUSE)
            part.start()

    def _figures(self) -> int | None:
        """Return how many entered a queue in the last hour, of all channels, None as long as the board has no figure."""
        try:
            with urllib.request.urlopen(f"{self.url}api/v1/kpis?window=60m", timeout=2) as answer:  # noqa: S310 - ours
                rows = orjson.loads(answer.read())["rows"]
        except urllib.error.HTTPError as error:  # not ready yet
            error.close()
            return None
        except (OSError, ValueError, HTTPException):
            return None
        totals = [row["kpis"]["entered"]["value"] for row in rows if row["queue"] is None and row["breakdown"] is None]
        return int(totals[0]) if totals and totals[0] else None

    # --- stop

    def _stop(self) -> None:
        """Stop all, those that use the broker before it; further Ctrl-Cs do not disturb."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        with self._console.status("stopping"):
            clients = [part for part in self._parts if part.name != "broker"]
            for part in clients:
                if part.process is not None:
                    part.process.terminate()
            for part in (*clients, *self._parts):
                part.stop(BROKER_STOP_SECONDS if part.name == "broker" else STOP_SECONDS)


def _restarts(code: int) -> bool:
    """Tell whether a part is to be started again: it asked for it, found no broker, or was killed.

    >>> _restarts(75), _restarts(69), _restarts(-9), _restarts(78), _restarts(0)
    (True, True, True, False, False)
    """
    return code in {RestartError.exit_code, BrokerError.exit_code} or code < 0
