import socket

import pytest

from streams.broker import jars
from streams.errors import BrokerError


def test_a_jar_that_is_not_what_was_locked_is_not_run(tmp_path, monkeypatch):
    """A changed file is named and removed, so that the next start fetches it."""
    jar = jars.locked()[0]
    monkeypatch.setattr(jars, "locked", lambda: [jar])
    monkeypatch.setenv("CENTRALITA_CACHE", str(tmp_path))
    path = tmp_path / "jars" / jar.filename
    path.parent.mkdir()
    path.write_bytes(b"something else")
    with pytest.raises(BrokerError, match=jar.filename):
        jars.class_path()
    assert not path.exists()


def test_a_download_with_another_sum_is_refused(tmp_path, monkeypatch):
    """Nothing gets a jar's name in the cache before its sum was compared."""
    wrong = tmp_path / "wrong.jar"
    wrong.write_bytes(b"something else")
    monkeypatch.setattr(jars, "_download", lambda jar, scratch: wrong)
    monkeypatch.setenv("CENTRALITA_CACHE", str(tmp_path))
    with pytest.raises(BrokerError, match="not what was locked"):
        jars.class_path()
    assert not list((tmp_path / "jars").glob("*.jar"))


def test_a_download_is_tried_again(tmp_path, monkeypatch):
    """A name that cannot be resolved for a moment ends nothing; one that never can is told, with the jar."""
    tried = []

    def resolve(host, *_, **__):
        tried.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(jars, "_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(jars, "locked", lambda: jars_of_one)
    monkeypatch.setenv("CENTRALITA_CACHE", str(tmp_path))
    jars_of_one = [jars.Jar("org.slf4j", "slf4j-simple", "1.7.36", "0" * 64)]
    with pytest.raises(BrokerError, match=r"slf4j-simple-1\.7\.36\.jar.*Temporary failure"):
        jars.class_path()
    assert len(tried) >= 3
