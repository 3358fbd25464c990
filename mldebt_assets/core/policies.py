"""The policies of a pipeline: plain frozen values, every one with a default that is explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How large a file may be: beyond that it is refused before anything parses it.

    ``file_bytes`` as it lies there, ``unpacked_bytes`` out of gzip or by what Parquet says of
    itself, ``columns`` in its header, and ``value_bytes`` of UTF-8 in one value.
    """

    file_bytes: int = 2 << 30
    unpacked_bytes: int = 4 << 30
    columns: int = 2000
    value_bytes: int = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Split:
    """Whole groups are chosen by a hash of the group's name, the same in every version.

    Held-out groups only judge. Tuning groups lie inside training and choose when to stop, the
    calibration and the threshold.

    ``group`` is a column. Those of a timestamp are its days; without any, each row is a group, and
    rows that equal each other but for the target share one.
    """

    group: str | None = None
    held_out_fraction: float = 0.2
    tuning_fraction: float = 0.1
    salt: str = "mldebt"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a user's own model is built for: the table that it will be given, and what is asked.

    ``columns`` name the table's columns, all of them numbers: one for each frequent value of a
    category (1.0 where the row has it), then scaled numbers, then which of them were missing.
    ``outputs`` is how many numbers a module gives a row. What is drawn is drawn from ``seed``.
    """

    seed: int
    columns: tuple[str, ...]
    outputs: int


@dataclass(frozen=True, kw_only=True)
class Training:
    """How the network is trained. Every choice that changes the weights is in here.

    The ``members`` differ by their seeds, and the mean of their logits is the score: less of a
    new version's gain or loss is then luck. The last ``linear_members`` of them have no hidden
    layers: they err otherwise than the rest, and hold where deeper ones extrapolate. Each member
    keeps the weights of its best epoch.
    ``learning_rate`` is the peak of one rise and fall. A category's level with fewer than
    ``rare_below`` training rows counts as unseen.

    An ``estimator`` returns the user's own model in place of this network: an object with ``fit``
    and ``predict_proba`` or ``predict``, or a ``torch.nn.Module``, which is trained by the same
    loop, alone. Of the settings of layers and members, none is used then.
    """

    seed: int = 20130101
    device: str = "cpu"
    members: int = 4
    linear_members: int = 0
    epochs: int = 20
    batch_rows: int = 256
    learning_rate: float = 5e-3
    weight_decay: float = 1e-4
    embedding: int = 8
    hidden: tuple[int, ...] = (64, 32)
    rare_below: int = 10
    estimator: Callable[[Layout], Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What each kind of decision costs a row, in ``currency``; the threshold minimises the sum."""

    false_alarm: float
    missed: float
    caught: float = 0.0
    currency: str = "USD"


@dataclass(frozen=True, kw_only=True)
class Gate:
    """When a candidate replaces the champion.

    The gain in ROC AUC over the champion is bootstrapped over held-out groups of the last
    ``recent_batches``: its quantile ``equal_passes`` must exceed ``margin``, so that with a margin
    of 0 a candidate that is only as good is promoted at about that rate; at .5 one is promoted
    that is better on average. No slice may lose more than ``slice_loss``, where it has at least
    ``slice_rows`` rows. ``confidence`` is that of every interval that is told. With ``approval``
    the gate's yes only proposes the candidate, and a person approves or rejects it.

    Of the pipeline's ``groups``, none may lie behind all rows by provably more than ``group_gap``
    of the level; judged are those with at least ``group_rows`` rows and ``least_groups`` of what
    was held out.
    """

    margin: float = 0.0
    equal_passes: float = 0.025
    confidence: float = 0.95
    rounds: int = 2000
    recent_batches: int = 3
    slice_loss: float = 0.02
    slice_rows: int = 2000
    least_groups: int = 8
    group_gap: float = 0.05
    group_rows: int = 200
    approval: bool = False


@dataclass(frozen=True, kw_only=True)
class Drift:
    """The limits of the drift rule, and how many of the champion's last batches it is held to.

    While rows are taken for independent, columns spend ``level`` on their distributions and missing
    shares, and half as much on the correlations of their pairs; calibrated on blocks of rows, the
    whole spends ``false_alarms``. To ``calibrate``, rows are parted as the
    split's groups are; those of a reference are read for that once.
    """

    level: float = 0.005
    false_alarms: float = 0.01
    distance: float = 0.03
    correlation: float = 0.05
    reference_batches: int = 3
    calibrate: bool = True
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Retraining:
    """When a candidate is trained, and on how much.

    The first candidate comes with the ``first_batches``. Then three causes ask for one: drift,
    a drop of the performance, and, if ``always``, every batch. Whichever asks, the data must
    reach ``cool_down_days`` past the last training's, and the seven days before them must hold
    fewer than ``trainings_a_week``; None sets no budget. Both are counted in the data's time. The
    weekly schedule knows no cool-down, but the budget. ``window`` is how many of the newest
    batches are learned from; None takes all history. A run that failed is tried again up to
    ``attempts`` times in all, as its cause allows (:mod:`mldebt_assets.core.attempts`).
    """

    first_batches: int = 3
    on_drift: bool = True
    on_performance: bool = True
    always: bool = False
    cool_down_days: float = 20.0
    trainings_a_week: int | None = None
    window: int | None = None
    attempts: int = 3


@dataclass(frozen=True, kw_only=True)
class Performance:
    """When the champion has lost too much of what it could do when it was promoted.

    Judged are the labelled rows of the last ``window_batches`` batches, as far as the champion of
    the newest scored them; with fewer than ``least_rows``, or in fewer than ``least_groups``,
    nothing is judged. It has dropped where more than ``drop`` of its own lift over chance is gone,
    and the whole interval over groups lies below its level at the promotion. Shown beside it, and
    summed up, are the last ``history_batches``.
    """

    window_batches: int = 3
    drop: float = 0.2
    least_rows: int = 500
    least_groups: int = 8
    confidence: float = 0.95
    rounds: int = 1000
    history_batches: int = 12


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """When the champion's decisions hang too much on the noise of its inputs.

    Looked at are ``rows`` of the newest. The share ``undecided`` of them whose scores lie nearest
    to another decision may flip; of the others at most ``flips`` may, at the worst place within the
    noise. An input of which neither a noise is declared nor a rounding to be seen is taken to be
    known to ``assumed`` of its standard deviation.
    """

    rows: int = 400
    undecided: float = 0.1
    flips: float = 0.05
    assumed: float = 0.01
