"""What personal data look like: how they are written, what checks them, how chance passes that."""

from __future__ import annotations

import functools
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mldebt_assets.core.privacy.checksums import IBAN_LENGTHS, has_card_prefix, is_iban, luhn
from mldebt_assets.core.privacy.names import BANK, CARD, EMAIL, IP, MAC, PHONE, STATE
from mldebt_assets.core.privacy.national import APART, END, NATIONAL_IDS

if TYPE_CHECKING:
    from collections.abc import Callable

PHONE_DIGITS = (8, 15)
PUBLIC_OCTET = 32  # of a version number, hardly two of four parts are as large
LEAST_LARGE_OCTETS = 2
LEAST_COLONS = 3
# Country codes of the ITU (E.164): one digit, or the first two of those with two or three.
COUNTRY_CODES = re.compile(r"[17]|2[01234569]|[3-689]\d")


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """One way to write personal data.

    ``check`` returns whether what is written so is really one, None where it tells nothing either
    way. ``chance`` is the share of random values, written alike, that pass the check all the
    same. By itself a column is found where chance would make what was seen with a probability of
    ``limit`` at most; ``hinted`` is the limit where the column is called after the kind.
    ``shape`` is what it looks like where 9 stands for every digit, A and a for every letter: many
    values have few shapes, so most columns are done with quickly.
    """

    kind: str
    name: str
    written: re.Pattern[str]
    check: Callable[[str], bool | None]
    chance: float
    limit: float = 1e-3
    hinted: float = 0.05
    least_share: float = 0.2
    shape: re.Pattern[str]
    only_by_name: bool = False


def is_card(text: str) -> bool | None:
    """Return whether it is a card's number; None where no issuer gives numbers like it."""
    digits = re.sub(r"[ -]", "", text)
    return luhn(digits) if has_card_prefix(digits) else None


def is_account(text: str) -> bool | None:
    """Return whether it is an IBAN; None where its length is none of its country's."""
    compact = text.replace(" ", "")
    length = IBAN_LENGTHS.get(compact[:2])
    if length is None or len(compact) < length:
        return None
    return is_iban(compact[:length])


def is_public_address(text: str) -> bool | None:
    """Return whether it is an address on the internet; None for private ones, and for versions."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if not address.is_global:
        return None
    if address.version == 4:  # noqa: PLR2004
        large = sum(octet >= PUBLIC_OCTET for octet in address.packed)
        return large >= LEAST_LARGE_OCTETS
    return text.count(":") >= LEAST_COLONS


def is_international(text: str) -> bool:
    """Return whether it is a number with a country code (ITU-T E.164)."""
    digits = re.sub(r"\D", "", text)
    lengths = PHONE_DIGITS[0] <= len(digits) <= PHONE_DIGITS[1]
    return lengths and COUNTRY_CODES.match(digits) is not None


def is_north_american(text: str) -> bool:
    """Return whether area code and exchange are possible ones (North American Numbering Plan)."""
    digits = re.sub(r"\D", "", text)
    area, exchange = digits[:3], digits[3:6]
    return area[0] > "1" and area[1] != "9" and exchange[0] > "1" and "11" not in {
        area[1:], exchange[1:]
    }  # fmt: skip


def is_dialled(text: str) -> bool:
    """Return whether it has as many digits as a telephone number."""
    return PHONE_DIGITS[0] - 1 <= len(re.sub(r"\D", "", text)) <= PHONE_DIGITS[1]


def is_device(text: str) -> bool | None:
    """Return whether it is a device's address; None for that of nobody or of everybody."""
    return None if len(set(re.sub(r"[:-]", "", text.upper()))) == 1 else True


def always(_: str) -> bool:
    """Return True: what is written so is one."""
    return True


@functools.cache
def patterns() -> tuple[Pattern, ...]:
    """Return every pattern, those of kinds with few false alarms first."""
    national = (
        Pattern(
            kind=STATE,
            name=one.name,
            written=one.pattern,
            shape=one.shape,
            check=one.check,
            chance=one.chance,
            limit=1e-6,
            least_share=0.5,
        )
        for one in NATIONAL_IDS
    )
    return (*GENERAL, *national)


GENERAL = (
    Pattern(
        kind=EMAIL,
        name="an address with @ and a domain",
        written=re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.)+[A-Za-z]{2,24}(?![\w@])"),
        shape=re.compile("@"),
        check=always,
        chance=1e-3,
    ),
    Pattern(
        kind=CARD,
        name="Luhn's check digit, and an issuer's first digits and length",
        written=re.compile(rf"{APART}\d(?:[ -]?\d){{12,18}}{END}"),
        shape=re.compile("9(?:[ -]?9){12}"),
        check=is_card,
        chance=0.1,
    ),
    Pattern(
        kind=BANK,
        name="remainder 1 modulo 97, and the country's length",
        written=re.compile(
            r"(?<![\w-])[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![\w-])"
        ),
        shape=re.compile("AA99 ?[A9]{4}"),
        check=is_account,
        chance=1 / 97,
        limit=0.02,
    ),
    Pattern(
        kind=PHONE,
        name="+ and a country code",
        written=re.compile(r"(?<![\w.+-])\+\d[\d ().\-/]{6,18}\d(?!\w)"),
        shape=re.compile(r"\+9"),
        check=is_international,
        chance=0.05,
    ),
    Pattern(
        kind=PHONE,
        name="an area code in parentheses",
        written=re.compile(r"(?<!\w)\([2-9]\d\d\) ?\d{3}[-. ]\d{4}(?!\w)"),
        shape=re.compile(r"\(999\)"),
        check=is_north_american,
        chance=0.05,
    ),
    Pattern(
        kind=PHONE,
        name="area code and exchange of North America",
        written=re.compile(rf"{APART}\d{{3}}[-.]\d{{3}}[-.]\d{{4}}{END}"),
        shape=re.compile("999[-.]999[-.]9999"),
        check=is_north_american,
        chance=0.55,
        limit=1e-6,
    ),
    Pattern(
        kind=PHONE,
        name="as many digits as a telephone number has",
        written=re.compile(r"(?m)^[ (+]*\d[\d ().\-/]{5,18}\d$"),
        shape=re.compile("9"),
        check=is_dialled,
        chance=0.5,
        least_share=0.5,
        only_by_name=True,
    ),
    Pattern(
        kind=IP,
        name="a public IPv4 address",
        written=re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)"),
        shape=re.compile(r"9\.9+\.9+\.9"),
        check=is_public_address,
        chance=0.25,
    ),
    Pattern(
        kind=IP,
        name="a public IPv6 address",
        written=re.compile(r"(?<![\w:.])[0-9A-Fa-f]{1,4}(?::{1,2}[0-9A-Fa-f]{1,4}){2,7}(?![\w:])"),
        shape=re.compile("(?:[Aa9]{1,4}:){3}|::"),
        check=is_public_address,
        chance=0.05,
    ),
    Pattern(
        kind=MAC,
        name="six pairs of hexadecimal digits",
        written=re.compile(
            r"(?<![\w:-])[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}(?![\w:-])"
        ),
        shape=re.compile("(?:[Aa9]{2}[:-]){5}"),
        check=is_device,
        chance=0.03,
    ),
)
