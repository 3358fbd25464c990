"""``mldebt drift``: how far the last batches lay from what their champions learned from."""

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, HtmlFile, PipelineName, complete_batch
from mldebt_assets.cli.opening import facts, opened, out, print_json, say, short, table, write_whole

DEFAULT_LAST = 6
MOST_ROWS = 30
WIDEST_NAME = 28
GAP = 2
CALM = "·"
SHARES = ("distance", "missing before", "now")
HEAT = ((0.3, "bold red"), (0.1, "red"), (0.0, "yellow"))
SEPARATORS = "-_."


def drift(
    pipeline: PipelineName,
    last: Annotated[
        int, typer.Option(help="How many of the newest batches.", min=1, metavar="N")
    ] = DEFAULT_LAST,
    until: Annotated[
        str | None,
        typer.Option(
            help="The last of them, in place of the newest.",
            metavar="BATCH",
            autocompletion=complete_batch,
        ),
    ] = None,
    html: HtmlFile = None,
    as_json: AsJson = False,
) -> None:
    """Say how far the last batches lay from what their champions learned from.

    It ends with 0 whether there was drift or not. `--html` writes the page of the last of these
    batches, with the others as its trend. Two files without a pipeline: `mldebt drift compare`.

    Example: `mldebt drift flight_delays --last 3`
    """
    declared = pipelines.find(pipeline)
    from mldebt_assets.answers.drift import drift_of

    with opened() as (platform, instance):
        answer = drift_of(instance, platform, declared, last, until)
        if html is not None and answer["batches"]:
            from mldebt_assets.answers.drift_page import page_of
            from mldebt_assets.plots.drift_page import drift_page

            write_whole(html, drift_page(page_of(instance, platform, declared, answer)))
    if as_json:
        print_json(answer)
    elif not answer["batches"]:
        say(f"No batch of {declared.name} has arrived: mldebt replay {declared.name}")
    else:
        show(answer)
        if html is not None:
            say(f"The page: {html}")


def show(answer: dict[str, Any]) -> None:
    """Print what each batch was held against and found to be, then column by column."""
    told = answer["batches"]
    ends = dict.fromkeys([told[0]["batch"], told[-1]["batch"]])
    batches = escape(" to ".join(ends))
    out.print(f"[bold]{answer['pipeline']}[/]  drift of {batches}, beside its champion's reference")
    judged = [batch for batch in told if batch["judged"]]
    for summary in dict.fromkeys(batch["summary"] for batch in told if not batch["judged"]):
        of = [batch["batch"] for batch in told if batch["summary"] == summary]
        out.print(f"[dim]{escape(', '.join(of))}: {escape(summary)}[/]")
    for batch in told:
        if batch["refused"] is not None:
            out.print(
                f"[bold red]{escape(batch['batch'])}[/]: {escape(standing(batch['refused']))}"
            )
    if not judged:
        return
    out.print(verdicts(judged))
    if answer["window"] and len(judged) > 1:
        say(f"Taken together: {answer['window']['summary']}")
    out.print()
    if len(judged) == 1:
        show_one(judged[0])
    else:
        show_map(judged)


def standing(refused: dict[str, Any]) -> str:
    """Return that a batch stands refused, what nobody does with it, and what mends it.

    >>> standing({"alarm": "broken feed", "reason": "It is.", "fix": "land it.", "scored": True})
    'broken feed, scored all the same, never learned. It is. Fix: land it.'
    """
    scored = "scored all the same, " if refused["scored"] else ""
    return f"{refused['alarm']}, {scored}never learned. {refused['reason']} Fix: {refused['fix']}"


def verdicts(judged: list[dict[str, Any]]) -> Table:
    """Return a row a batch: drifted or not, by whose reference, and its farthest column."""
    made = table(("batch", "found", "reference", "columns", "pairs", "the farthest"))
    for batch in judged:
        columns = batch["columns"]
        pairs = next(v for v in batch["verdicts"] if v["name"] == "correlations")
        farthest = by_distance(columns)[:1]
        made.add_row(
            escape(batch["batch"]),
            "[bold yellow]drift[/]" if batch["drifted"] else "calm",
            reference(batch["reference"]),
            f"{sum(column['drifted'] for column in columns.values())} of {len(columns)}",
            "calm" if pairs["passed"] else "drift",
            "".join(f"{escape(name)} {distance(columns[name])}" for name in farthest),
        )
    return made


def reference(named: dict[str, Any] | None) -> str:
    """Return whose reference it is and which batches it spans.

    >>> reference({"hash": "7fb3", "version": 9, "batches": ["2013-09", "2013-10", "2013-11"]})
    'v9: 2013-09 to 2013-11'
    """
    if named is None:
        return ""
    owner = short(named["hash"]) if named["version"] is None else f"v{named['version']}"
    ends = dict.fromkeys([*named["batches"][:1], *named["batches"][-1:]])
    return escape(f"{owner}: {' to '.join(ends)}")


def by_distance(columns: dict[str, dict[str, Any]]) -> list[str]:
    """Return the columns' names, the farthest first."""
    return sorted(columns, key=lambda name: -(columns[name]["distance"] or 0.0))


