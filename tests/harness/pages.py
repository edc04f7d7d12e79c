"""What an address of a test's own answers."""

from __future__ import annotations

import urllib.error
import urllib.request


def page(url: str, timeout: float = 5) -> bytes:
    """Return what an address answers; raises OSError where nothing does, or an error of HTTP, closed, for Python 3.14 warns of one left open."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        error.close()
        raise
