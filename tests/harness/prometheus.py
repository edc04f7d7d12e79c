"""A real Prometheus and a real Alertmanager with given configurations, on free ports of the loopback interface."""

from __future__ import annotations

import json
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from streams.broker.server_properties import free_port
from tests.harness.exactness import wait_until
from tests.harness.pages import page


class Server:
    """A program that serves at ``url``; its log is in `folder`, and it ends with the block."""

    def __init__(self, name: str, folder: Path, *command: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._name = name
        self._log = folder / f"{name}.log"
        self._command = [*command, f"--web.listen-address=127.0.0.1:{self.port}"]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        try:
            wait_until(self.is_ready, 30, f"{self._name} is not ready")
        except BaseException as error:
            self.__exit__()
            error.add_note(self._log.read_text())
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def is_ready(self) -> bool:
        """Tell whether it answers."""
        try:
            page(f"{self.url}/-/ready")
        except OSError:
            return False
        return True


class Prometheus(Server):
    """A Prometheus; its data is in `folder`."""

    def __init__(self, program: str, configuration: Path, folder: Path, *options: str) -> None:
        super().__init__(
            "prometheus",
            folder,
            program,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={folder / 'data'}",
            *options,
        )

    def get(self, path: str, **query: str) -> Any:
        """Return the data of an answer of its API, as ``get("rules")``."""
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
            return json.loads(answer.read())["data"]

    def samples(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each sample of an expression now."""
        found = self.get("query", query=expression)["result"]
        return [(one["metric"], float(one["value"][1])) for one in found]


class Alertmanager(Server):
    """An Alertmanager without peers; its data is in `folder`."""

    def __init__(self, program: str, configuration: Path, folder: Path) -> None:
        super().__init__(
            "alertmanager", folder, program, f"--config.file={configuration}", f"--storage.path={folder / 'alerts'}",
            "--cluster.listen-address=",
        )  # fmt: skip


class Webhook:
    """Where pages arrive: the alerts of each page by the path it was sent to, in the order of arrival."""

    def __init__(self) -> None:
        self.url = ""
        self._pages: list[tuple[str, dict[str, Any]]] = []

    def alerts(self, receiver: str, **labels: str) -> list[dict[str, Any]]:
        """Return what was told of the alerts with these labels."""
        return [
            alert
            for path, page in list(self._pages)
            if path == receiver
            for alert in page["alerts"]
            if labels.items() <= alert["labels"].items()
        ]

    def take(self, path: str, page: dict[str, Any]) -> None:
        """Keep a page."""
        self._pages.append((path.strip("/"), page))


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Serve a receiver of pages until the end of the block."""
    received = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.take(self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield received
        finally:
            server.shutdown()
            thread.join()
