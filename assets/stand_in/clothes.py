"""Clothes: a plain suit, a cap and shoes, so that nobody is undressed and a hint can be told from what is generated.

The suit has the colour of the body part, grey or blue; hands, neck and face are lighter, trims, cap and shoes darker.
All that differs are the regions of one closed mesh: it is cut along the lines between them, each region stands out by
its own thickness, and a hem joins it with its neighbour.

The soles are where SMPL-X's foot has its own: in the rest pose they slope. (On BEAT2's motion, over frames in which a
foot stands, the ground is pitched in the frame of the ankle by 2 to 3 degrees, in that of the ball by 8 to 9.)
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.sparse import eye_array
from scipy.sparse.linalg import spsolve

from assets.stand_in.mesh import Part, cut, neighbour_mean, taken, vertex_normals
from assets.stand_in.skeleton import Skeleton
from assets.stand_in.warp import SOLE_M, TOES_BEFORE_M, foot_axes, smooth_step
from emage.motion.skeleton import JOINT_NAMES, PART_JOINTS

HIND_PITCH_DEG, FORE_PITCH_DEG = 2.5, 8.5
LOWEST_SOLE_M = -1.302
"""Height of its tip..."""
SOLE_BEFORE_M = 0.0785
"""...which lies so far before the ball, for the toe cap is round."""
SIDES = ("left", "right")


@dataclass(frozen=True)
class Cloth:
    """How a region looks: how far it stands out, and RGBA, where alpha tells how far it replaces the part's colour."""

    thickness_m: float
    color: tuple[float, float, float, float]


DARK = (0.07, 0.09, 0.14)
REGIONS = BARE, SUIT, TRIM, CAP, BAND, SHOE, SOLE = tuple(range(7))
CLOTHS = {
    SUIT: Cloth(0.0045, (0.5, 0.5, 0.5, 0.0)),
    TRIM: Cloth(0.0055, (*DARK, 0.45)),
    CAP: Cloth(0.0050, (*DARK, 0.62)),
    BAND: Cloth(0.0075, (*DARK, 0.45)),
    SHOE: Cloth(0.0020, (*DARK, 0.72)),
    SOLE: Cloth(0.0060, (0.93, 0.93, 0.94, 0.75)),
}
BARE_TINT, BARE_ALPHA = np.array((0.98, 0.91, 0.85)), 0.5
"""Of hands, neck and face, over the colour of the part."""

CUFF_M, COLLAR_M = 0.022, 0.020
"""Widths of the trims at wrists and neck."""
CAP_LINE = PchipInterpolator(
    [-0.14, -0.12, -0.08, -0.04, 0.0, 0.06, 0.12], [0.266, 0.277, 0.302, 0.325, 0.336, 0.346, 0.350]
)
"""Height of the cap's edge by z: over the brow and the ears, down to the nape."""
CAP_BAND_M = 0.016
OUTSOLE_M, SHOE_TOP_M = 0.013, -1.205


def dressed(body: Part, skeleton: Skeleton) -> tuple[Part, np.ndarray]:
    """The body on SMPL-X's bones in its clothes, and where its vertices come from (n,): -1 for new ones."""
    count = len(body.vertices)
    body = replace(body, weights=_foot_weights(body, skeleton))
    for side in SIDES:
        body = _with_toe_cap(body, skeleton, side)
    body = replace(body, vertices=_on_soles(body, skeleton))
    for line in _lines(skeleton):
        body = cut(body, line(body))
    regions = _regions(body, skeleton)
    body = replace(body, vertices=_smoothed(body, regions, skeleton))
    body, ids = _tailored(body, regions)
    return body, np.where(ids < count, ids, -1)


# --- shoes ------------------------------------------------------------------------------------------------------------


def sole_height(points: np.ndarray, skeleton: Skeleton, side: str) -> np.ndarray:
    """(n,) height of a foot's sole under points (n, 3): a plane under the heel, a steeper one before the ball."""
    reach = points[:, 2] - skeleton.joint(f"{side}_foot")[2]
    hind, fore = np.tan(np.radians([HIND_PITCH_DEG, FORE_PITCH_DEG]))
    return LOWEST_SOLE_M + fore * SOLE_BEFORE_M - np.where(reach > 0, fore, hind) * reach


