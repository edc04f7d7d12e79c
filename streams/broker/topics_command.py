"""The command `centralita topics`."""

from collections.abc import Callable
from datetime import timedelta

import click

from streams.broker.topics import PARTITIONS, RETENTION, TopicSet, admin_client
from streams.settings import Settings


@click.command
@click.option("--partitions", type=click.IntRange(1), help=f"Of each topic, final; default {PARTITIONS}.")
@click.option(
    "--replication", type=click.IntRange(1), help="Replicas, final; default 3, or as many as there are brokers."
)
@click.option(
    "--retention", type=click.IntRange(1), default=RETENTION.days, show_default=True, help="Days that events are kept."
)
@click.option("--check", is_flag=True, help="Create nothing, only say what is wrong.")
@click.option("--mend", is_flag=True, help="Also correct harmful settings of existing topics.")
@click.pass_context
def command(
    ctx: click.Context, partitions: int | None, replication: int | None, retention: int, *, check: bool, mend: bool
) -> None:
    """Create the topics that are missing and check all of them. Exit code 1 when something is wrong.

    Example: centralita topics --partitions 8
    """
    load: Callable[[], Settings] = ctx.obj
    kafka = load().kafka
    topics = TopicSet(kafka.prefix, timedelta(days=retention))
    with admin_client(kafka) as admin:
        created = [] if check else topics.create(admin, partitions, replication)
        mended = topics.mend(admin) if mend and not check else []
        look = topics.check_changed if created or mended else topics.check
        problems = look(admin, partitions)
    for name in created:
        click.echo(f"{name} created")
    for setting in mended:
        click.echo(f"{setting} set")
    for problem in problems:
        click.secho(problem, fg="red", err=True)
    if problems:
        ctx.exit(1)
    click.echo(f"{', '.join(topics.names)} are right")
