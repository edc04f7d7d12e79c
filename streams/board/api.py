"""The board's HTTP side: the wallboard's files, the API, the stream and the metrics. A thin shell around `View`."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Final, TypeVar

from aiohttp import web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder

from streams.board.answers import GoneError
from streams.board.broadcast import CLIENTS, KEYS, Broadcast
from streams.board.exporter import Exporter
from streams.board.exposition import exposition
from streams.board.feed import ONE_VERSION, OTHER_VERSION, Feed
from streams.board.parameters import BadRequestError, asked, evolution_asked, ranking_asked, stream_asked
from streams.board.view import View
from streams.errors import ConfigurationError
from streams.kpis import outputs
from streams.kpis.figures import Figures
from streams.kpis.registry import definitions
from streams.settings import Settings
from streams.telemetry import Fact

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
VIEW: Final = web.AppKey("view", View)
BROADCAST: Final = web.AppKey("broadcast", Broadcast)
QUESTIONS: Final = web.AppKey("questions", asyncio.Semaphore)
EXPORTER: Final = web.AppKey("exporter", Exporter)
PROCESS: Final = web.AppKey("process", CollectorRegistry)
"""What the Python process tells of itself."""
_STALLED: Final = 30.0
"""Seconds after which a client that takes nothing is let go."""
_AT_ONCE: Final = 2
"""Questions answered at a time; more wait, so that threads stay free for metrics and wallboards."""
_TYPES: Final = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_OPENMETRICS: Final = "application/openmetrics-text"
_ESCAPING: Final = re.compile(r";\s*escaping=[^;,]*")
_serving = Fact(logging.INFO, "The board is served.", logger=logging.getLogger("streams.board"))
_failed = Fact(logging.ERROR, "A request failed.", logger=logging.getLogger("streams.board"))


def application(view: View, language: str = "es", *, agents: bool = False) -> web.Application:
    """Return the web application over a view."""
    app = web.Application(middlewares=[_errors], client_max_size=0)
    app[VIEW] = view
    app[QUESTIONS] = asyncio.Semaphore(_AT_ONCE)
    app[PROCESS] = _process()
    app[EXPORTER] = Exporter(view, agents=agents, clients=lambda: app[BROADCAST].clients if BROADCAST in app else 0)
    app.cleanup_ctx.append(_broadcasting)
    app.on_response_prepare.append(_secure)
    app.router.add_get("/", _page(language))
    app.router.add_get("/static/{name}", _static())
    app.router.add_get("/api/v1/kpis", _kpis)
    app.router.add_get("/api/v1/evolution", _evolution)
    app.router.add_get("/api/v1/ranking", _ranking)
    app.router.add_get("/api/v1/definitions", _definitions)
    app.router.add_get("/api/v1/stream", _stream)
    app.router.add_get("/api/v1/status", _status)
    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/healthz", _health)
    app.router.add_get("/readyz", _readiness)
    return app


def serve(settings: Settings, host: str | None = None, port: int | None = None) -> None:
    """Read the figures and serve them until interrupted."""
    # The figures stay: looking through them for each snapshot would cost a fifth of its time.
    gc.set_threshold(100_000, 50, 100)
    feed = Feed(settings.kafka, lambda: Figures(settings.policy))
    app = application(
        View(feed, settings.policy, settings.alarms), settings.board.language, agents=settings.board.agents_in_metrics
    )
    address = settings.board.host if host is None else host, settings.board.port if port is None else port
    feed.start()
    try:
        web.run_app(
            app, host=address[0], port=address[1], access_log=None, print=_announce(*address), shutdown_timeout=2
        )
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        message = f"board.port: seen {address[1]}, which is in use at {address[0]}: choose another"
        raise ConfigurationError(message) from None
    finally:
        feed.stop()


def _announce(host: str, port: int) -> Callable[..., None]:
    return lambda *_: _serving(host=host, port=port)


def _process() -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry


async def _broadcasting(app: web.Application) -> Any:
    app[BROADCAST] = Broadcast(app[VIEW])
    yield
    await app[BROADCAST].close()


async def _secure(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")


T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class LoadingError(Exception):
    """The figures are not complete yet, or of another version."""


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except BadRequestError as error:
        return _problem(400, str(error), parameter=error.parameter, seen=error.seen, expected=error.expected)
    except LoadingError:
        return _loading(request.app[VIEW])
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _problem(error.status, error.reason)
    except ConnectionResetError:
        raise
    except GoneError as error:
        raise ConnectionResetError from error
    except Exception as error:  # noqa: BLE001 - the last place where it can be told
        _failed(path=request.path, error=repr(error))
        return _problem(500, "The board failed to answer; its log says why.")


def _problem(status: int, text: str, **more: str | None) -> web.Response:
    return _json({"error": {"message": text, **more}}, status)


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=outputs.as_json(body), status=status, content_type="application/json", charset="utf-8")


# Files. All are read at the start: no path of a request reaches the file system.


def _page(language: str) -> Handler:
    text = (files("streams.board") / "static" / "index.html").read_text("utf-8")
    page = text.replace("{{language}}", "en" if language == "en" else "es")

    async def handler(_: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html", headers={"Cache-Control": "no-cache"})

    return handler


def _static() -> Handler:
    found = {
        file.name: (file.read_bytes(), _TYPES[file.name.rpartition(".")[2]])
        for file in (files("streams.board") / "static").iterdir()
        if file.name.rpartition(".")[2] in _TYPES
    }

    async def handler(request: web.Request) -> web.Response:
        if request.match_info["name"] not in found:
            raise web.HTTPNotFound
        body, kind = found[request.match_info["name"]]
        return web.Response(body=body, content_type=kind, charset="utf-8", headers={"Cache-Control": "no-cache"})

    return handler


# Figures


async def _kpis(request: web.Request) -> web.StreamResponse:
    view = request.app[VIEW]
    question = asked(_given(request), view.now_us(), view.zone_of)
    answer = await _answered(request, lambda: view.answer(question, lambda: _has_gone(request)))
    if question.format == "json":
        pieces = outputs.json_pieces(answer, answer.rows)
        return await _sent(request, pieces, len(answer.rows), {"Content-Type": "application/json; charset=utf-8"})
    sheet = (piece.encode() for piece in outputs.SHEETS[question.format](answer.rows))
    headers = {
        "Content-Type": "text/csv; charset=utf-8", "Content-Disposition": 'attachment; filename="kpis.csv"',
        "X-Zone": answer.zone, "X-As-Of": answer.as_of, "X-Watermark": answer.watermark or "",
    }  # fmt: skip
    return await _sent(request, sheet, len(answer.rows), headers)


async def _evolution(request: web.Request) -> web.StreamResponse:
    view = request.app[VIEW]
    question = evolution_asked(_given(request), view.now_us(), view.zone_of)
    return _json(await _answered(request, lambda: view.evolution(question)))


async def _ranking(request: web.Request) -> web.StreamResponse:
    view = request.app[VIEW]
    question = ranking_asked(_given(request), view.now_us(), view.zone_of)
    return _json(await _answered(request, lambda: view.ranking(question, lambda: _has_gone(request))))


async def _answered(request: web.Request, answer: Callable[[], T]) -> T:
    """Work an answer out in a thread, when the figures are complete and it is its turn."""
    if not request.app[VIEW].feed.ready:
        raise LoadingError
    async with request.app[QUESTIONS]:
        return await asyncio.to_thread(answer)


async def _sent(
    request: web.Request, pieces: Iterator[bytes], rows: int, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Return an answer of a few rows; write a large one piece by piece, so that others are answered in between."""
    if rows <= outputs.PIECE:
        return web.Response(body=b"".join(pieces), headers=headers)
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    while piece := await asyncio.to_thread(next, pieces, b""):
        await _write(request, response, piece)
    return response


