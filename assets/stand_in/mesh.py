"""Pieces of mesh, and what is done with triangles."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array, diags_array

from emage.motion.skeleton import JOINT_NAMES


@dataclass(frozen=True)
class Part:
    """A piece of the body: n vertices with all that the npz needs of them.

    Attributes: vertices (n, 3); faces (m, 3), indices into this part; weights (n, 55); directions (n, 3, K): shape
    directions, then face actions; colors (n, 4): RGB and how far it replaces the colour of the body part.
    """

    vertices: np.ndarray
    faces: np.ndarray
    weights: np.ndarray
    directions: np.ndarray
    colors: np.ndarray


def carried(vertices: np.ndarray, directions: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Displacements (m, 3, K) of new points that move with a nearly rigid group: the affine map that fits it best."""
    basis = np.c_[vertices, np.ones(len(vertices))]
    solution = np.linalg.lstsq(basis, directions.reshape(len(vertices), -1), rcond=None)[0]
    return (np.c_[new, np.ones(len(new))] @ solution).reshape(len(new), 3, -1)


def grid_faces(rows: int, columns: int, closed: bool = False) -> np.ndarray:
    """Triangles of a rows x columns grid of vertices, its columns joined into a ring if `closed`."""
    row, column = np.meshgrid(np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij")
    following = (column + 1) % columns
    a, b = row * columns + column, row * columns + following
    c, d = a + columns, b + columns
    return np.stack([np.stack([a, c, b], -1), np.stack([b, c, d], -1)], axis=2).reshape(-1, 3)


def edges_of(faces: np.ndarray) -> np.ndarray:
    """(e, 2) each edge of the triangles once, its smaller vertex first."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return np.unique(np.sort(edges, axis=1), axis=0)


def neighbour_mean(faces: np.ndarray, count: int) -> csr_array:
    """(count, count) matrix that gives each vertex the mean of those it shares an edge with."""
    edges = edges_of(faces)
    links = csr_array((np.ones(2 * len(edges)), np.r_[edges, edges[:, ::-1]].T), shape=(count, count))
    return diags_array(1 / np.maximum(links.sum(1), 1)) @ links


def one_joint(count: int, joint: str) -> np.ndarray:
    weights = np.zeros((count, 55))
    weights[:, JOINT_NAMES.index(joint)] = 1
    return weights


def opaque(colors: np.ndarray) -> np.ndarray:
    return np.c_[colors, np.ones(len(colors))]


def submesh(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The vertices (n,) that triangles use, and the triangles by the places of their vertices among those."""
    ids, places = np.unique(faces, return_inverse=True)
    return ids, places.reshape(faces.shape)


def joined(parts: list[Part]) -> Part:
    starts = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    return Part(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)]),
        *(np.concatenate([getattr(part, key) for part in parts]) for key in ("weights", "directions", "colors")),
    )


def turn_about(points: np.ndarray, joint: np.ndarray) -> np.ndarray:
    """(n, 3) velocity of points that turn about the x axis through `joint`, one radian a second."""
    offset = points - joint
    return np.stack([0 * offset[:, 0], -offset[:, 2], offset[:, 1]], axis=1)


def cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(n,) z of the cross product of vectors in the plane."""
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


_PER_VERTEX = ("vertices", "weights", "directions", "colors")


def extended(part: Part, corners: np.ndarray, shares: np.ndarray) -> Part:
    """The part with more vertices: each the mean of `corners` (k, c), weighted by `shares` (k, c) that sum to 1."""
    more = {
        name: np.concatenate([(own := getattr(part, name)), np.einsum("kc,kc...->k...", shares, own[corners])])
        for name in _PER_VERTEX
    }
    return replace(part, **more)


def taken(part: Part, ids: np.ndarray, faces: np.ndarray) -> Part:
    """The vertices `ids` (k,) of a part, with repeats where wanted; `faces` count among those."""
    return replace(part, faces=faces, **{name: getattr(part, name)[ids] for name in _PER_VERTEX})


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(n, 3) unit normals, each the mean over its triangles by their area."""
    a, b, c = vertices[faces].transpose(1, 0, 2)
    sums = np.zeros_like(vertices)
    for corner in faces.T:
        np.add.at(sums, corner, np.cross(b - a, c - a))
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)


SNAP = 0.2
"""A cut that would pass a corner within this share of an edge passes through the corner."""


def cut(part: Part, field: np.ndarray) -> Part:
    """The part with triangles split where `field` (n,) changes its sign, so that edges lie along its zero line.

    New vertices come behind the old ones. A corner close to the line is moved onto it.
    """
    value = field.astype(np.float64).copy()
    edges = edges_of(part.faces)
    first, second = edges[value[edges[:, 0]] * value[edges[:, 1]] < 0].T
    at = value[first] / (value[first] - value[second])
    moved = {}
    for start, end, share in zip(first, second, at, strict=True):
        if share < SNAP:
            moved.setdefault(start, (end, share))
        elif share > 1 - SNAP:
            moved.setdefault(end, (start, 1 - share))
    snapped = np.array(list(moved), dtype=int)
    if len(snapped):
        others = np.array([moved[i][0] for i in snapped])
        share = np.array([moved[i][1] for i in snapped])
        vertices = part.vertices.copy()
        vertices[snapped] += share[:, None] * (part.vertices[others] - part.vertices[snapped])
        part = replace(part, vertices=vertices)
        value[snapped] = 0
    crossing = value[first] * value[second] < 0
    first, second = first[crossing], second[crossing]
    at = value[first] / (value[first] - value[second])
    middle = {
        (i, j): len(part.vertices) + k for k, (i, j) in enumerate(zip(first.tolist(), second.tolist(), strict=True))
    }
    faces = []
    crossed = np.sort(value[part.faces], axis=1)
    is_split = (crossed[:, 0] < 0) & (crossed[:, 2] > 0)
    for face in part.faces[is_split].tolist():
        faces.extend(_split(face, value, middle))
    kept = np.concatenate([part.faces[~is_split], np.array(faces, dtype=int).reshape(-1, 3)])
    return replace(extended(part, np.stack([first, second], 1), np.stack([1 - at, at], 1)), faces=kept)


def _split(face: list[int], value: np.ndarray, middle: dict[tuple[int, int], int]) -> list[list[int]]:
    """The triangles of one triangle that the line passes through; `middle` gives the new vertex on each edge."""
    around = []
    for i in range(3):
        here, after = face[i], face[(i + 1) % 3]
        around.append(here)
        between = middle.get((min(here, after), max(here, after)))
        if between is not None:
            around.append(between)
    # Walk from a vertex on the line, so that the two sides come apart.
    on_line = [i for i, vertex in enumerate(around) if vertex >= len(value) or value[vertex] == 0]
    start, end = on_line[0], on_line[1]
    one, other = around[start : end + 1], [*around[end:], *around[: start + 1]]
    return [[side[0], side[i], side[i + 1]] for side in (one, other) for i in range(1, len(side) - 1)]