def _of_foot(part: Part, side: str) -> np.ndarray:
    """(n,) whether a vertex belongs to a foot."""
    return part.weights[:, [JOINT_NAMES.index(f"{side}_{joint}") for joint in ("ankle", "foot")]].sum(1) > 0.5


BEND_M = 0.022
"""Half the length over which a shoe bends at its ball."""


def _before_ball(points: np.ndarray, skeleton: Skeleton, side: str) -> np.ndarray:
    """(n,) 0 to 1, how much points (n, 3) of a foot turn with its ball."""
    along, _ = foot_axes(side)
    return smooth_step(0.5 + (points - skeleton.joint(f"{side}_foot")) @ along / (2 * BEND_M))


def _foot_weights(part: Part, skeleton: Skeleton) -> np.ndarray:
    """Weights in which the foot bends at SMPL-X's ball, which lies farther back than Anny's."""
    weights = part.weights.copy()
    for side in SIDES:
        ankle, ball = (JOINT_NAMES.index(f"{side}_{joint}") for joint in ("ankle", "foot"))
        fore = _before_ball(part.vertices, skeleton, side)
        both = weights[:, ankle] + weights[:, ball]
        weights[:, ball], weights[:, ankle] = both * fore, both * (1 - fore)
    return weights


TOE_CAP_FROM_M, TOE_RINGS, TOE_HEIGHT_M = -0.012, 14, 0.040
"""Where the toe cap begins before the ball of the foot, of how many rings it is made, and its height."""


def _with_toe_cap(part: Part, skeleton: Skeleton, side: str) -> Part:
    """The toes replaced by a round cap that goes on from the cut through the foot."""
    along, across = foot_axes(side)
    start = skeleton.joint(f"{side}_foot") + along * TOE_CAP_FROM_M
    foot = _of_foot(part, side)
    part = cut(part, np.where(foot, (part.vertices - start) @ along, -1.0))
    reach = np.where(np.r_[foot, np.full(len(part.vertices) - len(foot), False)], (part.vertices - start) @ along, -1)
    new = np.arange(len(foot), len(part.vertices))
    reach[new] = 0
    is_toe = (reach[part.faces] > 1e-6).any(1)
    rim = _rim(part.faces[~is_toe], np.flatnonzero(np.abs(reach) < 1e-6))
    faces = part.faces[~is_toe]
    low, high = part.vertices[rim, 1].min(), part.vertices[rim, 1].max()
    sideways = (part.vertices[rim] - start) @ across
    middle, half = (sideways.min() + sideways.max()) / 2, np.ptp(sideways) / 2
    height, width = (part.vertices[rim, 1] - low) / (high - low), (sideways - middle) / half
    # Drawn out towards a box with round edges, as a toe cap is.
    full = np.maximum((np.abs(2 * height - 1) ** 3 + np.abs(width) ** 3) ** (1 / 3), 1e-6)
    length = TOES_BEFORE_M - TOE_CAP_FROM_M
    rings, points = np.sin(np.linspace(0, 1, TOE_RINGS + 1)[1:-1] * np.pi / 2) * 0.995, []
    for share in rings:
        boxy = 1 / full ** min(1.0, 3 * share)
        close = (1 - share**3.5) ** 0.5
        tall = (high - low) + share * (TOE_HEIGHT_M - (high - low))
        up = low + tall * (0.3 + close * (0.5 + (height - 0.5) * boxy - 0.3))
        out = middle * (1 - 0.6 * share) + half * 1.02 * close * width * boxy
        points.append(start * [1, 0, 1] + along * length * share + across * out[:, None] + up[:, None] * [0, 1, 0])
    tip = start * [1, 0, 1] + along * length + across * middle * 0.4 + np.array([0, low + 0.3 * TOE_HEIGHT_M, 0])
    return _grown(replace(part, faces=faces), rim, np.array([*points]), tip, skeleton, side)


