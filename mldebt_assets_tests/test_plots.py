"""Pictures draw from whatever there is, in few bytes, and nothing on them is cut off or hidden."""

from __future__ import annotations

import io
from itertools import combinations
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from mldebt_assets.core.evaluation import calibration_curve, metrics, roc_curve, score_histogram
from mldebt_assets.core.policies import Costs
from mldebt_assets.plots import (
    Picture,
    drift_figure,
    evaluation_figure,
    performance_figure,
    slices_figure,
)
from mldebt_assets.plots.drift import MOST_ROWS, SHOWN_BATCHES
from mldebt_assets.plots.look import COLOURS, HEAT, INK, LINES, MARKERS, MUTED, PAPER, Sheet
from mldebt_assets.plots.scores import score_figure
from mldebt_assets.plots.slices import MOST_SLICES

WIDEST_DOTS = 720
DOTS_AT_HALF_WIDTH = 600
LEAST_PIXELS = 10
LARGEST_MARKDOWN = 40_000
COSTS = Costs(false_alarm=20.0, missed=60.0, caught=10.0)


def history(batches, *, names="{:04}-01", promoted_every=3, **instead):
    """A batch a month; the first two come before there is a champion."""
    draw = np.random.default_rng(1)
    made = []
    for place in range(batches):
        served = place > 1
        auc = 0.7 + 0.05 * draw.normal() if served else None
        batch = {
            "batch": names.format(2000 + place),
            "version": 1 + place // promoted_every if served else None,
            "level": auc,
            "lower": auc and auc - 0.02,
            "upper": auc and auc + 0.03,
            "base_rate": draw.uniform(0.1, 0.3),
            "rows": 27_000,
            "labelled": 26_000,
            "money": 12 + draw.normal() if served else None,
            "money_replaced": 13 + draw.normal() if served and place > promoted_every else None,
        }
        made.append({**batch, **instead})
    return made


def scored(rows=5_000, positive=None):
    """Scores with labels: by chance, or all the same."""
    draw = np.random.default_rng(2)
    scores = draw.beta(2, 5, rows)
    labels = (draw.random(rows) < scores).astype(float)
    return scores, labels if positive is None else np.full(rows, positive)


def model_of(rows=5_000):
    scores, labels = scored(rows)
    curves = {"roc": roc_curve(labels, scores), "calibration": calibration_curve(labels, scores)}
    return {
        "threshold": 0.31,
        "metrics": metrics(labels, scores, threshold=0.31, costs=COSTS),
        "curves": {n: {a: v.tolist() for a, v in c.items()} for n, c in curves.items()},
        "scores": {n: v.tolist() for n, v in score_histogram(scores, labels).items()},
    }


def measured(names=("candidate", "incumbent", "baseline"), *, slices=4, dear=1.0, named="carrier"):
    """What an evaluation stores, as far as pictures look at it."""
    beside = "incumbent" in names
    found = [
        {
            "dimension": named,
            "value": f"A{place}",
            "rows": 9_000 - place,
            "interval": {"point": 0.7, "lower": 0.66 - place / 200, "upper": 0.75}
            if place % 5 < 4
            else None,
            "incumbent": 0.69 if beside and place % 5 < 4 else None,
        }
        for place in range(slices)
    ]
    return {
        "models": {name: model_of() for name in names},
        "slices": found,
        "version": 117,
        "incumbent": {"version": 116} if beside else None,
        "costs": {"false_alarm": dear, "missed": 3 * dear, "caught": 0.0, "currency": "USD"},
    }


def report_on(columns, seed=1, reference="a"):
    draw = np.random.default_rng(seed)
    distances = draw.exponential(0.05, columns)
    return {
        "judged": True,
        "drifted": True,
        "reference": reference,
        "summary": "drift",
        "columns": [
            {
                "name": f"a_column_with_quite_a_long_name_{place}"
                if place % 7 == 3
                else f"c{place}",
                "distance": None if place % 11 == 5 else float(distance),
                "drifted": bool(distance > 0.03),
                "statistics": {"missing_reference": 0.1, "missing_current": 0.1 + distance / 5},
            }
            for place, distance in enumerate(distances)
        ],
        "verdicts": [{"name": "correlations", "measured": 0.2, "passed": False}],
    }


UNJUDGED = {"judged": False, "drifted": False, "summary": "no champion yet", "reference": None}


