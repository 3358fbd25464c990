"""What Prometheus scrapes is true, cheap and there whatever is missing; the rules and the dashboard
ask for what is really exported.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from mldebt_assets.home import Home
from mldebt_assets.monitoring.metrics import Exporter, exposition
from mldebt_assets.monitoring.series import FAMILIES
from mldebt_assets_tests.command_line import mldebt
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.servers import environment, free_port
from mldebt_assets_tests.world import copy_of, installation

ROOT = Path(__file__).resolve().parent.parent.parent
RULES = ROOT / "monitoring" / "alerts.yml"
RULES_TEST = ROOT / "monitoring" / "alerts_test.yml"
DASHBOARD = json.loads((ROOT / "monitoring" / "dashboard.json").read_text())
NAME = re.compile(r"\b(mldebt_[a-z_]+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|=)"([^"]*)"')
GROUPED = re.compile(r"\bby \(([^)]*)\)")
PROMTOOL = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not installed (Debian: apt-get install prometheus)",
)


@pytest.fixture(scope="module")
def world(promoted, tmp_path_factory):
    """An installation with a champion, in which the fifth batch drifted."""
    with installation(tmp_path_factory.mktemp("metrics"), like=promoted) as made:
        yield made


def exporter(world, home=None):
    checks = world.definitions.get_repository_def().asset_graph.asset_check_keys
    return Exporter(home or world.home, [world.pipeline], checks)


def read(text):
    """Return every sample of an exposition, by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(world, home=None):
    return read(exposition(exporter(world, home)))


def value(scraped, name, **labels):
    return scraped.get((name, frozenset({"pipeline": "parcels", **labels}.items())))


@pytest.fixture(scope="module")
def scraped(world):
    return scrape(world)


def state_of(folder):
    """Return every file below a folder with the digest of its bytes, but for SQLite's own."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-shm", "-wal", "-journal"))
    }


def test_the_metrics_say_what_the_record_and_the_reports_say(world, scraped):
    """A dashboard that disagrees with the record is worse than none."""
    facts = world.platform.record("parcels").facts()
    champion = world.platform.record("parcels").champion()
    asked = [fact.body["asked"] for fact in facts if fact.kind == "decision"]
    assert value(scraped, "mldebt_champion_version") == champion.version == 2
    assert value(scraped, "mldebt_champion_data_timestamp_seconds") == (
        champion.promotion.effective_at.timestamp()
    )
    assert value(scraped, "mldebt_batches") == len(BATCHES)
    assert value(scraped, "mldebt_newest_batch_data_timestamp_seconds") == (
        datetime(2020, 6, 1, tzinfo=UTC).timestamp()
    )
    assert value(scraped, "mldebt_batch_drifted") == 1
    assert value(scraped, "mldebt_drift_column_drifted", column="weight_kg") == 1
    assert value(scraped, "mldebt_drift_distance_ratio", column="weight_kg") > 0.3
    lower, point, upper = (
        value(scraped, f"mldebt_served_level{end}", metric="roc_auc")
        for end in ("_lower", "", "_upper")
    )
    assert 0.5 < lower < point < upper < 1
    assert value(scraped, "mldebt_served_cost_per_row", currency="USD") > 0
    assert value(scraped, "mldebt_retraining_decisions_total", asked="yes") == sum(asked)
    assert value(scraped, "mldebt_retraining_decisions_total", asked="no") == asked.count(False)
    assert value(scraped, "mldebt_promotions_total", act="gate") == 2
    assert value(scraped, "mldebt_runs_total", job="batch", status="success") == len(BATCHES)
    assert value(scraped, "mldebt_checks_failed", stage="drift_report", severity="warn") == 1
    assert value(scraped, "mldebt_up") == value(scraped, "mldebt_record_ok") == 1


def test_every_metric_is_described_and_named_as_prometheus_names_them(world, scraped):
    """Whoever writes a rule finds its meaning beside it, and its unit in its name."""
    text = exposition(exporter(world))
    described = dict(re.findall(r"^# HELP (\S+) (.+)$", text, re.M))
    assert set(described) == set(FAMILIES)
    nothing_replaced = {"mldebt_replaced_cost_per_row"}  # v1 served the newest batch
    assert {name for name, _ in scraped} == set(FAMILIES) - nothing_replaced
    readme = (ROOT / "README.md").read_text()
    for name in FAMILIES:
        assert re.fullmatch(r"mldebt(_[a-z]+)+", name)
        assert f"`{name}`" in readme, f"the README's table of metrics lacks {name}"


def test_a_scrape_changes_nothing_and_is_cheap(world):
    """It comes every minute, from a machine that may be anybody's."""
    one = exporter(world)
    exposition(one)
    before = state_of(world.home.root)
    started = time.process_time()
    exposition(one)
    assert time.process_time() - started < 1.0
    assert state_of(world.home.root) == before


def test_labels_do_not_grow_with_the_years(world, scraped):
    """A label a batch or a version would fill Prometheus, which keeps each for ever."""
    labels = {name for _, of in scraped for name, _ in of}
    assert labels == {label for family in FAMILIES.values() for label in family.labels}
    assert not labels & {"batch", "version", "run_id"}


def test_a_missing_home_is_a_metric(world, tmp_path):
    """The exporter is often started before `mldebt init`."""
    scraped = scrape(world, Home(tmp_path / "nowhere"))
    assert scraped[("mldebt_home_ok", frozenset())] == 0
    assert {name for name, _ in scraped} == {"mldebt_home_ok", "mldebt_scrape_duration_seconds"}
    assert not (tmp_path / "nowhere").exists()


