"""The pipeline file of a profiled table: plain Python for a person to read and to correct."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldebt_assets.core.profile.columns import Found
    from mldebt_assets.core.profile.table import Every, Profile

ENDS: dict[Every, str] = {"month": "month_end", "week": "week_end", "day": "day_end"}
COOL_DOWN_DAYS: dict[Every, float] = {"month": 20.0, "week": 13.0, "day": 6.0, "file": 0.0}
SMALL_ROWS, MEDIUM_ROWS = 3_000, 30_000
FEW_ROWS_A_BATCH = 500
BATCHES_TO_START = 3
WIDTH = 96


def pipeline_file(profile: Profile, *, name: str, source: str, landing: str) -> str:
    """Return the text of a pipeline file; ``source`` is the table, ``landing`` its folder."""
    parts = [
        _head(profile, name, source),
        _label(),
        _features(profile),
        _declaration(profile, name, source, landing),
    ]
    return "\n\n".join(parts)


def _head(profile: Profile, name: str, source: str) -> str:
    end = _batch_end(profile)
    periods = f"from mldebt_assets.core.periods import {end}\n" if end else ""
    names = ["Column", "Costs", "LandingFolder", "Pipeline", "Retraining", "Split", "Target"]
    names += ["Training"]
    names += ["Expectation"] if any(one.levels for one in _categories(profile)) else []
    names += ["Drift"] if _ignored(profile) else []
    policy = "from mldebt_assets.core.privacy.policy import Pseudonymise\n"
    hidden = policy if any(one.personal for one in profile.columns) else ""
    listed = "\n".join(f"    {one}," for one in sorted(names))
    rows = len(profile.batches)
    notes = [
        f"Written by `mldebt new {name}` from {source}: {rows:,} rows.",
        "What it says was inferred from them; where a person should look, a comment says LOOK.",
    ]
    return (
        f'"""{_prose(profile.target)}: which rows have it?\n\n{chr(10).join(map(_prose, notes))}\n'
        '"""\n\n'
        "from __future__ import annotations\n\nimport pandas as pd\n\n"
        f"{periods}{hidden}from mldebt_assets.pipeline import (\n{listed}\n)\n\n"
        f"TARGET = {_literal(profile.target)}\n"
        f"POSITIVE = {_literal(profile.positive)}"
        "  # LOOK: the value that counts as 1; every other one counts as 0\n"
        f"NUMBERS: list[str] = {_list([one.name for one in _numbers(profile)])}\n"
        f"CATEGORIES: list[str] = {_list([one.name for one in _categories(profile)])}\n"
        f"{_omitted(profile)}"
    )


def _omitted(profile: Profile) -> str:
    """Return the columns that are no inputs, each with its reason, as comments."""
    apart = [one for one in profile.columns if one.left_out and one.name != profile.target]
    lines = [f"# {_prose(one.name)}: {one.left_out}" for one in apart]
    lines += [
        f"# {_prose(one)}: its type cannot be declared; it was not landed"
        for one in profile.unusable
    ]
    if not lines:
        return ""
    return "\n# LOOK: no inputs of the model are\n" + "\n".join(lines) + "\n"


def _label() -> str:
    return (
        "def label(rows: pd.DataFrame) -> pd.Series[float]:\n"
        '    """Return 1.0 where the target is POSITIVE, 0.0 where it is another, else NaN."""\n'
        "    value = rows[TARGET]\n"
        '    return (value == POSITIVE).astype("float64").where(value.notna())\n'
    )


def _features(profile: Profile) -> str:
    moments = _from_time(profile)
    lines = [
        "def features(rows: pd.DataFrame) -> pd.DataFrame:",
        '    """Return what the model may know of each row, computed from that row alone."""',
        '    numbers = rows[NUMBERS].astype("float64")',
    ]
    made = "pd.concat([numbers, rows[CATEGORIES]], axis=1)"
    if moments:
        lines += [f"    inputs = {made}", f"    moment = rows[{_literal(profile.time)}]"]
        told = ", ".join(f"{name}={how}" for name, how in moments.items())
        lines.append(f"    return inputs.assign({told})")
    else:
        lines.append(f"    return {made}")
    return "\n".join(lines) + "\n"


def _from_time(profile: Profile) -> dict[str, str]:
    """Return the inputs that the time makes, where it tells rows apart and no name is taken."""
    times = next((one.values for one in profile.columns if one.name == profile.time), None)
    if times is None:
        return {}
    names = {one.name for one in profile.columns}
    made = {"weekday": "moment.dt.day_name()", "hour": 'moment.dt.hour.astype("float64")'}
    varies = {"weekday": times.dt.dayofweek.nunique() > 1, "hour": times.dt.hour.nunique() > 1}
    return {name: how for name, how in made.items() if varies[name] and name not in names}