def drift(batches, columns, *, unjudged=0):
    reports = [
        (
            f"2013-{place:02}",
            UNJUDGED if place < unjudged else report_on(columns, place, place // 3),
        )
        for place in range(batches)
    ]
    return drift_figure(reports, distance_limit=0.03, correlation_limit=0.05)


NEVER = {"money": None, "money_replaced": None}
BEFORE = {**NEVER, "level": None, "lower": None, "upper": None, "version": None}
LONG = "export-of-the-depot-{}-second-delivery"
ONLY = ("candidate", "baseline")

PICTURES = {
    "performance of a year": lambda: performance_figure(history(12), currency="USD"),
    "performance of one batch": lambda: performance_figure(history(3)[2:], currency="USD"),
    "performance before the first champion": lambda: performance_figure(history(2, **BEFORE)),
    "performance of nothing": lambda: performance_figure([]),
    "performance without labels": lambda: performance_figure(
        history(4, **NEVER, level=None, lower=None, upper=None, base_rate=None)
    ),
    "performance of 300 batches": lambda: performance_figure(history(300), currency="USD"),
    "performance with long names": lambda: performance_figure(
        history(9, names=LONG), currency="USD"
    ),
    "performance with a promotion every batch": lambda: performance_figure(
        history(36, promoted_every=1), currency="USD"
    ),
    "scores": lambda: score_figure(*scored(), 0.3),
    "scores of one class": lambda: score_figure(*scored(positive=0.0), 0.3),
    "scores without a label": lambda: score_figure(*scored(positive=np.nan), 0.9),
    "no scores": lambda: score_figure(*scored(rows=0), 0.3),
    "evaluation": lambda: evaluation_figure(measured()),
    "evaluation of the first candidate": lambda: evaluation_figure(measured(ONLY)),
    "evaluation with dear decisions": lambda: evaluation_figure(measured(dear=1e7)),
    "evaluation where nothing costs": lambda: evaluation_figure(measured(dear=0.0)),
    "slices": lambda: slices_figure(measured(slices=20)),
    "slices of the first candidate": lambda: slices_figure(measured(ONLY)),
    "hundreds of slices": lambda: slices_figure(measured(slices=300, named="a_long_dimension")),
    "no slices": lambda: slices_figure(measured(slices=0)),
    "drift of a year": lambda: drift(12, 20, unjudged=3),
    "drift of one batch": lambda: drift(1, 4),
    "drift before the first champion": lambda: drift(2, 4, unjudged=2),
    "drift of nothing": lambda: drift(0, 0),
    "drift of hundreds of columns": lambda: drift(60, 400),
}


@pytest.fixture(scope="module", params=PICTURES.values(), ids=PICTURES)
def drawn(request):
    """A picture with what was written on it: the text, its size, and the box that it takes."""
    written, sheets = [], []
    draw_text, finish = Text.draw, Sheet.picture

    def noted(text, renderer):
        draw_text(text, renderer)
        if text.get_visible() and text.get_text().strip():
            box = text.get_window_extent(renderer)
            written.append((text.get_text(), text.get_fontsize(), box))

    def kept(sheet, alt):
        sheets.append(sheet)
        return finish(sheet, alt)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", noted)
        patch.setattr(Sheet, "picture", kept)
        picture = request.param()
    return SimpleNamespace(picture=picture, written=written, sheet=sheets[0])


def test_a_picture_is_drawn_whole_and_small(drawn):
    """It is stored in the event log, and a wider one would have to be scrolled."""
    image = Image.open(io.BytesIO(drawn.picture.png))
    assert image.format == "PNG"
    assert image.width == WIDEST_DOTS
    assert len(drawn.picture.markdown) < LARGEST_MARKDOWN


def test_no_text_is_cut_off_at_an_edge(drawn):
    frame = drawn.sheet.figure.bbox
    assert drawn.written
    for text, _, box in drawn.written:
        assert box.x0 >= 0, text
        assert box.x1 <= frame.x1, text
        assert box.y0 >= 0, text
        assert box.y1 <= frame.y1, text


def test_no_text_hides_another(drawn):
    for (one, _, first), (other, _, second) in combinations(drawn.written, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        up = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert across <= 1 or up <= 1, f"{one!r} and {other!r}"


def test_text_is_legible_where_the_picture_is_shown_at_600_pixels(drawn):
    for text, points, _ in drawn.written:
        pixels = points / 72 * drawn.sheet.figure.dpi * DOTS_AT_HALF_WIDTH / WIDEST_DOTS
        assert pixels >= LEAST_PIXELS, text


def test_the_alternative_text_says_what_is_seen_in_one_line(drawn):
    """Whoever cannot see the picture still learns the numbers that it is there for."""
    alt = drawn.picture.alt
    assert "\n" not in alt
    assert "nan" not in alt.lower()
    assert alt.endswith(".")
    assert drawn.picture.markdown.startswith(f"![{alt}](data:image/png;base64,")


@pytest.mark.parametrize("draw", PICTURES.values(), ids=PICTURES)
def test_equal_data_are_equal_bytes_whatever_the_user_has_set(draw):
    """What differs between two pictures is then the data, not the machine."""
    first = draw()
    with mpl.rc_context({"font.size": 20, "axes.grid": True, "figure.dpi": 50}):
        assert draw() == first


def test_a_picture_leaves_the_settings_of_matplotlib_as_they_were():
    before = dict(mpl.rcParams)
    PICTURES["drift of a year"]()
    assert dict(mpl.rcParams) == before


def linear(colour):
    """The linear light of a colour. Source: IEC 61966-2-1 (sRGB)."""
    encoded = np.array(mpl.colors.to_rgb(colour))
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    return float(linear(colour) @ (0.2126, 0.7152, 0.0722))


def contrast(one, other):
    """The ratio of two colours' luminance. Source: WCAG 2.2, contrast ratio."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def lab(light):
    """CIE L*a*b* of linear sRGB light, for the white D65."""
    weights = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.clip(weights @ light, 1e-9, None) / (0.9505, 1.0, 1.089))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


# Source: Machado, Oliveira and Fernandes, A physiologically-based model for simulation of color
# vision deficiency, 2009, severity 1.0.
SEEN_BY = {
    "everyone": np.eye(3),
    "protanopes": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopes": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopes": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("eyes", SEEN_BY.values(), ids=SEEN_BY)
def test_models_are_told_apart_by_the_colour_blind(eyes):
    """A difference of 10 is seen at a glance; 2.3 is the least that is seen at all."""
    for one, other in combinations(COLOURS.values(), 2):
        first, second = (lab(np.clip(eyes @ linear(colour), 0, 1)) for colour in (one, other))
        assert np.linalg.norm(first - second) > 20


def test_models_are_told_apart_without_colour():
    for by in (LINES, MARKERS):
        assert len({str(by[name]) for name in COLOURS}) == len(COLOURS)


def test_lines_and_text_stand_out_from_the_paper():
    """The panel is opaque, so this holds in a dark page too. Limits: WCAG 2.2, level AA."""
    assert all(contrast(colour, PAPER) >= 3 for colour in COLOURS.values())
    assert all(contrast(colour, PAPER) >= 4.5 for colour in (INK, MUTED))


def test_more_drift_is_darker():
    """Then the order is seen without seeing hues, and in a grey print."""
    steps = [luminance(colour) for colour in HEAT]
    assert steps == sorted(steps, reverse=True)


@pytest.mark.parametrize("picture", ["performance of a year", "evaluation"])
def test_few_bytes_do_not_change_the_models_colours(picture):
    """A palette chosen by the picture's own pixels once turned the incumbent brown."""
    image = Image.open(io.BytesIO(PICTURES[picture]().png)).convert("RGB")
    there = {colour for _, colour in image.getcolors(maxcolors=256)}
    for name in ("candidate", "incumbent"):
        assert tuple(round(c * 255) for c in mpl.colors.to_rgb(COLOURS[name])) in there


def test_what_is_left_out_is_said():
    many = drift(60, 400).alt
    assert f"{400 - MOST_ROWS} calmer columns are left out" in many
    assert f"{60 - SHOWN_BATCHES} earlier batches are left out" in many
    assert "left out" not in drift(12, 20).alt
    slices = slices_figure(measured(slices=300)).alt
    assert f"{240 - MOST_SLICES} smaller slices are not drawn" in slices
    assert "60 slices have too few rows, or equal labels" in slices


def test_the_worst_column_of_the_last_batch_comes_first():
    """Whoever opens the page of a batch asks about that batch."""
    calm, wild = report_on(2, seed=1), report_on(2, seed=1)
    for report, distances in ((calm, (0.9, 0.0)), (wild, (0.01, 0.3))):
        for column, distance in zip(report["columns"], distances, strict=True):
            column["distance"] = distance
    picture = drift_figure([("a", calm), ("b", wild)], distance_limit=0.03, correlation_limit=0.05)
    assert "most of all c1, 10.0 times its limit" in picture.alt


def test_a_promotion_is_where_the_version_changes():
    said = performance_figure(history(6)).alt
    assert "Champions: v1 from 2002-01, v2 from 2003-01." in said


def test_money_is_counted_by_what_each_decision_costs():
    """A cell's money is its rows times the declared cost, and caught rows may cost too."""
    found = measured()
    found["models"]["candidate"]["metrics"] |= {
        "true_positives": 3, "false_negatives": 5, "false_positives": 7, "cost_per_row": 1.5
    }  # fmt: skip
    found["costs"] |= {"false_alarm": 20.0, "missed": 60.0, "caught": 10.0}
    assert "3 caught (30), 5 missed (300), 7 false alarms (140)" in evaluation_figure(found).alt


def test_brackets_in_names_do_not_break_the_markdown():
    picture = Picture(b"", "column a[0]\nof two")
    assert picture.markdown == "![column a0of two](data:image/png;base64,)"
