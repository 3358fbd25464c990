"""A person releases rows from quarantine: the record says so first, then the batch is made again.

It is made again by the steps that take batches in, which read the released rows as a snapshot of
their own beside the raw bytes. Said again after a kill, it goes on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import dagster as dg

from mldebt_assets.answers.quarantine import rows_of, waiting
from mldebt_assets.assets.keys import PIPELINE_TAG, REASON_TAG, RELEASED_TAG, batches, key
from mldebt_assets.assets.references import references_of
from mldebt_assets.assets.released import release_of, snapshot_of
from mldebt_assets.assets.training_set import effective_at
from mldebt_assets.assets.validated import admission
from mldebt_assets.automation.reconcile import unfinished_run
from mldebt_assets.by_hand import require_reason, settled
from mldebt_assets.core.errors import BusyError, RefusedError, UnknownBatchError
from mldebt_assets.jobs import release_assets, release_job_name
from mldebt_assets.promotions import newest_release
from mldebt_assets.replay import make_again
from mldebt_assets.snapshots import newest
from mldebt_assets.store import encode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pandas as pd

    from mldebt_assets.core.release import Admission
    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Fact
    from mldebt_assets.resources import Platform
    from mldebt_assets.snapshots import Stored


@dataclass(frozen=True)
class Released:
    """What came of a release: how many rows were let in now, and why others stay, by their marks.

    ``fact`` is the newest release of the batch, None where nothing of it was ever released.
    """

    rows: int
    stays: dict[str, str]
    fact: Fact | None


@dataclass(frozen=True)
class Releasing:
    """The release of rows from one batch's quarantine, by somebody, for a reason."""

    instance: dg.DagsterInstance
    platform: Platform
    pipeline: Pipeline
    repository: dg.RepositoryDefinition
    batch: str
    by: str
    reason: str

    def release(self, mended: bytes | None, now: datetime) -> Released:
        """Release the rows of a mended file, or all of the batch as they are.

        Raises: RefusedError where the file has other rows than those in quarantine; CallError
                without a reason; UnknownBatchError; BusyError while a run of the pipeline is under
                way; UnreachableError. Nothing was changed then.
        """
        require_reason(self.reason)
        with settled(self.instance, self.platform, self.pipeline, now) as facts:
            busy = unfinished_run(self.instance, self.pipeline)
            if busy is not None:
                said = f"Run {busy} of {self.pipeline.name} has not ended; nothing was released."
                raise BusyError.of(said, "say it again when it has ended.")
            left = newest_release(facts, self.batch)
            finished = self._is_left_open(left) and self._carry_out(left)
            return self._release(mended, left if finished else None)

    def _release(self, mended: bytes | None, finished: Fact | None) -> Released:
        """Judge the rows anew, and record and carry out what of them is let in.

        Where a release that a kill had left open was ``finished`` before, rows of it are no news.
        """
        from mldebt_assets.core.quarantine import MARK

        raw, apart = self._raw(), self._apart()
        earlier = self._earlier(raw)
        rows = self._asked(mended, apart, earlier)
        before = [] if earlier is None else list(earlier[MARK])
        admission, whole = self._judged(raw, rows, earlier)
        let_in = [mark for mark in admission.admitted if mark not in before]
        if not let_in:
            fact = newest_release(self._facts(), self.batch)
            count = 0 if finished is None else int(finished.body["rows"])
            return Released(count, admission.stays, fact)
        kept = whole[whole[MARK].isin(set(admission.admitted))].reset_index(drop=True)
        chosen = rows[rows[MARK].isin(set(let_in))].reset_index(drop=True)
        snapshot = self.platform.snapshots.put(
            encode(kept).data,
            folder=f"{self.pipeline.name}/released/{self.batch}",
            name=f"{self.batch}.parquet",
        )
        quarantine = waiting(self.instance, self.pipeline, self.batch)[self.batch]
        fact = self.platform.record(self.pipeline.name).append(
            "released",
            {
                "batch": self.batch,
                "raw": raw.snapshot.sha256,
                "quarantine": quarantine.identity,
                "released": asdict(snapshot),
                "rows": len(let_in),
                "mended": self._mended(chosen, apart),
                "by": self.by,
                "reason": require_reason(self.reason),
            },
            effective_at=self._data_time(),
        )
        self._carry_out(fact)
        return Released(len(let_in), admission.stays, fact)

    def _mended(self, chosen: pd.DataFrame, apart: pd.DataFrame | None) -> int:
        from mldebt_assets.core.release import unlike

        return 0 if apart is None else unlike(chosen, apart, self.pipeline.batch_columns)

    def _facts(self) -> list[Fact]:
        return self.platform.record(self.pipeline.name).facts()

    def _raw(self) -> Stored:
        raw = newest(self.instance, key(self.pipeline, "raw"), self.batch)
        if raw is None:
            raise UnknownBatchError.of(self.pipeline.name, self.batch, self._batches())
        return raw

    def _batches(self) -> Sequence[str]:
        return self.instance.get_dynamic_partitions(batches(self.pipeline).name or "")

    def _data_time(self) -> datetime:
        """Return the data's time of the batch."""
        validated = newest(self.instance, key(self.pipeline, "validated"), self.batch)
        if validated is None:
            raise UnknownBatchError.of(self.pipeline.name, self.batch, self._batches())
        return effective_at(validated)

    def _apart(self) -> pd.DataFrame | None:
        """Return what lies in the batch's quarantine by now; None where nothing does.

        Raises: UnknownBatchError; RefusedError where it is not of the newest raw bytes.
        """
        stored = waiting(self.instance, self.pipeline, self.batch).get(self.batch)
        if stored is None:
            return None
        raw = self._raw().snapshot.sha256
        if stored.reads[f"{self.pipeline.name}/raw"][self.batch][0] != raw:
            raise RefusedError.of(
                f"What lies in the quarantine of {self.batch} is of an earlier file of it, and the "
                "newest was refused; nothing was released.",
                f"`mldebt status {self.pipeline.name}` says what mends it.",
            )
        return rows_of(self.instance, self.platform, self.pipeline, stored)

    def _earlier(self, raw: Stored) -> pd.DataFrame | None:
        """Return what was released of these raw bytes before."""
        stored = release_of(self.instance, self.pipeline, raw)
        if stored is None:
            return None
        table: pd.DataFrame = self.platform.snapshots.load(stored.snapshot)
        return table

    def _asked(
        self, mended: bytes | None, apart: pd.DataFrame | None, earlier: pd.DataFrame | None
    ) -> pd.DataFrame:
        """Return the rows that are to be released: those of the file, else all that lie there.

        What was released before is left out of a file that is said again.
        """
        from mldebt_assets.core.quality import REASON
        from mldebt_assets.core.quarantine import MARK
        from mldebt_assets.core.release import mended as rows_in
        from mldebt_assets.core.release import require_own

        columns = self.pipeline.batch_columns
        names = [MARK, *(column.name for column in columns)]
        if apart is None:
            apart = self._none_of(names, REASON)
        if mended is None:
            return apart[names]
        limits = self.pipeline.source.limits
        rows = rows_in(mended, batch=self.batch, columns=columns, limits=limits)
        if earlier is not None:
            rows = rows[~rows[MARK].isin(set(earlier[MARK]))].reset_index(drop=True)
        require_own(rows, apart, batch=self.batch, row_key=self.pipeline.row_key)
        return rows

    def _none_of(self, names: list[str], reason: str) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame({name: pd.Series([], dtype=object) for name in [*names, reason]})

    def _judged(
        self, raw: Stored, rows: pd.DataFrame, earlier: pd.DataFrame | None
    ) -> tuple[Admission, pd.DataFrame]:
        """Return what the gate says of all that is released together, and these rows."""
        import pandas as pd

        from mldebt_assets.core.quarantine import MARK, widened

        columns, parts = self.pipeline.batch_columns, []
        for part in (earlier, rows):
            if part is not None and len(part):
                wide = widened(part, columns)
                wide.insert(0, MARK, part[MARK])
                parts.append(wide)
        whole = pd.concat(parts, ignore_index=True) if parts else rows
        blob = self.platform.snapshots.blob(raw.snapshot)
        references = references_of(self.instance, self.platform, self.pipeline, self.batch)
        return admission(self.pipeline, self.batch, blob, whole, references), whole

    def _is_left_open(self, fact: Fact | None) -> bool:
        """Return whether no run has carried out a release, of what the batch still stands on."""
        if fact is None or fact.body["raw"] != self._raw().snapshot.sha256:
            return False
        tags = {PIPELINE_TAG: self.pipeline.name, RELEASED_TAG: str(fact.sequence)}
        done = dg.RunsFilter(tags=tags, statuses=[dg.DagsterRunStatus.SUCCESS])
        return not self.instance.get_runs(done, limit=1)

    def _carry_out(self, fact: Fact | None) -> bool:
        """Make the batch again with what was released of it.

        Raises: RefusedError where that failed: said again, it goes on.
        """
        if fact is None:
            return False
        self.platform.snapshots.load(snapshot_of(fact))
        result = make_again(
            self.instance,
            self.platform,
            self.pipeline,
            self.repository.get_job(release_job_name(self.pipeline)),
            self.batch,
            stages=release_assets(self.pipeline),
            tags={
                RELEASED_TAG: str(fact.sequence),
                REASON_TAG: f"{fact.body['rows']} rows of {self.batch} are released by {self.by}",
            },
        )
        if result.success:
            return True
        raise RefusedError.of(
            f"{self.batch} could not be made again with the released rows: see Dagster run "
            f"{result.run_id}. The release is recorded.",
            "mend what failed there, and say it again: it goes on.",
        )
