"""Stock Faust: `faust_app.py BOOTSTRAP TOPIC GROUP FOLDER`."""

from __future__ import annotations

import sys
from datetime import timedelta

import faust

WINDOW = 300.0


def main() -> None:
    """Count and sum by queue until killed."""
    bootstrap, topic, group, folder = sys.argv[1:]
    app = faust.App(
        group, broker=f"kafka://{bootstrap}", store="memory://", datadir=folder, web_enabled=False,
        topic_partitions=4, consumer_auto_offset_reset="earliest", table_standby_replicas=0, autodiscover=False,
    )  # fmt: skip
    table = app.Table("by-queue", default=lambda: [0, 0.0], partitions=4).tumbling(WINDOW, expires=timedelta(hours=1))
    events = app.topic(topic, value_type=dict, value_serializer="json", key_type=bytes, key_serializer="raw")

    @app.agent(events)
    async def count(stream: faust.StreamT[dict]) -> None:
        async for event in stream:
            queue = event.get("queue") or "none"
            seen, seconds = table[queue].value()
            table[queue] = [seen + 1, seconds + event.get("wait_seconds", 0.0)]

    faust.Worker(app, loglevel="WARNING").execute_from_commandline()


if __name__ == "__main__":
    main()
