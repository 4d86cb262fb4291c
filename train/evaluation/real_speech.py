"""Real speech: recordings of a human voice, and the motion that is generated for them."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from emage.body import Body
from emage.errors import AudioError
from emage.motion import FPS, Motion
from emage.pipeline import EmagePipeline
from emage.recording.audio import SAMPLE_RATE_HZ, load_audio
from train.data.cache import Cache
from train.evaluation import scores
from train.evaluation.held_out import held_out_clips, read_clip
from train.evaluation.makers import generate
from train.evaluation.settings import Evaluation
from train.evaluation.targets import Target

CLOSED_DEGREES = 2.0
"""A jaw that opens less counts as closed. The recorded speaker of BEAT2 keeps within it in nine of ten frames."""


@dataclass(frozen=True)
class SpeechReport:
    """generated: one for each recording, of its takes as `mean_speech` has it; recorded: the motion of whoever spoke,
    where there is one; corpus: the mean of the held-out clips, to compare with; seams: of all generated motions
    together.
    """

    generated: tuple[scores.SpeechScores, ...]
    recorded: tuple[scores.SpeechScores, ...]
    corpus: scores.SpeechScores
    seams: scores.SeamScores | None


def speech_report(cache: Cache, pipe: EmagePipeline, body: Body, config: Evaluation) -> SpeechReport:
    files = recordings(config.speech)
    generated, recorded, joined = [], [], []
    for file in tqdm(files, "Real speech", unit=" files"):
        audio = load_recording(file, config)
        steps, takes = [], []
        for take in takes_of(pipe, config):
            motion = generate(pipe, audio, config.speaker, take)
            steps.append(scores.joined_steps(motion, pipe.plan_windows(len(audio))))
            takes.append(scores.speech_scores(file.stem, motion, audio, body))
        mean = scores.mean_speech(file.stem, takes)
        generated.append(replace(mean, seconds=takes[0].seconds, seams=scores.seam_scores(steps)))
        joined += steps
        if file.with_suffix(".npz").is_file():
            motion = Motion.load(file.with_suffix(".npz")).resample(FPS)
            recorded.append(scores.speech_scores(file.stem, motion, audio, body))
    clips = [read_clip(cache, clip) for clip in held_out_clips(cache)]
    corpus = [scores.speech_scores("corpus", clip.truth, clip.audio, body) for clip in clips]
    mean = scores.mean_speech(f"{len(clips)} held-out clips", corpus)
    return SpeechReport(tuple(generated), tuple(recorded), mean, scores.seam_scores(joined))


def load_recording(file: Path, config: Evaluation) -> np.ndarray:
    """(N,) samples at 16 kHz, cut as the settings say."""
    audio = load_audio(file)
    return audio if config.max_seconds is None else audio[: math.ceil(config.max_seconds * SAMPLE_RATE_HZ)]


def takes_of(pipe: EmagePipeline, config: Evaluation) -> list[Evaluation]:
    """A setting for each take of a recording: the one asked for first, then samples with the seeds that follow."""
    if config.draw_seed is None and pipe.sampling.temperature == 0:
        return [config]  # the argmax, always the same
    sampled, first = config, config.draw_seed or 0
    if config.draw_seed is None:  # the weights' own take is sampled their own way
        sampled = replace(config, temperature=pipe.sampling.temperature, top_k=None)
    return [config, *(replace(sampled, draw_seed=first + number) for number in range(1, config.takes))]


def recordings(folder: Path) -> list[Path]:
    """The wav files of a folder. Raises AudioError where there is none."""
    files = sorted(folder.glob("*.wav"))
    if not files:
        raise AudioError(f"{folder} holds no wav file. Put recordings of speech there, or leave --speech out.")
    return files


def speech_targets(report: SpeechReport) -> list[Target]:
    """Each of the worst recording; the seams of all together."""

    def worst(choose: Callable, values: Iterable[float | None]) -> float | None:
        return choose((value for value in values if value is not None), default=None)

    made, jerk = report.generated, report.corpus.jerk_m_per_s3
    closed = worst(max, (one.pausing_p90_deg for one in made))
    seams = None if report.seams is None else report.seams.ratio
    return [
        Target.at_least("jaw with loudness, correlation", worst(min, (one.jaw_correlation for one in made)), 0.5),
        Target.at_most("jaw with loudness, lag in frames", worst(max, (abs(one.jaw_lag_frames) for one in made)), 2),
        Target.at_most("jaw in pauses, 90th percentile in degrees", closed, CLOSED_DEGREES),
        Target.at_most("jaw in pauses over that in speech", worst(max, (one.open_in_pauses for one in made)), 0.25),
        Target.above("hands in speech over those in pauses", worst(min, (one.hands_ratio for one in made)), 1),
        Target.at_most("longest frozen stretch in speech, s", worst(max, (one.longest_frozen_s for one in made)), 3),
        Target.at_most(
            "jerk over the corpus's", worst(max, (scores.ratio(one.jerk_m_per_s3, jerk) for one in made)), 2
        ),
        Target.within("step at seams over that elsewhere", seams, 0.9, 1.1),
    ]
