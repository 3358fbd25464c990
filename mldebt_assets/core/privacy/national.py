"""Numbers that states give to persons, by python-stdnum's check digits; nothing is looked up."""

from __future__ import annotations

import functools
import importlib
import re
from dataclasses import dataclass
from typing import Any

APART = r"(?<![\w.,@/+-])"
END = r"(?![\w@/]|[.,-]\d)"


@dataclass(frozen=True)
class NationalId:
    """One kind of number: its name, python-stdnum's module, and how it is written.

    ``chance`` is how often, at most, a random number that is written so passes its check digits.
    """

    name: str
    module: str
    written: str
    chance: float

    @functools.cached_property
    def pattern(self) -> re.Pattern[str]:
        """The number as it stands in a text, by itself."""
        return pattern_of(self.written)

    @functools.cached_property
    def shape(self) -> re.Pattern[str]:
        """The same where 9 stands for every digit and A for every letter."""
        return re.compile(shape_of(self.written))

    def check(self, text: str) -> bool:
        """Return whether the number is valid, as far as it says so itself."""
        return bool(_module(self.module).is_valid(text))


@functools.lru_cache(maxsize=64)
def pattern_of(written: str) -> re.Pattern[str]:
    """Return the pattern of a number that stands by itself."""
    return re.compile(f"{APART}(?:{written}){END}")


def shape_of(written: str) -> str:
    r"""Return a pattern with 9 for every digit and A for every letter.

    >>> shape_of(r"(?:19|20)\d{2}[XYZ][-+A-F]")
    '(?:99|99)9{2}[A][-+A]'
    """
    parts = re.findall(r"\{[^}]*\}|\(\?:|\[[^\]]*\]|\\?.", written)
    return "".join(_shape_of_part(part) for part in parts)


def _shape_of_part(part: str) -> str:
    if part.startswith("{"):
        return part
    if part.startswith("["):
        ranges = re.sub(r"([A-Z])-[A-Z]|([0-9])-[0-9]|\\d", lambda m: m[1] or m[2] or "0", part)
        plain = re.sub(r"[0-9]", "9", re.sub(r"[A-Z]", "A", ranges.upper()))
        return "".join(dict.fromkeys(plain))
    if part == r"\d":
        return "9"
    return re.sub(r"[0-9]", "9", re.sub(r"[A-Z]", "A", part))


@functools.lru_cache(maxsize=64)
def _module(name: str) -> Any:
    return importlib.import_module(f"stdnum.{name}")


BORN = r"\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
BORN_DAY_FIRST = r"(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])\d\d"

NATIONAL_IDS = (
    NationalId("Austrian social insurance number", "at.vnr", rf"\d{{4}} ?{BORN_DAY_FIRST}", 0.1),
    NationalId("Belgian national number", "be.nn", r"\d\d\.?(?:0\d|1[0-2])\.?[0-3]\d-?\d{3}\.?\d\d",
               0.021),
    NationalId("Brazilian CPF", "br.cpf", r"\d{3}\.?\d{3}\.?\d{3}-?\d\d", 0.013),
    NationalId("Bulgarian EGN", "bg.egn", r"\d{10}", 0.1),
    NationalId("Chilean RUT", "cl.rut", r"\d{1,2}\.?\d{3}\.?\d{3}-[\dK]", 0.1),
    NationalId("Chinese resident identity number", "iso7064.mod_11_2",
               r"[1-8]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dX]", 0.1),
    NationalId("Croatian OIB", "hr.oib", r"\d{11}", 0.1),
    NationalId("Czech or Slovak birth number", "cz.rc", r"\d{6}/?\d{4}", 0.1),
    NationalId("Dutch BSN", "nl.bsn", r"\d{9}", 0.1),
    NationalId("Estonian personal code", "ee.ik", rf"[1-6]{BORN}\d{{4}}", 0.1),
    NationalId("Finnish HETU", "fi.hetu", rf"{BORN_DAY_FIRST}[-+A-FU-Y]\d{{3}}[0-9A-Y]", 0.04),
    NationalId("French NIR", "fr.nir",
               r"[12] ?\d\d ?\d\d ?(?:\d\d|2[AB]) ?\d{3} ?\d{3} ?\d\d", 0.011),
    NationalId("German tax identification number", "de.idnr", r"[1-9]\d{10}", 0.1),
    NationalId("Indian Aadhaar", "in_.aadhaar", r"[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}", 0.1),
    NationalId("Israeli identity number", "il.idnr", r"\d{9}", 0.1),
    NationalId("Italian codice fiscale", "it.codicefiscale",
               r"[A-Z]{6}\d\d[A-EHLMPR-T]\d\d[A-Z]\d{3}[A-Z]", 0.04),
    NationalId("Mexican CURP", "mx.curp", rf"[A-Z]{{4}}{BORN}[HM][A-Z]{{5}}[0-9A-Z]\d", 0.1),
    NationalId("Norwegian birth number", "no.fodselsnummer", rf"{BORN_DAY_FIRST} ?\d{{5}}", 0.01),
    NationalId("Polish PESEL", "pl.pesel", r"\d\d[0-3]\d[0-3]\d{6}", 0.1),
    NationalId("Romanian CNP", "ro.cnp", rf"[1-8]{BORN}\d{{6}}", 0.1),
    NationalId("South African identity number", "za.idnr", rf"{BORN}\d{{7}}", 0.1),
    NationalId("Spanish DNI", "es.dni", r"\d{8}-?[A-Z]", 0.045),
    NationalId("Spanish NIE", "es.nie", r"[XYZ]\d{7}-?[A-Z]", 0.045),
    NationalId("Swedish personnummer", "se.personnummer", rf"(?:19|20)?{BORN}[-+]?\d{{4}}", 0.1),
    NationalId("Swiss AHV number", "ch.ssn", r"756\.?\d{4}\.?\d{4}\.?\d\d", 0.1),
    NationalId("Turkish identity number", "tr.tckimlik", r"[1-9]\d{10}", 0.014),
    NationalId("UK NHS number", "gb.nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", 0.1),
    NationalId("US social security number", "us.ssn", r"\d{3}-\d\d-\d{4}", 0.89),
)  # fmt: skip
