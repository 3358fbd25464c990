"""What holds for every test: it is repeatable, private to its process, and reports to nobody."""

from __future__ import annotations

import os

from hypothesis import settings

from mldebt_assets.home import TELEMETRY_OFF

os.environ.update(TELEMETRY_OFF)
# One thread, set before numpy and torch start: the trained weights depend on it, and two pytest
# workers on two cores would otherwise run four.
os.environ["OMP_NUM_THREADS"] = "1"
# A test never sees the homes and servers of the person who runs it.
for name in ("DAGSTER_HOME", "MLDEBT_HOME", "MLDEBT_REMOTE", "MLFLOW_TRACKING_URI"):
    os.environ.pop(name, None)

# The same examples on every run, on machines that may be slow.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")
