"""The wallboard in a real browser, from events on a real Kafka through worker and board."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.agents import AgentStateChanged
from schemas.calls import CallAbandoned, CallAnswered, CallEnded, CallQueued
from schemas.events import encode
from streams.broker.topics import TopicSet
from streams.kpis.registry import BY_ID, KPIS
from streams.simulate.center import demo_center, with_all_channels
from streams.simulate.timed import SECOND, encoded
from streams.simulate.traffic import events
from tests.board.boards import BoardProcess
from tests.harness import records
from tests.harness.exactness import wait_until
from tests.harness.workers import WorkerProcess

pytestmark = [pytest.mark.kafka, pytest.mark.browser, pytest.mark.timeout(180)]
HOSTILE = "<img src=x onerror=alert(1)>"
CENTER = with_all_channels(demo_center())
ARGUMENTS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]


def shift(now: float) -> Iterator[tuple[bytes, bytes]]:
    """Yield twelve answered calls, three abandoned and two that wait, of the last minutes, and an agent."""
    yield b"ana", encode(AgentStateChanged(id="a", time=now - 65, agent_id="ana", state="available", queues=["sales"]))
    for number in range(17):
        queue, at = ("sales", HOSTILE)[number % 2], now - 120 + number
        name = {"contact_id": f"c{number}", "customer_id": f"k{number}"}
        key = f"k{number}".encode()
        yield key, encode(CallQueued(id=f"{number}q", time=at, queue=queue, **name))
        if number < 12:
            yield key, encode(CallAnswered(id=f"{number}a", time=at + 5 + number * 2, agent_id="bea", **name))
            yield key, encode(CallEnded(id=f"{number}e", time=at + 60, agent_id="bea", **name))
        elif number < 15:
            yield key, encode(CallAbandoned(id=f"{number}b", time=at + 30, **name))


@pytest.fixture
def board(kafka: str, topics: TopicSet, tmp_path: Path) -> Iterator[BoardProcess]:
    """A board with a worker that has counted a shift."""
    with WorkerProcess(kafka, topics.prefix, tmp_path) as worker, BoardProcess(kafka, topics.prefix, tmp_path) as board:
        worker.ready()
        sent = records.send(kafka, f"{topics.prefix}.events", shift(time.time()))
        wait_until(lambda: board.get("/api/v1/status")["counted"] == sent, 30, "the shift is not counted")
        yield board


@pytest.fixture
def page(chromium: str):
    """A page of the system's Chromium; errors of its scripts fail the test."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1366, "height": 768}, locale="en-GB")
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(f"a dialog opened: {dialog.message}"))
        yield page
        browser.close()
        assert problems == []


def test_the_wallboard_shows_what_the_api_gives_and_notices_a_stopped_board(board: BoardProcess, page) -> None:
    page.goto(f"{board.url}/?window=60m&language=en")
    page.wait_for_selector('body[data-feed="live"] .tile')
    rows = board.get("/api/v1/kpis", window="60m", by="queue")["rows"]
    assert {row["queue"] for row in rows} == {"sales", HOSTILE, None}
    for row in rows[:-1]:
        tile = page.locator(".tile").filter(has=page.locator("h3", has_text=row["queue"]))
        for kpi in ("waiting", "service_level", "abandonment_rate", "average_speed_of_answer", "answered"):
            shown = tile.locator(f'[data-metric="{kpi}"]').get_attribute("data-value")
            assert float(shown) == row["kpis"][kpi]["value"], (row["queue"], kpi)
    total = rows[-1]["kpis"]
    for kpi in ("waiting", "service_level", "abandonment_rate", "average_speed_of_answer"):
        assert float(page.get_attribute(f'.metric [data-metric="{kpi}"]', "data-value")) == total[kpi]["value"]
    assert page.inner_text('.metric [data-metric="waiting"]') == "2"
    assert page.inner_text('.metric [data-metric="agents_available"]') == "1"

    before = page.inner_text('.metric [data-metric="longest_wait"]')
    page.wait_for_function(
        "text => document.querySelector('.metric [data-metric=longest_wait]').textContent !== text", arg=before
    )

    board.kill()
    page.wait_for_selector('body[data-feed="lost"]', timeout=10_000)
    assert page.inner_text("#banner-title") == "Connection to the board lost."
    assert page.is_visible("#banner")
    assert page.inner_text('.metric [data-metric="waiting"]') == "--"
    assert page.locator(".tile[data-level]").count() == 0

    board.start()
    page.wait_for_selector('body[data-feed="live"]', timeout=15000)
    assert page.inner_text('.metric [data-metric="waiting"]') == "2"


def test_every_figure_explains_itself_by_keyboard(board: BoardProcess, page) -> None:
    page.goto(f"{board.url}/?window=60m&language=en")
    page.wait_for_selector('body[data-feed="live"] .tile')
    page.focus('[data-card="service_level"] .about')
    page.keyboard.press("Enter")
    text = page.inner_text("dialog")
    for part in ("answered <= T / (answered <= T + abandoned <= T", "(SL8)", "UTC", "Credited to"):
        assert part in text
    page.keyboard.press("Escape")
    assert not page.is_visible("dialog")
    page.click("#language")
    assert page.inner_text('[data-card="waiting"] h3') == "En espera"


