"""Where settings come from: a TOML file and the environment.

``--config`` names the file, else it is ``centralita.toml`` in the working folder, and a variable ``CENTRALITA_<SECTION>_<KEY>``
overrides one setting; ``CENTRALITA_KAFKA`` is the bootstrap servers. Unknown keys, unknown variables and bad values stop the start
with a message that names the key, the value seen and what was expected.

    time_zone = "Europe/Madrid"

    [defaults]
    service_level_threshold = 20

    [queues."sales"]
    service_level_target = 0.9

    [queues."sales".alarms.longest_wait]
    action = 60
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from streams.errors import ConfigurationError
from streams.kpis.registry import BY_ID
from streams.settings import (
    FROM_TARGET,
    Alarms,
    AlarmSettings,
    BoardSettings,
    KafkaSettings,
    PrivacySettings,
    QueueSettings,
    RetentionSettings,
    Settings,
    WorkerSettings,
    Zone,
    check,
    usual_alarms,
)

DEFAULT_FILE = "centralita.toml"
SECTIONS: dict[str, Any] = {
    "defaults": QueueSettings,
    "kafka": KafkaSettings,
    "worker": WorkerSettings,
    "board": BoardSettings,
    "privacy": PrivacySettings,
    "retention": RetentionSettings,
}
_MOST = 1e9
_POSSIBLE = {"ratio": (0.0, 1.0), "points": (-100.0, 100.0), "s": (0.0, _MOST), "count": (0.0, _MOST)}
"""Least and largest value of a KPI, by its unit."""
_VARIABLES = {
    f"CENTRALITA_{section}_{entry.name}".upper(): (section, entry.name)
    for section, kind in SECTIONS.items()
    for entry in fields(kind)
} | {"CENTRALITA_KAFKA": ("kafka", "bootstrap")}
_ELSEWHERE = {f"CENTRALITA_{name}" for name in ("CACHE", "CONFIG", "CRASH_AT", "LOG_LEVEL", "REALDATA", "TEST_MARK")}
"""Variables that are no settings: of the command line, of the fetched Kafka, of tests."""


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Return the settings of a file (``centralita.toml`` if there is one and none is named) and of the environment.

    Raises ConfigurationError.
    """
    table = _read(path)
    for section, key, text in _variables(environ):
        _table(table.setdefault(section, {}), section)[key] = text
    if "CENTRALITA_TIME_ZONE" in environ:
        table["time_zone"] = environ["CENTRALITA_TIME_ZONE"]
    return _settings(table)


