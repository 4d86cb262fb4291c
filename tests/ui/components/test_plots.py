"""The values of the plots and of the table of metrics."""

import json
import math
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest

from emage.errors import EmageError
from emage.evaluation.report import GIVEN_MEAN_SPEED, OWN_MEAN_SPEED, MotionSeries, SpanDeviation, TakeReport
from emage.evaluation.words import WordShare, WordShares
from emage.hints import LOCK, HintPlan, Span
from emage.ui.components.plots import MAX_TAKES, Plots, describe_metrics, tabulate_metrics
from emage.ui.components.plots.value import MAX_POINTS, MAX_SHARES, TAKE_COLORS, build_curve

TWENTY_MINUTES = 36_000
NO_PLAN = HintPlan()


def series_of(num_frames: int, seed: int = 0) -> MotionSeries:
    rng = np.random.default_rng(seed)
    hands, jaw, loudness = rng.random((3, num_frames))
    onsets_s = np.sort(rng.random(num_frames // 10) * num_frames / 30)
    return MotionSeries(2 * hands, 0.3 * jaw - 0.02, None, loudness, onsets_s)


def numbers(text: str) -> np.ndarray:
    return np.array(text.split(), float)


# --- the value --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_frames", [1, 2, MAX_POINTS, MAX_POINTS + 1, TWENTY_MINUTES, TWENTY_MINUTES + 17])
def test_a_curve_keeps_the_extremes_of_each_column(num_frames):
    values = np.random.default_rng(num_frames).standard_normal(num_frames)
    values[num_frames // 3] = -50
    values[num_frames // 2] = 70
    curve = build_curve(values, 3)
    step = curve["frames_per_column"]
    assert (step == 1) == (num_frames <= MAX_POINTS)
    assert curve["num_frames"] == num_frames
    low, mean, high = (numbers(curve.get(name, curve["mean"])) for name in ("low", "mean", "high"))
    assert len(low) <= (MAX_POINTS if step == 1 else MAX_POINTS // 3)
    columns = [values[start : start + step] for start in range(0, num_frames, step)]
    np.testing.assert_allclose(low, [column.min() for column in columns], atol=6e-4)
    np.testing.assert_allclose(high, [column.max() for column in columns], atol=6e-4)
    np.testing.assert_allclose(mean, [column.mean() for column in columns], atol=6e-4)
    assert high.max() == 70


def test_a_series_that_stands_still_is_one_line():
    curve = build_curve(np.full(TWENTY_MINUTES, 0.1), 3)
    assert "low" not in curve
    assert set(numbers(curve["mean"])) == {0.1}


def test_takes_become_a_value():
    long, short = series_of(300), series_of(240, seed=1)
    plan = HintPlan((Span("upper", 30, 500, LOCK), Span("face", 240, 250)))  # the second lies behind the take's end
    value = Plots.show([("short", short, plan), ("long", long, NO_PLAN)])
    first, second = value["takes"]
    assert (first["caption"], first["color"], first["jaw"]["num_frames"]) == ("short", TAKE_COLORS[0], 240)
    assert (second["color"], second["jaw"]["num_frames"], second["spans"]) == (TAKE_COLORS[1], 300, [])
    assert first["spans"] == [Span("upper", 30, 240, LOCK).to_json()]
    assert first["mean_hand_speed"] == pytest.approx(short.hand_speed_m_per_s.mean(), abs=6e-4)
    assert first["mean_jaw"] == pytest.approx(np.degrees(short.jaw_rad.mean()), abs=6e-3)
    np.testing.assert_allclose(numbers(second["jaw"]["mean"]), np.degrees(long.jaw_rad), atol=6e-3)
    np.testing.assert_allclose(numbers(value["loudness"]["mean"]), long.loudness, atol=6e-4)  # of the longest
    np.testing.assert_allclose(numbers(value["onsets_s"]), long.onsets_s, atol=6e-4)
    assert Plots(value, players=["video"]).value == value


def test_no_takes():
    assert Plots.show([]) == Plots().value == {"takes": [], "loudness": None, "onsets_s": "", "shares": None}


def test_shares_of_content_word_by_word():
    heard = tuple(WordShare(f"w{number}", number, number + 0.25, 1 / 3, 0.5) for number in range(MAX_SHARES + 3))
    shares = Plots.show([("a", series_of(3), NO_PLAN)], WordShares("a", heard))["shares"]
    assert (shares["caption"], shares["num_words"]) == ("a", MAX_SHARES + 3)
    words = json.loads(shares["words"])
    assert len(words) == MAX_SHARES
    assert words[2] == ["w2", 2, 2.25, 0.333, 0.5]


def test_twenty_minutes_of_all_takes_are_small():
    assert len(str(Plots.show([("", series_of(TWENTY_MINUTES), NO_PLAN)] * MAX_TAKES))) < 550_000


def test_what_cannot_be_plotted():
    with pytest.raises(EmageError, match="9 takes are too many for one plot"):
        Plots.show([("", series_of(3), NO_PLAN)] * (MAX_TAKES + 1))
    with pytest.raises(EmageError, match="other than finite numbers"):
        Plots.show([("", replace(series_of(3), jaw_rad=np.array([0, math.nan, 0])), NO_PLAN)])
    with pytest.raises(EmageError, match="must be .frames,., and not empty"):
        build_curve(np.zeros((3, 2)), 2)
    with pytest.raises(gr.Error, match="only show"):
        Plots().preprocess(Plots.show([]))


def test_colours_of_takes_stand_out_on_both_pages():
    def light(channels: list[float]) -> float:
        linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear)) + 0.05

    white, black = light([1.0] * 3), light([0x27 / 255, 0x27 / 255, 0x2A / 255])
    assert len(set(TAKE_COLORS)) == MAX_TAKES
    for color in TAKE_COLORS:
        channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        assert white / light(channels) >= 3
        assert light([0.75 * channel + 0.25 for channel in channels]) / black >= 3  # as the dark page lightens them


# --- the table --------------------------------------------------------------------------------------------------------

REPORT = TakeReport(
    duration_s=10.0,
    beat_consistency=0.61234,
    beat_consistency_aligned=0.5,
    mean_speed_of=GIVEN_MEAN_SPEED,
    diversity_m=9.876,
    jerk_m_per_s3=41.23,
    foot_sliding_m_per_s=0.0123,
    spans=(
        SpanDeviation(Span("upper", 0, 30, LOCK), 0.0, 1e-6),
        SpanDeviation(Span("lower", 30, 60), math.radians(4), math.radians(60), path_m=0.25),
    ),
    took_s=3.21,
)
SILENT = TakeReport(1.0, None, None, GIVEN_MEAN_SPEED, 0.0, None, 0.0, notes=("It is silent & still.",))


def test_the_numbers_of_takes():
    sent = gr.Dataframe(interactive=False).postprocess(tabulate_metrics([("<b>One</b>", REPORT), ("Two", SILENT)]))
    mean = f"{math.degrees(REPORT.hint_mean_rad):.1f}"
    assert sent.metadata["display_value"] == [
        ["<b>One</b>", "0.612", "0.500", "9.88", "41.2", "0.012", mean, "60.0", "10.0", "3.2"],
        ["Two", "—", "—", "0.00", "—", "0.000", "—", "—", "1.0", "—"],
    ]
    assert sent.data[0][1:3] == [0.61234, 0.5]  # numbers, so that they can be sorted
    notes = describe_metrics([("<b>One</b>", REPORT), ("Two", SILENT)])
    for why, columns in (
        ("It is silent &amp; still.", "Beat consistency, published (0 to 1); Beat consistency, aligned (0 to 1); Jerk"),
        ("This take has no hints.", "Mean deviation from the hint (°); Largest deviation from the hint (°)"),
        ("It is not known.", "Made in (s)"),
    ):
        assert f"<li><b>Two</b>: {why} <i>({columns}" in notes
    assert all(f"<dt>{header}</dt><dd>" in notes for header in sent.headers[1:])
    assert "<td>&lt;b&gt;One&lt;/b&gt;</td><td>Upper body</td><td>0.00 to 1.00</td><td>lock</td>" in notes
    assert "<td>1.00 to 2.00</td><td>follow</td><td>4.0</td><td>60.0</td><td>0.25</td><td></td>" in notes
    assert "own mean speed" not in notes
    assert describe_metrics([]) == ""


def test_what_cannot_be_compared_is_said():
    own = replace(REPORT, mean_speed_of=OWN_MEAN_SPEED)
    assert "cannot be compared between takes" in describe_metrics([("a", own), ("b", own)])
    assert "cannot be compared" not in describe_metrics([("a", own)])
    many = replace(REPORT, spans=REPORT.spans * 150)
    assert "And 100 more" in describe_metrics([("a", many)])
