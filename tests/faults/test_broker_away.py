"""Number 8 of the list, its smallest part: the broker dies while a partition is being restored."""

from __future__ import annotations

import pytest

from streams.broker.server_properties import free_port
from streams.errors import RestartError
from streams.settings import KafkaSettings, Settings
from streams.worker.store import restore


def test_fault_8_a_broker_lost_while_restoring_asks_for_a_restart():
    """Exit code 75, which supervisors restart, and not 69, which they leave alone."""
    settings = Settings(kafka=KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}"))
    with pytest.raises(RestartError, match="partition 3: cannot be restored"):
        restore(settings, 3, {"state": lambda *_: None}, lambda *_: None)
