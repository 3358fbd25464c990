"""A person may approve, reject or overrule; the record says who, why and until when."""

import dataclasses
import shutil
from datetime import UTC, datetime

import pytest

from mldebt_assets import pipelines
from mldebt_assets.answers.lineage import decision_on
from mldebt_assets.approval import approve, promote_by_hand, reject
from mldebt_assets.assets.champion import time_of
from mldebt_assets.assets.keys import key
from mldebt_assets.automation.decisions import history_at
from mldebt_assets.automation.reconcile import clear_up, finish_promotions
from mldebt_assets.core.errors import CallError, RefusedError, UnknownVersionError
from mldebt_assets.definitions import define
from mldebt_assets.promotions import open_proposals
from mldebt_assets.snapshots import newest
from mldebt_assets_tests.command_line import mldebt
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.test_reconcile import STOPS
from mldebt_assets_tests.world import World, copy_of, of

NOW = datetime.now(UTC)
NEXT = "2020-06"
JULY = datetime(2020, 7, 1, tzinfo=UTC)
LATER = datetime(2020, 7, 15, tzinfo=UTC)
ADA = {"reason": "as agreed", "by": "ada@depot", "now": NOW}


def with_gate(world, **gate):
    """Point a world to the sample with another gate."""
    declared = world.pipeline
    world.pipeline = dataclasses.replace(declared, gate=dataclasses.replace(declared.gate, **gate))
    world.definitions = define([world.pipeline])
    return world


def made(tmp_path_factory, name, batches, **gate):
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("DAGSTER_HOME", "MLDEBT_HOME"):
            patch.setenv(variable, "")  # so that it is put back at the end
        world = with_gate(World.make(tmp_path_factory.mktemp(name)), **gate)
        world.land(*batches)
        world.replay()
        world.instance.dispose()
        yield world


def copy(original, tmp_path, **gate):
    copy_of(original.home, tmp_path)
    shutil.copytree(original.landing, tmp_path / "landing")
    world = with_gate(World.make(tmp_path), **gate)
    yield world
    world.instance.dispose()


@pytest.fixture(scope="module")
def with_proposal(tmp_path_factory):
    """An installation whose gate only proposes: version 1 waits for a person."""
    yield from made(tmp_path_factory, "proposed", BATCHES[:3], approval=True)


@pytest.fixture(scope="module")
def with_refusal(tmp_path_factory):
    """An installation in which version 1 is champion, and the gate has refused version 2."""
    yield from made(tmp_path_factory, "refused", BATCHES, margin=0.9)


@pytest.fixture
def proposed(with_proposal, tmp_path):
    yield from copy(with_proposal, tmp_path, approval=True)


@pytest.fixture
def refused(with_refusal, tmp_path):
    yield from copy(with_refusal, tmp_path, margin=0.9)


def record_of(world):
    return world.platform.record("parcels")


def shown(world):
    """Return what Dagster, MLflow and the record say is in production."""
    event = newest(world.instance, key(world.pipeline, "champion"))
    champion = record_of(world).champion()
    return (
        event and event.metadata["version"],
        world.platform.registry.champion("parcels"),
        champion and champion.version,
    )


def state(world):
    event = newest(world.instance, key(world.pipeline, "champion"))
    return event and event.storage_id, shown(world), record_of(world).path.read_bytes()


def test_where_a_person_approves_the_gates_yes_only_proposes(proposed):
    """Some models may not change without a name under it."""
    assert shown(proposed) == (None, None, None)
    (proposal,) = open_proposals(record_of(proposed).facts())
    assert (proposal.kind, proposal.body["version"]) == ("proposed", 1)
    outcome = proposed.replay()
    assert outcome.settled == (), "what waits for a person is not trained again"
    last = outcome.chapters[-1]
    assert (last.retrained, last.promoted, last.is_proposed) == (True, False, True)
    assert last.champion is None


