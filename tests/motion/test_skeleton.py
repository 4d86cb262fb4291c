"""The channel ranges, against the counts of the published data and weights."""

from emage.motion import skeleton


def test_tree():
    assert len(skeleton.JOINT_NAMES) == len(skeleton.PARENTS) == skeleton.NUM_JOINTS == 55
    assert len(set(skeleton.JOINT_NAMES)) == 55
    assert all(parent < joint for joint, parent in enumerate(skeleton.PARENTS))
    assert skeleton.JOINT_NAMES[skeleton.JAW_JOINT] == "jaw"
    assert [skeleton.JOINT_NAMES[j] for j in skeleton.CONTACT_JOINTS] == [
        "left_ankle", "right_ankle", "left_foot", "right_foot",
    ]  # fmt: skip
    for joint in skeleton.PART_JOINTS["right_hand"]:
        assert skeleton.JOINT_NAMES[joint].startswith("right_")


def test_parts_share_out_all_joints_but_the_eyes():
    for parts in (skeleton.NETWORK_PARTS, skeleton.DISJOINT_PARTS):
        joints = [joint for part in parts for joint in skeleton.PART_JOINTS[part]]
        assert sorted(joints) == [joint for joint in range(55) if joint not in skeleton.EYE_JOINTS]


def test_part_widths_are_the_published_ones():
    assert skeleton.PART_CHANNELS == {"face": 106, "upper": 78, "hands": 180, "lower": 61}
    for part in ("upper", "hands"):
        assert len(skeleton.rotation_channels(skeleton.PART_JOINTS[part])) == skeleton.PART_CHANNELS[part]


def test_hint_channels():
    assert [len(skeleton.hint_channels(part)) for part in skeleton.HINT_PARTS] == [6, 78, 180, 90, 90, 61]
    assert skeleton.hint_channels("face") == list(range(132, 138))
    assert skeleton.hint_channels("lower")[-7:] == list(range(330, 337))
    leaves = [channel for part in skeleton.DISJOINT_PARTS for channel in skeleton.hint_channels(part)]
    assert sorted(leaves) == [c for c in range(337) if not 138 <= c < 150]  # all but the eyes
    assert {skeleton.disjoint_part_of_joint(joint) for joint in range(55)} == set(skeleton.DISJOINT_PARTS)
