"""A champion's papers say what the graph says, are valid, and are there however it was promoted."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import html
import io
import json
import re
import zipfile
from datetime import UTC, datetime

import dagster as dg
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from mldebt_assets.answers.lineage import trace
from mldebt_assets.assets.keys import key
from mldebt_assets.automation.reconcile import clear_up
from mldebt_assets.by_hand import roll_back
from mldebt_assets.core.errors import InvalidPaperError, SnapshotMissingError
from mldebt_assets.papers import stage
from mldebt_assets.papers.bill_of_materials import bill_of_materials
from mldebt_assets.papers.bundle import papers_of, unzipped, zipped
from mldebt_assets.papers.data_sheet import data_sheet
from mldebt_assets.papers.dossier import gather
from mldebt_assets.papers.handover import hand_over
from mldebt_assets.papers.limits import limits
from mldebt_assets.papers.model_card import model_card
from mldebt_assets.papers.page import to_html, to_markdown
from mldebt_assets.snapshots import newest, newest_first
from mldebt_assets_tests.command_line import installation, mldebt
from mldebt_assets_tests.sample import BATCHES

NOW = datetime(2020, 6, 2, tzinfo=UTC)
PLANTED = '<script>alert(1)</script> | [x](javascript:x) `code` **bold** & "quoted"'


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An installation in which version 2 has replaced version 1."""
    with installation(tmp_path_factory.mktemp("papers")) as made:
        made.land(*BATCHES)
        made.replay()
        yield made


@pytest.fixture(scope="module")
def dossier(world):
    return gather(world.instance, world.platform, world.pipeline, champion_of(world))


def champion_of(world):
    return world.platform.record("parcels").champion()


def problems_of(text):
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)


def stored(world):
    return newest(world.instance, key(world.pipeline, "papers"))


def handed_over(world, champion=None, now=NOW):
    data, answer = hand_over(
        world.instance,
        world.platform,
        world.pipeline,
        champion or champion_of(world),
        published=world.home.root,
        now=now,
    )
    return unzipped(data), answer


def many(dossier, count):
    """Return the dossier as it would be with many more batches."""
    made = copy.deepcopy(dossier)
    [entry, *_], [counted, *_] = made["lineage"]["training_set"]["batches"], made["batches"]
    source = made["lineage"]["sources"][0]
    names = [f"b{number:05d}" for number in range(count)]
    made["lineage"]["training_set"]["batches"] = [{**entry, "batch": name} for name in names]
    made["batches"] = [{**counted, "batch": name} for name in names]
    made["lineage"]["sources"] = [{**source, "batch": name} for name in names]
    return made


def test_each_champion_has_papers_once_its_promotion_is_done(world):
    """Nobody writes them by hand, so nobody forgets to."""
    written = list(newest_first(world.instance, key(world.pipeline, "papers")))
    assert {one.metadata["version"] for one in written} == {1, 2}
    assert stored(world).metadata["promotion"] == champion_of(world).promotion.hash
    assert "# Model card: parcels v2" in stored(world).metadata["model card"]
    read = stored(world).reads
    assert set(read) == {f"parcels/{one}" for one in ("champion", *stage.STANDS_ON)}
    shown = newest(world.instance, key(world.pipeline, "champion"))
    assert read["parcels/champion"][""] == [shown.snapshot.sha256, shown.storage_id]


def test_mlflow_keeps_the_same_files(world):
    """Who looks there finds the very bytes that the record knows."""
    files = unzipped(world.platform.snapshots.load(stored(world).snapshot).data)
    registry = world.platform.registry
    folder = registry.artefacts_of(registry.version("parcels", 2).run_id)
    assert set(files) == {
        "model_card.md", "model_card.html", "data_sheet.md", "data_sheet.html",
        "bill_of_materials.cdx.json", "dossier.json",
    }  # fmt: skip
    for name, data in files.items():
        assert registry.read(f"{folder}/papers/{name}") == data


def test_equal_facts_give_equal_bytes(world, dossier):
    """A paper that is another one on every look proves nothing."""
    again = gather(world.instance, world.platform, world.pipeline, champion_of(world))
    assert again == dossier
    when = champion_of(world).promotion.recorded_at
    made = zipped(papers_of(again), when)
    assert made == zipped(papers_of(json.loads(json.dumps(dossier))), when)
    assert hashlib.sha256(made).hexdigest() == stored(world).snapshot.sha256


