"""The suite beat2: motions of the clips of a corpus, generated or made already, by the published protocol.

Clips are spread over the processes that Accelerate has started, on one machine or on several that share `--out`. Each
clip is measured alone and written down; the main process then makes the scores of what is written. So the numbers are
the same to the last digit for any number of processes, for any order of the clips, and after a kill. On a CPU each
process computes with one thread, for sums depend on how many share them.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env
from pydantic_core import to_jsonable_python
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from emage.body import Body, load_body
from emage.errors import AudioError, EmageError, MotionError
from emage.evaluation import published, quality
from emage.files import sha256_of
from emage.hints import Hints
from emage.models.checkpoint import ALL_FOLDERS, WEIGHTS_NAMES
from emage.models.fgd import MotionAutoencoder, load_evaluator
from emage.motion import FPS, Motion
from emage.motion.skeleton import NUM_JOINTS, PART_JOINTS
from emage.pipeline import EmagePipeline
from emage.recording.audio import num_frames
from train.data.channels import AUDIO
from train.data.corpus import CorpusClip, list_clips
from train.data.partial import load_clip_motion
from train.evaluation.beat2.clips import TrueClip, check_files, chosen_clips, find_motion, read_true_clip
from train.evaluation.beat2.measures import Ruler, cut_alike
from train.evaluation.beat2.metrics import ALL_METRICS, ScoredClip, count_of, interval_of
from train.evaluation.beat2.results import Basis, ClipStore, Results, Score, Source, claim, source_of
from train.evaluation.hinting import HINT_FRAMES, PART, half_plan
from train.evaluation.makers import generate
from train.evaluation.scores import beat_joints, halves_distance
from train.evaluation.settings import Beat2Evaluation
from train.fgd_encoder import FOLDER, load_autoencoder
from train.run.checkpoints import git_revision

_HALVINGS = 20
_LONGEST_WAIT = timedelta(days=7)
"""Of a process that is through for the others, whose clips may be longer."""
_NOT_OF_A_CLIP = ("out", "resamples", "seed", "device", "corpus", "weights", "motions", "evaluator", "mean_velocity")
"""Settings on which no measure depends, or that are told by what they name."""


def evaluate_beat2(config: Beat2Evaluation, body: Body | None = None) -> Results | None:
    """The results, in the main process; None in others.

    Raises:
        CorpusError: no such clips, or files of theirs are missing. WeightsError: weights or evaluator are missing or
            damaged. EmageError: the folder holds results of something else, or no clip can be scored.
    """
    state = _join_processes()
    clips = chosen_clips(config)
    with _one_thread():
        maker = Maker.of(config, state)
        body = body or maker.body
        mean_velocity, velocity_source = _mean_velocity(config, clips, body)
        basis = _basis(config, clips, body, velocity_source)
        if state.is_main_process:
            config.out.mkdir(parents=True, exist_ok=True)
            claim(config.out, basis, git_revision())
            ClipStore(config.out).remove_unfinished()
        state.wait_for_everyone()
        store, ruler = ClipStore(config.out), Ruler(body, maker.evaluator, mean_velocity)
        mine = list(enumerate(clips))[state.process_index :: state.num_processes]
        for number, clip in tqdm(mine, "Clips", unit=" clips", disable=not state.is_main_process):
            if not store.has(clip.id):
                _measure(clip, number < config.hint_clips, maker, ruler, store)
        state.wait_for_everyone()
        if not state.is_main_process:
            return None
        return pool_results(config, basis, store, [clip.id for clip in clips])


def _join_processes() -> PartialState:
    """Find the processes that Accelerate or torchrun has started beside this one, where there is no GPU, too: of itself
    Accelerate's state looks for those with a GPU, and takes each of the others for the only one."""
    on_cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.cuda.is_available()
    return PartialState(cpu=on_cpu, timeout=_LONGEST_WAIT)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Maker:
    """Where motions come from: a pipeline, or a folder. speakers: the number of each speaker that the networks know."""

    config: Beat2Evaluation
    pipe: EmagePipeline | None
    evaluator: MotionAutoencoder
    speakers: tuple[int, ...]

    @classmethod
    def of(cls, config: Beat2Evaluation, state: PartialState) -> "Maker":
        speakers = _speakers(list_clips(config.corpus, config.speakers))
        evaluator = _evaluator(config)
        if config.weights is None:
            return cls(config, None, evaluator, speakers)
        device = config.device or (str(state.device) if state.num_processes > 1 else None)
        pipe = EmagePipeline.from_pretrained(config.weights, device=device)
        known = pipe.generator.config.speakers
        if config.speaker is None and known not in (1, len(speakers)):
            raise EmageError(
                f"{config.weights} knows {known} speakers and {config.corpus} has {len(speakers)} of these. Choose "
                "with --speakers those that the weights were trained on, or with --speaker one for all clips."
            )
        return cls(config, pipe, evaluator, speakers)

    @property
    def body(self) -> Body:
        return load_body() if self.pipe is None else self.pipe.body

    def motion(self, clip: CorpusClip, true: TrueClip) -> Motion:
        if self.pipe is None:
            return Motion.load(find_motion(self.config.motions, clip.id)).resample(FPS)
        return self._generate(clip, true)

    def hinted(self, clip: CorpusClip, true: TrueClip) -> Motion:
        frames = min(true.truth.num_frames, num_frames(len(true.audio)))
        return self._generate(clip, true, Hints(true.truth, half_plan(frames)))

    def _generate(self, clip: CorpusClip, true: TrueClip, hints: Hints | None = None) -> Motion:
        speaker = self.config.speaker
        if speaker is None:
            speaker = 0 if self.pipe.generator.config.speakers == 1 else self.speakers.index(clip.speaker)
        hears = self.config.words and self.pipe.hears_words and self.pipe.vocabulary is not None
        return generate(self.pipe, true.audio, speaker, self.config, true.words if hears else (), hints)

    def seams(self, true: TrueClip) -> list[int]:
        """First frame of each window but one."""
        if self.pipe is None:
            return []
        return [window.start_frame for window in self.pipe.plan_windows(len(true.audio))[1:]]


