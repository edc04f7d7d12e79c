"""Child processes that do not outlive this one, however it ends: kill -9 too (on Linux; elsewhere they see to it themselves).

Linux sends the signal when the *thread* that made the child ends, not the process. So children are made by the main thread, or for
any other thread by one that is kept for that and lives as long as the process.
"""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final

_PR_SET_PDEATHSIG: Final = 1
_Start = Callable[[], subprocess.Popen[bytes]]
_wanted: queue.SimpleQueue[tuple[_Start, Future[subprocess.Popen[bytes]]]] = queue.SimpleQueue()
_lock: Final = threading.Lock()
_maker: threading.Thread | None = None


def start(command: Sequence[str], number: signal.Signals, **options: Any) -> subprocess.Popen[bytes]:
    """Start a child with Popen's options; it gets the signal when this process ends."""
    bind = _bound_to(os.getpid(), number)

    def make() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, preexec_fn=bind, **options)  # noqa: PLW1509 - calls prctl and getppid, takes no lock

    if sys.platform != "linux" or threading.current_thread() is threading.main_thread():
        return make()
    return _made_for_us(make)


def _bound_to(parent: int, number: signal.Signals) -> Callable[[], None] | None:
    """Return what a new process does to get the signal when its parent ends, where the system can send it."""
    if sys.platform != "linux":
        return None
    prctl, value = ctypes.CDLL(None, use_errno=True).prctl, int(number)

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, value)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return bind


def _made_for_us(make: _Start) -> subprocess.Popen[bytes]:
    """Let the thread that lives as long as the process make the child."""
    global _maker  # noqa: PLW0603 - one for the whole process
    with _lock:
        if _maker is None or not _maker.is_alive():  # none yet, or we are the fork of a process that had one
            _maker = threading.Thread(target=_make_always, name="children", daemon=True)
            _maker.start()
    child: Future[subprocess.Popen[bytes]] = Future()
    _wanted.put((make, child))
    return child.result()


def _make_always() -> None:
    while True:
        make, child = _wanted.get()
        try:
            child.set_result(make())
        except Exception as error:  # noqa: BLE001 - it is the caller's
            child.set_exception(error)
