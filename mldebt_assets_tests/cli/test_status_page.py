"""The page of the four questions stands alone, whatever names and reasons people have given."""

import json
import re
from datetime import UTC, datetime

import pytest

from mldebt_assets.assets.questions import QUESTIONS
from mldebt_assets.cli.status import write_page
from mldebt_assets.cli.status_page import page
from mldebt_assets.core.errors import CallError
from mldebt_assets_tests.command_line import installation, mldebt

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ODD = "</p><script>alert(1)</script><img src=x onerror='y'>"
UNKNOWN = {
    "answer": "not yet known", "standing": "unknown", "due": True, "evidence": None,
    "link": None, "shown_at": None, "age_seconds": None,
}  # fmt: skip


def status(**answers):
    """Return a pipeline's status of which only these questions are answered."""
    return {
        "pipeline": "parcels",
        "champion": {
            "version": 2, "weights_sha256": "ab" * 32, "reason": "it gains",
            "effective_at": "2020-06-01T00:00:00+00:00",
        },
        "refused": [],
        "quarantined": {},
        "questions": {
            name: {"question": words, **UNKNOWN, **answers.get(name, {})}
            for name, words in QUESTIONS.items()
        },
    }  # fmt: skip


def answered(said="v2 to v1", link="http://127.0.0.1:3000/assets/x", **evidence):
    """Return an answer with its evidence, an hour old."""
    kept = {"asset": "parcels/champion", "check": "rollback_drill", "run_id": None, **evidence}
    return {
        "answer": said, "standing": "ok", "evidence": kept, "link": link,
        "shown_at": "2026-11-22T11:00:00+00:00", "age_seconds": 3600.0,
    }  # fmt: skip


def test_the_page_shows_champion_answers_evidence_link_and_age(tmp_path):
    """At a glance what is in production, and what can be said of it."""
    file = tmp_path / "status.html"
    write_page(file, [status(rollback=answered(by="ada"))], NOW)
    shown = file.read_text(encoding="utf-8")
    for words in (*QUESTIONS.values(), "v2</b>", "ab" * 32, "✓ ok", "? unknown", "ada"):
        assert words in shown
    assert '<a href="http://127.0.0.1:3000/assets/x">parcels/champion, check' in shown
    assert "1 hour ago (2026-11-22 11:00 UTC)" in shown
    assert [one.name for one in tmp_path.iterdir()] == ["status.html"]


def test_the_page_loads_nothing_and_may_load_nothing():
    """It is opened from a disk, a mail or a customer's desk."""
    shown = page([status(rollback=answered())], NOW, {})
    assert "default-src 'none'" in shown
    assert re.findall(r"<(?:script|link|img|iframe)|src=|@import|url\(", shown) == []


def test_nothing_that_people_wrote_is_markup():
    """A reason, a name or a column may hold anything."""
    odd = answered(said=ODD, link='http://x/"><script>', by=ODD, run_id=ODD, asset=ODD)
    odd["evidence"]["reports"] = [{"batch": ODD, "sha256": ODD}]
    found = status(rollback=odd)
    found["champion"]["reason"] = ODD
    shown = page([found], NOW, {"parcels/rollback": ODD})
    assert "<script" not in shown
    assert "<img" not in shown
    assert "&lt;script&gt;" in shown


def test_before_a_champion_the_page_says_how_to_get_one():
    """An empty page looks like a broken one."""
    shown = page([{**status(), "champion": None}], NOW, {})
    assert "no champion yet: <code>mldebt replay parcels</code>" in shown


def test_of_many_reports_the_last_are_shown_and_the_others_counted():
    """A month of daily batches is no list to be read."""
    reports = [{"batch": f"day {n}", "sha256": f"{n:064}"} for n in range(31)]
    shown = page([status(input_change=answered(reports=reports))], NOW, {})
    assert "day 30" in shown
    assert "day 26" not in shown
    assert "27 more reports" in shown


@pytest.mark.parametrize("place", ["none/status.html", "file/status.html", "folder"])
def test_where_it_cannot_be_written_nothing_is_left_behind(tmp_path, place):
    """A missing folder is told with its fix, and no half page stays."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CallError, match=r"can be written to .*\nFix: name a file"):
        write_page(tmp_path / place, [status()], NOW)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_command_writes_the_page_of_all_pipelines_and_still_answers(tmp_path_factory):
    """With --json stdout is one document; without a pipeline's name the page shows all."""
    with installation(tmp_path_factory.mktemp("page")) as made:
        file = made.home.root.parent / "status.html"
        said = mldebt("status", "--html", str(file), "--json")
        assert (said.code, said.err) == (0, "")
        assert [one["pipeline"] for one in json.loads(said.out)] == ["parcels"]
        assert "parcels" in file.read_text(encoding="utf-8")
        said = mldebt("status", "parcels", "--html", str(file))
        assert said.out.splitlines()[-1] == f"The page: {file}"
        said = mldebt("status", "--html", str(file.parent / "none" / "status.html"))
        assert (said.code, said.out) == (2, "")
