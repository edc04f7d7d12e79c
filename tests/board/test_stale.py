"""What a browser shows when the board is there and its figures are not to be had: no alarm, no figure of now, and why."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import msgspec
import pytest
from aiohttp.test_utils import TestClient
from msgspec import structs
from playwright.async_api import Page, async_playwright

from schemas.panes import PARTITION
from streams.board.feed import LOST_AFTER
from streams.board.messages import Snapshot
from streams.board.view import View
from streams.engine.marker import fingerprint
from streams.engine.policy import MINUTE, Policy, QueuePolicy

pytestmark = [pytest.mark.browser, pytest.mark.timeout(60)]


@pytest.fixture
async def page(chromium: str, client: TestClient) -> AsyncIterator[Page]:
    """The wallboard, live."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-quic"])
        page = await browser.new_page(locale="en-GB")
        await page.goto(str(client.make_url("/?window=60m&language=en")))
        await page.wait_for_selector('body[data-feed="live"] .tile[data-level]')
        yield page
        await browser.close()


async def _shows(page: Page, state: str, title: str) -> None:
    await page.wait_for_selector(f'body[data-feed="{state}"]')
    assert await page.is_visible("#banner")
    assert await page.inner_text("#banner-title") == title
    assert await page.inner_text('.metric [data-metric="waiting"]') == "--"
    assert await page.locator("[data-level=attention]:visible, [data-level=action]:visible").count() == 0


async def test_a_board_that_cannot_compute_its_figures_says_so_and_recovers(
    page: Page, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state `failed`."""

    def fail(*_: object) -> Snapshot:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(view, "snapshot", fail)
        view.feed.changed()
        await _shows(page, "failed", "The board cannot compute these figures.")
    await page.wait_for_selector('body[data-feed="live"] .tile[data-level]')
    assert not await page.is_visible("#banner")


async def test_a_board_whose_figures_are_of_another_version_says_so(page: Page, view: View) -> None:
    """The state `other_version`."""
    view.feed._shown.other_version = True
    view.feed.changed()
    await _shows(page, "other_version", "The figures are of another version.")


async def test_a_board_with_other_settings_than_the_workers_says_so_and_recovers(page: Page, view: View) -> None:
    """The state `other_definitions`: a worker has counted under another T than this board shows."""
    ours, other = view.feed.figures.partitions()[1], Policy(defaults=QueuePolicy(threshold=MINUTE))
    load = view.feed.figures.load
    load(1, PARTITION, msgspec.json.encode(structs.replace(ours, definitions=fingerprint(other))))
    view.feed.changed()
    await _shows(page, "other_definitions", "The figures were counted under other settings.")
    load(1, PARTITION, msgspec.json.encode(ours))
    view.feed.changed()
    await page.wait_for_selector('body[data-feed="live"] .tile[data-level]')


async def test_a_board_that_cannot_read_kafka_says_so_and_recovers(
    page: Page, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state `disconnected`: no answer of a broker for three seconds."""
    later: Callable[[], float] = lambda: LOST_AFTER + 1  # noqa: E731 - the clock that the feed is given
    with monkeypatch.context() as patch:
        patch.setattr(view.feed, "_clock", later)
        await _shows(page, "disconnected", "The board cannot reach Kafka.")
    view.feed.changed()
    await page.wait_for_selector('body[data-feed="live"] .tile[data-level]')