def _declaration(profile: Profile, name: str, source: str, landing: str) -> str:
    end = _batch_end(profile)
    many = len(profile.names)
    rows = len(profile.batches)
    a_batch = rows / many
    columns = "\n".join(f"        {_column(one)}," for one in profile.columns)
    lines = [
        f"{name} = Pipeline(",
        f"    name={_literal(name)},",
        f"    description={_literal(f'Will {profile.target} be {profile.positive}?')},",
        '    owner="team:data",  # LOOK: who answers for it',
        "    source=LandingFolder(",
        f"        url={_literal(landing)},",
        f"        description={_literal(f'Rows of {source}')},",
        '        licence="not stated",  # LOOK',
        '        consent="not stated",  # LOOK: why these rows may be used',
        "    ),",
        f"    columns=(\n{columns}\n    ),",
    ]
    key = ", ".join(map(_literal, profile.row_key))
    if key:
        lines.append(f"    row_key=({key}{',' if len(profile.row_key) == 1 else ''}),")
    else:
        lines.append("    # No columns name a row, so it is known by all of its values.")
    lines += [f"    time={_literal(profile.time)},"] if profile.time else []
    lines += [f"    batch_end={end},"] if end else []
    lines += [
        "    target=Target(",
        f"        description={_literal(f'1 where {profile.target} is {profile.positive}')},",
        "        label=label,",
        "        reads=(TARGET,),",
        "    ),",
        "    features=features,",
    ]
    rules = [_rule(one) for one in _categories(profile) if one.levels]
    lines += ["    expectations=(", *rules, "    ),"] if rules else []
    if a_batch < FEW_ROWS_A_BATCH:
        lines.append("    quarantine_limit=0.05,")
    split = f"Split(group={_literal(profile.time)})" if profile.time else "Split()"
    whole = "days are held out as a whole" if profile.time else "equal rows are held out together"
    lines.append(f"    split={split},  # {whole}")
    size = 32 if rows < SMALL_ROWS else 128 if rows < MEDIUM_ROWS else 512
    lines.append(f"    training=Training(batch_rows={size}),")
    lines.append("    costs=Costs(false_alarm=1.0, missed=1.0),  # LOOK: what each mistake costs")
    if ignored := _ignored(profile):
        lines.append(f"    drift=Drift(ignore={_tuple(ignored)}),")
    first = min(BATCHES_TO_START, max(1, many // 2))
    wait = COOL_DOWN_DAYS[profile.every]
    lines.append(f"    retraining=Retraining(first_batches={first}, cool_down_days={wait}),")
    return "\n".join([*lines, ")", ""])


def _column(one: Found) -> str:
    parts = [f"name={_literal(one.name)}", f"dtype={_literal(one.dtype)}"]
    parts.append(f"meaning={_literal(one.name.replace('_', ' '))}")
    parts += ["nullable=True"] if one.nullable else []
    for what, bound in (("minimum", one.minimum), ("maximum", one.maximum)):
        if bound is not None:
            parts.append(f"{what}={_number(bound, one.dtype)}")
    parts += ["privacy=Pseudonymise()"] if one.personal else []
    return f"Column({', '.join(parts)})"


def _rule(one: Found) -> str:
    values = f"[{', '.join(map(_literal, one.levels))}]"
    return (
        '        Expectation(\n            name="ExpectColumnValuesToBeInSet",\n'
        f'            arguments={{"column": {_literal(one.name)}, "value_set": {values}}},\n'
        '            failing="quarantine",\n        ),'
    )


def _numbers(profile: Profile) -> list[Found]:
    return [one for one in profile.inputs if one.dtype in {"int64", "float64"}]


def _categories(profile: Profile) -> list[Found]:
    return [one for one in profile.inputs if one.dtype == "string"]


def _ignored(profile: Profile) -> list[str]:
    """Return the columns whose drift says nothing: those that name rows, or hold no values."""
    kept = {profile.target, profile.time}
    return [
        one.name
        for one in profile.columns
        if one.left_out and one.name not in kept and one.dtype != "timestamp"
    ]


def _batch_end(profile: Profile) -> str | None:
    if profile.time is None:
        return "day_named"
    return ENDS.get(profile.every)


def _number(bound: float, dtype: str) -> str:
    if dtype == "int64":
        return str(int(bound))
    digits = 0 if bound == 0 else 3 - math.floor(math.log10(abs(bound)))
    return repr(round(bound, digits))


def _literal(value: Any) -> str:
    """Return a value as Python writes it, texts in double quotes."""
    plain = value.item() if hasattr(value, "item") else value
    return json.dumps(plain, ensure_ascii=True) if isinstance(plain, str) else repr(plain)


def _list(names: Sequence[str]) -> str:
    return f"[{', '.join(map(_literal, names))}]"


def _tuple(names: Sequence[str]) -> str:
    return f"({', '.join(map(_literal, names))},)"


def _prose(text: str) -> str:
    """Return a text that may stand in a comment or a docstring, whatever it holds.

    >>> _prose('a' + chr(10) + 'b')
    'a b'
    """
    kept = "".join(sign if sign.isprintable() else " " for sign in text)
    return kept.replace("\\", "/").replace('"""', "'''").strip() or "(blank)"
