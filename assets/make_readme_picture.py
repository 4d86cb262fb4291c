"""Draw assets/readme.png: `python -m assets.make_readme_picture`. The poses are set by hand."""

from pathlib import Path

import numpy as np
from PIL import Image

from emage.body import load_body
from emage.motion import ARKIT52, Motion
from emage.render import Actor, RenderSettings, render_frames
from emage.skeleton import ARKIT_ACTIONS, JOINT_NAMES, LEAF_PARTS, NUM_BETAS

PICTURE = Path(__file__).parent / "readme.png"

# Axis-angle in radians: x bends forward, y turns, z raises the left arm and lowers the right one.
ARMS_DOWN = {"left_shoulder": (0, 0, -1.2), "right_shoulder": (0, 0, 1.2)}
EXPLAINING = ARMS_DOWN | {
    "left_shoulder": (0, -0.5, -0.95),
    "left_elbow": (0.2, -1.5, 0.2),
    "left_wrist": (-0.7, 0, 0.1),
    "right_shoulder": (0, 0.45, 1.0),
    "right_elbow": (0.2, 1.35, -0.2),
    "right_wrist": (-0.7, 0, -0.1),
    "head": (0.02, 0.12, 0.05),
    "jaw": (0.14, 0, 0),
}
POINTING = ARMS_DOWN | {
    "right_shoulder": (0, 0.9, 0.45),
    "right_elbow": (0, 0.35, 0),
    "left_shoulder": (0.2, 0, -1.15),
    "left_elbow": (0, -0.5, 0),
    "spine3": (0, 0.15, 0),
    "head": (-0.05, -0.1, 0),
    "jaw": (0.08, 0, 0),
    "left_hip": (-0.15, 0, 0.08),
    "left_knee": (0.25, 0, 0),
}
SHRUGGING = ARMS_DOWN | {
    "left_collar": (0, 0, 0.15),
    "right_collar": (0, 0, -0.15),
    "left_shoulder": (0, -0.1, -1.05),
    "right_shoulder": (0, 0.1, 1.05),
    "left_elbow": (-0.3, -1.75, 0.5),
    "right_elbow": (-0.3, 1.75, -0.5),
    "left_wrist": (-1.2, 0, 0),
    "right_wrist": (-1.2, 0, 0),
    "head": (0, 0, 0.2),
}
BENT_FINGERS = 0.35


def main() -> None:
    body = load_body()
    looks = [
        ("everything generated", EXPLAINING, {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5, "browInnerUp": 0.4}, ()),
        ("upper body and hands pinned", POINTING, {"browOuterUpLeft": 0.5}, ("upper", "left_hand", "right_hand")),
        ("legs and path pinned", SHRUGGING, {"mouthShrugLower": 0.5, "browInnerUp": 0.9}, ("lower",)),
    ]
    actors = [
        Actor(body, pose(joints, actions), np.array([[leaf in pinned for leaf in LEAF_PARTS]]), caption)
        for caption, joints, actions, pinned in looks
    ]
    settings = RenderSettings(panel_width=480, panel_height=640, samples=8)
    (frame,) = render_frames(actors, settings)
    Image.fromarray(frame).save(PICTURE, optimize=True)


def pose(joints: dict[str, tuple[float, float, float]], actions: dict[str, float]) -> Motion:
    """One frame from joint turns and ARKit actions."""
    poses = np.zeros((1, len(JOINT_NAMES), 3))
    for name, turn in joints.items():
        poses[0, JOINT_NAMES.index(name)] = turn
    for i, name in enumerate(JOINT_NAMES):
        if name[:-1].endswith(("index", "middle", "ring", "pinky")) and not name.startswith("right_index"):
            poses[0, i, 2] = -BENT_FINGERS if name.startswith("left") else BENT_FINGERS
    expressions = np.zeros((1, 100))
    for action, value in actions.items():
        expressions[0, ARKIT_ACTIONS.index(action)] = value
    return Motion(poses.reshape(1, -1), expressions, np.zeros((1, 3)), np.zeros(NUM_BETAS), expression_basis=ARKIT52)


if __name__ == "__main__":
    main()