@pytest.fixture
def demo(kafka: str, topics: TopicSet, tmp_path: Path) -> Iterator[BoardProcess]:
    """A board that shows the demo's center after two hours."""
    now = round(time.time() * SECOND)
    center = CENTER.larger(2.0).steady().lasting(now - 2 * 3600 * SECOND, 2 * 3600.0)
    sent = [(event.key, event.value) for event in encoded(events(center, 1)) if event.time_us <= now]
    with WorkerProcess(kafka, topics.prefix, tmp_path) as worker, BoardProcess(kafka, topics.prefix, tmp_path) as board:
        worker.ready()
        records.send(kafka, topics.events, sent)
        wait_until(lambda: board.get("/api/v1/status")["counted"] == len(sent), 60, "the center is not counted")
        yield board


CUT = """() => {
  for (const tile of document.querySelectorAll(".tile")) {
    const badge = tile.querySelector(".badge");
    badge.hidden = false;
    badge.innerHTML = "<svg></svg><span>Actúe ya</span>";
    for (const node of [tile, badge, ...tile.querySelectorAll(".big, .small")]) node.dataset.level = "action";
  }
  const shown = [...document.querySelectorAll(".tile :is(h3, dt, dd, .tag), .metric :is(h3, .value, .tag)")].filter((node) => node.offsetParent);
  return shown.filter((node) => node.scrollWidth > node.clientWidth + 1).map((node) => node.textContent);
}"""
"""Alarms in all tiles, and returns what does not fit where it is."""


def test_the_demos_center_fits_a_screen_in_both_languages(demo: BoardProcess, page) -> None:
    """A laptop's and a television's: nothing to scroll, nothing cut, not even in an alarm, names as the registry has them, trends over their whole width."""
    names = {kpi.id: {"en": kpi.name, "es": kpi.name_es} for kpi in KPIS}
    for width, height in ((1366, 768), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        for language in ("en", "es"):
            page.goto(f"{demo.url}/?window=60m&language={language}")
            page.wait_for_selector('body[data-feed="live"] .tile')
            page.wait_for_selector(".trend:not([hidden])", state="attached")
            assert page.locator(".tile").count() == len(CENTER.queues) + len(CENTER.desks)
            size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
            assert size == [width, height], language
            assert page.evaluate(CUT) == [], (width, language)
            for card in page.locator(".metric[data-card]").all():
                kpi = card.get_attribute("data-card")
                if kpi in names:
                    assert card.locator("h3").inner_text() == names[kpi][language]
            for path in page.locator(".trend:not([hidden]) path.today").all():
                places = [float(place) for place in re.findall(r"[ML]([\d.]+) ", path.get_attribute("d"))]
                assert places[0] == 0.0
                assert places[-1] > 200
    reasons = page.locator('[data-state="paused"] .reason').all_inner_texts()
    assert set(reasons) <= {"café", "comida", "formación"}

    assert {"voz", "correo"} <= set(page.locator(".tile .tag").all_inner_texts())
    page.select_option("#channel", "call")
    page.wait_for_function("count => document.querySelectorAll('.tile').length === count", arg=len(CENTER.queues))
    answer = demo.get("/api/v1/kpis", window="60m", channel="call")["rows"][-1]["kpis"]["service_level"]["value"]
    assert float(page.get_attribute('.metric [data-metric="service_level"]', "data-value")) == answer
    page.reload()
    page.wait_for_function("count => document.querySelectorAll('.tile').length === count", arg=len(CENTER.queues))
    page.select_option("#channel", "")
    page.wait_for_function("count => document.querySelectorAll('.tile').length > count", arg=len(CENTER.queues))


def test_a_definition_is_in_the_language_of_the_board(board: BoardProcess, page) -> None:
    page.goto(f"{board.url}/?window=60m&language=es")
    page.wait_for_selector('body[data-feed="live"] .tile')
    page.click('[data-card="abandonment_rate"] .about')
    text = page.inner_text("dialog")
    assert BY_ID["abandonment_rate"].formula_es in text
    assert BY_ID["abandonment_rate"].exclusions_es in text


def test_a_board_that_says_nothing_is_noticed(board: BoardProcess, page) -> None:
    """As when a cable is pulled: the connection stays open and mute."""
    page.goto(f"{board.url}/?window=60m&language=en")
    page.wait_for_selector('body[data-feed="live"] .tile')
    assert board.process is not None
    board.process.send_signal(signal.SIGSTOP)
    page.wait_for_selector('body[data-feed="lost"]', timeout=10_000)
    assert page.inner_text("#banner-title") == "Connection to the board lost."
    board.process.send_signal(signal.SIGCONT)
    page.wait_for_selector('body[data-feed="live"]', timeout=15000)
