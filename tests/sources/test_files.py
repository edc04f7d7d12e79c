"""Files are read as they come: compressed, with bad lines, in any order; and every line gets the key of its customer."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import threading
from pathlib import Path

import pytest

from schemas.events import LARGEST_EVENT
from streams.errors import InputError
from streams.sources.files import bytes_to_read, read_events

ENDED = b'{"type":"call.ended","id":"e3","time":3,"contact_id":"c1"}'
ANSWERED = b'{"type":"call.answered","id":"e2","time":2,"contact_id":"c1","agent_id":"a"}'
QUEUED = b'{"type":"call.queued","id":"e1","time":1,"contact_id":"c1","queue":"q","customer_id":"ann"}'
AGENT = b'{"type":"agent.state_changed","id":"s1","time":1,"agent_id":"a","state":"busy"}'
ALL = [ENDED, ANSWERED, QUEUED, AGENT]


def _write(path: Path, lines: list[bytes]) -> Path:
    data = b"\n".join(lines) + b"\n"
    if path.suffix == ".gz":
        data = gzip.compress(data)
    if path.suffix == ".xz":
        data = lzma.compress(data)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["e.ndjson", "e.ndjson.gz", "e.ndjson.xz"])
def test_disorder_does_not_change_the_key(tmp_path: Path, name: str) -> None:
    """Events before the one that names the customer have the customer's key all the same."""
    lines = list(read_events([_write(tmp_path / name, ALL)]))
    assert [(line.number, line.key, line.value) for line in lines] == [
        (1, b"ann", ENDED),
        (2, b"ann", ANSWERED),
        (3, b"ann", QUEUED),
        (4, b"a", AGENT),
    ]


def test_a_customer_named_in_another_file(tmp_path: Path) -> None:
    """What the second file tells holds for the first."""
    files = [_write(tmp_path / "1", [ENDED]), _write(tmp_path / "2", [QUEUED])]
    assert [(line.file, line.path, line.key) for line in read_events(files)] == [
        (0, str(files[0]), b"ann"),
        (1, str(files[1]), b"ann"),
    ]


def test_empty_lines_bad_lines_and_windows_line_ends(tmp_path: Path) -> None:
    """Numbers count every line; empty ones are left out, bad ones have no key, a byte order mark is no harm."""
    path = tmp_path / "e"
    path.write_bytes(b"\xef\xbb\xbf" + QUEUED + b"\r\n\r\nnonsense\r\n{}\n   \n" + ENDED)
    assert [(line.number, line.key) for line in read_events([path])] == [
        (1, b"ann"),
        (3, None),
        (4, None),
        (6, b"ann"),
    ]


def test_a_line_without_end_is_cut(tmp_path: Path) -> None:
    """A line longer than an event may be is given as its beginning, still too long, and the next line follows."""
    path = _write(tmp_path / "e.gz", [b"x" * (5 * LARGEST_EVENT), QUEUED])
    first, second = read_events([path])
    assert LARGEST_EVENT < len(first.value) <= LARGEST_EVENT + 2
    assert (second.number, second.value) == (2, QUEUED)


def test_from_line_leaves_out_but_still_learns(tmp_path: Path) -> None:
    """Going on from a line needs the customers of the lines before it."""
    files = [_write(tmp_path / "1", [QUEUED, ENDED]), _write(tmp_path / "2", [ANSWERED])]
    assert [(line.file, line.number, line.key) for line in read_events(files, from_line=2)] == [
        (0, 2, b"ann"),
        (1, 1, b"ann"),
    ]


def test_pseudonyms_at_the_door(tmp_path: Path) -> None:
    """With a secret no customer's id leaves, in key or value; contacts and agents stay as they are."""
    path = _write(tmp_path / "e", [*ALL, ENDED.replace(b"c1", b"anonymous")])
    lines = list(read_events([path], secret="s"))
    assert len({line.key for line in lines[:3]}) == 1
    assert not any(b"ann" in (line.key or b"") or b'"ann"' in line.value for line in lines[:4])
    assert [line.key for line in lines[3:]] == [b"a", b"anonymous"]


def test_standard_input_and_pipes_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be read twice keys by what came before."""
    data = b"\n".join([ENDED, QUEUED, ANSWERED])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    expected = [b"c1", b"ann", b"ann"]
    assert [line.key for line in read_events(["-"])] == expected
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    assert [line.key for line in read_events([pipe])] == expected
    writer.join()


def test_progress_adds_up_to_the_bytes_to_read(tmp_path: Path) -> None:
    """Both passes over the file on the disk are reported, whole."""
    paths = [_write(tmp_path / name, ALL * 3_000) for name in ("e", "e.gz", "e.xz")]
    passed: list[int] = []
    assert sum(1 for _ in read_events(paths, progress=passed.append)) == 36_000
    assert sum(passed) == bytes_to_read(paths)
    assert bytes_to_read(["-"]) is None


@pytest.mark.parametrize(
    ("name", "data"),
    [
        pytest.param("e.gz", gzip.compress(QUEUED * 5_000)[:-20], id="cut gzip"),
        pytest.param("e.gz", b"not gzip", id="no gzip"),
        pytest.param("e.xz", lzma.compress(QUEUED * 5_000)[:-20], id="cut xz"),
        pytest.param("e.xz", b"not xz", id="no xz"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, data: bytes) -> None:
    """The error says which file."""
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError, match=name):
        list(read_events([path]))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Before anything is read."""
    with pytest.raises(InputError, match="nowhere: cannot be read: No such file"):
        list(read_events([tmp_path / "nowhere"]))
