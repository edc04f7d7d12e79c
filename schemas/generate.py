"""Write JSON Schema and AsyncAPI from the structures: ``python -m schemas.generate [--check]``.

``json/<type>.json`` is one event with all it refers to, ``json/event.json`` any event, ``json/<kind>.json`` a value of the topic
contact-center.kpis; ``asyncapi.yaml`` says what is on which topic, under which key and with which headers. ``--check`` writes
nothing and exits with 1 when a file is not what would be written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from inspect import cleandoc
from pathlib import Path
from typing import Any, get_args

import msgspec

from schemas.dead_letters import HEADER_PREFIX, HEADERS, Reason
from schemas.envelope import Envelope
from schemas.events import EVENT_TYPES, TYPE_NAMES, Event
from schemas.panes import KINDS

FOLDER = Path(__file__).parent
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REF = "#/$defs/{name}"
_COMPONENT = "#/components/schemas/{name}"
_KPI_KEYS = {
    "panes": '["panes", length, start, channel, queue, part]',
    "credits": '["credits", slot]',
    "waiting": '["waiting", channel, queue]',
    "agent": '["agent", agent_id]',
    "counters": '["counters", channel, queue]',
    "partition": '["partition"]',
    "rebuilt": '["rebuilt"]',
}
_CONTACT_KEY = "customer_id of the contact's customer, else contact_id"
_EVENT_KEYS = {
    "agent.state_changed": "agent_id",
    "customer.retained": "customer_id",
    "customer.lost": "customer_id",
    "cost.accrued": "Any that is the same when the event is sent again: the queue, else the channel, else id",
    "survey.answered": f"{_CONTACT_KEY}; of enps agent_id, else id",
}
_HEADER_MEANINGS = {
    "reason": "Why it was refused: one of a closed set.",
    "error": "What was wrong: field, value seen (unless personal), expectation.",
    "topic": "Topic on which the record was.",
    "partition": "Partition on which the record was.",
    "offset": "Offset at which the record was.",
    "timestamp": "When the broker took the record, microseconds since the epoch.",
    "version": "Version of these headers.",
    "attempt": "How many times it was refused so far.",
    "size": "Only where the value is cut to a prefix: bytes of the whole value.",
    "sha256": "Only where the value is cut to a prefix: SHA-256 of the whole value, hexadecimal.",
}


def files() -> dict[Path, bytes]:
    """Return every generated file's path and content."""
    schemas = {f"{TYPE_NAMES[kind]}.json": _schema(kind) for kind in EVENT_TYPES}
    schemas["envelope.json"] = _schema(Envelope)
    schemas["event.json"] = _schema(Event)
    schemas |= {f"{name}.json": _schema(kind) for name, kind in KINDS.items()}
    written = {FOLDER / "json" / name: _json(schema) for name, schema in schemas.items()}
    return written | {FOLDER / "asyncapi.yaml": asyncapi().encode()}


def stale() -> list[Path]:
    """Return the files that are not what would be written, those that nothing writes any more included."""
    wanted = files()
    wrong = [path for path, content in wanted.items() if not path.exists() or path.read_bytes() != content]
    return wrong + [path for path in sorted((FOLDER / "json").glob("*")) if path not in wanted]


def _schema(kind: Any) -> dict[str, Any]:
    (schema,), components = _components([kind], _REF)
    return {"$schema": _DIALECT, **schema, "$defs": components}


def _components(kinds: Iterable[Any], ref_template: str) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    """Return schemas that refer to the components beside them; descriptions are not indented, as Python 3.13 has docstrings and 3.12 has not."""
    schemas, components = msgspec.json.schema_components(kinds, ref_template=ref_template)
    for component in components.values():
        if "description" in component:
            component["description"] = cleandoc(component["description"])
    return schemas, components


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=2) + b"\n"


