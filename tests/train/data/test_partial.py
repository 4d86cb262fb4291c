"""Clips that are not whole: how they are read, what the cache makes of them, and how corpora are mixed."""

import json
import shutil
from collections import Counter

import numpy as np
import pytest
import torch

from emage.errors import MotionError
from emage.motion import ARKIT52, Motion
from emage.motion.rotations import axis_angle_to_rotation_6d
from emage.motion.skeleton import CONTACT_JOINTS, CONTACTS, PART_JOINTS, TRANSLATION, rotation_channels
from tests.conftest import make_motion, rest
from train.data.building import build_cache
from train.data.channels import CHANNELS, WHOLE_BODY, flags_of, unknown_columns
from train.data.corpus import CorpusClip, CorpusError, list_clips
from train.data.examination import Fault, examine_clips
from train.data.partial import load_clip_motion, stand_on_floor
from train.data.windows import Windows


def test_what_clips_lack_is_in_the_cache_at_rest(partial_cache, motions, body):
    clips = {clip.id: clip for clip in partial_cache.clips}
    faceless, legless, silent = clips["21_ann_0_1_1"], clips["41_ann_0_1_1"], clips["900_walk"]
    assert [clip.missing for clip in (faceless, legless, silent)] == [
        ("face",),
        ("lower", "translation"),
        ("audio", "face"),
    ]
    assert [clip.corpus for clip in (faceless, legless, silent)] == [0, 1, 2]
    assert (partial_cache.speakers, partial_cache.num_corpora) == ((21, 23, 41, 43), 3)
    assert partial_cache.expression_basis == ARKIT52
    assert silent.speaker == 0

    truth, identity = motions["1_ann_0_1_1"], [1, 0, 0, 0, 1, 0]
    rotations = axis_angle_to_rotation_6d(torch.from_numpy(truth.poses.astype(np.float64)))
    for clip, joints in ((faceless, (22, 23, 24)), (legless, PART_JOINTS["lower"])):
        made = partial_cache.motion[clip.rows]
        at_rest = rotation_channels(joints)
        np.testing.assert_array_equal(made[:, at_rest], np.tile(identity, (clip.num_frames, len(joints))))
        others = [channel for channel in range(330) if channel not in at_rest]
        np.testing.assert_allclose(made[:, others], rotations[:, others], atol=1e-6)
    assert not partial_cache.expressions[faceless.rows].any()
    assert partial_cache.expressions[legless.rows].any()
    made = partial_cache.motion[legless.rows]
    assert not made[:, [TRANSLATION.start, TRANSLATION.stop - 1]].any()
    assert np.ptp(made[:, TRANSLATION.start + 1]) < 1e-6
    assert 0.7 < made[0, TRANSLATION.start + 1] < 1.5
    assert not made[:, CONTACTS].any()
    np.testing.assert_allclose(partial_cache.motion[faceless.rows][:, TRANSLATION], truth.trans, atol=1e-6)

    assert silent.num_frames == 200  # of 60 a second
    assert not partial_cache.audio[silent.samples].any()
    assert len(partial_cache.onsets(silent)) == 0


def test_motion_of_other_layouts_is_read(tmp_path):
    (tmp_path / "smplxflame_30").mkdir()
    motion = make_motion(20)
    hands = list(PART_JOINTS["hands"])

    def read(missing: tuple[str, ...], **arrays: object) -> Motion:
        np.savez(tmp_path / "smplxflame_30/1_a.npz", **{"mocap_frame_rate": 30, **arrays})
        return load_clip_motion(CorpusClip(tmp_path, "1_a", "train", missing))

    joints = motion.poses.reshape(20, 55, 3)
    body_alone = read(("face", "hands", "translation"), poses=motion.poses[:, :66])
    np.testing.assert_array_equal(body_alone.poses[:, :66], motion.poses[:, :66])
    assert not body_alone.poses[:, 66:].any()
    of_smpl = read(("face", "hands"), poses=motion.poses[:, :72], trans=motion.trans)
    np.testing.assert_array_equal(of_smpl.poses, body_alone.poses)
    np.testing.assert_array_equal(of_smpl.trans, motion.trans)
    smplh = np.concatenate([joints[:, :22], joints[:, hands]], 1).reshape(20, 156)
    of_smplh = read(("face",), poses=smplh, trans=motion.trans, betas=np.arange(16))
    np.testing.assert_array_equal(of_smplh.poses.reshape(20, 55, 3)[:, hands], joints[:, hands])
    np.testing.assert_array_equal(of_smplh.betas[:17], [*range(16), 0])
    faces = read(("upper",), poses=motion.poses, trans=motion.trans, expressions=motion.expressions)
    np.testing.assert_array_equal(faces.expressions, motion.expressions)
    assert not faces.poses.reshape(20, 55, 3)[:, list(PART_JOINTS["upper"])].any()

    for missing, arrays, told in (
        (("face",), {"poses": motion.poses[:, :66], "trans": motion.trans}, "66 columns of poses have no hands. Where"),
        (("hands",), {"poses": motion.poses, "trans": motion.trans}, "no array expressions. Where a data set has none"),
        (("face",), {"poses": motion.poses}, "no array trans"),
        (("face",), {"poses": motion.poses[:, :60], "trans": motion.trans}, r"shape \(20, 60\); it needs 66"),
        (("face",), {"trans": motion.trans}, "has no poses"),
        (("face",), {"poses": motion.poses, "trans": motion.trans, "mocap_frame_rate": [1, 2]}, "no single mocap"),
    ):
        with pytest.raises(MotionError, match=told):
            read(missing, **arrays)


