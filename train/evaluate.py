"""Scores of a folder of weights, with their baselines and targets.

python -m train.evaluate --suite demo --cache CACHE --weights WEIGHTS --speech RECORDINGS --out FOLDER

Three sections; train/README.md says what each row and column means.

1. Held-out speech: the clips of split test. A motion is generated for each, in the manner of the clip's own speaker,
   and measured beside the clip's true motion, a frozen pose, untrained networks, and true motion with the wrong sound.
   Wrong pairs are the motion of one clip and the sound of another, cut to the shorter: the list of clips against itself
   shifted by 1, 2, ... `wrong_pairings`; the scores of all pairs are averaged.
2. Real speech: recordings of a human voice. Where the motion of whoever spoke lies beside one, it is measured too.
3. Reconstruction: the motion of split test through the codes and back.

Held-out motion is posed with the body's mean shape, for a cache holds no shapes. The speed that beat consistency
divides by is the mean of the true motion of split test.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import tyro
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from emage.body import Body
from emage.errors import AudioError, EmageError
from emage.evaluation import metrics
from emage.files import check_writable, new_file
from emage.hub import EMBEDDED_DIR
from emage.models.checkpoint import NETWORK_FOLDERS
from emage.models.codec import MotionCodec
from emage.models.fgd import MotionAutoencoder
from emage.models.generator import Generator, GeneratorConfig
from emage.models.parts import Parts
from emage.models.vqvae import VQVAE, GlobalMotionPredictor
from emage.motion import FPS, Motion
from emage.motion.rotations import matrix_to_axis_angle
from emage.motion.skeleton import NETWORK_PARTS, NUM_BETAS, NUM_JOINTS, ROTATION_CHANNELS, TRANSLATION
from emage.pipeline import EmagePipeline
from emage.recording.audio import SAMPLE_RATE_HZ, load_audio
from train import fgd_encoder
from train.data.cache import Cache, Clip, CorpusError, Window, Windows
from train.evaluation.scores import (
    MIN_FRAMES,
    AudioMatch,
    BodyErrors,
    ClipScores,
    FaceScores,
    HeldOutClip,
    JoinedSteps,
    Judge,
    MotionScores,
    SeamScores,
    SpeechScores,
    beat_joints,
    body_errors,
    face_scores,
    gap_error,
    halves_distance,
    joined_steps,
    mean_speech,
    pooled,
    pooled_match,
    ratio,
    seam_scores,
    speech_scores,
    wrong_pairs,
)
from train.run.command import run_command
from train.run.kinematics import BodyPoints
from train.run.training import NOTE, clip_motion, git_revision, to_device
from train.vqvae import VQVAEReport, matrices, validate

CLOSED_DEGREES = 2.0
"""A jaw that opens less counts as closed. The recorded speaker of BEAT2 keeps within it in nine of ten frames."""

_BATCH_WINDOWS = 32
_SKIN_POINTS = 128


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Score a folder of weights.

    Raises:
        EmageError: a value out of range.
    """

    suite: Literal["demo"]
    """Which targets to hold the scores against: those of the embedded default."""
    cache: Path
    """The folder that train.data.cache has made; its split test is held out."""
    weights: Path = EMBEDDED_DIR
    """The folder of all networks, that of FGD among them."""
    speech: Path | None = None
    """A folder of wav files with real speech; NAME.npz beside NAME.wav is the motion of whoever spoke."""
    out: Path | None = None
    """Where scores.json and scores.md go; the folder is made."""
    speaker: int = 0
    """Index of the speaker in whose manner real speech is shown."""
    draw_seed: int | None = None
    """Score the take drawn with this seed. By default the weights' own take, as the pipeline makes it."""
    temperature: float = 1.0
    """Of the draw."""
    top_k: int | None = None
    """Draw among the k likeliest codes only."""
    translation: Literal["as-generated", "in-place", "grounded"] = "as-generated"
    """Of every generated motion, see `emage.postprocess.grounding`."""
    max_seconds: float | None = None
    """Cut each recording of real speech to this."""
    takes: int = 4
    """So many takes of each recording of real speech, where takes are drawn: what one does is partly chance. Their
    scores are averaged."""
    wrong_pairings: int = 5
    """Shifts by which clips are paired with the sound of others."""
    halvings: int = 5
    """How often the held-out clips are halved at random for the floor of FGD, which is the mean."""
    seed: int = 0
    """Of the halvings and of the untrained networks."""
    device: str | None = None
    """Of the six networks; by default a GPU where there is one."""

    def __post_init__(self):
        for name in ("wrong_pairings", "halvings", "takes"):
            if getattr(self, name) < 1:
                raise EmageError(f"{name} is {getattr(self, name)}; it must be 1 or more.")
        if self.max_seconds is not None and not self.max_seconds > 0:
            raise EmageError(f"max_seconds is {self.max_seconds}; it must be above 0.")

    def run(self) -> None:
        if self.out is not None:  # first, for the scores take minutes
            self.out.mkdir(parents=True, exist_ok=True)
            check_writable(self.out / "scores.json")
        report = evaluate(self)
        print(markdown(report))
        if self.out is not None:
            write_report(report, self.out)


