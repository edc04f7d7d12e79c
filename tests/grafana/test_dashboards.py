"""The files in grafana/: what the registry says, complete in both languages, and fit for the provisioning that loads them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml
from click.testing import CliRunner

from grafana import __main__ as command
from grafana.subjects import SUBJECTS, kpis_of
from streams.board import metrics
from streams.board.exporter import Exporter
from streams.board.parameters import asked
from streams.kpis.registry import BY
from streams.kpis.settled import BEFORE
from tests.board.rig import NOW, view_of
from tests.harness.panels import FILES, panels, queries, with_values

ROOT = Path(__file__).parents[2]
UIDS = [path.stem for path in FILES]

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def figures(path: Path) -> list[dict[str, Any]]:
    """Return the panels of a file that show figures."""
    return [panel for panel in panels(path) if panel["type"] not in {"row", "text"}]


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_the_files_are_what_the_registry_says():
    """Else: python -m grafana."""
    assert command.stale() == []


def test_old_files_are_told_and_written_anew(tmp_path, monkeypatch):
    """A changed, a missing and a superfluous one; --check changes none of them."""
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    runner = CliRunner()
    assert runner.invoke(command.main).exit_code == 0
    first, second, *_ = sorted(tmp_path.glob("*/*.json"))
    first.write_text("{}")
    second.unlink()
    (tmp_path / "en" / "gone.json").write_text("{}")
    told = runner.invoke(command.main, ["--check"])
    assert (told.exit_code, first.read_text()) == (1, "{}")
    assert all(name in told.output for name in (first.name, second.name, "gone.json", "python -m grafana"))
    assert runner.invoke(command.main).exit_code == 0
    assert command.stale() == []


@each_file
def test_the_uid_is_the_stem_of_the_file(path):
    """Links and alerts find the dashboard wherever it is loaded; Grafana's limit is 40 characters."""
    assert read(path)["uid"] == path.stem
    assert len(path.stem) <= 40


def test_both_languages_have_the_same_dashboards_and_panels():
    """The Spanish one has -es behind its uid, and no English words but those that the field uses in Spanish as well."""
    english = {path.stem: read(path) for path in FILES if path.parent.name == "en"}
    spanish = {path.stem.removesuffix("-es"): read(path) for path in FILES if path.parent.name == "es"}
    assert english.keys() == spanish.keys()
    same = set()
    for uid, made in english.items():
        here, there = made["panels"], spanish[uid]["panels"]
        assert [queries(panel) for panel in here] == [queries(panel) for panel in there]
        pairs = list(zip(words(made), words(spanish[uid]), strict=True))
        same |= {a for a, b in pairs if a == b}
    assert same == {"CSAT", "NPS", "CES", "eNPS", "Prometheus", "p50", "p99"}


def words(made: dict[str, Any]) -> list[str]:
    """Return what a person reads in a dashboard: titles, descriptions, texts, labels of choices, and names of columns and lines with words."""
    found = [made["title"], made["description"]]
    found += [choice["label"] for choice in made["templating"]["list"]]
    found += [link["title"] for link in made["links"]]
    for panel in made["panels"]:
        found += [panel[key] for key in ("title", "description") if key in panel]
        found += [panel["options"]["content"]] if panel["type"] == "text" else []
        for step in panel.get("transformations", ()):
            found += step["options"].get("renameByName", {}).values()
        legends = (re.sub(r"{{\w+}}", "", target["legendFormat"]) for target in panel.get("targets", ()))
        found += [legend for legend in legends if re.search(r"\w", legend)]
    return found


@each_file
def test_every_panel_says_what_it_shows_in_which_unit(path):
    """Its definition is its description, and nothing to show is `--`."""
    found = figures(path)
    assert found
    for panel in found:
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["fieldConfig"]["defaults"]["noValue"] == "--"
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    ids = [panel["id"] for panel in panels(path)]
    assert len(ids) == len(set(ids))
    assert 0 not in ids


def test_every_exported_kpi_has_a_panel_with_its_definition():
    """Those that no subject names are among the others of the queue."""
    english = [panel for path in FILES if path.parent.name == "en" for panel in panels(path)]
    for kpi in metrics.exported():
        series = metrics.name_of(kpi.id, kpi.unit)
        shown = [
            panel
            for panel in english
            if "description" in panel and any(re.search(rf"\b{series}\{{", query) for query in queries(panel))
        ]
        assert any(kpi.formula in panel["description"] for panel in shown), kpi.id


