"""Sampling: a recording of any length becomes codes, window by window, in bounded memory.

Each window's first frames are the seed: the motion decoded from the end of the window before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emage.errors import AudioError
from emage.generation.decoding import Sampler, choose_codes, guide, sample_time
from emage.generation.sampling import SamplingConfig
from emage.generation.settings import PUBLISHED
from emage.hints.mask import NetworkHints
from emage.models.codec import MotionCodec
from emage.models.content_rhythm import SpeechFeatures
from emage.models.generator import Generator, GeneratorConfig, GeneratorOutput
from emage.models.parts import Parts
from emage.motion.rotations import axis_angle_to_rotation_6d
from emage.motion.skeleton import MOTION_CHANNELS, POSE_CHANNELS, ROTATION_CHANNELS
from emage.recording.audio import frame_to_sample, num_frames

PUBLISHED_SAMPLES_PER_FRAME = 533
"""The published code's, for 533.33: its audio runs ahead of its motion by 37.5 ms a minute."""

AUDIO_BATCH_WINDOWS = 4
"""Windows whose audio is encoded at once; it does not depend on the motion."""


@dataclass(frozen=True)
class Window:
    """Frames start_frame to end_frame, of which the first `kept_frames` go into the result."""

    start_frame: int
    end_frame: int
    kept_frames: int
    start_sample: int
    end_sample: int

    @property
    def frames(self) -> int:
        return self.end_frame - self.start_frame


@dataclass(frozen=True)
class WindowResult:
    """The kept frames of one window: codes (1, T) of each part and what they were chosen from."""

    window: Window
    codes: Parts[Tensor]
    output: GeneratorOutput


def plan_windows(num_samples: int, config: GeneratorConfig, timing: str) -> list[Window]:
    """The windows of a recording of `num_samples` at 16 kHz: full ones, and what remains as a last, shorter one.

    Raises:
        AudioError: the recording is too short for the published code's arithmetic.
    """
    length, step = config.window_frames, config.window_frames - config.seed_frames
    if timing == PUBLISHED:
        return _published_windows(num_samples, config)
    total = num_frames(num_samples)
    windows = []
    # A window starts for as long as there are frames beyond the seed it shares with the one before.
    for start in range(0, max(total - config.seed_frames, 1), step):
        end = min(start + length, total)
        kept = end - start if end == total else step
        windows.append(Window(start, end, kept, frame_to_sample(start), frame_to_sample(end)))
    return windows


