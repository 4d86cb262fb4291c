"""A SMPL-X file, read and checked array by array; nothing in it is unpickled."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emage.errors import BodyError
from emage.files import read_npz
from emage.motion.skeleton import (
    NUM_BETAS,
    NUM_EXPRESSIONS,
    NUM_JOINTS,
    PARENTS,
)

_log = logging.getLogger(__name__)

_MIN_VERTICES = 9930
"""smplx picks vertices by number, up to 9929."""
_POSE_BASIS = 9 * (NUM_JOINTS - 1)
_SHAPES = {  # what smplx needs of a SMPL-X file; None stands for any size from 1, V for the number of vertices
    "v_template": (None, 3),
    "f": (None, 3),
    "weights": ("V", NUM_JOINTS),
    "J_regressor": (NUM_JOINTS, "V"),
    "kintree_table": (2, NUM_JOINTS),
    "shapedirs": ("V", 3, None),
    "posedirs": ("V", 3, _POSE_BASIS),
    "hands_meanl": (45,),
    "hands_meanr": (45,),
    "hands_componentsl": (45, 45),
    "hands_componentsr": (45, 45),
    "lmk_faces_idx": (None,),
    "lmk_bary_coords": (None, 3),
}
EXTRA_ARRAYS = ("vertex_colors", "expression_basis", "name", "licence")  # the stand-in's own


def read_smplx_file(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a SMPL-X file, checked. Official files hold pickled dictionaries too; those are not touched."""
    if _is_folder(path):
        raise BodyError(f"{path} is a folder; name the file in it, such as SMPLX_NEUTRAL_2020.npz.")
    if path.suffix == ".pkl":
        raise BodyError(f"{path.name} is a pickle, which could run code; take the npz from the same SMPL-X download.")
    arrays = read_npz(path, BodyError, keys=(*_SHAPES, *EXTRA_ARRAYS))
    missing = [key for key in _SHAPES if key not in arrays]
    if missing:
        raise BodyError(
            f"{path.name} is no SMPL-X body: it lacks {', '.join(missing)}. Give SMPLX_NEUTRAL_2020.npz or another npz "
            "of SMPL-X v1.1 (SMPL, SMPL-H and FLAME files do not fit)."
        )
    count = arrays["v_template"].size // 3
    for key, expected in _SHAPES.items():
        _check_array(path, key, arrays[key], expected, count)
    _check_values(path, arrays)
    _check_directions(path, arrays["shapedirs"].shape[2])
    return arrays


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise BodyError(
            f"{path} cannot be looked at: {error.strerror}. Correct the path, or get the right to read the folders "
            "above it."
        ) from error


