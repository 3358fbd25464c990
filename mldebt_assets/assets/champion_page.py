"""What a person finds on the page of ``p/champion``: what is in production, and why."""

import textwrap
from typing import Any

import dagster as dg

from mldebt_assets.assets.evaluation_page import CURVES, FIT
from mldebt_assets.assets.keys import key
from mldebt_assets.core.periods import how_many
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import ACT, Fact, adopted_by, decider, told_of_adoption
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import at_storage_id

SHOWN_DIGITS = 12
LONGEST_REASON = 200
LINE_SIGNS = 44
HARD_BREAK = "  \n  "


def headline(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, intent: Fact
) -> dict[str, Any]:
    """Return what a person wants to read first on the champion's page.

    Dagster shows Markdown of less than 1000 characters on the page itself, and longer one at a
    click: the words are kept below that, and the picture is the evaluation's own.
    """
    decision = intent.body
    evaluated, model = (
        at_storage_id(instance, key(pipeline, stage), decision[stage]["storage_id"])
        for stage in ("evaluation", "model")
    )
    learned, shown = learned_from(instance, platform, pipeline, decision)
    run_url = platform.registry.run_url(str(model.metadata["mlflow_run_id"]))
    pictures = (CURVES, FIT)
    seen = {name: evaluated.described[name] for name in pictures if name in evaluated.described}
    return {
        "in production": dg.MetadataValue.md(in_production(pipeline, intent, learned)),
        **seen,
        "trained on": shown,
        "version": decision["version"],
        "weights_sha256": decision["weights_sha256"],
        "training_set": "unknown" if adopted_by(decision) else decision["training_set"]["sha256"],
        "replaced version": decision["previous_version"] or "none",
        "reason": decision["reason"],
        **decided_in(decision["run_id"]),
        **({"override until": decision["expires"]} if decision.get("expires") else {}),
        "decided at": intent.recorded_at.isoformat(timespec="seconds"),
        "MLflow run": dg.MetadataValue.url(run_url),
        "code_commit": model.metadata["code_commit"],
    }


def learned_from(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    decision: dict[str, Any],
) -> tuple[str, dg.MetadataValue]:
    """Return what a champion learned from, in words and as a table; what nobody knows, as words."""
    adopted = adopted_by(decision)
    if adopted is not None:
        told = f"unknown: {told_of_adoption(adopted)}. Lineage begins there"
        return told, dg.MetadataValue.text(told)
    stored = at_storage_id(
        instance, key(pipeline, "training_set"), decision["training_set"]["storage_id"]
    )
    manifest = platform.snapshots.load(stored.snapshot)
    batches = manifest["batches"]
    told = (
        f"training set `{decision['training_set']['sha256'][:SHOWN_DIGITS]}`: "
        f"{manifest['rows']:,} rows in {how_many(len(batches))}, "
        f"{batches[0]['batch']} to {batches[-1]['batch']}"
    )
    return told, trained_on(manifest)


def decided_in(run_id: str | None) -> dict[str, Any]:
    """Return the link to the run that decided; a person decides in none."""
    return {} if run_id is None else {"decided in run": dg.MetadataValue.dagster_run(run_id)}


def in_production(pipeline: Pipeline, intent: Fact, learned: str) -> str:
    """Return in Markdown which snapshot made the champion, why it won, and how to prove it."""
    decision = intent.body
    previous, version = decision["previous_version"], decision["version"]
    facts = {
        "In production": f"v{version} since {intent.effective_at:%Y-%m-%d}, in the data's time",
        "Learned from": learned,
        "Because" if decision.get(ACT) else "Won because": decision["reason"],
        "Asked for by": decision["asked_because"],
        "Replaced": "nothing: it is the first" if previous is None else f"v{previous}",
        "Decided": f"{intent.recorded_at:%Y-%m-%d %H:%M} UTC by {decider(decision['by'])}",
    }
    items = [item(name, cut(text)) for name, text in facts.items()]
    commands = (f"lineage {pipeline.name} --version {version}", f"verify {pipeline.name}")
    proof = HARD_BREAK.join(["- **Prove it**", *(f"`mldebt {command}`" for command in commands)])
    return "\n".join([*items, proof])


def item(name: str, text: str) -> str:
    """Return one item of the list, in lines that end where Dagster's table is still on screen.

    Its column is as wide as the longest hash in it, wider than what a browser of 1600 shows.
    """
    lines = textwrap.wrap(f"**{name}** {text}", LINE_SIGNS, break_on_hyphens=False)
    return "- " + HARD_BREAK.join(lines)


def cut(text: str) -> str:
    """Return a reason, cut at a word where it is long."""
    return textwrap.shorten(text, LONGEST_REASON, placeholder=" …")


def trained_on(manifest: dict[str, Any]) -> dg.TableMetadataValue:
    """Return the batches of a training set, each with the hash of its raw bytes and its rows."""
    records = [
        dg.TableRecord(
            {
                "batch": entry["batch"],
                "raw": entry["raw"]["sha256"][:SHOWN_DIGITS],
                "features": entry["features"]["sha256"][:SHOWN_DIGITS],
                "rows": entry["features"]["rows"],
            }
        )
        for entry in manifest["batches"]
    ]
    schema = dg.TableSchema([dg.TableColumn(name) for name in records[0].data])
    return dg.MetadataValue.table(records, schema)