@dataclass(frozen=True)
class Target:
    """value: None where it could not be had, which is a miss. bound: in words."""

    name: str
    value: float | None
    bound: str
    passed: bool

    @classmethod
    def at_most(cls, name: str, value: float | None, limit: float) -> "Target":
        return cls(name, value, f"at most {limit:g}", value is not None and value <= limit)

    @classmethod
    def at_least(cls, name: str, value: float | None, limit: float) -> "Target":
        return cls(name, value, f"at least {limit:g}", value is not None and value >= limit)

    @classmethod
    def above(cls, name: str, value: float | None, limit: float) -> "Target":
        return cls(name, value, f"above {limit:g}", value is not None and value > limit)

    @classmethod
    def within(cls, name: str, value: float | None, low: float, high: float) -> "Target":
        return cls(name, value, f"{low:g} to {high:g}", value is not None and low <= value <= high)


# --- held-out speech --------------------------------------------------------------------------------------------------


class Row(StrEnum):
    """The rows of the first table."""

    GENERATED = "generated"
    CORPUS = "corpus"
    HALVES = "corpus, half against half"
    FROZEN = "frozen mean pose"
    UNTRAINED_GENERATOR = "untrained generator, trained codes"
    UNTRAINED = "untrained, all six networks"
    WRONG_AUDIO = "corpus, wrong audio"
    GENERATED_WRONG_AUDIO = "generated, wrong audio"


_REPAIRED = {Row.CORPUS: Row.WRONG_AUDIO, Row.GENERATED: Row.GENERATED_WRONG_AUDIO}
"""Rows whose motions are also paired with the sound of other clips."""
_OF_NETWORKS = (Row.GENERATED, Row.UNTRAINED_GENERATOR, Row.UNTRAINED)

Maker = Callable[[HeldOutClip], Motion]
"""Who moves to a clip: for as many frames as its truth."""


@dataclass(frozen=True)
class BeatGaps:
    """BC and BC aligned with the own audio less that with wrong ones, each with its standard error over clips."""

    bc: float
    bc_error: float
    bc_aligned: float
    bc_aligned_error: float


@dataclass(frozen=True)
class HeldOutReport:
    """bc_gaps: by row of what moved, how far BC and BC aligned tell the own audio from a wrong one. A share of a gap
    that is not several times its error says nothing."""

    clips: int
    minutes: float
    rows: dict[Row, MotionScores]
    bc_gaps: dict[Row, BeatGaps]


