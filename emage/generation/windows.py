"""Sampling: a recording of any length becomes codes, window by window, in bounded memory.

Each window's first frames are the seed: the motion decoded of these frames in the window before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emage.errors import AudioError, WeightsError
from emage.generation.decoding import Sampler, SampleTime, choose_codes, guide
from emage.generation.rollout import delay, roll_out
from emage.generation.sampling import SamplingConfig
from emage.generation.settings import PUBLISHED
from emage.hints.mask import HintWindows
from emage.models.codec import MotionCodec
from emage.models.content_rhythm import SpeechFeatures
from emage.models.generator import Generator, GeneratorConfig, GeneratorOutput
from emage.models.parts import Parts
from emage.motion.rotations import axis_angle_to_rotation_6d
from emage.motion.skeleton import MOTION_CHANNELS, POSE_CHANNELS, ROTATION_CHANNELS
from emage.recording.audio import frame_to_sample, num_frames
from emage.recording.features import Speech

PUBLISHED_SAMPLES_PER_FRAME = 533
"""The published code's, for 533.33: its audio runs ahead of its motion by 37.5 ms a minute."""

AUDIO_BATCH_WINDOWS = 4
"""Windows whose audio is encoded at once; it does not depend on the motion."""

_PAPER_FRAMES = 8
"""The paper's loop cuts a recording to a multiple of so many frames."""


@dataclass(frozen=True)
class Window:
    """Frames start_frame to end_frame, of which `kept_frames` go into the result, from the `first_kept` on."""

    start_frame: int
    end_frame: int
    kept_frames: int
    start_sample: int
    end_sample: int
    first_kept: int = 0

    @property
    def frames(self) -> int:
        return self.end_frame - self.start_frame

    @property
    def kept(self) -> slice:
        """Of its frames those that go into the result."""
        return slice(self.first_kept, self.first_kept + self.kept_frames)


@dataclass(frozen=True)
class WindowResult:
    """The kept frames of one window: codes (1, T) of each part and what they were chosen from."""

    window: Window
    codes: Parts[Tensor]
    output: GeneratorOutput


def plan_windows(num_samples: int, config: GeneratorConfig, timing: str, lookahead_frames: int = 0) -> list[Window]:
    """The windows of a recording of `num_samples` at 16 kHz: full ones, and what remains as a last, shorter one.

    lookahead_frames: of each window but the last, so many frames at its end are made anew by the next one, for what
        they should prepare lies beyond what they hear; 0 in the published timing.

    Raises:
        AudioError: the recording is too short for the published code's arithmetic.
        WeightsError: the windows have no room for so many frames.
    """
    length, step = config.window_frames, config.window_frames - config.seed_frames - lookahead_frames
    if step < 1:
        raise WeightsError(
            f"The weights' sampling asks for a lookahead of {lookahead_frames} frames, and a window of {length} has "
            f"room for {length - config.seed_frames - 1}. Correct lookahead_frames in their sampling.json."
        )
    if timing == PUBLISHED:
        plan = _paper_windows if config.conventions == "paper" else _published_windows
        return plan(num_samples, config)
    total = num_frames(num_samples)
    windows = []
    # A window starts for as long as there are frames beyond the seed it shares with the one before.
    for start in range(0, max(total - config.seed_frames, 1), step):
        end = min(start + length, total)
        kept = end - start if end == total else step
        windows.append(Window(start, end, kept, frame_to_sample(start), frame_to_sample(end)))
        if end == total:
            break
    return windows


