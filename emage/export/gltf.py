"""A body, alone or moving, as glTF 2.0 (GLB): skin, faces as morph targets, and a motion as an animation.

What is in the file, and how its parts are called, is told in docs/exports.md; the page's stage reads the same file.

What glTF cannot tell, or tools do not read, is left out:
- pose correctives: the stage has them, see `body_glb`. Their weights go below 0, and Blender 4.5 cuts such off at that
  of the first frame. Without them the stand-in's skin is 0.2 mm off in the mean, at shoulders and forearms by 13 mm at
  most.
- a fifth joint and more of a vertex: many tools read four. Of the stand-in that moves 24 vertices, by 1 mm at most.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from emage import __version__
from emage.body import Body
from emage.body.rig import Rig
from emage.export.glb import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, GlbWriter
from emage.hints import GENERATED
from emage.motion import Motion
from emage.motion.rotations import axis_angle_to_matrix, axis_angle_to_quaternion
from emage.motion.skeleton import DISJOINT_PARTS, JAW_JOINT, JOINT_NAMES, NUM_JOINTS, PARENTS
from emage.render.settings import RenderSettings

CONTRACT = 1
"""Of node names, attributes and extras; the page's stage reads them."""
BODY_NODE, SKELETON_NODE = "body", "skeleton"

_INFLUENCES = 4
_LEAST_M = 1e-5
"""Where a morph target moves a vertex by less, or a joint's node would go less far, that is left out."""
_ROUGHNESS = 0.75


def body_glb(
    body: Body,
    betas: np.ndarray | None = None,
    part_colors: np.ndarray | None = None,
    part_materials: bool = False,
) -> bytes:
    """A body in the T-pose, without motion, for the page's stage.

    It has the vertices' own colours besides (`_OWN_COLOR`), to mix with those of the parts frame by frame, and the pose
    correctives (see `Rig`) as morph targets, such as `pose:left_shoulder:0`. `motion_glb` leaves both out: Blender 4.5
    fails at random on files with two attributes of a program's own.

    Args:
        body: mesh, skin and morph targets.
        betas: (300,) of the person, those beyond the tenth in the body's basis; the mean person by default.
        part_colors: (5, 3) sRGB in 0..1 in the order of `DISJOINT_PARTS`; by default all are generated.
        part_materials: a material for each part, named after it, in place of one.
    """
    return _Document(body, betas, part_colors, part_materials, for_stage=True).to_bytes()


def motion_glb(
    body: Body,
    motion: Motion,
    name: str = "take",
    part_colors: np.ndarray | None = None,
    part_materials: bool = False,
) -> bytes:
    """As `body_glb`, of the motion's person, with the motion as an animation of this name, at the motion's rate.

    Raises:
        BodyError: the face is in another basis, and cannot be taken over.
    """
    betas = motion.betas_in(body.expression_basis)
    document = _Document(body, betas, part_colors, part_materials, for_stage=False)
    document.animate(body, motion, name)
    return document.to_bytes()


def generated_colors() -> np.ndarray:
    """(5, 3) sRGB of parts that are generated, as in the videos."""
    return RenderSettings().part_colors(np.full(len(DISJOINT_PARTS), GENERATED))