async def _write(request: web.Request, response: web.StreamResponse, data: bytes) -> None:
    """Write, and let go of a client that takes nothing."""
    try:
        async with asyncio.timeout(_STALLED):
            await response.write(data)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError from None


async def _definitions(request: web.Request) -> web.Response:
    return _json({"version": version("centralita"), "zone": request.app[VIEW].zone, "kpis": definitions()})


async def _status(request: web.Request) -> web.Response:
    view = request.app[VIEW]
    return _json(await asyncio.to_thread(view.status))


async def _metrics(request: web.Request) -> web.Response:
    # Names of ours need no escaping, whichever is asked for.
    encode, content_type = choose_encoder(_ESCAPING.sub("", request.headers.get("Accept", "")))
    exporter, own = request.app[EXPORTER], request.app[PROCESS]

    def text() -> bytes:
        families = exposition(exporter.collect(), openmetrics=content_type.startswith(_OPENMETRICS))
        return "".join(families).encode() + encode(own)

    return web.Response(body=await asyncio.to_thread(text), headers={"Content-Type": content_type})


async def _health(_: web.Request) -> web.Response:
    return _json({"status": "ok"})


async def _readiness(request: web.Request) -> web.Response:
    condition = request.app[VIEW].feed.condition()
    ready = request.app[VIEW].feed.ready
    return _json({"ready": ready, "feed": condition._asdict()}, 200 if ready else 503)


def _loading(view: View) -> web.Response:
    if view.feed.condition().state == "other_version":
        return _problem(503, f"{OTHER_VERSION}: {ONE_VERSION}.")
    response = _problem(
        503, f"The board is loading: {view.feed.loaded} records read. Ask again when /readyz says ready."
    )
    response.headers["Retry-After"] = "1"
    return response


def _has_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _given(request: web.Request) -> dict[str, list[str]]:
    return {name: request.query.getall(name) for name in request.query}


# The stream


async def _stream(request: web.Request) -> web.StreamResponse:
    key = stream_asked(_given(request))
    broadcast = request.app[BROADCAST]
    await asyncio.to_thread(request.app[VIEW].check, key[1], key[2])
    if not broadcast.has_room(key):
        text = f"{CLIENTS} wallboards are connected already, or {KEYS} that differ; another board can serve more."
        return _problem(503, text)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    messages = broadcast.messages(key)
    try:
        async for message in messages:
            await _write(request, response, message)
    except ConnectionResetError:
        if request.transport is not None:
            request.transport.abort()
    finally:
        await messages.aclose()
    return response