def _published_windows(num_samples: int, config: GeneratorConfig) -> list[Window]:
    seed, step = config.seed_frames, config.window_frames - config.seed_frames
    full, rest = divmod(num_samples * 30 // 16000 - seed, step)
    lengths = [config.window_frames] * full + ([seed + rest] if rest > seed else [])
    if not lengths or full < 0:
        raise _no_motion(num_samples, 0.3)
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


def _paper_windows(num_samples: int, config: GeneratorConfig) -> list[Window]:
    """The text network's: whole windows only, of which all but the first keep what lies behind their seed."""
    length, seed, samples = config.window_frames, config.seed_frames, PUBLISHED_SAMPLES_PER_FRAME
    frames = num_samples * 30 // 16000 // _PAPER_FRAMES * _PAPER_FRAMES
    starts = range(0, frames - length + 1, length - seed)
    if not starts:
        raise _no_motion(num_samples, length / 30)
    return [
        Window(start, start + length, length - skipped, start * samples, (start + length) * samples, skipped)
        for start, skipped in zip(starts, [0] + [seed] * (len(starts) - 1), strict=True)
    ]


def _no_motion(num_samples: int, needed_s: float) -> AudioError:
    return AudioError(
        f"The published code's arithmetic makes no motion of {num_samples / 16000:.2f} s; "
        f"it needs more than {needed_s:.1f} s. Use timing 'exact'."
    )


def rest_seed(seed_frames: int) -> Tensor:
    """(1, S, 337): identity rotations, no translation, no contacts; what the released weights start from."""
    seed = torch.zeros(1, seed_frames, MOTION_CHANNELS)
    seed[..., :ROTATION_CHANNELS] = axis_angle_to_rotation_6d(torch.zeros(POSE_CHANNELS))
    return seed


def first_seed(hints: HintWindows | None, timing: str, seed_frames: int) -> Tensor:
    """(1, S, 337): what the first window starts from.

    In the published code's timing, its habit: the beginning of the hints' motion, whatever the mask hides. Else
    `rest_seed`; visible hints take precedence over it as over every seed.
    """
    if timing == PUBLISHED and hints is not None:
        return torch.from_numpy(hints.frames(0, seed_frames).motion[None])
    return rest_seed(seed_frames)


@torch.inference_mode()
def sample_windows(
    generator: Generator,
    codec: MotionCodec,
    speech: Speech | np.ndarray,
    windows: list[Window],
    hints: HintWindows | None = None,
    speaker: int = 0,
    sampling: SamplingConfig | None = None,
    sampler: Sampler | None = None,
    seed_motion: Tensor | None = None,
    progress: Callable[[int, int], None] | None = None,
    start_position: np.ndarray | None = None,
    use_audio: bool = True,
) -> Iterator[WindowResult]:
    """Generate one window after the other; what has been handed out is not kept.

    Args:
        generator, codec: in eval mode, on one device.
        speech: what is heard; or its audio alone, (N,) float32 at 16 kHz.
        windows: from `plan_windows`.
        hints: over the windows' frames.
        speaker: index into the generator's speakers.
        sampling: what the weights ask for; as published by default.
        sampler: by default what `sampling` asks for.
        seed_motion: (1, S, 337) for the first window; `rest_seed` by default.
        progress: called with frames done and frames in all; what it raises ends the sampling.
        start_position: (3,) metres, where the clip begins, for seeds by the paper's conventions; the origin by default.
        use_audio: False completes the body from its hints alone, without speech; the face hears it all the same.
    """
    speech = speech if isinstance(speech, Speech) else Speech(speech)
    config, device = generator.config, generator.mask_embedding.device
    sampling = sampling or SamplingConfig()
    sampler = sampler or Sampler(sampling.temperature)
    total = sum(window.kept_frames for window in windows)
    speaker_index = torch.tensor([speaker], device=device)
    seed = rest_seed(config.seed_frames) if seed_motion is None else seed_motion
    before = None
    start = torch.from_numpy(np.zeros(3) if start_position is None else np.asarray(start_position))[None].to(device)
    time = SampleTime(speech.audio) if sampler.temperature > 0 else None
    next_starts = [window.start_frame for window in windows[1:]] + [windows[-1].end_frame]
    for (window, features), next_start in zip(_encode_speech(generator, speech, windows), next_starts, strict=True):
        motion, mask = _window_hints(hints, window, device)
        overlap = min(config.seed_frames, window.frames)
        # A hint that is visible in the seed frames takes precedence over what was generated there.
        visible = mask[:, :overlap] == 0
        motion[:, :overlap] = torch.where(visible, motion[:, :overlap], seed.to(device)[:, :overlap])
        mask[:, :overlap] = 0

        def infer(
            previous: Parts[Tensor] | None = None, seen=(features, motion, mask, speaker_index)
        ) -> GeneratorOutput:
            output = generator.generate(*seen, use_audio, previous)
            if use_audio and sampling.guidance > 0:
                output = guide(output, generator.generate(*seen, False, previous), sampling.guidance)
            return output

        window_time = None if time is None else time.between(window.start_frame, window.end_frame)
        if config.autoregressive:
            output = infer(_roll_out(infer, codec, config, sampler, window_time, window.frames, before))
        else:
            output = infer()
        codes = choose_codes(codec, output, config, sampling, sampler, window_time, before)
        is_placed = config.conventions == "paper"
        shared = slice(next_start - window.start_frame, next_start - window.start_frame + config.seed_frames)
        seed = (codec.placed_channels(codes, start) if is_placed else codec.channels(codes))[:, shared]
        before = codes.map(lambda index, shared=shared: index[:, shared])
        yield _kept(window, codes, output)
        if progress is not None:
            progress(window.start_frame + window.kept.stop, total)


def _roll_out(
    infer: Callable[[Parts[Tensor]], GeneratorOutput],
    codec: MotionCodec,
    config: GeneratorConfig,
    sampler: Sampler,
    time: np.ndarray | None,
    frames: int,
    before: Parts[Tensor] | None,
) -> Parts[Tensor]:
    """What each frame of a window is made of: the seed's frames of their codes in the window before, the others of
    those chosen here, where no code has a transition cost yet."""
    width, device = config.motion_width, codec.global_motion.encoder.main[0].weight.device

    def choose(output: GeneratorOutput, frame: int) -> Parts[Tensor]:
        own_time = None if time is None else time[frame : frame + 1]
        return choose_codes(codec, output, config, SamplingConfig(), sampler, own_time)

    past = Parts.of(lambda _: torch.zeros(1, frames, width, device=device))
    if before is None:
        return roll_out(infer, choose, codec, past)
    seed = codec.lookup(before)
    past = delay(Parts.of(lambda part: torch.cat([seed[part], past[part]], 1)[:, :frames]))
    return roll_out(infer, choose, codec, past, before.face.shape[1])


@dataclass(frozen=True, eq=False)
class ContentShare:
    """How much of what a generator hears is content, the words, and not rhythm: face and body (T,), from 0 to 1."""

    face: np.ndarray
    body: np.ndarray


@torch.inference_mode()
def content_share(generator: Generator, speech: Speech, windows: list[Window]) -> ContentShare:
    """The weights of content rhythm attention, for a generator that hears words; the mean over the channels.

    windows: from `plan_windows`.
    """
    face, body = [], []
    for window, features in _encode_speech(generator, speech, windows):
        face.append(features.face_content[0, window.kept].cpu().numpy())
        body.append(features.body_content[0, window.kept].cpu().numpy())
    return ContentShare(np.concatenate(face), np.concatenate(body))


def _encode_speech(
    generator: Generator, speech: Speech, windows: list[Window]
) -> Iterator[tuple[Window, SpeechFeatures]]:
    """Windows of equal length share a batch."""
    device = generator.mask_embedding.device
    config = generator.config
    hears_words = config.vocabulary > 0 and (speech.words is not None or not config.waveform)
    hear = speech.rhythm if hears_words else speech.waveform
    batches: list[list[Window]] = []
    for window in windows:
        joins = batches and len(batches[-1]) < AUDIO_BATCH_WINDOWS and batches[-1][0].frames == window.frames
        if joins and _num_samples(batches[-1][0]) == _num_samples(window):
            batches[-1].append(window)
        else:
            batches.append([window])
    for batch in batches:
        # The last frame may end after the recording does; silence fills it.
        sound = np.stack([hear(window.start_sample, window.end_sample) for window in batch]).astype(np.float32)
        words = None
        if hears_words:
            words = np.stack([speech.words_of(window.start_frame, window.end_frame) for window in batch])
            words = torch.from_numpy(words).to(device)
        features = generator.encode_speech(torch.from_numpy(sound).to(device), words)
        for i, window in enumerate(batch):
            yield window, features.rows(slice(i, i + 1))


def _num_samples(window: Window) -> int:
    return window.end_sample - window.start_sample


def _window_hints(hints: HintWindows | None, window: Window, device: torch.device) -> tuple[Tensor, Tensor]:
    """-> motion and mask (1, T, 337); without hints all is hidden."""
    shape = (1, window.frames, MOTION_CHANNELS)
    if hints is None:
        return torch.zeros(shape, device=device), torch.ones(shape, device=device)
    shown = hints.frames(window.start_frame, window.end_frame)
    motion, mask = (torch.from_numpy(array[None]) for array in (shown.motion, shown.mask))
    return motion.to(device, torch.float32, copy=True), mask.to(device, torch.float32, copy=True)


def _kept(window: Window, codes: Parts[Tensor], output: GeneratorOutput) -> WindowResult:
    return WindowResult(window, codes.map(lambda tensor: tensor[:, window.kept]), output.frames(window.kept))
