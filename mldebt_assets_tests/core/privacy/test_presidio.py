"""Presidio's recognisers are asked without a model or a network, and decide nothing."""

import random
import socket
import sys

import pytest

from mldebt_assets.core.errors import MissingExtraError
from mldebt_assets.core.privacy import presidio
from mldebt_assets.core.privacy.presidio import presidio_findings, recognisers
from mldebt_assets.core.privacy.scan import Sample
from mldebt_assets_tests.command_line import mldebt


@pytest.fixture
def offline(monkeypatch):
    """Presidio where every look into the network is an error."""
    pytest.importorskip("presidio_analyzer", reason="`make test` installs it")

    def no_network(*_):
        raise AssertionError("something looked into the network")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr(socket.socket, "connect", no_network)
    recognisers.cache_clear()


def kinds(*values):
    return {one.kind for one in presidio_findings("x", Sample.of(values))}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("EMAIL_ADDRESS", "ada@example.org"),
        ("CREDIT_CARD", "4012888888881881"),
        ("IBAN_CODE", "GB82 WEST 1234 5698 7654 32"),
        ("CRYPTO", "16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ"),
        ("UK_NHS", "401-023-2137"),
    ],
)
def test_what_presidio_knows_is_found(offline, kind, value):
    """Its documentation's own examples, where it has some."""
    assert kind in kinds(value)


def test_it_is_told_as_presidios_and_decides_nothing(offline):
    """A tenth of random numbers passes, and a date for a licence plate: nobody may be blocked."""
    (found,) = [
        one
        for one in presidio_findings("x", Sample.of(["ada@example.org", "bob@example.org"]))
        if one.kind == "EMAIL_ADDRESS"
    ]
    assert (found.by, found.confidence, found.counts) == ("presidio", "possible", False)
    assert (found.share, found.looks) == (1.0, "aaa@aaaaaaa.aaa")
    assert "ada" not in str(found.as_dict())


def test_random_numbers_and_words_are_left_alone(offline):
    rng = random.Random(1)  # noqa: S311
    assert kinds(*(f"{rng.randrange(10**9):09}" for _ in range(400))) == set()
    assert kinds(*(f"parcel {n} left the depot" for n in range(100))) == set()
    assert kinds() == set()


def test_no_language_model_is_loaded_and_every_recogniser_is_a_pattern(offline):
    from presidio_analyzer import PatternRecognizer

    assert len(recognisers()) > 50
    assert all(isinstance(one.asked, PatternRecognizer) for one in recognisers())
    assert not {one.kind for one in recognisers()} & {"PERSON", "LOCATION", "DATE_TIME", "URL"}


def test_the_command_adds_them_and_says_whose_they_are(offline, tmp_path):
    file = tmp_path / "wallets.csv"
    file.write_text("id,wallet\n1,16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ\n2,\n")
    assert mldebt("scan", str(file)).out.startswith("none found")
    said = mldebt("scan", str(file), "--presidio")
    assert (said.code, said.err) == (0, "")
    assert "CRYPTO (presidio)" in said.out


def test_without_it_the_option_is_a_wrong_call_with_its_fix(monkeypatch, tmp_path):
    """As on every machine that has not asked for the extra."""
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    presidio.recognisers.cache_clear()
    with pytest.raises(MissingExtraError, match=r"pip install 'mldebt-assets\[presidio\]'"):
        recognisers()
    said = mldebt("scan", str(tmp_path), "--presidio")
    assert (said.code, said.out) == (2, "")
