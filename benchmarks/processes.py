"""The processes that are measured: started, watched through /proc (so Linux only), and surely ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Self

from streams.broker.server_properties import free_port

_TICK = os.sysconf("SC_CLK_TCK")


class BenchmarkError(Exception):
    """What was to be measured did not happen; the message says what did."""


class Memory(NamedTuple):
    """Resident bytes of a process: now, and at most so far."""

    now: int
    peak: int


class Child:
    """A process in a session of its own, killed with all that it started when the block ends."""

    def __init__(self, command: list[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        self._command = command
        self._environment = None if environment is None else {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it, or start it again."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    __enter__ = start

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it and its children at once (SIGKILL)."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait(self, seconds: float) -> None:
        """Wait for its end, which must be a good one."""
        assert self._process is not None, "not started"
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise BenchmarkError(f"it goes on after {seconds:.0f} s:\n{self.tail()}") from None
        if code:
            raise BenchmarkError(f"it ended with {code}:\n{self.tail()}")

    def cpu_seconds(self) -> float:
        """Return the processor time of all its threads so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def memory(self) -> Memory:
        """Return what it has resident."""
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines()
        sizes = {name: text.split()[0] for name, _, text in (line.partition(":") for line in lines) if text.strip()}
        return Memory(int(sizes["VmRSS"]) * 1024, int(sizes["VmHWM"]) * 1024)

    def tail(self, lines: int = 15) -> str:
        """Return the end of what it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Served(Child):
    """A `centralita` command that answers HTTP on a free port."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "streams.cli", name, "--port", str(self.port)]
        super().__init__(command, folder / f"{name}-{self.port}.log", environment)

    def ready(self, seconds: float = 60.0) -> Self:
        """Wait until /readyz says so."""
        self.until(lambda: bool(self.get("/readyz")), seconds, "did not become ready")
        return self

    def until(self, condition: Callable[[], bool], seconds: float, otherwise: str, every: float = 0.05) -> float:
        """Wait for a condition and return when it came true (monotonic); no answer counts as no."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.running:
            try:
                if condition():
                    return time.monotonic()
            except OSError:
                pass
            time.sleep(every)
        raise BenchmarkError(f"{self._command[3]} {otherwise} within {seconds:.0f} s:\n{self.tail()}")

    def get(self, path: str) -> bytes:
        """Return a page; raises OSError when there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            error.close()
            raise

    def series(self) -> dict[str, float]:
        """Return each series of /metrics, summed over its labels."""
        return sums(self.get("/metrics"))


def sums(exposition: bytes) -> dict[str, float]:
    r"""Return each name of an exposition text with the sum of its samples.

    >>> sums(b'# HELP a b\na{x="1"} 2\na{x="2"} 3\nb 1.5\n')
    {'a': 5.0, 'b': 1.5}
    """
    found: dict[str, float] = defaultdict(float)
    for line in exposition.decode().splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name.partition("{")[0]] += float(value)
    return dict(found)