def test_an_approval_promotes_and_names_the_person_beside_the_gate(proposed):
    """An auditor asks who, the data scientist asks why the gate said yes."""
    (proposal,) = open_proposals(record_of(proposed).facts())
    approve(*of(proposed), version=None, **ADA)
    assert shown(proposed) == (1, 1, 1)
    facts = record_of(proposed).facts()
    promotion = record_of(proposed).champion().promotion
    assert promotion.body["by"] == "ada@depot"
    assert promotion.body["reason"] == "as agreed"
    assert promotion.body["gate"] == proposal.body["reason"]
    assert promotion.body["approves"] == proposal.sequence
    assert promotion.body["reference"] == proposal.body["reference"]
    assert promotion.body["expected"] == proposal.body["expected"]
    assert open_proposals(facts) == []
    assert decision_on(facts, "parcels", 1) == promotion
    before = history_at(facts[: proposal.sequence], JULY)
    assert history_at(facts, JULY).trained_until == before.trained_until
    proposed.land(BATCHES[3])
    assert proposed.replay().chapters[-1].scored_by == 1


def test_a_rejection_is_final_and_nothing_is_promoted(proposed):
    """A second person must not find it still on the table."""
    reject(*of(proposed), version=1, **ADA)
    fact = record_of(proposed).facts()[-1]
    assert (fact.kind, fact.body["act"], fact.body["by"]) == ("refused", "reject", "ada@depot")
    assert shown(proposed) == (None, None, None)
    for version in (None, 1):
        with pytest.raises(RefusedError, match=r"waiting: none does\.\nFix: "):
            approve(*of(proposed), version=version, **ADA)
    assert proposed.replay().settled == ()


def test_while_a_first_candidate_waits_no_other_is_trained_before_the_cool_down_has_passed(
    proposed,
):
    """A person on holiday must not come back to a pile of candidates, one a batch."""
    declared = proposed.pipeline
    patient = dataclasses.replace(declared.retraining, cool_down_days=45)
    proposed.pipeline = dataclasses.replace(declared, retraining=patient)
    proposed.definitions = define([proposed.pipeline])
    proposed.land(BATCHES[3])
    chapter = proposed.replay().chapters[-1]
    assert not chapter.retrained
    assert chapter.reason == (
        "There is no champion yet, and 4 batches are there, but v1 awaits a person's approval "
        "since 2020-04-01, and another is trained when the data reach 45 days further: "
        "`mldebt approve` or `mldebt reject` decides on it."
    )
    proposed.land(BATCHES[4])
    assert proposed.replay().chapters[-1].retrained, "by now newer data have more to say"
    assert [p.body["version"] for p in open_proposals(record_of(proposed).facts())] == [1, 2]


def test_a_candidate_that_was_rejected_waits_no_more(proposed):
    """The next one is due at once."""
    reject(*of(proposed), version=1, **ADA)
    history = history_at(record_of(proposed).facts(), JULY)
    assert (history.waiting, history.waiting_since) == (None, None)


def test_no_decision_holds_from_before_a_proposal(proposed):
    """A training on older data would else have been champion before what was proposed earlier."""
    (proposal,) = open_proposals(record_of(proposed).facts())
    earlier = {"effective_at": "2020-02-01T00:00:00+00:00"}
    assert time_of(record_of(proposed).facts(), earlier) == proposal.effective_at


def test_a_candidate_judged_beside_another_champion_cannot_be_approved(proposed):
    """The gate said that it is better than something that is no longer there."""
    proposed.land(BATCHES[3])
    proposed.replay()
    assert [p.body["version"] for p in open_proposals(record_of(proposed).facts())] == [1, 2]
    approve(*of(proposed), version=None, **ADA)
    assert shown(proposed) == (2, 2, 2)
    before = state(proposed)
    with pytest.raises(RefusedError, match="beside no champion, but by now v2 is in production"):
        approve(*of(proposed), version=1, **ADA)
    assert state(proposed) == before


@pytest.mark.parametrize(("patch_at", "alias", "events"), STOPS.values(), ids=STOPS)
def test_an_approval_killed_anywhere_is_finished_by_the_next_start(
    proposed, patch_at, alias, events
):
    """A person's word is not lost to a laptop that is closed."""
    with pytest.MonkeyPatch.context() as patch:
        patch_at(patch)
        with pytest.raises(ConnectionResetError):
            approve(*of(proposed), version=None, **ADA)
    assert shown(proposed) == (events or None, alias, None)
    assert finish_promotions(*of(proposed)) == [1]
    assert shown(proposed) == (1, 1, 1)
    assert open_proposals(record_of(proposed).facts()) == []


def overrule(world, expires=LATER, version=2):
    return promote_by_hand(*of(world), version=version, expires=expires, **ADA)


