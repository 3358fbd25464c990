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
