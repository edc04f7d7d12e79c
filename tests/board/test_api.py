"""What the board answers over HTTP, from what the engine makes of 400 calls."""

import asyncio
import csv
import io
import json
import time
from decimal import Decimal

import msgspec
import pytest
from aiohttp import ClientTimeout
from msgspec import structs
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from schemas.business import CostAccrued
from schemas.calls import CallQueued
from schemas.events import encode
from schemas.fields import rfc3339
from schemas.panes import PARTITION
from schemas.tickets import TicketOpened
from streams.board.parameters import asked
from streams.engine.policy import DAY, MINUTE, Policy, QueuePolicy
from streams.errors import InputError
from streams.kpis import outputs
from streams.kpis.registry import KPIS
from tests.board.rig import NOW, view_of
from tests.harness.traffic import START

WINDOWED = (
    "entered",
    "answered",
    "abandoned",
    "service_level",
    "abandonment_rate",
    "average_speed_of_answer",
    "handle_time",
)


async def rows_of(client, **query):
    response = await client.get("/api/v1/kpis", params=query)
    assert response.status == 200, await response.text()
    return (await response.json())["rows"]


async def test_rows_by_queue_end_with_the_total_which_is_their_sum(client):
    *rows, total = await rows_of(client, window="15m", by="queue")
    assert [row["queue"] for row in rows] == ["billing", "idle", "sales", "support"]
    assert total["queue"] is None
    for kpi in ("entered", "answered", "abandoned"):
        assert sum(row["kpis"][kpi]["value"] for row in rows) == total["kpis"][kpi]["value"]
    assert total["kpis"]["entered"]["value"] == 400


async def test_an_idle_queue_has_counts_of_zero_and_ratios_of_nothing(client):
    rows = await rows_of(client, window="15m", by="queue")
    idle = next(row["kpis"] for row in rows if row["queue"] == "idle")
    assert idle["entered"]["value"] == 0
    assert idle["service_level"]["value"] is None
    assert idle["average_speed_of_answer"]["value"] is None


async def test_an_answer_says_zone_filters_policy_and_freshness(client):
    answer = await (await client.get("/api/v1/kpis", params={"window": "15m", "queue": "sales"})).json()
    assert answer["zone"] == "UTC"
    assert (answer["queue"], answer["live"], answer["window"]) == ("sales", True, "15m")
    assert answer["as_of"] == "2026-03-02T09:10:00+00:00"
    assert answer["watermark"].startswith("2026-03-02T09:1")
    assert answer["policy"]["sales"] == {
        "zone": "UTC", "threshold": 12.0, "threshold_tickets": 20.0, "target": 0.9, "formula": "SL8", "short_abandon": 5.0,
    }  # fmt: skip


async def test_the_ledger_adds_up_for_every_queue_and_window(client):
    for window in ("5m", "15m", "30m", "60m", "today", "interval"):
        answer = await (await client.get("/api/v1/kpis", params={"window": window, "by": "queue"})).json()
        for line in answer["ledger"]:
            left = line["answered"] + line["abandoned"] + line["flowed_out"] + line["waiting_end"]
            assert line["waiting_start"] + line["entered"] == left
            assert line["balanced"], (window, line)


@pytest.mark.parametrize("query", [{"queue": "nobody"}, {"channel": "telex"}, {"queue": "nobody", "by": "queue"}])
async def test_an_unknown_queue_or_channel_has_no_rows(client, query):
    assert await rows_of(client, window="15m", **query) == []


async def test_a_bad_request_is_told_what_was_wrong(client):
    response = await client.get("/api/v1/kpis", params={"window": "7m"})
    assert response.status == 400
    error = (await response.json())["error"]
    assert (error["parameter"], error["seen"]) == ("window", "7m")
    assert error["expected"] == "one of 5m, 15m, 30m, 60m, interval, today"
    together = await client.get("/api/v1/kpis", params={"window": "30m", "every": "1h"})
    assert (await together.json())["error"] == {
        "message": "every: seen '1h', expected all in a sliding window",
        "parameter": "every",
        "seen": "1h",
        "expected": "all in a sliding window",
    }