def test_the_bill_of_materials_is_valid_and_names_model_data_and_libraries(dossier):
    """Other people's tools read it, and refuse what the standard does not know."""
    text = bill_of_materials(dossier).decode()
    assert problems_of(text) is None
    bill = json.loads(text)
    root = bill["metadata"]["component"]
    assert (bill["specVersion"], root["type"]) == ("1.6", "machine-learning-model")
    assert root["hashes"] == [{"alg": "SHA-256", "content": dossier["promotion"]["weights_sha256"]}]
    assert bill["metadata"]["timestamp"] == dossier["promotion"]["recorded_at"]
    card = root["modelCard"]["modelParameters"]
    refs = {one["bom-ref"] for one in bill["components"]}
    assert {one["ref"] for one in card["datasets"]} <= refs
    purls = {one.get("purl", "").partition("@")[0] for one in bill["components"]}
    assert {"pkg:pypi/torch", "pkg:pypi/dagster", "pkg:pypi/mldebt-assets"} <= purls
    kinds = {one["type"] for one in bill["components"] if "data" in one}
    assert kinds == {"data"}


def test_every_raw_hash_of_the_lineage_is_in_the_papers(world, dossier):
    """The customer compares them with the files that they delivered."""
    found = trace(world.instance, world.platform, world.pipeline, champion_of(world).promotion)
    batches = found["training_set"]["batches"]
    bill = json.loads(bill_of_materials(dossier))
    named = {
        (one["name"], one["hashes"][0]["content"])
        for one in bill["components"]
        if one["bom-ref"].startswith("raw:")
    }
    assert named == {(f"parcels/raw/{one['batch']}", one["raw"]["sha256"]) for one in batches}
    for paper in (to_html(data_sheet(dossier)), to_markdown(data_sheet(dossier))):
        assert all(one["raw"]["sha256"] in paper for one in batches)


