"""Children end with the process that made them, and not with the thread."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from streams import children
from tests.harness.exactness import wait_until

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent has ended")
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STARTS = """
import signal, sys, threading, time
from streams import children
def start(): print(children.start([sys.executable, "-c", "import time; time.sleep(60)"], signal.SIGKILL).pid, flush=True)
if {threaded}:
    made = threading.Thread(target=start); made.start(); made.join()
else:
    start()
time.sleep(60)
"""
SERVES = """
import sys, time
from pathlib import Path
from streams.broker.embedded import EmbeddedKafka
broker = EmbeddedKafka(Path(sys.argv[1])).start()
print(broker._process.pid, flush=True)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def orphan(code: str, number: signal.Signals, *arguments: str) -> int:
    """Run a program that prints its child's pid, end it by a signal, and return the pid."""
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.send_signal(number)
    return child


@linux
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("threaded", [False, True])
def test_a_child_ends_with_its_parent(number: signal.Signals, threaded: bool):  # noqa: FBT001
    """Whichever thread asked for it, and however the parent ends."""
    child = orphan(STARTS.format(threaded=threaded), number)
    wait_until(lambda: not alive(child), 5, "the child goes on", 0.02)


@linux
def test_a_child_outlives_the_thread_that_asked_for_it():
    """The signal is bound to the thread that makes it, so that is one which stays."""
    made: list[subprocess.Popen[bytes]] = []
    thread = threading.Thread(target=lambda: made.append(children.start(SLEEP, signal.SIGKILL)))
    thread.start()
    thread.join()
    time.sleep(0.3)
    assert made[0].poll() is None
    made[0].kill()
    made[0].wait()


def test_a_program_that_is_not_there_is_told_to_whoever_asked():
    """From the main thread and from another one."""
    missing = ["/nonexistent/program"]
    with pytest.raises(FileNotFoundError):
        children.start(missing, signal.SIGKILL)
    told: list[type[BaseException]] = []

    def ask() -> None:
        try:
            children.start(missing, signal.SIGKILL)
        except OSError as error:
            told.append(type(error))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert told == [FileNotFoundError]


@linux
@pytest.mark.kafka
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_broker_ends_with_its_parent(tmp_path: Path, number: signal.Signals):
    """No Java is left behind by a test run or a demo that was killed."""
    java = orphan(SERVES, number, str(tmp_path / "kafka"))
    wait_until(lambda: not alive(java), 5, "Java goes on", 0.05)
