"""Which code is chosen for each frame: argmax, Viterbi decoding, or a sample that varies with speech."""

from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from scipy.ndimage import uniform_filter1d
from torch import Tensor

from emage.errors import EmageError
from emage.generation.sampling import SamplingConfig
from emage.models.codec import MotionCodec
from emage.models.generator import GeneratorConfig, GeneratorOutput
from emage.models.parts import Parts
from emage.motion import FPS
from emage.motion.skeleton import NETWORK_PARTS
from emage.recording.audio import num_frames
from emage.recording.features import LOUD_PERCENTILE, SPEECH_BELOW_LOUD_DB, STRETCH_S, loudness_envelope
from emage.validation import checked

_PATH_CODES = 8
_STANDING_M_PER_S = 0.03
_HELD_FRAMES = 8

# Of a sample's own time.
_STEPS_PER_S = 1.2
_STEP_SHARE_IN_PAUSES = 0.05
_LEAD_FRAMES = 8
_LOUDNESS_FRAMES = 5
_MOST_LEVEL = 1.5
"""Of what is far above the loud frames, as speech is where it is rare."""
_LEAST_LOUDNESS = 1e-4
"""-80 dB: whatever is quieter is no speech."""


@checked(EmageError)
class Sampler:
    """How a code is chosen among those of a frame.

    temperature: 0 takes the argmax; above, codes are sampled from the softmax of logits / temperature.
    top_k: sample among the k most probable only. seed: makes the sample repeatable.

    Where codes have a transition cost (`SamplingConfig`), they are decoded by Viterbi, the argmax or a sample alike.

    The sample of a part is one slowly varying random field over codes and time (Gumbel-max with noise that is
    correlated over about a second of speech, see `SampleTime`): each frame's code has exactly the softmax's
    distribution, and yet neighbouring frames agree, where independent samples would tremble.

    Raises:
        EmageError: a value of another kind, or out of range.
    """

    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_k: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0


def guide(output: GeneratorOutput, without_audio: GeneratorOutput, guidance: float) -> GeneratorOutput:
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
    sampling: SamplingConfig,
    sampler: Sampler,
    time: np.ndarray | None = None,
    before: Parts[Tensor] | None = None,
) -> Parts[Tensor]:
    """Codes (1, T) of each part of a window; of a plain VAE the latents, for there is nothing to choose from.

    time: (T,) of its frames, from `SampleTime`; only a sample needs it.
    before: (1, S) codes of its first frames by the window before, its seed, which Viterbi decoding keeps and goes on
        from; None at the beginning.
    """
    argmax = codec.codes(output, config.class_weight) if sampler.temperature == 0 else None

    def choose(part: str) -> Tensor:
        transition_cost = sampling.transition_cost[part]
        if not codec.parts[part].config.quantized:
            return output.latents[part]
        if argmax is not None and transition_cost == 0:
            return argmax[part]
        scores = _scores(part, codec, output, config)
        if sampler.temperature > 0:
            scores = _perturb(scores, part, sampler, time)
        if transition_cost == 0:
            return scores.argmax(-1)
        embedding = codec.parts[part].quantizer.embedding.weight
        seed = scores.new_zeros(1, 0, dtype=torch.long) if before is None else before[part][:, : scores.shape[1]]
        if seed.shape[1] == scores.shape[1]:
            return seed
        searched = scores[0, seed.shape[1] :], embedding, transition_cost, seed[0, -1:]
        if part == "lower" and sampling.glide_cost > 0:
            path = decode_standing(*searched, codec, config.conventions, sampling.glide_cost)
        else:
            path = decode_viterbi(*searched)
        return torch.cat([seed, path[None]], 1)

    return codec.choose(choose)


def decode_viterbi(
    scores: Tensor,
    embedding: Tensor,
    transition_cost: float,
    before: Tensor | None = None,
    stay_cost: Tensor | None = None,
) -> Tensor:
    """The codes (T,) of largest sum of scores less the cost of each change of code (Viterbi 1967).

    Chosen frame by frame, codes of like probability take turns, and the body trembles. A change costs `transition_cost`
    times the squared distance of the two codes, in units of that of two codes on the average.

    The path goes over codes that are among the `_PATH_CODES` best of one of the T frames at least, and the one before.

    Args:
        scores: (T, K), log-probabilities but for a constant of each frame.
        embedding: (K, D).
        before: (1,) the code before the first; (0,) or None where there is none.
        stay_cost: (K,) of each frame that stays at a code; a change between two costs no less than to stay at the one
            that costs less, or they would take turns.
    """
    before = scores.new_zeros(0, dtype=torch.long) if before is None else before
    likely = torch.cat([scores.topk(min(_PATH_CODES, scores.shape[1]), -1).indices.flatten(), before]).unique()
    scores = scores[:, likely]
    codes = embedding[likely]
    cost = torch.cdist(codes, codes).square() * (transition_cost / _mean_squared_distance(embedding))
    if stay_cost is not None:
        stay_cost = stay_cost[likely]
        cost = torch.maximum(cost, torch.minimum(stay_cost[:, None], stay_cost))
    best = scores[0] if not len(before) else scores[0] - cost[likely == before[0]][0]
    came_from = []
    for score in scores[1:]:
        best, origin = (best[:, None] - cost).max(0)
        best = best + score
        came_from.append(origin)
    path = [best.argmax()]
    for origin in reversed(came_from):
        path.append(origin[path[-1]])
    return likely[torch.stack(path[::-1])]