def held_out_report(
    cache: Cache,
    makers: dict[Row, Maker],
    generator: GeneratorConfig,
    body: Body,
    autoencoder: MotionAutoencoder,
    config: Evaluation,
) -> HeldOutReport:
    """makers: of the rows whose motion is made or read; Row.CORPUS must be among them."""
    clips = held_out_clips(cache)
    true_posed, true_openings = [], []
    for clip in clips:
        truth = read_clip(cache, clip).truth
        true_posed.append(beat_joints(body, truth))
        true_openings.append(metrics.jaw_opening(truth.poses))
    judge = Judge(body, autoencoder, metrics.mean_joint_velocity(true_posed))

    scores: dict[Row, list[ClipScores]] = {row: [] for row in makers}
    faces: dict[Row, list[FaceScores]] = {row: [] for row in makers}
    joined: dict[Row, list[JoinedSteps]] = {row: [] for row in makers}
    repaired: dict[Row, list[tuple[np.ndarray, np.ndarray]]] = {row: [] for row in _REPAIRED if row in makers}
    for listed in tqdm(clips, "Held-out speech", unit=" clips"):
        clip = read_clip(cache, listed)
        motions = {row: make(clip) for row, make in makers.items()}
        for row, motion in motions.items():
            posed = beat_joints(body, motion)
            scores[row].append(judge.clip(motion, posed, clip))
            if row in _OF_NETWORKS:
                joined[row].append(joined_steps(motion, generator, len(clip.audio)))
            if row in repaired:
                repaired[row].append((posed, metrics.jaw_opening(motion.poses)))
        del motions[Row.CORPUS]  # its face is the truth's
        for row, face in zip(motions, face_scores(body, list(motions.values()), clip.truth), strict=True):
            faces[row].append(face)
    true_features = [clip.features for clip in scores[Row.CORPUS]]
    rows = {row: pooled(scores[row], np.concatenate(true_features), faces[row], joined[row]) for row in makers}
    rows[Row.HALVES] = MotionScores(fgd=halves_distance(true_features, config.halvings, config.seed))

    wrong: dict[Row, list[list[AudioMatch]]] = {row: [[] for _ in clips] for row in repaired}
    for mover, speaker in tqdm(wrong_pairs(len(clips), config.wrong_pairings), "Wrong audio", unit=" pairs"):
        audio = cache.clip_audio(clips[speaker])
        for row, moved in repaired.items():
            posed, opening = moved[mover]
            wrong[row][mover].append(judge.match(posed, audio, opening, true_openings[speaker]))
    for row, matches in wrong.items():
        rows[_REPAIRED[row]] = pooled_match([match for others in matches for match in others])
    return HeldOutReport(
        clips=len(clips),
        minutes=sum(clip.num_frames for clip in clips) / FPS / 60,
        rows=rows,
        bc_gaps={
            row: beat_gaps(rows[row], rows[_REPAIRED[row]], [clip.match for clip in scores[row]], wrong[row])
            for row in repaired
        },
    )


def beat_gaps(
    own: MotionScores, wrong: MotionScores, matches: Sequence[AudioMatch], others: Sequence[Sequence[AudioMatch]]
) -> BeatGaps:
    """matches: of each clip with its own audio; others: with the wrong ones."""

    def error(name: str) -> float:
        return gap_error(
            [getattr(match, name) for match in matches], [[getattr(match, name) for match in each] for each in others]
        )

    return BeatGaps(own.bc - wrong.bc, error("bc"), own.bc_aligned - wrong.bc_aligned, error("bc_aligned"))


def held_out_clips(cache: Cache) -> list[Clip]:
    """The clips of split test that are long enough. Raises CorpusError for fewer than two."""
    clips = [clip for clip in cache.clips if clip.split == "test" and clip.num_frames >= MIN_FRAMES]
    if len(clips) < 2:
        raise CorpusError(
            f"{cache.folder} has {len(clips)} clips of split test that last {MIN_FRAMES / FPS:.1f} s or more. Two are "
            "needed to halve them and to pair motion with the wrong sound. Make a cache of a larger corpus."
        )
    return clips


def read_clip(cache: Cache, clip: Clip) -> HeldOutClip:
    motion = torch.from_numpy(cache.motion[_rows(clip)].copy())
    expressions = torch.from_numpy(cache.expressions[_rows(clip)].copy())
    truth = clip_motion(cache, motion, expressions, motion[:, TRANSLATION])
    return HeldOutClip(clip.speaker, truth, cache.clip_audio(clip))


def _rows(clip: Clip) -> slice:
    return slice(clip.first_frame, clip.first_frame + clip.num_frames)


def row_makers(cache: Cache, pipe: EmagePipeline, config: Evaluation) -> dict[Row, Maker]:
    new = new_generator(pipe.generator, config.seed)
    untrained_generator = EmagePipeline(new, pipe.codec)
    untrained = EmagePipeline(new, new_codec(pipe.codec, config.seed))
    pose = mean_pose(cache)
    return {
        Row.GENERATED: lambda clip: generate(pipe, clip.audio, clip.speaker, config),
        Row.CORPUS: lambda clip: clip.truth,
        Row.FROZEN: lambda clip: held(pose, clip.truth.num_frames),
        Row.UNTRAINED_GENERATOR: lambda clip: generate(untrained_generator, clip.audio, clip.speaker, config),
        Row.UNTRAINED: lambda clip: generate(untrained, clip.audio, clip.speaker, config),
    }


