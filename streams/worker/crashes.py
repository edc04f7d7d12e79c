"""A hook for tests: the process kills itself at a named point. Off unless ``CENTRALITA_CRASH_AT`` is set.

``CENTRALITA_CRASH_AT=before-commit`` dies there the first time, ``before-commit:5`` the fifth time.
Points: after-produce, before-commit, after-commit, during-restore, during-rebalance, during-switch.
"""

from __future__ import annotations

import os
import signal
from itertools import count

VARIABLE = "CENTRALITA_CRASH_AT"
_point, _, _time = os.environ.get(VARIABLE, "").partition(":")
_passes = count(1)


def crash_point(name: str) -> None:
    """Die by SIGKILL when this is the point, and the time of passing it, that the variable names."""
    if name == _point and next(_passes) >= int(_time or 1):
        os.kill(os.getpid(), signal.SIGKILL)
