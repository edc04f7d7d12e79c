"""The folder in which a replay works: what it was asked, how it goes about it, and a journal a partition.

Beside an output file it stays when the replay is interrupted, killed or fails, and the same command goes on from it; without one it is
temporary, and nothing of it is kept but figures.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
from msgspec import Struct

from streams.errors import ConfigurationError, OutputError

SUFFIX: Final = ".progress"
"""What the folder is called, after the output file."""
_QUESTION: Final = "question.json"


class Question(Struct, frozen=True, kw_only=True):
    """What decides what is counted; progress of another question is of no use."""

    source: list[str]
    """The topic, or the files with their sizes."""
    begin: str | None
    to: str | None
    by: str | None
    definitions: str
    """A digest of the policy."""
    version: str = version("centralita")


class Plan(Struct, frozen=True, kw_only=True):
    """What was found out when the work began. Times are microseconds."""

    now_us: int
    end_us: int = 0
    """End of the range: of a topic without ``--to``, when the replay began."""
    spans: list[tuple[int, int, int]] = []
    """Partition, first offset and end of what is read of a topic."""
    processes: int = 0
    """Parts of the customers of files."""
    ordered: bool = True
    """False when files were found to be too far out of order for anything to be forgotten."""


class _Kept(Struct, frozen=True):
    question: Question
    plan: Plan | None = None


class Work:
    """The folder; ``plan`` is that of the run which it goes on from, None when there is none."""

    def __init__(self, folder: Path, question: Question, *, resumable: bool) -> None:
        self.folder = folder
        self.resumable = resumable
        self._question = question
        self.plan = self._known()

    def keep(self, plan: Plan) -> None:
        """Begin with a plan: whatever was counted by another one is deleted."""
        for journal in self.folder.glob("*.journal"):
            journal.unlink()
        self.plan = plan
        draft = self.folder / f"{_QUESTION}.new"
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(_Kept(self._question, plan))))
        draft.replace(self.folder / _QUESTION)

    def _known(self) -> Plan | None:
        try:
            kept = msgspec.json.decode((self.folder / _QUESTION).read_bytes(), type=_Kept)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError:
            raise ConfigurationError(f"{self.folder}: is no progress of a replay: delete it") from None
        for name in Question.__struct_fields__:
            seen, asked = getattr(kept.question, name), getattr(self._question, name)
            if seen != asked:
                raise ConfigurationError(
                    f"{self.folder}: is the progress of another replay ({name}: seen {seen}, asked now {asked}): "
                    "delete it, or choose another --output"
                )
        return kept.plan


@contextmanager
def working(output: Path | None, question: Question) -> Iterator[Work]:
    """Give the folder of a replay into a file, or a temporary one; it is deleted when the work is done.

    Raises ConfigurationError when the folder is of another question, OutputError when another process works in it or it cannot be made.
    """
    if output is None:
        with TemporaryDirectory(prefix="centralita-") as temporary:
            yield Work(Path(temporary), question, resumable=False)
        return
    folder = output.with_name(output.name + SUFFIX)
    try:
        folder.mkdir(exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield Work(folder, question, resumable=True)
        shutil.rmtree(folder)
    except BlockingIOError:
        raise OutputError(f"{folder}: another replay works in it") from None
    finally:
        os.close(lock)
