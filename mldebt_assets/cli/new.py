"""``mldebt new``: from a user's table to a pipeline that replays."""

import re
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson
from mldebt_assets.cli.opening import facts, out, print_json, say, table
from mldebt_assets.core.errors import NewPipelineError
from mldebt_assets.core.periods import how_many
from mldebt_assets.home import pipelines_folder, project_root
from mldebt_assets.pipeline import BATCH_NAME, check_pipeline_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldebt_assets.core.profile.goal import Goal
    from mldebt_assets.core.profile.table import Profile
    from mldebt_assets.sources.origins import Origin

FEW_DAYS = 40
BATCHES_TO_COMPARE = 2
HOW_TO_HIDE = (
    "personal data are replaced by pseudonyms as they come: first set MLDEBT_PSEUDONYM_KEY to a "
    "secret of yours, as `openssl rand -hex 32` makes one, or declare another privacy"
)
MADE_UTC = {
    "with_zone": "its times have a zone; they are taken as UTC",
    "epoch_seconds": "its numbers are taken as seconds since 1970, UTC",
}
UNSAID = re.compile(r"[^A-Za-z0-9._-]+")

NewName = Annotated[str, typer.Argument(help="Lower case letters, digits and '_'.", metavar="NAME")]
Data = Annotated[
    str,
    typer.Option(
        help="CSV or Parquet: a file or any fsspec URL; or a SQLAlchemy URL.", metavar="FILE_OR_URL"
    ),
]
Target = Annotated[str, typer.Option(help="The column to be predicted.", metavar="COLUMN")]
Time = Annotated[
    str | None,
    typer.Option(help="When a row came to be; else the only column of times.", metavar="COLUMN"),
]
Batch = Annotated[
    Literal["month", "week", "day", "file"] | None,
    typer.Option(help="What a batch is; else by how far the times reach."),
]
Task = Annotated[
    Literal["binary", "multiclass", "regression"] | None,
    typer.Option(help="What the target asks for; else what its values say."),
]
TableName = Annotated[
    str | None,
    typer.Option("--table", help="A table, where --data is a SQLAlchemy URL.", metavar="TABLE"),
]
Query = Annotated[
    str | None,
    typer.Option(help="A query, where --data is a SQLAlchemy URL.", metavar="SQL"),
]
Joins = Annotated[
    list[str] | None,
    typer.Option(
        "--join",
        help="Another file, or table of the same database, of which each row finds at most one "
        "row; may be repeated.",
        metavar="TABLE_OR_FILE on KEY[=KEY2][, …]",
    ),
]
LandingIn = Annotated[
    Path | None,
    typer.Option("--landing", help="Where the batches go; else data/landing/NAME."),
]


def new(  # noqa: PLR0917 - a command's options
    name: NewName,
    data: Data,
    target: Target,
    time: Time = None,
    batch: Batch = None,
    task: Task = None,
    landing: LandingIn = None,
    table_name: TableName = None,
    query: Query = None,
    join: Joins = None,
    as_json: AsJson = False,
) -> None:
    """Write a pipeline for a table of yours, and land its rows as batches.

    Types, row key, time, bounds and categories are inferred; what gives the target away, names a
    row or seems personal is left out of the inputs, and the file says why. Nothing is ever written
    over.

    Example: `mldebt new cancer --data breast_cancer.csv --target target`
    """
    require_free(name)
    from mldebt_assets.core.profile.table import profile
    from mldebt_assets.core.profile.writing import pipeline_file
    from mldebt_assets.sources import bringing
    from mldebt_assets.sources.gathering import gather

    if table_name is not None and query is not None:
        raise NewPipelineError.of("Both --table and --query name rows.", "leave one of them out.")
    gathered = gather(data, table=table_name, query=query, joins=join or [])
    first = table_name or ("a query" if query else Path(data).name)
    source = " with ".join([first, *join_names(gathered.origins)])
    stem = UNSAID.sub("-", first.partition(".")[0]).strip("-.")
    lone = stem if time and BATCH_NAME.fullmatch(stem) else f"{gathered.written:%Y-%m-%d}"
    found = profile(gathered.table, target=target, time=time, every=batch, name=lone, task=task)
    root = project_root()
    folder = (landing or root / "data" / "landing" / name).resolve()
    inside = folder.is_relative_to(root.resolve())
    url = folder.relative_to(root.resolve()).as_posix() if inside else folder.as_posix()
    text = pipeline_file(found, name=name, source=source, landing=url)
    own = pipelines_folder()
    file = (own or Path(pipelines.__file__).parent) / f"{name}.py"
    if file.exists():
        fix = "choose another name; nothing is ever written over."
        raise NewPipelineError.of(f"{file} is there already.", fix)
    with ExitStack() as undoing:
        bringing.land(found, folder, gathered.origins)
        undoing.callback(bringing.take_back, folder)
        bringing.write_pipeline(file, text)
        undoing.callback(file.unlink)
        bringing.format_pipeline(file)
        if own is None:
            bringing.register(Path(pipelines.__file__), name)
        undoing.pop_all()
    answer = document(found, name, file, folder, gathered.origins)
    if as_json:
        print_json(answer)
    else:
        show(answer)


def require_free(name: str) -> None:
    """Raise DeclarationError for a bad name, NewPipelineError for one that is taken."""
    check_pipeline_name(name)
    if name in {pipeline.name for pipeline in pipelines.PIPELINES}:
        raise NewPipelineError.of(f"There is a pipeline called {name!r}.", "choose another name.")


