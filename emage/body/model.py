"""The body that shows a motion: a SMPL-X file of the user's, or the free stand-in of assets/. Both go by the formulas
of `smplx`.

What a body applies of a motion:
- poses and trans always.
- the face always: expressions of another basis (FLAME's on the stand-in with its 52 ARKit actions, or the other way
  round) are taken over by the matrix of `emage.body.face`, once for a motion. Where the matrix cannot be had, such a
  face moves by its jaw alone, and a body says so once, as a warning of this module's logger: rendering calls a body
  from deep inside, where a Python warning would point to a line that its reader did not write.
- the first ten betas always: they are SMPL-X's on every body, and move the stand-in's joints as they move SMPL-X's. The
  others only where the motion's `expression_basis` is the body's own, for the stand-in's are shapes of our own.
- hand poses as they are: angles from the flat hand. On BEAT2's motion and on what the published weights make of speech
  the middle joints of the fingers stop at 0 rad (straight) and bend to 0.8. With SMPL-X's mean hand, which smplx adds
  unless told otherwise (0.76 rad there, 0.85 at the thumb's first joint), no finger would ever straighten; what needs
  it has `Body.from_file(path, flat_hand_mean=False)`.

The jaw has two ways to open. Joint 22 turns the lower jaw with teeth, tongue, lip and chin, on every body. The
stand-in's action jawOpen (expression 17) moves the same parts by a sculpted displacement, at 1 like a turn of 0.29 rad.
They add up: a motion uses one or the other. A face that comes from FLAME opens the mouth by jawOpen; of its turn of
joint 22 no more is left than the actions do not account for, next to nothing in BEAT2 and in what its networks make.
"""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from smplx.lbs import batch_rigid_transform, batch_rodrigues
from torch import Tensor

from emage.body.appearance import colors_of_eyes, find_face_landmarks, find_vertex_parts, read_vertex_colors
from emage.body.face import Face, FaceMapLoader, loader_of
from emage.body.landmarks import Landmarks, find_landmarks
from emage.body.rig import MOST_BENDS, Rig, name_expression
from emage.body.skin import Blend, Skin
from emage.body.smplx_file import EXTRA_ARRAYS, SmplxModel, make_smplx_model, read_smplx_file
from emage.body.soles import find_soles
from emage.download import fetch_file
from emage.errors import BodyError, WeightsError
from emage.motion import EXPRESSION_BASES, FLAME2020, Motion, say_basis
from emage.motion.skeleton import JAW_JOINT, NUM_BETAS, NUM_JOINTS

_log = logging.getLogger(__name__)

SMPLX_FILE_VARIABLE = "SMPLX_MODEL_PATH"
LICENCE_VARIABLE = "EMAGE_ACCEPT_SMPLX_LICENCE"
SMPLX_REPO = "H-Liu1997/emage_evaltools"
SMPLX_FILENAME = "smplx_models/smplx/SMPLX_NEUTRAL_2020.npz"
SMPLX_LICENCE = "SMPL-X model licence, non-commercial (https://smpl-x.is.tue.mpg.de/modellicense.html)"
STAND_IN_FILE = Path(__file__).resolve().parents[2] / "assets" / "smplx_stand_in.npz"

_CHUNK_FRAMES = 32
_POINTS_CHUNK_FRAMES = 256
_JOINTS_CHUNK_FRAMES = 1024
_JAW = slice(3 * JAW_JOINT, 3 * JAW_JOINT + 3)


@dataclass(frozen=True, eq=False)
class _Shown:
    """What a body applies of a motion's face.

    expressions: (T, 100) in the body's basis, None for none. jaw: (T, 3) in place of the motion's, None for that.
    """

    expressions: np.ndarray | None = None
    jaw: np.ndarray | None = None


