"""The two languages of the dashboards."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from streams.kpis.registry import Kpi

Language = Literal["en", "es"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "es")


class Text(NamedTuple):
    """The same in both languages."""

    en: str
    es: str

    def to(self, language: Language) -> str:
        """Return it in one.

        >>> Text("Waiting", "En espera").to("es")
        'En espera'
        """
        return self.es if language == "es" else self.en


FOLDERS: Final = Text("Contact center", "Centro de contacto")
ATTENTION: Final = Text("attention", "atención")
ACTION: Final = Text("action", "actuar")
TARGET: Final = Text("target", "objetivo")
AS_WANTED: Final = Text("as wanted", "en objetivo")
_LEFT_OUT: Final = Text("Left out", "Sin contar")
_CREDITED: Final = Text("Credited", "Imputación")
_DEFINITION: Final = Text("Definition", "Definición")


def name(kpi: Kpi) -> Text:
    """Return a KPI's name."""
    return Text(kpi.name, kpi.name_es)


def definition(kpi: Kpi) -> Text:
    """Return a KPI's definition as a panel tells it: formula, what is left out, crediting and version."""
    formula, left_out = Text(kpi.formula, kpi.formula_es), Text(kpi.exclusions, kpi.exclusions_es)

    def told(language: Language) -> str:
        out = f"{_LEFT_OUT.to(language)}: {left_out.to(language)}. " if kpi.exclusions else ""
        return (
            f"{formula.to(language)}. {out}{_CREDITED.to(language)}: {kpi.crediting}. "
            f"{_DEFINITION.to(language)} {kpi.version}: `{kpi.id}`."
        )

    return Text(told("en"), told("es"))
