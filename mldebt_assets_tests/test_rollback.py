"""Going back moves the whole unit of an earlier promotion, or nothing; a drill moves nothing."""

import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from mldebt_assets import by_hand, pipelines
from mldebt_assets.answers.status import status_of
from mldebt_assets.assets import champion
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.promoting import alone
from mldebt_assets.assets.rollback import CHECK
from mldebt_assets.assets.training_set import choose
from mldebt_assets.automation.decisions import history_at
from mldebt_assets.automation.reconcile import finish_promotions
from mldebt_assets.automation.weekly import fresh
from mldebt_assets.by_hand import drill, roll_back, who
from mldebt_assets.core.errors import BusyError, CallError, RefusedError, UnknownVersionError
from mldebt_assets.jobs import evidence_job_name, retraining_job_name
from mldebt_assets.promotions import champions_of, open_intents, way_back
from mldebt_assets.registry import Registry
from mldebt_assets.replay import SILENT
from mldebt_assets.schedules import evidence_name
from mldebt_assets.snapshots import at_storage_id, newest
from mldebt_assets_tests import world as world_of
from mldebt_assets_tests.command_line import mldebt
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.test_reconcile import STOPS
from mldebt_assets_tests.world import of, ticked

ROOT = Path(__file__).parent.parent
NOW = datetime.now(UTC)
NEXT = "2020-06"
END = datetime(2020, 6, 1, tzinfo=UTC)
LONGEST_SECONDS = 10  # of a busy machine; benchmarks/rollback.py measures
UNIT = ("version", "weights_sha256", "model", "onnx", "evaluation", "training_set", "reference")


@pytest.fixture
def world(promoted, tmp_path):
    """A copy of it, to go back in."""
    with world_of.copied(promoted, tmp_path) as made:
        yield made


def record_of(world):
    return world.platform.record("parcels")


def go_back(world, to=None, reason="too many false alarms", now=NOW):
    return roll_back(*of(world), to=to, reason=reason, by="ada@depot", now=now)


def shown(world):
    """Return what Dagster, MLflow and the record say is in production."""
    event = newest(world.instance, key(world.pipeline, "champion"))
    return (
        event.metadata["version"],
        world.platform.registry.champion("parcels"),
        record_of(world).champion().version,
    )


def state(world):
    """Return all that a change of production would change."""
    event = newest(world.instance, key(world.pipeline, "champion"))
    return event.storage_id, shown(world), record_of(world).path.read_bytes()


def test_going_back_moves_the_whole_unit_and_says_who_and_why(world):
    """Old weights with a new threshold, or held to a new reference, are a third model."""
    facts = record_of(world).facts()
    first, second = champions_of(facts)
    assert shown(world) == (2, 2, 2)
    move = go_back(world)
    assert (move.left, move.reached, move.drill) == (2, 1, False)
    assert shown(world) == (1, 1, 1)
    promotion = record_of(world).champion().promotion
    assert {n: promotion.body[n] for n in UNIT} == {n: first.promotion.body[n] for n in UNIT}
    assert promotion.body["expected"] == first.promotion.body["expected"]
    told = {n: promotion.body[n] for n in ("by", "reason", "previous_version", "run_id")}
    assert told == {
        "by": "ada@depot", "reason": "too many false alarms",
        "previous_version": 2, "run_id": None,
    }  # fmt: skip
    assert promotion.effective_at == second.promotion.effective_at == END
    event = newest(world.instance, key(world.pipeline, "champion"))
    for stage in ("evaluation", "model", "training_set"):
        stored = first.promotion.body[stage]
        read = event.reads[f"parcels/{stage}"]
        assert read == {"": [stored["sha256"], stored["storage_id"]]}