def generate(pipe: EmagePipeline, audio: np.ndarray, speaker: int, config: Evaluation) -> Motion:
    draw = {"seed": config.draw_seed, "temperature": config.temperature, "top_k": config.top_k}
    return pipe.generate((SAMPLE_RATE_HZ, audio), speaker=speaker, translation=config.translation, **draw)


def new_generator(trained: Generator, seed: int) -> Generator:
    """Of the same config, with the random weights that a training begins with."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Generator(trained.config).to(trained.mask_embedding.device)


def new_codec(trained: MotionCodec, seed: int) -> MotionCodec:
    """Of the same configs, with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts = trained.parts.map(lambda part: VQVAE(part.config))
        global_motion = GlobalMotionPredictor(trained.global_motion.config)
    return MotionCodec(parts, global_motion).to(_device(trained))


def _device(codec: MotionCodec) -> torch.device:
    return codec.face.quantizer.embedding.weight.device


def mean_pose(cache: Cache) -> Motion:
    """One frame, the mean of split train: of rotations the one nearest to their mean matrix (the chordal mean)."""
    clips = [clip for clip in cache.clips if clip.split == "train"]
    if not clips:
        raise CorpusError(f"{cache.folder} has no clip of split train, of which the mean pose is taken.")
    turns, expressions, trans = torch.zeros(NUM_JOINTS, 3, 3, dtype=torch.float64), 0.0, 0.0
    for clip in clips:
        motion = torch.from_numpy(cache.motion[_rows(clip)].copy()).double()
        turns += matrices(motion[:, :ROTATION_CHANNELS]).sum(0)
        expressions = expressions + cache.expressions[_rows(clip)].sum(0, dtype=np.float64)
        trans = trans + motion[:, TRANSLATION].sum(0).numpy()
    frames = sum(clip.num_frames for clip in clips)
    return Motion(
        poses=matrix_to_axis_angle(nearest_rotation(turns)).flatten().numpy()[None],
        expressions=expressions[None] / frames,
        trans=trans[None] / frames,
        betas=np.zeros(NUM_BETAS),
        expression_basis=cache.expression_basis,
    )


def nearest_rotation(matrix: Tensor) -> Tensor:
    """(..., 3, 3) -> the rotations at the smallest Frobenius distance."""
    left, _, right = torch.linalg.svd(matrix)
    left[..., -1] *= torch.linalg.det(left @ right)[..., None]  # no mirror images
    return left @ right


def held(pose: Motion, frames: int) -> Motion:
    """One frame, held."""
    poses, expressions, trans = (np.repeat(array, frames, 0) for array in (pose.poses, pose.expressions, pose.trans))
    return replace(pose, poses=poses, expressions=expressions, trans=trans)


def held_out_targets(rows: dict[Row, MotionScores]) -> list[Target]:
    made, corpus, wrong = rows[Row.GENERATED], rows[Row.CORPUS], rows[Row.WRONG_AUDIO]
    made_wrong = rows[Row.GENERATED_WRONG_AUDIO]

    def shares(name: str) -> tuple[float | None, float | None]:
        """Of the corpus's gap between its own and wrong audio: how far the score is along it, how large its own is."""
        score, own, low, made_low = (getattr(each, name) for each in (made, corpus, wrong, made_wrong))
        return ratio(score - low, own - low), ratio(score - made_low, own - low)

    (bc, bc_gap), (bc_aligned, bc_aligned_gap) = shares("bc"), shares("bc_aligned")
    sliding = ratio(made.foot_sliding_m_per_s, corpus.foot_sliding_m_per_s)
    return [
        *(
            Target.at_most(f"FGD over that of: {row}", ratio(made.fgd, rows[row].fgd), 0.2)
            for row in (Row.FROZEN, Row.UNTRAINED_GENERATOR, Row.UNTRAINED)
        ),
        Target.at_least("BC, share of the way from wrong audio to own", bc, 0.75),
        Target.at_least("BC aligned, share of the way from wrong audio to own", bc_aligned, 0.75),
        Target.at_least("BC, own less wrong audio, over the corpus's", bc_gap, 0.75),
        Target.at_least("BC aligned, own less wrong audio, over the corpus's", bc_aligned_gap, 0.75),
        Target.within("L1 diversity over the corpus's", ratio(made.l1_diversity_m, corpus.l1_diversity_m), 0.75, 1.25),
        Target.at_most("foot sliding over the corpus's", sliding, 2),
        Target.at_least("jaw opening, correlation with the true jaw", made.jaw_correlation, 0.7),
    ]


