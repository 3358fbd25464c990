"""What Prometheus scrapes: the state of every pipeline, read anew at each scrape.

Everything is derived from the record and the event log, so counters survive restarts, and a scrape
writes nothing. What cannot be read is left out and said by ``mldebt_up``. Labels are bounded: by
the pipelines, their columns (the ``MOST_COLUMNS`` that lie farthest), stages and jobs.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from mldebt_assets.core.errors import MLDebtError
from mldebt_assets.monitoring.readings import Sample, of_pipeline
from mldebt_assets.monitoring.series import FAMILIES
from mldebt_assets.resources import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from prometheus_client import Metric

    from mldebt_assets.home import Home
    from mldebt_assets.pipeline import Pipeline

UNREADABLE = (MLDebtError, dg.DagsterError, SQLAlchemyError, OSError)


class Exporter(Collector):
    """Collects every family of :data:`mldebt_assets.monitoring.series.FAMILIES`."""

    def __init__(
        self,
        home: Home,
        pipelines: Sequence[Pipeline],
        checks: Iterable[dg.AssetCheckKey],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._home, self._pipelines, self._clock = home, pipelines, clock
        self._checks = {
            pipeline.name: [one for one in checks if one.asset_key.path[0] == pipeline.name]
            for pipeline in pipelines
        }
        self._alone = threading.Lock()

    def describe(self) -> list[Metric]:
        """Return nothing: what there is shows itself at the scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield each family, with its help even where it has no sample yet."""
        with self._alone:
            started = time.monotonic()
            samples = list(self.samples())
            samples.append(Sample("mldebt_scrape_duration_seconds", time.monotonic() - started))
        for name, family in FAMILIES.items():
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            made: Any = kind(name, family.meaning, labels=family.labels)
            for sample in samples:
                if sample.name == name:
                    made.add_metric([sample.labels[label] for label in family.labels], sample.value)
            yield made

    def samples(self) -> Iterator[Sample]:
        """Yield what is known of the home and of every pipeline."""
        try:
            platform = Platform(self._home.require_complete())
            instance = dg.DagsterInstance.from_config(str(self._home.dagster))
        except UNREADABLE:
            yield Sample("mldebt_home_ok", 0.0)
            return
        yield Sample("mldebt_home_ok", 1.0)
        with instance:
            for pipeline in self._pipelines:
                yield from self.of(instance, platform, pipeline)

    def of(
        self, instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline
    ) -> Iterator[Sample]:
        """Yield what is known of one pipeline, and whether all of it could be read."""
        readable = True
        for reading in of_pipeline(self._checks[pipeline.name], self._clock()):
            try:
                yield from list(reading(instance, platform, pipeline))
            except UNREADABLE:
                readable = False
        yield Sample("mldebt_up", float(readable), {"pipeline": pipeline.name})


def exposition(exporter: Exporter) -> str:
    """Return one scrape in Prometheus's text format."""
    return generate_latest(registry_of(exporter)).decode()


def registry_of(exporter: Exporter) -> CollectorRegistry:
    """Return a registry of this exporter alone: nothing of the Python process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(exporter)
    return registry
