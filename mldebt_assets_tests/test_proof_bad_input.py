"""Whatever is wrong, a command of the proof says what and how to mend it, and changes nothing.

One installation serves all: what a fault takes away it gives back, and nothing else may change.
"""

import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mldebt_assets import definitions, pipelines
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.promoting import alone
from mldebt_assets.cli import delete, promotion, status
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.jobs import retraining_job_name
from mldebt_assets.promotions import judged_by_gate
from mldebt_assets.replay import SILENT
from mldebt_assets.snapshots import newest
from mldebt_assets_tests.command_line import installation, mldebt
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.test_promotion_by_hand import with_gate

NEXT = "2020-06"
ZIP = "papers.zip"
WHY = ("--reason", "as agreed")
COMMANDS = {
    "reproduce": ("reproduce", "parcels"),
    "verify": ("verify", "parcels"),
    "rollback": ("rollback", "parcels", *WHY),
    "drill": ("rollback", "parcels", "--drill"),
    "promote": ("promote", "parcels", "--version", "4", *WHY),
    "approve": ("approve", "parcels", *WHY),
    "reject": ("reject", "parcels", *WHY),
    "delete": ("delete", "parcels", "--version", "2", *WHY),
    "lineage": ("lineage", "parcels"),
    "diff": ("diff", "parcels", "1", "3"),
    "papers": ("papers", "parcels", "--out", ZIP),
    "status": ("status", "parcels", "--json"),
}


@dataclass(frozen=True)
class Ends:
    """How a command ends: its exit code, what it says, and whether it keeps that as evidence.

    ``more`` are further arguments; ``gone`` is what is neither in the cache nor in the remote.
    """

    code: int
    says: str
    more: tuple[str, ...] = ()
    gone: str | None = None
    keeps_evidence: bool = False


def unknown(*more):
    return Ends(2, "parcels has no model version 9; there are: 1, 2, 3", more)


def damaged(what, version):
    return Ends(1, f"parcels v{version} cannot become champion. The snapshot of", gone=what)


MISSING = "is neither in the cache nor in"
NINE = ("--version", "9")
UNREACHABLE = Ends(3, "cannot be reached: there is no such folder")
UNCACHED = Ends(3, "cannot be reached: there is no such folder", gone="training_set")
NO_MLFLOW = Ends(3, "MLflow cannot be reached")
BROKEN = Ends(3, "is damaged at line 2: its hash is not that of its content")
BUSY = Ends(3, "Somebody else is changing the champion of parcels; nothing was done")
BACKWARDS = Ends(1, "one of the two clocks is wrong, and nothing was changed")

READS = "changes nothing, and reads what is done"
NO_CLOCK = "reads no clock: order comes from the record's sequence"
NO_VERSION = "is asked about no version"
RECORD_ALONE = "writes one line into the record, and needs nothing else"
READS_CACHE = "reads the cache, and here that is whole: see `training_set` gone"
WITHOUT_MLFLOW = "does not ask MLflow"

