"""BEAT2 files in and out, resampling, and every kind of bad file."""

import io
import zipfile

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emage.errors import MotionError, OutputError
from emage.motion import ARKIT52, FLAME2020, Motion
from tests.conftest import make_motion

BEAT2_DTYPES = {
    "betas": "<f4", "poses": "<f4", "expressions": "<f8", "trans": "<f8", "model": "<U9", "gender": "<U7",
    "mocap_frame_rate": "<i4",
}  # fmt: skip


def arrays_of(motion: Motion) -> dict[str, np.ndarray]:
    return {
        "betas": motion.betas, "poses": motion.poses, "expressions": motion.expressions, "trans": motion.trans,
        "model": np.array("smplx2020"), "gender": np.array("neutral"), "mocap_frame_rate": np.array(30),
    }  # fmt: skip


def test_a_file_of_beat2_comes_back_bit_for_bit(shared, tmp_path):
    source = shared / "data/beat2/2_scott_0_1_1.npz"
    Motion.load(source).save(tmp_path / "copy.npz")
    original, copy = np.load(source), np.load(tmp_path / "copy.npz")
    assert set(copy.files) == set(original.files)
    for key in original.files:
        assert copy[key].dtype == original[key].dtype, key
        np.testing.assert_array_equal(copy[key], original[key], err_msg=key)


def test_what_is_saved_is_beat2s_layout(tmp_path):
    motion = make_motion(7)
    saved = np.load(motion.save(tmp_path / "m.npz"), allow_pickle=False)
    assert {key: saved[key].dtype.str for key in saved.files} == BEAT2_DTYPES
    loaded = Motion.load(tmp_path / "m.npz")
    for name in ("poses", "expressions", "trans", "betas"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(motion, name))
    assert (loaded.fps, loaded.num_frames, loaded.expression_basis) == (30, 7, "flame2020")


def test_the_basis_of_expressions_and_odd_rates_are_kept(tmp_path):
    motion = make_motion(5, fps=29.97)
    motion = Motion(motion.poses, motion.expressions, motion.trans, motion.betas, 29.97, ARKIT52, gender="female")
    loaded = Motion.load(motion.save(tmp_path / "m.npz"))
    assert (loaded.fps, loaded.expression_basis, loaded.gender) == (29.97, ARKIT52, "female")


@pytest.mark.parametrize("fps", [15, 25, 60, 120])
def test_resampling_keeps_the_speed_of_turns(fps):
    """A steady turn through several half turns, sampled at any rate, is a steady turn at 30."""
    seconds = 2
    time_s = np.arange(seconds * fps) / fps
    axis = np.array([0.6, 0.0, 0.8])
    rotvec = Rotation.from_rotvec(4.0 * time_s[:, None] * axis).as_rotvec()  # wraps at half turns
    poses = np.zeros((len(time_s), 165))
    poses[:, 48:51] = rotvec
    slope = time_s[:, None] * [1.0, -2.0, 0.5]
    motion = Motion(poses, np.repeat(slope[:, :1], 100, 1), slope, np.zeros(300), fps=fps).resample(30)
    assert motion.num_frames == seconds * 30
    inside = np.arange(60) / 30 <= time_s[-1] + 1e-9  # the last source frame holds to the end
    expected = Rotation.from_rotvec(4.0 * np.arange(60)[:, None] / 30 * axis)
    error = (Rotation.from_rotvec(motion.poses[:, 48:51]).inv() * expected).magnitude()
    assert error[inside].max() < 1e-5
    np.testing.assert_allclose(motion.trans[inside, 1], -2 * np.arange(60)[inside] / 30, atol=1e-9)
    np.testing.assert_allclose(motion.expressions[inside, 7], np.arange(60)[inside] / 30, atol=1e-9)


def test_resampling_up_and_down_again_is_exact():
    motion = make_motion(50)
    again = motion.resample(120).resample(30)
    assert again.num_frames == 50
    np.testing.assert_allclose(again.poses, motion.poses, atol=1e-6)
    assert motion.resample(30) is motion
    assert make_motion(1, fps=120).resample(30).num_frames == 1


def test_a_long_motion_of_few_frames_a_second_is_resampled():
    """At 30 a second it has more frames than would be taken at one a second."""
    still = Motion(np.zeros((1000, 165)), np.zeros((1000, 100)), np.zeros((1000, 3)), np.zeros(300), fps=1)
    assert still.resample(30).num_frames == 30_000


