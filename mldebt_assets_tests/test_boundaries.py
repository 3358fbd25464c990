"""What may know of what: the rules that keep the core plain and the repository portable."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mldebt_assets"
MODULES = sorted(PACKAGE.rglob("*.py"))
CORE = sorted((PACKAGE / "core").rglob("*.py"))

# Lowest first; what stands in one line may know its neighbours and every line above.
LAYERS = (
    {"core"},
    {"contradictions", "pipeline", "home", "brought", "costs", "page", "pseudonym_key"},
    {
        "pipelines",
        "sources",
        "provenance",
        "open_databases",
        "snapshots",
        "store",
        "forgotten",
        "promotions",
        "registry",
        "resources",
        "plots",
    },
    {"assets"},
    {"jobs"},
    {
        "automation",
        "answers",
        "acceptance",
        "adoption",
        "approval",
        "by_hand",
        "deletion",
        "papers",
        "publishing",
    },
    {"monitoring"},
    {"reproduction"},
    {"schedules", "sensors"},
    {"definitions", "forgetting", "releasing", "replay", "diagnosis", "serving", "cli"},
)
RANKS = {unit: rank for rank, layer in enumerate(LAYERS) for unit in layer}

DECLARING = {
    "asset",
    "asset_check",
    "asset_sensor",
    "graph_asset",
    "multi_asset",
    "multi_asset_check",
    "multi_asset_sensor",
    "run_failure_sensor",
    "run_status_sensor",
    "schedule",
    "sensor",
}

IO_MODULES = {
    "ftplib", "fsspec", "glob", "http", "httpx", "multiprocessing", "pathlib", "requests",
    "shutil", "smtplib", "socket", "sqlalchemy", "sqlite3", "subprocess", "tempfile", "urllib",
}  # fmt: skip
IO_CALLS = {
    "open", "print", "input", "read_bytes", "read_sql", "read_text", "savefig", "tofile", "to_csv",
    "to_pickle", "to_sql", "unlink", "write_bytes", "write_text", "save_file",
    "load_file", "now", "today", "utcnow", "time_ns", "perf_counter",
}  # fmt: skip
# Nothing of the file system: the cores there are, and the switches that libraries read at import.
OS_NAMES = {"cpu_count", "environ"}

# What writes CSV. For people that is core/formula_cells.py alone, which defuses formulas; what
# lands for machines stays byte-true.
CSV_WRITERS = {"to_csv", "write_csv", "writer", "DictWriter", "CSVWriter"}
FOR_MACHINES = {"mldebt_assets/sources/nycflights.py", "mldebt_assets/sources/bringing.py"}

BLOCKED = """
import importlib, pkgutil, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0].split("_")[0] in {"dagster", "mlflow"}:
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocker())
import mldebt_assets.core as core
names = [m.name for m in pkgutil.walk_packages(core.__path__, "mldebt_assets.core.")]
for name in names:
    importlib.import_module(name)
print(*names)
"""


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def unit(module: str) -> str:
    """Return the part of ``mldebt_assets.X.Y`` that a layer names: ``X``, or "" for the package."""
    return module.split(".")[1] if "." in module else ""


def imported(path: Path) -> set[str]:
    """Return the full names of all that a file imports, lazily or for types alone too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{relative(path)} imports by dots; write the full name"
            whole = node.module in {"mldebt_assets", "mldebt_assets.core"}
            names |= {f"{node.module}.{a.name}" for a in node.names} if whole else {node.module}
    return names


def own_unit(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_the_core_imports_without_dagster_and_mlflow():
    """So that a notebook or a server can use the rules without either, and without waiting."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == len([p for p in CORE if p != PACKAGE / "core/__init__.py"])


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_imports_run_one_way(path):
    """A cycle would couple the rules to the machinery, one convenient import at a time."""
    own = own_unit(path)
    if own == "__init__":
        return
    assert own in RANKS, f"place {own!r} in LAYERS"
    for name in imported(path):
        if name.split(".")[0] == "mldebt_assets" and unit(name):
            assert unit(name) in RANKS, f"place {unit(name)!r} in LAYERS"
            assert RANKS[unit(name)] <= RANKS[own], f"{relative(path)} imports {name}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "pipelines").glob("*.py")), ids=relative)
def test_a_pipeline_knows_only_the_declaration_and_the_core(path):
    """A declaration that reached for a resource could not be read without running it."""
    known = {"pipeline", "pipelines", "core"}
    if path.name == "__init__.py":
        known |= {"home", "brought"}  # which say where a user's own pipelines lie, and read them
    ours = {unit(name) for name in imported(path) if name.startswith("mldebt_assets")}
    assert ours <= known, f"{relative(path)} imports {sorted(ours - known)}"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_only_the_whole_program_lists_the_pipelines(path):
    """Everything else is given its pipeline, so that a test can give it another."""
    if own_unit(path) in {"pipelines", "definitions", "diagnosis", "serving", "cli"}:
        return
    names = imported(path)
    assert not {name for name in names if name.startswith("mldebt_assets.pipelines")}


@pytest.mark.parametrize("path", CORE, ids=relative)
def test_the_core_does_no_io(path):
    """What reads no file, clock or network gives the same answer for the same arguments."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {name.split(".")[0] for name in imported(path)} & IO_MODULES
    assert not modules, f"imports {sorted(modules)}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            assert name not in IO_CALLS, f"{relative(path)}:{node.lineno} calls {name}"
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "os":
            assert node.attr in OS_NAMES, f"{relative(path)}:{node.lineno} uses os.{node.attr}"


def test_no_csv_for_people_is_written_past_the_module_that_defuses_formulas():
    """A cell like ``=cmd|…`` that somebody sent would run on the desk of whoever opens the file."""
    found = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(node, "attr", getattr(node, "id", ""))
            if name in CSV_WRITERS and isinstance(node, ast.Attribute | ast.Name):
                found.add(relative(path))
    assert found == FOR_MACHINES


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_file_that_declares_assets_keeps_its_annotations(path):
    """Dagster reads ``context: dg.AssetExecutionContext`` at import; as a string it is refused."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    declares = False
    for node in ast.walk(tree):
        for decorator in getattr(node, "decorator_list", []):
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            declares |= getattr(called, "attr", getattr(called, "id", "")) in DECLARING
    assert not (declares and "__future__" in imported(path))


def test_no_file_names_the_machine_it_was_written_on():
    """A clone has other folders, and another package index; both would end in puzzling failures."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout, so nothing was written here")
    machine = re.compile(
        rb"(?<![\w.])/(?:home|Users|root|work|workspace|builds)/[\w.-]"
        rb"|[\w.-]*(?:pypi|pythonhosted|pytorch)\.org"
    )
    allowed = {b"pytorch.org"}  # the project's own pages, not its index
    found = []
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = ROOT / name
        if path.is_file():
            hits = set(machine.findall(path.read_bytes())) - allowed
            found += [f"{name}: {hit.decode()}" for hit in sorted(hits)]
    assert not found