# What is wrong, and how each command ends then; a sentence says why there is nothing to test.
TABLE: dict[str, dict[str, Ends | str]] = {
    "an unknown version": {
        "reproduce": unknown(*NINE),
        "verify": NO_VERSION,
        "rollback": unknown("--to", "9"),
        "drill": unknown("--to", "9"),
        "promote": unknown(*NINE),
        "approve": unknown(*NINE),
        "reject": unknown(*NINE),
        "delete": unknown(*NINE),
        "lineage": unknown(*NINE),
        "diff": Ends(2, "parcels has no model version 9", ("9",)),
        "papers": Ends(2, "As champion, parcels has no model version 9; there are: 1, 3", NINE),
        "status": NO_VERSION,
    },
    "a snapshot that is gone": {
        "reproduce": Ends(1, "not reproduced", gone="raw", keeps_evidence=True),
        "verify": Ends(1, "not verified: 2 problems", gone="features"),
        "rollback": damaged("model of v1", 1),
        "drill": Ends(1, damaged("", 1).says, gone="model of v1", keeps_evidence=True),
        "promote": damaged("model of v4", 4),
        "approve": damaged("model of v4", 4),
        "reject": RECORD_ALONE,
        "delete": "removes bytes: gone already is fine",
        "lineage": Ends(3, MISSING, gone="training_set"),
        "diff": Ends(3, MISSING, gone="training_set"),
        "papers": Ends(3, MISSING, gone="training_set"),
        "status": Ends(0, MISSING, gone="drift_report"),
    },
    "a remote that cannot be reached": {
        "reproduce": UNREACHABLE,
        "verify": UNREACHABLE,
        "rollback": UNREACHABLE,
        "drill": UNREACHABLE,
        "promote": UNREACHABLE,
        "approve": UNREACHABLE,
        "reject": RECORD_ALONE,
        "delete": UNREACHABLE,
        "lineage": UNCACHED,
        "diff": UNCACHED,
        "papers": UNREACHABLE,
        "status": Ends(0, UNREACHABLE.says, gone="drift_report"),
    },
    "an MLflow that cannot be reached": {
        "reproduce": WITHOUT_MLFLOW,
        "verify": NO_MLFLOW,
        "rollback": NO_MLFLOW,
        "drill": NO_MLFLOW,
        "promote": NO_MLFLOW,
        "approve": NO_MLFLOW,
        "reject": RECORD_ALONE,
        "delete": NO_MLFLOW,
        "lineage": WITHOUT_MLFLOW,
        "diff": NO_MLFLOW,
        "papers": NO_MLFLOW,
        "status": WITHOUT_MLFLOW,
    },
    "a record with a broken chain": {
        **dict.fromkeys(COMMANDS, BROKEN),
        "verify": Ends(1, "not verified: 1 problem"),
    },
    "somebody else who holds the lock": {
        **dict.fromkeys(COMMANDS, READS),
        **dict.fromkeys(("rollback", "promote", "approve", "reject", "delete"), BUSY),
    },
    "a clock that went backwards": {
        **dict.fromkeys(COMMANDS, NO_CLOCK),
        **dict.fromkeys(("rollback", "promote", "approve", "reject", "delete"), BACKWARDS),
        "status": Ends(0, "shown at a time that is still to come"),
    },
}
CELLS = [
    (fault, name, ends)
    for fault, row in TABLE.items()
    for name, ends in row.items()
    if isinstance(ends, Ends)
]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Version 3 is champion after 1, 2 was rejected, and 4 awaits a person's approval."""
    root = tmp_path_factory.mktemp("proof")
    with installation(root) as made, pytest.MonkeyPatch.context() as patch:
        approving = with_gate(made, approval=True, margin=-0.9)
        patch.setattr(pipelines, "PIPELINES", (approving.pipeline,))
        patch.setattr(definitions, "defs", approving.definitions)
        patch.chdir(root)
        approving.land(*BATCHES[:3])
        approving.replay()
        says(mldebt(*COMMANDS["approve"]))
        approving.land(BATCHES[3])
        approving.replay()
        train(approving)
        says(mldebt(*COMMANDS["reject"]))
        approving.land(BATCHES[4])
        approving.replay()
        says(mldebt(*COMMANDS["approve"]))
        approving.land(NEXT)
        approving.replay()
        yield approving


def says(said):
    assert said.code == 0, said.err


def train(world):
    job = world.definitions.get_repository_def().get_job(retraining_job_name(world.pipeline))
    assert job.execute_in_process(instance=world.instance, run_config=SILENT).success


def record_of(world):
    return world.platform.record("parcels")


def production(world):
    """What nobody may change unasked: the record, MLflow's versions and aliases, a file outside."""
    model = world.platform.registry.client.get_registered_model("parcels")
    versions = [one.version for one in world.platform.registry.versions("parcels")]
    return record_of(world).path.read_bytes(), model.aliases, versions, Path(ZIP).exists()


def stored_files(world):
    """The bytes that the cache and the remote hold, by where they lie."""
    roots = (world.home.root / ".dvc" / "cache" / "files", Path(world.home.remote_url))
    return {
        file: sha256(file.read_bytes())
        for root in roots
        for file in root.rglob("*")
        if file.is_file()
    }


