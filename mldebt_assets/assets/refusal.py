"""A batch refused as a whole: a fact in the record, then the step fails.

What was refused is looked at again once the pipeline declares its data otherwise: that is how a
person accepts a change of the schema, or declares what becomes of personal data.
"""

from datetime import UTC, datetime
from typing import Any, NoReturn

import dagster as dg

from mldebt_assets.assets.keys import key
from mldebt_assets.core.errors import BatchRefusedError, PersonalDataError, SchemaChangedError
from mldebt_assets.core.fingerprint import digest, sha256
from mldebt_assets.core.privacy.declared import PERSONAL_DATA
from mldebt_assets.core.schema_change import SCHEMA_CHANGE
from mldebt_assets.pipeline import Pipeline, as_configuration
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Stored, newest
from mldebt_assets.store import Blob


def declared_data(pipeline: Pipeline) -> str:
    """Return the digest of all that is declared of the data themselves.

    What another declaration refused may be right under this one.
    """
    names = ["columns", "row_key", "expectations", "least_rows", "quarantine_limit"]
    # Only where they are declared, so that what was refused before there were any stays refused.
    if pipeline.duplicate_limit is not None:
        names.append("duplicate_limit")
    if pipeline.foreign_keys:
        names.append("foreign_keys")
    batch_end = as_configuration(pipeline.batch_end)
    return digest({**{n: as_configuration(getattr(pipeline, n)) for n in names}, "end": batch_end})


def refuse(
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    platform: Platform,
    problem: BatchRefusedError,
    *,
    unstored: Blob | None = None,
    references: Stored | None = None,
) -> NoReturn:
    """Record the refusal, then fail the step; the champion and every snapshot stay as they are.

    Of what was refused before it was stored (``unstored``), the record has the hash and the size
    alone. ``references`` are those by which foreign keys were found broken: by others they may not.

    Raises: dagster.Failure, always; it is not retried, since the same bytes fail again.
    """
    raw = newest(context.instance, key(pipeline, "raw"), context.partition_key)
    body: dict[str, Any] = {
        "batch": context.partition_key,
        "raw": raw.identity if raw and unstored is None else None,
        "reason": str(problem),
        "declared": declared_data(pipeline),
        "run_id": context.run.run_id,
    }
    if unstored is not None:
        body["unstored"] = {"sha256": sha256(unstored.data), "bytes": len(unstored.data)}
    if references is not None:
        body["references"] = references.snapshot.sha256
    if isinstance(problem, SchemaChangedError):
        changes = [change.as_dict() for change in problem.changes]
        body |= {"class": SCHEMA_CHANGE, "changes": changes}
    if isinstance(problem, PersonalDataError):
        body["class"] = PERSONAL_DATA
    record = platform.record(pipeline.name)
    record.append("batch_refused", body, effective_at=datetime.now(UTC))
    raise dg.Failure(description=str(problem), allow_retries=False)