def _rim(faces: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """The closed line of border edges through vertices `ids`, in the order in which the faces walk it."""
    edges = np.concatenate([faces[:, [i, (i + 1) % 3]] for i in range(3)])
    edges = edges[np.isin(edges, ids).all(1)]
    walked = {(int(a), int(b)) for a, b in edges}
    following = {a: b for a, b in walked if (b, a) not in walked}
    line = [next(iter(following))]
    while (after := following[line[-1]]) != line[0]:
        line.append(after)
    assert len(line) == len(following), "the cut through the foot is one line"
    return np.array(line)


def _grown(part: Part, rim: np.ndarray, rings: np.ndarray, tip: np.ndarray, skeleton: Skeleton, side: str) -> Part:
    """The part with rings (R, n, 3) and a tip (3,) closed over its open rim (n,)."""
    count, old = len(rim), len(part.vertices)
    ids = np.concatenate([rim[None], old + np.arange(rings.shape[0] * count).reshape(-1, count)])
    following = np.roll(ids, -1, axis=1)
    # The rim is walked by the faces behind it, so the new ones walk it the other way round.
    quads = [
        np.stack([ids[:-1], ids[1:], following[:-1]], -1).reshape(-1, 3),
        np.stack([following[:-1], ids[1:], following[1:]], -1).reshape(-1, 3),
    ]
    last = old + rings.shape[0] * count
    fan = np.stack([ids[-1], np.full(count, last), following[-1]], -1)
    of = np.r_[np.tile(rim, len(rings)), rim[0]]
    vertices = np.concatenate([part.vertices, rings.reshape(-1, 3), tip[None]])
    weights = np.concatenate([part.weights, part.weights[of]])
    ankle, ball = (JOINT_NAMES.index(f"{side}_{joint}") for joint in ("ankle", "foot"))
    fore = _before_ball(vertices[old:], skeleton, side)
    weights[old:] = 0
    weights[old:, ball], weights[old:, ankle] = fore, 1 - fore
    directions = np.concatenate([part.directions, part.directions[of]])
    colors = np.concatenate([part.colors, part.colors[of]])
    return Part(vertices, np.concatenate([part.faces, *quads, fan]), weights, directions, colors)


def _on_soles(part: Part, skeleton: Skeleton) -> np.ndarray:
    """Vertices with feet that stood flat on `SOLE_M` now on the sloping soles, and the foot's arch filled."""
    vertices = part.vertices.copy()
    for side in SIDES:
        foot = part.weights[:, [JOINT_NAMES.index(f"{side}_{name}") for name in ("knee", "ankle", "foot")]].sum(1) > 0.5
        height = vertices[foot, 1] - SOLE_M
        down = vertex_normals(part.vertices, part.faces)[foot, 1] < -0.35
        height = np.where(down & (height < 0.04), np.minimum(height, 0.0), np.maximum(height, 0.0))
        rise = sole_height(vertices[foot], skeleton, side) - SOLE_M
        vertices[foot, 1] = SOLE_M + height + rise * smooth_step(1 - height / 0.12)
    return vertices


# --- where the cloth is cut -------------------------------------------------------------------------------------------


def _lines(skeleton: Skeleton) -> list[Callable[[Part], np.ndarray]]:
    """Fields over vertices whose zero lines part the regions."""
    lines = []
    for side in SIDES:
        lines += [lambda part, side=side, back=back: _hand(part, skeleton, side, back) for back in (0.0, CUFF_M)]
        lines += [lambda part, side=side: _shoe(part, side), lambda part, side=side: _outsole(part, skeleton, side)]
    lines += [lambda part, beyond=beyond: _waist(part) - beyond for beyond in WAIST_WEIGHTS]
    lines += [lambda part, below=below: _neck(part) + below for below in (0.0, COLLAR_M)]
    lines += [lambda part, above=above: _cap(part) - above for above in (0.0, CAP_BAND_M)]
    return lines


def _share(part: Part, *joints: str) -> np.ndarray:
    return part.weights[:, [JOINT_NAMES.index(joint) for joint in joints]].sum(1)


def _hand(part: Part, skeleton: Skeleton, side: str, back: float) -> np.ndarray:
    """Positive towards the hand from a place on the forearm, `back` metres from the cuff's edge."""
    fingers = [name for name in JOINT_NAMES if name.startswith(side) and name[-1].isdigit()]
    arm = _share(part, f"{side}_elbow", f"{side}_wrist", *fingers) > 0.5
    elbow, wrist = skeleton.joint(f"{side}_elbow"), skeleton.joint(f"{side}_wrist")
    along = (wrist - elbow) / np.linalg.norm(wrist - elbow)
    return np.where(arm, (part.vertices - wrist) @ along + 0.014 + back, -1.0)


def _shoe(part: Part, side: str) -> np.ndarray:
    """Positive in the shoe."""
    leg = _share(part, f"{side}_knee", f"{side}_ankle", f"{side}_foot") > 0.5
    return np.where(leg, SHOE_TOP_M - part.vertices[:, 1], -1.0)


def _outsole(part: Part, skeleton: Skeleton, side: str) -> np.ndarray:
    """Positive in the sole of the shoe."""
    foot = _share(part, f"{side}_ankle", f"{side}_foot") > 0.5
    return np.where(foot, sole_height(part.vertices, skeleton, side) + OUTSOLE_M - part.vertices[:, 1], -1.0)


WAIST_WEIGHTS = (-0.03, 0.03)


def _waist(part: Part) -> np.ndarray:
    """Positive where the lower body begins: there its colour begins too, within an even line."""
    return part.weights[:, PART_JOINTS["lower"]].max(1) - part.weights[:, PART_JOINTS["upper"]].max(1)


def _neck(part: Part) -> np.ndarray:
    """Positive above the collar, which is higher at the nape."""
    x, y, z = part.vertices.T
    height = y - (0.158 - 0.36 * (z + 0.02))
    return np.where(np.abs(x) < 0.105, height, -1.0)


def _cap(part: Part) -> np.ndarray:
    """Positive under the cap; only skin wears one."""
    _, y, z = part.vertices.T
    bare = (_share(part, "head") > 0.5) & (part.colors[:, 3] < 0.5)
    return np.where(bare, y - CAP_LINE(np.clip(z, -0.14, 0.12)), -1.0)


def _regions(part: Part, skeleton: Skeleton) -> np.ndarray:
    """(m,) the region of each triangle, by its middle."""
    middles = replace(
        part,
        vertices=part.vertices[part.faces].mean(1), weights=part.weights[part.faces].mean(1),
        colors=part.colors[part.faces].mean(1),
    )  # fmt: skip
    regions = np.full(len(part.faces), SUIT)
    for side in SIDES:
        regions[_hand(middles, skeleton, side, CUFF_M) > 0] = TRIM
        regions[_hand(middles, skeleton, side, 0.0) > 0] = BARE
        regions[_shoe(middles, side) > 0] = SHOE
        regions[_outsole(middles, skeleton, side) > 0] = SOLE
    regions[_neck(middles) + COLLAR_M > 0] = TRIM
    regions[_neck(middles) > 0] = BARE
    regions[_cap(middles) > 0] = BAND
    regions[_cap(middles) > CAP_BAND_M] = CAP
    return regions


# --- sewing -----------------------------------------------------------------------------------------------------------

SMOOTHING_ROUNDS = {SUIT: 20, CAP: 8, SHOE: 12}
CHEST_RADIUS_M = 0.095
"""Around the foremost point of each half of the chest a suit hides the body's forms."""
_TRUNK = ("pelvis", "spine1", "spine2", "spine3", "left_hip", "right_hip", "left_collar", "right_collar")


def _smoothed(part: Part, regions: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Vertices (n, 3) with the details of the skin gone under cloth; arms and lower legs stay as they are."""
    mean = neighbour_mean(part.faces, len(part.vertices))
    vertices = _with_plain_chest(part, regions)
    trunk = smooth_step(_share(part, *_TRUNK))
    for share, of, rounds in (
        (trunk, [SUIT], SMOOTHING_ROUNDS[SUIT]),
        (np.ones(len(vertices)), [CAP], SMOOTHING_ROUNDS[CAP]),
        (np.ones(len(vertices)), [SHOE, SOLE], SMOOTHING_ROUNDS[SHOE]),
    ):  # fmt: skip
        free = np.isin(np.arange(len(vertices)), part.faces[np.isin(regions, of)])
        free[part.faces[~np.isin(regions, of)].ravel()] = False
        for _ in range(rounds):
            vertices = vertices + 0.5 * (share * free)[:, None] * (mean @ vertices - vertices)
    return _with_level_soles(part, vertices, regions, skeleton)


def _with_plain_chest(part: Part, regions: np.ndarray) -> np.ndarray:
    """Vertices with cloth stretched over each half of the chest, from what is around it."""
    vertices = part.vertices.copy()
    cloth = np.unique(part.faces[regions == SUIT])
    rough = (eye_array(len(vertices)) - neighbour_mean(part.faces, len(vertices))).tocsr()
    for sign in (1, -1):
        front = cloth[(sign * vertices[cloth, 0] > 0.03) & (np.abs(vertices[cloth, 1] + 0.05) < 0.1)]
        tip = vertices[front[np.argmax(vertices[front, 2])]]
        near = np.flatnonzero(np.linalg.norm(vertices - tip, axis=1) < CHEST_RADIUS_M)
        inside = np.intersect1d(near, cloth)
        fixed = np.setdiff1d(np.arange(len(vertices)), inside)
        rows = rough[inside]
        vertices[inside] = spsolve(rows[:, inside].tocsc(), -(rows[:, fixed] @ vertices[fixed]))
    return vertices


def _with_level_soles(part: Part, vertices: np.ndarray, regions: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Vertices with the underside of each shoe back in the plane of its sole, and the edge above it level."""
    vertices = vertices.copy()
    edge = np.intersect1d(part.faces[regions == SHOE], part.faces[regions == SOLE])
    under = np.setdiff1d(part.faces[regions == SOLE], edge)
    for side in SIDES:
        foot = _of_foot(part, side)
        for ids, height in ((edge[foot[edge]], OUTSOLE_M), (under[foot[under]], 0.0)):
            vertices[ids, 1] = sole_height(vertices[ids], skeleton, side) + height
    return vertices


def _tailored(part: Part, regions: np.ndarray) -> tuple[Part, np.ndarray]:
    """The part with each region standing out by its thickness and joined to its neighbours by hems; and the vertex of
    `part` (n,) that each of its vertices was."""
    normals = vertex_normals(part.vertices, part.faces)
    count = len(part.vertices)
    corners = part.faces + count * regions[:, None]
    hems = _hems(part.faces, regions, count)
    pairs, faces = np.unique(corners, return_inverse=True)
    thickness = np.zeros(len(REGIONS))
    for region, cloth in CLOTHS.items():
        thickness[region] = cloth.thickness_m
    # A hem has vertices of its own, so that it is no part of the round of the regions that it joins.
    seams, hem_faces = np.unique(hems.reshape(-1, 2), axis=0, return_inverse=True)
    ids = np.concatenate([pairs, seams[:, 0]]) % count
    region, color_of = (np.concatenate([pairs // count, part_of]) for part_of in (seams[:, 0] // count, seams[:, 1]))
    colors = part.colors[ids].copy()
    bare = (color_of == BARE) & (colors[:, 3] < 1)
    colors[bare] = _over_bare(colors[bare])
    for each, cloth in CLOTHS.items():
        colors[color_of == each] = cloth.color
    faces = np.concatenate([faces.reshape(-1, 3), len(pairs) + hem_faces.reshape(-1, 3)])
    sewn = taken(part, ids, faces)
    out = thickness[region][:, None] * normals[ids] * np.where(region == SOLE, 0.0, 1.0)[:, None] ** [0, 1, 0]
    return replace(sewn, vertices=sewn.vertices + out, colors=colors), ids


def _over_bare(colors: np.ndarray) -> np.ndarray:
    """Lips, lids and the like (n, 4) laid over the light tint of bare skin."""
    share = colors[:, 3:]
    alpha = share + (1 - share) * BARE_ALPHA
    rgb = (colors[:, :3] * share + BARE_TINT * (1 - share) * BARE_ALPHA) / alpha
    return np.concatenate([rgb, alpha], axis=1)


def _hems(faces: np.ndarray, regions: np.ndarray, count: int) -> np.ndarray:
    """(h, 3, 2) triangles between the two copies of each edge that parts two regions.

    A corner is vertex + count * the region whose copy it is, and the region that the hem has its colour of: the one
    that stands out more.
    """
    starts, ends = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    of = np.repeat(regions, 3)
    walked = {
        edge: region
        for *edge, region in zip(starts.tolist(), ends.tolist(), of.tolist(), strict=True)
        for edge in [tuple(edge)]
    }
    hems = []
    for (start, end), here in walked.items():
        there = walked.get((end, start), here)
        if start < end and here != there:
            color = max(here, there, key=lambda region: CLOTHS[region].thickness_m if region in CLOTHS else 0.0)
            a, b, c, d = (vertex + count * region for region in (here, there) for vertex in (start, end))
            hems += [[(b, color), (a, color), (c, color)], [(b, color), (c, color), (d, color)]]
    return np.array(hems)
