"""Parts of the head that the bare mesh lacks: eyes, teeth, brows, lashes, and a tongue that can come out."""

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.spatial import cKDTree

from assets.stand_in.mesh import Part, carried, cross, grid_faces, neighbour_mean, one_joint, opaque, unit_rows
from assets.stand_in.source import SHAPE_DIRECTIONS
from emage.motion.skeleton import ARKIT_ACTIONS

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
        1 + grid_faces(len(EYE_RINGS_DEG), segments, closed=True),
        np.stack([np.full(segments, last), last - segments + following, last - segments + around], 1),
    ])  # fmt: skip
    points = np.array(points)
    return Part(
        points, faces, one_joint(len(points), f"{side}_eye"), carried(helper, directions, points),
        opaque(np.array(colors)),
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
    faces = grid_faces(len(rows), len(at))
    normals = np.cross(points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]])
    front = len(at) * 2 * 3 + len(at)  # a triangle of an incisor's outer face
    if normals[front, 2] < 0:
        faces = faces[:, ::-1]
    return Part(
        points, faces, one_joint(len(points), joint), carried(helper, directions, points),
        opaque(np.concatenate(colors)),
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
    faces = grid_faces(5, 24)
    triangle = points[faces[0]]
    if np.cross(triangle[1] - triangle[0], triangle[2] - triangle[0])[2] < 0:
        faces = faces[:, ::-1]
    return Part(
        points, faces, np.einsum("nk,nkj->nj", shares, skin.weights[corners]),
        np.einsum("nk,nkic->nic", shares, skin.directions[corners]),
        opaque(np.broadcast_to(BROW_COLOR, (len(points), 3))),
    )  # fmt: skip


def _below(skin: Part, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For points (n, 2) in x and y: corners (n, 3) and barycentric shares (n, 3) of the foremost triangle there."""
    triangles = skin.vertices[skin.faces]
    near = (triangles[:, :, 2].min(1) > 0.06) & (triangles[:, :, 1].min(1) > 0.6)
    faces, triangles = skin.faces[near], triangles[near]
    a, b, c = (triangles[:, i, :2] for i in range(3))
    area = cross(b - a, c - a)
    corners, shares = [], []
    for p in flat:
        share = np.stack([cross(b - p, c - p), cross(c - p, a - p), cross(a - p, b - p)], 1) / area[:, None]
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
    out = unit_rows((edge - eye) * [1, 0, 1])
    length = LASH_LENGTH_M * taper * (0.75 + 0.5 * t[:, None])
    opened, closed = (length * unit_rows(out + pointing) for pointing in (LASH_OPEN, LASH_CLOSED))
    tip_moves = edge_moves.copy()
    blink = len(SHAPE_DIRECTIONS) + ARKIT_ACTIONS.index(f"eyeBlink{side.capitalize()}")
    tip_moves[:, :, blink] += closed - opened
    clearance = LID_CLEARANCE_M * unit_rows(out - [0, 1, 0])
    start = edge + clearance + (rim - edge) * taper
    front = edge + LASH_ROOT_M * taper * (0.8 * out + [0, 1, 0])
    points = np.concatenate([start, edge + clearance, edge + clearance + opened, front])
    start_moves = edge_moves + (rim_moves - edge_moves) * taper[:, :, None]
    return Part(
        points, grid_faces(4, len(t)), one_joint(len(points), "head"),
        np.concatenate([start_moves, edge_moves, tip_moves, edge_moves]),
        opaque(np.broadcast_to(LASH_COLOR, (len(points), 3))),
    )  # fmt: skip


def _neighbours_nearest(skin: Part, ids: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Of each vertex's neighbours, the one that is nearest to the point (3,)."""
    links = neighbour_mean(skin.faces, len(skin.vertices))
    distance = np.linalg.norm(skin.vertices - point, axis=1)
    near = [links.indices[links.indptr[i] : links.indptr[i + 1]] for i in ids]
    return np.array([neighbours[distance[neighbours].argmin()] for neighbours in near])


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
        flattened, faces, one_joint(len(vertices), "jaw"), directions,
        opaque(TONGUE_ROOT + (TONGUE_TIP - TONGUE_ROOT) * shade),
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


# fmt: off
FACE_LANDMARKS: tuple[int, ...] = (
    16498, 16493, 16487, 16482, 16477, 16357, 16362, 16367, 16373, 16378,
    134, 5047, 201, 5038, 319, 275, 302, 7028, 7065,
    6743, 0, 54, 1080, 6755, 1068, 7756, 6822, 6768, 13323, 7744, 13335,
    425, 411, 409, 455, 7153, 7155, 7169, 7149, 7219, 492, 480, 405,
    425, 469, 520, 7209, 7169, 7250, 540, 519,
)
"""The 51 inner points of the common 68 (see emage/landmarks.py), as vertices of the body before it is dressed: found on
its coloured lips, its brows and the rims of its lids."""
# fmt: on
