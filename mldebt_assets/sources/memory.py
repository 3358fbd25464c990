"""How much memory this process may still take, and what limits it."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")
NAMED = {
    "RLIMIT_AS": "this process's address space (ulimit -v)",
    "memory.max": "this container's memory",
    "memory": "this machine's free memory",
}


TIMES_A_CSV = 15
"""A table takes up to so many times its CSV to be validated, as measured on the flights."""


def beyond(size_bytes: int, times: int = TIMES_A_CSV) -> str | None:
    """Return which limit a file of this size is too large for, and what it leaves room for.

    None where there is room for ``times`` its bytes.
    """
    allowed, name = room_for_a_csv(times)
    return None if size_bytes <= allowed else f"{name} leaves room for {allowed:,}"


def room_for_a_csv(times: int = TIMES_A_CSV) -> tuple[int, str]:
    """Return how large a file may be that takes ``times`` its bytes, and the narrowest limit."""
    left, name = room()
    return left // times, name


def room() -> tuple[int, str]:
    """Return the bytes that are left under the narrowest limit, and the limit's name."""
    found = {"memory": psutil.virtual_memory().available, **_of_container(), **_of_process()}
    name = min(found, key=lambda one: found[one])
    return max(found[name], 0), f"{name}, {NAMED[name]}"


def _of_process() -> dict[str, int]:
    if sys.platform == "win32":
        return {}
    import resource

    allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
    if allowed == resource.RLIM_INFINITY:
        return {}
    return {"RLIMIT_AS": allowed - psutil.Process().memory_info().vms}


def _of_container() -> dict[str, int]:
    """Return what a container of version 2 control groups has left, where it is limited."""
    try:
        allowed = (CGROUP / "memory.max").read_text().strip()
        taken = int((CGROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return {}
    return {} if allowed == "max" else {"memory.max": int(allowed) - taken}