def test_who_has_no_height_stands_on_the_floor(body):
    motion = rest(3, left_knee=np.array([[0, 0, 0], [0.5, 0, 0], [1, 0, 0]]), right_knee=np.array([[0, 0, 0]] * 3))
    standing = stand_on_floor(motion, body)
    feet = body.joints(standing)[:, CONTACT_JOINTS, 1].min(1)
    np.testing.assert_allclose(feet, feet[0], atol=1e-5)
    assert abs(body.vertices(standing)[0, :, 1].min()) < 1e-5


def test_windows_are_of_clips_that_have_what_is_needed(partial_cache):
    def ids(*needs: str) -> set[str]:
        return {partial_cache.clips[row].id[0] for row, _ in partial_cache.windows(("train",), 64, 20, needs)}

    assert ids() == {"2", "4", "9"}
    assert ids("face") == {"4"}
    assert ids("lower", "translation") == {"2", "9"}
    assert ids("audio") == {"2", "4"}
    with pytest.raises(CorpusError, match="with 64 frames and face, upper, hands, lower, translation"):
        partial_cache.windows(("train",), 64, 20, WHOLE_BODY)


def test_columns_that_are_not_known():
    unknown = unknown_columns(torch.stack([flags_of(()), flags_of(("translation",)), flags_of(("face", "hands"))]))
    assert not unknown[0].any()
    assert unknown[1].nonzero().flatten().tolist() == list(range(330, 337))
    assert unknown[2].nonzero().flatten().tolist() == sorted(rotation_channels((22, *PART_JOINTS["hands"])))
    assert unknown_columns(flags_of(CHANNELS)).sum() == 337 - 12  # all but the eyes


def test_corpora_are_mixed_by_weights(partial_cache):
    table = partial_cache.windows(("train",), 64, 20)
    mixed, again = (Windows(partial_cache, table, 64, 3, weights=(1, 0, 3)) for _ in range(2))

    def corpus_of(windows: Windows, index: int) -> int:
        window = windows[index]
        return 2 if not window.has[0] else 0 if not window.has[1] else 1

    counts = Counter(corpus_of(mixed, index) for index in range(400))
    assert set(counts) == {0, 2}
    assert 260 < counts[2] < 340
    assert [corpus_of(again, index) for index in (7, 3)] == [corpus_of(mixed, index) for index in (7, 3)]
    for weights, told in (((1, 1), "is of 3 corpora"), ((0, 0, 0), "each"), ((1, -1, 1), "0 or more")):
        with pytest.raises(CorpusError, match=told):
            Windows(partial_cache, table, 64, weights=weights)
    faces = partial_cache.windows(("train",), 64, 20, ("face",))
    with pytest.raises(CorpusError, match="Corpus 1 has no window that this stage can train on"):
        Windows(partial_cache, faces, 64, weights=(1, 1, 1))


def test_channels_that_make_no_sense_are_named(corpus, halves, body, tmp_path):
    copy = shutil.copytree(halves[0], tmp_path / "corpus")
    for content, told in (
        ({"missing": ["legs"]}, "channels.json"),
        ({"clips": {"nobody": ["face"]}}, "speaks of nobody, which train_test_split.csv does not list"),
        ({"miss": []}, "channels.json"),
    ):
        (copy / "channels.json").write_text(json.dumps(content))
        with pytest.raises(CorpusError, match=told):
            list_clips(copy)
    (copy / "channels.json").write_text(json.dumps({"clips": {"21_ann_0_1_1": ["lower"]}}))
    assert [clip.missing for clip in list_clips(copy)][:2] == [("lower", "translation"), ()]
    with pytest.raises(CorpusError, match="Several of these corpora have a clip 21_ann_0_1_1"):
        build_cache([copy, halves[0]], tmp_path / "cache", body=body)


def test_a_cache_is_made_anew_where_what_clips_lack_has_changed(corpus, body, tmp_path):
    copy = shutil.copytree(corpus, tmp_path / "corpus")
    before = build_cache(copy, tmp_path / "cache", body=body)
    (copy / "channels.json").write_text(json.dumps({"clips": {"1_ann_0_1_1": ["hands"]}}))
    after = build_cache(copy, tmp_path / "cache", body=body)
    assert [clip.missing for clip in after.clips] == [("hands",), *[()] * 6]
    assert [new.source == old.source for new, old in zip(after.clips, before.clips, strict=True)] == [
        False,
        *[True] * 6,
    ]


def test_the_doctor_finds_no_fault_in_what_a_corpus_says_it_lacks(halves, body):
    found = [finding.fault for report in examine_clips(list_clips(halves[2]), body=body) for finding in report.findings]
    assert Fault.NO_SOUND not in found
    assert Fault.WRONG_SHAPE not in found
    assert found == [Fault.WRONG_RATE, Fault.UNDER_THE_FLOOR]