def _check_array(path: Path, key: str, array: np.ndarray, expected: tuple, count: int) -> None:
    sizes = [count if size == "V" else size for size in expected]
    fits = len(array.shape) == len(sizes) and all(
        got > 0 and size in (None, got) for size, got in zip(sizes, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("1 or more" if size is None else str(size) for size in sizes)
        raise BodyError(f"{path.name}: {key} has shape {array.shape}; in a SMPL-X file it is ({wanted}).")
    if array.dtype.kind not in "fiu" or not _is_finite(array):
        raise BodyError(f"{path.name}: {key} holds {array.dtype} values that are not all finite numbers. Get it anew.")


def _is_finite(array: np.ndarray) -> bool:
    """Whether all numbers are finite as float32, in which bodies are evaluated."""
    with np.errstate(over="ignore"):
        return bool(np.isfinite(array.astype(np.float32, copy=False)).all())


def _check_values(path: Path, arrays: dict[str, np.ndarray]) -> None:
    count = len(arrays["v_template"])
    if count < _MIN_VERTICES:
        raise BodyError(f"{path.name} has {count} vertices; smplx needs at least {_MIN_VERTICES}. SMPL-X has 10475.")
    faces = arrays["f"]
    if faces.min() < 0 or faces.max() >= count:
        raise BodyError(f"{path.name}: a triangle names vertex {faces.max()} of {count}. The file is damaged.")
    landmarks = arrays["lmk_faces_idx"]
    if len(landmarks) != len(arrays["lmk_bary_coords"]) or landmarks.min() < 0 or landmarks.max() >= len(faces):
        raise BodyError(f"{path.name}: its landmarks do not fit its triangles. The file is damaged.")
    if not np.array_equal(arrays["kintree_table"][0][1:].astype(np.int64), PARENTS[1:]):
        raise BodyError(f"{path.name}: its kinematic tree is not that of SMPL-X.")
    if not np.allclose(arrays["weights"].sum(1), 1, atol=1e-3):
        raise BodyError(f"{path.name}: the skinning weights of a vertex do not add up to 1. The file is damaged.")


def _check_directions(path: Path, columns: int) -> None:
    if columns >= NUM_BETAS + NUM_EXPRESSIONS:
        return
    if columns != 20:
        raise BodyError(
            f"{path.name} has {columns} shape directions; {NUM_BETAS} of shape and {NUM_EXPRESSIONS} of expression are "
            "needed. Give SMPLX_NEUTRAL_2020.npz."
        )
    _log.warning(
        "%s has only 10 shape and 10 expression directions: betas and expressions beyond the tenth are left out. Give "
        "SMPLX_NEUTRAL_2020.npz to see them.",
        path.name,
    )


@dataclass(frozen=True, eq=False)
class SmplxModel:
    """What SMPL-X computes a body from, named as in `smplx.SMPLX`; all but indices are float32.

    v_template: (V, 3). shapedirs, expr_dirs: (V, 3, 300) and (V, 3, 100), or 10 columns each. posedirs: (V, 3, 486),
    columns last as in the file. J_regressor: (55, V). lbs_weights: (V, 55). parents: (55,), -1 for the root. pose_mean:
    (165,). faces: (F, 3). lmk_faces_idx, lmk_bary_coords: (L,) and (L, 3).
    """

    v_template: Tensor
    shapedirs: Tensor
    expr_dirs: Tensor
    posedirs: Tensor
    J_regressor: Tensor
    lbs_weights: Tensor
    parents: Tensor
    pose_mean: Tensor
    faces: np.ndarray
    lmk_faces_idx: Tensor
    lmk_bary_coords: Tensor


def make_smplx_model(arrays: dict[str, np.ndarray], flat_hand_mean: bool) -> SmplxModel:
    """The model of checked arrays.

    `smplx.SMPLX` would unpickle whatever a file holds, and copies its 200 MB several times; its formulas are called
    with these.
    """
    directions = _tensor(arrays["shapedirs"])
    columns = 10 if directions.shape[2] == 20 else NUM_BETAS
    hands = torch.cat([_tensor(arrays["hands_meanl"]), _tensor(arrays["hands_meanr"])])
    parents = _tensor(arrays["kintree_table"][0], np.int64)
    parents[0] = -1
    return SmplxModel(
        v_template=_tensor(arrays["v_template"]),
        shapedirs=directions[:, :, :columns].contiguous(),
        expr_dirs=directions[:, :, columns : columns + NUM_EXPRESSIONS].contiguous(),
        posedirs=_tensor(arrays["posedirs"]),
        J_regressor=_tensor(arrays["J_regressor"]),
        lbs_weights=_tensor(arrays["weights"]),
        parents=parents,
        pose_mean=torch.cat([torch.zeros(3 * NUM_JOINTS - len(hands)), hands * (not flat_hand_mean)]),
        faces=arrays["f"],
        lmk_faces_idx=_tensor(arrays["lmk_faces_idx"], np.int64),
        lmk_bary_coords=_tensor(arrays["lmk_bary_coords"]),
    )


def _tensor(array: np.ndarray, dtype: type = np.float32) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype))
