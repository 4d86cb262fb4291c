"""Who moves to the held-out clips: the weights, whoever spoke, a frozen pose, and untrained networks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emage.body import Body
from emage.errors import WeightsError
from emage.generation.sampling import load_sampling
from emage.hints import Hints
from emage.hints.mask import foot_contacts, motion_channels
from emage.models.checkpoint import NETWORK_FOLDERS, WHOLE_FOLDERS, load_generator
from emage.models.codec import MotionCodec
from emage.models.generator import Generator
from emage.models.vqvae import VQVAE, GlobalMotionPredictor
from emage.motion import Motion
from emage.motion.rotations import matrix_to_axis_angle
from emage.motion.skeleton import NUM_BETAS, NUM_JOINTS, ROTATION_CHANNELS, TRANSLATION, WHOLE
from emage.pipeline import EmagePipeline
from emage.recording.audio import SAMPLE_RATE_HZ
from emage.recording.recognition import recognise_words
from emage.recording.recording import Recording
from emage.recording.transcript import Word
from emage.recording.vocabulary import VOCABULARY_NAMES, load_vocabulary
from train.data.building import differentiate_path
from train.data.cache import Cache
from train.data.channels import WHOLE_BODY
from train.data.corpus import CorpusError
from train.evaluation.held_out import Maker, Row
from train.evaluation.scores import HeldOutClip
from train.evaluation.settings import Evaluation
from train.run.kinematics import to_matrices


def make_rows(
    cache: Cache,
    pipe: EmagePipeline,
    config: Evaluation,
    body: Body | None = None,
    text: EmagePipeline | None = None,
) -> dict[Row, Maker]:
    """body: by default the pipeline's. text: one that hears words, whose rows are added."""
    rows = make_audio_rows(cache, pipe, config, body or pipe.body)
    if text is not None:
        rows |= make_text_rows(text, config)
    if config.sum_weights is not None:
        summing = load_text_pipeline(config.sum_weights, pipe)
        rows[Row.TEXT_SUM] = lambda clip: generate(summing, clip.audio, clip.speaker, config, clip.words)
    return rows


def make_audio_rows(cache: Cache, pipe: EmagePipeline, config: Evaluation, body: Body) -> dict[Row, Maker]:
    new = new_generator(pipe.generator, config.seed)
    untrained_generator = EmagePipeline(new, pipe.codec, sampling=pipe.sampling)
    untrained = EmagePipeline(new, new_codec(pipe.codec, config.seed), sampling=pipe.sampling)
    pose = mean_pose(cache)
    return {
        Row.GENERATED: lambda clip: generate(pipe, clip.audio, clip.speaker, config),
        Row.CORPUS: lambda clip: clip.truth,
        Row.FROZEN: lambda clip: hold_pose(pose, clip.truth.num_frames),
        Row.UNTRAINED_GENERATOR: lambda clip: generate(untrained_generator, clip.audio, clip.speaker, config),
        Row.UNTRAINED: lambda clip: generate(untrained, clip.audio, clip.speaker, config),
        Row.CODES: lambda clip: reconstruct(pipe, clip.truth, body),
    }


def make_text_rows(pipe: EmagePipeline, config: Evaluation) -> dict[Row, Maker]:
    def maker(words_of: Callable[[HeldOutClip], Sequence[Word]]) -> Maker:
        return lambda clip: generate(pipe, clip.audio, clip.speaker, config, words_of(clip))

    rows = {
        Row.TEXT: maker(lambda clip: clip.words),
        Row.TEXT_WRONG_WORDS: maker(lambda clip: clip.other_words),
        Row.TEXT_RECOGNISED: maker(lambda clip: recognise_words(clip.audio)[0]),
    }
    if not pipe.generator.config.waveform:  # else it would be the audio model's
        rows[Row.TEXT_NO_WORDS] = maker(lambda clip: ())
    return rows


