"""Every error that Centralita raises on purpose, and the exit code that a command gives for it.

CentralitaError                  1   anything below; also "the check found something wrong"
├── ConfigurationError          78   a setting, an option or a configuration file is wrong, or a port is taken (EX_CONFIG)
├── InputError                  65   input cannot be used: a file, or all events for a minute (EX_DATAERR)
├── OutputError                 74   a file cannot be written: the disk is full, or it may not be (EX_IOERR)
├── BrokerError                 69   Kafka cannot be started, reached or used (EX_UNAVAILABLE)
│   └── TopicError              69   a topic is missing or has settings that would lose or double counts
├── StateError                  70   the kept state cannot be trusted; `centralita rebuild` makes it anew
└── RestartError                75   nothing is lost: start the process again (EX_TEMPFAIL)
    ├── FencedError             75   another worker owns the partition, or a transaction timed out
    └── StalledError            75   there was lag and no progress

A supervisor restarts a process that exits with 75 at once and one that exits with 69 after a pause, since Kafka may come back; it
leaves alone one that exits with 78, 70 or 65.
A message names the setting or field, the value seen and what was expected.
"""

import os
from typing import ClassVar


class CentralitaError(Exception):
    """The base: printed by the command line as one line, without a traceback."""

    exit_code: ClassVar[int] = 1


class ConfigurationError(CentralitaError):
    """A setting is wrong; the message names its key, its value and what is allowed."""

    exit_code = os.EX_CONFIG


class InputError(CentralitaError):
    """Something given as input cannot be read or understood."""

    exit_code = os.EX_DATAERR


class OutputError(CentralitaError):
    """What was asked for cannot be written; nothing half is left under its name."""

    exit_code = os.EX_IOERR


class BrokerError(CentralitaError):
    """Kafka does not start, does not answer or refuses what was asked."""

    exit_code = os.EX_UNAVAILABLE


class TopicError(BrokerError):
    """A topic is missing or is not as Centralita needs it."""


class StateError(CentralitaError):
    """The state behind the figures is missing or contradicts the log; counting on would be wrong."""

    exit_code = os.EX_SOFTWARE


class RestartError(CentralitaError):
    """The process has to start again; what was not committed is read again, so nothing is lost."""

    exit_code = os.EX_TEMPFAIL


class FencedError(RestartError):
    """A transaction did not go through: the partition has another owner, or its outcome is unknown."""


class StalledError(RestartError):
    """There are events to process and none was committed for too long."""
