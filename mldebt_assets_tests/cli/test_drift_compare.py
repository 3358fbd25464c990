"""Two files and one command: no pipeline, no home, and never a traceback."""

import json

import numpy as np
import pandas as pd
import pytest

from mldebt_assets_tests.command_line import mldebt

ODD = "<script>alert(1)</script>"


@pytest.fixture(scope="module", autouse=True)
def nowhere(tmp_path_factory):
    """No home is there; the command must not miss it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLDEBT_HOME", str(tmp_path_factory.mktemp("nowhere") / "none"))
        yield


def table(seed, shift=0.0):
    draw = np.random.default_rng(seed)
    return pd.DataFrame({
        "weight_kg": draw.normal(10 + shift, 1, 20_000),
        "depot": draw.choice(["north", "south"], 20_000),
        ODD: draw.normal(size=20_000),
    })  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    table(1).to_csv(folder / "usual.csv", index=False)
    table(2, shift=1).to_parquet(folder / "moved.parquet")
    table(2).to_csv(folder / "calm.csv", index=False, sep=";")
    return folder


def test_two_files_of_different_format_are_compared(files):
    """What came as CSV in January comes as Parquet in February."""
    said = mldebt(
        "drift", "compare", str(files / "usual.csv"), str(files / "moved.parquet"), "--json"
    )
    assert (said.code, said.err) == (0, "")
    told = said.document
    assert told["rows"] == {"reference": 20_000, "current": 20_000}
    assert told["drifted"]
    assert {name: column["drifted"] for name, column in told["columns"].items()} == {
        "weight_kg": True, "depot": False, ODD: False,
    }  # fmt: skip
    assert {"ks", "psi", "wasserstein"} <= told["columns"]["weight_kg"]["statistics"].keys()
    assert told["columns"]["weight_kg"]["statistics"]["wasserstein"] == pytest.approx(1, abs=0.05)
    json.dumps(told, allow_nan=False)


def test_the_page_names_what_drifted_first(files):
    """Whoever reads one line reads the right one."""
    said = mldebt("drift", "compare", str(files / "usual.csv"), str(files / "moved.parquet"))
    assert said.out.startswith("drift  ")
    rows = [line.split()[0] for line in said.out.splitlines() if " number " in line]
    assert rows[0] == "weight_kg"


def test_semicolons_are_read_and_calm_is_said(files):
    """As spreadsheets of half of Europe write their CSV."""
    said = mldebt("drift", "compare", str(files / "usual.csv"), str(files / "calm.csv"), "--json")
    assert not said.document["drifted"]
    assert said.document["columns"]["depot"]["reason"].startswith("no drift")


@pytest.mark.parametrize(
    ("written", "name", "said_and_code"),
    [
        (None, "gone.csv", ("cannot be read: No such file", 2)),
        (b"", "empty.csv", ("it is empty", 3)),
        (b"x,y\n", "header.csv", ("it has columns, but no rows", 3)),
        (b"x,x\n1,2\n", "twice.csv", ("it has 'x' twice", 3)),
        (b"x,y\n1,2\n3\n", "uneven.csv", ("wrong number of values; the first of them has 1", 3)),
        (b"x\n\xff\xfe\n", "latin.csv", ("neither CSV in UTF-8 nor Parquet", 3)),
        (b"PAR1 and no more", "torn.parquet", ("truncated, damaged", 3)),
        (b"PK\x03\x04\xff\x00\x00", "table.xlsx", ("neither CSV in UTF-8 nor Parquet", 3)),
        (b"z\n1\n", "other.csv", ("no column in common", 3)),
    ],
)
def test_what_is_no_table_is_one_message_with_its_fix(
    files, tmp_path, written, name, said_and_code
):
    """And no value of the file is in it."""
    said, code = said_and_code
    if written is not None:
        (tmp_path / name).write_bytes(written)
    answer = mldebt("drift", "compare", str(files / "usual.csv"), str(tmp_path / name))
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err
    assert answer.err.count("Fix: ") == 1
    assert "Traceback" not in answer.err


def test_a_folder_is_no_file(files):
    said = mldebt("drift", "compare", str(files), str(files))
    assert said.code == 2
    assert "Fix: name a CSV or Parquet file." in said.err
