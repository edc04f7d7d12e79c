"""Which KPIs are on which dashboard: by patterns, so that one of tomorrow finds its place, or is among the others of the queue."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from grafana.words import Text
from streams.board.metrics import exported
from streams.kpis.registry import Kpi


class Subject(NamedTuple):
    """A dashboard: the uid of its English form, its title and question, and the KPIs that it shows by queue."""

    uid: str
    title: Text
    question: Text
    patterns: tuple[str, ...]


LIVE: Final = Subject(
    "contact-center-live",
    Text("Live operations", "Operación en vivo"),
    Text("What needs somebody now?", "¿Qué pide atención ahora?"),
    ("service_level", "abandonment_rate", "average_speed_of_answer"),
)
QUEUE: Final = Subject(
    "contact-center-queue",
    Text("Queue", "Cola"),
    Text("How is one queue doing, and why?", "¿Cómo va una cola, y por qué?"),
    (
        "service_level",
        "abandonment_rate*",
        "average_speed_of_answer",
        "speed_of_answer_p*",
        "*time_to_abandon*",
        "handle_time",
    ),
)
AGENTS: Final = Subject(
    "contact-center-agents",
    Text("Agents", "Agentes"),
    Text("Who works, and how long does it take?", "¿Quién trabaja, y cuánto se tarda?"),
    ("occupancy", "handle_time", "talk_time", "hold_time*", "wrap_up_time"),
)
CHANNELS: Final = Subject(
    "contact-center-channels",
    Text("Channels and volume", "Canales y volumen"),
    Text("How much comes in, where and when?", "¿Cuánto entra, por dónde y cuándo?"),
    ("entered", "answered", "abandoned", "flowed_out", "short_abandoned"),
)
RESOLUTION: Final = Subject(
    "contact-center-resolution",
    Text("First response and resolution", "Primera respuesta y resolución"),
    Text("How soon are customers answered, and is that the end of it?", "¿Cuándo se responde, y queda resuelto?"),
    (
        "first_response*", "average_speed_of_answer", "average_first_response*", "reply*", "first_contact_resolution*", "resol*",
        "average_resolution*", "first_resolution*", "full_resolution*", "transfer_rate", "reopen*", "opened", "level*",
    ),
)  # fmt: skip
SATISFACTION: Final = Subject(
    "contact-center-satisfaction",
    Text("Satisfaction", "Satisfacción"),
    Text("What do customers say?", "¿Qué dicen los clientes?"),
    (
        "csat*",
        "nps*",
        "ces*",
        "enps*",
        "survey*",
        "complaint*",
        "applause*",
        "retention*",
        "churn*",
        "retained*",
        "lost*",
    ),
)
MONEY: Final = Subject(
    "contact-center-money",
    Text("Money", "Dinero"),
    Text("What is sold, and what does it cost?", "¿Qué se vende, y cuánto cuesta?"),
    ("sales*", "sale*", "cost*", "revenue*", "return_on*"),
)
PIPELINE: Final = Subject(
    "contact-center-pipeline",
    Text("Pipeline health", "Salud del sistema"),
    Text("Can the figures be trusted?", "¿Son fiables las cifras?"),
    (),
)
SUBJECTS: Final = (LIVE, QUEUE, AGENTS, CHANNELS, RESOLUTION, SATISFACTION, MONEY, PIPELINE)


def kpis_of(subject: Subject) -> list[Kpi]:
    """Return a dashboard's KPIs in the order of its patterns; those that the registry lacks are left out."""
    found = {kpi.id: kpi for pattern in subject.patterns for kpi in exported() if fnmatchcase(kpi.id, pattern)}
    return list(found.values())


def others() -> list[Kpi]:
    """Return the KPIs that no dashboard names."""
    named = {kpi.id for subject in SUBJECTS for kpi in kpis_of(subject)}
    return [kpi for kpi in exported() if kpi.id not in named]
