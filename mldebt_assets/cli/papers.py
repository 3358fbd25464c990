"""``mldebt papers``: the champion's papers with their evidence, in one file to hand over."""

from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, PipelineName
from mldebt_assets.cli.opening import EXIT_NO, opened, out, print_json, say, short, table
from mldebt_assets.core.errors import OutputError, UnknownVersionError
from mldebt_assets.home import project_root

if TYPE_CHECKING:
    from mldebt_assets.promotions import Champion, Fact

Out = Annotated[
    Path, typer.Option("--out", help="The zip to write; one that is there is replaced.")
]
Version = Annotated[
    int | None,
    typer.Option(help="This champion or former champion instead.", metavar="V", min=1),
]


def papers(
    pipeline: PipelineName, out_file: Out, version: Version = None, as_json: AsJson = False
) -> None:
    """Write the champion's model card, data sheet, bill of materials and their evidence.

    Papers that no run has written yet are written and stored now. Everything that the champion
    stands on is verified anew; where it is not what it was, the file says so and this ends with 1.

    Example: `mldebt papers flight_delays --out flight_delays.zip`
    """
    declared = pipelines.find(pipeline)
    started = perf_counter()
    require_writable(out_file)
    from mldebt_assets.papers.handover import hand_over

    with opened() as (platform, instance):
        champion = chosen(platform.record(declared.name).facts(), declared.name, version)
        if champion is None:
            answer = nothing(declared.name)
        else:
            data, answer = hand_over(
                instance,
                platform,
                declared,
                champion,
                published=project_root() / "data" / declared.name,
                now=datetime.now(UTC),
            )
            put(out_file, data)
            answer["file"] = str(out_file)
    answer["seconds"] = round(perf_counter() - started, 2)
    if as_json:
        print_json(answer)
    else:
        show(answer)
    if answer["version"] is None or answer["verified"] is False:
        raise typer.Exit(EXIT_NO)


def require_writable(file: Path) -> None:
    """Raise OutputError where the file's folder is not there, or the file is a folder itself."""
    if not file.absolute().parent.is_dir():
        raise OutputError.of(str(file), "there is no such folder")
    if file.is_dir():
        raise OutputError.of(str(file), "it is a folder")


def chosen(facts: "list[Fact]", name: str, version: int | None) -> "Champion | None":
    """Return the champion, or the last promotion of a version; None before the first champion.

    Raises: UnknownVersionError for a version that was never champion.
    """
    from mldebt_assets.promotions import champions_of

    champions = champions_of(facts)
    if version is None:
        return champions[-1] if champions else None
    promoted = {one.version: one for one in champions}
    if version not in promoted:
        raise UnknownVersionError.of(f"As champion, {name}", version, promoted)
    return promoted[version]


def put(file: Path, data: bytes) -> None:
    """Write a file as a whole or not at all; OutputError where that cannot be."""
    written = file.with_name(f".{file.name}.new")
    try:
        written.write_bytes(data)
        written.replace(file)
    except OSError as problem:
        raise OutputError.of(str(file), problem.strerror or str(problem)) from problem


def nothing(name: str) -> dict[str, Any]:
    """Return the answer before the first champion."""
    return {
        "pipeline": name,
        "version": None,
        "promotion": None,
        "verified": None,
        "written_now": False,
        "file": None,
        "files": [],
    }


def show(answer: dict[str, Any]) -> None:
    """Print what is in the file, and whether it was verified."""
    name, version = answer["pipeline"], answer["version"]
    if version is None:
        say(f"{name} has no champion yet, so there are no papers.")
        say(f"One comes with a promotion: mldebt replay {name}")
        return
    told = {
        True: "[green]verified[/]",
        False: "[red]not verified[/]: see mldebt verify",
        None: "no longer in production",
    }[answer["verified"]]
    out.print(f"[bold]{name} v{version}[/]  {told}, in {answer['seconds']:.1f} s")
    listed = table(("file", "bytes", "SHA-256"), right=("bytes",))
    for one in answer["files"]:
        listed.add_row(escape(one["name"]), f"{one['bytes']:,}", short(one["sha256"]))
    out.print(listed)
    say(answer["file"])
