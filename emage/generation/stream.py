"""Motion as it is made: the codes of window after window become motion, with the frames that no later code changes.

What comes after decoding (smoothing, locks, grounding) goes on in the same manner: see `emage.postprocess.following`;
`EmagePipeline.stream` is all of it.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from emage.generation.windows import WindowResult
from emage.models.codec import MotionCodec, RootIntegrator
from emage.models.parts import Parts
from emage.motion import Motion
from emage.motion.skeleton import NUM_BETAS

_PIECE_FRAMES = 512


def stream_codes(results: Iterable[WindowResult]) -> Iterator[Parts[Tensor]]:
    """The codes (1, T) of window after window; what they were chosen from is let go."""
    for result in results:
        yield result.codes


def split_codes(codes: Parts[Tensor]) -> Iterator[Parts[Tensor]]:
    """The codes (1, T) of a whole motion in pieces, so that decoding takes no more memory where it is longer."""
    for start in range(0, codes.face.shape[1], _PIECE_FRAMES):
        yield codes.map(lambda index, start=start: index[:, start : start + _PIECE_FRAMES])


class DecodeStage:
    """Codes (1, T) of each part in pieces -> motion in pieces, of which each frame waits for the codes that it depends
    on.

    Args:
        codec: in eval mode.
        start_position: (3,) metres; the path starts at its x and z.
        conventions, expression_basis: see `GeneratorConfig`.
        betas: (300,) of the person; zeros by default.
    """

    def __init__(
        self,
        codec: MotionCodec,
        start_position: np.ndarray,
        conventions: Literal["released", "paper"],
        expression_basis: str,
        betas: np.ndarray | None = None,
    ):
        self._codec, self._conventions, self._basis = codec, conventions, expression_basis
        self._betas = np.zeros(NUM_BETAS) if betas is None else betas
        self._root = RootIntegrator(torch.tensor(np.asarray(start_position), dtype=torch.float64)[None])
        self._codes: Parts[Tensor] | None = None
        self._start = self._done = 0

    def push(self, codes: Parts[Tensor]) -> Motion | None:
        known = self._codes
        self._codes = codes if known is None else Parts.of(lambda part: torch.cat([known[part], codes[part]], 1))
        return self._settle(self._start + self._codes.face.shape[1] - self._codec.reach_frames)

    def finish(self) -> Motion | None:
        return None if self._codes is None else self._settle(self._start + self._codes.face.shape[1])

    @torch.inference_mode()
    def _settle(self, end: int) -> Motion | None:
        if end <= self._done:
            return None
        decoded = self._codec.decode_frames(self._codes, self._conventions)
        kept = slice(self._done - self._start, end - self._start)
        trans = self._root.integrate(decoded.root_velocity[:, kept].cpu())
        motion = Motion(
            poses=decoded.poses[0, kept].cpu().numpy(),
            expressions=decoded.expressions[0, kept].cpu().numpy(),
            trans=trans[0].numpy(),
            betas=self._betas,
            expression_basis=self._basis,
        )
        past = max(end - self._codec.reach_frames - self._start, 0)
        self._codes = self._codes.map(lambda codes: codes[:, past:].clone())
        self._start, self._done = self._start + past, end
        return motion
