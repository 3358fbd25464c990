"""Pseudonyms stand where values stood, and nothing else of a file changes."""

import csv
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldebt_assets.core.errors import BatchRefusedError
from mldebt_assets.core.privacy.pseudonyms import (
    PSEUDONYM_BYTES,
    Pseudonyms,
    fields,
    protect,
    records,
)

ADA = Pseudonyms(b"a secret of thirty-two bytes, or more")
BOB = Pseudonyms(b"another secret of thirty-two bytes..")
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)


def protected(data, suffix=".csv", dropped=(), pseudonyms=ADA):
    return protect(
        data, batch="b", suffix=suffix, replaced={"who"}, dropped=dropped, pseudonyms=pseudonyms
    )


def as_csv(rows, **how):
    sink = io.StringIO()
    csv.writer(sink, **how).writerows(rows)
    return sink.getvalue().encode()


@given(st.sets(st.binary(), max_size=50))
def test_pseudonyms_differ_where_values_do_and_are_the_same_each_time(values):
    made = {ADA.of(value) for value in values}
    assert len(made) == len(values)
    assert made == {ADA.of(value) for value in values}
    assert all(len(one) == 2 * PSEUDONYM_BYTES for one in made)


@given(st.binary())
def test_another_key_makes_other_pseudonyms(value):
    assert ADA.of(value) != BOB.of(value)


def test_the_keys_id_tells_keys_apart_and_is_no_pseudonym():
    """It stands in metadata, so nothing that is stored may be derived from it."""
    assert ADA.key_id == Pseudonyms(b"a secret of thirty-two bytes, or more").key_id
    assert ADA.key_id != BOB.key_id
    assert not ADA.of(b"").startswith(ADA.key_id)


@given(st.lists(st.tuples(texts, texts, texts), max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_only_the_declared_column_changes(rows, end):
    """Read by Python's own reader, before and after."""
    rows = [("a", "who", "b"), *rows]
    data = as_csv(rows, lineterminator=end)
    after = list(csv.reader(io.StringIO(protected(data).decode(), newline="")))
    expected = [(a, who and ADA.of(who.encode()), b) for a, who, b in rows[1:]]
    assert [tuple(row) for row in after] == [rows[0], *expected]


def test_every_other_byte_stays_as_it_was():
    """Quotes that nobody needed, line ends of two kinds, a byte order mark, an empty line."""
    head = b'\xef\xbb\xbf"a",who,b\r\n'
    data = head + b'"1",ada,"x, ""y""\nz"\r\n\r\n 2 ,,3\n3,"ada",4'
    ada = ADA.of(b"ada").encode()
    expected = head + b'"1",' + ada + b',"x, ""y""\nz"\r\n\r\n 2 ,,3\n3,' + ada + b",4"
    assert protected(data) == expected


def test_missing_values_stay_missing():
    assert protected(b'a,who\n1,\n2,""\n') == b'a,who\n1,\n2,""\n'
    table = pd.DataFrame({"who": ["ada", None, ""]}).to_parquet(index=False)
    after = pd.read_parquet(io.BytesIO(protected(table, ".parquet")))
    assert after["who"].tolist() == [ADA.of(b"ada"), None, ""]


@pytest.mark.parametrize("values", [["ada", "böb"], [17, 42], [1e15, 2.0]])
def test_parquet_and_csv_give_a_value_the_same_pseudonym(values):
    """A person must be the same one in every file, whatever wrote it."""
    table = pd.DataFrame({"who": values, "x": [0.5, 1.5]})
    whole = [int(v) if isinstance(v, float) else v for v in values]
    from_csv = protected(as_csv([("who", "x"), *zip(whole, table["x"], strict=True)]))
    from_parquet = protected(table.to_parquet(index=False), ".parquet")
    written = pd.read_csv(io.BytesIO(from_csv))
    assert written.equals(pd.read_parquet(io.BytesIO(from_parquet)))


def test_a_clear_value_is_nowhere_in_the_bytes():
    """Parquet keeps statistics and pandas' own notes beside the values."""
    table = pd.DataFrame({"who": ["lovelace"], "x": [1]}).set_index("who", drop=False)
    for suffix, data in ((".csv", table.to_csv(index=False).encode()), (".parquet", None)):
        sent = table.rename_axis("lovelace").to_parquet() if data is None else data
        made = protect(
            sent, batch="b", suffix=suffix, replaced={"who"}, dropped={"lovelace"}, pseudonyms=ADA
        )
        assert b"lovelace" in sent
        assert b"lovelace" not in made


def test_a_dropped_column_is_gone_and_the_others_stay():
    data = b'who,gone,x\nada,,"1"\nbob,,2\n'
    ada, bob = (ADA.of(name).encode() for name in (b"ada", b"bob"))
    assert protected(data, dropped={"gone"}) == b"who,x\n" + ada + b',"1"\n' + bob + b",2\n"


def test_a_file_without_these_columns_stays_as_it_is():
    assert protected(b"a,b\n1,2\n") == b"a,b\n1,2\n"


def test_a_row_that_is_uneven_is_refused_by_its_number():
    """Its value may have slipped into a column that is stored as it is."""
    with pytest.raises(BatchRefusedError, match=r"row 2 has 3 fields instead of 2.\nFix: land"):
        protected(b"a,who\n1,ada\n2,lovelace, ada\n")


def test_fractions_have_no_one_text():
    table = pd.DataFrame({"who": [0.1]}).to_parquet(index=False)
    with pytest.raises(BatchRefusedError, match="column 'who' has fractions"):
        protected(table, ".parquet")


@given(st.lists(st.lists(texts, min_size=2, max_size=4), max_size=6))
def test_records_and_fields_together_are_the_file(rows):
    data = as_csv(rows)
    parted = list(records(data))
    assert b"".join(parted) == data
    assert all(b",".join(fields(one)) == one for one in parted)
