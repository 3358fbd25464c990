"""The four questions are answered by what was shown of the champion of now, and not long ago."""

import shutil
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from mldebt_assets import pipelines
from mldebt_assets.assets import four_questions, reproduction, rollback, suspects
from mldebt_assets.assets.evidence import report
from mldebt_assets.assets.four_questions import as_markdown, judged
from mldebt_assets.assets.input_change import (
    MonthOfReports,
    Report,
    changes,
    last_month,
    sentence,
)
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.questions import OLD_DAYS, QUESTIONS, answers_of
from mldebt_assets.by_hand import drill, roll_back
from mldebt_assets.jobs import (
    EVIDENCE_CHECKS,
    batch_job_name,
    evidence_check,
    evidence_job_name,
    retraining_job_name,
)
from mldebt_assets.promotions import PromotionRecord
from mldebt_assets.replay import SILENT
from mldebt_assets.reproduction import prove
from mldebt_assets.schedules import evidence_name
from mldebt_assets.snapshots import newest
from mldebt_assets_tests import world as world_of
from mldebt_assets_tests.command_line import remade_here
from mldebt_assets_tests.sample import BATCHES, rows, write_batch
from mldebt_assets_tests.world import of, ticked

DAY = timedelta(days=1)
NEXT = "2020-06"
FIRST_CHAMPION = BATCHES[2]


@pytest.fixture
def world(promoted, tmp_path):
    """A copy of it, of whose champion things are proved."""
    with world_of.copied(promoted, tmp_path) as made:
        yield made


def answers(world, later=timedelta(0)):
    return answers_of(*of(world), datetime.now(UTC) + later)


def reproduce(world, version=2, passed=True, said="bit-identical"):
    """Let a person show that a version was trained again."""
    result = dg.AssetCheckResult(
        passed=passed,
        asset_key=key(world.pipeline, "champion"),
        check_name=reproduction.CHECK,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={"verdict": said, "version": version, "seconds": 7.5},
    )
    report(world.instance, result, "ada@depot")


def go_back(world):
    roll_back(*of(world), to=1, reason="too slow", by="ada@depot", now=datetime.now(UTC))


def run_batch(world, batch, *stages):
    """Run the batch job, or some of its stages, on a batch."""
    world.instance.add_dynamic_partitions(f"{world.pipeline.name}_batches", [batch])
    job = world.definitions.get_repository_def().get_job(batch_job_name(world.pipeline))
    return job.execute_in_process(
        instance=world.instance,
        run_config=SILENT,
        partition_key=batch,
        asset_selection=[key(world.pipeline, stage) for stage in stages] or None,
    )


def ask(world, *checks):
    """Run these of the evidence job's checks, and return what they said, in their order."""
    job = world.definitions.get_repository_def().get_job(evidence_job_name(world.pipeline))
    chosen = {evidence_check(world.pipeline, check) for check in checks}
    done = job.get_subset(asset_check_selection=chosen).execute_in_process(
        instance=world.instance, run_config=SILENT
    )
    return done.get_asset_check_evaluations()


def ends(*days):
    return {day: datetime.fromisoformat(day).replace(tzinfo=UTC) for day in days}


def daily(first, count):
    start = datetime.fromisoformat(first).replace(tzinfo=UTC)
    return {f"{start + n * DAY:%Y-%m-%d}": start + n * DAY for n in range(count)}