def load_text_pipeline(folder: Path, pipe: EmagePipeline) -> EmagePipeline:
    """A generator that hears words, with its vocabulary; where it has no VQ-VAEs beside it, with those of `pipe`.

    Raises:
        WeightsError: weights are missing or damaged, without a vocabulary, or hear no words.
    """
    if any((folder / name).is_dir() for name in (NETWORK_FOLDERS["face"], WHOLE_FOLDERS[WHOLE])):
        text = EmagePipeline.from_pretrained(folder, device=device_of(pipe.codec))
    else:
        generator = load_generator(folder).to(device_of(pipe.codec))
        vocabulary = next((folder / name for name in VOCABULARY_NAMES if (folder / name).is_file()), None)
        text = EmagePipeline(
            generator,
            pipe.codec,
            sampling=load_sampling(folder),
            vocabulary=vocabulary and load_vocabulary(vocabulary, size=generator.config.vocabulary),
        )
    if not text.hears_words or text.vocabulary is None:
        raise WeightsError(
            f"{folder} holds no generator that hears words, or no {VOCABULARY_NAMES[0]} beside it. Give what "
            "`python -m train.generator --hears words` has written."
        )
    return text


@torch.inference_mode()
def reconstruct(pipe: EmagePipeline, truth: Motion, body: Body) -> Motion:
    """A motion through the codes of a pipeline and back: what its generator would make if it knew every code."""
    channels = torch.from_numpy(motion_channels(truth, foot_contacts(body.joints(truth)))).float()
    channels[:, TRANSLATION] = torch.from_numpy(differentiate_path(truth.trans)).float()
    expressions = torch.from_numpy(truth.expressions).float()
    device = device_of(pipe.codec)
    return pipe.decode(pipe.codec.encode(channels[None].to(device), expressions[None].to(device)), truth.trans[0])


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
        parts = parts.face if trained.is_whole else parts
        global_motion = GlobalMotionPredictor(trained.global_motion.config)
    return MotionCodec(parts, global_motion).to(device_of(trained))


def device_of(codec: MotionCodec) -> torch.device:
    return next(codec.parameters()).device


def mean_pose(cache: Cache) -> Motion:
    """One frame, the mean of split train: of rotations the one nearest to their mean matrix (the chordal mean)."""
    clips = cache.clips_of(("train",), WHOLE_BODY)
    if not clips:
        raise CorpusError(f"{cache.folder} has no clip of split train, of which the mean pose is taken.")
    turns, expressions, trans = torch.zeros(NUM_JOINTS, 3, 3, dtype=torch.float64), 0.0, 0.0
    for clip in clips:
        motion = torch.from_numpy(cache.motion[clip.rows].copy()).double()
        turns += to_matrices(motion[:, :ROTATION_CHANNELS]).sum(0)
        expressions = expressions + cache.expressions[clip.rows].sum(0, dtype=np.float64)
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


def hold_pose(pose: Motion, frames: int) -> Motion:
    """One frame, for so many frames."""
    poses, expressions, trans = (np.repeat(array, frames, 0) for array in (pose.poses, pose.expressions, pose.trans))
    return replace(pose, poses=poses, expressions=expressions, trans=trans)


def generate(
    pipe: EmagePipeline,
    audio: np.ndarray,
    speaker: int,
    config: Evaluation,
    words: Sequence[Word] = (),
    hints: Hints | None = None,
    use_audio: bool = True,
) -> Motion:
    """The motion that a pipeline makes of (N,) samples at 16 kHz and the words in them, as the settings say."""
    source = (SAMPLE_RATE_HZ, audio)
    return pipe.generate(
        replace(Recording.load(source), words=tuple(words)) if words else source,
        hints,
        speaker=speaker,
        translation=config.translation,
        seed=config.draw_seed,
        temperature=config.temperature,
        top_k=config.top_k,
        use_audio=use_audio,
    )
