"""docker-compose.yml and the Dockerfile: what they promise, and that they fit commands, settings and broker."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
import pytest
import yaml

from streams import cli
from streams.broker.server_properties import DEFAULTS
from streams.configuration import load
from streams.settings import Settings
from tests.harness.exactness import wait_until
from tests.harness.pages import page

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
ENDING = {"topics", "simulator"}
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")

each_service = pytest.mark.parametrize("name", SERVICES)
each_of_ours = pytest.mark.parametrize("name", OURS)


@each_service
def test_every_image_is_pinned(name: str) -> None:
    """To a patch version: a start next year runs the same programs."""
    assert re.search(r":v?\d+\.\d+\.\d+$", SERVICES[name]["image"])


def test_our_image_has_our_version() -> None:
    """So that an upgrade builds a new one."""
    assert {service["image"] for service in OURS.values()} == {f"centralita:{version('centralita')}"}


def test_the_base_image_is_pinned_and_used_twice() -> None:
    """Built with the Python that it runs with."""
    assert re.search(r"^ARG BASE=python:\d+\.\d+\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["${BASE}", "${BASE}"]


def test_kafka_is_the_version_that_tests_run_on() -> None:
    """The one whose jars are locked."""
    lock = (ROOT / "streams" / "broker" / "kafka.lock").read_text(encoding="utf-8")
    locked = re.search(r"^org\.apache\.kafka:kafka_2\.13:(\S+) ", lock, re.MULTILINE)
    assert locked is not None
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{locked[1]}"


@each_service
def test_nothing_is_published_beyond_this_machine(name: str) -> None:
    """And a worker publishes nothing, or a second one could not start."""
    ports = SERVICES[name].get("ports", [])
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert "network_mode" not in SERVICES[name]
    assert name != "worker" or not ports


@each_service
def test_what_runs_for_good_is_restarted_and_watched(name: str) -> None:
    """What ends is not started again: a second history of the simulator would be other calls."""
    service = SERVICES[name]
    assert service["restart"] == ("no" if name in ENDING else "unless-stopped")
    assert ("healthcheck" in service) == (name not in ENDING)


@each_service
def test_nothing_may_take_more_rights_or_the_whole_machine(name: str) -> None:
    """No capabilities, no way to gain them, a limit of memory and processor, logs that end."""
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert not {"privileged", "user", "cap_add"} & service.keys()


def test_our_image_does_not_run_as_root() -> None:
    """A number, so that Kubernetes can check it too; the last stage's user is what runs."""
    users = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE.rpartition("\nFROM ")[2], re.MULTILINE)
    assert [int(user) > 0 and int(group) > 0 for user, group in users] == [True]


@each_of_ours
def test_every_command_is_one_of_ours_with_options_that_it_has(name: str) -> None:
    """Click reads the line as it would when it starts."""
    words = ["worker", *OURS[name]["command"]] if name == "worker" else OURS[name]["command"]
    command = cli.group.get_command(click.Context(cli.group), words[0])
    assert command is not None
    command.make_context(words[0], list(words[1:]))


@each_of_ours
def test_every_variable_is_a_setting(name: str) -> None:
    """The start stops at one that is unknown; and Kafka is where Kafka says it is."""
    image = dict(re.findall(r"(CENTRALITA_\w+)=(\S+)", DOCKERFILE))
    settings = load(None, image | OURS[name]["environment"])
    assert f"PLAINTEXT://{settings.kafka.bootstrap}" in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert settings.board.host == settings.worker.host == "0.0.0.0"


def test_health_is_asked_where_it_is_served() -> None:
    """On the default ports; another one has to be written here too."""
    settings = Settings()
    assert f"127.0.0.1:{settings.worker.port}/healthz" in SERVICES["worker"]["healthcheck"]["test"][-1]
    assert f"127.0.0.1:{settings.board.port}/readyz" in SERVICES["board"]["healthcheck"]["test"][-1]
    assert SERVICES["board"]["ports"] == [f"127.0.0.1:{settings.board.port}:{settings.board.port}"]


