"""From speech and hints to motion in pieces: windows, their codes, decoding, and what follows it."""

from collections.abc import Callable

import numpy as np
import torch

from emage.body import Body
from emage.body.face import FaceMapLoader
from emage.errors import EmageError
from emage.generation.decoding import Sampler
from emage.generation.sampling import SamplingConfig
from emage.generation.settings import TakeSettings
from emage.generation.stream import DecodeStage, stream_codes
from emage.generation.windows import Window, first_seed, plan_windows, sample_windows
from emage.hints import Hints
from emage.hints.mask import HintsByWindow, foot_contacts, motion_channels
from emage.models.codec import MotionCodec
from emage.models.generator import Generator
from emage.motion import FPS, Motion
from emage.motion.skeleton import TRANSLATION
from emage.motion.stages import Pieces, run_stages
from emage.postprocess.contacts import floor_height
from emage.postprocess.following import stages_after_decoding
from emage.recording.audio import num_frames
from emage.recording.features import Speech


def stream_motion(
    generator: Generator,
    codec: MotionCodec,
    speech: Speech,
    hints: Hints | None,
    settings: TakeSettings,
    *,
    sampling: SamplingConfig,
    face_maps: FaceMapLoader,
    body_of: Callable[[], Body],
    progress: Callable[[int, int], None] | None = None,
    seed_motion: Motion | None = None,
) -> Pieces:
    """The motion, as it stays; `EmagePipeline.stream` tells what of it can be relied on.

    Args:
        generator, codec: in eval mode.
        hints: their faces are taken over to the generator's basis.
        sampling: what the weights ask for when they are sampled.
        body_of: gives the body whose joints are contacts and whose feet stand; asked only where they matter.
        progress: told of frames done and of all after each window; what it raises stops the work.
        seed_motion: that the motion goes on from, by its last frames.

    Raises:
        AudioError, HintError, EmageError: at once, as `EmagePipeline.generate`.
    """
    config = generator.config
    num_samples = len(speech.audio)
    windows = plan_windows(num_samples, config, settings.timing, sampling.lookahead_frames)
    if hints is not None:
        hints = face_maps.hints(hints, config.expression_basis)
        _check_hints(hints, num_samples, windows, config.expression_basis, face_maps)
    shown = None if hints is None else HintsByWindow(hints, body_of().joints)
    if seed_motion is None:
        first = first_seed(shown, settings.timing, config.seed_frames)
        start_position, floor_y = np.zeros(3), 0.0
    else:
        first = _seed_channels(seed_motion, config.seed_frames, body_of())
        start_position, floor_y = seed_motion.trans[-1], floor_height(body_of().soles(seed_motion))
    if config.conventions == "paper":  # its loop makes the seed's frames again
        start_position = first[0, 0, TRANSLATION].numpy()
    results = sample_windows(
        generator,
        codec,
        speech,
        windows,
        shown,
        settings.speaker,
        sampling,
        None if settings.seed is None else Sampler(settings.temperature, settings.top_k, settings.seed),
        first,
        progress,
        start_position,
        settings.use_audio,
    )
    betas = None if hints is None else hints.reference.betas_in(config.expression_basis)
    decode = DecodeStage(codec, start_position, config.conventions, config.expression_basis, betas)
    following = stages_after_decoding(
        num_frames=sum(window.kept_frames for window in windows),
        low_pass_frames=sampling.low_pass_frames,
        seams=[(window.start_frame, window.start_frame + config.seed_frames) for window in windows[1:]],
        seam_frames=sampling.seam_frames if settings.seam_frames is None else settings.seam_frames,
        hints=hints,
        translation=settings.resolved_translation,
        body_of=body_of,
        floor_y=floor_y,
    )
    return run_stages(stream_codes(results), [decode, *following])


def _check_hints(
    hints: Hints, num_samples: int, windows: list[Window], expression_basis: str, face_maps: FaceMapLoader
) -> None:
    """Over the frames that the networks see, which in the published timing are more than come out."""
    hints.plan.check_fits(max(num_frames(num_samples), windows[-1].end_frame))
    hints.check_basis(expression_basis, face_maps.reason)


def _seed_channels(seed_motion: Motion, needed: int, body: Body) -> torch.Tensor:
    """The last `needed` frames as the generator sees them, (1, S, 337)."""
    seed = seed_motion.resample(FPS)
    if seed.num_frames < needed:
        raise EmageError(f"The seed motion has {seed.num_frames} frames; at least {needed} are needed.")
    seed = seed.frames(seed.num_frames - needed, seed.num_frames)
    return torch.from_numpy(motion_channels(seed, foot_contacts(body.joints(seed))))[None]
