"""Sampling: a recording of any length becomes codes, window by window, in bounded memory.

Each window's first frames are the seed: the motion decoded from the end of the window before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch
from scipy.ndimage import uniform_filter1d
from torch import Tensor

from emage.audio import LOUD_PERCENTILE, SPEECH_BELOW_LOUD_DB, frame_to_sample, loudness_envelope, num_frames
from emage.errors import AudioError, EmageError
from emage.hints import NetworkHints
from emage.models.codec import MotionCodec
from emage.models.generator import AudioFeatures, Generator, GeneratorConfig, GeneratorOutput
from emage.models.parts import Parts
from emage.motion import FPS
from emage.rotations import axis_angle_to_rotation_6d
from emage.skeleton import MOTION_CHANNELS, NETWORK_PARTS, POSE_CHANNELS, ROTATION_CHANNELS

REFERENCE_SAMPLES_PER_FRAME = 533
"""The published code's, for 533.33: its audio runs ahead of its motion by 37.5 ms a minute."""

AUDIO_BATCH_WINDOWS = 4
"""Windows whose audio is encoded at once; it does not depend on the motion."""

_PATH_CODES = 8

# Of the draw's own time.
_STEPS_PER_S = 1.2
_STEP_SHARE_IN_PAUSES = 0.05
_LEAD_FRAMES = 8
_LOUDNESS_FRAMES = 5
_MOST_LEVEL = 1.5
"""Of what is far above the loud frames, as speech is where it is rare."""
_LEAST_LOUDNESS = 1e-4
"""-80 dB: whatever is quieter is no speech."""


class Timing(Enum):
    """Which samples belong to which window."""

    EXACT = "exact"
    """Frame t starts at sample round(t * 16000 / 30); every frame of the recording is generated."""
    REFERENCE = "reference"
    """The arithmetic of the published code: 533 samples a frame, up to eight frames of the tail lost."""

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise EmageError(f"timing is {value!r}; it must be 'exact' or 'reference'.")


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
class SamplerConfig:
    """How a code is chosen.

    temperature: 0 takes the likeliest code; above, codes are drawn from the softmax of logits / temperature.
    top_k: draw among the k likeliest only. seed: makes the draw repeatable.

    Weights may ask for smooth codes (`GeneratorConfig.smoothness`); then the likeliest path is taken, or a draw of one.

    The draw of a part is one slowly varying random field over codes and time (Gumbel-max with noise that is correlated
    over about a second of speech, see `draw_time`): each frame's code has exactly the softmax's distribution, and yet
    neighbouring frames agree, where independent draws would tremble.

    Raises:
        EmageError: a value out of range.
    """

    temperature: float = 0.0
    top_k: int | None = None
    seed: int = 0

    def __post_init__(self):
        for name in ("seed", "top_k"):
            value = getattr(self, name)
            if not (value is None and name == "top_k") and type(value) is not int:
                raise EmageError(f"{name} is {value!r}; it must be a whole number.")
        if not (np.isfinite(self.temperature) and self.temperature >= 0):
            raise EmageError(f"temperature is {self.temperature}; it must be 0 or more.")
        if self.top_k is not None and self.top_k < 1:
            raise EmageError(f"top_k is {self.top_k}; it must be 1 or more.")
        if self.seed < 0:
            raise EmageError(f"seed is {self.seed}; it must be 0 or more.")


@dataclass(frozen=True)
class WindowResult:
    """The kept frames of one window: codes (1, T) of each part and what they were chosen from."""

    window: Window
    codes: Parts[Tensor]
    output: GeneratorOutput


def plan_windows(num_samples: int, config: GeneratorConfig, timing: Timing) -> list[Window]:
    """The windows of a recording of `num_samples` at 16 kHz: full ones, and what remains as a last, shorter one.

    Raises:
        AudioError: the recording is too short for the published code's arithmetic.
    """
    length, step = config.window_frames, config.window_frames - config.seed_frames
    if timing is Timing.REFERENCE:
        return _reference_windows(num_samples, config)
    total = num_frames(num_samples)
    windows = []
    # A window starts for as long as there are frames beyond the seed it shares with the one before.
    for start in range(0, max(total - config.seed_frames, 1), step):
        end = min(start + length, total)
        kept = end - start if end == total else step
        windows.append(Window(start, end, kept, frame_to_sample(start), frame_to_sample(end)))
    return windows


def _reference_windows(num_samples: int, config: GeneratorConfig) -> list[Window]:
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
            start_sample=i * step * REFERENCE_SAMPLES_PER_FRAME,
            end_sample=(i * step + frames) * REFERENCE_SAMPLES_PER_FRAME,
        )
        for i, frames in enumerate(lengths)
    ]


