"""Whatever went wrong is told once, to every service that was named, and is never lost."""

from __future__ import annotations

import json
import logging
import shlex
import time
from datetime import UTC, datetime

import dagster as dg
import pytest

from mldebt_assets.assets import rollback
from mldebt_assets.assets.evidence import report
from mldebt_assets.assets.keys import key
from mldebt_assets.core import tables
from mldebt_assets.monitoring import alerts
from mldebt_assets.monitoring.alerts import tell_what_is_new
from mldebt_assets.monitoring.channels import LEAST_VARIABLE, VARIABLE
from mldebt_assets.sensors import ALERTS
from mldebt_assets_tests import sample
from mldebt_assets_tests.cli.test_contract import COMMANDS
from mldebt_assets_tests.command_line import mldebt
from mldebt_assets_tests.monitoring.listener import listening
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.world import installation

SECRET = "top-secret"  # noqa: S105 - what must be seen nowhere


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An installation where the fourth batch was refused once, and the fifth one drifts."""
    with installation(tmp_path_factory.mktemp("alerts")) as made:
        yield made


@pytest.fixture
def service(monkeypatch):
    """A service that takes alerts, and is the only one named."""
    with listening() as listener:
        monkeypatch.setenv(VARIABLE, listener.address)
        yield listener


class Daemon:
    """Evaluates the sensor as the daemon does: with the cursor that the tick before left."""

    def __init__(self, world, cursor=None):
        self.world, self.cursor = world, cursor

    def tick(self):
        result = tell_what_is_new(
            self.world.instance,
            self.world.platform,
            [self.world.pipeline],
            self.cursor,
            datetime.now(UTC),
        )
        self.cursor = result.cursor
        return result.skip_reason.skip_message

    @property
    def stand(self):
        standings = json.loads(self.cursor)["standings"]
        return [one["problem"]["about"] for one in standings if one["ended_at"] is None]


def begin(world):
    """Return a daemon that has looked at an installation once."""
    daemon = Daemon(world)
    daemon.tick()
    return daemon


@pytest.fixture(scope="module")
def year(world):
    """The cursor from before the first batch; all five are replayed by now."""
    before = begin(world).cursor
    world.land(*BATCHES[:3])
    assert world.replay().chapters[-1].champion == 1
    broken = sample.rows(BATCHES[3]).assign(weight_kg=None)
    sample.write_batch(world.landing, BATCHES[3], broken)
    assert "weight_kg" in world.replay().chapters[-1].problem
    world.land(*BATCHES[3:])
    assert world.replay().chapters[-1].drifted
    return before


def test_a_refused_batch_is_told_with_what_to_do(world, year, service):
    """With what, how much, since when, and the command to run next; and when it is over."""
    daemon = Daemon(world, year)
    said = daemon.tick()
    told = {one["title"]: one for one in service.taken}
    refused = told["parcels: over: batch 2020-04 was refused"]
    assert "weight_kg" in refused["message"]
    assert "\nSince: 20" in refused["message"]
    assert "\nOver: 20" in refused["message"]
    assert refused["type"] == "success"
    assert said.startswith(f"{len(daemon.stand)} problems stand; messages sent: {len(told)}.")


def test_a_standing_problem_says_its_next_command_and_its_page(world, year, service):
    """Who is called at night should not have to look up how to begin."""
    daemon = Daemon(world, year)
    while "refused" not in " ".join(service.titles):
        daemon.tick()
    drifted = next(one for one in service.taken if "no_drift" in one["title"])
    assert drifted["title"] == "parcels: parcels/drift_report failed its check no_drift on 2020-05"
    assert drifted["type"] == "warning"
    what, *lines = drifted["message"].splitlines()
    assert what.startswith("drift in weight_kg (D 0.")
    assert [line.split(": ")[0] for line in lines] == ["Since", "Next", "Page"]
    assert lines[1] == "Next: mldebt drift parcels --last 1"
    assert lines[2].startswith("Page: http://127.0.0.1:3000/runs/")


def test_what_was_told_is_not_told_again(world, year, service):
    """A channel that repeats itself is muted, and the next alarm with it."""
    daemon = Daemon(world, year)
    daemon.tick()
    first = service.titles
    assert first
    assert daemon.tick().endswith("messages sent: 0.")
    assert service.titles == first


def test_the_first_tick_does_not_tell_of_years_before(world, year, service):
    """Whoever switches alerts on has no use for what was long dealt with."""
    daemon = begin(world)
    assert (service.titles, daemon.stand) == ([], [])


def test_a_service_that_fails_is_told_later(world, year, service):
    """A failed delivery loses nothing, and the tick says that it failed."""
    service.status = 500
    daemon = Daemon(world, year)
    assert "json (address 1) did not take it; it is tried again." in daemon.tick()
    assert service.refused == 1  # one a tick, not one a message
    assert daemon.stand
    service.status = 200
    daemon.tick()
    assert any("no_drift" in title for title in service.titles)
    assert any("2020-04 was refused" in title for title in service.titles)


def test_a_service_that_is_down_does_not_keep_another_from_hearing(
    world, year, service, monkeypatch
):
    """Chat may be down while the pager works; and the pager is not called twice for it."""
    with listening() as gone:
        down = gone.address
    monkeypatch.setenv(VARIABLE, f"{down}, {service.address}\n{service.address}")
    daemon = Daemon(world, year)
    said = daemon.tick()
    assert "json (address 1) did not take it; it is tried again." in said
    told = service.titles
    assert len(told) == len(set(told)) > 1
    daemon.tick()
    assert service.titles == told


def test_a_service_that_never_answers_does_not_block_the_daemon(world, year, service, monkeypatch):
    """The daemon gives a tick a minute; every other sensor waits meanwhile."""
    monkeypatch.setattr("mldebt_assets.monitoring.channels.DELIVERY_SECONDS", 1.0)
    service.status = None
    started = time.monotonic()
    assert "did not take it" in Daemon(world, year).tick()
    assert time.monotonic() - started < 10


def test_an_address_that_nobody_knows_is_named_without_its_secret(
    world, year, service, monkeypatch, capfd
):
    """The tick's words are read by more people than may know the token."""
    monkeypatch.setenv(VARIABLE, f"slack://{SECRET} {service.address}")
    monkeypatch.setattr(logging, "lastResort", logging.StreamHandler())
    daemon = Daemon(world, year)
    said = daemon.tick()
    assert "Address 1 in MLDEBT_ALERTS (slack://…) is none that apprise can use.\nFix: " in said
    assert len(service.titles) > 1
    printed = capfd.readouterr()
    assert SECRET not in said + daemon.cursor + printed.out + printed.err


