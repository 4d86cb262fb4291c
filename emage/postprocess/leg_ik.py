"""A leg bent so that its ankle comes where it shall: inverse kinematics of two bones, with the smallest change.

The knee opens or closes about its own hinge, the x axis of the thigh, and only then the whole leg turns at the hip by
the smallest rotation that brings the ankle to its place: so the knee goes on pointing where it pointed.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from emage.postprocess.curves import continue_curve
from emage.postprocess.paths import Ties

STRAIGHT = 0.99
"""Of its whole length, a leg is not stretched beyond this share, unless it was before."""

KNEE_STIFFNESS = 3.0
"""It halves what knees do faster than some 4 times a second."""


@dataclass(frozen=True, eq=False)
class Leg:
    """One leg in T frames. Rotations are in the world; knee is relative to the thigh.

    thigh, knee: T rotations. upper, lower: (3,) from hip to knee in the thigh's axes, from knee to ankle in the shin's.
    """

    thigh: Rotation
    knee: Rotation
    upper: np.ndarray
    lower: np.ndarray

    @property
    def ankle(self) -> np.ndarray:
        """(T, 3) from the hip, metres."""
        return self.thigh.apply(self.upper + self.knee.apply(self.lower))

    @property
    def whole_length_m(self) -> np.ndarray:
        """(T,) from hip to ankle with the knee straight about its hinge."""
        along, amplitude, _ = self._hinge()
        return np.sqrt(np.maximum(self._square() + 2 * (along + amplitude), 0))

    @property
    def longest_m(self) -> np.ndarray:
        """(T,) from hip to ankle, as far as the leg may be stretched: as it was, or nearly straight."""
        return np.maximum(np.linalg.norm(self.ankle, axis=-1), STRAIGHT * self.whole_length_m)

    def reach(self, ankle: np.ndarray, kept: np.ndarray) -> "Leg":
        """The leg with its ankle at (T, 3) from the hip, or as near to it in that direction as it goes.

        kept: (T,) bool, frames in which the knee is not turned. One that is bent through backwards there comes forward
        by and by; elsewhere none stays so.
        """
        return self.bend(ankle, self.knee_turns(ankle, Ties.of(kept), np.zeros(0)))

    def knee_turns(self, ankle: np.ndarray, ties: Ties, before: np.ndarray) -> np.ndarray:
        """(T,) radians that the knee is turned by about its hinge for `reach`; before: (N,) those of the frames before.

        A leg that is nearly straight must bend by degrees to become shorter by a millimetre. What the knee is turned by
        is smoothed a little over time, lest it trembles: it is the ankle's place that gives way, by a millimetre or two
        along the leg.
        """
        along, amplitude, straight = self._hinge()
        length = np.minimum(np.linalg.norm(ankle, axis=-1), self.longest_m)
        cosine = (0.5 * (length**2 - self._square()) - along) / amplitude
        # Of the two ways to bend, the one of knees: shins go backwards.
        least = straight - 2 * np.maximum(straight, 0) * (1 - ties.near)
        turn = least + np.arccos(np.clip(cosine, -1, 1))
        turn = continue_curve(np.ones(len(turn)), turn, KNEE_STIFFNESS, ties.leash(0.0), before)
        return np.maximum(turn, least)

    def bend(self, ankle: np.ndarray, turn: np.ndarray) -> "Leg":
        """The leg with its knee turned by (T,) radians, and its ankle towards (T, 3) from the hip."""
        knee = Rotation.from_rotvec(turn[:, None] * (1.0, 0.0, 0.0)) * self.knee
        bent = self.thigh.apply(self.upper + knee.apply(self.lower))
        return Leg(_shortest_turn(bent, ankle) * self.thigh, knee, self.upper, self.lower)

    def frames(self, start: int, end: int) -> "Leg":
        return Leg(self.thigh[start:end], self.knee[start:end], self.upper, self.lower)

    def _square(self) -> float:
        return float(self.upper @ self.upper + self.lower @ self.lower)

    def _hinge(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """upper . (turned about x) lower as along + amplitude * cos(turn - straight), (T,) each."""
        lower = self.knee.apply(self.lower)
        along = self.upper[0] * lower[:, 0]
        cosine = lower[:, 1:] @ self.upper[1:]
        sine = lower[:, 1] * self.upper[2] - lower[:, 2] * self.upper[1]
        return along, np.hypot(cosine, sine), np.arctan2(sine, cosine)


def _shortest_turn(start: np.ndarray, end: np.ndarray) -> Rotation:
    """From directions (T, 3) to directions (T, 3)."""
    axis = np.cross(start, end)
    sine = np.linalg.norm(axis, axis=-1)
    angle = np.arctan2(sine, (start * end).sum(axis=-1))
    return Rotation.from_rotvec(axis * (angle / np.maximum(sine, 1e-12))[:, None])
