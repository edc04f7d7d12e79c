"""The command `centralita broker`."""

from pathlib import Path

import click

from streams.broker.embedded import EmbeddedKafka
from streams.errors import BrokerError


@click.command
@click.option("--port", type=click.IntRange(1, 65535), default=9092, show_default=True, help="Port on 127.0.0.1.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".kafka"),
    show_default=True,
    help="Folder in which the broker keeps its data.",
)
def command(port: int, data: Path) -> None:
    """Run a real Apache Kafka in the foreground, its data kept; Ctrl-C stops it cleanly.

    The first run fetches 43 MB of jars into the cache (CENTRALITA_CACHE). It listens on 127.0.0.1 only.

    Example: centralita broker --port 9092 --data ./kafka
    """
    broker = EmbeddedKafka(data, port)
    try:
        broker.start(_tell)
        click.echo(f"Kafka answers at {broker.bootstrap}; data in {data}; Ctrl-C stops it")
        code = broker.wait()
    finally:
        broker.stop()
    raise BrokerError(f"Kafka ended by itself with exit code {code}; see {broker.log}")


def _tell(done: int, total: int) -> None:
    click.echo(f"\rfetching Apache Kafka: {done} of {total} files", nl=done == total, err=True)