def asyncapi() -> str:
    """Return the AsyncAPI 3.0 document."""
    kinds = [*EVENT_TYPES, *KINDS.values()]
    _, components = _components(kinds, _COMPONENT)
    events = {TYPE_NAMES[kind]: _message(TYPE_NAMES[kind], kind, _event_key(kind)) for kind in EVENT_TYPES}
    figures = {
        name: _message(name, kind, {"type": "string", "description": _KPI_KEYS[name]}) for name, kind in KINDS.items()
    }
    messages = events | figures | {"dead-letter": _dead_letter()}
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Centralita",
            "version": "1.0.0",
            "description": "Contact-center events in, exact figures out. Topics share a configurable prefix.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "events": _channel("contact-center.events", "What happened, one event a record.", events),
            "kpis": _channel("contact-center.kpis", "Figures, compacted: the last record of a key holds.", figures),
            "dead-letters": _channel(
                "contact-center.dead-letters", "Refused records, untouched.", {"dead-letter": None}
            ),
        },
        "operations": {
            "count": _operation("receive", "events", "Events are counted."),
            "publish": _operation("send", "kpis", "Changed figures are published in the transaction that counts."),
            "refuse": _operation("send", "dead-letters", "What is no event is put aside with the reason."),
        },
        "components": {"messages": messages, "schemas": components},
    }
    return "# Generated by python -m schemas.generate\n" + "\n".join(_yaml(document)) + "\n"


def _channel(address: str, description: str, messages: Mapping[str, Any]) -> dict[str, Any]:
    refs = {name: {"$ref": f"#/components/messages/{name}"} for name in messages}
    return {"address": address, "description": description, "messages": refs}


def _operation(action: str, channel: str, summary: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}


def _message(name: str, kind: Any, key: dict[str, Any]) -> dict[str, Any]:
    (payload,), _ = _components([kind], _COMPONENT)
    (structure,) = get_args(kind) or (kind,)
    return {
        "name": name,
        "summary": (structure.__doc__ or "").strip().splitlines()[0],
        "contentType": "application/json",
        "payload": payload,
        "bindings": {"kafka": {"key": key, "bindingVersion": "0.5.0"}},
    }


def _event_key(kind: type[Event]) -> dict[str, Any]:
    return {"type": "string", "description": _EVENT_KEYS.get(TYPE_NAMES[kind], _CONTACT_KEY)}


def _dead_letter() -> dict[str, Any]:
    reasons = {"type": "string", "enum": [reason.value for reason in Reason]}
    headers = {
        HEADER_PREFIX + name: (reasons if name == "reason" else {"type": "string"})
        | {"description": _HEADER_MEANINGS[name]}
        for name in HEADERS
    }
    return {
        "name": "dead-letter",
        "summary": "A refused record, its bytes untouched.",
        "contentType": "application/octet-stream",
        "headers": {"type": "object", "properties": headers},
        "payload": {"type": "string", "format": "binary"},
        "bindings": {
            "kafka": {"key": {"type": "string", "description": "As the record had it"}, "bindingVersion": "0.5.0"}
        },
    }


def _yaml(value: Any, indent: str = "") -> list[str]:
    """Return lines of YAML. Scalars are written as JSON, which YAML includes; so nothing needs a library.

    >>> _yaml({"a": {"b": [1, "x"]}, "c": {}})
    ['"a":', '  "b":', '    - 1', '    - "x"', '"c": {}']
    """
    if isinstance(value, dict) and value:
        return [line for name, item in value.items() for line in _entry(f"{indent}{_scalar(name)}:", item, indent)]
    if isinstance(value, list) and value:
        return [line for item in value for line in _entry(f"{indent}-", item, indent)]
    return [f"{indent}{_scalar(value)}"]


def _entry(head: str, item: Any, indent: str) -> list[str]:
    nested = isinstance(item, (dict, list)) and bool(item)
    return [head, *_yaml(item, indent + "  ")] if nested else [f"{head} {_scalar(item)}"]


def _scalar(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def main(arguments: list[str]) -> int:
    """Write the files, or with ``--check`` only name those that are stale."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m schemas.generate [--check]\n")
        return 2
    wrong = stale()
    if arguments:
        sys.stderr.writelines(
            f"{path.relative_to(FOLDER.parent)} is stale: python -m schemas.generate\n" for path in wrong
        )
        return 1 if wrong else 0
    wanted = files()
    for path in wrong:
        if path in wanted:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(wanted[path])
        else:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
