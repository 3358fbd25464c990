# ruff: noqa: S311
"""Personal data is found where it is, and numbers that only look like it are left alone."""

import random
import re
import uuid
from re import _parser as shape_parser

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldebt_assets.core.privacy import texts
from mldebt_assets.core.privacy.checksums import has_card_prefix, is_iban, luhn
from mldebt_assets.core.privacy.masks import PUNCTUATION, masked
from mldebt_assets.core.privacy.names import (
    ADDRESS,
    BANK,
    BIRTH,
    CARD,
    EMAIL,
    IP,
    MAC,
    PERSON,
    PHONE,
    SPECIAL,
    STATE,
    kind_by_name,
)
from mldebt_assets.core.privacy.national import NATIONAL_IDS
from mldebt_assets.core.privacy.scan import probability_of_chance, scan
from mldebt_assets.core.privacy.texts import LINES, columns_as_text, lines_of

ROWS = 3_000
DIGITS = "0123456789"


def column(make):
    """Return a column of text, made by ``make(row, random numbers)``; the same in every process."""
    rng = random.Random(20130101)
    return pa.chunked_array([[str(make(row, rng)) for row in range(ROWS)]])


def found_in(name, make):
    return scan({name: column(make)})


def written_like(pattern, rng):
    """Return a random text that a pattern of digits and letters allows."""
    made = []

    def emit(items):
        for operation, value in items:
            match str(operation):
                case "LITERAL":
                    made.append(chr(value))
                case "IN":
                    made.append(rng.choice([sign for one in value for sign in signs(one)]))
                case "MAX_REPEAT":
                    for _ in range(rng.randint(value[0], value[1])):
                        emit(value[2])
                case "SUBPATTERN":
                    emit(value[3])
                case "BRANCH":
                    emit(rng.choice(value[1]))

    emit(shape_parser.parse(pattern))
    return "".join(made)


def signs(choice):
    operation, value = choice
    if str(operation) == "RANGE":
        return [chr(code) for code in range(value[0], value[1] + 1)]
    return [chr(value)] if str(operation) == "LITERAL" else list(DIGITS)


def card(_, rng):
    start = "4" + "".join(rng.choices(DIGITS, k=14))
    return next(start + last for last in DIGITS if luhn(start + last))


def iban(_, rng):
    body = "".join(rng.choices(DIGITS, k=18))
    return next(text for check in range(100) if is_iban(text := f"DE{check:02}{body}"))


