"""A model that was trained elsewhere is adopted, serves, is replaced and gone back to: all said."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mldebt_assets import adoption, definitions, pipelines
from mldebt_assets.adoption import Offer, adopt
from mldebt_assets.answers.diff import diff_of
from mldebt_assets.answers.retraining import retraining_of
from mldebt_assets.answers.status import status_of
from mldebt_assets.answers.story import chapters
from mldebt_assets.answers.verify import verify
from mldebt_assets.approval import promote_by_hand
from mldebt_assets.assets import promoting
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.membership import audited
from mldebt_assets.by_hand import roll_back
from mldebt_assets.core.errors import RefusedError
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.papers.dossier import gather
from mldebt_assets.papers.model_card import model_card
from mldebt_assets.papers.page import to_markdown
from mldebt_assets.snapshots import newest
from mldebt_assets_tests.command_line import mldebt
from mldebt_assets_tests.sample import BATCHES, onnx_file
from mldebt_assets_tests.world import installation, of

SAID = "parcels of 2019, from the old depot"


def offer(**others):
    return Offer(name="old.onnx", data=onnx_file(), trained_on=SAID, **others)


def adopted(world, offered):
    now = datetime.now(UTC)
    return adopt(*of(world), offered, reason="it serves already", by="ada@depot", now=now)


def killed(*_, **__):
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """January is in, the model is adopted at the third attempt, and February is scored by it."""
    with (
        installation(tmp_path_factory.mktemp("adoption")) as made,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(pipelines, "PIPELINES", (made.pipeline,))
        patch.setattr(definitions, "defs", made.definitions)
        patch.setenv("MLDEBT_USER", "ada@depot")
        made.land(BATCHES[0])
        made.replay()
        for module, step in ((adoption.Adoption, "model_event"), (promoting, "materialize")):
            with pytest.MonkeyPatch.context() as kill, pytest.raises(KeyboardInterrupt):
                kill.setattr(module, step, killed)
                adopted(made, offer())
        file = made.home.root / "old.onnx"
        file.write_bytes(onnx_file())
        asked = ["adopt", "parcels", "--model", str(file), "--reason", "it serves already"]
        made.said = mldebt(*asked, "--trained-on", SAID, "--json")
        made.land(BATCHES[1])
        made.replay()
        yield made


def test_it_is_the_first_champion_and_scores_what_comes(world):
    """Its scores are those of the very file."""
    assert world.said.code == 0, world.said.err
    assert world.said.document["sha256"] == sha256(onnx_file())
    first, second = chapters(*of(world))
    assert (first.scored_by, second.scored_by) == (None, 1)
    assert second.metrics["roc_auc"] > 0.8
    assert not second.retrained


def test_every_answer_says_that_lineage_begins_at_its_adoption(world):
    """Whoever asks must not be told of a training that nobody here has seen."""
    name, adopted_by_ada = "parcels", "by ada@depot"
    answer = mldebt("lineage", name, "--json").document
    assert answer["model"]["adopted"]["trained_on"] == SAID
    assert answer["model"]["trained_at"] is None
    assert answer["training_set"] == {"hash": None, "rows": None, "batches": []}
    questions = status_of(*of(world), datetime.now(UTC))["questions"]
    for asked in ("reproducible", "personal_data"):
        said = questions[asked]["answer"]
        assert said.startswith("unknown: adopted on ")
        assert adopted_by_ada in said
        assert SAID in said
    assert retraining_of(*of(world))["champion"]["learned_until"] is None
    remade = mldebt("reproduce", name, "--json")
    assert (remade.code, remade.document["verdict"]) == (1, "cannot be reproduced")
    assert "nothing is known of how it was made" in remade.document["stopped"]
    with pytest.raises(RefusedError, match="which rows it has learned from is not known"):
        audited(*of(world), "tests")
    page = newest(world.instance, key(world.pipeline, "champion"))
    assert "Lineage begins there" in page.metadata["in production"]
    model = newest(world.instance, key(world.pipeline, "model"))
    assert model.reads == {}
    assert model.metadata["result"].endswith("Lineage begins here")
    champion = world.platform.record(name).champion()
    card = to_markdown(model_card(gather(*of(world), champion)))
    assert "Its lineage begins there" in card
    assert "feed-forward" not in card
    written = mldebt("papers", name, "--out", str(world.home.root / "papers.zip"))
    assert written.code == 0, written.err
    for asked in (["lineage"], ["status"], ["reproduce"], ["retraining"], ["verify"], ["drift"]):
        shown = mldebt(*asked, name)
        assert shown.code in {0, 1}, shown.err


def test_every_byte_that_there_is_of_it_is_verified(world):
    """An unknown origin is no reason to trust the bytes."""
    found = verify(*of(world), world.home.root / "none")
    assert found["problems"] == []
    assert found["ok"]


def test_who_is_forgotten_may_stay_in_it_and_that_is_said(world, monkeypatch):
    """To say that no model had learned of them would be a guess."""
    monkeypatch.setenv("MLDEBT_PSEUDONYM_KEY", "0123456789abcdef" * 4)
    said = mldebt("forget", "parcels", "--subject", "3", "--dry-run", "--json")
    assert said.code == 0, said.err
    [version] = said.document["versions"]
    assert version["version"] == 1
    assert "whether it has learned of them is not known" in version["action"]


def test_said_again_it_is_done_and_another_file_is_refused(world):
    """A kill in the middle is mended by saying it again; a champion is not overrun."""
    facts = world.platform.record("parcels").facts()
    assert [fact.kind for fact in facts if fact.body.get("version") == 1] == ["intent"]
    assert [one.version for one in world.platform.registry.versions("parcels")] == [1]
    again = adopted(world, offer())
    assert again.body["version"] == 1
    assert len(world.platform.record("parcels").facts()) == len(facts)
    other = Offer(name="other.onnx", data=onnx_file() + b"\x00")
    with pytest.raises(RefusedError, match="only the first can be adopted"):
        adopted(world, other)


def test_a_trained_candidate_replaces_it_through_the_gate_and_it_is_gone_back_to(world):
    """It is a champion like any other, and what nobody knows of it stays said."""
    world.land(*BATCHES[2:])
    world.replay()
    told = chapters(*of(world))
    assert [one.scored_by for one in told[1:]] == [1, 1, 1, 1]
    assert (told[-1].drifted, told[-1].promoted, told[-1].champion) == (True, True, 2)
    assert "v1 was adopted, and may have been trained on these very rows" in told[-1].verdict
    assert "what was there when v1 was adopted" in input_change(world)
    found = diff_of(*of(world), 1, 2)
    assert (found["before"]["trained_at"], found["training_set"]["before"]) == (None, None)
    assert {one["change"] for one in found["training_set"]["batches"]} == {"added"}
    assert "was adopted" in mldebt("diff", "parcels", "1", "2").out
    now = datetime.now(UTC)
    with pytest.raises(RefusedError, match="v1 was champion already"):
        promote_by_hand(*of(world), version=1, reason="so", expires=None, by="ada@depot", now=now)
    roll_back(*of(world), to=None, reason="the new one is slow", by="ada@depot", now=now)
    champion = world.platform.record("parcels").champion()
    assert (champion.version, champion.promotion.body["adopted"]["trained_on"]) == (1, SAID)
    assert verify(*of(world), world.home.root / "none")["problems"] == []
    assert status_of(*of(world), now)["questions"]["reproducible"]["answer"].startswith("unknown")
    assert mldebt("suspects", "parcels", "--json").document["version"] == 1


def input_change(world):
    return status_of(*of(world), datetime.now(UTC))["questions"]["input_change"]["answer"]