async def test_too_many_rows_are_refused_before_they_are_made(client):
    query = {"from": "2026-01-01T00:00:00Z", "to": "2026-07-20T00:00:00Z", "every": "15m", "by": "queue"}
    response = await client.get("/api/v1/kpis", params=query)
    assert response.status == 400
    assert "at most 50000 rows" in (await response.json())["error"]["message"]


async def test_today_of_a_queue_begins_at_its_own_midnight_and_the_answer_says_whose(serve):
    policy = Policy(queues={"lima": QueuePolicy(time_zone="America/Lima"), "sales": QueuePolicy()})
    client = await serve(view_of(policy=policy))
    spans = {}
    for queue in ("lima", "sales"):
        response = await client.get("/api/v1/kpis", params={"window": "today", "queue": queue})
        answer = await response.json()
        snapshot = await first_snapshot(client, window="today", queue=queue)
        assert (answer["zone"], answer["from"]) == (snapshot["zone"], snapshot["window"]["start"])
        spans[queue] = answer["zone"], answer["from"], answer["to"]
    assert spans == {
        "lima": ("America/Lima", "2026-03-02T00:00:00-05:00", "2026-03-02T04:15:00-05:00"),
        "sales": ("UTC", "2026-03-02T00:00:00+00:00", "2026-03-02T09:15:00+00:00"),
    }
    text = await client.get("/api/v1/kpis", params={"window": "today", "queue": "lima", "format": "csv"})
    assert text.headers["X-Zone"] == "America/Lima"


async def test_by_queue_today_of_each_begins_at_its_own_midnight_on_every_surface(serve):
    """Calls at 2:00 UTC are of yesterday in Lima (it is 4:10 there), of today elsewhere and in the total."""
    policy = Policy(queues={"lima": QueuePolicy(time_zone="America/Lima"), "sales": QueuePolicy()})
    events = [
        CallQueued(id=f"{queue}{hours}", time=START - hours * 3600.0, contact_id=f"{queue}{hours}", queue=queue)
        for queue in ("lima", "sales")
        for hours in (1, 7)
    ]
    client = await serve(view_of([(event.contact_id.encode(), encode(event)) for event in events], policy))
    rows = await rows_of(client, window="today", by="queue")
    entered = {row["queue"]: (row["start"], row["kpis"]["entered"]["value"]) for row in rows}
    assert list(entered) == ["lima", "sales", None]
    assert entered == {
        "lima": ("2026-03-02T05:00:00Z", 1), "sales": ("2026-03-02T00:00:00Z", 2), None: ("2026-03-02T00:00:00Z", 4),
    }  # fmt: skip
    assert (await rows_of(client, window="today", queue="lima"))[-1]["kpis"] == rows[0]["kpis"]
    snapshot = await first_snapshot(client, window="today")
    tiles = {tile["queue"]: tile["kpis"]["entered"]["value"] for tile in [*snapshot["queues"], snapshot["total"]]}
    assert tiles == {queue: value for queue, (_, value) in entered.items()}
    text = await (await client.get("/metrics")).text()
    for queue in ("lima", "sales"):
        assert f'contact_center_entered{{channel="call",queue="{queue}",window="today"}} {tiles[queue]}.0' in text
    hours = await rows_of(client, window="today", by="queue", every="1h")
    assert [row["queue"] for row in hours if row["start"] == "2026-03-02T08:00:00Z"] == ["lima", "sales", None]
    assert sum(row["kpis"]["entered"]["value"] for row in hours if row["queue"] == "lima") == 1
    half_hour = await rows_of(client, window="30m", by="queue")
    assert [row["queue"] for row in half_hour] == ["lima", "sales", None]


DAYS: dict[str, str] = {"from": "2026-02-28T00:00:00Z", "to": "2026-03-03T00:00:00Z", "every": "15m"}