def events(world):
    return world.instance.event_log_storage.get_maximum_record_id()


@contextlib.contextmanager
def away(*paths):
    """Take files or folders away, and bring them back."""
    moved = [(path, path.rename(path.with_name(f"{path.name}.away"))) for path in paths]
    try:
        yield
    finally:
        for path, aside in moved:
            aside.rename(path)


def address_of(world, what):
    """The address of a snapshot on which the commands stand."""
    judged = {fact.body["version"]: fact.body for fact in judged_by_gate(record_of(world).facts())}
    if what.startswith("model of v"):
        return judged[int(what[-1])]["model"]["md5"]
    if what == "training_set":
        return judged[3]["training_set"]["md5"]
    batch = NEXT if what == "drift_report" else BATCHES[0]
    return newest(world.instance, key(world.pipeline, what), batch).snapshot.md5


def gone(world, what):
    md5 = address_of(world, what)
    roots = (world.home.root / ".dvc" / "cache" / "files", Path(world.home.remote_url) / "files")
    return away(*(root / "md5" / md5[:2] / md5[2:] for root in roots))


class TenYearsAgo(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) - timedelta(days=3652)


@contextlib.contextmanager
def clock_set_back():
    with pytest.MonkeyPatch.context() as patch:
        for module in (delete, promotion, status):
            patch.setattr(module, "datetime", TenYearsAgo)
        yield


@contextlib.contextmanager
def no_mlflow():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
        yield


@contextlib.contextmanager
def broken_chain(world):
    record = record_of(world).path
    whole = record.read_bytes()
    first, second, rest = whole.split(b"\n", 2)
    record.write_bytes(b"\n".join([first, second.replace(b"2020", b"2021"), rest]))
    try:
        yield
    finally:
        record.write_bytes(whole)


FAULTS = {
    "an unknown version": lambda _: contextlib.nullcontext(),
    "a snapshot that is gone": lambda _: contextlib.nullcontext(),
    "a remote that cannot be reached": lambda world: away(Path(world.home.remote_url)),
    "an MLflow that cannot be reached": lambda _: no_mlflow(),
    "a record with a broken chain": broken_chain,
    "somebody else who holds the lock": lambda world: alone(world.platform, world.pipeline),
    "a clock that went backwards": lambda _: clock_set_back(),
}


@pytest.mark.parametrize("fault", TABLE)
def test_every_command_meets_every_fault_or_it_is_said_why_not(fault):
    """A cell that nobody thought of is the one that fails in production."""
    assert TABLE[fault].keys() == COMMANDS.keys()
    assert fault in FAULTS


@pytest.mark.parametrize(
    ("fault", "name", "ends"), CELLS, ids=[f"{name}: {fault}" for fault, name, _ in CELLS]
)
def test_a_fault_is_told_with_its_fix_and_changes_nothing(world, fault, name, ends):
    """Whoever proves something must be able to trust that asking is safe."""
    arguments = COMMANDS[name]
    if "--version" in ends.more:
        place = arguments.index("--version") if "--version" in arguments else len(arguments)
        arguments = (*arguments[:place], *arguments[place + 2 :])
    if name == "diff" and ends.more:
        arguments = arguments[:-1]
    before, known, files = production(world), events(world), stored_files(world)
    with contextlib.ExitStack() as wrong:
        if ends.gone is not None:
            wrong.enter_context(gone(world, ends.gone))
        wrong.enter_context(FAULTS[fault](world))
        during = record_of(world).path.read_bytes()
        said = mldebt(*arguments, *ends.more)
        assert record_of(world).path.read_bytes() == during
    assert "" in {said.out, said.err}, "one message, in one place"
    told = said.out or said.err
    assert said.code == ends.code, said.out + said.err
    assert " ".join(ends.says.split()) in " ".join(told.split())
    assert "Fix" in told if said.out else told.count("\nFix: ") == 1, told
    assert "Traceback" not in said.err
    assert production(world) == before
    assert stored_files(world) == files
    assert (events(world) == known) is not ends.keeps_evidence
