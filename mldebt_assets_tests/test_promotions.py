"""The promotion record loses nothing, hides nothing, and says who is champion."""

import inspect
import json
import pickle
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldebt_assets.answers.lineage import held_at
from mldebt_assets.core import errors
from mldebt_assets.core.errors import RecordError
from mldebt_assets.promotions import PromotionRecord, champion_of, open_intents, way_back

WHEN = datetime(2013, 4, 1, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
bodies = st.dictionaries(
    texts,
    st.recursive(
        plain | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=5,
    ),
    max_size=3,
)


@pytest.fixture
def record(tmp_path):
    return PromotionRecord(tmp_path / "parcels.jsonl", "parcels")


@pytest.fixture(scope="module")
def blank(tmp_path_factory):
    """Return a function that gives an empty record, for each example of a property its own."""
    folder = tmp_path_factory.mktemp("records")
    numbers = iter(range(10**6))
    return lambda: PromotionRecord(folder / f"{next(numbers)}.jsonl", "parcels")


@pytest.fixture(scope="module")
def whole(blank):
    """A record of three facts, with floats and text that JSON can write in more than one way."""
    record = blank()
    record.append("decision", {"level": 1.0, "note": "a \x1f bell", "é": 1e-7}, effective_at=WHEN)
    record.append("intent", promotion(1), effective_at=WHEN)
    record.append("done", {"intent": 2}, effective_at=WHEN)
    return record.path.read_bytes()


def promotion(version):
    return {"version": version, "weights_sha256": f"{version:064x}", "reference": {"hash": "r"}}


def lines_of(data):
    return data.split(b"\n")[:-1]


def line_at(data, position):
    return data.count(b"\n", 0, position) + 1


@given(told=st.lists(bodies, max_size=4))
def test_facts_come_back_as_they_were_told_and_in_their_order(blank, told):
    """Every answer about production is derived from these facts."""
    record = blank()
    appended = [record.append("decision", body, effective_at=WHEN) for body in told]
    assert [fact.body for fact in record.facts()] == told
    assert record.facts() == appended
    assert [fact.sequence for fact in appended] == list(range(1, len(told) + 1))


def test_both_clocks_are_kept(record):
    """As-of questions go by the data's time; who decided when goes by the wall clock."""
    recorded = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    record.append("decision", {}, effective_at=WHEN, recorded_at=recorded)
    (fact,) = record.facts()
    assert (fact.effective_at, fact.recorded_at) == (WHEN, recorded)


def test_a_fact_that_json_cannot_hold_leaves_the_record_as_it_was(record):
    """A half-written fact would stop every later question."""
    record.append("decision", {"n": 1}, effective_at=WHEN)
    before = record.path.read_bytes()
    with pytest.raises(ValueError, match="Out of range float values"):
        record.append("decision", {"n": float("nan")}, effective_at=WHEN)
    assert record.path.read_bytes() == before


@given(data=st.data())
def test_any_one_changed_byte_is_found_and_its_line_is_named(blank, whole, data):
    """A record that can be edited proves nothing about who promoted what."""
    position = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[position]))
    record = blank()
    record.path.write_bytes(whole[:position] + bytes([byte]) + whole[position + 1 :])
    with pytest.raises(RecordError, match=f"damaged at line {line_at(whole, position)}: "):
        record.facts()


def test_a_number_written_in_another_way_is_found_too(blank, whole):
    """1.0 and 1e0 are one number; a line that somebody touched is not the line that was written."""
    assert whole.count(b'"level":1.0') == 1
    record = blank()
    record.path.write_bytes(whole.replace(b'"level":1.0', b'"level":1e0'))
    with pytest.raises(RecordError, match="damaged at line 1"):
        record.facts()


@pytest.mark.parametrize(
    "line", [b"[]", b"3", b"null", b'"text"', b"", b"{}", b"NaN", b'"\\ud800"', b"\xff"]
)
def test_a_line_that_is_something_else_is_named(blank, whole, line):
    """Whatever a disk or a person put there, the answer is the line and a fix, no traceback."""
    first, _, third = lines_of(whole)
    record = blank()
    record.path.write_bytes(b"\n".join([first, line, third, b""]))
    with pytest.raises(RecordError, match=r"damaged at line 2: [\s\S]*\nFix: "):
        record.facts()