# --- real speech ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SpeechReport:
    """generated: one for each recording, of its takes as `mean_speech` has it; recorded: the motion of whoever spoke,
    where there is one; corpus: the mean of the held-out clips, to compare with; seams: of all generated motions
    together.
    """

    generated: tuple[SpeechScores, ...]
    recorded: tuple[SpeechScores, ...]
    corpus: SpeechScores
    seams: SeamScores | None


def speech_report(cache: Cache, pipe: EmagePipeline, body: Body, config: Evaluation) -> SpeechReport:
    files = recordings(config.speech)
    generated, recorded, joined = [], [], []
    for file in tqdm(files, "Real speech", unit=" files"):
        audio = load_audio(file)
        if config.max_seconds is not None:
            audio = audio[: math.ceil(config.max_seconds * SAMPLE_RATE_HZ)]
        steps, takes = [], []
        for take in takes_of(pipe, config):
            motion = generate(pipe, audio, config.speaker, take)
            steps.append(joined_steps(motion, pipe.generator.config, len(audio)))
            takes.append(speech_scores(file.stem, motion, audio, body))
        mean = mean_speech(file.stem, takes)
        generated.append(replace(mean, seconds=takes[0].seconds, seams=seam_scores(steps)))
        joined += steps
        if file.with_suffix(".npz").is_file():
            motion = Motion.load(file.with_suffix(".npz")).resample(FPS)
            recorded.append(speech_scores(file.stem, motion, audio, body))
    clips = [read_clip(cache, clip) for clip in held_out_clips(cache)]
    corpus = [speech_scores("corpus", clip.truth, clip.audio, body) for clip in clips]
    mean = mean_speech(f"{len(clips)} held-out clips", corpus)
    return SpeechReport(tuple(generated), tuple(recorded), mean, seam_scores(joined))


def takes_of(pipe: EmagePipeline, config: Evaluation) -> list[Evaluation]:
    """A setting for each take of a recording: the one asked for first, then draws with the seeds that follow."""
    if config.draw_seed is None and pipe.generator.config.temperature == 0:
        return [config]  # the likeliest, always the same
    drawn, first = config, config.draw_seed or 0
    if config.draw_seed is None:  # the weights' own take is drawn their own way
        drawn = replace(config, temperature=pipe.generator.config.temperature, top_k=None)
    return [config, *(replace(drawn, draw_seed=first + number) for number in range(1, config.takes))]


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
        Target.at_most("jerk over the corpus's", worst(max, (ratio(one.jerk_m_per_s3, jerk) for one in made)), 2),
        Target.within("step at seams over that elsewhere", seams, 0.9, 1.1),
    ]


# --- reconstruction ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReconstructionReport:
    """parts: each decoded alone, the others as they truly are; whole: all decoded together."""

    windows: int
    parts: Parts[VQVAEReport]
    whole: BodyErrors


def reconstruction_report(cache: Cache, codec: MotionCodec, body: Body, window_frames: int) -> ReconstructionReport:
    """Over windows of split test that do not overlap."""
    device = _device(codec)
    windows = Windows(cache, cache.windows(("test",), window_frames, window_frames), window_frames, 0, shuffled=False)

    def points(part: str) -> BodyPoints:
        return BodyPoints(body, part, _SKIN_POINTS, cache.expression_basis).to(device)

    def batches(name: str) -> Iterator[Window]:
        for window in tqdm(DataLoader(windows, _BATCH_WINDOWS), f"Codes, {name}", unit=" batches"):
            yield to_device(window, device)

    parts = Parts.of(lambda part: validate(codec.parts[part], batches(part), points(part), part))
    return ReconstructionReport(len(windows), parts, body_errors(codec, batches("all parts"), points("face")))


def reconstruction_targets(report: ReconstructionReport) -> list[Target]:
    in_use = min(part.codes_in_use for part in report.parts)
    return [
        Target.at_most("joints of the body, mm", report.whole.body_mm, 10),
        Target.at_most("fingertips, mm", report.whole.fingertips_mm, 6),
        Target.at_most("jaw, degrees", report.whole.jaw_degrees, 2),
        Target.above("codes in use, share in the worst part", in_use, 0.6),
    ]


