"""A proxy between Kafka's clients and a broker, which loses answers to what ends a transaction, or holds requests back.

It knows of the protocol what every request begins with: length, API, version and correlation id, and that an answer begins with its
length and the correlation id. Everything else passes through as it is.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from typing import NamedTuple, Self

END_TXN = 26
"""The request that commits or aborts a transaction."""
TXN_OFFSET_COMMIT = 28
"""The request that makes offsets of a group part of a transaction."""
_PREFIX = struct.Struct(">i")
_REQUEST = struct.Struct(">hhi")
_HOST = "127.0.0.1"


class _Hold(NamedTuple):
    """How many of the next requests are held back, for how long, and whether their clients lose their connections by it."""

    left: int
    seconds: float
    cut: bool


class Proxy:
    """Listens on ``port`` and speaks for the broker at ``behind``, which has to advertise the proxy's port."""

    def __init__(self, port: int, behind: int) -> None:
        self._behind = behind
        self._listener = socket.create_server((_HOST, port))
        self._sockets = [self._listener]
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._lose = 0
        self._holds: dict[int, _Hold] = {}
        self.lost = 0
        """Answers that never arrived."""
        self.held: Counter[int] = Counter()
        """Requests that were let through late, by API."""

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

    def hold(self, requests: int, seconds: float, api: int = END_TXN, *, cut: bool = False) -> None:
        """Hold so many of the next requests back, and then let them through, whatever their clients have done meanwhile; 0 ends it.

        With ``cut`` each of their clients loses its connection at once, and does not know what becomes of its request.
        """
        with self._lock:
            self._holds[api] = _Hold(requests, seconds, cut)

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
                self._start(
                    client,
                    broker,
                    lambda frame, ending=ending, client=client: self._asked(frame, ending, client),
                    last=False,
                )
                self._start(broker, client, lambda frame, ending=ending: self._answered(frame, ending), last=True)

    def _start(
        self, source: socket.socket, target: socket.socket, passes: Callable[[bytes], bool], *, last: bool
    ) -> None:
        """Pass frames on until either end closes. What a client sent before it gave up still reaches the broker, who answers nobody then."""
        gone = suppress(OSError) if last else nullcontext()

        def pump() -> None:
            with suppress(OSError):
                for frame in _frames(source):
                    if not passes(frame):
                        break
                    with gone:
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

    def _asked(self, frame: bytes, ending: set[int], client: socket.socket) -> bool:
        api, _, correlation = _REQUEST.unpack_from(frame)
        if api == END_TXN:
            ending.add(correlation)
        hold = self._held_back(api)
        if hold is not None:
            if hold.cut:
                client.shutdown(socket.SHUT_RDWR)
            time.sleep(hold.seconds)
            self.held[api] += 1
        return True

    def _answered(self, frame: bytes, ending: set[int]) -> bool:
        """Tell whether an answer may pass; one that is lost takes its connection with it."""
        (correlation,) = _PREFIX.unpack_from(frame)
        if correlation in ending:
            ending.discard(correlation)
            if self._loses():
                self.lost += 1
                return False
        return True

    def _loses(self) -> bool:
        with self._lock:
            left, self._lose = self._lose, max(0, self._lose - 1)
            return left > 0

    def _held_back(self, api: int) -> _Hold | None:
        with self._lock:
            hold = self._holds.get(api)
            if hold is None or not hold.left:
                return None
            self._holds[api] = hold._replace(left=hold.left - 1)
            return hold


def _frames(source: socket.socket) -> Iterator[bytes]:
    with source.makefile("rb") as stream:
        while prefix := stream.read(_PREFIX.size):
            (length,) = _PREFIX.unpack(prefix)
            yield stream.read(length)