HARMLESS = {
    "random 16 digits": lambda _, rng: rng.randrange(10**15, 10**16),
    "order numbers that begin like a card": lambda row, _: 4_000_000_000_000_000 + 7 * row,
    "9 digits": lambda _, rng: rng.randrange(10**8, 10**9),
    "10 digits, like a phone": lambda _, rng: rng.randrange(10**9, 10**10),
    "11 digits": lambda _, rng: rng.randrange(10**10, 10**11),
    "13 digits": lambda _, rng: rng.randrange(4 * 10**12, 5 * 10**12),
    "seconds since 1970": lambda row, _: 1_385_000_000 + 37 * row,
    "milliseconds since 1970": lambda row, _: 1_385_000_000_000 + 37_011 * row,
    "nanoseconds since 1970": lambda row, _: 1_385_000_000_000_000_000 + 37_011 * row,
    "compact times": lambda row, _: f"{pd.Timestamp(2013, 1, 1, row % 24, row % 60):%Y%m%d%H%M%S}",
    "days": lambda row, _: f"{pd.Timestamp(1990, 1, 1) + pd.Timedelta(days=row):%Y%m%d}",
    "ISO times": lambda row, _: pd.Timestamp(1_385_000_000 + 61 * row, unit="s").isoformat(),
    "ids like phones": lambda _, rng: (
        f"{rng.randrange(1000):03}-{rng.randrange(1000):03}-{rng.randrange(10_000):04}"
    ),
    "ids like social security numbers": lambda _, rng: (
        f"{rng.randrange(1000):03}-{rng.randrange(100):02}-{rng.randrange(10_000):04}"
    ),
    "hashes": lambda _, rng: f"{rng.getrandbits(256):064x}",
    "UUIDs": lambda _, rng: uuid.UUID(int=rng.getrandbits(128)),
    "coordinates": lambda _, rng: f"{rng.uniform(-90, 90):.6f}, {rng.uniform(-180, 180):.6f}",
    "versions": lambda _, rng: ".".join(str(rng.randrange(20)) for _ in range(4)),
    "four numbers with points": lambda _, rng: ".".join(str(rng.randrange(999)) for _ in range(4)),
    "prices": lambda _, rng: f"{rng.uniform(0, 1e9):.2f}",
    "account-like codes": lambda _, rng: f"DE{rng.randrange(10**19, 10**20)}",
    "fingerprints": lambda _, rng: ":".join(f"{rng.randrange(256):02x}" for _ in range(16)),
    "clock times": lambda row, _: f"{row % 24:02}:{row % 60:02}:{row % 59:02}",
    "tail numbers": lambda _, rng: f"N{rng.randrange(100, 999)}AA",
}  # fmt: skip
PERSONAL = {
    CARD: card,
    BANK: iban,
    EMAIL: lambda row, _: f"user.{row}@mail.example.org",
    PHONE: lambda _, rng: f"+43 664 {rng.randrange(10**7):07}",
    IP: lambda _, rng: f"{rng.randrange(60, 99)}.{rng.randrange(256)}.{rng.randrange(256)}.7",
    MAC: lambda _, rng: ":".join(f"{rng.randrange(256):02x}" for _ in range(6)),
}


@pytest.mark.parametrize("make", HARMLESS.values(), ids=HARMLESS)
def test_what_only_looks_like_it_is_not_called_personal(make):
    """A scan that cries wolf is switched off: one random number in ten passes Luhn."""
    assert found_in("code", make) == []


@pytest.mark.parametrize(("kind", "make"), PERSONAL.items(), ids=PERSONAL)
def test_a_column_of_personal_data_is_found_whatever_it_is_called(kind, make):
    (finding,) = found_in("x7", make)
    assert (finding.kind, finding.confidence) == (kind, "certain")
    assert finding.share > 0.95


@pytest.mark.parametrize(("kind", "make"), PERSONAL.items(), ids=PERSONAL)
def test_it_is_found_in_free_text_too_and_rated(kind, make):
    """One note in fifty is enough, and the share says how much of the column is concerned."""

    def note(row, rng):
        return f"Called back on line {row}" + (f", gave {make(row, rng)}." if row % 50 == 0 else "")

    (finding,) = found_in("note", note)
    assert (finding.kind, finding.counts) == (kind, True)
    assert finding.share == pytest.approx(1 / 50, rel=0.1)


@pytest.mark.parametrize("one", NATIONAL_IDS, ids=lambda one: one.name)
def test_national_numbers_are_found_and_random_ones_are_not(one):
    """Each is told from numbers that are written alike by its check digits alone."""
    rng = random.Random(7)
    alike = [written_like(one.written, rng) for _ in range(8_000)]
    valid = [text for text in alike if one.check(text)]
    assert len(valid) / len(alike) <= one.chance * 1.25
    assert all(one.shape.search(text.translate(shapes())) for text in alike[:100])
    found = scan({"x7": pa.chunked_array([valid])})
    assert STATE in {finding.kind for finding in found if finding.counts}
    invalid = [text for text in alike if not one.check(text)][:500]
    assert one.name == "US social security number" or not [
        finding for finding in scan({"x7": pa.chunked_array([invalid])}) if finding.counts
    ]


