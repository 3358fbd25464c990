"""The same scenes through what people use instead; run by the peers' own interpreter.

folk: scipy's ks_2samp a column, p < .05 in over 10 % of the columns. evidently: the preset for
data drift as it comes, half of the columns drifted. nannyml: the univariate calculator as it comes
(ten chunks, Jensen-Shannon, three standard deviations of the reference's chunks), any column alerts
in any chunk; beside it, an alert in over 10 % of all columns and chunks.

    PEERS/bin/python benchmarks/false_alarm_peers.py RULE ROWS TRIALS SEED

Prints one JSON document: the alarms of each scene.
"""

from __future__ import annotations

import json
import sys
import warnings

import nannyml
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
from false_alarm_scenes import COLUMNS, SCENES, Pair, drawn, rated, scene
from scipy.stats import ks_2samp

NAMES = [f"x{column}" for column in range(COLUMNS)]
FOLK_SHARE = 0.1


def folk(pair: Pair) -> dict[str, bool]:
    small = [ks_2samp(*sides, method="asymp").pvalue < 0.05 for sides in zip(*pair, strict=True)]
    return {"folk": sum(small) > FOLK_SHARE * COLUMNS}


def evidently(pair: Pair) -> dict[str, bool]:
    reference, current = (pd.DataFrame(side.T, columns=NAMES) for side in pair)
    metrics = Report([DataDriftPreset()]).run(current, reference).dict()["metrics"]
    counted = next(one for one in metrics if "DriftedColumnsCount" in one["metric_name"])
    share = counted["value"]["share"]
    return {"evidently": share >= counted["config"]["drift_share"], "evidently_any": share > 0}


def nanny(pair: Pair) -> dict[str, bool]:
    reference, current = (pd.DataFrame(side.T, columns=NAMES) for side in pair)
    calculator = nannyml.UnivariateDriftCalculator(column_names=NAMES).fit(reference)
    found = calculator.calculate(current).filter(period="analysis").to_df()
    alerts = found.xs("alert", axis=1, level=2).to_numpy()
    return {"nannyml": bool(alerts.any()), "nannyml_tenth": bool(alerts.mean() > FOLK_SHARE)}


RULES = {"folk": folk, "evidently": evidently, "nannyml": nanny}


def main() -> None:
    rule, (rows, trials, seed) = RULES[sys.argv[1]], map(int, sys.argv[2:5])
    cells = []
    for name in SCENES:
        alarms: dict[str, int] = {}
        for trial in range(trials):
            pair = scene(name, drawn(seed, rows, trial), seed, trial)
            for said, alarm in rule(pair).items():
                alarms[said] = alarms.get(said, 0) + bool(alarm)
        cells += [
            {"rule": said, "scene": name, "rows": rows, **rated(count, trials)}
            for said, count in alarms.items()
        ]
    json.dump(cells, sys.stdout)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