def test_an_override_promotes_what_the_gate_refused_until_a_date(refused):
    """Whoever knows better than the gate says for how long."""
    assert shown(refused) == (1, 1, 1)
    overrule(refused)
    assert shown(refused) == (2, 2, 2)
    body = record_of(refused).champion().promotion.body
    judged = [fact for fact in record_of(refused).facts() if fact.kind == "refused"][-1]
    assert (body["overrules"], body["expires"]) == (judged.sequence, LATER.isoformat())
    assert (body["previous_version"], body["gate"]) == (1, judged.body["reason"])
    onnx = body["onnx"]
    assert refused.platform.snapshots.get(name="onnx", sha256_hex=onnx["sha256"], md5=onnx["md5"])
    page = newest(refused.instance, key(refused.pipeline, "champion")).metadata
    assert page["override until"] == LATER.isoformat()


def test_an_override_that_has_expired_gives_the_champion_before_back(refused):
    """An exception that nobody ends becomes the rule."""
    overrule(refused, expires=JULY)
    refused.land(NEXT)
    outcome = refused.replay()
    assert outcome.failed == ()
    assert outcome.chapters[-1].scored_by == 2, "its own batch is what reaches the date"
    assert shown(refused) == (1, 1, 1)
    promotion = record_of(refused).champion().promotion
    assert promotion.body["reason"] == "the override by ada@depot has expired"
    assert promotion.effective_at == JULY


def test_an_override_holds_until_its_date(refused):
    """Ended early, it would be no decision."""
    overrule(refused)
    refused.land(NEXT)
    refused.replay()
    assert shown(refused) == (2, 2, 2)


def test_an_expired_override_stays_where_the_version_before_is_damaged(refused):
    """No champion at all, or damaged bytes, would be worse than an exception that lasts."""
    overrule(refused, expires=JULY)
    refused.land(NEXT)
    refused.platform.registry.client.delete_model_version("parcels", "1")
    refused.replay()
    assert shown(refused) == (2, 2, 2)
    said = clear_up(refused.instance, refused.platform, [refused.pipeline], NOW)
    assert said.startswith("The override of parcels v2 has expired and stays: parcels v1 cannot")


@pytest.mark.parametrize(
    ("version", "expires", "error", "told"),
    [
        (2, None, CallError, r"so promoting it is an override\.\nFix: say with --expires"),
        (2, datetime(2020, 6, 1, tzinfo=UTC), CallError, "but the data reach 2020-06-01 already"),
        (7, LATER, UnknownVersionError, "7"),
        (1, LATER, RefusedError, "v1 is champion already"),
    ],
)
def test_a_promotion_that_cannot_be_changes_nothing(refused, version, expires, error, told):
    """A typing error must not cost production."""
    before = state(refused)
    with pytest.raises(error, match=told):
        overrule(refused, expires=expires, version=version)
    assert state(refused) == before


def test_the_commands_say_what_they_did(proposed, monkeypatch):
    """The page for whoever decides at a terminal."""
    monkeypatch.setattr(pipelines, "PIPELINES", (proposed.pipeline,))
    monkeypatch.setenv("MLDEBT_USER", "ada@depot")
    missing = mldebt("approve", "parcels")
    assert (missing.code, missing.out) == (2, "")
    said = mldebt("approve", "parcels", "--reason", "as agreed")
    assert (said.code, said.out) == (0, "parcels  v1 is the champion, by ada@depot\n"), said.err
    again = mldebt("reject", "parcels", "--reason", "too late")
    assert again.code == 1
    assert "waiting: none does" in again.err
    former = mldebt("promote", "parcels", "--version", "1", "--reason", "again")
    assert former.code == 1
    assert "v1 is champion already" in former.err


def test_the_command_overrules_until_a_date(refused, monkeypatch):
    """In the data's time, as everything that a replay repeats."""
    monkeypatch.setattr(pipelines, "PIPELINES", (refused.pipeline,))
    monkeypatch.setenv("MLDEBT_USER", "ada@depot")
    wanted = ("promote", "parcels", "--version", "2", "--reason", "airport")
    without = mldebt(*wanted)
    assert without.code == 2
    assert "Fix: say with --expires" in without.err
    said = mldebt(*wanted, "--expires", "2020-07-15")
    assert said.code == 0, said.err
    assert "v2 is the champion until 2020-07-15" in said.out
    assert shown(refused) == (2, 2, 2)