def test_the_numbers_are_those_of_the_evaluation(world, dossier):
    """A card that was typed differs from what was measured; this one cannot."""
    body = champion_of(world).promotion.body
    named = body["evaluation"]
    data = world.platform.snapshots.get(
        name="evaluation", sha256_hex=named["sha256"], md5=named["md5"]
    )
    measured = json.loads(data)
    bill = json.loads(bill_of_materials(dossier))
    told = bill["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    whole = {one["type"]: one for one in told if "slice" not in one}
    model = measured["models"]["candidate"]
    assert {name: float(one["value"]) for name, one in whole.items()} == model["metrics"]
    own = whole["roc_auc"]["confidenceInterval"]
    assert float(own["lowerBound"]) == model["interval"]["lower"]
    assert float(own["upperBound"]) == model["interval"]["upper"]
    judged = [one for one in measured["slices"] if one["metrics"]]
    assert judged
    sliced = {one["slice"]: one for one in told if one.get("slice") and one["type"] == "roc_auc"}
    for one in judged:
        beside = sliced[f"{one['dimension']}={one['value']}"]
        assert float(beside["value"]) == one["metrics"]["roc_auc"]
        assert float(beside["confidenceInterval"]["lowerBound"]) == one["interval"]["lower"]
    card = to_html(model_card(dossier))
    for one in (*judged, model):
        interval = one["interval"]
        assert f"{one['metrics']['roc_auc']:.4f}" in card
        assert f"{interval['lower']:.4f} to {interval['upper']:.4f}" in card


def test_whatever_is_declared_is_text_and_never_markup(dossier):
    """A description from somewhere else must not run in the browser of whoever reads it."""
    planted = copy.deepcopy(dossier)
    planted["pipeline"]["description"] = PLANTED
    planted["pipeline"]["owner"] = PLANTED
    planted["pipeline"]["columns"][0] |= {"name": PLANTED, "meaning": PLANTED}
    planted["evaluation"]["slices"][0] |= {"dimension": PLANTED, "value": PLANTED}
    planted["inputs"][0]["name"] = PLANTED
    for page in (model_card(planted), data_sheet(planted)):
        shown = to_html(page)
        assert html.escape(PLANTED) in shown
        assert "<script" not in shown
        written = to_markdown(page)
        assert "<script" not in written
        assert "[x](" not in written
        for line in written.splitlines():
            if line.startswith("|") and "alert" in line:
                assert len(re.findall(r"(?<!\\)\|", line)) == len(
                    re.findall(r"(?<!\\)\|", neighbour(written, line))
                )
    assert problems_of(bill_of_materials(planted).decode()) is None


def neighbour(text, line):
    """Return the line that heads a table row's table."""
    lines = text.splitlines()
    place = lines.index(line)
    while not set(lines[place]) <= set("|-: "):
        place -= 1
    return lines[place]


def test_a_page_loads_nothing_from_anywhere(dossier):
    """It is opened where there is no network, and must tell nobody that it was."""
    for page in (model_card(dossier), data_sheet(dossier)):
        shown = to_html(page)
        assert "default-src 'none'" in shown
        assert re.findall(r"\b(?:src|href)=|url\(|@import", shown) == []


def test_the_limits_follow_from_the_facts(dossier):
    """A stock phrase warns nobody."""
    calm = limits(dossier)
    assert "Personal data: 5 batches scanned, none found." in calm
    assert not [one for one in calm if "against the gate" in one or "slices have fewer" in one]
    other = copy.deepcopy(dossier)
    other["promotion"] |= {"overrules": 3, "expires": "2020-07-01", "by": "ada", "gate": "too few"}
    other["evaluation"]["slices"][0] |= {"metrics": None, "interval": None}
    other["batches"][0] |= {"labelled": 1, "quarantined": 2}
    other["lineage"]["code"] |= {"commit": None}
    told = " ".join(limits(other))
    for said in (
        "ada promoted parcels v2 against the gate, until 2020-07-01. The gate said: too few.",
        "1 of 2 slices have fewer than 200 rows",
        "rows have no label",
        "2 rows failed validation",
        "No commit is recorded",
    ):
        assert said in told


def test_a_training_set_of_400_batches_has_a_valid_bill_of_materials(dossier):
    """The standard's validator must not be what sets the limit."""
    text = bill_of_materials(many(dossier, 400)).decode()
    assert sum(one["type"] == "data" for one in json.loads(text)["components"]) == 401


def test_a_bill_that_the_standard_refuses_is_given_to_nobody(dossier):
    """An invalid one is found out by the customer's tool, in the middle of their audit."""
    broken = copy.deepcopy(dossier)
    broken["promotion"]["weights_sha256"] = "no digest"
    with pytest.raises(InvalidPaperError, match=r"parcels v2 is no valid CycloneDX 1\.6"):
        bill_of_materials(broken)


def test_what_is_handed_over_checks_itself_and_holds_the_evidence(world):
    """Whoever doubts a paper finds beside it what it was written from."""
    files, answer = handed_over(world)
    sums = dict(reversed(line.split("  ")) for line in files["SHA256SUMS"].decode().splitlines())
    assert sums == {
        name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name not in {
            "SHA256SUMS"
        }
    }  # fmt: skip
    assert {one["name"]: one["sha256"] for one in answer["files"]} == {
        **sums,
        "SHA256SUMS": hashlib.sha256(files["SHA256SUMS"]).hexdigest(),
    }
    assert json.loads(files["evidence/verify.json"])["ok"] is True
    assert (answer["verified"], answer["written_now"]) == (True, False)
    record = world.platform.record("parcels")
    assert files["evidence/promotion_record.jsonl"] == record.path.read_bytes()
    named = champion_of(world).promotion.body["evaluation"]["sha256"]
    assert sums["evidence/evaluation.json"] == named
    assert "parcels v2" in files["index.html"].decode()
    assert set(json.loads(files["evidence/status.json"])["questions"]) == {
        "reproducible", "input_change", "rollback", "personal_data",
    }  # fmt: skip


def test_a_former_champions_papers_claim_nothing_of_today(world):
    """Version 1 was verified and scored with, but nobody asks that of it any more."""
    former = next(
        fact
        for fact in world.platform.record("parcels").facts()
        if fact.kind == "intent" and fact.body["version"] == 1
    )
    champion = dataclasses.replace(
        champion_of(world),
        version=1,
        weights_sha256=former.body["weights_sha256"],
        promotion=former,
    )
    files, answer = handed_over(world, champion)
    assert answer["verified"] is None
    assert "evidence/verify.json" not in files
    assert "no longer" in files["index.md"].decode()


def test_the_command_writes_one_file_and_says_what_is_in_it(world, tmp_path):
    """It is what goes to the customer."""
    file = tmp_path / "parcels.zip"
    said = mldebt("papers", "parcels", "--out", str(file))
    assert said.code == 0, said.err
    assert re.search(r"^parcels v2  verified, in \d", said.out)
    first = zipfile.ZipFile(io.BytesIO(file.read_bytes()))
    assert first.testzip() is None
    again = mldebt("papers", "parcels", "--out", str(file), "--version", "1", "--json")
    assert again.code == 0, again.err
    assert again.document["version"] == 1
    names = zipfile.ZipFile(file).namelist()
    assert names == [one["name"] for one in again.document["files"]]
    assert [one.name for one in tmp_path.iterdir()] == ["parcels.zip"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--out", "{}/none/p.zip"), "there is no such folder"),
        (("--out", "{}"), "it is a folder"),
        (("--out", "{}/p.zip", "--version", "7"), "As champion, parcels has no model version 7"),
    ],
)
def test_a_call_that_cannot_be_writes_nothing(world, tmp_path, arguments, told):
    """An error after a minute's work, or half a file, would be worse."""
    said = mldebt("papers", "parcels", *(one.format(tmp_path) for one in arguments))
    assert (said.code, said.out) == (2, "")
    assert told in said.err
    assert "Fix: " in said.err
    assert list(tmp_path.iterdir()) == []