def test_without_an_address_nobody_is_told_and_the_first_one_hears_what_stands(
    world, year, service, monkeypatch
):
    """The sensor is on by default; whoever names an address tomorrow is told what is wrong then."""
    monkeypatch.delenv(VARIABLE)
    daemon = Daemon(world, year)
    assert daemon.tick().endswith("MLDEBT_ALERTS names no address: nobody is told.")
    monkeypatch.setenv(VARIABLE, service.address)
    daemon.tick()
    assert any("no_drift" in title for title in service.titles)
    assert not any("over" in title for title in service.titles)


def test_only_errors_are_told_where_that_is_wished(world, year, service, monkeypatch):
    """A pager is for what cannot wait."""
    monkeypatch.setenv(LEAST_VARIABLE, "error")
    Daemon(world, year).tick()
    assert service.titles == ["parcels: over: batch 2020-04 was refused"]
    monkeypatch.setenv(LEAST_VARIABLE, "fatal")
    assert "'fatal', which is no severity.\nFix: say warn or error" in Daemon(world, year).tick()


def test_every_run_is_read_however_many_ended_at_once(world, year, service, monkeypatch):
    """A daemon that was down over the holidays has a lot to read."""
    whole = Daemon(world, year)
    whole.tick()
    monkeypatch.setattr(alerts, "RUNS_A_TICK", 1)
    piecemeal = Daemon(world, year)
    for _ in range(20):
        piecemeal.tick()
    assert json.loads(piecemeal.cursor)["seen"] == json.loads(whole.cursor)["seen"]
    assert piecemeal.stand == whole.stand


def test_no_message_holds_a_value_of_a_row(world, year, service):
    """Alerts leave the house."""
    Daemon(world, year).tick()
    rows = sample.rows(BATCHES[3])
    values = {str(value) for value in rows["distance_km"]} | {str(v) for v in rows["fragile"]}
    words = {word.strip(".,;:()") for one in service.taken for word in one["message"].split()}
    assert not words & {value for value in values if len(value) > 5}


def test_every_command_that_an_alert_names_is_there(world, year, service):
    """A command that does not exist costs more than none."""
    Daemon(world, year).tick()
    found = [
        line.removeprefix("Next: ")
        for one in service.taken
        for line in one["message"].splitlines()
        if line.startswith("Next: ")
    ]
    assert found
    for command in found:
        program, name, *words = shlex.split(command)
        assert program == "mldebt"
        assert COMMANDS[name].make_context(name, words).params["pipeline"] == "parcels"