class _Document:
    """Nodes 0 to 54 are the joints, 55 the skeleton that holds them, 56 the skinned body."""

    def __init__(
        self,
        body: Body,
        betas: np.ndarray | None,
        part_colors: np.ndarray | None,
        part_materials: bool,
        for_stage: bool,
    ):
        self._writer, self._for_stage = GlbWriter(), for_stage
        self._rig = rig = body.rig(betas)
        targets = [*rig.names, *(rig.bend_names if for_stage else ())]
        surface = _Surface.of(body, rig, generated_colors() if part_colors is None else part_colors)
        if part_materials:  # a triangle's part is that of two of its corners or more
            of_triangle = np.median(body.vertex_parts[body.faces], axis=1).astype(int)
            pieces = [(part, body.faces[of_triangle == i]) for i, part in enumerate(DISJOINT_PARTS)]
            pieces = [(name, faces) for name, faces in pieces if len(faces)]
        else:
            pieces = [(BODY_NODE, body.faces)]
        self._json: dict[str, Any] = {
            "asset": {
                "version": "2.0",
                "generator": f"emage {__version__}",
                "copyright": f"{body.name}: {body.licence}",
                "extras": {
                    "emage": {
                        "contract": CONTRACT,
                        "parts": DISJOINT_PARTS,
                        "expression_basis": body.expression_basis,
                        "expressions": rig.expressions.tolist(),
                    }
                },
            },
            "scene": 0,
            "scenes": [{"name": "scene", "nodes": [NUM_JOINTS, NUM_JOINTS + 1]}],
            "nodes": [
                *_joint_nodes(rig.joints),
                {"name": SKELETON_NODE, "children": [0]},
                {"name": BODY_NODE, "mesh": 0, "skin": 0},
            ],
            "skins": [
                {
                    "name": SKELETON_NODE,
                    "joints": list(range(NUM_JOINTS)),
                    "skeleton": 0,
                    "inverseBindMatrices": self._writer.add(_inverse_bind_matrices(rig.joints)),
                }
            ],
            "materials": [_material(name) for name, _ in pieces],
            "meshes": [
                {
                    "name": BODY_NODE,
                    "primitives": [
                        {**self._primitive(surface, faces), "material": number}
                        for number, (_, faces) in enumerate(pieces)
                    ],
                    "weights": [0.0] * len(targets),
                    "extras": {"targetNames": targets},
                }
            ],
        }
        if not targets:
            del self._json["meshes"][0]["weights"], self._json["meshes"][0]["extras"]

    def to_bytes(self) -> bytes:
        return self._writer.to_bytes(self._json)

    def _primitive(self, surface: "_Surface", faces: np.ndarray) -> dict[str, Any]:
        """The triangles (F, 3) with the vertices that they use."""
        rig, used = self._rig, np.unique(faces)
        count, add = len(used), self._writer.add
        corners = np.searchsorted(used, faces).reshape(-1)
        attributes = {
            "POSITION": add(rig.vertices[used], ARRAY_BUFFER, bounds=True),
            "NORMAL": add(surface.normals[used], ARRAY_BUFFER),
            "COLOR_0": add(surface.colors[used], ARRAY_BUFFER, normalized=True),
            "JOINTS_0": add(surface.joints[used], ARRAY_BUFFER),
            "WEIGHTS_0": add(surface.weights[used], ARRAY_BUFFER, normalized=True),
            "_PART": add(surface.parts[used], ARRAY_BUFFER),
        }
        if self._for_stage:
            attributes["_OWN_COLOR"] = add(surface.own_colors[used], ARRAY_BUFFER, normalized=True)
        primitive = {
            "attributes": attributes,
            "indices": add(corners.astype(np.uint16 if count < 0xFFFF else np.uint32), ELEMENT_ARRAY_BUFFER),
        }
        moves_by, targets = [(rig.moved, rig.directions)], []
        if self._for_stage:
            moves_by.append((rig.bent, rig.bend_directions))
        for moved, every_direction in moves_by:
            here = np.isin(moved, used)
            places = np.searchsorted(used, moved[here])
            for directions in every_direction[:, here]:
                moves = np.abs(directions).max(1, initial=0) > _LEAST_M
                targets.append({"POSITION": self._writer.add_sparse(count, places[moves], directions[moves])})
        return primitive | ({"targets": targets} if targets else {})

    def animate(self, body: Body, motion: Motion, name: str) -> None:
        rig, face = self._rig, body.face(motion)
        poses = motion.poses.reshape(-1, NUM_JOINTS, 3).astype(np.float64)
        poses[:, JAW_JOINT] = face.jaw
        turns = torch.from_numpy(poses + body.pose_mean.reshape(NUM_JOINTS, 3))
        coefficients = face.expressions[:, rig.expressions]
        shifts = rig.joint_shifts(axis_angle_to_matrix(turns).numpy(), coefficients)
        quaternions = _continuous(axis_angle_to_quaternion(turns).numpy()[..., [1, 2, 3, 0]])

        times: dict[int, int] = {}  # by their number, for an accessor that nobody uses is a fault
        samplers, channels = [], []

        def put(node: int, path: str, values: np.ndarray) -> None:
            """values: (T, ...) or, for what does not change, (1, ...)."""
            if len(values) not in times:
                moments = (np.arange(len(values)) / motion.fps).astype(np.float32)
                times[len(values)] = self._writer.add(moments, bounds=True)
            keys = times[len(values)]
            output = self._writer.add(values.reshape(-1, *values.shape[2:] if path == "weights" else values.shape[1:]))
            channels.append({"sampler": len(samplers), "target": {"node": node, "path": path}})
            samplers.append({"input": keys, "output": output, "interpolation": "LINEAR"})

        for joint in range(NUM_JOINTS):
            put(joint, "rotation", _shorten(quaternions[:, joint].astype(np.float32)))
            at_rest = self._json["nodes"][joint]["translation"]
            if joint == 0:
                put(joint, "translation", (at_rest + motion.trans + shifts[:, joint]).astype(np.float32))
            elif np.abs(shifts[:, joint]).max() > _LEAST_M:
                put(joint, "translation", (at_rest + shifts[:, joint]).astype(np.float32))
        if rig.names:
            put(NUM_JOINTS + 1, "weights", coefficients.astype(np.float32))
        self._json["animations"] = [{"name": name, "channels": channels, "samplers": samplers}]
        self._json["asset"]["extras"]["emage"]["fps"] = motion.fps


