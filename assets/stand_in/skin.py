"""The skin: how it follows the joints, and its colours."""

from pathlib import Path

import numpy as np
from PIL import Image

from assets.stand_in.mesh import neighbour_mean
from assets.stand_in.source import MESH_SIZE, MPFB, SEGMENTATION, AnnySource
from emage.motion.skeleton import JOINT_NAMES


def softened(weights: np.ndarray, faces: np.ndarray, joints: tuple[str, ...], rounds: int) -> np.ndarray:
    """Weights (n, 55) averaged with their neighbours' around the given joints: wide bends where joints are big.

    The sum of weights stays 1. Elsewhere (fingers, face, feet) nothing changes.
    """
    near = weights[:, [JOINT_NAMES.index(name) for name in joints]].max(1) > 0.02
    mean = neighbour_mean(faces, len(weights))
    result = weights.copy()
    for _ in range(rounds):
        result[near] = 0.5 * result[near] + 0.5 * (mean @ result)[near]
    return result


def sculpted_jaw(weights: np.ndarray, turned: np.ndarray, opened: np.ndarray, angle: float) -> np.ndarray:
    """Weights (n, 55) in which the jaw's share of the head's skin is what the sculpted action jawOpen moves.

    jawOpen is close to a turn of the jaw by `angle` about its joint. A vertex that it moves (`opened`) as far as that
    turn would (`turned`, per radian) has share 1.
    """
    share = np.clip((opened * turned).sum(1) / np.maximum((turned**2).sum(1), 1e-6) / angle, 0, 1)
    share = np.clip((share - 0.04) / 0.92, 0, 1)
    head, jaw = JOINT_NAMES.index("head"), JOINT_NAMES.index("jaw")
    result = weights.copy()
    movable = result[:, head] + result[:, jaw]
    result[:, jaw] = movable * share
    result[:, head] = movable * (1 - share)
    return result


def _mask(source: AnnySource, path: Path, color: tuple[int, int, int] | None = None) -> np.ndarray:
    """(19158,) value in 0..1 of a texture mask at each vertex, or 1 where a picture has `color`."""
    picture = np.asarray(Image.open(path).convert("RGB")).astype(float)
    value = picture[:, :, 0] / 255 if color is None else (np.abs(picture - color).max(2) < 12).astype(float)
    uv = source.uv_of_vertices()
    row = np.clip(((1 - uv[:, 1]) * value.shape[0]).astype(int), 0, value.shape[0] - 1)
    column = np.clip((uv[:, 0] * value.shape[1]).astype(int), 0, value.shape[1] - 1)
    return np.where(uv[:, 0] >= 0, value[row, column], 0)


def skin_colors(source: AnnySource) -> np.ndarray:
    """(19158, 4) lips, rims of the lids, sockets, inside of the mouth; alpha 0 on plain skin."""
    colors = np.tile([0.8, 0.65, 0.57, 0.0], (MESH_SIZE, 1))

    def paint(where: np.ndarray, color: tuple[float, float, float], alpha: float) -> None:
        colors[where > 0.02, :3] = color
        colors[:, 3] = np.where(where > 0.02, alpha * where, colors[:, 3])

    textures = MPFB / "textures"
    parts = SEGMENTATION / "body_parts_segmentation.png"
    paint(_mask(source, textures / "mpfb_lips.jpg"), (0.70, 0.36, 0.35), 0.55)
    paint(_mask(source, textures / "mpfb_eyelids.jpg"), (0.45, 0.28, 0.24), 0.35)
    for color in ((253, 249, 16), (249, 108, 136)):
        paint(_mask(source, parts, color), (0.62, 0.36, 0.34), 0.8)
    paint(_mask(source, parts, (112, 172, 255)), (0.30, 0.09, 0.09), 1.0)
    return colors
