"""What a person sees who starts a second board."""

import socket

import pytest

from streams.board.api import serve
from streams.configuration import load
from streams.errors import ConfigurationError


def test_a_taken_port_is_said_in_one_sentence():
    """Not as a traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"board.port: seen {port}, which is in use"):
            serve(load(None, {"CENTRALITA_KAFKA": "127.0.0.1:1"}), None, port)
