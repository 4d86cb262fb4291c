"""Who moves to the held-out clips: the weights, whoever spoke, a frozen pose, and untrained networks."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from emage.models.codec import MotionCodec
from emage.models.generator import Generator
from emage.models.vqvae import VQVAE, GlobalMotionPredictor
from emage.motion import Motion
from emage.motion.rotations import matrix_to_axis_angle
from emage.motion.skeleton import NUM_BETAS, NUM_JOINTS, ROTATION_CHANNELS, TRANSLATION
from emage.pipeline import EmagePipeline
from emage.recording.audio import SAMPLE_RATE_HZ
from train.data.cache import Cache, CorpusError
from train.evaluation.held_out import Maker, Row
from train.evaluation.settings import Evaluation
from train.run.kinematics import to_matrices


def make_rows(cache: Cache, pipe: EmagePipeline, config: Evaluation) -> dict[Row, Maker]:
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
    }


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
    return MotionCodec(parts, global_motion).to(device_of(trained))


def device_of(codec: MotionCodec) -> torch.device:
    return codec.face.quantizer.embedding.weight.device


def mean_pose(cache: Cache) -> Motion:
    """One frame, the mean of split train: of rotations the one nearest to their mean matrix (the chordal mean)."""
    clips = [clip for clip in cache.clips if clip.split == "train"]
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


def generate(pipe: EmagePipeline, audio: np.ndarray, speaker: int, config: Evaluation) -> Motion:
    """The motion that a pipeline makes of (N,) samples at 16 kHz, as the settings say."""
    return pipe.generate(
        (SAMPLE_RATE_HZ, audio),
        speaker=speaker,
        translation=config.translation,
        seed=config.draw_seed,
        temperature=config.temperature,
        top_k=config.top_k,
    )