def test_papers_that_a_kill_prevented_are_written_when_asked_for(tmp_path, monkeypatch):
    """Killed after its promotion was done, a champion is champion; its papers can be had."""
    with installation(tmp_path) as made:
        made.land(*BATCHES[:3])
        with monkeypatch.context() as patch:
            patch.setattr(stage, "write", killed)
            made.replay()
        assert champion_of(made).version == 1
        assert stored(made) is None
        files, answer = handed_over(made)
        assert answer["written_now"] is True
        assert "# Model card: parcels v1" in files["model_card.md"].decode()
        assert handed_over(made)[1]["written_now"] is False


def killed(*_):
    raise ConnectionResetError("killed")


def test_the_papers_of_a_promotion_by_hand_are_written_by_the_next_look(promoted, tmp_path):
    """A rollback is over in a second; its papers need not be."""
    with installation(tmp_path, like=promoted) as made:
        at_rest = (made.instance, made.platform, made.pipeline)
        assert stage.write_missing(*at_rest) == []
        roll_back(
            made.instance, made.platform, made.pipeline,
            to=None, reason="misses evenings", by="ada@depot", now=datetime.now(UTC),
        )  # fmt: skip
        told = clear_up(made.instance, made.platform, [made.pipeline], datetime.now(UTC))
        assert told == "Wrote the papers of parcels v1."
        assert stage.write_missing(*at_rest) == []
        assert stored(made).metadata["promotion"] == champion_of(made).promotion.hash
        assert "ada@depot" in stored(made).metadata["model card"]


def test_papers_that_cannot_be_written_are_told_and_stop_nothing(world, monkeypatch):
    """The next look tries again; the champion scores on."""

    def gone(*_):
        raise SnapshotMissingError.of("parcels/training_set", "0", "the remote")

    monkeypatch.setattr(stage, "newest_is_of", lambda *_: False)
    monkeypatch.setattr(stage, "write", gone)
    [told] = stage.write_missing(world.instance, world.platform, world.pipeline)
    assert told.startswith("The papers of parcels v2 cannot be written: The snapshot of parcels/")


def test_papers_are_no_part_of_a_promotion(world):
    """Whatever goes wrong with them, the champion is the champion."""
    graph = world.definitions.resolve_asset_graph()
    papers = graph.get(key(world.pipeline, "papers"))
    assert dg.AssetKey(["parcels", "champion"]) in papers.parent_keys
    assert papers.child_keys == set()