async def test_a_long_question_walks_the_panes_once_and_gives_what_short_ones_give(client, view, monkeypatch):
    figures, walks = view.feed.figures, []
    growth = figures.growth
    monkeypatch.setattr(figures, "growth", lambda ends: walks.append(1) or growth(ends))
    rows = await rows_of(client, **DAYS, by="queue")
    assert len(walks) == 1
    start = next(row["start"] for row in rows if row["kpis"]["entered"]["value"])
    end = next(row["end"] for row in rows if row["start"] == start)
    expected = await rows_of(client, **{"from": start, "to": end, "by": "queue"})
    assert [row for row in rows if row["start"] == start] == expected
    assert [row["start"] for row in rows] == sorted(row["start"] for row in rows)


async def test_who_comes_during_a_long_answer_did_not_wait_before(view, monkeypatch):
    """The lock is let go between stretches; the events of that moment change the later ones, not those before."""
    monkeypatch.setattr("streams.board.answers._HELD", 0.0)
    question = asked({name: [value] for name, value in DAYS.items()}, view.now_us(), view.zone_of)
    before = view.answer(question)
    comers = iter(range(10))

    def somebody_comes() -> bool:
        starts = ",".join(str(view.now_us()) for _ in range(1 + next(comers, 9)))
        value = b'{"waiting":%d,"starts":[%s]}' % (starts.count(",") + 1, starts.encode())
        view.feed.figures.load(0, b'["waiting","call","idle"]', value)
        return False

    after = view.answer(question, somebody_comes)
    assert [row.kpis["waiting"].value for row in after.rows] == [row.kpis["waiting"].value for row in before.rows]


async def test_more_sums_than_a_board_can_do_are_refused_however_few_the_rows(serve):
    policy = Policy(queues={f"q{number}": QueuePolicy() for number in range(100)})
    client = await serve(view_of(policy=policy))
    query = {"from": "2025-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z", "every": "1h"}
    response = await client.get("/api/v1/kpis", params=query)
    assert response.status == 400
    assert "ask for less" in (await response.json())["error"]["message"]


async def test_an_answer_that_takes_too_long_is_given_up_and_says_so(client, monkeypatch):
    monkeypatch.setattr("streams.board.answers._HELD", 0.0)
    monkeypatch.setattr("streams.board.answers.PATIENCE", 0.0)
    response = await client.get("/api/v1/kpis", params=DAYS)
    assert response.status == 400
    assert "ask for less" in (await response.json())["error"]["message"]


async def test_nobody_computes_for_a_client_that_has_gone(client, view, monkeypatch):
    monkeypatch.setattr("streams.board.answers._HELD", 0.0)
    figures, done = view.feed.figures, []
    stretch = figures.stretch
    monkeypatch.setattr(figures, "stretch", lambda *given: time.sleep(0.01) or done.append(1) or stretch(*given))
    with pytest.raises(asyncio.TimeoutError):
        await client.get("/api/v1/kpis", params=DAYS, timeout=ClientTimeout(total=0.5))
    await asyncio.sleep(0.5)
    stopped = len(done)
    await asyncio.sleep(0.5)
    assert 0 < stopped == len(done) < 3 * 96


async def test_what_the_figures_cannot_answer_is_a_bad_request(client, view, monkeypatch):
    def refuse(*_):
        message = "from, to: expected a day that is kept"
        raise InputError(message)

    monkeypatch.setattr(view.feed.figures, "stretch", refuse)
    response = await client.get("/api/v1/kpis")
    assert response.status == 400
    error = (await response.json())["error"]
    assert (error["parameter"], error["expected"]) == ("from", "a day that is kept")


