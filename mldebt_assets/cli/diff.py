"""``mldebt diff``: what two versions of a model differ in."""

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, PipelineName
from mldebt_assets.cli.opening import facts, opened, out, print_json, short, table

MOST_FILES = 12
MOST_SLICES = 12
FACTS = ("parameters", "environment")
SIDES = ("before", "after")
NONE = "·"
Version = Annotated[int, typer.Argument(help="A version.", metavar="V", min=1)]


def diff(pipeline: PipelineName, before: Version, after: Version, as_json: AsJson = False) -> None:
    """Say what two versions of a model differ in: data, code, configuration, and how they do.

    It ends with 0 whether they differ or not.

    Example: `mldebt diff flight_delays 1 3`
    """
    declared = pipelines.find(pipeline)
    from mldebt_assets.answers.diff import diff_of

    with opened() as (platform, instance):
        answer = diff_of(instance, platform, declared, before, after)
    if as_json:
        print_json(answer)
    else:
        show(answer)


def show(answer: dict[str, Any]) -> None:
    """Print what differs, from the data to how well each version does."""
    before, after = (f"v{answer[side]['version']}" for side in ("before", "after"))
    out.print(f"[bold]{answer['pipeline']}  {before} to {after}[/]")
    rows = [*versions(answer), *data(answer["training_set"]), *code(answer["code"])]
    out.print(facts([(heading, escape(value)) for heading, value in rows]))
    configuration = answer["configuration"]
    if configuration["changes"] is None:
        out.print(
            "The configuration differs; not recorded in what: an old version kept its digest alone."
        )
    named = {"configuration": configuration["changes"] or [], **{n: answer[n] for n in FACTS}}
    for name, found in named.items():
        if found:
            out.print()
            out.print(changed(name, found, before, after))
    equal = [name for name, found in named.items() if not found]
    if configuration["changes"] is None:
        equal.remove("configuration")
    if equal:
        out.print(f"[dim]equal: {', '.join(equal)}[/]")
    out.print()
    out.print(judged(answer["judged_on"], before, after))
    if answer["metrics"]:
        out.print(measured(answer["metrics"], before, after))
    out.print()
    for line in sliced(answer["slices"], answer["metric"], before, after):
        out.print(line)


def versions(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines that say which two versions these are."""
    lines = []
    for side in (answer["before"], answer["after"]):
        state = "promoted" if side["promoted"] else "refused"
        if side["deleted"] is not None:
            state = f"{state}, deleted"
        lines += [
            (f"v{side['version']}", f"{state}, {came(side['trained_at'])}"),
            ("", side["weights_sha256"]),
        ]
    if answer["before"]["weights_sha256"] == answer["after"]["weights_sha256"]:
        lines.append(("", "the very same weights"))
    return lines


def came(trained_at: str | None) -> str:
    """Return when a version was trained, or that nobody knows, since it was adopted."""
    return "adopted" if trained_at is None else f"trained {trained_at[:19]} UTC"


def data(training: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines that say which batches differ."""
    if None in (training["before"], training["after"]):
        return [("data", "one of the two was adopted: what it was trained on is not known")]
    if training["before"] == training["after"]:
        return [("data", f"the same {training['rows_after']:,} rows")]
    gathered: dict[str, list[str]] = {}
    for one in training["batches"]:
        what = one["change"] if one["stage"] is None else f"other {one['stage']}"
        gathered.setdefault(what, []).append(one["batch"])
    return [
        ("data", f"{training['rows_before']:,} rows to {training['rows_after']:,}"),
        *((what, ", ".join(names)) for what, names in gathered.items()),
        ("unchanged", f"{training['unchanged']} batches"),
    ]


def code(programs: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines that say which program trained each, and which files differ."""
    before, after = programs["before"], programs["after"]
    if None in (before["digest"], after["digest"]):
        return [("code", "one of the two was adopted: how it was made is not known")]
    if before["digest"] == after["digest"]:
        return [("code", f"the same, digest {short(after['digest'])}")]
    commits = [side["commit"] or "unknown" for side in (before, after)]
    marks = [" + changes" if side["dirty"] else "" for side in (before, after)]
    lines = [("code", f"{commits[0]}{marks[0]}"), ("", f"{commits[1]}{marks[1]}")]
    files = programs["files"]
    if files is None:
        return [*lines, ("", "git here does not have both commits")]
    more = len(files) - MOST_FILES
    shown = [("", line.replace("\t", " ")) for line in files[:MOST_FILES]]
    rest = f"and {more} more: git diff --stat {short(commits[0])} {short(commits[1])}"
    return [*lines, *shown, *([("", rest)] if more > 0 else [])]


def changed(title: str, found: list[dict[str, Any]], before: str, after: str) -> Table:
    """Return a table of values that differ."""
    made = table((title, before, after))
    for one in found:
        made.add_row(
            *(escape(text) for text in (one["name"], *map(shown, (one[s] for s in SIDES))))
        )
    return made


def shown(value: Any) -> str:
    """Return a value as a cell shows it."""
    if value is None:
        return NONE
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def judged(on: dict[str, Any], before: str, after: str) -> str:
    """Return the line that says on which rows the versions were judged."""
    if on["same_rows"]:
        return f"Both judged on the same {rows_of(on['after'])}."
    return (
        f"Judged on different rows: {before} on {rows_of(on['before'])}, "
        f"{after} on {rows_of(on['after'])}."
    )


def rows_of(judged_on: dict[str, Any]) -> str:
    """Return how many rows of which batches an evaluation judged on."""
    batches = judged_on["batches"]
    span = batches[0] if len(batches) == 1 else f"{batches[0]} to {batches[-1]}"
    return f"{judged_on['rows']:,} held-out rows of {escape(span)}"


def measured(metrics: list[dict[str, Any]], before: str, after: str) -> Table:
    """Return the metrics side by side."""
    made = table(("metric", before, after, "change"), right=(before, after, "change"))
    for one in metrics:
        made.add_row(one["name"], *beside(one))
    return made


def sliced(slices: list[dict[str, Any]], metric: str, before: str, after: str) -> list[Any]:
    """Return the level of slices side by side, largest changes first, and what is left out."""
    known = [one for one in slices if None not in (one["before"], one["after"])]
    if not known:
        return [f"[dim]No slice has enough rows in both; {len(slices)} have too few.[/]"]
    known.sort(key=lambda one: -abs(one["after"] - one["before"]))
    made = table((f"{metric} in slice", before, after, "change"), right=(before, after, "change"))
    for one in known[:MOST_SLICES]:
        made.add_row(escape(f"{one['dimension']} {one['value']}"), *beside(one))
    smaller, few = len(known[MOST_SLICES:]), len(slices) - len(known)
    left = [f"{smaller} with smaller changes"] * bool(smaller) + [f"{few} too small"] * bool(few)
    return [made, *([f"[dim]left out: {', '.join(left)}[/]"] if left else [])]


def beside(one: dict[str, Any]) -> list[str]:
    """Return two numbers and their difference as cells."""
    if None in (one["before"], one["after"]):
        return [*(NONE if one[side] is None else number(one[side]) for side in SIDES), NONE]
    return [
        *(number(one[side]) for side in SIDES),
        number(one["after"] - one["before"], signed=True),
    ]


def number(value: float, *, signed: bool = False) -> str:
    """Return a count with separators, or a fraction with four digits."""
    sign = "+" if signed else ""
    return format(value, f"{sign},.0f" if float(value).is_integer() else f"{sign}.4f")
