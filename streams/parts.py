"""One of our commands as a child process: its log, its start, its end, and what it left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from streams import children

_LINES_SHOWN = 15


@dataclass
class Part:
    """One of the processes: how it is started, and its log."""

    name: str
    arguments: list[str]
    folder: Path
    environment: Mapping[str, str]
    restartable: bool = False
    restarts: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def log(self) -> Path:
        """Where its messages are."""
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        """Start it in a group of its own, bound to our life."""
        with self.log.open("ab") as log:
            self.process = children.start(
                [sys.executable, "-m", "streams.cli", *self.arguments],
                signal.SIGTERM,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, if there is one left."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def stop(self, seconds: float) -> None:
        """Ask it to end, and end it after so many seconds; then whatever it left in its group."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.signal(signal.SIGKILL)
            self.process.wait()

    def tail(self) -> str:
        """Return the last lines of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_LINES_SHOWN:])