def distance(column: dict[str, Any]) -> str:
    """Return a distance in [0, 1] to two places: ``.61``, or a question mark if unknown."""
    return "?" if column["distance"] is None else f"{column['distance']:.2f}".removeprefix("0")


def show_one(batch: dict[str, Any]) -> None:
    """Print one batch's whole report: why, and every column beside its limit."""
    reasons = []
    for verdict in batch["verdicts"]:
        found = "calm" if verdict["passed"] else "[yellow]drift[/]"
        reason = escape(verdict["reason"].removeprefix("drift in "))
        reasons.append((found, f"{reason} [dim](limit {verdict['limit']:g})[/]"))
    for what, outcome in batch["outcomes"].items():
        unknown = not outcome["judged"] or outcome["underpowered"]
        found = "[yellow]drift[/]" if outcome["drifted"] else "?" if unknown else "calm"
        reasons.append((found, f"{what}: {escape(outcome['summary'].removeprefix('drift in '))}"))
    out.print(facts(reasons))
    out.print()
    made = table(("column", "distance", "missing before", "now", "found"), right=SHARES)
    columns = batch["columns"]
    for name in by_distance(columns):
        column = columns[name]
        statistics = column["statistics"]
        made.add_row(
            escape(name),
            coloured(distance(column), column),
            f"{statistics['missing_reference']:.1%}",
            f"{statistics['missing_current']:.1%}",
            "[yellow]drift[/]" if column["drifted"] else "[dim]calm[/]",
        )
    out.print(made)


def show_map(judged: list[dict[str, Any]]) -> None:
    """Print a row a column and a column a batch, in as many blocks as the width asks for."""
    highest: dict[str, float] = {}
    for batch in judged:
        for name, column in batch["columns"].items():
            moved = (column["distance"] or 0.0) if column["drifted"] else -1.0
            highest[name] = max(highest.get(name, -1.0), moved)
    rows = sorted((name for name in highest if highest[name] >= 0), key=lambda n: -highest[n])
    labels = shortened([batch["batch"] for batch in judged])
    cell = max(4, *map(len, labels)) + GAP
    named = min(max(map(len, rows), default=0), WIDEST_NAME)
    room = max((out.width - named) // cell, 1)
    for start in range(0, len(judged), room):
        block = slice(start, start + room)
        out.print(heat_map(rows[:MOST_ROWS], named, judged[block], labels[block]))
    limit = next(v["limit"] for v in judged[-1]["verdicts"] if v["name"] == "distributions")
    say(f"Distances that are drift (limit {limit:g}); m: the missing share moved; {CALM}: calm.")
    calm = [name for name in highest if name not in rows]
    if calm:
        out.print(f"[dim]Calm throughout: {escape(', '.join(calm))}[/]")
    if len(rows) > MOST_ROWS:
        say(f"{len(rows) - MOST_ROWS} more columns drifted: add --json.")


def heat_map(rows: list[str], named: int, judged: list[dict[str, Any]], labels: list[str]) -> Table:
    """Return a block of the map: the columns' names once, a cell a batch, outcomes last."""
    made = Table(box=None, pad_edge=False, header_style="dim")
    made.add_column("column", width=named, no_wrap=True, overflow="ellipsis")
    for label in labels:
        made.add_column(escape(label), justify="right", no_wrap=True)
    for name in rows:
        made.add_row(escape(name), *(heat(batch["columns"].get(name)) for batch in judged))
    made.add_row()
    for what in judged[0]["outcomes"]:
        made.add_row(f"[italic]{what}[/]", *(heat(outcome(batch, what)) for batch in judged))
    return made


def outcome(batch: dict[str, Any], what: str) -> dict[str, Any] | None:
    """Return how a batch's scores or labels moved: the farthest; None where it was not judged."""
    columns = batch["outcomes"][what]["columns"]
    return columns[by_distance(columns)[0]] if columns else None


def heat(column: dict[str, Any] | None) -> str:
    """Return a cell: the distance where it is drift, ``m`` where the missing share moved."""
    if column is None:
        return ""
    if not column["drifted"]:
        return f"[dim]{CALM}[/]"
    missing = "m" if "missing share" in column["reason"] else ""
    return coloured(distance(column) + missing, column)


def coloured(text: str, column: dict[str, Any]) -> str:
    """Return a text in the colour of a column's distance; calm columns have none."""
    if not column["drifted"]:
        return text
    far = round(column["distance"] or 0.0, 2)
    style = next(style for least, style in HEAT if far >= least)
    return f"[{style}]{text}[/]"


def shortened(names: list[str]) -> list[str]:
    """Return names without what all begin with, cut after a separator.

    >>> shortened(["2013-07", "2013-08"]), shortened(["2012-12", "2013-01"]), shortened(["2013-07"])
    (['07', '08'], ['2012-12', '2013-01'], ['2013-07'])
    """
    first, last = min(names), max(names)
    alike = next(
        (i for i, pair in enumerate(zip(first, last, strict=False)) if len(set(pair)) > 1), 0
    )
    length = max(first.rfind(separator, 0, alike) for separator in SEPARATORS) + 1
    return [name[length:] for name in names]
