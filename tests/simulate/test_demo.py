"""The demo shows moving figures on a real broker, mends itself, and leaves no process behind however it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from streams.broker.server_properties import free_port
from tests.harness.pages import page

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]


class Running:
    """A demo in a process of its own; all that descends from it carries a mark in its environment."""

    def __init__(self, folder: Path, port: int) -> None:
        self.mark = uuid4().hex
        self.url = f"http://127.0.0.1:{port}"
        self.out = folder / "out"
        environment = {**os.environ, "CENTRALITA_TEST_MARK": self.mark, "TMPDIR": str(folder)}
        environment.pop("CENTRALITA_KAFKA", None)
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli", "demo", "--port", str(port), "--no-browser"],
                env=environment,
                stdout=out,
                stderr=out,
            )

    def pids(self) -> dict[int, str]:
        """Return the processes of this demo that run, with their command lines."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                marked = self.mark.encode() in (folder / "environ").read_bytes()
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if marked and line:
                found[int(folder.name)] = line
        return found

    def pid_of(self, part: str) -> int:
        return next(pid for pid, line in self.pids().items() if f"streams.cli {part}" in line)

    def entered(self) -> int:
        rows = json.loads(page(f"{self.url}/api/v1/kpis?window=60m"))["rows"]
        return int(next(row for row in rows if row["queue"] is None)["kpis"]["entered"]["value"])

    def events(self) -> float:
        """Return how many events the worker has counted; unlike a window's figures it never falls."""
        lines = page(f"{self.url}/metrics").decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("contact_center_events_total"))

    def wait(self, what: Callable[[], object], seconds: float = 90) -> None:
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, f"{self.out.read_text()}\nrunning: {self.pids()}"
            time.sleep(0.25)


@contextmanager
def _demo(folder: Path) -> Iterator[Running]:
    demo = Running(folder, free_port())
    try:
        demo.wait(lambda: "Wallboard:" in demo.out.read_text())
        yield demo
    finally:
        for pid in demo.pids():
            os.kill(pid, signal.SIGKILL)
        demo.process.wait()


def test_figures_move_a_killed_worker_comes_back_and_ctrl_c_ends_all(tmp_path: Path) -> None:
    """Two hours of history are there, the figures go on after the worker was killed, and at the end nothing runs."""
    with _demo(tmp_path) as demo:
        demo.wait(lambda: demo.entered() > 300)
        killed = demo.pid_of("worker")
        os.kill(killed, signal.SIGKILL)
        demo.wait(lambda: "worker ended with exit code -9: started again" in demo.out.read_text())
        before = demo.events()
        demo.wait(lambda: demo.events() > before)
        demo.process.send_signal(signal.SIGINT)
        demo.process.wait(60)
        assert demo.process.returncode == 0
        assert demo.pids() == {}
        assert list(tmp_path.glob("centralita-demo-*")) == []


def test_a_killed_demo_takes_its_parts_with_it(tmp_path: Path) -> None:
    """Nobody is left to clean up, so each part ends by itself."""
    with _demo(tmp_path) as demo:
        assert len(demo.pids()) >= 6
        demo.process.kill()
        demo.process.wait()
        demo.wait(lambda: not demo.pids(), 60)


def test_a_taken_port_is_told() -> None:
    """Before anything is started, and with a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "streams.cli", "demo", "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == os.EX_CONFIG
    assert re.search(rf"--port: seen {port}, which is in use: choose another, such as \d+", done.stderr)