def shapes():
    from mldebt_assets.core.privacy.scan import SHAPES

    return SHAPES


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("customerEmail", EMAIL), ("E-Mail", EMAIL), ("Telefonnummer", PHONE), ("surname", PERSON),
        ("Last Name", PERSON), ("Prénom", PERSON), ("date_of_birth", BIRTH), ("DOB", BIRTH),
        ("Straße", ADDRESS), ("billing_address", ADDRESS), ("iban", BANK), ("ssn", STATE),
        ("client_ip", IP), ("religion", SPECIAL), ("carrier", None), ("tail_number", None),
        ("birth_weight", None), ("flight_number", None), ("depot_name", None), ("name", None),
        ("description", None), ("telemetry", None), ("scheduled_departure_minute", None),
    ],
)  # fmt: skip
def test_names_of_columns_say_what_they_hold(name, kind):
    assert kind_by_name(name) == kind


def test_names_of_persons_are_found_by_their_columns_name_alone():
    (finding,) = found_in("surname", lambda row, _: "Lovelace" + "a" * (row % 5))
    assert (finding.kind, finding.confidence, finding.share) == (PERSON, "likely", None)


def test_a_name_that_the_values_belie_is_only_told():
    """``nombre`` is a name in Spanish, and a count in French."""
    (finding,) = found_in("nombre", lambda row, _: row)
    assert not finding.counts
    assert "do not look like it" in finding.why


def test_a_phone_number_without_a_mark_is_found_where_the_name_says_so():
    """Bare digits may be anything."""
    (finding,) = found_in("mobile", lambda _, rng: f"0664{rng.randrange(10**7):07}")
    assert (finding.kind, finding.counts) == (PHONE, True)
    assert found_in("code", lambda _, rng: f"0664{rng.randrange(10**7):07}") == []


def test_few_values_that_pass_prove_nothing():
    """Of two random numbers with a card's first digits, both pass once in a hundred times."""
    cards = [card(0, random.Random(seed)) for seed in range(3)]
    (two,) = scan({"x": pa.chunked_array([cards[:2]])})
    (three,) = scan({"x": pa.chunked_array([cards])})
    assert (two.counts, three.counts) == (False, True)


@given(seed=st.integers(0, 2**32), copies=st.integers(1, 3))
def test_neither_order_nor_repetition_changes_what_is_found(seed, copies):
    values = [f"u{row}@example.org" if row % 7 else f"note {row}" for row in range(200)]
    shuffled = values * copies
    random.Random(seed).shuffle(shuffled)
    assert scan({"x": pa.chunked_array([shuffled])}) == scan({"x": pa.chunked_array([values])})


def test_a_large_column_is_rated_on_the_same_values_in_any_order():
    values = [f"note {row}" + (" a@b.org" if row % 9 == 0 else "") for row in range(30_000)]
    once, again = (scan({"x": pa.chunked_array([v])}) for v in (values, values[::-1]))
    assert once == again
    assert once[0].share == pytest.approx(1 / 9, rel=0.1)


def test_no_finding_tells_a_value():
    """Findings stand in metadata, logs and alerts."""
    (finding,) = found_in("x", lambda row, _: f"ada{row}@analytical.example")
    assert "ada" not in str(finding.as_dict())
    assert "analytical" not in str(finding.as_dict())


@given(st.text(DIGITS, min_size=12, max_size=18))
def test_exactly_one_last_digit_satisfies_luhn(digits):
    assert sum(luhn(digits + last) for last in DIGITS) == 1


@given(st.text(DIGITS, min_size=16, max_size=16), st.integers(0, 15), st.sampled_from(DIGITS))
def test_luhn_notices_every_change_of_one_digit(digits, place, other):
    changed = digits[:place] + other + digits[place + 1 :]
    assert changed == digits or not (luhn(digits) and luhn(changed))


@given(st.text(DIGITS + "ABCXYZ", min_size=11, max_size=30))
def test_at_most_two_check_numbers_satisfy_an_iban(body):
    """98 numbers are given out; 00, 01 and 99 have the same remainder as three of them."""
    assert 1 <= sum(is_iban(f"AT{check:02}{body}") for check in range(100)) <= 2