def _mean_squared_distance(embedding: Tensor) -> float:
    """Of any two of the codes (K, D), themselves among them: twice their variance."""
    return max(2 * float(embedding.double().var(0, correction=0).sum()), 1e-12)


def decode_standing(
    scores: Tensor,
    embedding: Tensor,
    transition_cost: float,
    before: Tensor,
    codec: MotionCodec,
    conventions: Literal["released", "paper"],
    glide_cost: float,
) -> Tensor:
    """`decode_viterbi` for the lower body, by which nobody glides who stands.

    Where changes cost much, one code is held for long, and some codes of a step move the body for as long as they are
    held. To stay at a code that goes over the floor at v m/s costs `glide_cost` (v - 0.03) a frame. That is worked out
    for the codes alone that make up a quarter of a second of the path, which is searched again until they cost what
    they should.
    """
    stay_cost = scores.new_zeros(scores.shape[1])
    known: set[int] = set()
    while True:
        path = decode_viterbi(scores, embedding, transition_cost, before, stay_cost)
        codes, frames = path.unique(return_counts=True)
        held = set(codes[frames >= _HELD_FRAMES].tolist()) - known
        known |= held
        gliding = {code: codec.held_speed(code, conventions) - _STANDING_M_PER_S for code in held}
        gliding = {code: speed for code, speed in gliding.items() if speed > 0}
        if not gliding:
            return path
        for code, speed in gliding.items():
            stay_cost[code] = glide_cost * speed


def _scores(part: str, codec: MotionCodec, output: GeneratorOutput, config: GeneratorConfig) -> Tensor:
    """(1, T, K): logits, or nearness to the latent where the part's classes have no weight."""
    if config.class_weight[part] > 0:
        return output.logits[part]
    # In units of a code's distance to its neighbour.
    quantizer = codec.parts[part].quantizer
    between = quantizer.distances(quantizer.embedding.weight[None])[0].fill_diagonal_(torch.inf)
    return -quantizer.distances(output.latents[part]) / between.min(-1).values.median().clamp_min(1e-12)


def _perturb(scores: Tensor, part: str, sampler: Sampler, time: np.ndarray) -> Tensor:
    """(1, T, K) -> (1, T, K), the largest of which is a sample from their softmax."""
    if sampler.top_k is not None and sampler.top_k < scores.shape[-1]:
        least = scores.topk(sampler.top_k, -1).values[..., -1:]
        scores = scores.masked_fill(scores < least, -torch.inf)
    noise = _gumbel_noise(sampler.seed, NETWORK_PARTS.index(part), time, scores.shape[-1])
    return scores + sampler.temperature * noise.to(scores)


class SampleTime:
    """When each frame is in a sample's own time, from 0 up; in one unit the sample becomes another.

    Its time goes by with speech: faster where it is loud, hardly in pauses, and a quarter of a second ahead, for
    gestures begin before their words. So what the networks leave to chance moves with the voice and rests with it; by
    the clock, hands were as lively in pauses as in speech. Its mean speed in speech is 1.2 units a second. Loud is what
    is loud for the recording or, of a long one, for some minutes of it (see `emage.recording.features.STRETCH_S`), so
    a part of it alone is sampled otherwise. Where people speak less than a twentieth of the time, the noise behind them
    counts as loud.

    audio: (N,) at 16 kHz. Of it no more is looked at than is asked for.
    """

    def __init__(self, audio: np.ndarray):
        self._audio = audio
        self._heard = num_frames(len(audio))
        self._speeds = np.zeros(0)
        self._times = np.zeros(1)

    def between(self, start_frame: int, end_frame: int) -> np.ndarray:
        """(T,) of some frames. Those beyond the recording, and those without one so far ahead, are as the last one."""
        while len(self._times) < end_frame:
            first = len(self._times) - 1
            frames = np.arange(first, max(end_frame - 1, first + FPS)) + _LEAD_FRAMES
            frames = frames.clip(max=self._heard - 1)
            while len(self._speeds) <= frames[-1]:
                self._speeds = np.concatenate([self._speeds, self._of_stretch(len(self._speeds))])
            times = np.concatenate([self._times[-1:], self._speeds[frames]]).cumsum()
            self._times = np.concatenate([self._times, times[1:]])
        return self._times[start_frame:end_frame]

    def _of_stretch(self, start: int) -> np.ndarray:
        """The speeds in the stretch that begins at a frame, in units a frame."""
        length = STRETCH_S * FPS
        low, high = max(start - length, 0), min(start + 2 * length, self._heard)
        loudness = loudness_envelope(self._audio, low, high)
        loud = max(float(np.percentile(loudness, LOUD_PERCENTILE)), _LEAST_LOUDNESS)
        level = 1 + 20 * np.log10(np.maximum(loudness, 1e-3 * loud) / loud) / SPEECH_BELOW_LOUD_DB
        level = np.where(loudness < _LEAST_LOUDNESS, 0, level.clip(0, _MOST_LEVEL))
        speed = np.square(uniform_filter1d(level, _LOUDNESS_FRAMES))
        usual = speed[level > 0].mean() if (level > 0).any() else 1.0
        speed = _STEPS_PER_S / FPS * (speed / usual).clip(_STEP_SHARE_IN_PAUSES, None)
        return speed[start - low : start - low + length]


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
