"""The command line: parse, call, print. One module a command group."""

import gc
import logging
import os
import sys
import warnings

import typer

from mldebt_assets.cli import answers, main_job, setup
from mldebt_assets.core.errors import CallError, MLDebtError, UnreachableError
from mldebt_assets.home import TELEMETRY_OFF

EXIT_NO = 1
EXIT_WRONG_CALL = 2
EXIT_NO_ANSWER = 3
EXIT_INTERRUPTED = 130
ALLOCATIONS_A_COLLECTION = 50_000

cli = typer.Typer(
    name="mldebt",
    help="Exact lineage, proved answers, drift that retrains, and a gate that decides.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (main_job, answers, setup):
    group.add_commands(cli)


def app() -> None:
    """Run the command line; errors become one message and a ``Fix:`` line, and an exit code."""
    os.environ.update({name: os.environ.get(name, off) for name, off in TELEMETRY_OFF.items()})
    quiet_libraries()
    # Importing torch, MLflow and the rest leaves a million objects that live to the end. Looking
    # through them every 700 allocations took a fifth of a replay, and 3 s at the end of it.
    gc.set_threshold(ALLOCATIONS_A_COLLECTION)
    try:
        cli()
    except SystemExit as ending:
        if ending.code == EXIT_INTERRUPTED:
            sys.stderr.write("Interrupted. Run the same command again: it goes on where it was.\n")
        raise
    except MLDebtError as problem:
        sys.stderr.write(f"{problem}\n")
        sys.exit(exit_code(problem))
    finally:
        gc.freeze()


def exit_code(problem: MLDebtError) -> int:
    """Return 2 for a wrong call, 3 where something cannot be reached, else 1."""
    if isinstance(problem, CallError):
        return EXIT_WRONG_CALL
    return EXIT_NO_ANSWER if isinstance(problem, UnreachableError) else EXIT_NO


def quiet_libraries() -> None:
    """Keep other libraries' notices off the terminal; what goes wrong still raises."""
    warnings.simplefilter("ignore")
    for name in ("alembic", "mlflow", "great_expectations", "dvc", "torch.onnx", "onnxscript"):
        logging.getLogger(name).setLevel(logging.ERROR)
