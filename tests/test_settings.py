"""Settings: where they come from, what is refused, and that the refusal names the key, the value and what was expected."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from streams.configuration import load
from streams.errors import ConfigurationError
from streams.settings import AlarmSettings, Settings
from tests.harness.workers import QUICK

SECRET = "a-secret-that-nobody-may-see"


def read(folder: Path, text: str, **variables: str) -> Settings:
    """Settings of a file with this text, and of CENTRALITA_ variables."""
    path = folder / "some.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, {f"CENTRALITA_{name}": value for name, value in variables.items()})


@pytest.mark.parametrize("environ", [{}, QUICK, {"CENTRALITA_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}])
def test_the_settings_that_we_use_ourselves_are_accepted(environ: dict[str, str], tmp_path: Path):
    """The defaults, those of the tests, and what the demo hands on."""
    empty = tmp_path / "empty.toml"
    empty.touch()
    assert load(empty, environ) == Settings() or environ is QUICK


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("zone = 'UTC'", "zone: unknown key, expected one of alarms, board,"),
        ("[worker]\nprt = 1", "worker.prt: unknown key, expected one of application_id,"),
        ("[queues.sales]\nthreshold = 1", 'queues."sales".threshold: unknown key, expected one of time_zone,'),
        ("[alarms.waiting]\nat = 1", "alarms.waiting.at: unknown key, expected one of attention, action, minimum"),
        ("[alarms.weather]\nattention = 1", "alarms.weather: no KPI has this id, expected one such as"),
        ("[alarms.sales_amount]\nattention = 1", "alarms.sales_amount: an amount has a currency and a bound has none"),
        ("worker = 1", "worker: seen 1, expected a table"),
        ("queues = 'all'", "queues: seen 'all', expected a table"),
        ("[queues]\nsales = 20", 'queues."sales": seen 20, expected a table'),
        ("time_zone = 1", "time_zone: seen 1, expected `str`"),
        ("[worker]\nport = true", "worker.port: seen True, expected `int`"),
        ("[worker]\nport = 65536", "worker.port: seen 65536, expected `int` <= 65535"),
        ("[worker]\ncommit_interval = 0.009", "worker.commit_interval: seen 0.009, expected `float` >= 0.01"),
        (
            "[defaults]\nservice_level_target = 80",
            "defaults.service_level_target: seen 80, expected `float` <= ",
        ),
        ("[defaults]\nservice_level_threshold = nan", "defaults.service_level_threshold: seen nan"),
        ("[defaults]\nmaximum_wait_hours = inf", "defaults.maximum_wait_hours: seen inf"),
        (
            "[defaults]\nservice_level_formula = 'SL9'",
            "defaults.service_level_formula: seen 'SL9', expected SL1, SL2,",
        ),
        ("[kafka]\nprefix = 'a b'", "kafka.prefix: seen 'a b', expected `str` matching"),
        (
            "[defaults]\nbusiness_hours = ['mon']",
            "defaults.business_hours, holidays: seen 'mon', expected days and hours",
        ),
        ("[queues.sales]\nholidays = ['x']", "queues.\"sales\".business_hours, holidays: seen 'x', expected a date"),
        ("[alarms.occupancy]\nattention = 1", "alarms.occupancy: "),
        ('[queues."sales".alarms.weather]\naction = 1', 'queues."sales".alarms.weather: no KPI has this id'),
        ('[queues."sales".alarms]\nwaiting = 1', 'queues."sales".alarms.waiting: seen 1, expected a table'),
        ("[alarms.longest_wait]\nattention = nan", "alarms.longest_wait.attention: seen nan, expected `float`"),
        ("[alarms.longest_wait]\naction = inf", "alarms.longest_wait.action: seen inf, expected `float`"),
        (
            "[alarms.longest_wait]\nattention = -5",
            "alarms.longest_wait.attention: seen -5.0, expected a value of longest_wait: at least 0,",
        ),
        (
            "[alarms.abandonment_rate]\nattention = 5\naction = 10",
            "alarms.abandonment_rate.attention: seen 5.0, expected a value of abandonment_rate: at least 0, at most 1",
        ),
        (
            "[alarms.abandonment_rate]\nattention = 0.3",
            "alarms.abandonment_rate: seen attention 0.3, action 0.1, expected an action above attention, or the same",
        ),
        (
            "[alarms.first_contact_resolution]\nattention = 0.6\naction = 0.7",
            "alarms.first_contact_resolution: seen attention 0.6, action 0.7, expected an action below attention",
        ),
        (
            "[alarms.service_level]\nattention = -20",
            "alarms.service_level.attention: seen -20.0, expected a difference to the queue's target: at least -1, at most 1",
        ),
        (
            "[alarms.service_level]\nattention = 0.8\naction = 0.7",
            "alarms.service_level.attention: seen 0.8, expected a difference to defaults.service_level_target (0.8) that",
        ),
        (
            "[queues.sales]\nservice_level_target = 0.95\n[alarms.service_level]\nattention = 0.1",
            'expected a difference to queues."sales".service_level_target (0.95) that makes at most 1',
        ),
        *(
            (
                f"[kafka]\nbootstrap = 'a:9092, {place}'",
                f"kafka.bootstrap (CENTRALITA_KAFKA): seen '{place}', expected addresses",
            )
            for place in ("kafka", "kafka:http", ":9092", "kafka:0", "kafka:65536", "kafka:-1", "")
        ),
        ("[worker", "some.toml: cannot be read as TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, said: str):
    """Key, value, expectation."""
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        read(tmp_path, text)


def test_a_named_file_must_exist_and_the_usual_one_need_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without either, the defaults."""
    monkeypatch.chdir(tmp_path)
    assert load(None, {}) == Settings()
    with pytest.raises(ConfigurationError, match=r"other\.toml: cannot be read"):
        load(Path("other.toml"), {})
    Path("centralita.toml").write_text("time_zone = 'Europe/Madrid'", encoding="utf-8")
    assert load(None, {}).time_zone == "Europe/Madrid"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("time_zone = 'Europe/Atlantis'", "time_zone"),
        ("[defaults]\ntime_zone = '../etc/passwd'", "defaults.time_zone"),
        ("[queues.'a b']\ntime_zone = 'Europe'", 'queues."a b".time_zone'),
    ],
)
def test_zones_must_exist(tmp_path: Path, text: str, key: str):
    """Of all, of the defaults, of a queue."""
    with pytest.raises(ConfigurationError, match=f"^{re.escape(key)}: seen '.*', expected an IANA zone"):
        read(tmp_path, text)


