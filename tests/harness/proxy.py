"""A proxy between Kafka's clients and a broker, which loses or holds back what ends a transaction.

It knows of the protocol what every request begins with: length, API, version and correlation id, and that an answer begins with its
length and the correlation id. Everything but requests of one API passes through as it is.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Self

END_TXN = 26
"""The request that commits or aborts a transaction."""
_PREFIX = struct.Struct(">i")
_REQUEST = struct.Struct(">hhi")
_HOST = "127.0.0.1"


class Proxy:
    """Listens on ``port`` and speaks for the broker at ``behind``, which has to advertise the proxy's port."""

    def __init__(self, port: int, behind: int) -> None:
        self._behind = behind
        self._listener = socket.create_server((_HOST, port))
        self._sockets = [self._listener]
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._lose = 0
        self._hold = 0
        self._seconds = 0.0
        self.lost = 0
        """Answers that never arrived."""
        self.held = 0
        """Requests that were let through late."""

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for one in list(self._sockets):
            with suppress(OSError):  # it has gone
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()

    def lose(self, answers: int) -> None:
        """Lose so many of the next answers to a request that ends a transaction: the broker has done it, nobody hears of it."""
        with self._lock:
            self._lose += answers

    def hold(self, requests: int, seconds: float) -> None:
        """Hold so many of the next requests back, and then let them through, whatever their clients have done meanwhile; 0 ends it."""
        with self._lock:
            self._hold, self._seconds = requests, seconds

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                broker = socket.socket()
                self._sockets += [client, broker]
                try:
                    broker.connect((_HOST, self._behind))
                except OSError:  # it is away: so are we
                    client.shutdown(socket.SHUT_RDWR)
                    continue
                ending: set[int] = set()
                self._start(client, broker, lambda frame, ending=ending: self._asked(frame, ending), last=False)
                self._start(broker, client, lambda frame, ending=ending: self._answered(frame, ending), last=True)

    def _start(
        self, source: socket.socket, target: socket.socket, passes: Callable[[bytes], bool], *, last: bool
    ) -> None:
        """Pass frames on until either end closes. What a client sent before it gave up still reaches the broker."""

        def pump() -> None:
            with suppress(OSError):
                for frame in _frames(source):
                    if not passes(frame):
                        break
                    target.sendall(_PREFIX.pack(len(frame)) + frame)
            with suppress(OSError):
                target.shutdown(socket.SHUT_WR if not last else socket.SHUT_RDWR)
            if last:
                with suppress(OSError):
                    source.shutdown(socket.SHUT_RDWR)

        self._run(pump)

    def _run(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _asked(self, frame: bytes, ending: set[int]) -> bool:
        api, _, correlation = _REQUEST.unpack_from(frame)
        if api == END_TXN:
            ending.add(correlation)
            if self._taken("_hold"):
                time.sleep(self._seconds)
                self.held += 1
        return True

    def _answered(self, frame: bytes, ending: set[int]) -> bool:
        """Tell whether an answer may pass; one that is lost takes its connection with it."""
        (correlation,) = _PREFIX.unpack_from(frame)
        if correlation in ending:
            ending.discard(correlation)
            if self._taken("_lose"):
                self.lost += 1
                return False
        return True

    def _taken(self, what: str) -> bool:
        with self._lock:
            left: int = getattr(self, what)
            setattr(self, what, max(0, left - 1))
            return left > 0


def _frames(source: socket.socket) -> Iterator[bytes]:
    with source.makefile("rb") as stream:
        while prefix := stream.read(_PREFIX.size):
            (length,) = _PREFIX.unpack(prefix)
            yield stream.read(length)
