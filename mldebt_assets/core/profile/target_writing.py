"""What a pipeline file says of its target: the label, its declaration, and how to learn it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldebt_assets.core.policies import Split
from mldebt_assets.core.profile.literals import listed, literal, prose, tupled

if TYPE_CHECKING:
    from mldebt_assets.core.profile.goal import Goal

SMALL_ROWS, MEDIUM_ROWS = 3_000, 30_000
FEW_ROWS = 1_000


def question(goal: Goal) -> str:
    """Return what the pipeline answers, in one line."""
    if goal.task == "binary":
        return f"Will {goal.column} be {goal.positive}?"
    return f"Which {goal.column} is it?" if goal.task == "multiclass" else f"What is {goal.column}?"


def constants(goal: Goal) -> str:
    """Return the lines that name the target, and the value or the classes that count."""
    lines = [f"TARGET = {literal(goal.column)}"]
    if goal.task == "binary":
        lines.append(
            f"POSITIVE = {literal(goal.positive)}"
            "  # LOOK: the value that counts as 1; every other one counts as 0"
        )
    elif goal.task == "multiclass":
        lines.append(f"CLASSES = {tupled(goal.classes)}")
    if goal.task != "binary":
        lines[0] += f"  # LOOK: {prose(goal.why)}, hence the task"
    return "\n".join(lines) + "\n"


def label(goal: Goal) -> str:
    """Return the function that turns rows into labels."""
    if goal.task == "binary":
        return (
            "def label(rows: pd.DataFrame) -> pd.Series[float]:\n"
            '    """Return 1.0 where the target is POSITIVE, 0.0 for another, else NaN."""\n'
            "    value = rows[TARGET]\n"
            '    return (value == POSITIVE).astype("float64").where(value.notna())\n'
        )
    if goal.task == "regression":
        return (
            "def label(rows: pd.DataFrame) -> pd.Series[float]:\n"
            '    """Return the target as a number, NaN where it is not known."""\n'
            '    return rows[TARGET].astype("float64")\n'
        )
    return (
        "def label(rows: pd.DataFrame) -> pd.Series[str]:\n"
        '    """Return the name of the class of each row, None where it is not known."""\n'
        "    value = rows[TARGET]\n"
        '    return value.astype("string").astype(object).where(value.notna(), None)\n'
    )


def declaration(goal: Goal) -> list[str]:
    """Return the lines of the pipeline that declare its target."""
    told = {
        "binary": f"1 where {goal.column} is {goal.positive}",
        "multiclass": f"which {goal.column} it is",
        "regression": f"the value of {goal.column}",
    }
    return [
        "    target=Target(",
        f"        description={literal(told[goal.task])},",
        "        label=label,",
        "        reads=(TARGET,),",
        *([] if goal.task == "binary" else [f"        task={literal(goal.task)},"]),
        *(["        classes=CLASSES,"] if goal.task == "multiclass" else []),
        "    ),",
    ]


def class_rule(goal: Goal) -> list[str]:
    """Return the expectation that puts rows of no declared class apart."""
    if goal.task != "multiclass":
        return []
    return [
        '        Expectation(\n            name="ExpectColumnValuesToBeInSet",\n'
        '            arguments={"column": TARGET, "value_set": '
        f"{listed(goal.levels)}}},\n"
        '            failing="quarantine",\n        ),'
    ]


def split(time: str | None, rows: int) -> Split:
    """Return what is held out as a whole; of few rows more are kept to calibrate on."""
    return Split(group=time, tuning_fraction=0.2) if rows < FEW_ROWS else Split(group=time)


def split_line(declared: Split) -> str:
    """Return how a split is declared."""
    parts = [f"group={literal(declared.group)}"] if declared.group else []
    usual = declared.tuning_fraction == Split().tuning_fraction
    parts += [] if usual else [f"tuning_fraction={declared.tuning_fraction}"]
    whole = "days are held out as a whole" if declared.group else "equal rows are held out together"
    return f"Split({', '.join(parts)}),  # {whole}"


def training(rows: int) -> str:
    """Return how a table of so many rows is learned: small steps, and few weights, for few rows."""
    if rows < FEW_ROWS:
        return (
            "Training(linear_members=2, epochs=60, batch_rows=16, learning_rate=0.02, "
            "weight_decay=0.1, hidden=(16,))"
        )
    size = 32 if rows < SMALL_ROWS else 128 if rows < MEDIUM_ROWS else 512
    return f"Training(batch_rows={size})"
