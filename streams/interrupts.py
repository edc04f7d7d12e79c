"""Ctrl-C and SIGTERM end a command alike: both raise KeyboardInterrupt, but never inside a library that would lose it.

librdkafka's binding calls callbacks of ours from C; what a signal raises there is dropped, and the call ends with a SystemError. So while
`HELD` is entered an interrupt is put off until it is left.
"""

from __future__ import annotations

import signal
from types import FrameType


class _Held:
    """Puts off interrupts while it is entered. Not reentrant; for the main thread, where handlers of signals run."""

    __slots__ = ("entered", "put_off")

    def __init__(self) -> None:
        self.entered = False
        self.put_off = False

    def __enter__(self) -> None:
        self.entered = True

    def __exit__(self, *_: object) -> None:
        self.entered = False
        if self.put_off:
            self.put_off = False
            raise KeyboardInterrupt

    def interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt, now or as soon as it is left."""
        if self.entered:
            self.put_off = True
        else:
            raise KeyboardInterrupt


HELD = _Held()


def install() -> None:
    """Let SIGINT and SIGTERM interrupt the running command; `worker` and `board` take them over for their event loops."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, HELD.interrupt)
