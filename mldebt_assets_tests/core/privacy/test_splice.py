"""The fast way through a file gives the very bytes of the slow one, or says that it cannot."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.core.privacy import pseudonyms, splice
from mldebt_assets.core.privacy.pseudonyms import Pseudonyms, protect
from mldebt_assets.core.privacy.splice import spliced

GOLDEN = "aa5ac4142cfd370fbe9612a25bfcd6804449a5d1c4ab02065b4576d726d45be8"
ADA = Pseudonyms(b"a secret of thirty-two bytes, or more")
# Everything that tells fields and rows apart, often.
pieces = st.sampled_from(['"', ",", "\n", "\r\n", "\r", "a", "ä", '""', '"x,y"', '"l\nm"', " "])
values = st.text(st.sampled_from('ab,"\n ä'), max_size=6)


def protected(data, *names):
    return protect(
        data, batch="b", suffix=".csv", replaced=names, dropped=(), pseudonyms=ADA
    )  # fmt: skip


def both_ways(data, *names):
    """Return the file by the fast way, where it is taken, and by the slow one."""
    found = []
    for fast in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not fast:
                patch.setattr(pseudonyms, "spliced", lambda *_: None)
            try:
                found.append(protected(data, *names))
            except (pseudonyms.BatchRefusedError, csv.Error) as problem:
                found.append(str(problem))
    return found


@settings(max_examples=400)
@given(st.lists(pieces, max_size=40), st.sampled_from([16, 64, 1 << 24]))
def test_whatever_the_bytes_are_both_ways_agree(parts, block):
    """What the fast one cannot tell apart is left to the other, and refused by it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splice, "BLOCK_BYTES", block)
        fast, slow = both_ways(b"a,b\n" + "".join(parts).encode(), "b")
    assert fast == slow


@given(
    st.lists(st.tuples(values, values, values), min_size=1, max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.booleans(),
)
def test_every_table_is_spliced_and_not_only_refused(rows, end, quoting, whole):
    """A fast way that is never taken would pass the law above."""
    sink = io.StringIO()
    csv.writer(sink, lineterminator=end, quoting=quoting).writerows(rows)
    data = sink.getvalue().encode()
    data = data if whole else data.removesuffix(end.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splice, "BLOCK_BYTES", 128)
        if max(map(len, data.split(b"\n"))) < 32:
            assert spliced(data, 3, [0, 2], lambda field: field) == data
    fast, slow = both_ways(b"who,b,else\n" + data, "who", "else")
    assert fast == slow


def test_each_different_value_is_asked_about_once_a_block():
    asked = []
    data = b"x,ada\ny,bob\n" * 1000
    assert spliced(data, 2, [1], lambda field: asked.append(field) or b"") == b"x,\ny,\n" * 1000
    assert sorted(asked) == [b"ada", b"bob"]


def test_what_is_stored_is_what_it_always_was():
    """A pseudonym that moved would part a person's batches; recorded before the fast way."""
    rows = [f'{n},"user{n % 700}@example.org",{n / 7},"a ""b"", c"\r\n' for n in range(5_000)]
    data = b'\xef\xbb\xbfn,"who",x,"note"\r\n' + "".join(rows).encode()
    assert sha256(protected(data, "who")) == GOLDEN
