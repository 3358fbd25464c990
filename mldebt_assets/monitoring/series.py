"""Every metric that is exported: its name, its labels, and what it means."""

from __future__ import annotations

from typing import NamedTuple


class Family(NamedTuple):
    """What a metric means, and the labels of its samples."""

    meaning: str
    labels: tuple[str, ...]


P = ("pipeline",)
LEVEL = ("pipeline", "metric")

FAMILIES = {
    # Whether there is anything to read.
    "mldebt_home_ok": Family("1 where the home directory is there and complete.", ()),
    "mldebt_up": Family("1 where everything about the pipeline could be read.", P),
    "mldebt_record_ok": Family("1 where the promotion record's chain of hashes holds.", P),
    "mldebt_scrape_duration_seconds": Family("How long reading all of this took.", ()),
    # Age: compare with time().
    "mldebt_champion_version": Family("The version in production; absent before the first.", P),
    "mldebt_champion_promoted_timestamp_seconds": Family(
        "When the champion was promoted, by the wall clock.", P
    ),
    "mldebt_champion_data_timestamp_seconds": Family(
        "Up to when the data reached that the champion's promotion rests on.", P
    ),
    "mldebt_batches": Family("How many batches have arrived.", P),
    "mldebt_newest_batch_timestamp_seconds": Family(
        "When the newest batch was validated, by the wall clock.", P
    ),
    "mldebt_newest_batch_data_timestamp_seconds": Family(
        "Up to when the data of the newest validated batch reach.", P
    ),
    "mldebt_evidence_timestamp_seconds": Family(
        "When the answer to one of the four questions was shown; absent where nothing shows it.",
        ("pipeline", "question"),
    ),
    "mldebt_question_standing": Family(
        "1 at the standing of the answer: ok, warning or unknown.",
        ("pipeline", "question", "standing"),
    ),
    # Drift, of the newest judged batch.
    "mldebt_drift_distance_ratio": Family(
        "Kolmogorov distance or total variation of a column from the champion's reference.",
        ("pipeline", "column"),
    ),
    "mldebt_drift_column_drifted": Family(
        "1 where the column's distribution or missing share drifted.", ("pipeline", "column")
    ),
    "mldebt_drift_columns": Family("How many columns were compared.", P),
    "mldebt_drift_columns_drifted": Family("How many of them drifted.", P),
    "mldebt_batch_drifted": Family("1 where the newest judged batch drifted.", P),
    # Performance, of the newest batch with labels that a champion scored.
    "mldebt_served_level": Family(
        "Level of the newest scored batch with labels, in the task's metric.", LEVEL
    ),
    "mldebt_served_level_lower": Family("Lower end of its interval.", LEVEL),
    "mldebt_served_level_upper": Family("Upper end of its interval.", LEVEL),
    "mldebt_expected_level": Family("Level of the champion when it was promoted.", LEVEL),
    "mldebt_labelled_ratio": Family("Share of that batch's rows with a known label.", P),
    "mldebt_performance_dropped": Family("1 where the champion has lost too much of it.", P),
    "mldebt_served_cost_per_row": Family(
        "Cost of a labelled row as it was served, in the pipeline's currency.",
        ("pipeline", "currency"),
    ),
    "mldebt_replaced_cost_per_row": Family(
        "The same by the version that the champion replaced.", ("pipeline", "currency")
    ),
    # Retraining.
    "mldebt_retraining_decisions_total": Family(
        "Decisions whether to retrain, by what was decided.", ("pipeline", "asked")
    ),
    "mldebt_trainings_total": Family("Trainings that the gate has judged.", P),
    "mldebt_retraining_pending": Family("1 while a training asked for is not judged yet.", P),
    "mldebt_runs_total": Family(
        "Dagster's runs that ended, by job and by how.", ("pipeline", "job", "status")
    ),
    # Gate.
    "mldebt_gate_verdicts_total": Family(
        "Candidates by the gate's verdict: promoted, proposed or refused.", ("pipeline", "verdict")
    ),
    "mldebt_promotions_total": Family(
        "Changes of champion, by what made them: gate, approve, promote, rollback or adopt.",
        ("pipeline", "act"),
    ),
    "mldebt_approvals_waiting": Family("Candidates that wait for a person.", P),
    # What went wrong.
    "mldebt_batches_refused_total": Family("Refusals of a batch.", P),
    "mldebt_batches_refused": Family("Batches whose newest bytes were refused.", P),
    "mldebt_checks_failed": Family(
        "Checks whose newest evaluation failed, by stage and severity.",
        ("pipeline", "stage", "severity"),
    ),
}