def test_the_broker_is_configured_as_the_embedded_one() -> None:
    """Beside its addresses and where its data is."""
    places = {"LISTENERS", "ADVERTISED_LISTENERS", "LISTENER_SECURITY_PROTOCOL_MAP", "CONTROLLER_QUORUM_VOTERS"}
    places |= {"LOG_DIRS", "HEAP_OPTS"}
    given = {key.removeprefix("KAFKA_"): value for key, value in SERVICES["kafka"]["environment"].items()}
    wanted = {key.upper().replace(".", "_"): value for key, value in DEFAULTS.items()}
    assert {key: value for key, value in given.items() if key not in places} == wanted
    assert SERVICES["kafka"]["volumes"] == [f"kafka:{given['LOG_DIRS']}"]


def test_every_start_waits_for_the_topics() -> None:
    """And they for a broker that listens."""
    assert SERVICES["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    for name in OURS.keys() - {"topics"}:
        assert SERVICES[name]["depends_on"] == {"topics": {"condition": "service_completed_successfully"}}


@each_service
def test_what_is_mounted_is_there(name: str) -> None:
    """A volume that is declared, or something of the repository."""
    for mount in SERVICES[name].get("volumes", []):
        source = mount["source"] if isinstance(mount, dict) else mount.partition(":")[0]
        if source.startswith("."):
            assert (ROOT / source).exists()
        else:
            assert source in {*COMPOSE["volumes"], "${CENTRALITA_CONFIG:-/dev/null}"}


def test_an_empty_settings_file_is_one_of_defaults() -> None:
    """What is mounted where CENTRALITA_CONFIG names no file."""
    assert load(Path("/dev/null"), {}) == Settings()


def test_prometheus_has_the_jobs_that_the_rules_look_for() -> None:
    """Its configuration for containers differs from the other one in addresses only."""
    here, other = (
        yaml.safe_load((ROOT / folder / "prometheus.yml").read_text(encoding="utf-8"))
        for folder in ("compose", "prometheus")
    )
    assert [job["job_name"] for job in here["scrape_configs"]] == [job["job_name"] for job in other["scrape_configs"]]
    assert (here["global"], here["rule_files"]) == (other["global"], other["rule_files"])
    board, worker = here["scrape_configs"]
    settings = Settings()
    assert board["static_configs"] == [{"targets": [f"board:{settings.board.port}"]}]
    (found,) = worker["dns_sd_configs"]
    assert (found["names"], found["port"]) == (["worker"], settings.worker.port)


def test_grafana_is_given_the_dashboards_where_its_provisioning_looks() -> None:
    """In the version that they are generated for, with a Prometheus that is there."""
    grafana = SERVICES["grafana"]
    assert (
        grafana["image"].rpartition(":")[2].rpartition(".")[0]
        == version("grafana-foundation-sdk").partition("!")[2][:4]
    )
    mounted = dict(volume.split(":")[1::-1] for volume in grafana["volumes"])
    providers = yaml.safe_load(
        (ROOT / "grafana/provisioning/dashboards/contact-center.yml").read_text(encoding="utf-8")
    )
    homes = [Path(provider["options"]["path"]) for provider in providers["providers"]]
    homes.append(Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]))
    for inside in homes:
        outside = next(target for target in mounted if inside.is_relative_to(target))
        assert (ROOT / mounted[outside] / inside.relative_to(outside)).exists()
    assert grafana["environment"]["PROMETHEUS_URL"] == "http://prometheus:9090"


def test_the_builder_is_sent_what_the_dockerfile_copies() -> None:
    """And nothing else: no data, no secrets, no environment."""
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(?:--\S+ )*(.*) \S+$", DOCKERFILE, re.MULTILINE)
        for source in line.split()
    }
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignore
    assert {line[1:] for line in ignore if line.startswith("!")} == copied
    assert all((ROOT / source).exists() for source in copied)


# The worker's start in a container


