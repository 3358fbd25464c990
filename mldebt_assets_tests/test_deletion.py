"""A deleted version's model is gone; what it was, who deleted it and why can still be asked."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mldebt_assets import pipelines
from mldebt_assets.answers.verify import verify
from mldebt_assets.approval import promote_by_hand, reject
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.model import made_before
from mldebt_assets.assets.scorer import instead_of
from mldebt_assets.automation.reconcile import clear_up
from mldebt_assets.by_hand import roll_back
from mldebt_assets.core.errors import (
    CallError,
    RefusedError,
    UnknownVersionError,
    UnreachableError,
)
from mldebt_assets.deletion import delete
from mldebt_assets.diagnosis import production
from mldebt_assets.home import Home
from mldebt_assets.jobs import retraining_job_name
from mldebt_assets.promotions import PromotionRecord, champions_of, open_deletions, way_back
from mldebt_assets.registry import MODEL_FOLDER, WEIGHTS_FILE, Registry
from mldebt_assets.replay import SILENT
from mldebt_assets.snapshots import at_storage_id
from mldebt_assets.store import SnapshotStore
from mldebt_assets_tests.command_line import mldebt
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.test_promotion_by_hand import copy, made
from mldebt_assets_tests.world import World, copy_with_remote, of

NOW = datetime.now(UTC)
ADA = {"by": "ada@depot", "now": NOW}
WHY = "trained on withdrawn rows"
NEXT = "2020-06"


@pytest.fixture
def world(promoted, tmp_path, monkeypatch):
    """A copy of it, to delete in."""
    copy_with_remote(promoted.home, tmp_path)
    shutil.copytree(promoted.landing, tmp_path / "landing")
    one = World.make(tmp_path)
    monkeypatch.setattr(pipelines, "PIPELINES", (one.pipeline,))
    yield one
    one.instance.dispose()


@pytest.fixture(scope="module")
def with_proposal(tmp_path_factory):
    """An installation whose gate only proposes: version 1 waits for a person."""
    yield from made(tmp_path_factory, "proposed", BATCHES[:3], approval=True)


@pytest.fixture
def proposed(with_proposal, tmp_path):
    copied = Home(tmp_path / "home")
    shutil.copytree(with_proposal.home.remote_url, copied.remote_url)
    yield from copy(with_proposal, tmp_path, approval=True)


def record_of(world):
    return world.platform.record("parcels")


def go_back(world):
    roll_back(*of(world), to=None, reason="too many false alarms", **ADA)


def remove(world, version=2, reason=WHY):
    return delete(*of(world), version=version, reason=reason, **ADA)


def promotion_of(world, version):
    return next(one for one in champions_of(record_of(world).facts()) if one.version == version)


def registered(world):
    return [one.version for one in world.platform.registry.versions("parcels")]


def problems(world):
    answer = verify(*of(world), world.home.root / "published")
    return {(one["what"], one["found"]) for one in answer["problems"]}


def files(world):
    """Return every file of the home and its remote that a deletion may touch."""
    kept = {"parcels.jsonl.lock", "parcels.jsonl.champion.lock"}
    home = world.home
    places = [home.root / "snapshots", home.mlflow_artifacts, home.records]
    places += [home.root / ".dvc" / "cache", Path(home.remote_url)]
    return {
        path: path.read_bytes()
        for place in places
        for path in place.rglob("*")
        if path.is_file() and path.name not in kept
    }


def state(world):
    return files(world), registered(world), world.platform.registry.champion("parcels")


def test_a_deleted_version_is_gone_from_mlflow_cache_remote_and_pointers(world):
    """Whoever must not have it any more does not have it any more."""
    go_back(world)
    body = promotion_of(world, 2).promotion.body
    run_id = world.platform.registry.version("parcels", 2).run_id
    weights = f"{world.platform.registry.artefacts_of(run_id)}/{MODEL_FOLDER}/data/{WEIGHTS_FILE}"
    assert world.platform.registry.read(weights) is not None
    done = remove(world)
    assert [one["what"] for one in done.removed] == ["model", "onnx"]
    assert done.kept == []
    assert registered(world) == [1]
    assert world.platform.registry.read(weights) is None
    for part in ("model", "onnx"):
        for place in ("cache", "remote"):
            assert world.platform.snapshots.examine(place, body[part]["md5"]) is None
        assert not (world.home.root / body[part]["pointer"]).exists()


def test_all_that_is_not_its_model_stays_byte_for_byte(world):
    """Only the model goes: the proof of what production was does not go with it."""
    go_back(world)
    before = files(world)
    body = promotion_of(world, 2).promotion.body
    run_id = world.platform.registry.version("parcels", 2).run_id
    remove(world)
    gone = {path for path, data in before.items() if files(world).get(path) != data}
    record = record_of(world).path
    assert {record} == {path for path in gone if path.exists()}
    assert record.read_bytes().startswith(before[record])
    addresses = {body[part]["md5"] for part in ("model", "onnx")}
    pointers = {world.home.root / body[part]["pointer"] for part in ("model", "onnx")}
    for path in gone - {record} - pointers:
        assert path.parent.name + path.name in addresses or f"{run_id}/artifacts/model" in str(path)
    run = world.platform.registry.client.get_run(run_id)
    assert run.data.params["rows"], "its parameters and metrics stay"


def test_the_record_says_who_deleted_what_and_why_and_the_past_still_answers(world):
    """Nothing is silently changed: an auditor asks about a version that is no longer there."""
    go_back(world)
    weights = promotion_of(world, 2).weights_sha256
    remove(world)
    deleted, done = record_of(world).facts()[-2:]
    assert (deleted.kind, deleted.body["version"], deleted.body["weights_sha256"]) == (
        "deleted", 2, weights,
    )  # fmt: skip
    assert (deleted.body["by"], deleted.body["reason"]) == ("ada@depot", WHY)
    assert (done.kind, done.body["intent"]) == ("done", deleted.sequence)
    said = mldebt("lineage", "parcels", "--version", "2", "--json")
    assert said.code == 0, said.err
    assert said.document["model"]["weights_sha256"] == weights
    told = {name: said.document["deleted"][name] for name in ("by", "reason")}
    assert told == {"by": "ada@depot", "reason": WHY}
    page = mldebt("lineage", "parcels", "--version", "2")
    assert "parcels v2  deleted, trained" in page.out
    assert WHY in page.out
    assert mldebt("lineage", "parcels", "--json").document["deleted"] is None
    told = mldebt("diff", "parcels", "1", "2", "--json")
    assert told.code == 0, told.err
    assert told.document["before"]["deleted"] is None
    assert told.document["after"]["deleted"]["reason"] == WHY
    assert "promoted, deleted" in mldebt("diff", "parcels", "1", "2").out
    assert problems(world) == set(), "production is as whole as before"


def test_what_was_deleted_cannot_come_back(world):
    """A version without bytes must not be promoted half-way."""
    go_back(world)
    remove(world)
    before = state(world)
    told = rf"v2 was deleted on \d{{4}}-\d\d-\d\d by ada@depot \({WHY}\)"
    for act in (
        lambda: roll_back(*of(world), to=2, reason="after all", **ADA),
        lambda: promote_by_hand(*of(world), version=2, reason="after all", expires=None, **ADA),
        lambda: remove(world),
    ):
        with pytest.raises(RefusedError, match=told + r"[^\n]*\nFix: "):
            act()
    assert state(world) == before
    assert instead_of(record_of(world).facts())["replaced"] is None


def test_the_same_training_makes_a_new_version_that_only_a_person_promotes(world):
    """Equal work is reused only while it is there; and the gate overrules nobody's deletion."""
    go_back(world)
    snapshot = promotion_of(world, 2).promotion.body["training_set"]["sha256"]
    weights = promotion_of(world, 2).weights_sha256
    training_key = world.platform.registry.version("parcels", 2).tags["training_key"]
    remove(world)
    assert made_before(world.pipeline, world.platform, training_key) is None
    job = world.definitions.get_repository_def().get_job(retraining_job_name(world.pipeline))
    config = {**SILENT, "ops": {"parcels__training_set": {"config": {"snapshot": snapshot}}}}
    assert job.execute_in_process(instance=world.instance, run_config=config).success
    fact = record_of(world).facts()[-1]
    assert (fact.kind, fact.body["version"], fact.body["weights_sha256"]) == ("refused", 3, weights)
    assert fact.body["reason"] == (
        f"ada@depot deleted v2, which had the very weights of v3 ({WHY}); "
        "only a person brings it back"
    )
    assert registered(world) == [1, 3], "MLflow gives no number twice"
    evaluated = at_storage_id(
        world.instance, key(world.pipeline, "evaluation"), fact.body["evaluation"]["storage_id"]
    )
    assert world.platform.snapshots.load(evaluated.snapshot)["version"] == 3
    promote_by_hand(*of(world), version=3, reason="the rows are back", expires=None, **ADA)
    assert problems(world) == set()