def test_a_queue_has_the_defaults_but_for_what_it_says(tmp_path: Path):
    """And the zone of all unless the defaults or the queue have one."""
    settings = read(
        tmp_path,
        """
        time_zone = "Europe/Madrid"
        [defaults]
        service_level_threshold = 30
        service_level_target = 0.7
        [queues.sales]
        service_level_target = 0.9
        [queues.isles]
        time_zone = "Atlantic/Canary"
        """,
        DEFAULTS_SHORT_ABANDON="3",
    )
    sales, isles, other = (settings.policy.of(name) for name in ("sales", "isles", "other"))
    assert (sales.threshold, sales.target, sales.short_abandon) == (30_000_000, 0.9, 3_000_000)
    assert (isles.threshold, isles.target, isles.short_abandon) == (30_000_000, 0.7, 3_000_000)
    assert (other.target, other.time_zone) == (0.7, "Europe/Madrid")
    assert (sales.time_zone, isles.time_zone) == ("Europe/Madrid", "Atlantic/Canary")


def test_tickets_have_the_threshold_of_all_unless_it_is_said(tmp_path: Path):
    """For all queues, by a variable here, or for one."""
    text = "[defaults]\nservice_level_threshold = 30\n"
    assert read(tmp_path, text).policy.defaults.ticket_threshold == 30_000_000
    text += "[queues.letters]\nservice_level_threshold_tickets = 86400\n"
    policy = read(tmp_path, text, DEFAULTS_SERVICE_LEVEL_THRESHOLD_TICKETS="14400").policy
    assert (policy.defaults.threshold, policy.defaults.ticket_threshold) == (30_000_000, 14_400_000_000)
    assert policy.of("letters").ticket_threshold == 86_400_000_000