class Body:
    """A SMPL-X body, evaluated in bounded memory.

    Attributes:
        name, licence: for people.
        faces: (F, 3) int32.
        vertex_parts: (V,) uint8, index into `DISJOINT_PARTS`: the part of the joint with the largest skinning weight;
            the front of the head, where expressions move it, is face too. The palms belong to the wrists and so to the
            upper body.
        vertex_colors: (V, 4) float32 RGBA in 0..1: a vertex's own colour, and how far it replaces its part's colour
            (0 on skin; 1 on eyes, teeth, tongue, ...).
        expression_basis: the basis of its own expressions (and of betas beyond the tenth).
        face_maps: for those of the other basis.
    """

    def __init__(
        self,
        model: SmplxModel,
        name: str,
        licence: str,
        expression_basis: str,
        vertex_colors: np.ndarray,
        face_maps: FaceMapLoader | None = None,
    ):
        self.face_maps = face_maps or loader_of()
        self.name = name
        self.licence = licence
        self.expression_basis = expression_basis
        self.vertex_colors = vertex_colors
        self.faces = model.faces.astype(np.int32)
        self._said_foreign = False
        with torch.inference_mode():
            self._template = model.v_template
            self._shape_columns = model.shapedirs.any(0).any(0).nonzero().flatten()  # betas that do anything
            self._shape_directions = model.shapedirs[:, :, self._shape_columns].clone()
            self._expressions = Blend.of(model.expr_dirs)
            self._correctives = Blend.of(model.posedirs)
            self._regressor = model.J_regressor
            self._joint_expressions = torch.einsum("jv,vik->kji", model.J_regressor, model.expr_dirs)
            self._weights = model.lbs_weights
            self._parents = model.parents
            self._pose_mean = model.pose_mean
        self.vertex_parts = find_vertex_parts(model)
        self._face_landmarks = find_face_landmarks(model)

    @classmethod
    def from_file(cls, path: str | Path, flat_hand_mean: bool = True, face_maps: FaceMapLoader | None = None) -> "Body":
        """Read a SMPL-X npz, or the stand-in's.

        Args:
            path: the npz; nothing in it is unpickled.
            flat_hand_mean: False adds the file's mean hand pose to the hands, as the published renderings of EMAGE do.
            face_maps: where the matrix comes from for faces of the other basis; by default from its authors.

        Raises:
            BodyError: not there, not an npz, damaged, or not of SMPL-X's layout.
        """
        path = Path(path)
        arrays = read_smplx_file(path)
        extras = {key: arrays.pop(key) for key in EXTRA_ARRAYS if key in arrays}
        model = make_smplx_model(arrays, flat_hand_mean)
        if "vertex_colors" in extras:
            colors = read_vertex_colors(path, extras["vertex_colors"], len(arrays["v_template"]))
        else:
            colors = colors_of_eyes(arrays)
        basis = str(extras.get("expression_basis", FLAME2020))
        if basis not in EXPRESSION_BASES:
            raise BodyError(f"{path.name}: its expression basis is '{basis}'; known are {EXPRESSION_BASES}.")
        name = str(extras.get("name", path.stem))
        return cls(model, name, str(extras.get("licence", SMPLX_LICENCE)), basis, colors, face_maps)

    def shows(self, expression_basis: str) -> bool:
        """Whether it shows the expressions of a basis, and not the jaw alone; may ask the Hub, see `face_maps`."""
        return expression_basis == self.expression_basis or self.face_maps.available() is not None

    def vertices(self, motion: Motion, start_frame: int = 0, end_frame: int | None = None) -> np.ndarray:
        """Vertices of the frames from `start_frame` to `end_frame`, end exclusive: (T, V, 3) float32, metres.

        All frames by default; indices as in a Python slice. Memory beyond the result does not grow with T.
        """
        return self.vertices_at(motion, _frames(motion, start_frame, end_frame))

    def vertices_at(self, motion: Motion, frames: np.ndarray) -> np.ndarray:
        """As `vertices`, of the frames (N,) alone."""
        shown = self._shown(motion)
        with torch.inference_mode():
            shaped, joints = self._shaped(motion)
            return self._skinned(motion, self._skin(shaped), joints, frames, shown, _CHUNK_FRAMES)

    def points(
        self, motion: Motion, vertices: np.ndarray, start_frame: int = 0, end_frame: int | None = None
    ) -> np.ndarray:
        """As `vertices`, of some of them (n,) alone, in their order: (T, n, 3) float32; a few cost little."""
        with torch.inference_mode():
            shaped, joints = self._shaped(motion)
            skin = self._skin(shaped).only(vertices)
            # Soles need no face of another basis, and no question to the Hub for it.
            needs_face = self._is_native(motion) or skin.is_of_face
            shown = self._shown(motion) if needs_face else _Shown()
            frames = _frames(motion, start_frame, end_frame)
            return self._skinned(motion, skin, joints, frames, shown, _POINTS_CHUNK_FRAMES)

    def soles(self, motion: Motion) -> np.ndarray:
        """Points spread over the soles of both feet, left foot first: (T, 2 * `SOLE_POINTS`, 3) float32, metres."""
        return self.points(motion, self._sole_vertices)

    @cached_property
    def landmarks(self) -> Landmarks:
        """The vertices that show the body in lines."""
        owners = self._weights.argmax(1).numpy()
        joints = (self._regressor @ self._template).numpy()
        return find_landmarks(self._template.numpy(), joints, owners, self._face_landmarks)

    @cached_property
    def _sole_vertices(self) -> np.ndarray:
        return find_soles(self._template.numpy(), self._weights.argmax(1).numpy())

    @property
    def skinning_weights(self) -> np.ndarray:
        """(V, 55) float32: how far each vertex goes with each joint, in shares that add up to 1."""
        return self._weights.numpy()

    @property
    def pose_mean(self) -> np.ndarray:
        """(165,) float32 axis-angle that is added to a motion's poses: 0 unless the hands have a mean of their own."""
        return self._pose_mean.numpy()

    def rig(self, betas: np.ndarray | None = None) -> Rig:
        """A person at rest, and what moves them.

        betas: (300,), those beyond the tenth in the basis of this body; the mean person by default.
        """
        with torch.inference_mode():
            shaped, joints = self._shape(np.zeros(NUM_BETAS, np.float32) if betas is None else betas)
            expressions = self._expressions.columns.numpy()
            bends = self._correctives if len(self._correctives.columns) <= MOST_BENDS else Blend.nothing()
            return Rig(
                vertices=shaped.numpy(),
                joints=joints.numpy(),
                weights=self.skinning_weights,
                expressions=expressions,
                names=tuple(name_expression(number, self.expression_basis) for number in expressions.tolist()),
                moved=self._expressions.vertices.numpy(),
                directions=self._expressions.directions.unflatten(1, (-1, 3)).numpy(),
                joint_directions=self._joint_expressions[self._expressions.columns].numpy(),
                bends=tuple((1 + column // 9, column % 9) for column in bends.columns.tolist()),
                bent=bends.vertices.numpy(),
                bend_directions=bends.directions.numpy().reshape(len(bends.columns), len(bends.vertices), 3),
            )

    def face(self, motion: Motion) -> Face:
        """The motion's face in the basis of this body. Raises BodyError where it cannot be taken over to it."""
        return self.face_maps.face(motion, self.expression_basis)

    def joints(self, motion: Motion, start_frame: int = 0, end_frame: int | None = None) -> np.ndarray:
        """Joints of the same frames: (T, 55, 3) float32, metres, in the order of `JOINT_NAMES`."""
        frames, shown = _frames(motion, start_frame, end_frame), self._shown(motion, say=False)
        result = np.empty((len(frames), NUM_JOINTS, 3), np.float32)
        with torch.inference_mode():
            _, rest = self._shaped(motion)
            for part, chunk in _chunks(frames, _JOINTS_CHUNK_FRAMES):
                posed, _, _ = self._posed_joints(motion, chunk, rest, shown)
                result[part] = posed + _rows(motion.trans, chunk)[:, None]
        return result

    def _shaped(self, motion: Motion) -> tuple[Tensor, Tensor]:
        """(V, 3) vertices and (55, 3) joints of the motion's person, before expression and pose."""
        return self._shape(motion.betas_in(self.expression_basis))

    def _shape(self, betas: np.ndarray) -> tuple[Tensor, Tensor]:
        shaped = self._template + self._shape_directions @ torch.from_numpy(betas)[self._shape_columns]
        return shaped, self._regressor @ shaped

    def _is_native(self, motion: Motion) -> bool:
        """Whether expressions, and betas beyond the tenth, are in this body's basis."""
        return motion.expression_basis == self.expression_basis

    def _shown(self, motion: Motion, say: bool = True) -> _Shown:
        """say: log what of the face is lost."""
        if self._is_native(motion):
            return _Shown(motion.expressions)
        if not motion.expressions.any():
            return _Shown()
        known = self.face_maps.available()
        if known is not None:
            face = known.face(motion, self.expression_basis)
            return _Shown(face.expressions, face.jaw)
        if say:
            self._say_what_is_lost(motion)
        return _Shown()

    def _say_what_is_lost(self, motion: Motion) -> None:
        """Once a body: that expressions of another basis are not shown."""
        if not self._said_foreign:
            self._said_foreign = True
            _log.warning(
                "The motion has %s, the body '%s' has %s: its face shows the jaw alone. %s The matrix that takes faces "
                "from one to the other could not be had: %s",
                say_basis(motion.expression_basis),
                self.name,
                say_basis(self.expression_basis),
                "Give a SMPL-X file to see them." if motion.expression_basis == FLAME2020 else "Use the stand-in.",
                self.face_maps.reason,
            )

    def _posed_joints(
        self, motion: Motion, frames: np.ndarray, rest: Tensor, shown: _Shown
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Posed joints (N, 55, 3) without trans, their transforms (N, 55, 4, 4), rotations (N, 55, 3, 3)."""
        poses = _rows(motion.poses, frames)
        if shown.jaw is not None:
            poses[:, _JAW] = _rows(shown.jaw, frames)
        poses = poses + self._pose_mean
        count = len(poses)
        rotations = batch_rodrigues(poses.reshape(-1, 3)).unflatten(0, (count, NUM_JOINTS))
        joints = rest.expand(count, -1, -1)
        if shown.expressions is not None:
            expressions = self._coefficients(shown.expressions, frames)
            joints = joints + torch.einsum("nk,kji->nji", expressions, self._joint_expressions)
        posed, transforms = batch_rigid_transform(rotations, joints, self._parents)
        return posed, transforms, rotations

    def _coefficients(self, expressions: np.ndarray, frames: np.ndarray) -> Tensor:
        return _rows(expressions, frames)[:, : len(self._joint_expressions)]

    def _skin(self, shaped: Tensor) -> Skin:
        return Skin(shaped, self._expressions, self._correctives, self._weights)

    def _skinned(
        self, motion: Motion, skin: Skin, joints: Tensor, frames: np.ndarray, shown: _Shown, at_once: int
    ) -> np.ndarray:
        """(N, V, 3) of the vertices of `skin` in frames (N,); joints (55, 3) at rest."""
        result = np.empty((len(frames), len(skin.shape), 3), np.float32)
        for part, chunk in _chunks(frames, at_once):
            self._pose(motion, chunk, skin, joints, shown, torch.from_numpy(result[part]))
        return result

    def _pose(
        self, motion: Motion, frames: np.ndarray, skin: Skin, joints: Tensor, shown: _Shown, result: Tensor
    ) -> None:
        """Write the vertices of a few frames into result (N, V, 3): the formula of `smplx.lbs.lbs`."""
        _, transforms, rotations = self._posed_joints(motion, frames, joints, shown)
        result[:] = skin.shape
        if shown.expressions is not None:
            skin.expressions.add_to(result, self._coefficients(shown.expressions, frames))
        skin.correctives.add_to(result, (rotations[:, 1:] - torch.eye(3)).flatten(1))
        blended = (skin.weights @ transforms[:, :, :3].flatten(2)).unflatten(2, (3, 4))  # (N, V, 3, 4)
        turned = torch.einsum("nvij,nvj->nvi", blended[..., :3], result)
        torch.add(turned, blended[..., 3] + _rows(motion.trans, frames)[:, None], out=result)


def load_body(
    smplx_file: str | Path | None = None, accept_smplx_licence: bool = False, face_maps: FaceMapLoader | None = None
) -> Body:
    """The body to draw with, which has its faces of the other basis from `face_maps`, see `Body.from_file`.

    Order: `smplx_file`, else the file in the environment variable SMPLX_MODEL_PATH; else, with consent to the SMPL-X
    licence (`accept_smplx_licence`, or EMAGE_ACCEPT_SMPLX_LICENCE=1), SMPLX_NEUTRAL_2020 from the Hub; else the
    stand-in. What was asked for is never replaced by something else.

    Raises:
        BodyError: the file is not usable, or the Hub does not give it.
    """
    named = smplx_file or os.environ.get(SMPLX_FILE_VARIABLE)
    if named:
        return Body.from_file(named, face_maps=face_maps)
    if accept_smplx_licence or _is_true(LICENCE_VARIABLE):
        try:
            path = fetch_file(SMPLX_REPO, SMPLX_FILENAME)
        except WeightsError as error:
            raise BodyError(
                f"SMPL-X could not be had from the Hub: {error} Or name a SMPL-X file of your own in "
                f"{SMPLX_FILE_VARIABLE}, or take back the consent to its licence for the free stand-in body."
            ) from error
        return Body.from_file(path, face_maps=face_maps)
    return Body.from_file(STAND_IN_FILE, face_maps=face_maps)


def _is_true(variable: str) -> bool:
    value = os.environ.get(variable, "").strip().lower()
    if value in ("1", "true", "yes"):
        return True
    if value in ("", "0", "false", "no"):
        return False
    raise BodyError(f"{variable} is '{value}'; set it to 1 to accept the SMPL-X licence, or to 0.")


def _frames(motion: Motion, start_frame: int, end_frame: int | None) -> np.ndarray:
    return np.arange(*slice(start_frame, end_frame).indices(motion.num_frames))


def _chunks(frames: np.ndarray, size: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Where each chunk lies in the result, and which frames of the motion it is."""
    for first in range(0, len(frames), size):
        chunk = frames[first : first + size]
        yield slice(first, first + len(chunk)), chunk


def _rows(array: np.ndarray, frames: np.ndarray) -> Tensor:
    """A copy of the rows of some frames."""
    return torch.from_numpy(array[frames].astype(np.float32, copy=False))
