"""BEAT2 files in and out, resampling, and every kind of bad file."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emage.errors import MotionError, OutputError
from emage.motion import ARKIT52, FLAME2020, Motion
from tests.conftest import angles_between, assert_same_motion, make_motion, rest

BEAT2_DTYPES = {
    "betas": "<f4", "poses": "<f4", "expressions": "<f8", "trans": "<f8", "model": "<U9", "gender": "<U7",
    "mocap_frame_rate": "<i4",
}  # fmt: skip


def arrays_of(motion: Motion) -> dict[str, np.ndarray]:
    arrays = {name: getattr(motion, name) for name in ("betas", "poses", "expressions", "trans")}
    return arrays | {"model": np.array("smplx2020"), "gender": np.array("neutral"), "mocap_frame_rate": np.array(30)}


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
    assert_same_motion(loaded, motion)
    assert (loaded.fps, loaded.num_frames, loaded.expression_basis) == (30, 7, "flame2020")
    odd = replace(motion, fps=29.97, expression_basis=ARKIT52, gender="female")
    loaded = Motion.load(odd.save(tmp_path / "m.npz"))
    assert (loaded.fps, loaded.expression_basis, loaded.gender) == (29.97, ARKIT52, "female")
    assert loaded.content_hash() == motion.content_hash() != make_motion(7, seed=1).content_hash()


@pytest.mark.parametrize("fps", [15, 25, 60, 120])
def test_resampling_keeps_the_speed_of_turns(fps):
    """A steady turn through several half turns, sampled at any rate, is a steady turn at 30."""
    time_s, made_s, axis = np.arange(2 * fps) / fps, np.arange(60) / 30, np.array([0.6, 0.0, 0.8])

    def turned(at_s: np.ndarray) -> np.ndarray:
        return Rotation.from_rotvec(4.0 * at_s[:, None] * axis).as_rotvec()  # wraps at half turns

    slope = time_s[:, None] * [1.0, -2.0, 0.5]
    motion = rest(2 * fps, slope, left_shoulder=turned(time_s))
    motion = replace(motion, expressions=np.repeat(slope[:, :1], 100, 1), fps=fps).resample(30)
    assert motion.num_frames == 60
    inside = made_s <= time_s[-1] + 1e-9  # the last source frame holds to the end
    assert angles_between(motion.poses[:, 48:51], turned(made_s))[inside].max() < 1e-5
    np.testing.assert_allclose(motion.trans[inside, 1], -2 * made_s[inside], atol=1e-9)
    np.testing.assert_allclose(motion.expressions[inside, 7], made_s[inside], atol=1e-9)


def test_resampling_up_and_down_again_is_exact():
    motion = make_motion(50)
    again = motion.resample(120).resample(30)
    assert again.num_frames == 50
    np.testing.assert_allclose(again.poses, motion.poses, atol=1e-6)
    assert motion.resample(30) is motion
    assert make_motion(1, fps=120).resample(30).num_frames == 1
    slow = replace(rest(400), fps=1)  # at 30 a second it has more frames than would be taken at one a second
    assert slow.resample(30).num_frames == 12_000


def test_a_motion_between_its_frames():
    motion = make_motion(50)
    between = motion.at(np.array([-1.0, 3.0, 3.5, 49.0, 60.0]))
    np.testing.assert_array_equal(between.poses[[0, 1, 3, 4]], motion.poses[[0, 3, 49, 49]])
    np.testing.assert_allclose(between.trans[2], motion.trans[3:5].mean(0))
    half, whole = (angles_between(motion.poses[3:4], poses) for poses in (between.poses[2:3], motion.poses[4:5]))
    np.testing.assert_allclose(half, whole / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gender": np.array([{"a": 1}], dtype=object)}, "gender.*pickled objects.*never loaded"),
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


def npz_of(path: Path, shape: tuple[int, int], num_bytes: int) -> Path:
    """One array `poses` whose header promises a shape, and zeros."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("poses.npy", "w") as stream:
        stream.write(header.getvalue())
        for start in range(0, num_bytes, 1 << 24):
            stream.write(bytes(min(1 << 24, num_bytes - start)))
    return path


def test_bombs_and_lies_are_refused_before_they_unpack(tmp_path):
    bomb = npz_of(tmp_path / "bomb.npz", (1 << 18, 165), 660 << 18)
    assert bomb.stat().st_size < 1 << 20
    with pytest.raises(MotionError, match="unpacks to 173,015,.* bytes; at most 100,000,000 are read"):
        Motion.load(bomb, max_bytes=100_000_000)
    with pytest.raises(MotionError, match="poses.*damaged"):
        Motion.load(npz_of(tmp_path / "lie.npz", (1 << 40, 165), 660))


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


def test_what_is_no_npz(tmp_path):
    whole = make_motion(50).save(tmp_path / "m.npz").read_bytes()
    half = len(whole) // 2
    for content, words in (
        (b"", "not an npz file"),
        (b"not an archive", "not an npz file"),
        (b"PK\x03\x04 cut short", "not an npz file"),
        (whole[:half], "not an npz file|cannot be read"),
        (whole[:half] + bytes([whole[half] ^ 0xFF]) + whole[half + 1 :], "damaged"),
    ):
        (tmp_path / "x.npz").write_bytes(content)
        with pytest.raises(MotionError, match=words):
            Motion.load(tmp_path / "x.npz")
    with pytest.raises(MotionError, match="no such file"):
        Motion.load(tmp_path / "missing.npz")


def test_bytes_altered_anywhere_give_a_named_error_or_the_motion(tmp_path):
    path = tmp_path / "m.npz"
    np.savez_compressed(path, **arrays_of(make_motion(3)))
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        altered = bytearray(whole)
        for at in rng.integers(0, len(whole), 3):
            altered[at] = rng.integers(256)
        path.write_bytes(altered)
        try:
            Motion.load(path)
        except MotionError:
            refused += 1
    assert refused > 133


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