@pytest.mark.parametrize(
    ("batches", "month"),
    [
        ({}, []),
        (ends("2020-02-01"), ["2020-02-01"]),
        (ends("2020-01-01", "2020-02-01", "2020-03-01"), ["2020-03-01"]),
        (ends("2020-11-01", "2020-12-01", "2021-01-01"), ["2021-01-01"]),
        (ends("2020-11-01", "2020-12-01"), ["2020-12-01"]),
        (ends("2020-12-01", "2020-11-01"), ["2020-12-01"]),
        (daily("2020-01-01", 7 * 10), [*daily("2020-02-09", 31)]),
        (dict(list(daily("2020-01-01", 70).items())[::7]), [*daily("2020-02-12", 28)][::7]),
        (daily("2020-01-01", 10), [*daily("2020-01-01", 10)]),
        (ends("2020-01-01", "2021-01-01"), ["2021-01-01"]),
    ],
    ids=[
        "none", "one", "31 days", "new year", "30 days", "out of order", "daily", "weekly",
        "ten days", "yearly",
    ],
)  # fmt: skip
def test_the_last_month_is_of_the_datas_time_whatever_a_batch_covers(batches, month):
    """A month of 30 days is one batch, not two; four weeks are four, and the newest is always in.

    A batch is named here for its end.
    """
    assert last_month(batches) == month


def test_batches_that_end_together_are_in_the_month_together():
    """One file a depot is as good as one file."""
    moments = {"north-11": "2020-12-01", "south-11": "2020-12-01", "north-12": "2021-01-01"}
    batches = {name: ends(day)[day] for name, day in moments.items()}
    assert last_month(batches) == ["north-12"]
    assert last_month({**batches, "south-12": batches["north-12"]}) == ["north-12", "south-12"]


def test_with_a_champion_each_question_says_what_it_waits_for(world):
    """Null, and the command that would show it; never a zero that reads like an answer."""
    found = answers(world)
    assert found.keys() == QUESTIONS.keys()
    for name, said, due in (
        ("reproducible", "not yet known; `mldebt reproduce parcels` shows it", True),
        ("rollback", "not yet known; `mldebt rollback parcels --drill` shows it", True),
    ):
        assert (found[name]["answer"], found[name]["standing"]) == (said, "unknown")
        assert found[name]["due"] is due
        assert {found[name][one] for one in ("evidence", "link", "shown_at", "age_seconds")} == {
            None
        }


def test_drift_that_the_champion_has_learned_from_is_well(world):
    """Version 2 was trained since May drifted: its owner has nothing left to do."""
    change = answers(world)["input_change"]
    assert change["answer"].startswith(
        "1 of 1 batch drifted from what v1 learned from in the month to 2020-06-01, "
        "most weight_kg in 2020-05 (0."
    )
    assert change["answer"].endswith("; v2 has learned from all of them")
    assert (change["standing"], change["due"]) == ("ok", True)
    stored = newest(world.instance, key(world.pipeline, "drift_report"), BATCHES[-1])
    assert change["evidence"]["reports"] == [
        {
            "batch": BATCHES[-1], "sha256": stored.snapshot.sha256,
            "storage_id": stored.storage_id, "run_id": stored.run_id,
        }
    ]  # fmt: skip
    assert change["evidence"]["most"]["what"] == "weight_kg"
    assert change["link"] == (
        "http://127.0.0.1:3000/assets/parcels/drift_report?view=partitions&partition=2020-05"
    )


def test_drift_that_the_champion_has_not_learned_from_is_a_warning(world):
    """Whoever goes back to version 1 goes back to a model that has never seen a heavy parcel."""
    go_back(world)
    change = answers(world)["input_change"]
    assert change["answer"].endswith("; v1 has not learned from 2020-05")
    assert change["standing"] == "warning"
    assert change["evidence"]["not_learned"] == ["2020-05"]


def test_a_report_that_is_made_again_later_is_still_about_its_own_month(world):
    """The newest event of the log is not the newest month of the data."""
    before = answers(world)["input_change"]
    assert run_batch(world, BATCHES[3], "drift_counts", "drift_report").success
    asset = key(world.pipeline, "drift_report")
    assert newest(world.instance, asset).batch == BATCHES[3]
    after = answers(world)["input_change"]
    assert (after["answer"], after["evidence"]) == (before["answer"], before["evidence"])


