"""``mldebt doctor``: what is missing or wrong on this machine, each with its fix."""

import typer
from rich.markup import escape
from rich.table import Table

from mldebt_assets.cli.arguments import AsJson
from mldebt_assets.cli.opening import EXIT_NO, out, print_json
from mldebt_assets.core.verdict import Verdict
from mldebt_assets.home import Home

MARKS = {True: "[green]ok[/]", False: "[bold red]FAIL[/]"}


def doctor(as_json: AsJson = False) -> None:
    """Say what is missing or wrong on this machine, each with its fix.

    Example: `mldebt doctor`
    """
    from mldebt_assets.diagnosis import diagnose

    found = diagnose(Home.locate())
    wrong = sum(not check.passed for checks in found.values() for check in checks)
    if as_json:
        checks = [
            {"group": group, **check.as_dict()}
            for group, checks in found.items()
            for check in checks
        ]
        print_json({"ok": not wrong, "checks": checks})
    else:
        show(found, wrong)
    if wrong:
        raise typer.Exit(EXIT_NO)


def show(found: dict[str, list[Verdict]], wrong: int) -> None:
    """Print the findings by what they belong to, and at the end how many are to be mended."""
    page = Table(box=None, show_header=False, pad_edge=False)
    page.add_column(no_wrap=True)
    page.add_column(overflow="fold")
    page.add_column(overflow="fold")
    for number, (group, checks) in enumerate(found.items()):
        if number:
            page.add_row()
        page.add_row("", f"[bold]{group}[/]")
        for check in checks:
            page.add_row(MARKS[check.passed], escape(check.name), escape(check.reason))
    out.print(page)
    out.print()
    total = sum(len(checks) for checks in found.values())
    if wrong:
        out.print(f"[bold red]{wrong} of {total} checks to mend[/]: each FAIL says how.")
    else:
        out.print(f"[bold green]All well[/]: {total} checks passed.")