def rest_seed(seed_frames: int) -> Tensor:
    """(1, S, 337): identity rotations, no translation, no contacts; what the released weights start from."""
    seed = torch.zeros(1, seed_frames, MOTION_CHANNELS)
    seed[..., :ROTATION_CHANNELS] = axis_angle_to_rotation_6d(torch.zeros(POSE_CHANNELS))
    return seed


def first_seed(hints: NetworkHints | None, timing: Timing, seed_frames: int) -> Tensor:
    """(1, S, 337): what the first window starts from.

    In the published code's timing, its habit: the beginning of the hints' motion, whatever the mask hides. Else
    `rest_seed`; visible hints take precedence over it as over every seed.
    """
    if timing is Timing.REFERENCE and hints is not None:
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
    sampler: SamplerConfig | None = None,
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
        sampler: by default the likeliest codes, or the draw that the weights' config asks for.
        seed_motion: (1, S, 337) for the first window; `rest_seed` by default.
        progress: called with frames done and frames in all; what it raises ends the sampling.
    """
    config, device = generator.config, generator.mask_embedding.device
    sampler = sampler or SamplerConfig(config.temperature)
    total = sum(window.kept_frames for window in windows)
    speaker_index = torch.tensor([speaker], device=device)
    seed = rest_seed(config.seed_frames) if seed_motion is None else seed_motion
    before = None
    time = draw_time(audio, windows[-1].end_frame) if sampler.temperature > 0 else None
    for window, features in _encode_audio(generator, audio, windows):
        motion, mask = _window_hints(hints, window, device)
        overlap = min(config.seed_frames, window.frames)
        # A hint that is visible in the seed frames takes precedence over what was generated there.
        visible = mask[:, :overlap] == 0
        motion[:, :overlap] = torch.where(visible, motion[:, :overlap], seed.to(device)[:, :overlap])
        mask[:, :overlap] = 0
        output = generator.generate(features, motion, mask, speaker_index)
        if config.guidance > 0:
            without_audio = generator.generate(features, motion, mask, speaker_index, use_audio=False)
            output = guided(output, without_audio, config.guidance)
        window_time = None if time is None else time[window.start_frame : window.end_frame]
        codes = choose_codes(codec, output, config, sampler, window_time, before)
        seed = codec.channels(codes)[:, -config.seed_frames :]
        before = codes.map(lambda index: index[:, -config.seed_frames :])
        yield _kept(window, codes, output)
        if progress is not None:
            progress(window.start_frame + window.kept_frames, total)


def _encode_audio(
    generator: Generator, audio: np.ndarray, windows: list[Window]
) -> Iterator[tuple[Window, AudioFeatures]]:
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
        features = generator.encode_audio(torch.from_numpy(waves).to(device))
        for i, window in enumerate(batch):
            yield window, AudioFeatures(features.face[i : i + 1], features.body[i : i + 1])


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


def guided(output: GeneratorOutput, without_audio: GeneratorOutput, guidance: float) -> GeneratorOutput:
    """The output with more of what the audio changes in the body's classes (Ho and Salimans 2022, "Classifier-free
    diffusion guidance"): log-probabilities with audio plus `guidance` times their difference from those without, which
    the third pass of training teaches. The face always hears, so it stays as it is.
    """

    def logits(part: str) -> Tensor:
        if part == "face":
            return output.logits.face
        heard, unheard = (each.logits[part].log_softmax(-1) for each in (output, without_audio))
        return heard + guidance * (heard - unheard)

    return GeneratorOutput(output.latents, Parts.of(logits))


def choose_codes(
    codec: MotionCodec,
    output: GeneratorOutput,
    config: GeneratorConfig,
    sampler: SamplerConfig,
    time: np.ndarray | None = None,
    before: Parts[Tensor] | None = None,
) -> Parts[Tensor]:
    """Codes (1, T) of each part of a window.

    time: (T,) of its frames, from `draw_time`; only a draw needs it.
    before: (1, S) codes of its first frames by the window before, its seed, which smooth codes keep and go on from;
        None at the beginning.
    """
    likeliest = codec.codes(output, config.class_weight) if sampler.temperature == 0 else None

    def choose(part: str) -> Tensor:
        smoothness = config.smoothness[part]
        if likeliest is not None and smoothness == 0:
            return likeliest[part]
        scores = _scores(part, codec, output, config)
        if sampler.temperature > 0:
            scores = _perturbed(scores, part, sampler, time)
        if smoothness == 0:
            return scores.argmax(-1)
        embedding = codec.parts[part].quantizer.embedding.weight
        if before is None:
            return likeliest_path(scores[0], embedding, smoothness)[None]
        seed = before[part][:, : scores.shape[1]]
        if seed.shape[1] == scores.shape[1]:
            return seed
        path = likeliest_path(scores[0, seed.shape[1] :], embedding, smoothness, seed[0, -1:])
        return torch.cat([seed, path[None]], 1)

    return Parts.of(choose)


def likeliest_path(scores: Tensor, embedding: Tensor, smoothness: float, before: Tensor | None = None) -> Tensor:
    """The codes (T,) of largest sum of scores less the cost of each change of code (Viterbi 1967).

    Chosen frame by frame, codes of like probability take turns, and the body trembles. A change costs `smoothness`
    times the squared distance of the two codes, in units of that of two codes on the average.

    The path goes over codes that are among the `_PATH_CODES` best of one of the T frames at least, and the one before.

    Args:
        scores: (T, K), log-probabilities but for a constant of each frame.
        embedding: (K, D).
        before: (1,) the code before the first; None where there is none.
    """
    likely = scores.topk(min(_PATH_CODES, scores.shape[1]), -1).indices.flatten()
    likely = (likely if before is None else torch.cat([likely, before])).unique()
    scores = scores[:, likely]
    cost = torch.cdist(embedding, embedding).square()
    cost = cost * (smoothness / cost.mean().clamp_min(1e-12))
    best = scores[0] if before is None else scores[0] - cost[before[0], likely]
    cost = cost[likely][:, likely]
    came_from = []
    for score in scores[1:]:
        best, origin = (best[:, None] - cost).max(0)
        best = best + score
        came_from.append(origin)
    path = [best.argmax()]
    for origin in reversed(came_from):
        path.append(origin[path[-1]])
    return likely[torch.stack(path[::-1])]


def _scores(part: str, codec: MotionCodec, output: GeneratorOutput, config: GeneratorConfig) -> Tensor:
    """(1, T, K): logits, or nearness to the latent where the part's classes have no weight."""
    if config.class_weight[part] > 0:
        return output.logits[part]
    # In units of a code's distance to its neighbour.
    quantizer = codec.parts[part].quantizer
    between = quantizer.distances(quantizer.embedding.weight[None])[0].fill_diagonal_(torch.inf)
    return -quantizer.distances(output.latents[part]) / between.min(-1).values.median().clamp_min(1e-12)