def test_the_next_batch_is_scored_by_the_version_gone_back_to_with_its_own_reference(world):
    """Drift and performance of an old model, held to a newer one's data and level, mean nothing."""
    first = champions_of(record_of(world).facts())[0]
    go_back(world)
    world.land(NEXT)
    outcome = world.replay()
    assert outcome.failed == ()
    assert outcome.chapters[-1].scored_by == 1
    scorer = newest(world.instance, key(world.pipeline, "scorer"), NEXT)
    pinned = world.platform.snapshots.load(scorer.snapshot)
    assert pinned["weights_sha256"] == first.weights_sha256
    assert pinned["reference"] == first.reference
    assert pinned["expected"] == first.promotion.body["expected"]
    assert pinned["replaced"]["version"] == 2
    report = newest(world.instance, key(world.pipeline, "drift_report"), NEXT)
    assert report.metadata["reference"] == first.reference["hash"]
    assert outcome.chapters[-1].retrained, "the heavy parcels drift from version 1's data again"


def test_going_back_is_no_training(world):
    """The cool-down would otherwise keep the way forward shut, on the strength of no new model."""
    facts = record_of(world).facts()
    when = datetime(2020, 7, 1, tzinfo=UTC)
    batches = [features for features, _ in choose(world.instance, world.pipeline, None, refused=())]
    before = history_at(facts, when)
    go_back(world)
    after = history_at(record_of(world).facts(), when)
    assert (before.champion, after.champion) == (2, 1)
    assert after.trained_until == before.trained_until
    assert after.trained_this_week == before.trained_this_week
    assert fresh(world.instance, world.pipeline, record_of(world).facts(), batches) == 0


def test_going_back_twice_does_not_come_back_to_what_was_left(world):
    """Version 2 was left for a reason; who wants it again names it."""
    go_back(world)
    with pytest.raises(RefusedError, match=r"v1 replaced nothing[\s\S]*Fix: "):
        go_back(world)
    assert go_back(world, to=2).reached == 2
    assert [one.version for one in way_back(record_of(world).facts())] == [1, 2]
    assert shown(world) == (2, 2, 2)


@pytest.mark.parametrize(
    ("to", "error", "told"),
    [
        (2, RefusedError, "v2 is the champion already"),
        (7, UnknownVersionError, "7"),
    ],
)
def test_a_version_that_cannot_be_gone_back_to_changes_nothing(world, to, error, told):
    """A typing error must not cost production."""
    before = state(world)
    with pytest.raises(error, match=told):
        go_back(world, to=to)
    assert state(world) == before


def test_without_a_reason_nothing_is_done(world):
    """The record is read by those who were not there."""
    before = state(world)
    with pytest.raises(CallError, match="Fix: say why"):
        go_back(world, reason="  ")
    assert state(world) == before


def damage(world, snapshot):
    """Flip a bit of every stored copy of a snapshot."""
    address = snapshot["md5"]
    roots = (world.home.root / ".dvc" / "cache", world.home.root.parent / ".mldebt-remote")
    files = [f for root in roots for f in root.rglob(address[2:]) if f.parent.name == address[:2]]
    assert files
    for file in files:
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.chmod(0o644)
        file.write_bytes(bytes(data))


@pytest.mark.parametrize("part", ["model", "onnx", "evaluation", "training_set", "reference"])
def test_a_unit_with_a_damaged_part_is_refused_and_the_drill_says_so(world, part):
    """In the night on which somebody must go back is no time to find out."""
    body = champions_of(record_of(world).facts())[0].promotion.body
    stored = body[part] if part != "reference" else body["reference"]["batches"][BATCHES[0]]
    damage(world, stored)
    before = state(world)
    with pytest.raises(RefusedError, match=r"v1 cannot become champion\. The bytes of[\s\S]*Fix: "):
        go_back(world)
    with pytest.raises(RefusedError, match="v1 cannot become champion"):
        drill(*of(world), to=None, by="ada@depot")
    assert state(world) == before
    answer = question(world)
    assert answer["answer"].startswith("No way back: parcels v1 cannot become champion")
    assert answer["evidence"]["passed"] is False


