"""``mldebt verify``: every byte that the champion stands on, read again and compared."""

from time import perf_counter
from typing import Any

import typer

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, PipelineName
from mldebt_assets.cli.opening import EXIT_NO, opened, out, print_json, say, table
from mldebt_assets.home import project_root

MEGABYTE = 1_000_000
PLACES = {
    "record": "promotion record",
    "cache": "bytes in the cache",
    "remote": "bytes in the remote",
    "pointer": "DVC pointers",
    "dagster": "Dagster's materializations",
    "mlflow": "MLflow's tags, alias and files",
}

BACKUP = "restore {} from its backup"
MENDS = {
    "record": BACKUP.format("the promotion record")
    + "; what is only begun is finished or undone by the next start, or by saying it again.",
    "cache": "delete what is damaged from .dvc/cache in the home: the remote's copy is taken then.",
    "remote": BACKUP.format("the remote")
    + "; where the cache is sound, delete what is damaged there and `dvc push` in the home.",
    "pointer": BACKUP.format("the pointer") + ": `dvc pull` follows it.",
    "dagster": BACKUP.format("Dagster's database") + ".",
    "mlflow": BACKUP.format("MLflow's database, or the file,") + ".",
}


def verify(pipeline: PipelineName, as_json: AsJson = False) -> None:
    """Read again and compare everything that the champion stands on.

    Example: `mldebt verify flight_delays`
    """
    declared = pipelines.find(pipeline)
    from mldebt_assets.answers.verify import verify as verified

    started = perf_counter()
    with opened() as (platform, instance):
        published = project_root() / "data" / declared.name
        answer = verified(instance, platform, declared, published)
    answer["seconds"] = round(perf_counter() - started, 2)
    if as_json:
        print_json(answer)
    else:
        show(answer)
    if not answer["ok"]:
        raise typer.Exit(EXIT_NO)


def show(answer: dict[str, Any]) -> None:
    """Print the answer, how much was compared where, and every problem with what was found."""
    from mldebt_assets.answers.registered import LOST, mend

    name, version, problems = answer["pipeline"], answer["version"], answer["problems"]
    if version is None and not problems:
        say(f"{name} has no champion yet, so there is nothing to verify.")
        say(f"One comes with a promotion: mldebt replay {name}")
        return
    champion = f"{name} v{version}" if version is not None else name
    told = "[green]verified[/]" if answer["ok"] else f"[red]not verified[/]: {count(problems)}"
    out.print(f"[bold]{champion}[/]  {told}, in {answer['seconds']:.1f} s")
    compared = table(("compared", "comparisons", "megabytes"), right=("comparisons", "megabytes"))
    for where, shown in PLACES.items():
        here = [one for one in answer["checked"] if one["where"] == where]
        read = sum(one["bytes"] or 0 for one in here)
        total = sum(one["count"] for one in here)
        compared.add_row(shown, f"{total:,}", f"{read / MEGABYTE:,.1f}" if read else "")
    out.print(compared)
    if answer["forgotten"]:
        say(f"{answer['forgotten']} snapshots were withdrawn: those in them are forgotten.")
    wrong = {problem["where"] for problem in problems}
    for problem in problems:
        out.print()
        say(f"{problem['what']}, in {PLACES[problem['where']]}")
        say(f"  expected  {inline(problem['expected'])}")
        say(f"  found     {inline(problem['found'])}")
        if problem["found"] is None and problem["what"] in LOST:
            say(f"  Fix: {mend(problem['what'], name, problem['expected'])}")
            wrong.discard(problem["where"])
        if problem["what"].startswith("forgotten "):
            say("  Fix: it came back, perhaps from a backup: say `mldebt forget` again.")
            wrong.discard(problem["where"])
    for where in [one for one in PLACES if one in wrong]:
        out.print()
        say(f"Fix, in {PLACES[where]}: {MENDS[where]}")


def count(problems: list[dict[str, Any]]) -> str:
    """Return how many problems there are, in words.

    >>> count([{}]), count([{}, {}])
    ('1 problem', '2 problems')
    """
    return f"{len(problems)} problem{'s' * (len(problems) != 1)}"


def inline(value: str | None) -> str:
    r"""Return a value in one line; nothing where there is none.

    >>> inline("outs:\n- md5: ab\n"), inline(None)
    ('outs: - md5: ab', 'nothing')
    """
    return "nothing" if value is None else " ".join(value.split())