def _read(path: Path | None) -> dict[str, Any]:
    file = path or Path(DEFAULT_FILE)
    if path is None and not file.exists():
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        message = f"{file}: cannot be read as TOML: {error}"
        raise ConfigurationError(message) from None


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield (section, key, text) of each variable that is a setting; ``CENTRALITA_KAFKA`` comes last and so wins."""
    ours = [name for name in environ if name.startswith("CENTRALITA_") and name not in _ELSEWHERE]
    for variable in sorted(ours, key=lambda name: name == "CENTRALITA_KAFKA"):
        if variable in _VARIABLES:
            yield *_VARIABLES[variable], environ[variable]
        elif variable != "CENTRALITA_TIME_ZONE" and not variable.startswith("CENTRALITA_CHAOS_"):
            near = get_close_matches(variable, [*_VARIABLES, "CENTRALITA_TIME_ZONE", *_ELSEWHERE], 1, 0.0)[0]
            message = f"{variable}: unknown variable, the nearest that there is: {near}"
            raise ConfigurationError(message)


def _settings(table: dict[str, Any]) -> Settings:
    known = {entry.name for entry in fields(Settings)}
    for key in table:
        if key not in known:
            message = f"{key}: unknown key, expected one of {', '.join(sorted(known))}"
            raise ConfigurationError(message)
    values: dict[str, Any] = {name: _section(kind, table.get(name, {}), name) for name, kind in SECTIONS.items()}
    defaults = _table(table.get("defaults", {}), "defaults")
    queues = {
        name: dict(_table(queue, f'queues."{name}"'))
        for name, queue in _table(table.get("queues", {}), "queues").items()
    }
    alarms = _alarms(table.get("alarms", {}), usual_alarms(), "alarms")
    values["alarms"] = Alarms(
        defaults=alarms,
        queues={
            name: _alarms(queue.pop("alarms"), alarms, f'queues."{name}".alarms')
            for name, queue in queues.items()
            if "alarms" in queue
        },
    )
    values["queues"] = {
        name: _section(QueueSettings, {**defaults, **queue}, f'queues."{name}"') for name, queue in queues.items()
    }
    values["time_zone"] = _value(Zone, table.get("time_zone", "UTC"), "time_zone")
    settings = Settings(**values)
    check(settings)
    _check_bounds(settings)
    return settings


def _alarms(table: Any, usual: Mapping[str, AlarmSettings], where: str) -> dict[str, AlarmSettings]:
    """Return the usual alarms with those of a table over them; one may be changed by one of its keys."""
    found = dict(usual)
    for name, alarm in _table(table, where).items():
        if name not in BY_ID:
            message = f"{where}.{name}: no KPI has this id, expected one such as {', '.join(usual_alarms())}"
            raise ConfigurationError(message)
        if BY_ID[name].unit == "money":
            message = f"{where}.{name}: an amount has a currency and a bound has none, expected a KPI that is no amount of money"
            raise ConfigurationError(message)
        known = asdict(usual[name]) if name in usual else {}
        found[name] = _section(AlarmSettings, known | _table(alarm, f"{where}.{name}"), f"{where}.{name}")
    return found


def _check_bounds(settings: Settings) -> None:
    """Check that each bound is a value that its KPI can have, and that action is not nearer than attention."""
    alarms = settings.alarms
    for name, alarm in alarms.defaults.items():
        _check_alarm(name, alarm, f"alarms.{name}")
    _check_from_target("alarms", "defaults", settings.defaults, alarms.defaults)
    for queue, policy in settings.queues.items():
        own = f'queues."{queue}"'
        for name, alarm in alarms.of(queue).items():
            _check_alarm(name, alarm, f"{own}.alarms.{name}")
        _check_from_target(f"{own}.alarms" if queue in alarms.queues else "alarms", own, policy, alarms.of(queue))


def _check_from_target(where: str, key: str, queue: QueueSettings, alarms: Mapping[str, AlarmSettings]) -> None:
    target, attention = queue.service_level_target, alarms[FROM_TARGET].attention
    if round(target + attention, 6) > 1:
        message = (
            f"{where}.{FROM_TARGET}.attention: seen {attention}, "
            f"expected a difference to {key}.service_level_target ({target}) that makes at most 1"
        )
        raise ConfigurationError(message)


def _check_alarm(name: str, alarm: AlarmSettings, where: str) -> None:
    kpi = BY_ID[name]
    least, most = (-1.0, 1.0) if name == FROM_TARGET else _POSSIBLE.get(kpi.unit, (-_MOST, _MOST))
    what = "a difference to the queue's target" if name == FROM_TARGET else f"a value of {name}"
    for key, bound in (("attention", alarm.attention), ("action", alarm.action)):
        if not least <= bound <= most:
            message = f"{where}.{key}: seen {bound}, expected {what}: at least {least:g}, at most {most:g}"
            raise ConfigurationError(message)
    higher = kpi.better == "higher"
    if alarm.attention != alarm.action and (alarm.attention < alarm.action) == higher:
        message = (
            f"{where}: seen attention {alarm.attention}, action {alarm.action}, "
            f"expected an action {'below' if higher else 'above'} attention, or the same: {kpi.better or 'lower'} is better"
        )
        raise ConfigurationError(message)


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        message = f"{where}: seen {value!r}, expected a table"
        raise ConfigurationError(message)
    return value


def _section(kind: Any, table: Any, where: str) -> Any:
    """Return a section's settings from its table."""
    types = get_type_hints(kind, include_extras=True)
    values = {}
    for key, value in _table(table, where).items():
        if key not in types:
            message = f"{where}.{key}: unknown key, expected one of {', '.join(types)}"
            raise ConfigurationError(message)
        values[key] = _value(types[key], value, f"{where}.{key}")
    try:
        return kind(**values)
    except TypeError as error:
        message = f"{where}: {error}"
        raise ConfigurationError(message) from None


def _value(kind: Any, value: Any, where: str) -> Any:
    try:
        return msgspec.convert(value, kind, strict=not isinstance(value, str))
    except msgspec.ValidationError as error:
        shown = "a value that is not shown" if "secret" in where or "password" in where else repr(value)
        message = f"{where}: seen {shown}, {_expected(kind, str(error))}"
        raise ConfigurationError(message) from None


def _expected(kind: Any, said: str) -> str:
    """Return what was expected of a value, from what msgspec says.

    >>> _expected(Literal["es", "en"], "Invalid enum value 'fr'"), _expected(int, "Expected `int`, got `str`")
    ('expected es or en', 'expected `int`, got `str`')
    """
    if get_origin(kind) is Literal:
        *others, last = map(str, get_args(kind))
        return f"expected {', '.join(others)} or {last}"
    return said[:1].lower() + said[1:]
