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
