"""Where a candidate is better or worse: its scores by label, and its level in every slice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mldebt_assets.core.tasks.level import level_of
from mldebt_assets.plots.evaluation import COMPARED, named
from mldebt_assets.plots.look import COLOURS, MUTED, PALE, Entry, sheet
from mldebt_assets.plots.scores import draw_scores, said_of, score_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldebt_assets.plots.look import Picture, Sheet

    Slices = Sequence[dict[str, Any]]

HALVES = ((0.52, 2.85), (3.45, 5.9))
SCORES_TOP, SCORES_BOTTOM = 0.62, 1.9
SLICES_TITLE = 2.62
SLICES_TOP = 2.76
TITLE_ABOVE = SLICES_TOP - SLICES_TITLE
ROW = 0.2
LABEL_INCHES = 1.75
RIGHT = 5.35
MOST_SLICES = 24


def slices_figure(measured: dict[str, Any]) -> Picture:
    """Return the scores of candidate and incumbent by label, and the level of every slice.

    Scores are those of a model that raises alarms; of another there are the slices alone. At most
    24 slices are drawn, those with most rows; how many are left out is said.

    Args: what the evaluation stores, of which ``task``, ``models``, ``slices``, ``version`` and
          ``incumbent`` are looked at.
    """
    judged = [one for one in measured["slices"] if one["interval"] is not None]
    largest = sorted(judged, key=lambda one: -one["rows"])[:MOST_SLICES]
    drawn = [one for one in judged if one in largest]
    left_out = [
        f"{count} {what}"
        for count, what in (
            (len(judged) - len(drawn), "smaller slices are not drawn"),
            (len(measured["slices"]) - len(judged), "slices have too few rows, or equal labels"),
        )
        if count
    ]
    scored = "scores" in measured["models"]["candidate"]
    top = SLICES_TOP if scored else SLICES_TOP - SLICES_TITLE + 0.18
    bottom = top + max(len(drawn), 1) * ROW
    with sheet(bottom + 0.42 + (0.2 * bool(left_out))) as page:
        for name, half in zip(COMPARED, HALVES, strict=True) if scored else ():
            _draw_scores_of(page, measured, name, half)
        page.title(0.1, top - TITLE_ABOVE, f"{level_of(measured).name} by slice")
        if drawn:
            _draw_slices(page, measured, drawn, top, bottom)
        else:
            words = "no slice has enough rows with labels that differ"
            page.text((LABEL_INCHES + RIGHT) / 2, bottom - 0.04, words, color=MUTED, ha="center")
        if left_out:
            page.text(0.1, bottom + 0.5, "; ".join(left_out), color=MUTED)
        return page.picture(_alt(measured, drawn, left_out))


def _draw_scores_of(
    page: Sheet, measured: dict[str, Any], name: str, half: tuple[float, float]
) -> None:
    left, right = half
    if name not in measured["models"]:
        middle = (SCORES_TOP + SCORES_BOTTOM) / 2
        words = "no champion yet to compare with"
        page.text((left + right) / 2, middle, words, color=MUTED, ha="center")
        return
    model = measured["models"][name]
    page.title(left - 0.42, 0.18, f"Scores of the {named(measured, name)}")
    axes = page.panel(left=left, top=SCORES_TOP, right=right, bottom=SCORES_BOTTOM)
    draw_scores(page, axes, model["scores"], model["threshold"], colour=COLOURS[name])
    entries = score_key(model["scores"], colour=COLOURS[name], counted=False)
    page.key(right, SCORES_TOP - 0.16, entries)


def _draw_slices(
    page: Sheet, measured: dict[str, Any], drawn: Slices, top: float, bottom: float
) -> None:
    chance = level_of(measured).chance
    axes = page.panel(left=LABEL_INCHES, top=top, right=RIGHT, bottom=bottom)
    beside = [one["incumbent"] for one in drawn if one["incumbent"] is not None]
    entries = [
        Entry(named(measured, "candidate"), PALE, "-", thickness=6),
        Entry("its interval", COLOURS["candidate"], "-"),
    ]
    if beside:
        entries.append(Entry(named(measured, "incumbent"), COLOURS["incumbent"], "none", "s"))
    page.key(5.9, top - TITLE_ABOVE, entries)
    heights = range(len(drawn))
    points = [one["interval"]["point"] for one in drawn]
    lower, upper = ([one["interval"][end] for one in drawn] for end in ("lower", "upper"))
    axes.barh(heights, [p - chance for p in points], left=chance, height=0.66, color=PALE)
    axes.hlines(heights, lower, upper, color=COLOURS["candidate"], linewidth=1.5)
    axes.plot(points, heights, color=COLOURS["candidate"], marker="o", linestyle="none")
    _name_slices(page, drawn, top)
    if beside:
        at = [height for height, one in enumerate(drawn) if one["incumbent"] is not None]
        axes.plot(beside, at, color=COLOURS["incumbent"], marker="s", linestyle="none")
        page.text(5.9, bottom + 0.16, "gain", ha="right", color=MUTED)
    least, most = min([chance, *lower, *beside]), max([chance, *upper, *beside])
    margin = (most - least) * 0.03
    axes.set_xlim(least - margin * (least < chance), most + margin)
    axes.set_ylim(len(drawn) - 0.5, -0.5)
    axes.set_yticks([])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.2f}")
    axes.grid(axis="x")
    axes.set_axisbelow(True)


def _name_slices(page: Sheet, drawn: Slices, top: float) -> None:
    """Write each slice's name on the left, and on the right what the candidate gains in it."""
    for height, one in enumerate(drawn):
        row = top + (height + 0.5) * ROW + 0.04
        label = page.fitted(f"{one['dimension']} {one['value']}", LABEL_INCHES - 0.18)
        page.text(LABEL_INCHES - 0.06, row, label, ha="right")
        if one["incumbent"] is not None:
            gain = one["interval"]["point"] - one["incumbent"]
            page.text(5.9, row, f"{gain:+.3f}", ha="right")


def _alt(measured: dict[str, Any], drawn: Slices, left_out: Sequence[str]) -> str:
    said = [
        f"Scores of the {named(measured, name)}: {said_of(measured['models'][name]['scores'])}"
        for name in COMPARED
        if "scores" in measured["models"].get(name, {})
    ]
    if drawn:
        found = sorted(drawn, key=lambda one: float(one["interval"]["point"]))
        ends = [
            f"{word} {one['interval']['point']:.3f} in {one['dimension']} {one['value']}"
            for word, one in (("lowest", found[0]), ("highest", found[-1]))
        ]
        said.append(f"{level_of(measured).name} of {len(drawn)} slices: {', '.join(ends)}")
    return ". ".join([*said, *left_out]) + "."
