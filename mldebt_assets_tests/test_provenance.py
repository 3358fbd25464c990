"""What an artefact says of its environment is what its bits depend on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mldebt_assets.provenance import environment

ROOT = Path(__file__).resolve().parent.parent
ASK = "import json; from mldebt_assets.provenance import environment as e; print(json.dumps(e()))"


def under(kernels):
    """Return the environment as a process sees it whose OpenBLAS is told which kernels to take."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK],
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_CORETYPE": kernels, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_other_kernels_of_linear_algebra_are_another_environment():
    """They change the last bit of a calibration, and with it the hash of the weights."""
    here = environment()
    if here["machine"] != "x86_64" or not any("openblas" in name for name in here["blas"]):
        pytest.skip("numpy has no OpenBLAS for x86-64 here, whose kernels could be chosen")
    old, older = under("Haswell"), under("Sandybridge")
    assert {name.split()[-1] for name in old["blas"]} == {"Haswell"}
    differing = {name for name in old if old[name] != older[name]}
    assert differing == {"blas", "digest"}