def _measure(clip: CorpusClip, with_hints: bool, maker: Maker, ruler: Ruler, store: ClipStore) -> None:
    if AUDIO in clip.missing:
        store.leave_out(clip.id, "It has no sound, for which a motion could be made.")
        return
    true = read_true_clip(clip)
    motion = maker.motion(clip, true)
    try:
        measures = ruler.measure(motion, true, maker.seams(true))
        frames = measures.frames
        true_measures = ruler.measure(true.truth.frames(0, frames), true)
        features, true_features = (ruler.features(each) for each in cut_alike(motion, true.truth, true.missing))
    except (AudioError, MotionError) as error:  # too short to have beats
        store.leave_out(clip.id, str(error))
        return
    if with_hints:
        measures = replace(measures, hint_rad=_hint_deviation(maker.hinted(clip, true), true))
    motion.save(store.motions / f"{clip.id}.npz")
    store.add(ScoredClip(clip.id, measures, features, true_features), true_measures)


def _hint_deviation(motion: Motion, true: TrueClip) -> float:
    frames = min(motion.num_frames, true.truth.num_frames)
    visible = np.zeros((frames, NUM_JOINTS), dtype=bool)
    visible[np.ix_(np.arange(frames) // HINT_FRAMES % 2 == 0, PART_JOINTS[PART])] = True
    return quality.hint_deviation(motion.poses[:frames], true.truth.poses[:frames], visible).mean_rad


def _evaluator(config: Beat2Evaluation) -> MotionAutoencoder:
    if config.evaluator is None:
        return load_autoencoder(config.weights)
    if config.evaluator.is_dir():
        return load_autoencoder(config.evaluator)
    return load_evaluator(config.evaluator)


def _mean_velocity(config: Beat2Evaluation, clips: Sequence[CorpusClip], body: Body) -> tuple[np.ndarray, Source]:
    """(55,) m/s, and where it is from."""
    if config.mean_velocity is None:
        velocity = published.mean_joint_velocity(
            beat_joints(body, load_clip_motion(clip).resample(FPS))
            for clip in tqdm(clips, "Mean speed", unit=" clips")
            if "upper" not in clip.missing
        )
        return velocity, Source("of the true motion of these clips", hashlib.sha256(velocity.tobytes()).hexdigest())
    try:
        velocity = np.load(config.mean_velocity, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise EmageError(f"{config.mean_velocity} is no npy file of numbers ({error}).") from error
    velocity = np.asarray(velocity).squeeze()
    if velocity.shape != (NUM_JOINTS,) or velocity.dtype.kind != "f":
        raise EmageError(f"{config.mean_velocity} holds {velocity.shape} {velocity.dtype}; (55,) speeds are expected.")
    return velocity.astype(np.float64), source_of(config.mean_velocity)


def _basis(config: Beat2Evaluation, clips: Sequence[CorpusClip], body: Body, velocity: Source) -> Basis:
    files = [path for clip in clips for path in check_files(clip)]
    if config.motions is not None:
        made = [find_motion(config.motions, clip.id) for clip in clips]
        motions = {"motions": Source(config.motions.name, sha256_of(made))}
    else:
        motions = {
            name: source_of(file)
            for name, folder in ALL_FOLDERS.items()
            for file in [_weights_file(config.weights / folder)]
            if file is not None
        }
    evaluator = config.evaluator or config.weights
    return Basis(
        suite=config.suite,
        corpus=Source(config.corpus.name, sha256_of(files)),
        split=config.split,
        speakers=_speakers(clips),
        motions=motions,
        evaluator=source_of(_weights_file(evaluator / FOLDER) or evaluator if evaluator.is_dir() else evaluator),
        mean_velocity=velocity,
        body=Source(body.name, hashlib.sha256(body.rig().vertices.tobytes()).hexdigest()),
        settings={name: value for name, value in to_jsonable_python(config).items() if name not in _NOT_OF_A_CLIP},
    )


def _speakers(clips: Sequence[CorpusClip]) -> tuple[int, ...]:
    """Of those that have sound; others need be nobody's."""
    return tuple(sorted({clip.speaker for clip in clips if AUDIO not in clip.missing}))


def _weights_file(folder: Path) -> Path | None:
    return next((folder / name for name in WEIGHTS_NAMES if (folder / name).is_file()), None)


def pool_results(config: Beat2Evaluation, basis: Basis, store: ClipStore, ids: Sequence[str]) -> Results:
    """The scores of clips that are measured. Raises EmageError where none could be."""
    found = {clip_id: store.read(clip_id) for clip_id in ids}
    left_out = {clip_id: why for clip_id, why in found.items() if isinstance(why, str)}
    pairs = [pair for pair in found.values() if not isinstance(pair, str)]
    if not pairs:
        raise EmageError(f"No clip can be scored. The first: {next(iter(left_out.values()))}")
    made, true = [clip for clip, _ in pairs], [clip for _, clip in pairs]
    halves = [clip.features for clip in true]
    return Results(
        revision=git_revision(),
        basis=basis,
        clips=len(made),
        frames=sum(clip.measures.frames for clip in made),
        left_out=left_out,
        scores=_scores(made, config),
        corpus=_scores(true, config),
        fgd_floor=halves_distance(halves, _HALVINGS, config.seed) if len(halves) > 1 else None,
        clip_scores={clip.id: clip.measures for clip in made},
    )


def _scores(clips: Sequence[ScoredClip], config: Beat2Evaluation) -> dict[str, Score | None]:
    scores = {}
    for metric in ALL_METRICS:
        interval = interval_of(metric, clips, config.seed, config.resamples)
        ends = (interval.low, interval.high) if interval and count_of(metric, clips) > 1 else (None, None)
        scores[metric.key] = interval and Score(interval.value, interval.value * metric.scale, *ends)
    return scores