def started(folder: Path, body: str) -> subprocess.Popen[str]:
    """Run compose/worker.sh with a `centralita` that is this script."""
    fake = folder / "centralita"
    fake.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    fake.chmod(0o755)
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    return subprocess.Popen(
        [ROOT / "compose" / "worker.sh", "--port", "1"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("code", [0, 69, 75])
def test_a_worker_that_may_be_restarted_ends_its_container(tmp_path: Path, code: int) -> None:
    """With its own code; options are handed on."""
    process = started(tmp_path, f'echo "$@"; exit {code}')
    out, _ = process.communicate(timeout=10)
    assert (process.returncode, out) == (code, "worker --port 1\n")


@pytest.mark.parametrize("code", [65, 70, 78])
def test_a_worker_that_asks_for_a_person_keeps_its_container(tmp_path: Path, code: int) -> None:
    """Else Docker would start it again; SIGTERM ends the container at once, with the worker's code."""
    process = started(tmp_path, f"exit {code}")
    assert process.stderr is not None
    assert process.stderr.readline().startswith(f"worker: ended with {code} ")
    time.sleep(0.2)
    assert process.poll() is None
    process.terminate()
    process.wait(timeout=5)
    os.killpg(process.pid, signal.SIGKILL)  # `sleep`, which a container would take with it
    process.communicate()
    assert process.returncode == code


def test_sigterm_reaches_the_worker_and_its_end_is_awaited(tmp_path: Path) -> None:
    """It commits first."""
    process = started(tmp_path, "trap 'sleep 0.3; echo committed; exit 0' TERM; echo up; while :; do sleep 0.05; done")
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.terminate()
    out, _ = process.communicate(timeout=10)
    assert (process.returncode, out) == (0, "committed\n")


def test_a_killed_worker_ends_its_container(tmp_path: Path) -> None:
    """As a failure, so that it is restarted."""
    process = started(tmp_path, "kill -9 $$")
    process.communicate(timeout=10)
    assert process.returncode == 128 + signal.SIGKILL


# With Docker


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Docker's client."""
    return subprocess.run(
        ["docker", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_compose_accepts_the_file() -> None:
    """All services, those of profiles too."""
    if shutil.which("docker") is None or docker("compose", "version").returncode:
        pytest.skip("docker compose is not installed")
    shown = docker("compose", "--profile", "*", "config", "--services")
    assert shown.returncode == 0, shown.stderr
    assert set(shown.stdout.split()) == set(SERVICES)


@pytest.mark.timeout(900)
def test_the_image_builds_and_runs() -> None:
    """As somebody who is not root, without the embedded broker's Java, on a read-only file system."""
    if shutil.which("docker") is None or docker("info").returncode:
        pytest.skip("no Docker daemon answers")
    base = re.search(r"^ARG BASE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert base is not None
    if docker("image", "inspect", base[1]).returncode and docker("pull", "--quiet", base[1]).returncode:
        pytest.skip(f"{base[1]} cannot be had here")
    tag = f"centralita-test:{uuid4().hex[:12]}"
    built = docker("build", "--network", "host", "--tag", tag, ".")
    assert built.returncode == 0, built.stderr + built.stdout
    run = ("run", "--rm", "--read-only", "--network", "none", "--cap-drop", "ALL")
    try:
        who = docker(*run, "--entrypoint", "id", tag, "-u")
        made = docker(*run, tag, "simulate", "--events", "3", "--output", "-", "--quiet")
        wrong = docker(*run, "--env", "CENTRALITA_WORKER_PROT=1", tag, "worker")
    finally:
        docker("image", "rm", tag)
    assert who.stdout == "10001\n", who.stderr
    assert len(made.stdout.splitlines()) == 3, made.stderr
    assert (wrong.returncode, "CENTRALITA_WORKER_PORT" in wrong.stderr) == (78, True), wrong.stderr


def pages() -> dict[str, str]:
    """Return the address at which each service that is published answers."""
    found = {name: service["ports"][0] for name, service in SERVICES.items() if service.get("ports")}
    return {name: "http://" + port.rpartition(":")[0] for name, port in found.items() if name != "kafka"}


def test_pages_are_where_they_are_published() -> None:
    """On the loopback interface."""
    assert pages() == {
        "board": "http://127.0.0.1:8080",
        "prometheus": "http://127.0.0.1:9090",
        "alertmanager": "http://127.0.0.1:9093",
        "grafana": "http://127.0.0.1:3000",
    }


def read(url: str) -> Any:
    """Return an answer in JSON."""
    return json.loads(page(url))


def why_no_stack() -> str | None:
    """Return why the stack cannot be brought up here."""
    if shutil.which("docker") is None or docker("compose", "version").returncode:
        return "docker compose is not installed"
    if docker("info").returncode:
        return "no Docker daemon answers"
    for port in (service["ports"][0] for service in SERVICES.values() if service.get("ports")):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", int(port.split(":")[1]))) == 0:
                return f"port {port.split(':')[1]} is taken"
    missing = [service["image"] for service in SERVICES.values() if "build" not in service]
    missing += re.findall(r"^ARG BASE=(\S+)$", DOCKERFILE, re.MULTILINE)
    for image in missing:
        if docker("image", "inspect", image).returncode and docker("pull", "--quiet", image).returncode:
            return f"{image} cannot be had here"
    return None


@pytest.mark.timeout(1200)
def test_the_whole_stack_comes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls reach the board, board and workers are scraped, Grafana has every dashboard; a kill changes no figure; nothing is left."""
    why = why_no_stack()
    if why is not None:
        pytest.skip(why)
    from testcontainers.compose import DockerCompose

    # Not the project that somebody may have running, nor its volumes.
    project = f"centralita-test-{uuid4().hex[:12]}"
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", project)
    where = pages()
    with DockerCompose(ROOT, build=True, profiles=["demo"], wait=False):
        scaled = docker("compose", "up", "--detach", "--no-build", "--no-recreate", "--scale", "worker=3", "worker")
        assert scaled.returncode == 0, scaled.stderr
        wait_until(lambda: counted(where["board"]) > 0, 300, "nothing is counted", every=2)
        wait_until(lambda: answers(f"{where['alertmanager']}/-/ready"), 120, "Alertmanager is not ready", every=2)
        query = f"{where['prometheus']}/api/v1/query?query=count(up%20==%201)"
        wait_until(
            lambda: [one["value"][1] for one in read(query)["data"]["result"]] == ["4"], 120, "not scraped", every=2
        )
        found, uids = f"{where['grafana']}/api/search?type=dash-db&limit=100", dashboards()
        wait_until(
            lambda: answers(found) and {one["uid"] for one in read(found)} == uids, 120, "no dashboards", every=2
        )
        docker("compose", "exec", "-T", "--index", "1", "worker", "sh", "-c", "kill -KILL -1")
        docker("compose", "--profile", "demo", "stop", "simulator")
        wait_until(
            lambda: (
                restarts(project, "worker") == [0, 0, 1] and read(f"{where['board']}/api/v1/status")["unprocessed"] == 0
            ),
            120,
            "the killed worker's records are not counted",
            every=2,
        )
        assert_the_board_shows_what_a_replay_counts(where["board"])
        had = volumes(project)
        assert {name.partition("_")[0] for name in had} == {project}
    assert not set(had) & set(docker("volume", "ls", "--quiet").stdout.split())


def counted(board: str) -> int:
    """Return how many events a board that is ready says are counted, 0 from others."""
    return read(f"{board}/api/v1/status")["counted"] if answers(f"{board}/readyz") else 0


def dashboards() -> set[str]:
    """Return the uids of ours."""
    return {path.stem for path in (ROOT / "grafana" / "dashboards").glob("*/*.json")}


def restarts(project: str, service: str) -> list[int]:
    """Return how often Docker has started each container of a service again."""
    labels = {"com.docker.compose.project": project, "com.docker.compose.service": service}
    filters = [word for key, value in labels.items() for word in ("--filter", f"label={key}={value}")]
    containers = docker("ps", "--all", "--quiet", *filters).stdout.split()
    return sorted(int(word) for word in docker("inspect", "--format", "{{.RestartCount}}", *containers).stdout.split())


def volumes(project: str) -> list[str]:
    """Return the names of the volumes that containers of a project have; one that only an image asks for has a number for a name."""
    containers = docker(
        "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={project}"
    ).stdout.split()
    template = '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}} {{end}}{{end}}'
    return docker("inspect", "--format", template, *containers).stdout.split() if containers else []


def assert_the_board_shows_what_a_replay_counts(board: str) -> None:
    """Compare every figure of every queue, of the simulator's two hours and since."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    until = now + timedelta(minutes=15 - now.minute % 15)
    since = f"{until - timedelta(hours=3):%Y-%m-%dT%H:%M}"
    span = ("--from", since, "--to", f"{until:%Y-%m-%dT%H:%M}")
    report = ("report", *span, "--by", "queue", "--format", "csv")
    told = docker("compose", "run", "--rm", "--no-deps", "-T", "board", *report)
    assert told.returncode == 0, told.stderr
    asked = f"{board}/api/v1/kpis?from={since}&to={span[-1]}&by=queue&format=csv"
    shown = page(asked).decode()
    assert len(shown.splitlines()) > 2
    assert sorted(shown.splitlines()) == sorted(told.stdout.splitlines())


def answers(url: str) -> bool:
    """Tell whether an address answers, and well."""
    try:
        page(url)
    except OSError:
        return False
    return True
