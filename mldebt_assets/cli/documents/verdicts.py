"""Verdicts and checks, as several commands print them."""

from typing import TypedDict


class Verdict(TypedDict):
    """One judged number beside its limit."""

    name: str
    passed: bool
    measured: float | str | None
    limit: float | str | None
    unit: str
    reason: str


class Check(Verdict):
    """One finding, and what it belongs to."""

    group: str