def test_a_batch_without_a_report_is_said(world):
    """Silence about the newest batch must not read as calm."""
    world.land(NEXT)
    assert run_batch(world, NEXT, "raw", "validated", "quarantine").success
    change = answers(world)["input_change"]
    assert (change["answer"], change["standing"]) == ("no report on 2020-06", "unknown")
    assert change["due"] is True


def test_a_batch_that_came_again_with_other_bytes_is_without_a_report(world):
    """What was said of the old rows says nothing of the new ones."""
    corrected = rows(BATCHES[-1]).assign(weight_kg=lambda parcels: parcels["weight_kg"] / 2)
    write_batch(world.landing, BATCHES[-1], corrected)
    assert run_batch(world, BATCHES[-1], "raw", "validated", "quarantine").success
    assert answers(world)["input_change"]["answer"] == "no report on 2020-05"


def judged_report(batch, *, distance, drifted, learned=False, underpowered=False):
    """Return a report on one column, as the drift rule writes it."""
    column = {
        "name": "weight_kg", "distance": distance, "moved": drifted, "missing_moved": False,
        "statistics": {"missing_current": 0.01, "missing_reference": 0.0},
    }  # fmt: skip
    limits = {"distributions": 0.03, "missing_values": 0.03, "correlations": 0.05}
    found = {
        "drifted": drifted, "underpowered": underpowered, "reference": "of v1",
        "columns": [column], "correlations": [],
        "verdicts": [{"name": name, "limit": limit} for name, limit in limits.items()],
    }  # fmt: skip
    return Report(batch, None, found, learned)


def month_of(*reports, without=(), references=(1,)):
    every = [change for one in reports for change in changes(one)]
    return MonthOfReports(
        until=datetime(2020, 6, 1, tzinfo=UTC),
        reports=reports,
        without_report=without,
        references=references,
        adopted=frozenset(),
        worst=max(every, key=lambda change: change.severity, default=None),
    )


def test_many_batches_on_several_references_are_one_sentence():
    """A month of days is read at a glance: how many, what most, and what the champion knows."""
    month = month_of(
        judged_report("05-01", distance=0.02, drifted=False),
        judged_report("05-02", distance=0.04, drifted=True, learned=True),
        judged_report("05-03", distance=0.05, drifted=True),
        references=(1, 2),
    )
    assert sentence(month, 2) == (
        "2 of 3 batches drifted from what v1 and v2 learned from in the month to 2020-06-01, "
        "most weight_kg in 05-03 (0.050, limit 0.03); v2 has not learned from 05-03"
    )


def test_what_cannot_be_said_is_said():
    """Too few rows are no proof of calm, and neither is a report that nobody made."""
    small = judged_report("05-01", distance=0.02, drifted=False, underpowered=True)
    month = month_of(small, without=("05-02",))
    assert month.gaps == ("05-02", "05-01")
    assert sentence(month, 1) == (
        "none of 1 batch drifted from what v1 learned from in the month to 2020-06-01, "
        "most weight_kg in 05-01 (0.020, limit 0.03); no report on 05-02; "
        "too few rows to tell in 05-01"
    )


def test_what_drifted_is_named_before_what_only_moved_far():
    """A distance over its limit that is chance with so few rows is not what drifted."""
    month = month_of(
        judged_report("05-01", distance=0.5, drifted=False),
        judged_report("05-02", distance=0.04, drifted=True),
    )
    assert month.worst.batch == "05-02"


def test_a_report_that_is_gone_is_said_and_the_others_are_answered(world):
    """A page that falls over its first problem shows none of the three other answers."""
    stored = newest(world.instance, key(world.pipeline, "drift_report"), BATCHES[-1])
    md5 = stored.snapshot.md5
    (world.home.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).unlink()
    drill(*of(world), to=None, by="ada@depot")
    found = answers(world)
    assert found["input_change"]["answer"].startswith("the reports cannot be read: ")
    assert found["input_change"]["standing"] == "warning"
    assert found["rollback"]["standing"] == "ok"