def join_names(origins: "Sequence[Origin]") -> list[str]:
    """Return how the tables are called that the first one was joined with."""
    return [one["rows_of"] or Path(one["uri"]).name for one in origins if one["joined_on"]]


def document(
    found: "Profile", name: str, file: Path, folder: Path, origins: "Sequence[Origin]"
) -> dict[str, Any]:
    """Return what was inferred and written, as plain JSON values."""
    counts = found.batches.value_counts()
    return {
        "pipeline": name,
        "file": str(file),
        "landing": str(folder),
        "made_from": list(origins),
        "rows": len(found.batches),
        "batches": [{"batch": one, "rows": int(counts[one])} for one in found.names],
        "target": target_of(found.goal),
        "time": found.time,
        "row_key": list(found.row_key),
        "split": found.time,
        "columns": {
            one.name: {
                "dtype": one.dtype,
                "nullable": one.nullable,
                "left_out": one.left_out,
                "suspected": one.suspected,
            }
            for one in found.columns
        },
        "warnings": warnings_of(found),
        "next": f"mldebt replay {name}",
    }


def target_of(goal: "Goal") -> dict[str, Any]:
    """Return what is predicted, as plain JSON values."""
    positive = goal.positive
    return {
        "column": goal.column,
        "task": goal.task,
        "why": goal.why,
        "positive": positive.item() if hasattr(positive, "item") else positive,
        "classes": list(goal.classes),
        "share": goal.share,
        "range": list(goal.range) if goal.range else None,
    }


def told(target: dict[str, Any]) -> str:
    """Return in one line what is predicted."""
    column, share = target["column"], target["share"]
    if target["task"] == "binary":
        return f"{column}; 1 is {target['positive']!r}, {share:.1%} of the rows"
    if target["task"] == "multiclass":
        classes = target["classes"]
        return f"{column}, one of {len(classes)} classes; the largest is {share:.1%} of the rows"
    low, high = target["range"]
    return f"{column}, a number from {low:,.6g} to {high:,.6g}"


def warnings_of(found: "Profile") -> list[str]:
    """Return what a person should know before the first replay."""
    said = [f"{one.column}: {one.kind} ({one.why})" for one in found.personal]
    said += [HOW_TO_HIDE] if found.personal else []
    said += [
        f"{one}: it has no value of a type that can be declared; it was left behind"
        for one in found.unusable
    ]
    said += [
        f"{one.name}: {one.spelled}" for one in found.columns if one.left_out == one.spelled != ""
    ]
    said += [
        f"{one.name}: {one.suspected}; is it known before the target is?"
        for one in found.inputs
        if one.suspected
    ]
    said += [
        f"{one.name}: {MADE_UTC[one.written]}" for one in found.columns if one.written in MADE_UTC
    ]
    if found.goal.task != "binary":
        said.append(f"the task is {found.goal.task}: {found.goal.why}; --task says otherwise")
    said += cut_short(found)
    if found.time and found.days < FEW_DAYS:
        said.append(
            f"its times are of {found.days} days: so few can be held out that the gate may say "
            "that it cannot judge"
        )
    return said


def cut_short(found: "Profile") -> list[str]:
    """Return whether the newest batch has so few rows that its period is hardly over."""
    *earlier, newest = found.batches.value_counts().reindex(found.names)
    if len(earlier) < BATCHES_TO_COMPARE or newest >= median(earlier) / 2:
        return []
    return [
        f"{found.names[-1]} has {newest:,} rows, where {median(earlier):,.0f} are usual: if it is "
        "not over yet, land it again when it is; else `mldebt accept` has it learned, should it "
        "be taken for a file that was cut off"
    ]


def show(answer: dict[str, Any]) -> None:
    """Print what was inferred, and the next command."""
    batches, target = answer["batches"], answer["target"]
    first, last = batches[0]["batch"], batches[-1]["batch"]
    named = first if len(batches) == 1 else f"{first} to {last}"
    rows = [
        ("rows", f"{answer['rows']:,} in {how_many(len(batches))}: {named}"),
        ("target", told(target)),
        ("time", answer["time"] or "none: a batch's name says of what day it is"),
        ("row key", ", ".join(answer["row_key"]) or "none: a row is known by all of its values"),
        ("held out", f"days of {answer['split']}" if answer["split"] else "rows, equal ones whole"),
    ]
    apart = {name: one for name, one in answer["columns"].items() if one["left_out"]}
    inputs = len(answer["columns"]) - len(apart)
    rows.append(("inputs", f"{inputs} of {len(answer['columns'])} columns"))
    out.print(facts([(name, escape(text)) for name, text in rows]))
    if apart:
        made = table(("no input", "why"))
        for name, one in apart.items():
            made.add_row(escape(name), escape(one["left_out"]))
        out.print(made)
    for one in filter(lambda origin: origin["joined_on"], answer["made_from"]):
        share = one["unmatched"] / answer["rows"]
        name = one["rows_of"] or Path(one["uri"]).name
        say(f"Joined {name} on {one['joined_on']}: {share:.1%} of the rows found no partner")
    for warning in answer["warnings"]:
        say(f"LOOK  {warning}")
    say(f"Wrote {answer['file']}")
    say(f"Next: {answer['next']}")
