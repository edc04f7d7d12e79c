"""A board as the process that it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from streams.broker.server_properties import free_port
from tests.harness.exactness import wait_until
from tests.harness.pages import page


class BoardProcess:
    """One `centralita board`; its log is in a file."""

    def __init__(
        self, bootstrap: str, prefix: str, folder: Path, more: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"board-{self.port}.log"
        own = {name: value for name, value in os.environ.items() if not name.startswith("CENTRALITA_")}
        self._environment = own | {"CENTRALITA_KAFKA": bootstrap, "CENTRALITA_KAFKA_PREFIX": prefix} | dict(more)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it and wait until its figures are complete."""
        command = [str(Path(sys.executable).parent / "centralita"), "board", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        wait_until(self.is_ready, 30, f"the board is not ready: {self.log.read_text()}")
        return self

    def is_ready(self) -> bool:
        """Tell whether /readyz says so."""
        try:
            return bool(self.get("/readyz")["ready"])
        except OSError:
            return False

    def get(self, path: str, **query: str) -> Any:
        """Return an answer of the API."""
        return json.loads(page(f"{self.url}{path}?{urllib.parse.urlencode(query)}"))

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    __enter__ = start

    def __exit__(self, *_: object) -> None:
        self.kill()