def test_a_training_that_was_repeated_answers_the_first_question(world):
    """The answer, who showed it, where it is kept and since when."""
    reproduce(world)
    answer = answers(world)["reproducible"]
    assert (answer["answer"], answer["standing"]) == ("bit-identical", "ok")
    assert answer["evidence"] == {
        "asset": "parcels/champion", "check": "reproduced", "passed": True, "run_id": None,
        "verdict": "bit-identical", "version": 2, "seconds": 7.5, "by": "ada@depot",
    }  # fmt: skip
    page = "http://127.0.0.1:3000/assets/parcels/champion?view=checks&checkDetail=reproduced"
    assert answer["link"] == page
    assert 0 <= answer["age_seconds"] < 60


def test_a_training_that_gave_another_model_is_a_warning(world):
    """That is the very thing that its owner must hear of."""
    reproduce(world, passed=False, said="not reproduced")
    answer = answers(world)["reproducible"]
    assert (answer["answer"], answer["standing"]) == ("not reproduced", "warning")


def test_evidence_about_another_version_is_a_warning_and_says_so(world):
    """What was shown of version 1 is no word about version 2, in production since."""
    reproduce(world, version=1)
    answer = answers(world)["reproducible"]
    assert answer["answer"] == "bit-identical; v2 came since"
    assert answer["standing"] == "warning"


@pytest.mark.parametrize("name", OLD_DAYS)
def test_old_evidence_is_a_warning_and_says_how_old(world, name):
    """What could be shown in spring may be gone by autumn."""
    reproduce(world)
    drill(*of(world), to=None, by="ada@depot")
    days = OLD_DAYS[name]
    assert answers(world, days * DAY - timedelta(hours=1))[name]["standing"] == "ok"
    old = answers(world, (days + 1) * DAY)[name]
    assert old["standing"] == "warning"
    assert old["answer"].endswith(f"; shown {days + 1} days ago, more than {days}")


def test_the_check_is_evaluated_after_those_that_it_speaks_of(world):
    """By its name it would come first, and speak of last week."""
    reproduce(world)
    first, second = ask(world, four_questions.CHECK, rollback.CHECK)
    assert (first.check_name, second.check_name) == (rollback.CHECK, four_questions.CHECK)
    assert second.passed
    assert second.description == "4 of 4 questions that are due have a good answer."
    told = second.metadata["answers"].value
    assert "✓ **How fast can I go back?** v2 to v1 in " in told
    assert "✓ **Is there personal data in it?** 5 batches scanned, none found ([evidence]" in told
    assert "](/assets/parcels/champion?view=checks&checkDetail=rollback_drill), 20" in told


def test_the_check_says_which_question_has_no_good_answer(world):
    """A red mark without a reason is looked at once."""
    (only,) = ask(world, four_questions.CHECK)
    assert not only.passed
    assert only.severity == dg.AssetCheckSeverity.WARN
    assert only.description == (
        "2 of 4 questions that are due have a good answer. "
        "reproducible: not yet known; `mldebt reproduce parcels` shows it; "
        "rollback: not yet known; `mldebt rollback parcels --drill` shows it"
    )


def test_a_question_that_cannot_have_an_answer_yet_is_not_held_against_anyone():
    """With one champion there is no way back, and the drill has nothing to go back to."""
    waiting = {"question": "?", "answer": "later", "standing": "unknown", "due": False}
    answers = {"rollback": {**waiting, "link": None, "shown_at": None}}
    assert judged(dg.AssetKey(["p", "champion"]), answers).passed


def test_no_name_is_markup_on_the_page_of_the_champion():
    """A column may be called anything; Dagster shows Markdown."""
    odd = {
        "question": "How much?", "answer": "[x](javascript:y) <img src=z> *most* `c`\n# d",
        "standing": "warning", "due": True, "link": None, "shown_at": None,
    }  # fmt: skip
    told = as_markdown({"input_change": odd})
    assert "\n" not in told
    assert told == (r"- ! **How much?** \[x\](javascript:y) &lt;img src=z&gt; \*most\* \`c\` # d")