def test_a_version_that_mlflow_lost_is_refused(world):
    """Somebody can delete it in MLflow's web UI, where nothing of ours is asked."""
    world.platform.registry.client.delete_model_version("parcels", "1")
    before = state(world)
    with pytest.raises(RefusedError, match="v1 cannot become champion"):
        go_back(world)
    assert state(world) == before


@pytest.mark.parametrize("gone", ["MLflow's run", "Dagster's event"])
def test_what_could_stop_it_half_way_stops_it_before(world, gone):
    """A promotion that can never be finished would stop every sensor of the pipeline."""
    promotion = champions_of(record_of(world).facts())[0].promotion
    with pytest.MonkeyPatch.context() as patch:
        if gone == "MLflow's run":
            patch.setattr(Registry, "run_tags", lambda *_: None)
        else:
            instance, lost = world.instance, promotion.body["evaluation"]["storage_id"]
            run_id = at_storage_id(instance, key(world.pipeline, "evaluation"), lost).run_id
            instance.delete_run(run_id)
        before = state(world)
        with pytest.raises(RefusedError, match=r"v1 cannot become champion\. [\s\S]*Fix: "):
            go_back(world)
    assert state(world) == before
    assert open_intents(record_of(world).facts()) == []


def question(world):
    return status_of(*of(world), datetime.now(UTC))["questions"]["rollback"]


def test_a_drill_changes_nothing_and_answers_the_question_with_its_age(world):
    """An answer nobody has rehearsed is a hope."""
    assert question(world)["evidence"] is None
    before = state(world)
    aliases = world.platform.registry.client.get_registered_model("parcels").aliases
    move = drill(*of(world), to=None, by="ada@depot")
    assert (move.left, move.reached, move.drill) == (2, 1, True)
    assert state(world) == before
    assert world.platform.registry.client.get_registered_model("parcels").aliases == aliases
    answer = question(world)
    assert answer["answer"].startswith(f"v2 to v1 in {move.seconds:.2f} s, rehearsed")
    assert answer["evidence"]["by"] == "ada@depot"
    assert (answer["evidence"]["from"], answer["evidence"]["to"]) == (2, 1)
    assert answer["evidence"]["seconds"] == move.seconds
    assert 0 <= answer["age_seconds"] < 60


def test_going_back_for_real_is_evidence_too(world):
    """Nothing shows better that it works."""
    go_back(world)
    assert "v2 to v1" in question(world)["answer"]
    assert question(world)["evidence"]["drill"] is False


def test_the_weekly_drill_is_a_check_on_the_champion(world):
    """Evidence that ages unless somebody thinks of it is no evidence."""
    repository = world.definitions.get_repository_def()
    schedule = repository.get_schedule_def(evidence_name(world.pipeline))
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert schedule.cron_schedule == "0 5 * * 0"
    (request,) = ticked(world, evidence_name(world.pipeline)).run_requests
    before = state(world)
    job = repository.get_job(evidence_job_name(world.pipeline))
    (asked,) = {one for one in request.asset_check_keys if one.name == CHECK}
    done = job.get_subset(asset_check_selection={asked}).execute_in_process(
        instance=world.instance, run_config={**SILENT, **request.run_config}, tags=request.tags
    )
    (evaluation,) = done.get_asset_check_evaluations()
    assert (evaluation.check_name, evaluation.passed) == (CHECK, True)
    assert state(world) == before
    assert question(world)["answer"].startswith("v2 to v1 in ")
    assert question(world)["evidence"]["run_id"] == done.run_id