@dataclass(frozen=True, eq=False)
class _Surface:
    """What the vertices look like and hang on.

    normals: (V, 3) float32. colors: (V, 4) uint8, linear. joints: (V, 4) uint8, and weights: (V, 4) uint16, of which
    all add up to 65535. parts: (V,) float32, numbers in `DISJOINT_PARTS`. own_colors: (V, 4) uint8 as
    `Body.vertex_colors`, sRGB.
    """

    normals: np.ndarray
    colors: np.ndarray
    joints: np.ndarray
    weights: np.ndarray
    parts: np.ndarray
    own_colors: np.ndarray

    @classmethod
    def of(cls, body: Body, rig: Rig, part_colors: np.ndarray) -> "_Surface":
        own = body.vertex_colors
        mixed = part_colors[body.vertex_parts] * (1 - own[:, 3:]) + own[:, :3] * own[:, 3:]
        opaque = np.ones((len(own), 1))
        joints, weights = _strongest(rig.weights)
        return cls(
            _normals(rig.vertices, body.faces),
            _to_bytes(np.concatenate([_to_linear(mixed), opaque], axis=1)),
            joints,
            weights,
            body.vertex_parts.astype(np.float32),
            _to_bytes(own),
        )


def _joint_nodes(joints: np.ndarray) -> list[dict[str, Any]]:
    """joints: (55, 3) at rest."""
    nodes = []
    for joint, (name, parent) in enumerate(zip(JOINT_NAMES, PARENTS, strict=True)):
        offset = joints[joint] - (joints[parent] if parent >= 0 else 0)
        children = [child for child, above in enumerate(PARENTS) if above == joint]
        node = {"name": name, "translation": offset.tolist()}
        nodes.append(node | ({"children": children} if children else {}))
    return nodes


def _inverse_bind_matrices(joints: np.ndarray) -> np.ndarray:
    """(55, 4, 4) float32, transposed, for glTF stores columns."""
    matrices = np.tile(np.eye(4, dtype=np.float32), (len(joints), 1, 1))
    matrices[:, 3, :3] = -joints
    return matrices


def _material(name: str) -> dict[str, Any]:
    """White, for the colours are the vertices'; two-sided, as lashes and other open sheets need."""
    surface = {"metallicFactor": 0.0, "roughnessFactor": _ROUGHNESS}
    return {"name": name, "pbrMetallicRoughness": surface, "doubleSided": True}


def _strongest(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(V, 55) -> the four joints (V, 4) uint8 with the largest shares, and these (V, 4) uint16, their sum 65535."""
    joints = np.argsort(-weights, axis=1, kind="stable")[:, :_INFLUENCES]
    shares = np.take_along_axis(weights, joints, axis=1).astype(np.float64)
    whole = np.floor(shares / shares.sum(1, keepdims=True) * 0xFFFF).astype(np.int64)
    whole[:, 0] += 0xFFFF - whole.sum(1)
    return np.where(whole > 0, joints, 0).astype(np.uint8), whole.astype(np.uint16)


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) float32: the mean of the triangles' by their areas; upwards where a vertex has none."""
    a, b, c = vertices[faces].astype(np.float64).transpose(1, 0, 2)
    of_face = np.cross(b - a, c - a)
    normals = np.zeros((len(vertices), 3))
    for corner in range(3):
        np.add.at(normals, faces[:, corner], of_face)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.where(length > 0, normals / np.maximum(length, 1e-30), (0.0, 1.0, 0.0))
    return normals.astype(np.float32)


def _continuous(quaternions: np.ndarray) -> np.ndarray:
    """(T, J, 4) of either sign -> each of the sign that is nearer to the one before, so that nothing turns back."""
    signs = np.where((quaternions[1:] * quaternions[:-1]).sum(-1) < 0, -1.0, 1.0)
    quaternions = quaternions.copy()
    quaternions[1:] *= np.cumprod(signs, axis=0)[..., None]
    return quaternions


def _shorten(values: np.ndarray) -> np.ndarray:
    """(T, C), or its first row alone where all are the same."""
    return values[:1] if (values == values[0]).all() else values


def _to_linear(colors: np.ndarray) -> np.ndarray:
    """Of sRGB, both in 0..1."""
    return np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)


def _to_bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
