"""The asset graph as everyone else sees it: recorded line by line, and found by Dagster's tools."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mldebt_assets.definitions import defs
from mldebt_assets.pipelines import PIPELINES

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = Path(__file__).parent / "golden/asset_graph.txt"
RECORD = "MLDEBT_RECORD_GRAPH"
HOW_TO_RECORD = f"""\
The asset graph is no longer the recorded one. If that is meant, record it and commit it:
    {RECORD}=1 .venv/bin/pytest mldebt_assets_tests/test_graph.py
"""
HEAVY = (
    "apprise", "dagster_mlflow", "dvc", "great_expectations", "matplotlib", "mlflow", "numba",
    "onnx", "onnxruntime", "prometheus_client", "scipy", "sklearn", "torch",
)  # fmt: skip
TOOL_SECONDS = 120


def described():
    """Return the graph, one line an asset: ``key <- its parents [its checks] its partitions``."""
    graph = defs.resolve_asset_graph()
    lines = []
    for asset in graph.materializable_asset_keys:
        node = graph.get(asset)
        parents = sorted(parent.to_user_string() for parent in node.parent_keys)
        checks = sorted(check.name for check in node.check_keys)
        partitions = node.partitions_def.name if node.partitions_def else "unpartitioned"
        arrow = f" <- {', '.join(parents)}" if parents else ""
        lines.append(f"{asset.to_user_string()}{arrow} [{', '.join(checks)}] {partitions}\n")
    return "".join(sorted(lines))


def test_the_asset_graph_is_the_recorded_one():
    """A lost edge loses lineage and a lost check loses protection, and nothing else would fail."""
    found = described()
    if os.environ.get(RECORD):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8"), HOW_TO_RECORD


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda pipeline: pipeline.name)
def test_every_asset_says_what_it_is_and_whose(pipeline):
    """Who finds an asset in the web UI must not have to ask around."""
    graph = defs.resolve_asset_graph()
    ours = [graph.get(a) for a in graph.materializable_asset_keys if a.path[0] == pipeline.name]
    assert ours
    for node in ours:
        assert node.description
        assert node.owners == [pipeline.owner]
        assert node.group_name == pipeline.name
        assert node.tags["mldebt/stage"] == node.key.path[-1]


def tool(name, *arguments, **environment):
    """Run one of Dagster's commands where a user would, in the project's root."""
    return subprocess.run(
        [str(Path(sys.executable).parent / name), *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=TOOL_SECONDS,
        check=False,
    )


def test_asset_selections_work():
    """With the antlr that dvc's hydra-core asks for, every selection raises a TypeError."""
    done = tool("dagster", "asset", "list", "-m", "mldebt_assets.definitions", "--select", "*")
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {line.split()[0] for line in described().splitlines()}


def test_dg_finds_the_project(tmp_path):
    """`dg` is Dagster's own front door, and reads pyproject.toml."""
    done = tool("dg", "list", "defs", "--json", DG_CLI_CONFIG=str(tmp_path / "none.toml"))
    assert done.returncode == 0, done.stderr
    for line in described().splitlines():
        assert f'"{line.split()[0]}"' in done.stdout


def test_the_workspace_loads(tmp_path):
    """`dagster dev` in the project's root reads it."""
    done = tool(
        "dagster", "definitions", "validate", "-w", "workspace.yaml", DAGSTER_HOME=str(tmp_path)
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_code_location_imports_nothing_heavy_and_makes_nothing(tmp_path):
    """Every step, sensor and web server pays for what definitions import: seconds each."""
    code = (
        "import sys, mldebt_assets.definitions;"
        f"print(*sorted({{m.split('.')[0] for m in sys.modules}} & set({HEAVY})))"
    )
    home = tmp_path / "home"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "MLDEBT_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []
    assert not home.exists()
