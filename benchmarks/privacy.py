"""How long the scan for personal data takes on 1M rows x 20 columns, and a million pseudonyms.

Half of the columns are numbers and times, half are text, with as many distinct values as rows.
Reading the bytes is in it. Run: ``python -m benchmarks.privacy``.
"""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from benchmarks.machine import keep
from mldebt_assets.core.privacy.pseudonyms import Pseudonyms, protect
from mldebt_assets.core.privacy.scan import scan
from mldebt_assets.core.privacy.texts import columns_as_text

ROWS = 1_000_000


def table() -> pa.Table:
    """Return 20 columns; two of them hold personal data."""
    rng = np.random.default_rng(20130101)
    row = np.arange(ROWS)
    made = {f"number_{n}": pa.array(rng.normal(size=ROWS)) for n in range(6)}
    made |= {f"count_{n}": pa.array(rng.integers(0, 10**6, ROWS)) for n in range(3)}
    made["order"] = pa.array(4 * 10**15 + 7 * row)
    made["at"] = pa.array([f"2013-01-{1 + n % 28:02}T{n % 24:02}:{n % 60:02}:00" for n in row])
    made |= {f"category_{n}": pa.array(rng.choice(["a", "b", "c"], ROWS)) for n in range(4)}
    made |= {
        f"note_{n}": pa.array([f"parcel {i * 7919 % ROWS} left the depot {n}" for i in row])
        for n in range(3)
    }
    made["contact"] = pa.array([f"user{n}@example.org" for n in row])
    calls = rng.integers(10**6, 10**7, ROWS)
    said = [f"call +43 664 {calls[n]}" if n % 50 == 0 else f"no call {n}" for n in row]
    return pa.table({**made, "remark": pa.array(said)})


def main() -> None:
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(table(), sink)
    data = sink.getvalue().to_pybytes()
    started = time.process_time()
    texts = columns_as_text(data, ".csv")
    read = time.process_time()
    found = scan(texts)
    scanned = time.process_time()
    made = protect(
        data,
        batch="benchmark",
        suffix=".csv",
        replaced={"contact"},
        dropped=(),
        pseudonyms=Pseudonyms(b"a key that is for the benchmark alone"),
    )
    keep(
        "privacy",
        {
            "rows": ROWS,
            "columns": len(texts),
            "bytes": len(data),
            "read_cpu_seconds": round(read - started, 2),
            "scan_cpu_seconds": round(scanned - read, 2),
            "pseudonyms_cpu_seconds": round(time.process_time() - scanned, 2),
            "bytes_with_pseudonyms": len(made),
            "found": [f"{one.column}: {one.kind}" for one in found],
        },
    )


if __name__ == "__main__":
    main()
