"""The program that trains a version again; ``mldebt reproduce`` starts it from the recorded code.

``python -m mldebt_assets.cli.remake RECIPE RESULT``: each line that it prints is what it makes
next; what came of it is in RESULT, also where it did not get through.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from mldebt_assets import pipelines
from mldebt_assets.assets.model import configuration_of
from mldebt_assets.core.errors import UnreachableError
from mldebt_assets.core.fingerprint import canonical_json
from mldebt_assets.home import Home
from mldebt_assets.provenance import code_digest, environment
from mldebt_assets.reproduction.prove import EXIT_UNREACHABLE
from mldebt_assets.reproduction.recipe import FORMAT
from mldebt_assets.reproduction.remaking import Remaking
from mldebt_assets.store import SnapshotStore

EXIT_OTHER_FORMAT = 4


def begin(what: str) -> None:
    """Tell whoever waits what comes next."""
    sys.stdout.write(what + "\n")
    sys.stdout.flush()


def main(recipe_file: Path, result_file: Path) -> int:
    """Make the version again; return the exit code of this process."""
    recipe = json.loads(recipe_file.read_bytes())
    if recipe["format"] != FORMAT:
        sys.stderr.write(f"This code reads recipes of format {FORMAT}, not {recipe['format']}.\n")
        return EXIT_OTHER_FORMAT
    pipeline = pipelines.find(recipe["pipeline"])
    remaking = Remaking(recipe, pipeline, SnapshotStore(Home.locate()), begin)
    try:
        remaking.run()
    except UnreachableError as problem:
        sys.stderr.write(f"{problem}\n")
        return EXIT_UNREACHABLE
    closeness = remaking.closeness
    result = {
        "code_digest": code_digest(),
        "environment": {n: v for n, v in environment().items() if n != "digest"},
        "configuration": configuration_of(pipeline),
        "found": remaking.found,
        "stopped": remaking.stopped,
        "closeness": None if closeness is None else asdict(closeness),
    }
    result_file.write_bytes(canonical_json(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