def test_bytes_that_something_else_stands_on_stay(world):
    """The evaluation of version 2 compares it with version 1, which scored two batches."""
    world.platform.registry.client.delete_model_version("parcels", "1")  # no way back any more
    body = promotion_of(world, 1).promotion.body
    done = remove(world, version=1)
    assert [(one["what"], one["because"]) for one in done.kept] == [
        ("model", "the scores of 2020-04 stand on it")
    ]
    assert [one["what"] for one in done.removed] == ["onnx"]
    assert world.platform.snapshots.examine("cache", body["model"]["md5"]) is not None
    world.land(NEXT)
    assert world.replay().failed == ()


def test_a_version_with_the_same_weights_keeps_its_bytes(world):
    """Two versions may have the very same weights: one address, one file."""
    go_back(world)
    tags = world.platform.registry.version("parcels", 2).tags
    run = world.platform.registry.version("parcels", 2).run_id
    world.platform.registry.client.create_model_version(
        "parcels", source="elsewhere", run_id=run, tags=dict(tags)
    )
    (kept,) = remove(world).kept
    assert (kept["what"], kept["because"]) == ("model", "v3 has the same bytes")


@pytest.mark.parametrize(
    ("version", "error", "told"),
    [
        (2, RefusedError, r"v2 is the champion, which cannot be deleted; .*\nFix: `mldebt rollb"),
        (1, RefusedError, r"v1 is the version before the champion.*\nFix: "),
        (9, UnknownVersionError, "no model version 9; there are: 1, 2"),
    ],
)
def test_what_production_stands_on_cannot_be_deleted(world, version, error, told):
    """A way back that leads nowhere is found out when it is needed."""
    before = state(world)
    with pytest.raises(error, match=told):
        remove(world, version=version)
    assert state(world) == before