@pytest.mark.parametrize(("patch_at", "alias", "events"), STOPS.values(), ids=STOPS)
def test_going_back_killed_anywhere_is_finished_by_the_next_start(world, patch_at, alias, events):
    """Until then the old champion serves, then the version gone back to, and never a mixture."""
    with pytest.MonkeyPatch.context() as patch:
        patch_at(patch)
        with pytest.raises(ConnectionResetError):
            go_back(world)
    assert record_of(world).champion().version == 2
    assert shown(world)[:2] == (1 if events else 2, alias or 2)
    assert finish_promotions(*of(world)) == [1]
    assert shown(world) == (1, 1, 1)
    assert open_intents(record_of(world).facts()) == []
    assert finish_promotions(*of(world)) == []


GO_BACK_AND_DIE = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from mldebt_assets.by_hand import roll_back
from mldebt_assets.promotions import PromotionRecord
from mldebt_assets.registry import Registry
from mldebt_assets.store import SnapshotStore
from mldebt_assets_tests.world import World

def die_when(owner, name, condition):
    real = getattr(owner, name)
    def deadly(*arguments, **named):
        if condition(*arguments, **named):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)
    setattr(owner, name, deadly)

MOMENTS = {
    "before the intent": (PromotionRecord, "append", lambda _, kind, *__, **___: kind == "intent"),
    "before the alias": (Registry, "set_champion", lambda *_: True),
    "before the event": (SnapshotStore, "put", lambda *_, folder, **__: "champion" in folder),
    "before it is done": (PromotionRecord, "append", lambda _, kind, *__, **___: kind == "done"),
}
die_when(*MOMENTS[sys.argv[2]])
world = World.make(Path(sys.argv[1]))
roll_back(world.instance, world.platform, world.pipeline, to=None, reason="the night shift",
          by="ada@depot", now=datetime.now(UTC))
