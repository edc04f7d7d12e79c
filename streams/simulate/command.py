"""The command `centralita simulate`: traffic of a contact center, live into Kafka or as fast as it can be written."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import islice
from statistics import fmean

import click
from msgspec import Struct
from rich.console import Console
from rich.status import Status

from schemas.fields import rfc3339
from streams.broker.topics import TopicSet
from streams.cli import INTERRUPTED
from streams.settings import Settings
from streams.simulate.center import MONDAY_MORNING, NAMES, Center, demo_center, with_all_channels
from streams.simulate.faults import Faults, Tally, broken
from streams.simulate.options import Duration, Moment, Queues, traffic_option
from streams.simulate.outputs import FileOutput, KafkaOutput, Output
from streams.simulate.pace import Pace, paced
from streams.simulate.timed import SECOND, Sent, encoded
from streams.simulate.traffic import at_rate, events, natural_rate
from streams.sources.producer import Sender

DAY = 86_400.0
_BETWEEN_REPORTS = 0.2
_SHARE = click.FloatRange(0, 1)


class Options(Struct, frozen=True, kw_only=True):
    """What the command line says."""

    output: str | None
    speed: float | None
    rate: float | None
    traffic: float
    events: int | None
    duration: float | None
    history: float
    start: int | None
    seed: int
    queues: tuple[str, ...]
    channels: str
    steady: bool
    quiet: bool
    duplicates: float
    disorder: float
    losses: float
    garbage: float
    delay: float

    @property
    def faults(self) -> Faults:
        """Return the shares of faults."""
        return Faults(
            duplicates=self.duplicates,
            disorder=self.disorder,
            losses=self.losses,
            garbage=self.garbage,
            delay=self.delay,
        )


@click.command
@click.option("--output", metavar="FILE", help="NDJSON (also .gz, .xz, `-`) instead of Kafka, as fast as it goes.")
@click.option(
    "--speed", type=click.FloatRange(0), help="Times as fast as the clock, until it is caught up; 0: no waiting."
)
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 1e6),
    help="Events a second: a steady day with ever shorter contacts and waits.",
)
@traffic_option(1.0)
@click.option(
    "--events", type=click.IntRange(1), help="Stop after so many events (duplicates and garbage not counted)."
)
@click.option("--duration", type=Duration(), help="No new contacts after so long, such as 90s, 2h or 1d.")
@click.option("--history", type=Duration(), default=0.0, help="First send, at once, what happened so long before now.")
@click.option("--start", type=Moment(), help="When the first contact may come: RFC 3339 with offset.")
@click.option("--seed", type=int, default=1, show_default=True, help="Equal seeds and starts give equal events.")
@click.option(
    "--queues", type=Queues(), default=",".join(NAMES), show_default=True, help="Of calls: names, or how many."
)
@click.option(
    "--channels",
    type=click.Choice(("all", "calls")),
    default="all",
    show_default=True,
    help="calls: neither chats, tickets nor what follows from contacts.",
)
@click.option("--duplicates", type=_SHARE, default=0.0, help="Share of events sent twice.")
@click.option("--disorder", type=_SHARE, default=0.0, help="Share of events sent late.")
@click.option("--losses", type=_SHARE, default=0.0, help="Share of events never sent.")
@click.option("--garbage", type=_SHARE, default=0.0, help="Bad records added, as a share of the events.")
@click.option("--delay", type=Duration(), default=60.0, show_default=True, help="Longest delay of a late event.")
@click.option("--steady", is_flag=True, help="The busiest hour all day and all week.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.pass_obj
def command(load: Callable[[], Settings], /, **options: object) -> None:
    """Simulate a contact center: calls, chats and tickets, and what comes of them.

    A daily profile, impatient customers, shared agents, transfers, customers who return through any channel; surveys, complaints, sales,
    customers who stay or leave, costs. Calls and their agents are the same with and without the other channels.

    Without options events are sent when they happen, until Ctrl-C. Without a start, files begin on Monday 2 March 2026, so the same
    options give the same file; Kafka gets what happens now, or with --speed or --events what would have led up to now.

    Example: centralita simulate --history 2h

    Example: centralita simulate --events 1000000 --garbage 0.01 --output events.ndjson.gz
    """
    chosen = Options(**options)  # type: ignore[arg-type]  # click gives each option its type
    run(chosen, _output(chosen, load))


def _output(options: Options, load: Callable[[], Settings]) -> Output:
    if options.output is not None:
        return FileOutput(options.output)
    kafka = load().kafka
    sender = Sender(kafka, TopicSet(kafka.prefix).events)
    sender.check()
    return KafkaOutput(sender)


def run(options: Options, output: Output) -> None:
    """Send until the end or Ctrl-C, and tell what was sent."""
    center, pace = plan(options, round(time.time() * SECOND))
    tally = Tally()
    stream = paced(stream_of(center, options, tally), pace, output.idle)
    console = Console(stderr=True)
    status = Status("simulating", console=console) if console.is_terminal and not options.quiet else None
    interrupted = False
    try:
        with status or nullcontext():
            _send(stream, output, status, tally)
    except KeyboardInterrupt:
        interrupted = True
    except BrokenPipeError:  # the reader of a pipe has enough
        sys.stderr.close()
        return
    out = output.close()
    done = "sent" if options.output is None else "written"
    console.print(f"{out:,} records {done}: {_told(tally)}", highlight=False)
    if interrupted and options.output is not None:  # what is sent live has no other end
        raise click.exceptions.Exit(INTERRUPTED)


def plan(options: Options, now: int) -> tuple[Center, Pace]:
    """Return the center, and the pace at which its events are sent, at the time ``now`` (microseconds)."""
    center = demo_center(options.queues)
    if options.channels == "all":
        center = with_all_channels(center)
    center = center.larger(options.traffic)
    if options.steady:
        center = center.steady()
    if options.rate:
        center = at_rate(center, options.rate)
    speed = options.speed if options.speed is not None else 0.0 if options.output else 1.0
    seconds = options.duration
    start = options.start
    if options.output and not options.history and options.speed is None:
        start = MONDAY_MORNING - 8 * 3600 * SECOND if start is None else start
        seconds = DAY if seconds is None and options.events is None else seconds
        return center.lasting(start, seconds), Pace(live_from=2**62, launch=now, speed=0.0)
    if start is None:
        behind = options.history or (0.0 if speed == 1.0 else _leading_up(center, options))
        start = now - round(behind * SECOND)
    live_from = start + round(options.history * SECOND)
    return center.lasting(start, seconds), Pace(live_from=live_from, launch=now, speed=speed)


def _leading_up(center: Center, options: Options) -> float:
    """Return how many seconds before now a simulation faster than the clock begins, so that it surely ends before now."""
    if options.duration is not None or options.events is None:
        return options.duration or DAY
    rate = natural_rate(center) * fmean(center.day) * fmean(center.week)
    return 1.5 * options.events / rate + 3 * DAY  # three days: it may be a night or a Sunday


def stream_of(center: Center, options: Options, tally: Tally) -> Iterator[Sent]:
    """Return what is sent, faults included, without pace."""
    stream = encoded(events(center, options.seed))
    if options.events is not None:
        stream = islice(stream, options.events)
    return broken(stream, options.faults, options.seed, tally) if options.faults else _counted(stream, tally)


def _counted(stream: Iterator[Sent], tally: Tally) -> Iterator[Sent]:
    for sent in stream:
        tally.events += 1
        tally.sent += 1
        yield sent


def _send(stream: Iterator[tuple[Sent, float]], output: Output, status: Status | None, tally: Tally) -> None:
    told_at, told = time.monotonic(), 0
    for number, (sent, late) in enumerate(stream, 1):
        output.send(sent)
        if status is None or (number & 255 and late == 0.0):
            continue
        now = time.monotonic()
        if now - told_at >= _BETWEEN_REPORTS:
            rate = (number - told) / (now - told_at)
            behind = f", {late:.1f} s late" if late > 1 else ""
            status.update(f"{rfc3339(sent.time_us)[:19]}Z: {tally.sent:,} sent, {rate:,.0f} a second{behind}")
            told_at, told = now, number


def _told(tally: Tally) -> str:
    """Return what the tally says, in words.

    >>> _told(Tally(events=10, sent=11, duplicated=1))
    '10 events, 1 twice'
    """
    parts = [f"{tally.events:,} events"]
    parts += [f"{tally.duplicated:,} twice"] if tally.duplicated else []
    parts += [f"{tally.delayed:,} late"] if tally.delayed else []
    parts += [f"{tally.lost:,} lost"] if tally.lost else []
    parts += [f"{count:,} bad ({reason})" for reason, count in tally.garbage.items()]
    return ", ".join(parts)