@pytest.mark.parametrize("removed", [0, 1])
def test_a_removed_line_is_found_where_the_next_one_stands(blank, whole, removed):
    """Otherwise a refusal, or a promotion, could be made not to have happened."""
    kept = [line for number, line in enumerate(lines_of(whole)) if number != removed]
    record = blank()
    record.path.write_bytes(b"\n".join([*kept, b""]))
    with pytest.raises(RecordError, match=f"damaged at line {removed + 1}: a line before it"):
        record.facts()


@pytest.mark.parametrize(("one", "other"), [(0, 1), (0, 2), (1, 2)])
def test_two_swapped_lines_are_found_at_the_first(blank, whole, one, other):
    """Order is what says which promotion came last."""
    lines = lines_of(whole)
    lines[one], lines[other] = lines[other], lines[one]
    record = blank()
    record.path.write_bytes(b"\n".join([*lines, b""]))
    with pytest.raises(RecordError, match=f"damaged at line {one + 1}: "):
        record.facts()


def test_the_record_of_another_pipeline_is_refused(blank, whole):
    """A file copied to the wrong name has a whole chain, of somebody else's promotions."""
    other = PromotionRecord(blank().path, "letters")
    other.path.write_bytes(whole)
    with pytest.raises(RecordError, match="damaged at line 1: it is a fact about 'parcels'"):
        other.facts()


def test_nothing_is_appended_to_a_damaged_record(blank, whole):
    """An honest line behind a forged one would make the forgery look settled."""
    record = blank()
    damaged = whole.replace(b'"version":1', b'"version":2')
    record.path.write_bytes(damaged)
    with pytest.raises(RecordError, match="damaged at line 2"):
        record.append("done", {"intent": 2}, effective_at=WHEN)
    assert record.path.read_bytes() == damaged


def test_a_line_torn_anywhere_is_no_fact_and_the_next_append_takes_its_place(blank, whole):
    """A kill in the middle of a write must cost nothing but the fact that was being written."""
    *kept, last = lines_of(whole)
    before = b"\n".join([*kept, b""])
    for length in range(len(last) + 1):
        record = blank()
        record.path.write_bytes(before + last[:length])
        assert len(record.facts()) == 2
        appended = record.append("done", {"intent": 2}, effective_at=WHEN)
        assert record.facts()[2:] == [appended]
        assert record.path.read_bytes().startswith(before)


def test_a_first_line_torn_anywhere_leaves_an_empty_record(blank, whole):
    """The first promotion can be killed as well as the tenth."""
    first = lines_of(whole)[0]
    for length in range(0, len(first) + 1, 7):
        record = blank()
        record.path.write_bytes(first[:length])
        assert record.facts() == []
        assert record.append("decision", {}, effective_at=WHEN).sequence == 1


def test_an_intent_alone_makes_no_champion(record):
    """Between intent and done the old champion serves."""
    assert record.champion() is None
    intent = record.append("intent", promotion(1), effective_at=WHEN)
    assert record.champion() is None
    assert open_intents(record.facts()) == [intent]


def test_done_makes_the_champion(record):
    """MLflow's alias and Dagster's event are projections of this and nothing else."""
    first = record.append("intent", promotion(1), effective_at=WHEN)
    record.append("done", {"intent": first.sequence}, effective_at=WHEN)
    second = record.append("intent", promotion(2), effective_at=WHEN)
    assert record.champion().version == 1
    record.append("done", {"intent": second.sequence}, effective_at=WHEN)
    champion = record.champion()
    assert (champion.version, champion.weights_sha256) == (2, f"{2:064x}")
    assert champion.promotion == second
    assert open_intents(record.facts()) == []


def test_what_is_undone_or_refused_never_becomes_champion(record):
    """A promotion given up is closed: no later start may finish it."""
    intent = record.append("intent", promotion(1), effective_at=WHEN)
    record.append("undone", {"intent": intent.sequence}, effective_at=WHEN)
    record.append("refused", promotion(2), effective_at=WHEN)
    assert champion_of(record.facts()) is None
    assert open_intents(record.facts()) == []