def test_a_check_that_a_person_has_shown_to_pass_is_over(world, year, service):
    """A drill by hand is an answer too, though no run has ended."""
    daemon = begin(world)
    about = f"check parcels/champion {rollback.CHECK}"
    cursor = json.loads(daemon.cursor)
    problem = {
        "about": about, "pipeline": "parcels", "severity": "warn", "state": "WARN", "what": "it",
        "how_much": "much", "since": time.time(), "command": "mldebt doctor", "page": "/runs",
    }  # fmt: skip
    cursor["standings"] = [{"problem": problem, "ended_at": None, "told": {}}]
    daemon.cursor = json.dumps(cursor)
    daemon.tick()
    assert daemon.stand == [about]
    shown = dg.AssetCheckResult(
        passed=True,
        check_name=rollback.CHECK,
        asset_key=key(world.pipeline, "champion"),
        description="shown",
    )
    report(world.instance, shown, by="ada@depot")
    daemon.tick()
    assert daemon.stand == []
    assert service.titles == ["parcels: it", "parcels: over: it"]


def test_a_damaged_record_is_told_and_stops_no_other_alert(world, year, service):
    """Nothing is decided while the record contradicts itself, so somebody must look."""
    path = world.platform.record("parcels").path
    whole = path.read_bytes()
    daemon = Daemon(world, year)
    try:
        path.write_bytes(whole.replace(b'"kind":"done"', b'"kind":"gone"', 1))
        daemon.tick()
        assert "parcels: the promotion record is damaged" in service.titles
        assert any("no_drift" in title for title in service.titles)
    finally:
        path.write_bytes(whole)
    daemon.tick()
    assert service.titles[-1] == "parcels: over: the promotion record is damaged"


def test_the_sensor_of_the_program_is_this_one(world, year, service):
    """What the daemon evaluates is what was tested here."""
    sensor = world.definitions.get_repository_def().get_sensor_def(ALERTS)
    reference = world.instance.get_ref()
    context = dg.build_sensor_context(instance=world.instance, instance_ref=reference, cursor=year)
    tick = sensor.evaluate_tick(context)
    assert "messages sent: " in tick.skip_message
    assert json.loads(tick.cursor)["standings"]


def test_a_failed_run_is_told_until_one_succeeds(world, year, service, monkeypatch):
    """The cause in a phrase; what a library says may hold a row."""
    daemon = begin(world)
    sample.write_batch(world.landing, "2020-06")

    def fail(*_, **__):
        raise TypeError("distance 17.25 of parcel 99")

    with monkeypatch.context() as patch:
        patch.setattr(tables, "parse", fail)
        for _ in range(2):  # the same cause twice is told once
            assert world.replay().chapters[-1].problem
            daemon.tick()
    [told] = service.taken
    assert told["title"] == "parcels: a run of parcels_batch 2020-06 failed"
    assert told["type"] == "failure"
    assert "failed (TypeError)" in told["message"]
    assert "17.25" not in told["message"]
    world.replay()
    daemon.tick()
    assert "parcels: over: a run of parcels_batch 2020-06 failed" in service.titles


def test_a_test_message_says_which_service_took_it(service, monkeypatch):
    """Nobody should learn by an outage that a token was mistyped."""
    said = mldebt("alert-test", "--json")
    assert (said.code, service.titles) == (0, ["mldebt: a test message"])
    assert said.document["channels"][0]["delivered"]
    with listening() as gone:
        down = gone.address
    monkeypatch.setenv(VARIABLE, f"{service.address} {down}")
    said = mldebt("alert-test")
    assert said.code == 1
    assert [line.split()[2] for line in said.out.splitlines()[1:3]] == ["took", "did"]
    assert SECRET not in said.out + said.err


@pytest.mark.parametrize(
    ("addresses", "told"),
    [
        ("", "MLDEBT_ALERTS names no address, so nobody is told of anything.\nFix: put one"),
        (f"json://{SECRET}@127.0.0.1 slack://{SECRET}", "Address 2 in MLDEBT_ALERTS (slack://…)"),
        (f"{SECRET}", "Address 1 in MLDEBT_ALERTS (?://…)"),
    ],
)
def test_an_address_that_cannot_be_used_is_a_wrong_call(monkeypatch, addresses, told):
    """And nothing is sent to the others before it is mended."""
    monkeypatch.setenv(VARIABLE, addresses)
    said = mldebt("alert-test")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(told)
    assert "\nFix: " in said.err
    assert SECRET not in said.err
