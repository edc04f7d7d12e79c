"""The processes of a run and what befalls them: workers, a board and a broker, each started again by a supervisor."""

from __future__ import annotations

import heapq
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

from streams.broker.embedded import EmbeddedKafka
from streams.cli import INTERRUPTED
from tests.board.boards import BoardProcess
from tests.harness.workers import QUICK, WorkerProcess

RESTARTABLE = {os.EX_TEMPFAIL, os.EX_UNAVAILABLE}
ASKED = {-signal.SIGTERM, INTERRUPTED}
"""Codes of a worker that SIGTERM met before it ran."""
STOPPING = 20.0
"""Seconds that a worker told to stop may take."""
SESSION = float(QUICK["CENTRALITA_WORKER_SESSION_TIMEOUT"])
Fault = Callable[[], None]


class Fleet:
    """Workers (a joining one included), the board and the broker; `tick` does what is due."""

    def __init__(self, broker: EmbeddedKafka, prefix: str, folder: Path, workers: int, chance: random.Random) -> None:
        self.faults: Counter[str] = Counter()
        self.exits: Counter[int] = Counter()
        self.restarts = 0
        self.wrong: list[str] = []
        self._broker, self._prefix, self._folder, self._chance = broker, prefix, folder, chance
        self._workers = [self._worker().start() for _ in range(workers)]
        self._guests: list[WorkerProcess] = []
        self._board = BoardProcess(broker.bootstrap, prefix, folder)
        self._starting = self._start_board()
        self._stopping: dict[WorkerProcess, float] = {}
        self._due: list[tuple[float, int, Fault]] = []
        self._numbers = count()

    @property
    def kinds(self) -> dict[str, tuple[int, Fault]]:
        """Every fault, by name, and how often it comes relative to the others."""
        return {
            "worker kill -9": (4, self.kill),
            "worker SIGSTOP beyond its session": (2, self.freeze),
            "worker SIGTERM": (2, self.terminate),
            "worker joins and leaves": (2, self.join),
            "broker kill -9 and restart": (1, self.restart_broker),
            "board kill -9": (1, self.kill_board),
        }

    def befall(self, names: list[str]) -> None:
        """Let one of these faults happen."""
        kinds = self.kinds
        name = self._chance.choices(names, [kinds[name][0] for name in names])[0]
        self.faults[name] += 1
        kinds[name][1]()

    def tick(self) -> None:
        """Do what is due, start again what has ended, and note what ended otherwise than documented."""
        while self._due and self._due[0][0] <= time.monotonic():
            heapq.heappop(self._due)[2]()
        for worker in [*self._workers, *self._guests]:
            self._look_after(worker)

    def calm(self) -> None:
        """End what is still frozen or on a visit, and let everything run."""
        for _, _, action in sorted(self._due):
            action()
        self._due.clear()
        self._starting.join(60)
        if not self._board.is_ready():
            self._board.kill()  # slow, perhaps, and not gone: a second one would find its port taken
            self._starting = self._start_board()

    def board(self) -> BoardProcess:
        """Return the board, ready."""
        self._starting.join(60)
        return self._board

    def stop(self) -> None:
        """End everything but the broker; workers by SIGTERM, whose code must be 0."""
        for worker in [*self._workers, *self._guests]:
            if worker.running:
                worker.resume()
                worker.process.terminate()
        for worker in [*self._workers, *self._guests]:
            code = worker.exit_code()
            self.exits[code] += 1
            if code not in {0, *RESTARTABLE} and worker in self._workers:
                self.wrong.append(f"a worker ended with {code} after SIGTERM: {worker.tail(10)}")
        self._board.kill()

    def kill(self) -> None:
        """End a worker as a crash would."""
        self._any().process.kill()

    def freeze(self) -> None:
        """Let a worker sleep until others have its partitions, and wake it up."""
        worker = self._any()
        worker.pause()
        self._later(SESSION + self._chance.uniform(0.5, 5.0), worker.resume)

    def terminate(self) -> None:
        """Ask a worker to stop."""
        worker = self._any()
        worker.resume()
        worker.process.terminate()
        self._stopping.setdefault(worker, time.monotonic())

    def join(self) -> None:
        """Start another worker, which leaves again."""
        guest = self._worker().start()
        self._guests.append(guest)
        leave = guest.process.terminate if self._chance.random() < 0.7 else guest.process.kill
        self._later(self._chance.uniform(5.0, 15.0), leave)

    def restart_broker(self) -> None:
        """Kill the broker, and start it again some seconds later."""
        self._broker.kill()
        time.sleep(self._chance.uniform(0.0, 5.0))
        self._broker.start()

    def kill_board(self) -> None:
        """End the board as a crash would, and start it again."""
        self._starting.join(60)
        self._board.kill()
        self._starting = self._start_board()

    def _worker(self) -> WorkerProcess:
        return WorkerProcess(self._broker.bootstrap, self._prefix, self._folder)

    def _any(self) -> WorkerProcess:
        return self._chance.choice(self._workers)

    def _later(self, seconds: float, action: Fault) -> None:
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), action))

    def _start_board(self) -> threading.Thread:
        def start() -> None:
            with suppress(AssertionError):  # the broker may be away for longer; `calm` starts it again
                self._board.start()

        starting = threading.Thread(target=start, name="board", daemon=True)
        starting.start()
        return starting

    def _look_after(self, worker: WorkerProcess) -> None:
        told = self._stopping.get(worker)
        if worker.running:
            if told is not None and time.monotonic() - told > STOPPING:
                self.wrong.append(f"a worker goes on {STOPPING} s after SIGTERM: {worker.tail(10)}")
                worker.process.kill()
            return
        self._stopping.pop(worker, None)
        code = worker.exit_code()
        self.exits[code] += 1
        asked = told is not None or worker in self._guests
        if code not in {0, -signal.SIGKILL, *RESTARTABLE} and not (asked and code in ASKED):
            self.wrong.append(f"a worker ended with {code}: {worker.tail(10)}")
        if worker in self._guests:
            self._guests.remove(worker)
        else:
            self.restarts += 1
            worker.start()
