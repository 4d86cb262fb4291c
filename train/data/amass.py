"""Motion without sound into BEAT2's layout: AMASS (Mahmood et al., ICCV 2019), and what has its npz files.

Its people stand on z = 0, have the rotations of SMPL, SMPL-H or SMPL-X, no expressions, and fingers in some subsets
alone. Here they stand on y = 0, look along z in their first frame, as the people of BEAT2 do, and have 30 frames a
second. Rotations are taken over as they are: the bodies of these models differ in the length of bones by millimetres.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from emage.body import Body
from emage.errors import EmageError, MotionError
from emage.files import array_shapes, output_error, write_text
from emage.motion import FPS, Motion
from emage.motion.skeleton import PART_JOINTS, POSE_CHANNELS
from train.data.corpus import CHANNELS_FILE, SPLIT_FILE, CorpusClip, CorpusError
from train.data.partial import load_clip_motion

_UPRIGHT = Rotation.from_euler("x", -90, degrees=True)
"""z up -> y up."""
_STILL_RAD = 0.01
"""Fingers that never turn by more have not been captured."""


@dataclass(frozen=True)
class Conversion:
    """What came of a folder: ids of the clips, those of them without fingers, and what could not be read."""

    clips: tuple[str, ...]
    without_hands: tuple[str, ...]
    unreadable: dict[str, str]


def convert_amass(root: Path, out: Path, body: Body, least_frames: int) -> Conversion:
    """Make a corpus in BEAT2's layout of all motions in a folder, split train; what is there already stays.

    body: whose pelvis they are turned about. least_frames: at 30 a second; shorter ones are left out.

    Raises:
        CorpusError: there is none. OutputError: the disk is full.
    """
    files = [path for path in sorted(root.rglob("*.npz")) if _is_motion(path)]
    if not files:
        raise CorpusError(f"{root} holds no npz with poses and trans, as AMASS has them.")
    folder = out / "smplxflame_30"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    subjects = sorted({path.parent.relative_to(root) for path in files})
    clips, without_hands, unreadable = [], [], {}
    for path in tqdm(files, desc="Motions", unit=" motions"):
        subject = path.parent.relative_to(root)
        # A number first, as ids have it; nobody of them speaks.
        name = f"{subjects.index(subject)}_amass_{'_'.join([*subject.parts, path.stem])}"
        clip = re.sub(r"[^\w-]", "_", name, flags=re.ASCII)
        try:
            motion = _read(path, folder / f"{clip}.npz", body)
        except EmageError as error:
            unreadable[str(path.relative_to(root))] = str(error)
            continue
        if motion.num_frames >= least_frames:
            clips.append(clip)
            without_hands += [clip] if _stand_still(motion, PART_JOINTS["hands"]) else []
            if not (folder / f"{clip}.npz").is_file():
                motion.save(folder / f"{clip}.npz")
    if not clips:
        raise CorpusError(
            f"None of the {len(files)} motions in {root} can be used: {dict(list(unreadable.items())[:3])}"
        )
    lacking = {"missing": ["audio", "face"], "clips": {clip: ["hands"] for clip in without_hands}}
    write_text(out / CHANNELS_FILE, json.dumps(lacking, indent=1) + "\n")
    write_text(out / SPLIT_FILE, "id,type\n" + "".join(f"{clip},train\n" for clip in clips))
    return Conversion(tuple(clips), tuple(without_hands), unreadable)


def _is_motion(path: Path) -> bool:
    """Whether it has poses and a path; AMASS has files of shapes beside them. What is damaged is told later."""
    try:
        return {"poses", "trans"} <= set(array_shapes(path, MotionError))
    except MotionError:
        return True


def _read(path: Path, made: Path, body: Body) -> Motion:
    """As it was made before, or from its file."""
    if made.is_file():
        return Motion.load(made)
    widths = {66: ("face", "hands"), 72: ("face", "hands")}
    shape = array_shapes(path, MotionError).get("poses", ())
    missing = widths.get(shape[1] if len(shape) == 2 else 0, ("face",))
    return turn_upright(load_clip_motion(_AmassClip(path.parent, path.stem, "train", missing)), body).resample(FPS)


@dataclass(frozen=True)
class _AmassClip(CorpusClip):
    """A file that lies in no folder of a corpus."""

    @property
    def motion_file(self) -> Path:
        return self.corpus / f"{self.id}.npz"


def turn_upright(motion: Motion, body: Body) -> Motion:
    """The same with y up in place of z, looking along z in its first frame."""
    poses = motion.poses.astype(np.float64)
    root = _UPRIGHT * Rotation.from_rotvec(poses[:, :3])
    ahead = root[0].apply((0, 0, 1))
    turn = Rotation.from_euler("y", -np.arctan2(ahead[0], ahead[2]))
    poses[:, :3] = (turn * root).as_rotvec()
    # The translation moves a pelvis that is not at the origin at rest; the shape is that of the motion.
    at_rest = replace(motion.frames(0, 1), poses=np.zeros((1, POSE_CHANNELS)), trans=np.zeros((1, 3)))
    pelvis = body.joints(at_rest)[0, 0].astype(np.float64)
    trans = (turn * _UPRIGHT).apply(motion.trans + pelvis) - pelvis
    return replace(motion, poses=poses, trans=trans)


def _stand_still(motion: Motion, joints: Iterable[int]) -> bool:
    turns = motion.poses.reshape(motion.num_frames, -1, 3)[:, list(joints)]
    return bool(np.ptp(turns, axis=0).max() < _STILL_RAD)
