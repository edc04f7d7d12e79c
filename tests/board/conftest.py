"""A client of a board that shows the calls of `tests.board.rig`."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp.test_utils import TestClient, TestServer

from streams.board.api import application
from streams.board.view import View
from tests.board.rig import view_of


@pytest.fixture
def view() -> View:
    """Figures of 400 calls in three queues, and of one where nothing happens."""
    return view_of()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[View], Awaitable[TestClient]]]:
    """Makes a client of a board over any view."""
    made: list[TestClient] = []

    async def make(view: View) -> TestClient:
        made.append(TestClient(TestServer(application(view, "es"))))
        await made[-1].start_server()
        return made[-1]

    yield make
    for client in made:
        await client.close()


@pytest.fixture
async def client(view: View, serve: Callable[[View], Awaitable[TestClient]]) -> TestClient:
    """A client of the board over `view`."""
    return await serve(view)