def _published_windows(num_samples: int, config: GeneratorConfig) -> list[Window]:
    seed, step = config.seed_frames, config.window_frames - config.seed_frames
    full, rest = divmod(num_samples * 30 // 16000 - seed, step)
    lengths = [config.window_frames] * full + ([seed + rest] if rest > seed else [])
    if not lengths or full < 0:
        raise AudioError(
            f"The published code's arithmetic makes no motion of {num_samples / 16000:.2f} s; "
            "it needs more than 0.3 s. Use timing 'exact'."
        )
    return [
        Window(
            start_frame=i * step,
            end_frame=i * step + frames,
            kept_frames=step if i < full else frames,
            start_sample=i * step * PUBLISHED_SAMPLES_PER_FRAME,
            end_sample=(i * step + frames) * PUBLISHED_SAMPLES_PER_FRAME,
        )
        for i, frames in enumerate(lengths)
    ]


def rest_seed(seed_frames: int) -> Tensor:
    """(1, S, 337): identity rotations, no translation, no contacts; what the released weights start from."""
    seed = torch.zeros(1, seed_frames, MOTION_CHANNELS)
    seed[..., :ROTATION_CHANNELS] = axis_angle_to_rotation_6d(torch.zeros(POSE_CHANNELS))
    return seed


def first_seed(hints: NetworkHints | None, timing: str, seed_frames: int) -> Tensor:
    """(1, S, 337): what the first window starts from.

    In the published code's timing, its habit: the beginning of the hints' motion, whatever the mask hides. Else
    `rest_seed`; visible hints take precedence over it as over every seed.
    """
    if timing == PUBLISHED and hints is not None:
        return torch.from_numpy(hints.motion[None, :seed_frames])
    return rest_seed(seed_frames)


@torch.inference_mode()
def sample_windows(
    generator: Generator,
    codec: MotionCodec,
    audio: np.ndarray,
    windows: list[Window],
    hints: NetworkHints | None = None,
    speaker: int = 0,
    sampling: SamplingConfig | None = None,
    sampler: Sampler | None = None,
    seed_motion: Tensor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[WindowResult]:
    """Generate one window after the other; what has been handed out is not kept.

    Args:
        generator, codec: in eval mode, on one device.
        audio: (N,) float32 at 16 kHz.
        windows: from `plan_windows`.
        hints: over the windows' frames.
        speaker: index into the generator's speakers.
        sampling: what the weights ask for; as published by default.
        sampler: by default what `sampling` asks for.
        seed_motion: (1, S, 337) for the first window; `rest_seed` by default.
        progress: called with frames done and frames in all; what it raises ends the sampling.
    """
    config, device = generator.config, generator.mask_embedding.device
    sampling = sampling or SamplingConfig()
    sampler = sampler or Sampler(sampling.temperature)
    total = sum(window.kept_frames for window in windows)
    speaker_index = torch.tensor([speaker], device=device)
    seed = rest_seed(config.seed_frames) if seed_motion is None else seed_motion
    before = None
    time = sample_time(audio, windows[-1].end_frame) if sampler.temperature > 0 else None
    for window, features in _encode_audio(generator, audio, windows):
        motion, mask = _window_hints(hints, window, device)
        overlap = min(config.seed_frames, window.frames)
        # A hint that is visible in the seed frames takes precedence over what was generated there.
        visible = mask[:, :overlap] == 0
        motion[:, :overlap] = torch.where(visible, motion[:, :overlap], seed.to(device)[:, :overlap])
        mask[:, :overlap] = 0
        output = generator.generate(features, motion, mask, speaker_index)
        if sampling.guidance > 0:
            without_audio = generator.generate(features, motion, mask, speaker_index, use_audio=False)
            output = guide(output, without_audio, sampling.guidance)
        window_time = None if time is None else time[window.start_frame : window.end_frame]
        codes = choose_codes(codec, output, config, sampling, sampler, window_time, before)
        seed = codec.channels(codes)[:, -config.seed_frames :]
        before = codes.map(lambda index: index[:, -config.seed_frames :])
        yield _kept(window, codes, output)
        if progress is not None:
            progress(window.start_frame + window.kept_frames, total)


def _encode_audio(
    generator: Generator, audio: np.ndarray, windows: list[Window]
) -> Iterator[tuple[Window, SpeechFeatures]]:
    """Windows of equal length share a batch."""
    device = generator.mask_embedding.device
    batches: list[list[Window]] = []
    for window in windows:
        joins = batches and len(batches[-1]) < AUDIO_BATCH_WINDOWS and batches[-1][0].frames == window.frames
        if joins and _num_samples(batches[-1][0]) == _num_samples(window):
            batches[-1].append(window)
        else:
            batches.append([window])
    for batch in batches:
        waves = np.zeros((len(batch), _num_samples(batch[0])), dtype=np.float32)
        for row, window in zip(waves, batch, strict=True):
            # The last frame may end after the recording does; silence fills it.
            piece = audio[window.start_sample : window.end_sample]
            row[: len(piece)] = piece
        features = generator.encode_speech(torch.from_numpy(waves).to(device))
        for i, window in enumerate(batch):
            yield window, features.rows(slice(i, i + 1))


def _num_samples(window: Window) -> int:
    return window.end_sample - window.start_sample


def _window_hints(hints: NetworkHints | None, window: Window, device: torch.device) -> tuple[Tensor, Tensor]:
    """-> motion and mask (1, T, 337); without hints all is hidden."""
    shape = (1, window.frames, MOTION_CHANNELS)
    if hints is None:
        return torch.zeros(shape, device=device), torch.ones(shape, device=device)
    assert len(hints.motion) >= window.end_frame
    frames = slice(window.start_frame, window.end_frame)
    motion = torch.from_numpy(hints.motion[None, frames]).to(device, torch.float32, copy=True)
    return motion, torch.from_numpy(hints.mask[None, frames]).to(device, torch.float32, copy=True)


def _kept(window: Window, codes: Parts[Tensor], output: GeneratorOutput) -> WindowResult:
    frames = slice(0, window.kept_frames)
    return WindowResult(
        window,
        codes.map(lambda tensor: tensor[:, frames]),
        GeneratorOutput(
            output.latents.map(lambda tensor: tensor[:, frames]), output.logits.map(lambda tensor: tensor[:, frames])
        ),
    )


def join_codes(results: list[Parts[Tensor]]) -> Parts[Tensor]:
    """Codes (1, T) of window after window -> codes (1, sum of T)."""
    return Parts.of(lambda part: torch.cat([codes[part] for codes in results], 1))