def test_every_series_of_the_board_is_on_a_dashboard():
    """But parts of quotients; what agents have is asked for by agent; when not to alarm is of the rules, and readiness of who starts boards."""
    shown = " ".join(query for path in FILES for panel in panels(path) for query in queries(panel))
    families = {family.name for family in Exporter(view_of(), agents=True).collect()}
    rest = {metrics.UP, metrics.MINIMUM}
    rest |= {name for name in families if re.search(r"_(numerator|denominator|by_agent)\b", name)}
    lacking = {name for name in families - rest if not re.search(rf"\b{name}(_total|_bucket)?\b", shown)}
    assert lacking == set()


def test_every_window_of_the_board_can_be_seen():
    """Chosen, or asked for in a panel; the weeks before the settled one are what its alert compares with."""
    exported = {s.labels.get("window") for made in Exporter(view_of()).collect() for s in made.samples} - {None}
    shown = " ".join(query for path in FILES for panel in panels(path) for query in queries(panel))
    assert exported - set(metrics.WINDOWS) - set(re.findall(r'window="(\w+)"', shown)) == {BEFORE}


def test_the_links_to_the_api_are_questions_that_it_answers():
    """For what Prometheus has no labels for; the board's address is asked for above."""
    linked = [path for path in FILES if path.stem.startswith("contact-center-channels")]
    for path in linked:
        (text,) = (panel["options"]["content"] for panel in panels(path) if panel["type"] == "text")
        found = re.findall(r"\]\(\$\{board:raw\}/api/v1/kpis\?([^)]+)\)", text)
        by = [asked(parse_qs(query), NOW, lambda _: "UTC").by for query in found]
        assert {"platform", "priority", "customer_type", "language"} <= set(by) <= set(BY)
        variables = {variable["name"]: variable for variable in read(path)["templating"]["list"]}
        assert variables["board"]["query"] == "http://127.0.0.1:8080"
    assert len(linked) == 2


def test_a_subject_takes_what_the_registry_has_and_not_what_it_lacks():
    """All of a family, in the order of the patterns, and each once."""
    found = [kpi.id for kpi in kpis_of(SUBJECTS[1])]
    assert found[:2] == ["service_level", "abandonment_rate"]
    assert {"speed_of_answer_p50", "speed_of_answer_p99"} <= set(found)
    assert len(found) == len(set(found))


@each_file
def test_the_bounds_of_a_figure_are_the_settings_of_its_queues(path):
    """Never a number in the file."""
    for panel in panels(path):
        assert "thresholds" not in panel.get("fieldConfig", {}).get("defaults", {})
    text = path.read_text(encoding="utf-8")
    for level in ("attention", "action"):
        assert (f'level=\\"{level}\\"' in text) == (f'"refId": "{level}"' in text)


@each_file
def test_links_lead_to_dashboards_of_the_same_language(path):
    """By uid, and the list of all by tag."""
    made = read(path)
    language = path.parent.name
    assert set(re.findall(r"/d/([\w-]+)", path.read_text(encoding="utf-8"))) <= {
        found.stem for found in FILES if found.parent.name == language
    }
    assert [link["tags"] for link in made["links"]] == [["centralita", language]]
    assert made["tags"] == ["centralita", language]


def test_every_alert_names_a_dashboard_that_is_there():
    """With variables that it has."""
    rules = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "prometheus" / "rules").glob("*.yml")))
    named = re.findall(r'^ +dashboard: "?d/([\w-]+)(?:\?(.*?))?"?$', rules, re.MULTILINE)
    assert len(named) == len(re.findall(r"^ +- alert:", rules, re.MULTILINE))
    for uid, query in named:
        made = read(next(path for path in FILES if path.stem == uid))
        variables = {variable["name"] for variable in made["templating"]["list"]}
        assert set(re.findall(r"var-(\w+)=", query)) <= variables


@pytest.mark.prometheus
def test_every_query_is_promql(promtool, tmp_path):
    """As a real Prometheus parses it; that there is data is a test with real traffic."""
    found = sorted({query for path in FILES for panel in panels(path) for query in queries(panel)})
    rules = [{"record": f"query:{number}", "expr": with_values(query)} for number, query in enumerate(found)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_provisioning_loads_a_folder_for_each_language():
    """From the data source that the first choice of every dashboard finds."""
    folder = ROOT / "grafana" / "provisioning"
    sources = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text(encoding="utf-8"))["datasources"]
    assert [(source["type"], source["isDefault"]) for source in sources] == [("prometheus", True)]
    providers = yaml.safe_load((folder / "dashboards" / "contact-center.yml").read_text(encoding="utf-8"))["providers"]
    assert {Path(provider["options"]["path"]).name for provider in providers} == {path.parent.name for path in FILES}
    assert len({provider["folderUid"] for provider in providers}) == len(providers)