"""


@pytest.mark.parametrize(
    ("moment", "reached"),
    [
        ("before the intent", 2),
        ("before the alias", 1),
        ("before the event", 1),
        ("before it is done", 1),
    ],
)
def test_a_kill_leaves_one_champion_and_no_lock(world, tmp_path, moment, reached):
    """The power fails when it likes; the next morning everything names one version."""
    killed = subprocess.run(
        [sys.executable, "-c", GO_BACK_AND_DIE, str(tmp_path), moment], cwd=ROOT, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert record_of(world).champion().version == 2
    finish_promotions(*of(world))
    assert shown(world) == (reached, reached, reached)
    assert go_back(world, to=3 - reached).reached == 3 - reached


def test_what_cannot_be_finished_is_undone_and_the_champion_stays(world):
    """A version that MLflow lost between intent and alias can never be the champion."""
    with pytest.MonkeyPatch.context() as patch:
        STOPS["after the intent"][0](patch)
        with pytest.raises(ConnectionResetError):
            go_back(world)
    world.platform.registry.client.delete_model_version("parcels", "1")
    assert finish_promotions(*of(world)) == []
    assert record_of(world).facts()[-1].kind == "undone"
    assert shown(world) == (2, 2, 2)


def retrain(world):
    """Train on what is there again: the very version 2, by its data, code and configuration."""
    job = world.definitions.get_repository_def().get_job(retraining_job_name(world.pipeline))
    assert job.execute_in_process(instance=world.instance, run_config=SILENT).success
    return record_of(world).facts()[-1]


def test_the_gate_does_not_bring_back_what_a_person_left(world):
    """The held-out rows say again what they said before; whoever went back knew more."""
    go_back(world)
    refusal = retrain(world)
    assert refusal.kind == "refused"
    assert refusal.body["evaluation"]["promote"], "the gate itself would"
    assert refusal.body["reason"] == (
        "ada@depot went back from v2 (too many false alarms); only a person brings it back"
    )
    assert shown(world) == (1, 1, 1)


def test_a_candidate_that_was_judged_beside_another_champion_is_refused(world, monkeypatch):
    """Somebody goes elsewhere while it is trained: its victory was over somebody else."""
    go_back(world)
    export = champion.export

    def overtaken(*arguments):
        go_back(world, to=2)
        return export(*arguments)

    monkeypatch.setattr(champion, "export", overtaken)
    refusal = retrain(world)
    assert refusal.kind == "refused"
    told = "it was judged beside v1, but by now v2 is in production"
    assert refusal.body["reason"] == told
    assert shown(world) == (2, 2, 2)


def test_a_drill_of_another_champion_says_so(world):
    """The way back that was rehearsed is not the one that would be gone."""
    drill(*of(world), to=None, by="ada@depot")
    go_back(world)
    go_back(world, to=2)
    assert not question(world)["answer"].endswith("since")
    drill(*of(world), to=None, by="ada@depot")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_hand, "report", lambda *_: None)
        go_back(world)
    assert question(world)["answer"].endswith("rehearsed; v1 came since")


def test_of_two_at_once_one_is_told_to_wait(world):
    """Two people in one night must not leave alias and record with different versions."""
    before = state(world)
    with alone(world.platform, world.pipeline):
        with pytest.raises(BusyError, match="Somebody else is changing the champion"):
            go_back(world)
        assert finish_promotions(*of(world)) == []
    assert state(world) == before


def test_who_asks_is_the_user_of_this_machine_or_the_one_named(monkeypatch):
    """A record of decisions by nobody helps nobody."""
    monkeypatch.setenv("MLDEBT_USER", "ada@depot")
    assert who() == "ada@depot"
    monkeypatch.setenv("MLDEBT_USER", "")
    user, _, host = who().partition("@")
    assert user
    assert host


@pytest.fixture
def typed(world, monkeypatch):
    """The world, with the command line pointed to it."""
    monkeypatch.setattr(pipelines, "PIPELINES", (world.pipeline,))
    monkeypatch.setenv("MLDEBT_USER", "ada@depot")
    return world


def test_the_command_goes_back_and_says_how_long_that_took(typed):
    """Under a second, once the process runs: the time is money."""
    said = mldebt("rollback", "parcels", "--reason", "misses the heavy ones", "--json")
    assert said.code == 0, said.err
    document = said.document
    assert 0 < document.pop("seconds") < LONGEST_SECONDS
    assert document == {
        "pipeline": "parcels", "from": 2, "to": 1, "reason": "misses the heavy ones",
        "by": "ada@depot", "drill": False,
    }  # fmt: skip
    assert shown(typed) == (1, 1, 1)
    page = mldebt("lineage", "parcels")
    assert page.code == 0, page.err
    assert "UTC by ada@depot" in page.out


def test_the_commands_drill_needs_no_reason_and_leaves_the_champion(typed):
    """Whoever rehearses must not fear to press the wrong key."""
    before = state(typed)
    said = mldebt("rollback", "parcels", "--drill")
    assert said.code == 0, said.err
    assert "rehearsed from v2 to v1" in said.out
    assert "v2 is still the champion" in said.out
    assert state(typed) == before


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), 2, "say why"),
        (("--reason", " "), 2, "Fix: say why"),
        (("--reason", "x", "--to", "7"), 2, "Fix: "),
        (("--reason", "x", "--to", "2"), 1, "is the champion already"),
        (("--drill", "--to", "2"), 1, "is the champion already"),
    ],
)
def test_the_exit_code_tells_a_wrong_call_from_a_refusal(typed, arguments, code, told):
    """A script that goes back by itself must know which of the two it was."""
    before = state(typed)
    said = mldebt("rollback", "parcels", *arguments)
    assert (said.code, said.out) == (code, "")
    assert told in said.err
    assert state(typed) == before


def test_what_was_gone_back_to_is_verified_like_any_other(promoted, typed):
    """Verification of a champion must not depend on who promoted it."""
    shutil.copytree(promoted.home.remote_url, typed.home.remote_url, dirs_exist_ok=True)
    go_back(typed)
    said = mldebt("verify", "parcels")
    assert said.code == 0, said.out