def _perturbed(scores: Tensor, part: str, sampler: SamplerConfig, time: np.ndarray) -> Tensor:
    """(1, T, K) -> (1, T, K), the largest of which is a draw from their softmax."""
    if sampler.top_k is not None and sampler.top_k < scores.shape[-1]:
        least = scores.topk(sampler.top_k, -1).values[..., -1:]
        scores = scores.masked_fill(scores < least, -torch.inf)
    noise = _gumbel_noise(sampler.seed, NETWORK_PARTS.index(part), time, scores.shape[-1])
    return scores + sampler.temperature * noise.to(scores)


def draw_time(audio: np.ndarray, frames: int) -> np.ndarray:
    """When each frame is in a draw's own time, (T,) from 0 up; in one unit the draw becomes another.

    Its time goes by with speech: faster where it is loud, hardly in pauses, and a quarter of a second ahead, for
    gestures begin before their words. So what the networks leave to chance moves with the voice and rests with it; by
    the clock, hands were as lively in pauses as in speech. Its mean speed in speech is 1.2 units a second. Loud is what
    is loud for the recording, so a part of it alone is drawn otherwise. Where people speak less than a twentieth of the
    time, the noise behind them counts as loud.

    audio: (N,) at 16 kHz.
    """
    loudness = loudness_envelope(audio)
    loud = max(float(np.percentile(loudness, LOUD_PERCENTILE)), _LEAST_LOUDNESS)
    level = 1 + 20 * np.log10(np.maximum(loudness, 1e-3 * loud) / loud) / SPEECH_BELOW_LOUD_DB
    level = np.where(loudness < _LEAST_LOUDNESS, 0, level.clip(0, _MOST_LEVEL))
    speed = np.square(uniform_filter1d(level, _LOUDNESS_FRAMES))
    usual = speed[level > 0].mean() if (level > 0).any() else 1.0
    speed = _STEPS_PER_S / FPS * (speed / usual).clip(_STEP_SHARE_IN_PAUSES, None)
    # Frames beyond the recording, and those without one so far ahead, are as the last one.
    speed = speed[(np.arange(frames) + _LEAD_FRAMES).clip(max=len(speed) - 1)]
    return np.concatenate([[0.0], np.cumsum(speed[:-1])])


def _gumbel_noise(seed: int, part: int, time: np.ndarray, codes: int) -> Tensor:
    """(T, K) of standard Gumbel distribution, always the same at a time."""
    knot = np.floor(time).astype(int)
    first = int(knot[0])
    at_knots = np.stack(
        [np.random.default_rng((seed, part, i)).standard_normal(codes) for i in range(first, int(knot[-1]) + 2)]
    )
    # Quarter-circle weights keep the variance at one between the knots.
    angle = (time - knot)[:, None] * (np.pi / 2)
    normal = np.cos(angle) * at_knots[knot - first] + np.sin(angle) * at_knots[knot - first + 1]
    return -torch.log(-torch.special.log_ndtr(torch.from_numpy(normal)))


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
