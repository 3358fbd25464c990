"""The command line: parse, call, print. One module a command, or a group of small ones."""

import gc
import io
import logging
import os
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

import typer
import typer.core

from mldebt_assets import pipelines
from mldebt_assets.cli import (
    accept,
    adopt,
    alert_test,
    audit,
    delete,
    diff,
    doctor,
    drift,
    drift_compare,
    forget,
    lineage,
    main_job,
    metrics,
    new,
    papers,
    promotion,
    quarantine,
    reproduce,
    retraining,
    robustness,
    scan,
    setup,
    status,
    suspects,
    ui,
    verify,
)
from mldebt_assets.cli.opening import (
    EXIT_INTERRUPTED,
    EXIT_NO,
    EXIT_NO_ANSWER,
    EXIT_WRONG_CALL,
    say,
)
from mldebt_assets.core.errors import CallError, MLDebtError, RefusedError, UnlikePointersError
from mldebt_assets.home import TELEMETRY_OFF

ALLOCATIONS_A_COLLECTION = 50_000


class Commands(typer.core.TyperGroup):
    """The commands, of which one may be named by two words where the first is a command too."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command that the arguments name, and those that are left for it."""
        both = " ".join(args[:2])
        if both != args[0] and both in self.commands:
            return both, self.commands[both], args[2:]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; where Ctrl-C ends it, say what becomes of what it had begun."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.stderr.write("Interrupted. Run the same command again: it goes on where it was.\n")
            raise typer.Exit(EXIT_INTERRUPTED) from None

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Return what completes a word: a name of two would be taken for two commands."""
        return [one for one in super().shell_complete(ctx, incomplete) if " " not in one.value]


cli = typer.Typer(
    name="mldebt",
    cls=Commands,
    help="Exact lineage, proved answers, drift that retrains, and a gate that decides.",
    epilog=(
        "Exit codes: 0 done; 1 the answer is no; 2 called wrongly; 3 cannot be answered; "
        "130 interrupted."
    ),
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "The main job": (main_job.replay,),
    "Production": (
        adopt.adopt,
        promotion.rollback,
        promotion.promote,
        promotion.approve,
        promotion.reject,
        accept.accept,
        quarantine.quarantine,
        delete.delete,
        forget.forget,
    ),
    "Questions": (
        status.status,
        lineage.lineage,
        diff.diff,
        drift.drift,
        retraining.retraining,
        drift_compare.compare,
        verify.verify,
        papers.papers,
        reproduce.reproduce,
        audit.audit,
        robustness.robustness,
        suspects.suspects,
        scan.scan,
        doctor.doctor,
    ),
    "Around it": (
        new.new,
        setup.init,
        setup.fetch,
        setup.publish,
        ui.ui,
        metrics.metrics,
        alert_test.alert_test,
    ),
}
NAMES = {drift_compare.compare: "drift compare"}
for panel, commands in PANELS.items():
    for command in commands:
        cli.command(NAMES.get(command), rich_help_panel=panel)(command)


def print_version(asked: bool) -> None:
    """Print the installed version and end."""
    if asked:
        say(f"mldebt {version('mldebt-assets')}")
        raise typer.Exit


@cli.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Take the options that stand before any command; refuse a user's pipeline that is broken."""
    pipelines.require_sound()


def app() -> None:
    """Run the command line; errors become one message and a ``Fix:`` line, and an exit code."""
    os.environ.update({name: os.environ.get(name, off) for name, off in TELEMETRY_OFF.items()})
    quiet_libraries()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show it is no error
    # Importing torch, MLflow and the rest leaves a million objects that live to the end. Looking
    # through them every 700 allocations took a fifth of a replay, and 3 s at the end of it.
    gc.set_threshold(ALLOCATIONS_A_COLLECTION)
    try:
        cli()
    except MLDebtError as problem:
        sys.stderr.write(f"{problem}\n")
        sys.exit(exit_code(problem))
    except MemoryError:
        sys.stderr.write(f"{out_of_memory()}\n")
        sys.exit(EXIT_NO_ANSWER)
    finally:
        gc.freeze()


def out_of_memory() -> str:
    """Return that memory does not suffice, the limit that it is short of, and the fix."""
    from mldebt_assets.sources.memory import room

    left, name = room()
    return (
        f"Memory does not suffice: the narrowest limit is {name}, and {left:,} bytes are left.\n"
        "Fix: give this process more memory, or work on less at a time."
    )


def exit_code(problem: MLDebtError) -> int:
    """Return 2 for a wrong call, 1 where the answer is no, 3 where nothing can be answered."""
    if isinstance(problem, CallError):
        return EXIT_WRONG_CALL
    says_no = isinstance(problem, (RefusedError, UnlikePointersError))
    return EXIT_NO if says_no else EXIT_NO_ANSWER


def quiet_libraries() -> None:
    """Keep other libraries' notices off the terminal; what goes wrong still raises."""
    warnings.simplefilter("ignore")
    for name in ("alembic", "mlflow", "great_expectations", "dvc", "torch.onnx", "onnxscript"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # A connection that Ctrl-C cuts off is told there with a traceback, before it is told here.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
