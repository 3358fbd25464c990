"""A training repeated, and its verdict kept on the champion: by the weekly job or by a person."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from mldebt_assets.assets import reproduction
from mldebt_assets.assets.evidence import report as keep
from mldebt_assets.assets.keys import key
from mldebt_assets.by_hand import who
from mldebt_assets.core.errors import MLDebtError
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.reproduction.prove import reproduce
from mldebt_assets.resources import Platform


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the check on the champion that trains it again."""

    @dg.asset_check(
        asset=key(pipeline, "champion"),
        name=reproduction.CHECK,
        description=reproduction.MEANING,
    )
    def reproduced(
        context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> dg.AssetCheckResult:
        try:
            answer = reproduce(context.instance, platform, pipeline, None, context.log.info)
        except MLDebtError as problem:
            return reproduction.unanswered(pipeline, problem)
        return reproduction.result(pipeline, answer)

    return [reproduced]


def reproduced(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    version: int | None,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Train a version again because a person asks; keep the verdict if it is the champion.

    Raises: as :func:`mldebt_assets.reproduction.prove.reproduce`; nothing is kept then.
    """
    answer = reproduce(instance, platform, pipeline, version, report)
    champion = platform.record(pipeline.name).champion()
    if champion is not None and champion.version == answer["version"]:
        keep(instance, reproduction.result(pipeline, answer), who())
    return answer