# --- the whole --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Targets:
    """speech: empty where no real speech was given."""

    held_out: list[Target]
    speech: list[Target]
    reconstruction: list[Target]


@dataclass(frozen=True)
class Report:
    """revision: of the code that scored. trained: revision and step of each network, as its training noted them."""

    revision: str
    settings: dict[str, Any]
    trained: dict[str, dict[str, Any]]
    body: str
    held_out: HeldOutReport
    speech: SpeechReport | None
    reconstruction: ReconstructionReport
    targets: Targets


def evaluate(config: Evaluation, body: Body | None = None) -> Report:
    """All sections.

    Raises:
        WeightsError: weights are missing or damaged.
        CorpusError: a cache that is missing, too small, or of other speakers or expressions than the weights.
        AudioError: recordings that are missing, cannot be read, or hold no speech.
    """
    cache = Cache(config.cache)
    if config.speech is not None:
        recordings(config.speech)  # what is missing is told before the work
    pipe = EmagePipeline.from_pretrained(config.weights, device=config.device)
    known = pipe.generator.config
    if (known.speakers, known.expression_basis) != (len(cache.speakers), cache.expression_basis):
        raise CorpusError(
            f"{config.weights} knows {known.speakers} speakers with expressions in {known.expression_basis}; "
            f"{config.cache} has {len(cache.speakers)} in {cache.expression_basis}. Give the cache that the weights "
            "were trained on."
        )
    autoencoder = fgd_encoder.load_autoencoder(config.weights)
    body = body or pipe.body
    held_out = held_out_report(cache, row_makers(cache, pipe, config), known, body, autoencoder, config)
    speech = None if config.speech is None else speech_report(cache, pipe, body, config)
    reconstruction = reconstruction_report(cache, pipe.codec, body, known.window_frames)
    return Report(
        revision=git_revision(),
        settings=json.loads(json.dumps(asdict(config), default=str)),
        trained=training_notes(config.weights),
        body=body.name,
        held_out=held_out,
        speech=speech,
        reconstruction=reconstruction,
        targets=Targets(
            held_out_targets(held_out.rows),
            [] if speech is None else speech_targets(speech),
            reconstruction_targets(reconstruction),
        ),
    )


def training_notes(weights: Path) -> dict[str, dict[str, Any]]:
    """Revision and step of each network that has a note beside it."""
    notes = {}
    for name, folder in {**NETWORK_FOLDERS, "fgd": fgd_encoder.FOLDER}.items():
        path = weights / folder / NOTE
        if path.is_file():
            note = json.loads(path.read_text("utf-8"))
            notes[name] = {"revision": note["revision"], "step": note["step"]}
    return notes


def write_report(report: Report, folder: Path) -> None:
    """scores.json and scores.md. Raises OutputError."""
    text = json.dumps(_plain(asdict(report)), indent=2, allow_nan=False)
    for name, content in (("scores.json", text), ("scores.md", markdown(report))):
        with new_file(folder / name) as temporary:
            temporary.write_text(content + "\n", "utf-8")


def _plain(value: Any) -> Any:
    """JSON has no word for what is not finite; it becomes null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# --- Markdown ---------------------------------------------------------------------------------------------------------


class Column(NamedTuple):
    """A field of a row's dataclass, times `scale`, with so many digits."""

    header: str
    field: str
    digits: int
    scale: float = 1.0