def test_variables_win_over_the_file(tmp_path: Path):
    """Text is read as what the setting is."""
    text = "time_zone = 'UTC'\n[kafka]\nbootstrap = 'a:1'\n[worker]\nport = 1\nhost = 'x'\n"
    settings = read(
        tmp_path, text, TIME_ZONE="Asia/Tokyo", KAFKA="b:2", WORKER_PORT="2", BOARD_AGENTS_IN_METRICS="true"
    )
    assert (settings.time_zone, settings.kafka.bootstrap, settings.worker.port) == ("Asia/Tokyo", "b:2", 2)
    assert (settings.worker.host, settings.board.agents_in_metrics) == ("x", True)


@pytest.mark.parametrize("turned", [False, True])
def test_the_short_name_of_the_bootstrap_servers_wins(turned: bool):  # noqa: FBT001
    """Whatever the order of the environment."""
    both = [("CENTRALITA_KAFKA", "short:1"), ("CENTRALITA_KAFKA_BOOTSTRAP", "long:1")]
    assert load(None, dict(both[::-1] if turned else both)).kafka.bootstrap == "short:1"


@pytest.mark.parametrize(
    ("variable", "near"),
    [
        ("CENTRALITA_WORKR_PORT", "CENTRALITA_WORKER_PORT"),
        ("CENTRALITA_WORKER_PROT", "CENTRALITA_WORKER_PORT"),
        ("CENTRALITA_TIMEZONE", "CENTRALITA_TIME_ZONE"),
        ("CENTRALITA_CUSTOMER_KEY_SECRET", "CENTRALITA_PRIVACY_CUSTOMER_KEY_SECRET"),
        ("CENTRALITA_LOGLEVEL", "CENTRALITA_LOG_LEVEL"),
        ("CENTRALITA_", "CENTRALITA_"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest(variable: str, near: str):
    """A setting that is misspelt would else be the default, without a word; its value may be a secret."""
    with pytest.raises(ConfigurationError, match=f"^{variable}: unknown variable, .*: {near}") as caught:
        load(None, {variable: SECRET})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("name", ["CACHE", "CONFIG", "CRASH_AT", "LOG_LEVEL", "REALDATA", "TEST_MARK", "CHAOS_SEED"])
def test_variables_that_are_no_settings_are_left_alone(name: str):
    """A closed list; and what is not ours is not looked at."""
    assert load(None, {f"CENTRALITA_{name}": "x", "PATH": "x", "MY_CENTRALITA_X": "x"}) == Settings()


def test_a_bad_value_of_a_variable_is_named(tmp_path: Path):
    """As the key that it is."""
    with pytest.raises(ConfigurationError, match=r"^worker\.port: seen 'many', expected `int`"):
        read(tmp_path, "", WORKER_PORT="many")
    with pytest.raises(ConfigurationError, match=r"^worker: seen 1, expected a table"):
        read(tmp_path, "worker = 1", WORKER_PORT="1")


def test_secrets_are_not_shown(tmp_path: Path):
    """Not when printed, and not when refused."""
    settings = read(tmp_path, "", PRIVACY_CUSTOMER_KEY_SECRET=SECRET, KAFKA_SASL_PASSWORD=SECRET)
    assert settings.privacy.customer_key_secret == settings.kafka.sasl_password == SECRET
    assert SECRET not in repr(settings)
    for section, key in (("privacy", "customer_key_secret"), ("kafka", "sasl_password")):
        with pytest.raises(ConfigurationError, match="a value that is not shown") as caught:
            read(tmp_path, f"[{section}]\n{key} = ['{SECRET}']")
        assert SECRET not in str(caught.value)


def test_an_alarm_is_changed_by_one_of_its_keys(tmp_path: Path):
    """The other keys and the other alarms stay; a KPI without an alarm gets one."""
    settings = read(tmp_path, "[alarms.waiting]\naction = 20\n[alarms.occupancy]\nattention = 0.8\naction = 0.9")
    expected = Settings().alarms.defaults | {
        "waiting": AlarmSettings(attention=5, action=20, minimum=0),
        "occupancy": AlarmSettings(attention=0.8, action=0.9),
    }
    assert {name: asdict(alarm) for name, alarm in settings.alarms.defaults.items()} == {
        name: asdict(alarm) for name, alarm in expected.items()
    }


def test_a_queue_has_alarms_of_its_own_over_those_of_all(tmp_path: Path):
    """Of one key of one alarm; the rest is what all queues have, and other queues and the total have only that."""
    text = '[alarms.longest_wait]\nattention = 50\n[queues."sales"]\nshort_abandon = 4\n'
    text += '[queues."sales".alarms.longest_wait]\naction = 70\n[queues.other]'
    settings = read(tmp_path, text)
    assert settings.queues["sales"].short_abandon == 4
    alarms = settings.alarms
    assert alarms.of("sales") == alarms.defaults | {
        "longest_wait": AlarmSettings(attention=50, action=70, minimum=0),
    }
    assert alarms.of("other") == alarms.of("seen") == alarms.of(None) == alarms.defaults
    assert alarms.defaults["longest_wait"] == AlarmSettings(attention=50, action=180, minimum=0)


@pytest.mark.parametrize(
    "times",
    [
        {"commit_interval": "20"},
        {"transaction_timeout": "30"},
        {"session_timeout": "61"},
        {"progress_timeout": "29"},
    ],
    ids=lambda times: next(iter(times)),
)
def test_the_times_of_the_worker_have_an_order(times: dict[str, str]):
    """Commit, transaction, session, progress."""
    with pytest.raises(ConfigurationError, match="^worker: seen commit_interval .*, expected each smaller"):
        load(None, {f"CENTRALITA_WORKER_{name.upper()}": value for name, value in times.items()})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[retention]\nbreakdown_days = 2.9", "expected at least 3: a day more than lateness_hours"),
        ("[retention]\nlateness_hours = 169", "expected at least 8.04167: a day more than lateness_hours"),
        ("[retention]\nsliding_hours = 1.08", "retention.sliding_hours: seen 1.08, expected at least 65 minutes"),
        ("[retention]\nbreakdown_days = 36", "expected none larger than the next"),
        ("[retention]\nday_days = 34", "day_days 34.0, expected none larger than the next"),
        (
            "[defaults]\nfirst_contact_resolution_days = 1128.5",
            "defaults.first_contact_resolution_days: seen 1128.5, expected at most 1128: ",
        ),
        (
            "[queues.sales]\nfirst_contact_resolution_days = 2000",
            'queues."sales".first_contact_resolution_days: seen 2000.0, expected at most 1128: ',
        ),
    ],
)
def test_panes_live_as_long_as_a_figure_needs_them(tmp_path: Path, text: str, said: str):
    """Else figures would be too small, without a word."""
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        read(tmp_path, text)


def test_the_limits_themselves_are_accepted(tmp_path: Path):
    """A window longer than the breakdowns live is by design: only the day is corrected then."""
    read(tmp_path, "[defaults]\nfirst_contact_resolution_days = 398\n[retention]\nsliding_hours = 1.0834")
    read(tmp_path, "[retention]\nbreakdown_days = 35\nday_days = 35")
