"""The pipeline file of a profiled table: plain Python for a person to read and to correct."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldebt_assets.core.features import group_names
from mldebt_assets.core.fingerprint import split_of
from mldebt_assets.core.policies import Gate
from mldebt_assets.core.profile import target_writing
from mldebt_assets.core.profile.literals import listed, literal, number, prose, tupled

if TYPE_CHECKING:
    from mldebt_assets.core.policies import Split
    from mldebt_assets.core.profile.columns import Found
    from mldebt_assets.core.profile.table import Every, Profile

ENDS: dict[Every, str] = {"month": "month_end", "week": "week_end", "day": "day_end"}
COOL_DOWN_DAYS: dict[Every, float] = {"month": 20.0, "week": 13.0, "day": 6.0, "file": 0.0}
FEW_ROWS_A_BATCH = 500
BATCHES_TO_START = 3
WINDOW_BATCHES, USUAL_ROWS = 3, 1_000
LEAST_JUDGED_ROWS = 50
LEAST_TUNING_GROUPS = 2
WIDTH = 96


def pipeline_file(profile: Profile, *, name: str, source: str, landing: str) -> str:
    """Return the text of a pipeline file; ``source`` is the table, ``landing`` its folder."""
    parts = [
        _head(profile, name, source),
        target_writing.label(profile.goal),
        _features(profile),
        _declaration(profile, name, source, landing),
    ]
    return "\n\n".join(parts)


def _head(profile: Profile, name: str, source: str) -> str:
    end = _batch_end(profile)
    periods = f"from mldebt_assets.core.periods import {end}\n" if end else ""
    names = ["Column", "LandingFolder", "Pipeline", "Retraining", "Split", "Target", "Training"]
    names += ["Costs"] if profile.goal.task == "binary" else []
    names += ["Expectation"] if _rules(profile) else []
    names += ["Performance"] if _least_labelled(profile) else []
    names += ["Drift"] if _ignored(profile) else []
    policy = "from mldebt_assets.core.privacy.policy import Pseudonymise\n"
    hidden = policy if any(one.personal for one in profile.columns) else ""
    imported = "\n".join(f"    {one}," for one in sorted(names))
    rows = len(profile.batches)
    notes = [
        f"Written by `mldebt new {name}` from {source}: {rows:,} rows.",
        "What it says was inferred from them; where a person should look, a comment says LOOK.",
    ]
    return (
        f'"""{prose(target_writing.question(profile.goal))}\n\n{chr(10).join(map(prose, notes))}\n'
        '"""\n\n'
        "from __future__ import annotations\n\nimport pandas as pd\n\n"
        f"{periods}{hidden}from mldebt_assets.pipeline import (\n{imported}\n)\n\n"
        f"{target_writing.constants(profile.goal)}"
        f"NUMBERS: list[str] = {listed([one.name for one in _numbers(profile)])}\n"
        f"CATEGORIES: list[str] = {listed([one.name for one in _categories(profile)])}\n"
        f"{_omitted(profile)}{_suspected(profile)}"
    )


def _omitted(profile: Profile) -> str:
    """Return the columns that are no inputs, each with its reason, as comments."""
    apart = [one for one in profile.columns if one.left_out and one.name != profile.target]
    lines = [f"# {prose(one.name)}: {one.left_out}" for one in apart]
    lines += [
        f"# {prose(one)}: it has no value of a type that can be declared; it was not landed"
        for one in profile.unusable
    ]
    if not lines:
        return ""
    return "\n# LOOK: no inputs of the model are\n" + "\n".join(lines) + "\n"


def _suspected(profile: Profile) -> str:
    """Return the inputs of which a person should say whether they are known in time."""
    lines = [f"# {prose(one.name)}: {one.suspected}" for one in profile.inputs if one.suspected]
    if not lines:
        return ""
    asked = "# LOOK: inputs that tell so much: is each known before the target is?"
    return "\n" + "\n".join([asked, *lines]) + "\n"