def test_a_motion_between_its_frames():
    motion = make_motion(50)
    between = motion.at(np.array([-1.0, 3.0, 3.5, 49.0, 60.0]))
    np.testing.assert_array_equal(between.poses[[0, 1, 3, 4]], motion.poses[[0, 3, 49, 49]])
    np.testing.assert_allclose(between.trans[2], motion.trans[3:5].mean(0))
    turns = Rotation.from_rotvec(motion.poses[3:5, 48:51])
    half = Rotation.from_rotvec(between.poses[2, 48:51])
    assert (turns[0].inv() * half).magnitude() == pytest.approx((turns[0].inv() * turns[1]).magnitude() / 2, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"poses": None}, "no array poses"),
        ({"betas": None, "trans": None}, "no array betas, trans"),
        ({"poses": np.zeros((7, 156))}, r"\(7, 156\).*165"),
        ({"poses": np.zeros((0, 165)), "expressions": np.zeros((0, 100)), "trans": np.zeros((0, 3))}, "has 0"),
        ({"trans": np.zeros((6, 3))}, r"trans has shape \(6, 3\)"),
        ({"expressions": np.zeros((7, 50))}, "expressions has shape"),
        ({"betas": np.zeros(10)}, "betas has shape"),
        ({"poses": np.full((7, 165), np.nan)}, r"poses\[0, 0\] is nan"),
        ({"trans": np.full((7, 3), 1e400)}, "inf"),
        ({"poses": np.full((7, 165), 1e300)}, "inf"),
        ({"poses": np.full((7, 165), "x")}, "must hold numbers"),
        ({"mocap_frame_rate": np.array(0)}, "0.0 frames per second"),
        ({"trans": np.full((7, 3), 1e6)}, "1e.06 m away"),
        ({"expressions": np.zeros((500, 40000), np.int8)}, "expressions has shape"),
        ({"mocap_frame_rate": np.array([30, 30])}, "must be one number"),
        ({"gender": np.array([1, 2])}, "gender must be one piece of text"),
        ({"expression_basis": np.array("klingon")}, "klingon"),
    ],
)
def test_bad_arrays_are_named(tmp_path, change, words):
    arrays = arrays_of(make_motion(7)) | change
    np.savez(tmp_path / "bad.npz", **{key: array for key, array in arrays.items() if array is not None})
    with pytest.raises(MotionError, match=words) as caught:
        Motion.load(tmp_path / "bad.npz")
    assert "bad.npz" in str(caught.value) or "must be" in str(caught.value)


class Bomb:
    def __reduce__(self):
        return (print, ("pickled code ran",))


def test_pickles_are_never_run(tmp_path, capsys):
    arrays = arrays_of(make_motion(7)) | {"gender": np.array([Bomb()], dtype=object)}
    np.savez(tmp_path / "evil.npz", **arrays)
    with pytest.raises(MotionError, match=r"gender.*pickled"):
        Motion.load(tmp_path / "evil.npz")
    assert "ran" not in capsys.readouterr().out


def test_a_bomb_is_refused_before_it_unpacks(tmp_path):
    path = tmp_path / "bomb.npz"
    header = io.BytesIO()
    frames = 2 << 20
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (frames, 165)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("poses.npy", "w") as stream:
        stream.write(header.getvalue())
        for _ in range(frames * 660 >> 24):
            stream.write(bytes(1 << 24))
    assert path.stat().st_size < 3 << 20
    with pytest.raises(MotionError, match="unpacks to"):
        Motion.load(path)


def test_a_header_that_lies_about_its_size_allocates_nothing(tmp_path):
    path = tmp_path / "lie.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 165)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("poses.npy", header.getvalue() + bytes(660))
    with pytest.raises(MotionError, match="poses.*damaged"):
        Motion.load(path)


def test_absurd_lengths_are_refused(monkeypatch, tmp_path):
    path = make_motion(11).save(tmp_path / "long.npz")
    monkeypatch.setattr("emage.motion.motion.MAX_FRAMES", 10)
    with pytest.raises(MotionError, match="1 to 10 frames; this one has 11"):
        Motion.load(path)
    assert make_motion(10).num_frames == 10
    slow = make_motion(10)
    monkeypatch.setattr("emage.motion.motion.MAX_DURATION_S", 5)
    with pytest.raises(MotionError, match=r"10 frames at 1 a second last"):
        Motion(slow.poses, slow.expressions, slow.trans, slow.betas, fps=1)


@pytest.mark.parametrize("fps", [0, float("nan"), "30"])
def test_rates_that_make_no_sense(fps):
    with pytest.raises(MotionError, match="make no sense"):
        make_motion(10).resample(fps)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut short"])
def test_what_is_no_npz(tmp_path, content):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(MotionError, match="not an npz file"):
        Motion.load(path)
    with pytest.raises(MotionError, match="no such file"):
        Motion.load(tmp_path / "missing.npz")


def test_a_truncated_or_altered_file(tmp_path):
    path = make_motion(50).save(tmp_path / "m.npz")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MotionError):
        Motion.load(path)
    altered = bytearray(whole)
    altered[len(whole) // 2] ^= 0xFF
    path.write_bytes(altered)
    with pytest.raises(MotionError, match="damaged"):
        Motion.load(path)


def test_bytes_altered_anywhere_give_a_named_error_or_the_motion(tmp_path):
    path = tmp_path / "m.npz"
    np.savez_compressed(path, **arrays_of(make_motion(3)))
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        altered = bytearray(whole)
        for at in rng.integers(0, len(whole), 3):
            altered[at] = rng.integers(256)
        path.write_bytes(altered)
        try:
            Motion.load(path)
        except MotionError:
            refused += 1
    assert refused > 200


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = make_motion(7).save(tmp_path / "m.npz")
    before = path.read_bytes()

    def no_space(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", no_space)
    with pytest.raises(OutputError, match="disk is full"):
        make_motion(9).save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["m.npz"]
    with pytest.raises(OutputError, match="does not exist"):
        make_motion(7).save(tmp_path / "nowhere" / "m.npz")


def test_betas_beyond_the_tenth_stay_in_their_basis():
    motion = make_motion(3)
    assert motion.betas_in(motion.expression_basis) is motion.betas
    other = ARKIT52 if motion.expression_basis == FLAME2020 else FLAME2020
    np.testing.assert_array_equal(motion.betas_in(other)[:10], motion.betas[:10])
    assert not motion.betas_in(other)[10:].any()
