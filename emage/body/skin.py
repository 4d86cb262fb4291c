"""What moves the skin of a person: displacements that are linear in coefficients, and the joints' weights."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emage.motion.skeleton import EYE_JOINTS, JAW_JOINT

_FACE_JOINTS = (JAW_JOINT, *EYE_JOINTS)


@dataclass(frozen=True, eq=False)
class Blend:
    """Displacements that are linear in some coefficients and touch some vertices only.

    columns: (K,) indices of the coefficients that do anything; vertices: (n,) indices of vertices that move;
    directions: (K, n * 3).
    """

    columns: Tensor
    vertices: Tensor
    directions: Tensor

    @classmethod
    def of(cls, directions: Tensor) -> "Blend":
        """From (V, 3, C), mostly zeros or not."""
        touched = directions != 0
        columns = touched.any(1).any(0).nonzero().flatten()
        vertices = touched.any(2).any(1).nonzero().flatten()
        kept = directions[vertices][:, :, columns]
        return cls(columns, vertices, kept.flatten(0, 1).T.contiguous())

    @classmethod
    def nothing(cls) -> "Blend":
        none = torch.zeros(0, dtype=torch.int64)
        return cls(none, none, torch.zeros(0, 0))

    def only(self, vertices: Tensor) -> "Blend":
        """The same for some of the vertices (n,), numbered in their order."""
        place = torch.searchsorted(self.vertices, vertices).clamp_max(max(len(self.vertices) - 1, 0))
        if len(self.vertices) == 0:
            return self
        kept = (self.vertices[place] == vertices).nonzero().flatten()
        directions = self.directions.unflatten(1, (-1, 3))[:, place[kept]]
        return Blend(self.columns, kept, directions.flatten(1))

    def add_to(self, shape: Tensor, coefficients: Tensor) -> None:
        """Add, in place, what (N, C) coefficients do to (N, V, 3)."""
        if len(self.columns):
            offsets = (coefficients[:, self.columns] @ self.directions).unflatten(1, (-1, 3))
            shape.index_add_(1, self.vertices, offsets)


@dataclass(frozen=True, eq=False)
class Skin:
    """What moves some vertices of one person: shape (V, 3) before expression and pose, joints' weights (V, 55)."""

    shape: Tensor
    expressions: Blend
    correctives: Blend
    weights: Tensor

    def only(self, vertices: np.ndarray) -> "Skin":
        """The vertices (n,) alone, in their order."""
        chosen = torch.from_numpy(np.asarray(vertices, dtype=np.int64))
        blends = (blend.only(chosen) for blend in (self.expressions, self.correctives))
        return Skin(self.shape[chosen], *blends, self.weights[chosen])

    @property
    def is_of_face(self) -> bool:
        """Whether expressions or the jaw move any of it."""
        return len(self.expressions.vertices) > 0 or bool(self.weights[:, _FACE_JOINTS].any())
