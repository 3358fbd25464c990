"""The stages in the order in which data flows; each module builds one stage of a pipeline."""

from mldebt_assets.assets import (
    anonymity,
    champion,
    drift_report,
    evaluation,
    features,
    four_questions,
    labels,
    membership,
    model,
    outcomes,
    performance,
    predictions,
    raw,
    released,
    rollback,
    scorer,
    sketch,
    stored_scan,
    suspects,
    training_set,
    triage,
    validated,
)

BATCH_STAGES = (
    raw,
    released,
    validated,
    sketch,
    labels,
    features,
    scorer,
    predictions,
    outcomes,
    performance,
    triage,
    drift_report,
    stored_scan,
)
TRAINING_STAGES = (
    training_set,
    model,
    evaluation,
    champion,
    anonymity,
    membership,
    suspects,
    rollback,
    four_questions,
)
STAGES = (*BATCH_STAGES, *TRAINING_STAGES)