def test_a_deletion_needs_a_reason(world):
    """Whoever finds it gone asks why."""
    go_back(world)
    before = state(world)
    with pytest.raises(CallError, match="The reason is empty"):
        remove(world, reason=" ")
    assert state(world) == before


def test_a_candidate_that_awaits_approval_cannot_be_deleted_before_it_is_rejected(proposed):
    """Somebody is about to decide on it."""
    before = state(proposed)
    with pytest.raises(RefusedError, match=r"v1 awaits a person's approval.*\nFix: `mldebt reject"):
        remove(proposed, version=1)
    assert state(proposed) == before
    reject(*of(proposed), version=1, reason="no", **ADA)
    assert [one["what"] for one in remove(proposed, version=1).removed] == ["model", "onnx"]


def die(*_, **__):
    raise ConnectionResetError("the process stops here")


def die_at_done(patch):
    append = PromotionRecord.append

    def append_unless_done(record, kind, *arguments, **named):
        return (die if kind == "done" else append)(record, kind, *arguments, **named)

    patch.setattr(PromotionRecord, "append", append_unless_done)


STOPS = {
    "before MLflow": lambda patch: patch.setattr(Registry, "delete", die),
    "before the bytes": lambda patch: patch.setattr(SnapshotStore, "remove", die),
    "before it is done": die_at_done,
}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
@pytest.mark.parametrize("again", ["the next start", "the next deletion"])
def test_a_deletion_killed_anywhere_is_finished(world, stop, again):
    """Half a deletion is a version that is registered and cannot be loaded."""
    go_back(world)
    addresses = [promotion_of(world, 2).promotion.body[part]["md5"] for part in ("model", "onnx")]
    with pytest.MonkeyPatch.context() as patch:
        stop(patch)
        with pytest.raises(ConnectionResetError):
            remove(world)
    assert ("record (deletion of version 2)", "begun and not finished") in problems(world)
    with pytest.raises(RefusedError, match="v2 was deleted"):
        roll_back(*of(world), to=2, reason="after all", **ADA)
    if again == "the next start":
        said = clear_up(world.instance, world.platform, [world.pipeline], NOW)
        assert said.startswith("Finished the deletion of parcels v2.")
    else:
        assert [one["what"] for one in remove(world).removed] == ["model", "onnx"]
    assert open_deletions(record_of(world).facts()) == []
    assert registered(world) == [1]
    assert [world.platform.snapshots.examine("remote", md5) for md5 in addresses] == [None, None]
    assert problems(world) == set()


