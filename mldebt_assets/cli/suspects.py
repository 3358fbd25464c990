"""``mldebt suspects``: which rows and batches seem planted, mistaken or copied?"""

from pathlib import Path
from typing import Annotated, Any

import typer

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, OneBatch, PipelineName
from mldebt_assets.cli.opening import (
    answer_with,
    opened,
    out,
    progress,
    say,
    table,
    write_whole,
)

Rows = Annotated[int, typer.Option(help="So many rows a check, the worst first.", min=0)]
File = Annotated[
    Path | None, typer.Option("--out", help="Write all of them as CSV, too.", metavar="FILE")
]


def suspects(
    pipeline: PipelineName,
    batch: OneBatch = None,
    rows: Rows = 5,
    out_file: File = None,
    as_json: AsJson = False,
) -> None:
    """Look for poison and wrong labels in what the champion has learned from, and what came since.

    Labels that contradict their rows, floods of near duplicates, rows far from all others, and
    batches whose labels depend on the features in a new way, each held against the other batches.
    What is found is kept as four checks on the champion. It ends with 1 where one fails.

    Example: `mldebt suspects flight_delays --rows 10`
    """
    declared = pipelines.find(pipeline)
    from mldebt_assets.assets.suspects import suspected
    from mldebt_assets.by_hand import who
    from mldebt_assets.core.formula_cells import csv_for_people

    with opened() as (platform, instance), progress.status("looking at every batch"):
        answer, every = suspected(instance, platform, declared, who(), rows=rows, batch=batch)
    if out_file is not None:
        write_whole(out_file, csv_for_people(every).decode())
        answer["file"] = str(out_file)
    answer_with(answer, show, as_json=as_json, good=answer["passed"])


def show(answer: dict[str, Any]) -> None:
    """Print each check's verdict, then its worst rows."""
    verdict = "[green]nothing stands out[/]" if answer["passed"] else "[red]suspected[/]"
    out.print(f"[bold]{answer['pipeline']} v{answer['version']}[/]  {verdict}")
    for name, one in answer["checks"].items():
        out.print(f"{'[green]passed[/]' if one['passed'] else '[red]failed[/]'}  [bold]{name}[/]")
        out.print(f"  {one['reason']}", markup=False)
        if one["worst"]:
            headings = ("batch", "row", "id", "score")
            made = table(headings, right=("row", "score"))
            for row in one["worst"]:
                made.add_row(row["batch"], str(row["row"]), row["row_id"], f"{row['score']:.3g}")
            out.print(made)
            out.print(f"  {one['suspected']:,} rows in all")
    say(f"{answer['looked_at']:,} of {answer['rows_in_all']:,} rows were looked at.")
    if answer["file"] is not None:
        say(f"All suspects: {answer['file']}")
