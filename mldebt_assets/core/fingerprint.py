"""What identifies bytes, values and rows: SHA-256 digests, and the hash-chosen split."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from mldebt_assets.core.policies import Split


def sha256(data: bytes) -> str:
    """Return the SHA-256 of ``data`` as 64 lower case hexadecimal digits.

    Source: FIPS 180-4; the value below is its test vector.

    >>> sha256(b"abc")
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    """
    return hashlib.sha256(data).hexdigest()


def md5(data: bytes) -> str:
    """Return the MD5 of ``data``: DVC's address of it, never its identity.

    Source: RFC 1321; the value below is from its test suite.

    >>> md5(b"abc")
    '900150983cd24fb0d6963f7d28e17f72'
    """
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def canonical_json(value: Any) -> bytes:
    """Return the one UTF-8 text of a JSON value: keys sorted, no spaces, floats by repr.

    Equal values give equal bytes in every process.
    Raises: ValueError for NaN and infinities, TypeError for what JSON cannot hold.

    >>> canonical_json({"b": [1, 2.5, None], "a": "é"}).decode()
    '{"a":"é","b":[1,2.5,null]}'
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def digest(value: Any) -> str:
    """Return the SHA-256 of a JSON value's canonical text.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return sha256(canonical_json(value))


def group_fraction(group: str, salt: str) -> float:
    """Return where ``group`` falls in [0, 1): uniform over groups, the same for ever.

    Another ``salt`` gives an independent place.

    >>> group_fraction("2013-01-01", "mldebt") == group_fraction("2013-01-01", "mldebt")
    True
    """
    name = hashlib.sha256(canonical_json([salt, group])).digest()
    return (int.from_bytes(name[:8]) >> 11) / 2**53


def split_of(groups: pd.Series[str], split: Split) -> pd.Series[str]:
    """Return "held_out", "tuning" or "training" for the group that each row belongs to.

    Depends on the group's name and the declared split alone, so that rows of one group stay
    together, and a group keeps its place in every version whatever else arrives. The tuning
    fraction is a share of the groups that are not held out.
    Raises: ValueError for a row without a group, whose place nothing could decide.
    """
    if groups.isna().any():
        raise ValueError(
            f"{int(groups.isna().sum())} rows have no {split.group}, by which rows are split.\n"
            f"Fix: declare the column {split.group} as not nullable."
        )
    places = {group: _place(str(group), split) for group in groups.unique()}
    return groups.map(places).astype("object")


def _place(group: str, split: Split) -> str:
    if group_fraction(group, f"{split.salt}:held_out") < split.held_out_fraction:
        return "held_out"
    if group_fraction(group, f"{split.salt}:tuning") < split.tuning_fraction:
        return "tuning"
    return "training"
