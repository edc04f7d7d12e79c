"""Commands as the processes that they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from streams.broker.topics import TopicSet


def centralita(bootstrap: str, topics: TopicSet, *words: str) -> subprocess.Popen[bytes]:
    """Start a command on these topics; what it prints is in its pipe."""
    environment = {
        "CENTRALITA_KAFKA": bootstrap,
        "CENTRALITA_KAFKA_PREFIX": topics.prefix,
        "CENTRALITA_WORKER_APPLICATION_ID": topics.prefix,
    }
    command = [str(Path(sys.executable).parent / "centralita"), *words]
    return subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.PIPE)