def test_a_pipeline_without_a_champion_has_no_version(tmp_path):
    """A version 0 would look like one."""
    with installation(tmp_path) as empty:
        scraped = scrape(empty)
    assert value(scraped, "mldebt_up") == 1
    assert value(scraped, "mldebt_batches") == 0
    assert value(scraped, "mldebt_champion_version") is None
    assert value(scraped, "mldebt_trainings_total") == 0


def test_a_damaged_record_is_a_metric_and_takes_nothing_else_along(world, tmp_path):
    """The very moment in which somebody looks at the dashboard."""
    home = copy_of(world.home, tmp_path)
    record = home.records / "parcels.jsonl"
    record.write_bytes(record.read_bytes().replace(b'"kind":"done"', b'"kind":"gone"', 1))
    scraped = scrape(world, home)
    assert value(scraped, "mldebt_record_ok") == 0
    assert value(scraped, "mldebt_champion_version") is None
    assert value(scraped, "mldebt_up") == 0  # the four questions read the record too
    assert value(scraped, "mldebt_batches") == len(BATCHES)
    assert value(scraped, "mldebt_batch_drifted") == 1


def test_a_report_that_is_gone_is_said(world, tmp_path):
    """Silence would look like no drift."""
    home = copy_of(world.home, tmp_path)
    shutil.rmtree(home.root / ".dvc" / "cache")
    scraped = scrape(world, home)
    assert value(scraped, "mldebt_up") == 0
    assert value(scraped, "mldebt_batch_drifted") is None
    assert value(scraped, "mldebt_champion_version") == 2


def expressions():
    """Yield every expression of the rules and of the dashboard, with where it stands."""
    for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for annotation in DASHBOARD["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"]


@pytest.mark.parametrize(("_where", "expression"), list(expressions()))
def test_every_expression_asks_for_what_is_exported(world, scraped, _where, expression):
    """A panel without data is noticed on the night on which it is needed."""
    asked = NAME.findall(expression)
    assert asked
    for name, matchers in asked:
        assert name in FAMILIES, f"{name} is not exported"
        for label, sign, wanted in MATCHER.findall(matchers):
            assert label in FAMILIES[name].labels, f"{name} has no label {label}"
            found = {dict(of).get(label) for one, of in scraped if one == name}
            wants = set(wanted.split("|")) if sign == "=~" else {wanted}
            assert "$pipeline" in wants or wants <= found, f"{name} has no {label}={wanted}"
    labels = {label for name, _ in asked for label in FAMILIES[name].labels}
    for grouped in GROUPED.findall(expression):
        assert {label.strip() for label in grouped.split(",")} <= labels


def test_legends_name_labels_that_are_there():
    """Else every line of a panel has the same name."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            labels = {
                one for name, _ in NAME.findall(target["expr"]) for one in FAMILIES[name].labels
            }
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels


def test_the_dashboard_shows_one_pipeline_and_its_panels_do_not_overlap():
    """Somebody chooses a pipeline, and sees that one alone."""
    places = set()
    for panel in DASHBOARD["panels"]:
        assert panel["description"]
        for target in panel["targets"]:
            of_pipelines = [n for n, _ in NAME.findall(target["expr"]) if FAMILIES[n].labels]
            assert target["expr"].count('pipeline="$pipeline"') == len(of_pipelines)
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not places & cells
        places |= cells


def test_every_command_that_a_rule_names_is_there():
    """A command that does not exist costs more than none."""
    for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]:
        command = rule["annotations"]["description"].rpartition("Next: mldebt ")[2]
        assert mldebt(command.split()[0], "--help").code == 0


@PROMTOOL
def test_promtool_accepts_the_rules_and_their_tests(tmp_path):
    """Prometheus loads no rule of a file in which one is wrong."""
    for asked in (["check", "rules", RULES], ["test", "rules", RULES_TEST]):
        done = subprocess.run(["promtool", *asked], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_is_tested():
    """An alarm that nobody has heard may be silent."""
    rules = {rule["alert"] for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]}
    tests = yaml.safe_load(RULES_TEST.read_text())["tests"]
    fired = {
        one["alertname"] for test in tests for one in test["alert_rule_test"] if one["exp_alerts"]
    }
    silent = {
        one["alertname"]
        for test in tests
        for one in test["alert_rule_test"]
        if not one["exp_alerts"]
    }
    assert fired == silent == rules


@PROMTOOL
def test_promtool_finds_nothing_to_blame_in_the_exposition(world):
    """Its linter knows Prometheus's conventions better than we do."""
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=exposition(exporter(world)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_server_answers_on_this_machine_alone_and_ends_when_asked(world):
    """As a service that systemd starts and stops."""
    port = free_port()
    mldebt_program = Path(sys.executable).with_name("mldebt")
    process = subprocess.Popen(
        [mldebt_program, "metrics", "--port", str(port)],
        env={**environment(), "MLDEBT_HOME": str(world.home.root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        told = process.stdout.readline()
        assert told.startswith(f"Metrics: http://127.0.0.1:{port}/metrics"), process.stderr.read()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            assert ("mldebt_home_ok", frozenset()) in read(answer.read().decode())
        said = mldebt("metrics", "--port", str(port))
        assert said.code == 2
        assert re.search(r"^Nothing can be served on 127.0.0.1:\d+: .*\nFix: ", said.err)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.communicate()


def test_answers_are_the_checks(scraped):
    """The four questions of `mldebt status` and no others."""
    asked = {dict(of)["question"] for name, of in scraped if name == "mldebt_question_standing"}
    assert asked == {"reproducible", "input_change", "rollback", "personal_data"}