def test_the_champion_is_the_newest_promotion_whichever_was_finished_last(record):
    """A promotion finished late at the next start must not push out a newer one."""
    old = record.append("intent", promotion(1), effective_at=WHEN)
    new = record.append("intent", promotion(2), effective_at=WHEN)
    record.append("done", {"intent": new.sequence}, effective_at=WHEN)
    record.append("done", {"intent": old.sequence}, effective_at=WHEN)
    assert record.champion().version == 2


APPEND_TWENTY = """
import json, sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from mldebt_assets.promotions import PromotionRecord

path, name, start = sys.argv[1:]
record = PromotionRecord(Path(path), "parcels")
time.sleep(max(0, float(start) - time.time()))
facts = [record.append("decision", {name: n}, effective_at=datetime.now(UTC)) for n in range(20)]
print(json.dumps([[fact.sequence, fact.body] for fact in facts]))
"""


def test_two_processes_that_append_at_once_keep_the_chain(record):
    """The daemon's runs and a person's command write to the same record."""
    start = str(time.time() + 1)
    writers = {
        name: subprocess.Popen(
            [sys.executable, "-c", APPEND_TWENTY, str(record.path), name, start],
            stdout=subprocess.PIPE,
        )
        for name in ("daemon", "person")
    }
    told = {name: json.loads(writer.communicate()[0]) for name, writer in writers.items()}
    found = [[fact.sequence, fact.body] for fact in record.facts()]
    assert len(found) == 40
    for name in writers:
        assert told[name] == [entry for entry in found if name in entry[1]]
        assert [body[name] for _, body in told[name]] == list(range(20))


def test_an_append_returns_its_own_fact_though_another_follows_at_once(record, monkeypatch):
    """The promotion that is done is named by the sequence that the append returned."""
    lock = record._lock

    @contextmanager
    def overtaken():
        with lock():
            yield
        monkeypatch.undo()
        record.append("decision", {"by": "another process"}, effective_at=WHEN)

    monkeypatch.setattr(record, "_lock", overtaken)
    assert record.append("intent", promotion(1), effective_at=WHEN).body == promotion(1)
    assert [fact.kind for fact in record.facts()] == ["intent", "decision"]


def test_the_record_is_plain_json_lines(record):
    """An auditor reads it without this program."""
    record.append("decision", {"reason": "größer"}, effective_at=WHEN)
    (line,) = record.path.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["body"] == {"reason": "größer"}


FACTS_BY_NAME = {
    "known": ["a", "b"],
    "columns": ["a", "b"],
    "missing": ["a"],
    "present": ["b"],
    "version": 3,
    "line": 3,
    "dropped": 3,
    "count": 3,
    "positive": 3,
    "positives": 3,
    "strange": 3,
    "rows": 3,
    "negatives": 0,
    "epochs": 3,
    "learning_rate": 0.5,
}
MADE = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.MLDebtError) and hasattr(kind, "of")
]


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)
def test_an_error_survives_the_way_between_processes(kind):
    """Dagster's steps, and its web UI, see errors that were raised in another process."""
    names = inspect.signature(kind.of).parameters
    known = {"UnknownVersionError": {"known": [1, 2]}}.get(kind.__name__, {})
    error = kind.of(**{name: known.get(name, FACTS_BY_NAME.get(name, "a fact")) for name in names})
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(again) is kind
    assert str(again) == str(error)
    assert "\nFix: " in str(error)


@given(hours=st.lists(st.integers(-48, 48), min_size=2, max_size=8))
def test_a_clock_that_goes_backwards_changes_nothing_about_who_is_champion(blank, hours):
    """Order comes from the sequence: no clock, however wrong, brings an old champion back."""
    record, now = blank(), datetime(2026, 3, 1, tzinfo=UTC)
    for version, hour in enumerate(hours, start=1):
        clock = {"effective_at": WHEN, "recorded_at": now + timedelta(hours=hour)}
        intent = record.append("intent", promotion(version), **clock)
        record.append("done", {"intent": intent.sequence}, **clock)
        assert record.champion().version == version
    facts = record.facts()
    assert [fact.sequence for fact in facts] == list(range(1, len(facts) + 1))
    assert [one.version for one in way_back(facts)] == list(range(1, len(hours) + 1))
    for at in hours:
        then = champion_of(held_at(facts, now + timedelta(hours=at), recorded=True))
        written = [v for v, hour in enumerate(hours, start=1) if hour <= at]
        assert then.version == max(written), "the last by sequence of what is dated up to then"
