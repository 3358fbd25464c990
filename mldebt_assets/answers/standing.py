"""What a champion stands on, as the promotion record and the manifest name it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mldebt_assets.answers.walk import STAGES
from mldebt_assets.assets.promoting import stood_on, stored_bytes
from mldebt_assets.core.fingerprint import md5, sha256

if TYPE_CHECKING:
    from mldebt_assets.promotions import Champion


@dataclass(frozen=True)
class Artefact:
    """One stored artefact by its identity; what is not known of it is None.

    ``folder`` is where its pointer lies below the home's ``snapshots``, ``path`` its whole name
    there, ``storage_id`` the materialization that made it.
    """

    stage: str
    batch: str | None
    sha256: str
    md5: str
    folder: str
    path: str | None = None
    storage_id: int | None = None
    rows: int | None = None

    @property
    def what(self) -> str:
        """How it is called: ``raw 2013-01``, ``model``."""
        return f"{self.stage} {self.batch}" if self.batch else self.stage


def named_by_promotion(pipeline: str, champion: Champion) -> dict[str, Artefact]:
    """Return what the promotion names, by its stage."""
    body = champion.promotion.body
    located = {
        stage: Artefact(
            stage=stage,
            batch=None,
            sha256=body[stage]["sha256"],
            md5=body[stage]["md5"],
            folder=f"{pipeline}/{stage}",
            path=body[stage]["snapshot"],
            storage_id=body[stage].get("storage_id"),
        )
        for stage in (*stood_on(body), "onnx")
    }
    value = stored_bytes(champion.promotion)
    located["champion"] = Artefact(
        stage="champion",
        batch=None,
        sha256=sha256(value),
        md5=md5(value),
        folder=f"{pipeline}/champion",
    )
    return located


def named_by_reference(pipeline: str, champion: Champion) -> list[Artefact]:
    """Return the validated batches of the drift reference."""
    return [
        Artefact(
            stage="reference",
            batch=batch,
            sha256=named["sha256"],
            md5=named["md5"],
            folder=f"{pipeline}/validated/{batch}",
            storage_id=named["storage_id"],
            rows=named["rows"],
        )
        for batch, named in champion.reference["batches"].items()
    ]


def named_by_manifest(pipeline: str, manifest: dict[str, Any]) -> dict[str, dict[str, Artefact]]:
    """Return what a training set names, by stage and batch; the manifest knows no events."""
    return {
        stage: {
            entry["batch"]: Artefact(
                stage=stage,
                batch=entry["batch"],
                sha256=entry[stage]["sha256"],
                md5=entry[stage]["md5"],
                folder=f"{pipeline}/{stage}/{entry['batch']}",
                rows=entry[stage]["rows"],
            )
            for entry in manifest["batches"]
        }
        for stage in STAGES
    }
