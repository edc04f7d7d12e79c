"""Workers as the processes that they are: started, paused, killed, stopped, and their exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self

import pytest

from streams.broker.server_properties import free_port
from streams.broker.topics import TopicSet
from tests.harness import records
from tests.harness.exactness import wait_until

QUICK = {
    "CENTRALITA_WORKER_COMMIT_INTERVAL": "0.1",
    "CENTRALITA_WORKER_SESSION_TIMEOUT": "6",
    "CENTRALITA_WORKER_TRANSACTION_TIMEOUT": "5",
    "CENTRALITA_WORKER_PROGRESS_TIMEOUT": "30",
}
"""Settings with short timeouts."""


class WorkerProcess:
    """One `centralita worker`; its log is in a file and is shown when something about it fails."""

    def __init__(
        self, bootstrap: str, prefix: str, folder: Path, more: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.port = free_port()
        self.log = folder / f"worker-{self.port}.log"
        self._environment = os.environ | QUICK | {
            "CENTRALITA_KAFKA": bootstrap, "CENTRALITA_KAFKA_PREFIX": prefix, "CENTRALITA_WORKER_APPLICATION_ID": prefix,
        } | dict(more)  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **more: str) -> Self:
        """Start the process, with more environment variables when given."""
        command = [str(Path(sys.executable).parent / "centralita"), "worker", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environment | more, stdout=log, stderr=log, start_new_session=True
            )
        return self

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process, once started."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.running:
            self.resume()
            self.kill()

    def ready(self, timeout: float = 60.0) -> Self:
        """Wait until /readyz says so."""
        wait_until(lambda: self.problems() == [], timeout, f"not ready: {self.problems()}: {self.tail()}")
        return self

    def problems(self) -> list[str]:
        """Return what /readyz complains about."""
        try:
            return list(json.loads(self.get("/readyz"))["problems"])
        except OSError as error:
            return [str(error)]

    def get(self, path: str) -> str:
        """Return a page of the worker's, whatever its status code."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode()

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()

    def terminate(self, timeout: float = 30.0) -> int:
        """Ask it to stop; return its exit code."""
        self.process.terminate()
        return self.exit_code(timeout)

    def revive(self) -> None:
        """Start it again if it ended with 75, or with 69 as it found no broker at its start; fail if it ended in any other way."""
        if not self.running:
            assert self.exit_code() in {69, 75}, f"ended with {self.exit_code()}: {self.tail()}"
            self.start()

    def pause(self) -> None:
        """Freeze it."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def exit_code(self, timeout: float = 60.0) -> int:
        """Wait for its end."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker goes on after {timeout} s: {self.tail()}") from None

    def tail(self, lines: int = 30) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def freeze_in_a_transaction(bootstrap: str, topics: TopicSet, worker: WorkerProcess) -> None:
    """Stop a worker at a moment at which one of its transactions is open, and not about to be ended by what it sent before."""
    for _ in range(200):
        worker.pause()
        if is_open(bootstrap, topics.kpis):
            time.sleep(0.3)
            if is_open(bootstrap, topics.kpis):
                return
        worker.resume()
        time.sleep(0.03)
    pytest.fail("no transaction was open in 200 looks")


def is_open(bootstrap: str, topic: str) -> bool:
    """Whether a transaction is open on a topic."""
    stable, high = (records.ends(bootstrap, topic, level) for level in ("read_committed", "read_uncommitted"))
    return stable != high
