"""Motion without sound, as AMASS has it, into BEAT2's layout."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emage.motion import Motion
from emage.motion.skeleton import PART_JOINTS
from tests.conftest import make_motion
from train import amass
from train.data.amass import turn_upright
from train.data.building import build_cache
from train.data.corpus import CorpusError, list_clips


def write_amass(path: Path, motion: Motion, **changes: object) -> None:
    """A motion with z up, as SMPL-H."""
    joints = motion.poses.reshape(motion.num_frames, 55, 3).copy()
    joints[:, 0] = (Rotation.from_euler("x", 90, degrees=True) * Rotation.from_rotvec(joints[:, 0])).as_rotvec()
    smplh = np.concatenate([joints[:, :22], joints[:, list(PART_JOINTS["hands"])]], 1).reshape(-1, 156)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"poses": smplh, "trans": motion.trans[:, [0, 2, 1]] * (1, -1, 1), "betas": np.zeros(16)}
    np.savez(path, **{**arrays, "mocap_framerate": motion.fps, "gender": "male", **changes})


def test_people_stand_upright_and_look_ahead(body, tmp_path):
    motion = make_motion(120, fps=60, reach=0.1)
    write_amass(tmp_path / "walk.npz", motion)
    with np.load(tmp_path / "walk.npz") as arrays:
        poses = np.zeros((120, 165))
        poses[:, :66] = arrays["poses"][:, :66]
        lying = Motion(poses, np.zeros((120, 100)), arrays["trans"], np.zeros(300), 60)
    upright = turn_upright(lying, body)
    joints, before = body.joints(upright), body.joints(lying)
    # The same movement, turned as one: distances between joints of any frames stay.
    frames = [0, 40, 119]
    for one, other in ((joints[frames], before[frames]),):
        flat, of_before = one.reshape(-1, 3), other.reshape(-1, 3)
        np.testing.assert_allclose(
            np.linalg.norm(flat[:, None] - flat[None], axis=-1),
            np.linalg.norm(of_before[:, None] - of_before[None], axis=-1),
            atol=1e-4,
        )
    np.testing.assert_allclose(joints[..., 1], before[..., 2], atol=1e-4)  # what was up is up
    ahead = Rotation.from_rotvec(upright.poses[0, :3]).apply((0, 0, 1))
    assert abs(ahead[0]) < 1e-6
    assert ahead[2] > 0.9


def test_a_folder_becomes_a_corpus_that_says_what_it_lacks(body, tmp_path, monkeypatch, capsys):
    root, out = tmp_path / "amass", tmp_path / "corpus"
    write_amass(root / "CMU/01/walk_poses.npz", make_motion(300, 1, fps=60, reach=0.2))
    still = make_motion(240, 2, fps=60, reach=0.2)
    still.poses.reshape(240, 55, 3)[:, list(PART_JOINTS["hands"])] = 0.3
    write_amass(root / "CMU/02/run jump_poses.npz", still)
    write_amass(root / "KIT/3/short_poses.npz", make_motion(60, 3, fps=60))
    np.savez(root / "KIT/3/shape.npz", betas=np.zeros(16))
    (root / "KIT/3/cut_poses.npz").write_bytes(b"PK")
    monkeypatch.setattr(sys, "argv", ["amass", str(root), "--out", str(out)])
    for _ in range(2):  # given again, it does the same
        amass.main()
        told = capsys.readouterr()
        assert told.out == "2 motions, 1 of them without fingers; 1 could not be read.\n"
        assert "KIT/3/cut_poses.npz: cut_poses.npz is not an npz file" in told.err
    walk, run = list_clips(out)
    assert (walk.id, walk.missing) == ("0_amass_CMU_01_walk_poses", ("audio", "face"))
    assert (run.id, run.missing) == ("1_amass_CMU_02_run_jump_poses", ("audio", "face", "hands"))
    cache = build_cache(out, tmp_path / "cache", body=body)
    assert [clip.num_frames for clip in cache.clips] == [150, 120]
    with pytest.raises(CorpusError, match="holds no npz with poses and trans"):
        amass.Convert(out / "nothing", out).run()
