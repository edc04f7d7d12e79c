"""Wallboards when a snapshot fails, and how many different ones a board computes."""

import asyncio
import json
import logging

import pytest

from streams.board import broadcast


async def told(response, event: str, state: str) -> dict:
    """Return the first message of a kind that has a feed's state; what comes before it is passed over."""
    while True:
        name, data = (await response.content.readuntil(b"\n\n")).decode().splitlines()[:2]
        body = json.loads(data.removeprefix("data: "))
        if name == f"event: {event}" and body["feed"]["state"] == state:
            return body


@pytest.fixture
def fails(view, monkeypatch):
    """What snapshots raise while it is there, by window."""
    failing: dict[str, Exception] = {}
    snapshot = view.snapshot

    def maybe(name, *of):
        if name in failing:
            raise failing.pop(name) if name == "5m" else failing[name]
        return snapshot(name, *of)

    monkeypatch.setattr(view, "snapshot", maybe)
    return failing


@pytest.mark.timeout(30)
async def test_a_snapshot_that_fails_once_is_told_as_stale_and_recovers(client, view, fails, caplog):
    caplog.set_level(logging.INFO, "streams.board")
    async with client.get("/api/v1/stream", params={"window": "5m"}) as response:
        await told(response, "snapshot", "live")
        fails["5m"] = RuntimeError("once")
        view.feed.changed()
        await told(response, "snapshot", "live")
        await told(response, "beat", "live")
    said = [record.getMessage() for record in caplog.records]
    assert any("A snapshot failed" in text for text in said)
    assert any("succeed again" in text for text in said)


@pytest.mark.timeout(30)
async def test_a_snapshot_that_keeps_failing_makes_its_own_wallboards_stale_and_no_others(client, view, fails):
    async with (
        client.get("/api/v1/stream", params={"window": "15m"}) as broken,
        client.get("/api/v1/stream", params={"window": "60m"}) as sound,
    ):
        await told(broken, "snapshot", "live")
        await told(sound, "snapshot", "live")
        fails["15m"] = RuntimeError("for long")
        view.feed.changed()
        await told(broken, "beat", "failed")
        await told(sound, "snapshot", "live")
        await told(sound, "beat", "live")
        del fails["15m"]
        await told(broken, "snapshot", "live")


@pytest.mark.timeout(30)
async def test_one_who_comes_while_it_fails_is_told_so(client, fails):
    fails["15m"] = RuntimeError("for long")
    async with client.get("/api/v1/stream", params={"window": "15m"}) as response:
        await told(response, "beat", "failed")
        del fails["15m"]
        await told(response, "snapshot", "live")


@pytest.mark.parametrize("asked", [{"queue": "invented"}, {"channel": "telex"}, {"queue": "sales", "channel": "telex"}])
async def test_no_snapshot_is_computed_for_an_invented_name(client, asked):
    response = await client.get("/api/v1/stream", params=asked)
    assert response.status == 400
    assert (await response.json())["error"]["parameter"] in asked


async def test_different_snapshots_are_bounded(client, monkeypatch):
    monkeypatch.setattr(broadcast, "KEYS", 1)
    async with client.get("/api/v1/stream", params={"window": "5m"}) as first:
        await told(first, "snapshot", "live")
        assert (await client.get("/api/v1/stream", params={"window": "15m"})).status == 503
        async with client.get("/api/v1/stream", params={"window": "5m"}) as second:
            await told(second, "snapshot", "live")


@pytest.mark.parametrize("steps", range(6))
async def test_it_closes_also_when_the_figures_change_at_that_moment(view, steps):
    """The figures changed `steps` turns of the loop before."""
    sends = broadcast.Broadcast(view)
    await asyncio.sleep(0.01)
    view.feed.changed()
    for _ in range(steps):
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await sends.close()
