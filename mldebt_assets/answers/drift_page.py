"""The newest of some batches as one page: what was found, what was decided, and every column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mldebt_assets.answers.retraining import told_decisions
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.sketch import fits, loaded, reference_of_champion
from mldebt_assets.assets.standing import references
from mldebt_assets.snapshots import newest

if TYPE_CHECKING:
    from collections.abc import Mapping

    import dagster as dg

    from mldebt_assets.core.drift.sketch import Sketch
    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.plots.drift_page import Batch, DriftPage, Outcome
    from mldebt_assets.resources import Platform

UNDECIDED = "not decided yet"
NOT_ASKED = "No retraining"


def page_of(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, answer: dict[str, Any]
) -> DriftPage:
    """Return the page of what :func:`~mldebt_assets.answers.drift.drift_of` told of some batches.

    Raises: SnapshotError if a stored sketch is gone or damaged.
    """
    from mldebt_assets.core.drift.histogram import histogram_of
    from mldebt_assets.plots.drift_page import DriftPage

    decided = {
        decision["batch"]: decision
        for decision in told_decisions(instance, pipeline, platform.record(pipeline.name).facts())
        if decision["asked"] or decision["about"] == "batch"
    }
    last = answer["batches"][-1]
    sketches = _sketches(instance, platform, pipeline, last)
    histograms = {
        before.name: histogram
        for before, after in zip(*(one.columns for one in sketches), strict=True)
        if (histogram := histogram_of(before, after)) is not None
    }
    names = {True: ("drift", "drift"), False: ("calm", "no drift")}
    standing, found = names[last["drifted"]] if last["judged"] else ("unknown", "not judged")
    refused = last["refused"]
    together = answer["window"]
    return DriftPage(
        kind="Drift of a batch",
        title=f"{pipeline.name}, {last['batch']}",
        standing=standing,
        found=found,
        summary=last["summary"],
        facts=_facts(last, sketches),
        columns=last["columns"],
        histograms=histograms,
        limit=pipeline.drift.distance,
        rule=last["rule"] if last["judged"] else "",
        decision=decision_of(decided.get(last["batch"])),
        batches=[_batch(told, decided) for told in answer["batches"]],
        together=together["summary"] if together else "",
        outcomes=[_outcome(what, told) for what, told in last["outcomes"].items()],
        refused=(refused["alarm"], refused["reason"], refused["scored"]) if refused else None,
    )


def decision_of(decision: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return what was decided on a batch in a few words, and why."""
    if decision is None:
        return UNDECIDED.capitalize(), "Nobody has decided on this batch yet."
    if not decision["asked"]:
        return NOT_ASKED, decision["reason"]
    outcome = decision["outcome"]
    if outcome is None:
        return "Retraining asked for, not judged yet", decision["reason"]
    said = f"Retrained: v{outcome['version']} was {outcome['gate']}"
    return said, f"{outcome['reason']}. Asked for by: {decision['reason']}"


def _batch(told: Mapping[str, Any], decided: Mapping[str, Any]) -> Batch:
    from mldebt_assets.plots.drift_page import Batch

    return Batch(
        name=told["batch"],
        drifted=told["drifted"] if told["judged"] else None,
        decision=decision_of(decided.get(told["batch"]))[0],
        distances={
            name: (column["distance"], column["drifted"])
            for name, column in told["columns"].items()
        },
    )


def _outcome(what: str, told: Mapping[str, Any]) -> Outcome:
    """Return a batch's scores or labels with the bars of both sides, where they were drawn."""
    from mldebt_assets.core.drift.histogram import Histogram
    from mldebt_assets.plots.drift_page import Outcome

    drawn = {
        name: Histogram(**column["histogram"])
        for name, column in told["columns"].items()
        if column.get("histogram")
    }
    return Outcome(what, told["summary"], told["columns"], drawn)


def _facts(last: Mapping[str, Any], sketches: tuple[Sketch, Sketch] | tuple[()]) -> list[Any]:
    """Return what was compared: the rows of either side, and whose reference it is."""
    if not sketches:
        return []
    reference = last["reference"]
    ends = dict.fromkeys([*reference["batches"][:1], *reference["batches"][-1:]])
    of = "" if reference["version"] is None else f" of v{reference['version']}"
    return [
        ("rows", f"{sketches[1].rows:,}"),
        (f"reference{of}", f"{' to '.join(ends)}, {sketches[0].rows:,} rows"),
        ("p-values", last["calibration"]),
    ]


def _sketches(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, last: Mapping[str, Any]
) -> tuple[Sketch, Sketch] | tuple[()]:
    """Return the sketches of a batch's reference and of the batch; none where it was not judged."""
    known = references(instance, platform, pipeline) if last["judged"] else {}
    named = known.get(last["judged"] and last["reference"]["hash"])
    validated = newest(instance, key(pipeline, "validated"), last["batch"])
    if named is None or validated is None:
        return ()
    reference, _ = reference_of_champion(instance, platform, pipeline, named[1])
    stored = newest(instance, key(pipeline, "sketch"), last["batch"])
    if stored is not None and fits(pipeline, sketch := loaded(platform, stored)):
        return reference.sketch, sketch
    from mldebt_assets.core.drift.sketch import sketch_of

    rows = platform.snapshots.load(validated.snapshot)
    return reference.sketch, sketch_of(rows, pipeline.watched)
