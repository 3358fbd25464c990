"""``mldebt reproduce``: train a version again where nothing of it is, and compare every hash."""

from typing import Annotated, Any

import typer

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, PipelineName
from mldebt_assets.cli.opening import EXIT_NO, facts, opened, out, print_json, progress, say, table

Version = Annotated[
    int | None,
    typer.Option(help="Train this version again instead of the champion.", metavar="V", min=1),
]
COLOURS = {
    "bit-identical": "green",
    "equivalent": "green",
    "environment differs": "yellow",
    "not reproduced": "red",
    "cannot be reproduced": "yellow",
}
DIGITS = 12
UNKNOWN = "unknown"
MOST_SHOWN = 20


def reproduce(pipeline: PipelineName, version: Version = None, as_json: AsJson = False) -> None:
    """Train the production model again from its pinned data and code, and compare every hash.

    In an empty directory and a fresh process: the recorded code, the snapshots from the remote
    alone.

    Example: `mldebt reproduce flight_delays`
    """
    declared = pipelines.find(pipeline)
    from mldebt_assets.reproduction.evidence import reproduced

    with opened() as (platform, instance), progress.status("reading the record") as shown:
        answer = reproduced(
            instance, platform, declared, version, lambda what: shown.update(f"making {what}")
        )
    if as_json:
        print_json(answer)
    else:
        show(answer)
    if not answer["reproduced"]:
        raise typer.Exit(EXIT_NO)


def show(answer: dict[str, Any]) -> None:
    """Print the verdict, what it rests on, and everything that differs."""
    verdict = answer["verdict"]
    told = f"[{COLOURS[verdict]}]{verdict}[/]"
    if verdict == "environment differs":
        told += f", {answer['outcome']} all the same"
    out.print(f"[bold]{answer['pipeline']} v{answer['version']}[/]  {told}")
    commit = answer["code"]["commit"]
    rows = [
        ("weights", answer["weights_sha256"]),
        ("training set", answer["training_set"] or UNKNOWN),
        (
            "code",
            f"{commit or 'no commit'}{', with its recorded diff' * answer['code']['dirty']}"
            if answer["code"]["digest"]
            else UNKNOWN,
        ),
        ("compared", f"{answer['compared']} hashes, in {answer['seconds']:.0f} s"),
    ]
    if answer["first_difference"] is not None:
        rows.append(("first other", answer["first_difference"]))
    if answer["stopped"] is not None:
        rows.append(("stopped", answer["stopped"]))
    close = answer["closeness"]
    if close is not None:
        rows.append(
            (
                "predictions",
                f"differ by at most {close['difference']:.2g}; three other seeds by "
                f"{close['spread']:.2g} ({close['rows']:,} held-out rows)",
            )
        )
    out.print(facts(rows))
    if answer["differs"]:
        out.print()
        differing(answer["differs"])


def differing(differs: list[dict[str, Any]]) -> None:
    """Print what differs, as far as it fits a page; ``--json`` has all of it."""
    shown = table(("what differs", "", "recorded", "here"))
    for one in differs[:MOST_SHOWN]:
        shown.add_row(one["kind"], one["name"], brief(one["recorded"]), brief(one["found"]))
    out.print(shown)
    if len(differs) > MOST_SHOWN:
        say(f"and {len(differs) - MOST_SHOWN} more: --json")


def brief(value: Any) -> str:
    """Return a value in few characters: a hash by its first digits, nothing as a word.

    >>> brief("ab" * 32), brief(None), brief("2.4.6")
    ('abababababab', 'nothing', '2.4.6')
    """
    text = "nothing" if value is None else str(value)
    return text[:DIGITS] if len(text) == len("ab" * 32) else text