def _features(profile: Profile) -> str:
    moments = _from_time(profile)
    lines = [
        "def features(rows: pd.DataFrame) -> pd.DataFrame:",
        '    """Return what the model may know of each row, computed from that row alone."""',
        '    numbers = rows[NUMBERS].astype("float64")',
    ]
    made = "pd.concat([numbers, rows[CATEGORIES]], axis=1)"
    if moments:
        lines += [f"    inputs = {made}", f"    moment = rows[{literal(profile.time)}]"]
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
        f"    name={literal(name)},",
        f"    description={literal(target_writing.question(profile.goal))},",
        '    owner="team:data",  # LOOK: who answers for it',
        "    source=LandingFolder(",
        f"        url={literal(landing)},",
        f"        description={literal(f'Rows of {source}')},",
        '        licence="not stated",  # LOOK',
        '        consent="not stated",  # LOOK: why these rows may be used',
        "    ),",
        f"    columns=(\n{columns}\n    ),",
    ]
    if profile.row_key:
        lines.append(f"    row_key={tupled(profile.row_key)},")
    else:
        lines.append("    # No columns name a row, so it is known by all of its values.")
    lines += [f"    time={literal(profile.time)},"] if profile.time else []
    lines += [f"    batch_end={end},"] if end else []
    lines += [
        *target_writing.declaration(profile.goal),
        "    features=features,",
    ]
    rules = _rules(profile)
    lines += ["    expectations=(", *rules, "    ),"] if rules else []
    if a_batch < FEW_ROWS_A_BATCH:
        lines.append("    quarantine_limit=0.05,")
    split = target_writing.split(profile.time, rows)
    lines.append(f"    split={target_writing.split_line(split)}")
    lines.append(f"    training={target_writing.training(rows)},")
    if profile.goal.task == "binary":
        lines.append(
            "    costs=Costs(false_alarm=1.0, missed=1.0),  # LOOK: what each mistake costs"
        )
    if least := _least_labelled(profile):
        lines.append(f"    performance=Performance(least_rows={least}),")
    if ignored := _ignored(profile):
        lines.append(f"    drift=Drift(ignore={tupled(ignored)}),")
    first = _batches_to_start(profile, split)
    wait = COOL_DOWN_DAYS[profile.every]
    lines.append(f"    retraining=Retraining(first_batches={first}, cool_down_days={wait}),")
    return "\n".join([*lines, ")", ""])


def _batches_to_start(profile: Profile, split: Split) -> int:
    """Return from how many batches on the first model is trained: it can be judged then.

    Of few days, too few are held out for the gate, and perhaps none is left to tune on.
    """
    many = len(profile.names)
    least = min(BATCHES_TO_START, max(1, many // 2))
    times = next((one.values for one in profile.columns if one.name == profile.time), None)
    if times is None:
        return least
    days = group_names(times.dropna())
    places = split_of(days, split)
    for count in range(least, many + 1):
        known = days.isin(days[profile.batches[days.index] <= profile.names[count - 1]])
        groups = days[known].groupby(places[known]).nunique()
        judged, tuned = (groups.get(place, 0) for place in ("held_out", "tuning"))
        if judged >= Gate().least_groups and tuned >= LEAST_TUNING_GROUPS:
            return count
    return least


def _column(one: Found) -> str:
    parts = [f"name={literal(one.name)}", f"dtype={literal(one.dtype)}"]
    parts.append(f"meaning={literal(one.name.replace('_', ' '))}")
    parts += [f"written={literal(one.written)}"] if one.written != "local" else []
    parts += ["nullable=True"] if one.nullable else []
    for what, bound in (("minimum", one.minimum), ("maximum", one.maximum)):
        if bound is not None:
            parts.append(f"{what}={number(bound, one.dtype)}")
    parts += ["privacy=Pseudonymise()"] if one.personal else []
    return f"Column({', '.join(parts)})"


def _rules(profile: Profile) -> list[str]:
    levels = [_rule(one) for one in _categories(profile) if one.levels]
    return [*levels, *target_writing.class_rule(profile.goal)]


def _least_labelled(profile: Profile) -> int | None:
    """Return from how many rows on the performance of small batches is judged; None by default."""
    usual = len(profile.batches) / len(profile.names) * WINDOW_BATCHES
    return None if usual >= USUAL_ROWS else max(LEAST_JUDGED_ROWS, int(usual / 2))


def _rule(one: Found) -> str:
    values = f"[{', '.join(map(literal, one.levels))}]"
    return (
        '        Expectation(\n            name="ExpectColumnValuesToBeInSet",\n'
        f'            arguments={{"column": {literal(one.name)}, "value_set": {values}}},\n'
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
