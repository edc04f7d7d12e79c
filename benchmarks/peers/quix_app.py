"""QuixStreams, run in an environment of its own: `quix_app.py BOOTSTRAP TOPIC GROUP FOLDER COMMIT_SECONDS KEYED`."""

import sys
from datetime import datetime, timedelta

from quixstreams import Application
from quixstreams.dataframe.windows import Count, Sum

WINDOW = timedelta(minutes=5)


def event_time(value: dict, *_: object) -> int:
    """Return milliseconds since the epoch."""
    return int(datetime.fromisoformat(value["time"]).timestamp() * 1000)


def main() -> None:
    """Count and sum by queue until killed."""
    bootstrap, name, group, folder, commit, keyed = sys.argv[1:]
    app = Application(
        bootstrap, consumer_group=group, auto_offset_reset="earliest", processing_guarantee="exactly-once",
        commit_interval=float(commit), state_dir=folder, loglevel="WARNING",
    )  # fmt: skip
    topic = app.topic(name, value_deserializer="json", timestamp_extractor=event_time)
    frame = app.dataframe(topic)
    frame = frame.apply(
        lambda event: {"queue": event.get("queue") or "none", "wait_seconds": event.get("wait_seconds", 0.0)}
    )
    if keyed != "queue":
        frame = frame.group_by("queue")
    frame.tumbling_window(WINDOW, grace_ms=3_600_000).agg(count=Count(), seconds=Sum("wait_seconds")).current()
    app.run()


if __name__ == "__main__":
    main()
