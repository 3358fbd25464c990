"""What is stored is scanned again: what nobody declares is told, and what should be hidden."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mldebt_assets import pipelines
from mldebt_assets.answers.status import status_of
from mldebt_assets.assets.anonymity import shown
from mldebt_assets.assets.keys import key
from mldebt_assets.core.errors import SnapshotMissingError
from mldebt_assets.core.privacy import survey
from mldebt_assets.definitions import define
from mldebt_assets.jobs import batch_job_name, scan_checks, scan_job_name
from mldebt_assets.monitoring.problems import Ended, mended_by_hand, of_run
from mldebt_assets.monitoring.standing import Over, Standing
from mldebt_assets.papers import data_sheet
from mldebt_assets.papers.dossier import gather
from mldebt_assets.pipeline import Allow, Privacy, Pseudonymise
from mldebt_assets.promotions import PromotionRecord
from mldebt_assets.replay import SILENT
from mldebt_assets.schedules import scan_name
from mldebt_assets_tests import sample
from mldebt_assets_tests.command_line import mldebt
from mldebt_assets_tests.test_privacy import BATCH, CONTACT, contact, declaring, with_contacts
from mldebt_assets_tests.world import installation, ticked


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An installation whose champion has learned from a batch with contacts that were allowed."""
    with (
        installation(tmp_path_factory.mktemp("stored")) as made,
        pytest.MonkeyPatch.context() as patch,
    ):
        declare(made, contact(Allow(reason="staff, by contract")))
        made.before = ticked(made, scan_name(made.pipeline))
        sample.write_batch(made.landing, BATCH, with_contacts(BATCH))
        made.replay()
        patch.setattr(pipelines, "PIPELINES", (made.pipeline,))
        yield made


def declare(world, column, **others):
    world.pipeline = declaring(sample.pipeline(world.landing), column, **others)
    world.definitions = define([world.pipeline])


@pytest.fixture
def declared_as(world, monkeypatch):
    """Declares the contacts otherwise than when they came, for one test."""

    def declared(column, **others):
        declare(world, column, **others)
        monkeypatch.setattr(pipelines, "PIPELINES", (world.pipeline,))

    yield declared
    declare(world, contact(Allow(reason="staff, by contract")))


def by_the_schedule(world):
    """Run what the schedule asks for; return the evaluations, and the run as alerts see it."""
    (request,) = ticked(world, scan_name(world.pipeline)).run_requests
    job = world.definitions.get_repository_def().get_job(scan_job_name(world.pipeline))
    done = job.get_subset(asset_check_selection={*request.asset_check_keys}).execute_in_process(
        instance=world.instance, run_config={**SILENT, **request.run_config}, tags=request.tags
    )
    record = world.instance.get_run_record_by_id(done.run_id)
    ended = Ended(world.pipeline, record, record.end_time)
    return *done.get_asset_check_evaluations(), ended


def test_the_schedule_waits_for_a_batch_and_then_asks_for_the_one_check(world):
    assert world.before.skip_message == "No batch has arrived yet, so nothing is to be scanned."
    (request,) = ticked(world, scan_name(world.pipeline)).run_requests
    assert request.asset_check_keys == scan_checks(world.pipeline)


def test_a_batch_is_not_scanned_twice_as_it_comes(world):
    """What is expensive belongs to the clock, not to every batch."""
    repository = world.definitions.get_repository_def()
    names = {
        name(world.pipeline): {node.name for node in repository.get_job(name(world.pipeline)).nodes}
        for name in (batch_job_name, scan_job_name)
    }
    assert names["parcels_scan"] == {f"parcels__raw_{survey.CHECK}"}
    assert not names["parcels_scan"] & names["parcels_batch"]


def test_what_is_declared_passes_and_the_fourth_question_says_so(world):
    found, _ = by_the_schedule(world)
    assert (found.passed, found.asset_key) == (True, key(world.pipeline, "raw"))
    assert found.description == "1 stored batch scanned, 9 columns; none undeclared."
    answer = status_of(world.instance, world.platform, world.pipeline, datetime.now(UTC))
    question = answer["questions"]["personal_data"]
    assert question["standing"] == "ok"
    assert question["answer"].endswith("again since: 1 stored batch scanned, 9 columns; none un"
                                       "declared")  # fmt: skip
    assert question["evidence"]["scanned_again"]["passed"]


def test_what_nobody_declares_today_fails_alerts_and_warns(world, declared_as):
    """As where a recogniser has learned a kind since the batch came."""
    declared_as(CONTACT)
    found, ended = by_the_schedule(world)
    assert not found.passed
    assert "'contact' seems to hold a kind of personal data, e-mail address" in found.description
    assert "write `privacy=Pseudonymise()` or" in found.description
    assert "lovelace" not in str(found)
    assert "aaaaaaaa" in str(found.metadata["findings"])
    told = list(of_run(world.instance, ended, {}, datetime.now(UTC)))
    (problem,) = [one for one in told if not isinstance(one, Over)]
    assert (problem.severity, problem.command) == ("error", "mldebt scan parcels")
    answer = status_of(world.instance, world.platform, world.pipeline, datetime.now(UTC))
    assert answer["questions"]["personal_data"]["standing"] == "warning"
    declared_as(contact(Allow(reason="staff, by contract")))
    assert mldebt("scan", "parcels").code == 0
    known = {problem.about: Standing(problem=problem)}
    (over,) = mended_by_hand(world.instance, [world.pipeline], known)
    assert over.about == problem.about


