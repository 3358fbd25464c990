"""The jobs of a pipeline: take in a batch, train a candidate and judge it, prove the champion."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from mldebt_assets.assets import (
    four_questions,
    membership,
    reproduction,
    robustness,
    rollback,
    suspects,
)
from mldebt_assets.assets.keys import PIPELINE_TAG, key
from mldebt_assets.core.privacy.anonymity import CHECK as ANONYMITY_CHECK
from mldebt_assets.core.privacy.survey import CHECK as SCAN_CHECK
from mldebt_assets.pipeline import Pipeline

AFTER_RAW = (
    "validated",
    "quarantine",
    "sketch",
    "features",
    "scorer",
    "drift_reference",
    "predictions",
    "performance",
    "triage",
    "drift_counts",
    "drift_report",
)
LABELS_ASSETS = (
    "labels",
    "features",
    "drift_reference",
    "predictions",
    "performance",
)
TRAINING_ASSETS = ("training_set", "model", "evaluation", "champion", "papers")
# In this order: the last speaks of what the others have shown.
EVIDENCE_CHECKS = (
    *sorted(
        [
            *suspects.CHECKS,
            membership.CHECK,
            reproduction.CHECK,
            robustness.CHECK,
            rollback.CHECK,
        ]
    ),
    four_questions.CHECK,
)


def batch_assets(pipeline: Pipeline) -> tuple[str, ...]:
    """Return the stages that take in one batch."""
    return ("raw", *_references(pipeline), *AFTER_RAW)


def release_assets(pipeline: Pipeline) -> tuple[str, ...]:
    """Return the stages that make a batch again with what was released of it."""
    return (*_references(pipeline), "released", *AFTER_RAW)


def _references(pipeline: Pipeline) -> tuple[str, ...]:
    return ("references",) if pipeline.foreign_keys else ()


def batch_job_name(pipeline: Pipeline) -> str:
    """Return the name of the job that takes in one batch."""
    return f"{pipeline.name}_batch"


def release_job_name(pipeline: Pipeline) -> str:
    """Return the name of the job that takes in a batch with what was released of it."""
    return f"{pipeline.name}_release"


def labels_job_name(pipeline: Pipeline) -> str:
    """Return the name of the job that takes in a batch's late labels."""
    return f"{pipeline.name}_labels"


def performance_job_name(pipeline: Pipeline) -> str:
    """Return the name of the job that measures again how a batch was served."""
    return f"{pipeline.name}_performance"


def retraining_job_name(pipeline: Pipeline) -> str:
    """Return the name of the job that trains a candidate and lets the gate judge it."""
    return f"{pipeline.name}_retraining"


def evidence_job_name(pipeline: Pipeline) -> str:
    """Return the name of the job that proves what is said of the champion."""
    return f"{pipeline.name}_evidence"


def scan_job_name(pipeline: Pipeline) -> str:
    """Return the name of the job that scans what is stored for personal data."""
    return f"{pipeline.name}_scan"


def scan_checks(pipeline: Pipeline) -> list[dg.AssetCheckKey]:
    """Return the keys of the checks that all that is stored is declared, and rows hide as declared.

    The second is there where the pipeline declares quasi-identifiers.
    """
    hiding = [] if pipeline.privacy is None else [evidence_check(pipeline, ANONYMITY_CHECK)]
    return [dg.AssetCheckKey(key(pipeline, "raw"), SCAN_CHECK), *hiding]


def evidence_check(pipeline: Pipeline, name: str) -> dg.AssetCheckKey:
    """Return the key of one of the checks on the champion that are evidence."""
    return dg.AssetCheckKey(key(pipeline, "champion"), name)


def build(pipeline: Pipeline) -> list[UnresolvedAssetJobDefinition]:
    """Return the jobs. They run in one process: each step of its own would import everything."""
    tags = {PIPELINE_TAG: pipeline.name}
    late = [] if pipeline.labels is None else [labels_job(pipeline, tags)]
    proofs = dg.AssetSelection.checks(*(evidence_check(pipeline, one) for one in EVIDENCE_CHECKS))
    scan = dg.AssetSelection.checks(*scan_checks(pipeline))
    return [
        *late,
        dg.define_asset_job(
            batch_job_name(pipeline),
            selection=dg.AssetSelection.assets(
                *(key(pipeline, one) for one in batch_assets(pipeline))
            )
            - scan,
            executor_def=dg.in_process_executor,
            tags=tags,
            description="Take in one batch: store, validate, score, see how well, look for drift.",
        ),
        dg.define_asset_job(
            release_job_name(pipeline),
            selection=[key(pipeline, stage) for stage in ("raw", *release_assets(pipeline))],
            executor_def=dg.in_process_executor,
            tags=tags,
            description="Take in one batch with the rows that were released from its quarantine.",
        ),
        dg.define_asset_job(
            performance_job_name(pipeline),
            selection=[key(pipeline, stage) for stage in ("drift_reference", "performance")],
            executor_def=dg.in_process_executor,
            tags=tags,
            description="Measure again how a batch was served, once late labels have come in.",
        ),
        dg.define_asset_job(
            retraining_job_name(pipeline),
            selection=dg.AssetSelection.assets(*(key(pipeline, one) for one in TRAINING_ASSETS))
            - proofs
            - scan,
            executor_def=dg.in_process_executor,
            tags=tags,
            description="Train a candidate on what has arrived, and let the gate judge it.",
        ),
        dg.define_asset_job(
            evidence_job_name(pipeline),
            selection=proofs,
            executor_def=dg.in_process_executor,
            description="Train an exact copy, rehearse the way back, ask the four questions.",
        ),
        dg.define_asset_job(
            scan_job_name(pipeline),
            selection=scan,
            executor_def=dg.in_process_executor,
            description="Scan all that is stored for personal data, by today's recognisers.",
        ),
    ]


def labels_job(pipeline: Pipeline, tags: dict[str, str]) -> UnresolvedAssetJobDefinition:
    """Return the job that takes in labels which came after their batch."""
    return dg.define_asset_job(
        labels_job_name(pipeline),
        selection=[key(pipeline, stage) for stage in LABELS_ASSETS],
        executor_def=dg.in_process_executor,
        tags=tags,
        description="Take in a batch's late labels, and measure how well it was served.",
    )
