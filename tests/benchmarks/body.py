"""How the stand-in stands on SMPL-X's joints: `EMAGE_SHARED=../shared python -m tests.benchmarks.body [OTHER.npz]`.

Prints where each joint rests in SMPL-X, in another body file if one is named, and in the stand-in, with its distance
from SMPL-X's; the lowest sole; and over the real clip in EMAGE_SHARED, with its speaker's betas: how the slowest joint
of the feet moves, how far the lowest sole is from the clip's floor in contact frames, and how flat the soles lie.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from emage.body import Body
from emage.body.model import STAND_IN_FILE
from emage.generation.settings import GROUNDED
from emage.motion import Motion
from emage.motion.skeleton import CONTACT_JOINTS, JOINT_NAMES, NUM_BETAS, NUM_JOINTS, PARENTS
from emage.postprocess.contacts import floor_height
from tests.conftest import ROOT
from tests.stages import translate

STANDS_M = 0.002
"""A joint that moves less in a frame stands."""
SOLE_PITCH_DEG = {"ankle": 2.5, "foot": 8.5}
"""Of the stand-in's soles in the rest frame, toes down."""


def rest_joints(body: Body, betas: np.ndarray) -> np.ndarray:
    """(55, 3)."""
    still = Motion(np.zeros((1, 3 * NUM_JOINTS)), np.zeros((1, 100)), np.zeros((1, 3)), betas)
    return body.joints(still)[0]


def smplx_joints(betas: np.ndarray) -> dict[str, np.ndarray]:
    facts = json.loads((ROOT / "tests/body/smplx_neutral.json").read_text("utf-8"))["joints"]
    return {name: np.array(of["rest"]) + np.array(of["betas"]) @ betas[:10] for name, of in facts.items()}


def turns(motion: Motion) -> np.ndarray:
    """(T, 55, 3, 3) rotation of each joint in the room."""
    own = Rotation.from_rotvec(motion.poses.reshape(-1, 3)).as_matrix().reshape(-1, NUM_JOINTS, 3, 3)
    for joint in range(1, NUM_JOINTS):
        own[:, joint] = own[:, PARENTS[joint]] @ own[:, joint]
    return own


def print_joints(bodies: list[Body]) -> None:
    goals = smplx_joints(np.zeros(NUM_BETAS))
    found = [rest_joints(body, np.zeros(NUM_BETAS)) for body in bodies]
    print("joint, SMPL-X and each body: x y z in mm, distance from SMPL-X's")
    for joint, name in enumerate(JOINT_NAMES):
        cells = [] if name not in goals else ["{:5.0f} {:5.0f} {:5.0f}".format(*(1e3 * goals[name]))]
        for joints in found:
            away = np.linalg.norm(joints[joint] - goals[name]) * 1e3 if name in goals else np.nan
            cells.append("{:5.0f} {:5.0f} {:5.0f} {:6.2f}".format(*(1e3 * joints[joint]), away))
        print(f"  {name:15s} " + " | ".join(cells))


def print_clip(name: str, body: Body, motion: Motion) -> None:
    speed = np.linalg.norm(np.diff(body.joints(motion)[:, CONTACT_JOINTS].astype(np.float64), axis=0), axis=-1)
    stands = speed < STANDS_M
    print(f"{name}: slowest joint of the feet {1e3 * np.median(speed.min(1)):.2f} mm a frame in the median")
    grounded = translate(motion, GROUNDED, lambda: body)
    for how, shown in (("as captured", motion), ("grounded", grounded)):
        soles = body.soles(shown)
        lowest = soles[:-1, :, 1].min(1)[stands.any(1)] - floor_height(soles)
        print(
            f"  {how}: lowest sole within 15 mm of the floor in {100 * np.mean(np.abs(lowest) < 0.015):.0f} % of frames"
        )
    up = turns(motion)[:, CONTACT_JOINTS, 1]  # of the room, in each joint's rest frame
    for i, joint in enumerate(CONTACT_JOINTS):
        pitch = np.degrees(np.arctan2(up[:-1, i, 2], up[:-1, i, 1]))[stands[:, i]]
        own = SOLE_PITCH_DEG[JOINT_NAMES[joint].split("_")[1]]
        print(f"  {JOINT_NAMES[joint]}: ground pitched by {np.median(pitch):.1f} degrees, our sole by {own}")


def main() -> None:
    files = [*map(Path, sys.argv[1:]), STAND_IN_FILE]
    bodies = [Body.from_file(file) for file in files]
    print_joints(bodies)
    for file, body in zip(files, bodies, strict=True):
        template = Motion(np.zeros((1, 165)), np.zeros((1, 100)), np.zeros((1, 3)), np.zeros(NUM_BETAS))
        print(f"{file.name}: lowest sole at {1e3 * body.vertices(template)[0, :, 1].min():.1f} mm")
    shared = Path(os.environ.get("EMAGE_SHARED", ROOT.parent / "shared"))
    motion = Motion.load(shared / "data" / "beat2" / "2_scott_0_1_1.npz")
    goals = smplx_joints(motion.betas)
    away = [np.linalg.norm(rest_joints(bodies[-1], motion.betas)[JOINT_NAMES.index(n)] - goals[n]) for n in goals]
    print(f"with the clip's betas joints within {1e3 * max(away):.2f} mm of SMPL-X's")
    for file, body in zip(files, bodies, strict=True):
        print_clip(file.name, body, replace(motion))


if __name__ == "__main__":
    main()