async def test_csv_has_the_figures_of_json(client):
    rows = await rows_of(client, window="15m", by="queue")
    response = await client.get("/api/v1/kpis", params={"window": "15m", "by": "queue", "format": "csv"})
    assert response.headers["Content-Type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(await response.text())))
    assert [line["queue"] for line in lines] == [row["queue"] or "" for row in rows]
    for line, row in zip(lines, rows, strict=True):
        for kpi, figure in row["kpis"].items():
            assert (float(line[kpi]) if line[kpi] else None) == figure["value"]


async def test_a_large_answer_comes_in_pieces_and_is_the_same(client, view):
    """So that no other request waits for all of it to be written."""
    query = DAYS | {"by": "queue"}
    whole = view.answer(asked({name: [value] for name, value in query.items()}, view.now_us(), view.zone_of))
    assert len(whole.rows) > 2 * outputs.PIECE
    response = await client.get("/api/v1/kpis", params=query)
    assert response.headers.get("Transfer-Encoding") == "chunked"
    assert await response.read() == outputs.as_json(whole)
    for form, pieces in outputs.SHEETS.items():
        response = await client.get("/api/v1/kpis", params=query | {"format": form})
        assert await response.text() == "".join(pieces(whole.rows))


async def test_csv_lets_no_name_be_a_formula(serve):
    event = CallQueued(
        id="1", time=float(START), contact_id="c", customer_id="x", queue='=HYPERLINK("http://bad.example","x")'
    )
    client = await serve(view_of([(b"x", encode(event))]))
    text = await (await client.get("/api/v1/kpis", params={"window": "15m", "by": "queue", "format": "csv"})).text()
    assert any(cell.startswith("'=HYPERLINK") for line in csv.reader(io.StringIO(text)) for cell in line)
    assert not any(cell.startswith("=") for line in csv.reader(io.StringIO(text)) for cell in line)


async def first_snapshot(client, **query):
    async with client.get("/api/v1/stream", params=query) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        assert (await response.content.readline()) == b"event: snapshot\n"
        return json.loads((await response.content.readline()).removeprefix(b"data: "))


@pytest.mark.parametrize("window", ["5m", "15m", "30m", "60m", "today"])
async def test_every_surface_gives_the_same_figure(client, window):
    rows = {row["queue"]: row["kpis"] for row in await rows_of(client, window=window, by="queue")}
    text = await (await client.get("/api/v1/kpis", params={"window": window, "by": "queue", "format": "csv"})).text()
    lines = {line["queue"] or None: line for line in csv.DictReader(io.StringIO(text))}
    snapshot = await first_snapshot(client, window=window)
    tiles = {tile["queue"]: tile["kpis"] for tile in [*snapshot["queues"], snapshot["total"]]}
    scraped = await (await client.get("/metrics")).text()
    samples = {
        (sample.name, sample.labels["queue"]): sample.value
        for family in text_string_to_metric_families(scraped)
        for sample in family.samples
        if sample.labels.get("window") == window and "le" not in sample.labels
    }
    names = {
        "service_level": "service_level_ratio", "abandonment_rate": "abandonment_ratio",
        "average_speed_of_answer": "average_speed_of_answer_seconds", "handle_time": "handle_time_seconds",
    }  # fmt: skip
    assert set(rows) == set(lines) == set(tiles)
    for queue, kpis in rows.items():
        for kpi in WINDOWED:
            value = kpis[kpi]["value"]
            assert tiles[queue][kpi]["value"] == value
            assert (float(lines[queue][kpi]) if lines[queue][kpi] else None) == value
            if queue is not None:
                assert samples.get((f"contact_center_{names.get(kpi, kpi)}", queue)) == value


@pytest.fixture
def windows_stand_still(monkeypatch):
    """Let no window move meanwhile, which would be a change."""
    monkeypatch.setattr("streams.board.broadcast.SLIDE", 1e12)


@pytest.mark.usefixtures("windows_stand_still")
async def test_a_change_is_pushed_within_a_second_and_silence_has_a_beat(client, view):
    async with client.get("/api/v1/stream", params={"window": "5m"}) as response:
        events = [(await response.content.readuntil(b"\n\n")).partition(b"\n")[0] for _ in range(2)]
        assert events == [b"event: snapshot", b"event: beat"]
        view.feed.changed()
        assert (await response.content.readuntil(b"\n\n")).startswith(b"event: snapshot")


async def test_prometheus_gets_openmetrics_when_it_asks_for_it(client):
    """As Prometheus 3 asks; names are legal as they are, so no way of escaping changes one."""
    accept = "application/openmetrics-text;version=1.0.0;escaping=dots;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    response = await client.get("/metrics", headers={"Accept": accept})
    assert response.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    found = {family.name: family for family in openmetrics_families(await response.text())}
    assert {"contact_center_entered", "contact_center_answer_wait_seconds", "process_cpu_seconds"} <= found.keys()


async def test_a_client_that_left_costs_nothing(client, view):
    for _ in range(5):
        await first_snapshot(client, window="5m")
    text = await (await client.get("/metrics")).text()
    assert "contact_center_board_stream_clients 0.0" in text or "contact_center_board_stream_clients 1.0" in text


async def test_the_page_loads_nothing_from_elsewhere_and_says_so(client):
    response = await client.get("/")
    page = await response.text()
    assert 'lang="es"' in page
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in response.headers
    assert "http" not in page.replace("http-equiv", "")
    for name in ("board.css", "board.js", "icon.svg", "words.js"):
        assert (await client.get(f"/static/{name}")).status == 200


@pytest.mark.parametrize("path", ["/static/..%2Fapi.py", "/static/index.py", "/nothing", "/api/v1/nothing"])
async def test_what_is_not_there_is_404(client, path):
    assert (await client.get(path)).status == 404


async def test_definitions_are_those_of_the_registry(client):
    body = await (await client.get("/api/v1/definitions")).json()
    kpis = {kpi["id"]: kpi for kpi in body["kpis"]}
    assert kpis["service_level_sl8"]["crediting"] == "COHORT"
    assert list(kpis) == [kpi.id for kpi in KPIS]


async def test_status_says_how_far_and_how_fresh(client):
    body = await (await client.get("/api/v1/status")).json()
    assert body["state"] == "live"
    assert body["counted"] > 1000
    assert set(body["partitions"]) == {"0", "1"}


async def test_a_board_that_is_loading_says_so(serve):
    view = view_of()
    view.feed.complete = False
    client = await serve(view)
    assert (await client.get("/healthz")).status == 200
    assert (await client.get("/readyz")).status == 503
    assert (await client.get("/api/v1/kpis")).status == 503
    assert "contact_center_entered" not in await (await client.get("/metrics")).text()


async def test_figures_under_other_definitions_are_said_to_be_so_and_alarm_all_the_same(serve):
    """On every surface but Prometheus, whose rules look at what is complete and current."""
    view = view_of()
    status = structs.replace(view.feed.figures.partitions()[0], definitions="another")
    view.feed.figures.load(0, PARTITION, msgspec.json.encode(status))
    client = await serve(view)
    ready = await client.get("/readyz")
    assert (ready.status, (await ready.json())["feed"]["state"]) == (200, "other_definitions")
    assert (await (await client.get("/api/v1/status")).json())["state"] == "other_definitions"
    assert "\ncontact_center_board_live 1" in await (await client.get("/metrics")).text()
    assert (await first_snapshot(client))["feed"]["state"] == "other_definitions"


async def test_a_board_whose_figures_are_of_another_version_says_so(serve):
    view = view_of()
    view.feed._shown.other_version = True
    client = await serve(view)
    ready = await client.get("/readyz")
    assert (ready.status, (await ready.json())["feed"]["state"]) == (503, "other_version")
    answer = await client.get("/api/v1/kpis")
    assert answer.status == 503
    assert "of another version" in (await answer.json())["error"]["message"]
    assert "contact_center_entered" not in await (await client.get("/metrics")).text()


async def test_before_a_worker_has_counted_nothing_looks_like_a_zero(serve):
    view = view_of([])
    client = await serve(view)
    assert view.feed.ready
    for row in await rows_of(client, window="15m", by="queue"):
        assert {(figure["value"], figure["status"]) for figure in row["kpis"].values()} == {(None, "unavailable")}
    answer = await (await client.get("/api/v1/kpis", params={"window": "15m", "by": "queue"})).json()
    assert {(line["entered"], line["balanced"]) for line in answer["ledger"]} == {(None, None)}
    snapshot = await first_snapshot(client, window="15m")
    assert {tile["waiting"] for tile in [*snapshot["queues"], snapshot["total"]]} == {None}
    assert (snapshot["available"], snapshot["signed_in"]) == (None, None)
    families = {family.name for family in text_string_to_metric_families(await (await client.get("/metrics")).text())}
    assert "contact_center_board_ready" in families
    assert not {"contact_center_entered", "contact_center_waiting", "contact_center_events"} & families


async def test_an_evolution_is_that_of_the_rows(client, view, monkeypatch):
    """A day against the one before, of which nothing is known; while it goes on as far as it has passed; and what is wrong is named."""
    question = {"period": "day", "at": "2026-03-02", "by": "queue", "kpi": "entered"}
    *_, total = (await (await client.get("/api/v1/evolution", params=question)).json())["evolution"]
    assert (total["complete"], total["end"]) == (False, rfc3339(NOW - 10 * MINUTE))
    monkeypatch.setattr(view, "now_us", lambda: NOW + DAY)
    answer = await client.get("/api/v1/evolution", params=question)
    assert answer.status == 200, await answer.text()
    *queues, total = (await answer.json())["evolution"]
    assert (total["complete"], total["end"]) == (True, "2026-03-03T00:00:00Z")
    assert (total["queue"], total["figure"]["value"], total["previous"]["figure"]) == (None, 400, None)
    assert sum(one["figure"]["value"] for one in queues) == 400
    for wrong in (
        {"kpi": "moods"},
        {"period": "decade"},
        {"at": "soon"},
        {"period": "day", "at": "2020-01-01"},
        {"form": "x"},
    ):
        answer = await client.get("/api/v1/evolution", params=wrong)
        assert answer.status == 400
        assert next(iter(wrong)) in (await answer.json())["error"]["message"] or wrong["period"] == "day"


async def test_agents_are_ranked_by_published_weights(client):
    """Those of the rows by agent, with the contacts they handled; minutes rank nobody."""
    answer = await client.get("/api/v1/ranking")
    assert answer.status == 200, await answer.text()
    found = await answer.json()
    rows = await rows_of(client, window="today", by="agent")
    assert {one["agent"] for one in found["agents"]} == {row["value"] for row in rows if row["value"]}
    assert sum(one["handled"] for one in found["agents"]) == rows[-1]["kpis"]["handle_time"]["denominator"]
    assert (found["minimum"], sum(found["weights"].values())) == (30, pytest.approx(1))
    for wrong in ({"window": "5m"}, {"by": "queue"}, {"from": "soon", "to": "later"}):
        assert (await client.get("/api/v1/ranking", params=wrong)).status == 400


async def test_what_a_queue_costs_in_no_channel_has_a_row_and_neither_a_ledger_nor_a_tile(serve):
    """Nobody waits there."""
    at = NOW / 1e6 - 60
    events = [
        *(TicketOpened(id=one, time=at, contact_id=one, queue="help", channel=one) for one in ("email", "social")),
        CostAccrued(id="cost", time=at, amount=Decimal(20), currency="EUR", queue="help"),
    ]
    view = view_of((event.id.encode(), encode(event)) for event in events)
    answer = await (await (await serve(view)).get("/api/v1/kpis", params={"window": "30m", "by": "queue"})).json()
    costs = {(row["channel"], row["queue"]): row["kpis"]["cost_amount"].get("value") for row in answer["rows"]}
    assert costs[None, "help"] == costs[None, None] == 20
    assert {(line["channel"], line["queue"]) for line in answer["ledger"]} == costs.keys() - {(None, "help")}
    assert {tile.channel for tile in view.snapshot("30m").queues} == {"call", "email", "social"}