@pytest.mark.parametrize(
    ("address", "start"),
    [
        ("https://dagster.example/mldebt/", "https://dagster.example/mldebt/assets/"),
        ("", "http://127.0.0.1:3000/assets/"),
        ("javascript:alert(1)//", "http://127.0.0.1:3000/assets/"),
    ],
)
def test_links_lead_to_the_address_that_is_configured(world, monkeypatch, address, start):
    """On a cluster nobody's Dagster is on 127.0.0.1; and a link is a web address or none."""
    monkeypatch.setenv("MLDEBT_DAGSTER_UI", address)
    found = answers(world)["input_change"]
    assert found["link"].startswith(start)
    path = start.removeprefix("https://dagster.example").removeprefix("http://127.0.0.1:3000")
    assert f"([evidence]({path}parcels/drift_report?" in as_markdown({"input_change": found})


def test_the_weekly_evidence_waits_for_a_champion_and_the_drill_for_a_second(world, monkeypatch):
    """A drill before there is a way back is a failed check about nothing."""
    schedule = evidence_name(world.pipeline)
    facts = world.platform.record("parcels").facts()
    first = next(place for place, fact in enumerate(facts) if fact.kind == "done") + 1

    def tick(known):
        monkeypatch.setattr(PromotionRecord, "facts", lambda _: facts[:known])
        result = ticked(world, schedule)
        asked = [request.asset_check_keys for request in result.run_requests or []]
        return [[one.name for one in checks] for checks in asked], result.skip_message

    assert tick(0) == ([], "There is no champion yet, so nothing is to be proved.")
    without_drill = [name for name in EVIDENCE_CHECKS if name != rollback.CHECK]
    assert tick(first) == ([without_drill], None)
    assert tick(len(facts)) == ([[*EVIDENCE_CHECKS]], None)


def test_the_weekly_job_trains_an_exact_copy_goes_the_way_back_and_then_asks(
    promoted, world, monkeypatch
):
    """As the schedule asks for it: what it proves first is what it then speaks of."""
    shutil.copytree(promoted.home.remote_url, world.home.remote_url, dirs_exist_ok=True)
    monkeypatch.setattr(pipelines, "PIPELINES", (world.pipeline,))
    monkeypatch.setattr(prove, "remade", remade_here)
    before = world.platform.record("parcels").path.read_bytes()
    repository = world.definitions.get_repository_def()
    (request,) = ticked(world, evidence_name(world.pipeline)).run_requests
    job = repository.get_job(evidence_job_name(world.pipeline))
    done = job.get_subset(asset_check_selection={*request.asset_check_keys}).execute_in_process(
        instance=world.instance, run_config={**SILENT, **request.run_config}, tags=request.tags
    )
    found = done.get_asset_check_evaluations()
    assert [one.check_name for one in found] == [*EVIDENCE_CHECKS]
    proofs = {one.check_name: one for one in found if one.check_name not in suspects.CHECKS}
    assert all(one.passed for one in proofs.values()), [one.description for one in found]
    assert proofs[reproduction.CHECK].description.startswith("v2: bit-identical; ")
    assert found[-1].description == "4 of 4 questions that are due have a good answer."
    for name in ("reproducible", "rollback"):
        assert answers(world)[name]["evidence"]["run_id"] == done.run_id
    assert world.platform.record("parcels").path.read_bytes() == before


def test_training_proves_nothing_and_the_evidence_trains_nothing(world):
    """A candidate must not wait for a drill, nor a drill make a champion."""
    repository = world.definitions.get_repository_def()
    training, evidence = (
        {node.name for node in repository.get_job(name(world.pipeline)).nodes}
        for name in (retraining_job_name, evidence_job_name)
    )
    proofs = {f"parcels__champion_{name}" for name in EVIDENCE_CHECKS}
    assert evidence == proofs
    assert "parcels__champion" in training
    assert not proofs & training