@pytest.mark.parametrize(
    "iban",
    ["GB82WEST12345698765432", "DE89370400440532013000", "FR1420041010050500013M02606"],
)
def test_the_ibans_of_the_standard_pass(iban):
    """The examples of the IBAN registry."""
    assert is_iban(iban)


@pytest.mark.parametrize("number", ["4111111111111111", "5555555555554444", "378282246310005"])
def test_the_test_numbers_of_card_networks_pass(number):
    assert has_card_prefix(number)
    assert luhn(number)


@given(st.integers(1, 200), st.data())
def test_chance_is_never_less_probable_than_it_is(tested, data):
    """The bound must not call luck a proof. Compared with the binomial's own tail, by scipy."""
    from scipy.stats import binom

    passed = data.draw(st.integers(0, tested))
    chance = data.draw(st.sampled_from([0.01, 0.1, 0.5]))
    exact = binom.sf(passed - 1, tested, chance)
    assert probability_of_chance(passed, tested, chance) >= exact * (1 - 1e-9)


@pytest.mark.parametrize(
    "data",
    [
        b"a,b\n1,x\n2,y,ada@example.org\n",
        b"\xff\xfea\x00,\x00\n\x00a\x00@\x00b\x00.\x00o\x00r\x00g\x00\n\x00",
        b"a,b\n\xff,ada@example.org\n",
        b'a,b\n1,"x\n2,ada@example.org\n',
    ],
    ids=["uneven row", "UTF-16", "not UTF-8", "unclosed quote"],
)
def test_what_is_no_proper_table_is_looked_at_all_the_same(data):
    """Otherwise a broken file would carry personal data past the scan."""
    assert [finding.kind for finding in scan(columns_as_text(data, ".csv"))] == [EMAIL]


def test_parquet_and_csv_of_the_same_table_are_found_alike():
    table = pd.DataFrame(
        {
            "card": pd.array([int(card(0, random.Random(n))) for n in range(50)], "int64"),
            "mail": pd.Categorical([f"u{n}@example.org" for n in range(50)]),
            "ratio": [n / 7 for n in range(50)],
        }
    )
    csv = scan(columns_as_text(table.to_csv(index=False).encode(), ".csv"))
    assert csv == scan(columns_as_text(table.to_parquet(index=False), ".parquet"))
    assert [finding.kind for finding in csv] == [CARD, EMAIL]


def test_what_is_no_table_is_looked_through_to_its_end():
    """A large file that nobody can open is stored too; one person stands at its very end."""
    data = bytes(30 << 20) + b"\nwrite to ada.lovelace@example.org, and to bob@example.org\n"
    assert "ada.lovelace@example.org" in " ".join(lines_of(data).to_pylist())


def test_one_line_without_an_end_is_looked_through():
    """JSON is often written so; what lies across a cut is seen whole."""
    people = ", ".join(f'{{"mail": "person{n}@example.org"}}' for n in range(500))
    for shift in range(0, 2000, 97):
        lines = lines_of((" " * shift + people).encode())
        assert all(len(line) <= 2000 for line in lines.to_pylist())
        found = {f"person{n}@example.org" for n in range(500)}
        seen = {word for line in lines.to_pylist() for word in re.findall(r"person[^\"]*org", line)}
        assert found <= seen
    (finding,) = scan({LINES: lines})
    assert finding.kind == EMAIL


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_sign_that_lies_across_two_parts_is_read_whole(encoding, monkeypatch):
    monkeypatch.setattr(texts, "PART_BYTES", 7)
    assert "ä€ö@𝄞" in lines_of("ä€ö@𝄞\n".encode(encoding)).to_pylist()


@given(st.text())
def test_a_mask_shows_no_letter_and_no_digit_of_a_value(value):
    """It is evidence that may stand in a log."""
    shown = masked(value)
    assert set(shown) <= set("9Aa?…") | PUNCTUATION
    assert len(shown) <= 41
