"""Fetch the jars of Apache Kafka and vouch for every byte: only what `kafka.lock` lists by SHA-256 is ever run.

The cache (`CENTRALITA_CACHE`, else `~/.cache/centralita`) is filled once, about 43 MB, and may be shared by processes:
a jar gets its final name only after its sum was compared. `python -m streams.broker.jars` writes the lock anew.
"""

import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from streams.errors import BrokerError

ROOTS = ("org.apache.kafka:kafka_2.13:4.1.2", "org.slf4j:slf4j-simple:1.7.36")  # slf4j-simple: Kafka brings no logger
_PAUSES = (1.0, 2.0, 4.0)
"""Seconds before a download is tried again: one name that is not resolved among 46 jars must not end a first start."""
Progress = Callable[[int, int], None]


class Jar(NamedTuple):
    """A file of a Maven repository and the SHA-256 it must have."""

    group: str
    name: str
    version: str
    sha256: str

    @property
    def filename(self) -> str:
        """The name under which the cache keeps it."""
        return f"{self.name}-{self.version}.jar"


def class_path(progress: Progress = lambda done, total: None) -> str:
    """Return the class path of the broker, fetching what the cache lacks; `progress` gets (done, total)."""
    folder = cache_folder() / "jars"
    jars = locked()
    missing = [jar for jar in jars if not (folder / jar.filename).exists()]
    if missing:
        _fetch(missing, folder, progress)
    _verify(jars, folder)
    return os.pathsep.join(str(folder / jar.filename) for jar in jars)


def cache_folder() -> Path:
    """Return the folder that downloads are kept in."""
    return Path(os.environ.get("CENTRALITA_CACHE") or Path.home() / ".cache" / "centralita").expanduser()


def locked() -> list[Jar]:
    """Read the lock: one `group:name:version sha256` per line."""
    lines = files("streams.broker").joinpath("kafka.lock").read_text(encoding="utf-8").splitlines()
    return [_parse(line) for line in lines if line and not line.startswith("#")]


def _parse(line: str) -> Jar:
    coordinate, sha256 = line.split()
    group, name, version = coordinate.split(":")
    return Jar(group, name, version, sha256)


def _fetch(jars: list[Jar], folder: Path, progress: Progress) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch, ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(_fetch_one, jar, folder, Path(scratch)) for jar in jars]
        for done, future in enumerate(as_completed(waiting), 1):
            future.result()
            progress(done, len(jars))


def _fetch_one(jar: Jar, folder: Path, scratch: Path) -> None:
    path = _download(jar, scratch)
    seen = _sha256(path)
    if seen != jar.sha256:
        raise BrokerError(
            f"{jar.filename} has SHA-256 {seen}, expected {jar.sha256}: the download is not what was locked"
        )
    path.replace(folder / jar.filename)


def _download(jar: Jar, scratch: Path) -> Path:
    """Let jgo fetch one file from the repository that it is configured for; no Maven is needed."""
    from jgo.maven import MavenContext  # noqa: PLC0415 - slow to import, and needed once per machine

    context = MavenContext(repo_cache=scratch, timeout=60)
    for pause in (*_PAUSES, None):
        try:
            return Path(context.project(jar.group, jar.name).at_version(jar.version).artifact().resolve())
        except (OSError, RuntimeError) as error:
            if pause is None:
                raise BrokerError(f"cannot fetch {jar.filename} for the embedded broker: {error}") from error
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _verify(jars: list[Jar], folder: Path) -> None:
    """Compare every cached jar with the lock; a changed one is removed, so that the next start fetches it."""
    for jar in jars:
        path = folder / jar.filename
        if _sha256(path) != jar.sha256:
            path.unlink()
            raise BrokerError(f"{path} was changed after it was fetched; it is removed, start again to fetch it")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resolve() -> Iterator[Jar]:
    """Resolve the roots and all they depend on from scratch, with the sums of what is served today."""
    import jgo  # noqa: PLC0415 - as above

    found = {(a.groupId, a.artifactId, a.version) for root in ROOTS for a in jgo.resolve(root)}
    scratch = Path(tempfile.mkdtemp())
    for group, name, version in sorted(found):
        yield Jar(group, name, version, _sha256(_download(Jar(group, name, version, ""), scratch)))
    shutil.rmtree(scratch)


if __name__ == "__main__":
    sys.stdout.write("# Written by python -m streams.broker.jars. Only these files are run.\n")
    for found in resolve():
        sys.stdout.write(f"{found.group}:{found.name}:{found.version} {found.sha256}\n")