def test_a_remote_that_cannot_be_reached_stops_a_deletion_before_it_begins(world):
    """A copy that stays where nobody looks is the one that leaks."""
    go_back(world)
    remote = Path(world.home.remote_url)
    before = state(world)
    remote.rename(remote.with_name("away"))
    with pytest.raises(UnreachableError, match="\nFix: "):
        remove(world)
    remote.with_name("away").rename(remote)
    assert state(world) == before


def test_a_champion_deleted_in_mlflow_is_told_with_its_fix_and_can_be_left(world):
    """On MLflow's own pages nobody is refused; its alias goes with it, without a word."""
    assert production(world.home, world.pipeline).passed
    world.platform.registry.client.delete_model_version("parcels", "2")
    said = mldebt("verify", "parcels")
    assert said.code == 1
    assert "model (version), in MLflow's tags" in said.out
    assert "  Fix: `mldebt rollback parcels` goes back" in " ".join(said.out.split("\n"))
    verdict = production(world.home, world.pipeline)
    assert not verdict.passed
    assert "MLflow no longer has parcels v2, the champion. Fix: `mldebt rollback" in verdict.reason
    go_back(world)
    assert world.platform.registry.champion("parcels") == 1
    assert problems(world) == set()


def test_a_version_before_deleted_in_mlflow_is_told_with_its_fix_and_can_be_recorded(world):
    """Else the way back is found closed on the day on which it is needed."""
    world.platform.registry.client.delete_model_version("parcels", "1")
    assert ("previous (version)", None) in problems(world)
    said = mldebt("verify", "parcels")
    assert "mldebt delete parcels --version 1" in " ".join(said.out.split())
    assert "v1, the version before it" in production(world.home, world.pipeline).reason
    remove(world, version=1, reason="gone from MLflow")
    assert [one.version for one in way_back(record_of(world).facts())] == [2]
    assert production(world.home, world.pipeline).passed
    assert problems(world) == set()


def test_the_command_says_what_was_removed_and_what_stays(world, monkeypatch):
    """The page, and the document for programs."""
    monkeypatch.setenv("MLDEBT_USER", "ada@depot")
    refused = mldebt("delete", "parcels", "--version", "2", "--reason", WHY)
    assert (refused.code, refused.out) == (1, "")
    go_back(world)
    said = mldebt("delete", "parcels", "--version", "2", "--reason", WHY, "--json")
    assert said.code == 0, said.err
    assert said.document["version"] == 2
    assert [one["what"] for one in said.document["removed"]] == ["model", "onnx"]
    again = mldebt("delete", "parcels", "--version", "2", "--reason", WHY)
    assert again.code == 1
    assert "nothing is left to delete.\nFix: " in again.err