_HELD_OUT = (
    Column("FGD", "fgd", 4),
    Column("BC", "bc", 4),
    Column("BC aligned", "bc_aligned", 4),
    Column("L1Div", "l1_diversity_m", 2),
    Column("sliding mm/s", "foot_sliding_m_per_s", 1, 1e3),
    Column("jerk m/s³", "jerk_m_per_s3", 1),
    Column("jaw r", "jaw_correlation", 3),
    Column("jaw lag", "jaw_lag_frames", 1),
    Column("face MSE x1e8", "face_mse_m2", 2, 1e8),
    Column("face LVD x1e5", "face_lvd_m_per_frame", 2, 1e5),
    Column("seams", "seams", 3),
)
_SPEECH = (
    Column("s", "seconds", 0),
    Column("jaw r", "jaw_correlation", 3),
    Column("jaw lag", "jaw_lag_frames", 1),
    Column("jaw in speech °", "speaking_deg", 2),
    Column("in pauses °", "pausing_deg", 2),
    Column("in pauses, 90 % °", "pausing_p90_deg", 2),
    Column("hands", "hands_ratio", 2),
    Column("frozen s", "longest_frozen_s", 2),
    Column("jerk m/s³", "jerk_m_per_s3", 1),
    Column("seams", "seams", 3),
)
_RECONSTRUCTION = (
    Column("rotation °", "degrees", 2),
    Column("joints mm", "joints_mm", 1),
    Column("fingertips mm", "fingertips_mm", 1),
    Column("skin mm", "skin_mm", 1),
    Column("expressions", "expression", 4),
    Column("perplexity", "perplexity", 0),
    Column("codes in use %", "codes_in_use", 0, 100),
)


def markdown(report: Report) -> str:
    """The tables, and each target with its pass or miss."""
    return "\n\n".join(
        [
            f"Scored by revision {report.revision} on the body '{report.body}'.",
            *_held_out_lines(report.held_out, report.targets.held_out),
            *_speech_lines(report.speech, report.targets.speech),
            *_reconstruction_lines(report.reconstruction, report.targets.reconstruction),
        ]
    )


def _held_out_lines(report: HeldOutReport, targets: Sequence[Target]) -> list[str]:
    gaps = "; ".join(
        f"{row}: {gap.bc:.4f} ± {gap.bc_error:.4f}, aligned {gap.bc_aligned:.4f} ± {gap.bc_aligned_error:.4f}"
        for row, gap in report.bc_gaps.items()
    )
    return [
        f"### Held-out speech\n\n{report.clips} clips, {report.minutes:.1f} minutes.",
        _table(_HELD_OUT, [(str(row), report.rows[row]) for row in Row]),
        f"BC with the own audio less that with the wrong one: {gaps} (standard errors over clips). A share of a gap "
        "says something where the gap is several times its error.",
        _target_table(targets),
    ]


def _speech_lines(report: SpeechReport | None, targets: Sequence[Target]) -> list[str]:
    if report is None:
        return ["### Real speech\n\nNot scored: no recordings were given (`--speech`)."]
    labelled = [(f"{one.name}, generated", one) for one in report.generated]
    labelled += [(f"{one.name}, who spoke", one) for one in report.recorded]
    labelled += [(f"corpus, {report.corpus.name}", report.corpus)]
    return [
        "### Real speech",
        _table(_SPEECH, labelled),
        f"Seams of all generated motions together: {_cell(report.seams, 3)}.",
        _target_table(targets),
    ]


def _reconstruction_lines(report: ReconstructionReport, targets: Sequence[Target]) -> list[str]:
    whole = report.whole
    return [
        f"### Reconstruction\n\n{report.windows} windows of held-out motion.",
        _table(_RECONSTRUCTION, [(f"{part} alone", report.parts[part]) for part in NETWORK_PARTS]),
        f"All parts together: joints of the body {whole.body_mm:.1f} mm, fingertips {whole.fingertips_mm:.1f} mm, jaw "
        f"{whole.jaw_degrees:.2f}°.",
        _target_table(targets),
    ]


def _target_table(targets: Sequence[Target]) -> str:
    rows = [[one.name, _cell(one.value, 3), one.bound, "pass" if one.passed else "**miss**"] for one in targets]
    return _lines(["target", "value", "bound", ""], rows)


def _table(columns: Sequence[Column], labelled: Sequence[tuple[str, Any]]) -> str:
    rows = [
        [label, *(_cell(getattr(scores, column.field), column.digits, column.scale) for column in columns)]
        for label, scores in labelled
    ]
    return _lines(["", *(column.header for column in columns)], rows)


def _lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows))


def _cell(value: float | SeamScores | None, digits: int, scale: float = 1.0) -> str:
    if value is None:
        return "–"
    if isinstance(value, SeamScores):
        return f"{value.ratio:.{digits}f} (± {value.scatter:.{digits}f})"
    text = f"{value * scale:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def main() -> None:
    config = tyro.cli(Evaluation, description=__doc__)
    run_command(config.run)


if __name__ == "__main__":
    main()
