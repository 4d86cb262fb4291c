"""The text model's rows, hints in the hidden half, and what the command writes of both."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from emage.errors import WeightsError
from emage.models.checkpoint import save_network
from emage.models.generator import Generator
from emage.motion import Motion
from emage.pipeline import EmagePipeline
from emage.recording.transcript import Word
from emage.recording.vocabulary import Vocabulary
from tests.train.evaluation.conftest import follow_loudness
from train.data.cache import Cache, Clip
from train.data.semantics import TrueStroke
from train.evaluation import scores
from train.evaluation.held_out import HeldOutReport, Row, word_targets
from train.evaluation.hinting import HINT_FRAMES, half_plan, hidden_errors, hinting_report
from train.evaluation.intervals import Interval
from train.evaluation.makers import load_text_pipeline, make_rows
from train.evaluation.report import evaluate
from train.evaluation.tables import markdown
from train.evaluation.word_gestures import GestureScores


@pytest.fixture(scope="module")
def text_weights(config, tmp_path_factory) -> Path:
    """A generator that hears words, untrained, which has no VQ-VAEs of its own."""
    folder = tmp_path_factory.mktemp("text")
    known = EmagePipeline.from_pretrained(config.weights, device="cpu").generator.config
    vocabulary = Vocabulary.of(("house", "three", "window"))
    torch.manual_seed(0)
    save_network(Generator(replace(known, waveform=False, vocabulary=len(vocabulary), word_width=16)), folder)
    vocabulary.save(folder / "vocabulary.txt")
    return folder


@pytest.fixture(scope="module")
def spoken(cache) -> Cache:
    """The cache with words in its clips, and a gesture in each."""

    class Spoken(Cache):
        def words(self, clip):
            return (Word("three", 0.5, 1.0), Word("house" if clip.num_frames > 200 else "window", 2.0, 2.6))

        def strokes(self, clip):
            return (TrueStroke("three", "three", 0.8), TrueStroke("beat", "window", 2.2))

    return Spoken(cache.folder)


def test_each_row_hears_its_own_words(spoken, config, text_weights, body, monkeypatch):
    pipe = EmagePipeline.from_pretrained(config.weights, device="cpu")
    text = load_text_pipeline(text_weights, pipe)
    assert text.codec is pipe.codec
    assert text.vocabulary.words[-3:] == ("house", "three", "window")
    heard = []
    monkeypatch.setattr("train.evaluation.makers.recognise_words", lambda audio: ((Word("guess", 0.0, 0.5),), ""))
    monkeypatch.setattr(EmagePipeline, "generate", lambda pipe, recording, hints, **how: heard.append(recording))
    rows = make_rows(spoken, pipe, config, body, text)
    clip = scores.HeldOutClip(
        0, None, np.zeros(40000, np.float32), (Word("own", 0.0, 0.5),), (Word("other", 0.0, 0.5),)
    )
    for row in (Row.TEXT, Row.TEXT_WRONG_WORDS, Row.TEXT_RECOGNISED):
        rows[row](clip)
    assert [recording.words[0].text for recording in heard] == ["own", "other", "guess"]
    rows[Row.TEXT_NO_WORDS](clip)
    assert heard[-1][1] is clip.audio
    assert Row.TEXT_SUM not in rows
    assert Row.TEXT not in make_rows(spoken, pipe, config, body)


def test_a_folder_that_hears_no_words_is_refused(config, text_weights, tmp_path):
    pipe = EmagePipeline.from_pretrained(config.weights, device="cpu")
    with pytest.raises(WeightsError, match="hears words"):
        load_text_pipeline(config.weights, pipe)
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).symlink_to(text_weights / name)
    with pytest.raises(WeightsError, match=r"no vocabulary.txt beside it"):
        load_text_pipeline(tmp_path, pipe)


def test_the_report_has_the_text_models_rows_and_its_targets(
    spoken, config, text_weights, body, talk, tmp_path, monkeypatch
):
    monkeypatch.setattr("train.evaluation.report.Cache", lambda folder: spoken)
    monkeypatch.setattr("train.evaluation.makers.recognise_words", lambda audio: ((Word("three", 1.0, 1.5),), ""))
    monkeypatch.setattr("train.evaluation.real_words.recognise_words", lambda audio: ((Word("three", 1.0, 1.5),), ""))
    soundfile.write(tmp_path / "talk.wav", talk[:80000], 16000, "PCM_16")
    report = evaluate(
        replace(config, text_weights=text_weights, sum_weights=text_weights, speech=tmp_path, hint_clips=1, takes=1),
        body,
    )
    made = report.held_out
    assert made.gestures.keys() == made.rows.keys() - {Row.HALVES, Row.WRONG_AUDIO, Row.GENERATED_WRONG_AUDIO}
    assert made.gestures[Row.CORPUS].hand_correlation.value == pytest.approx(1)
    assert made.gestures[Row.FROZEN].recall == Interval(0, 0, 0)
    assert made.gestures[Row.TEXT] == made.gestures[Row.TEXT_SUM]  # the same weights
    (talked,) = report.spoken
    assert (talked.transcript, talked.words, [one.word for one in talked.gestures]) == ("recognition", 1, ["three"])
    assert set(report.hinting.rows) == {
        f"{model}, {row}" for model in ("audio model", "text model") for row in ("no hints", "hints", "hints, no audio")
    }
    assert len(report.targets.words) == 6
    assert report.targets.hinting == list(report.hinting.targets)
    printed = markdown(report)
    for words in (
        "### Words and gestures",
        "| text model, recognised words |",
        "### Hints",
        "talk, words by recognition",
    ):
        assert words in printed


def test_text_targets_at_their_bounds(truth_in_its_place):
    def heard(recall: float, hands: float) -> GestureScores:
        return GestureScores(Interval(recall, 0, 1), 0.1, 0.5, 20.0, Interval(hands, 0, 1))

    plain = scores.MotionScores(fgd=1.0, l1_diversity_m=8.0)
    assert word_targets(truth_in_its_place) == []
    rows = {Row.GENERATED: plain, Row.TEXT: plain, Row.TEXT_SUM: plain}
    gestures = {Row.GENERATED: heard(0.3, 0.1), Row.TEXT: heard(0.6, 0.35), Row.TEXT_SUM: heard(0.6, 0.3)}
    good = HeldOutReport(2, 1.0, rows, {}, gestures)
    assert [one.passed for one in word_targets(good)] == [True] * 6
    worse = replace(good, rows={**rows, Row.TEXT: scores.MotionScores(fgd=1.01, l1_diversity_m=7.9)})
    worse = replace(worse, gestures={**gestures, Row.TEXT: heard(0.59, 0.34)})
    assert [one.passed for one in word_targets(worse)] == [False] * 6


# --- hints ------------------------------------------------------------------------------------------------------------


def test_the_upper_body_is_shown_and_hidden_by_turns():
    assert [(span.part, span.start_frame, span.end_frame) for span in half_plan(80).spans] == [
        ("upper", 0, 32),
        ("upper", 64, 80),
    ]


def test_errors_of_the_hidden_half_are_of_hidden_frames_and_the_upper_body_alone(talk, body):
    truth = follow_loudness(talk[:64000])
    clip = scores.HeldOutClip(0, truth, talk[:64000])
    assert hidden_errors(truth, clip, body) == pytest.approx((0, 0), abs=1e-3)
    frames = np.arange(truth.num_frames)
    turned = truth.poses.reshape(-1, 55, 3).copy()
    turned[frames // HINT_FRAMES % 2 == 0, 16, 1] += 0.5  # where it is shown
    turned[:, 4, 0] += 0.5  # a knee
    assert hidden_errors(replace(truth, poses=turned.reshape(-1, 165)), clip, body) == pytest.approx((0, 0), abs=1e-3)
    bent = truth.poses.reshape(-1, 55, 3).copy()
    bent[:, 9, 0] += 0.1  # the chest, at rest before
    _, degrees = hidden_errors(replace(truth, poses=bent.reshape(-1, 165)), clip, body)
    assert degrees == pytest.approx(np.degrees(0.1) / 13, rel=1e-3)


def test_who_follows_hints_errs_less(spoken_cache, config, body, monkeypatch):
    """In the place of the networks, somebody who shows the truth where hints are given, and the more with audio."""
    told = set()

    def complete(pipe, audio, speaker, config, words, hints, use_audio):
        told.add((pipe, bool(words)))
        truth = next(one for clip in spoken_cache.clips if (one := clip_truth(clip)).num_frames == frames_of(audio))
        share = 1.0 if hints is None else 0.5 if not use_audio else 0.25
        return replace(truth, poses=(1 - share) * truth.poses)

    def clip_truth(clip: Clip) -> Motion:
        return spoken_cache.clip_motion(clip)

    def frames_of(audio: np.ndarray) -> int:
        return round(len(audio) * 30 / 16000)

    monkeypatch.setattr("train.evaluation.hinting.generate", complete)
    models = {"model": ("reader", True), "other": ("listener", False)}
    report = hinting_report(spoken_cache, models, body, replace(config, hint_clips=2))
    errors = [report.rows[f"model, {row}"].degrees.value for row in ("hints", "hints, no audio", "no hints")]
    assert 0 < errors[0] < errors[1] < errors[2]
    assert report.clips == 2
    assert [one.passed for one in report.targets] == [True] * 4
    assert told == {("reader", True), ("listener", False)}
