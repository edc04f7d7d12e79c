"""The Python peers: stock Faust in our environment, QuixStreams in one of its own (it pins an older confluent-kafka)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Self

from benchmarks.peers import COMMIT_SECONDS, HERE, PeerMissingError, Stage
from streams.broker.jars import cache_folder

QUIX = "3.28.1"


class Faust:
    """Faust 0.15.3 as it comes: a tumbling table, one write an event, at least once."""

    name = "faust"
    by_customer = False
    note = ""

    def prepare(self) -> Self:
        """Do nothing: it is installed with us."""
        return self

    def command(self, stage: Stage, group: str, folder: Path) -> list[str]:
        """Return the command."""
        return [sys.executable, str(HERE / "faust_app.py"), stage.bootstrap, stage.peers_topic, group, str(folder)]


class QuixStreams:
    """QuixStreams: a tumbling window, exactly once."""

    name = "quixstreams"
    by_customer = False
    note = ""

    def __init__(self) -> None:
        self._folder = cache_folder() / "peers" / f"quixstreams-{QUIX}"

    @property
    def _python(self) -> Path:
        return self._folder / "bin" / "python"

    def prepare(self) -> Self:
        """Make its environment once; needs a package index."""
        done = self._folder / ".installed"
        if done.exists():
            return self
        self._run([sys.executable, "-m", "venv", "--clear", str(self._folder)])
        self._run([str(self._python), "-m", "pip", "install", "--quiet", f"quixstreams=={QUIX}"])
        done.touch()
        return self

    def command(self, stage: Stage, group: str, folder: Path) -> list[str]:
        """Return the command."""
        script = str(HERE / "quix_app.py")
        return [
            str(self._python),
            script,
            stage.bootstrap,
            stage.peers_topic,
            group,
            str(folder),
            str(COMMIT_SECONDS),
            stage.keyed,
        ]

    @staticmethod
    def _run(command: list[str]) -> None:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PeerMissingError(f"its environment cannot be made: {error}") from None
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise PeerMissingError(f"its environment cannot be made: {last}")