def test_clear_values_that_should_be_hidden_are_told(world, declared_as):
    """Declared as pseudonymised after a batch had come: the stored one is still clear."""
    declared_as(contact(Pseudonymise()))
    said = mldebt("scan", "parcels", "--json")
    (told,) = [one for one in said.document["columns"] if one["column"] == "contact"]
    assert (said.code, said.document["ok"]) == (1, False)
    assert told["problem"] == (f"has clear values, and is declared as pseudonymised, in {BATCH}")
    assert told["fix"].startswith("land these batches again")
    assert "lovelace" not in said.out


def test_rows_that_do_not_hide_are_told_by_size_and_the_data_sheet_says_so(world, declared_as):
    """Of whoever stands alone nothing is shown but that there is somebody."""
    hidden = Privacy(quasi_identifiers=("depot", "day"), sensitive=("contact",), k=20, l=2)
    declared_as(contact(Allow(reason="staff, by contract")), privacy=hidden)
    found, scanned, _ = by_the_schedule(world)
    assert (scanned.passed, found.passed, found.check_name) == (True, True, "k_anonymous")
    assert re.search(
        r"k is 2\d of 20 declared: [\d,]+ rows in 26 groups by depot, day", found.description
    )
    alone = replace(hidden, quasi_identifiers=("depot", "weight_kg"))
    declared_as(contact(Allow(reason="staff, by contract")), privacy=alone)
    said = mldebt("scan", "parcels", "--json")
    told = said.document["anonymity"]
    assert (said.code, said.document["ok"], told["passed"], told["k"]) == (1, True, False, 1)
    assert "weight_kg alone has too many values to hide in" in told["reason"]
    assert "north" not in told["reason"]
    assert "not hidden" in mldebt("scan", "parcels").out
    answer = status_of(world.instance, world.platform, world.pipeline, datetime.now(UTC))
    question = answer["questions"]["personal_data"]
    assert (question["standing"], question["evidence"]["anonymity"]["passed"]) == ("warning", False)
    champion = world.platform.record("parcels").champion()
    sheet = data_sheet.privacy(gather(world.instance, world.platform, world.pipeline, champion))
    assert dict(sheet.rows)["how rows hide"].startswith("k is 1 of 20 declared: ")


def test_before_a_champion_nothing_is_measured_of_its_rows(world, monkeypatch):
    """A check that fails on nothing is a false alarm."""
    declared = replace(world.pipeline, privacy=Privacy(quasi_identifiers=("depot",)))
    monkeypatch.setattr(PromotionRecord, "champion", lambda _: None)
    (request,) = ticked(
        replace(world, pipeline=declared, definitions=define([declared])), scan_name(declared)
    ).run_requests
    assert [one.name for one in request.asset_check_keys] == [survey.CHECK]
    assert shown(world.instance, world.platform, declared, "me") is None


def test_bytes_that_cannot_be_read_are_no_pass(world, monkeypatch):
    """Silence about what is lost must not read as innocence."""
    monkeypatch.setattr(type(world.platform.snapshots), "blob", missing)
    found, _ = by_the_schedule(world)
    assert not found.passed
    assert found.description.startswith("Not shown: ")


def missing(_, snapshot):
    raise SnapshotMissingError.of(snapshot.path, snapshot.md5, "the remote")


def test_a_file_of_mine_is_scanned_before_it_is_a_pipeline(tmp_path):
    file = tmp_path / "people.csv"
    file.write_text("id,mail\n1,ada@example.org\n2,bob@example.org\n3,eve@example.org\n")
    said = mldebt("scan", str(file), "--json")
    mail = said.document["columns"][1]
    assert (said.code, mail["column"], mail["findings"][0]["kind"]) == (1, "mail", "e-mail address")
    assert mail["fix"].startswith("add `Column(name='mail', dtype='string'")
    page = mldebt("scan", str(file))
    assert "aaa@aaaaaaa.aaa" in page.out
    assert "ada@" not in said.out + page.out
    file.write_text("id,mail\n1,\n2,\n")
    assert mldebt("scan", str(file)).code == 0


def test_a_first_line_that_is_a_person_is_no_header(tmp_path):
    """Its "names" would be told."""
    file = tmp_path / "people.csv"
    file.write_text("ada@example.org,1\nbob@example.org,2\neve@example.org,3\n")
    said = mldebt("scan", str(file), "--json")
    assert [one["column"] for one in said.document["columns"]] == ["column 1", "column 2"]
    assert "ada" not in said.out


def test_what_is_neither_a_pipeline_nor_a_file_is_a_wrong_call(tmp_path):
    said = mldebt("scan", str(tmp_path / "none.csv"))
    assert (said.code, said.out) == (2, "")
    assert "nor is it a pipeline (" in said.err
