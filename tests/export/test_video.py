"""Video: exact frames, sound in sync at any length, and nothing left behind when something goes wrong."""

import re
import subprocess
import threading
import time
import tracemalloc
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from emage.errors import Cancelled, OutputError, VideoError
from emage.export.video import _Sound, write_video

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
RATE_HZ = 16000
FPS = 30


def grey(count: int, width: int = 32, height: int = 32):
    """Generated lazily, as a renderer does."""
    for i in range(count):
        yield np.full((height, width, 3), i * 7 % 256, np.uint8)


def write(path: Path, count: int, **settings) -> Path:
    settings = {"width": 32, "height": 32, "fps": FPS, "num_frames": count} | settings
    return write_video(path, settings.pop("frames", None) or grey(count), **settings)


def decode_brightness(path: Path, width: int = 32, height: int = 32) -> np.ndarray:
    """(T,) mean brightness of each stored frame."""
    command = [FFMPEG, "-v", "error", "-i", path, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, width * height).mean(1)


def decode_sound(path: Path) -> np.ndarray:
    """(N,) samples at 48 kHz."""
    command = [FFMPEG, "-v", "error", "-i", path, "-f", "f32le", "-ac", "1", "-ar", "48000", "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.float32)


def streams(path: Path) -> str:
    return subprocess.run([FFMPEG, "-i", path], check=False, capture_output=True, text=True).stderr


def left_over(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture
def fake_ffmpeg(tmp_path_factory, monkeypatch):
    """Put a shell script in ffmpeg's place."""

    def install(script: str) -> None:
        path = tmp_path_factory.mktemp("bin") / "ffmpeg"
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(path))

    return install


@pytest.fixture(autouse=True)
def _no_process_or_thread_stays():
    def readers() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name == "ffmpeg-words"}

    before = readers()
    yield
    assert readers() <= before


@pytest.mark.parametrize("seconds", [1.5, 60, 20 * 60])
def test_a_click_sounds_with_its_flash(tmp_path, seconds):
    num_frames = round(seconds * FPS)
    flashes = sorted({1, num_frames // 3, num_frames // 2, num_frames - 10})
    audio = np.zeros(round(seconds * RATE_HZ), np.float32)
    for frame in flashes:
        start = round(frame * RATE_HZ / FPS)
        audio[start : start + 32] = 0.9 * np.sin(np.arange(32) * 2 * np.pi * 3000 / RATE_HZ)
    dark, light = np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 255, np.uint8)
    frames = (light if frame in flashes else dark for frame in range(num_frames))

    path = write(tmp_path / "x.mp4", num_frames, frames=frames, width=16, height=16, audio=audio)

    seen = np.flatnonzero(decode_brightness(path, 16, 16) > 128)
    loud = np.flatnonzero(np.abs(decode_sound(path)) > 0.2)
    heard_s = loud[np.diff(loud, prepend=-9999) > 2400] / 48000
    assert seen.tolist() == flashes
    assert len(heard_s) == len(flashes)
    assert np.abs(heard_s - seen / FPS).max() < 0.002


@pytest.mark.parametrize("num_samples", [0, 1000, 40_000, 90_000])
def test_sound_is_cut_or_filled_to_the_picture(tmp_path, num_samples):
    path = write(tmp_path / "x.mp4", 77, audio=np.full(num_samples, 0.3, np.float32))
    assert len(decode_brightness(path)) == 77
    assert len(decode_sound(path)) / 48000 == pytest.approx(77 / FPS, abs=0.001)


def test_a_single_frame_and_other_rates(tmp_path):
    assert len(decode_brightness(write(tmp_path / "one.mp4", 1, audio=np.zeros(9, np.float32)))) == 1
    path = write(tmp_path / "film.mp4", 48, fps=23.976, audio=np.zeros(44100, np.float32), audio_rate_hz=22050)
    assert len(decode_brightness(path)) == 48
    assert "23.98 fps" in streams(path)
    assert len(decode_sound(path)) / 48000 == pytest.approx(48 / 23.976, abs=0.001)


def test_streams_are_what_browsers_play(tmp_path):
    path = write(tmp_path / "x.mp4", 20, audio=np.zeros(RATE_HZ, np.float32))
    text = streams(path)
    assert re.search(r"Video: h264.*yuv420p\(tv, bt709, progressive\), 32x32.*30 fps", text)
    assert re.search(r"Audio: aac \(LC\).*48000 Hz, mono", text)
    assert text.count("Stream #0") == 2
    data = path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_without_sound_there_is_one_stream(tmp_path):
    text = streams(write(tmp_path / "x.mp4", 5))
    assert text.count("Stream #0") == 1
    assert "Video" in text


def test_colours_survive(tmp_path):
    blue = np.full((32, 32, 3), (60, 120, 200), np.uint8)
    path = write(tmp_path / "x.mp4", 5, frames=[blue] * 5)
    command = [FFMPEG, "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    assert np.abs(np.frombuffer(raw, np.uint8).reshape(-1, 3).mean(0) - (60, 120, 200)).max() < 4


def test_progress_counts_every_frame_and_the_path_returns(tmp_path):
    calls = []
    path = write(tmp_path / "x.mp4", 7, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(i, 7) for i in range(1, 8)]
    assert path == tmp_path / "x.mp4"
    assert left_over(tmp_path) == ["x.mp4"]


@pytest.mark.parametrize(("have", "promised", "words"), [(4, 5, "4 frames where 5"), (6, 5, "more frames than the 5")])
def test_another_number_of_frames_is_an_error(tmp_path, have, promised, words):
    with pytest.raises(VideoError, match=words):
        write(tmp_path / "x.mp4", have, num_frames=promised)
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(
    "frame", [np.zeros((32, 30, 3), np.uint8), np.zeros((32, 32, 4), np.uint8), np.zeros((32, 32, 3)), [[0]]]
)
def test_a_frame_of_another_form_is_named(tmp_path, frame):
    with pytest.raises(VideoError, match="Frame 2 is "):
        write(tmp_path / "x.mp4", 3, frames=[*grey(2), frame])
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"width": 31}, "even"),
        ({"height": 0}, "even"),
        ({"fps": 0}, "frames per second"),
        ({"fps": float("nan")}, "frames per second"),
        ({"num_frames": 0}, "at least one"),
        ({"crf": 99}, "quality"),
        ({"audio": np.zeros((5, 2), np.float32)}, "mono"),
        ({"audio": np.zeros(5, np.int16)}, "mono floats"),
        ({"audio": np.array([0, 0, np.nan], np.float32)}, "no number"),
        ({"audio": np.zeros(5, np.float32), "audio_rate_hz": 0}, "rate"),
        ({"audio": np.zeros(5, np.float32), "audio_rate_hz": 16000.0}, "rate of 16000.0"),
        ({"audio": np.zeros(5, np.float32), "audio_rate_hz": 10**9}, "rate"),
        ({"audio": np.zeros(5, np.float32), "audio_rate_hz": 48000, "num_frames": 10**8}, "hours of sound"),
        ({"audio": np.append(np.zeros(600_000, np.float32), np.inf), "num_frames": 2000}, "37.500 s"),
        ({"width": 32.0}, "32.0 x 32"),
        ({"height": "32"}, "'32' pixels"),
        ({"fps": "30"}, "frames per second"),
        ({"num_frames": 3.0}, "3.0 frames"),
        ({"crf": None}, "crf=None"),
    ],
)
def test_impossible_settings_are_named_before_a_frame_is_drawn(tmp_path, settings, words):
    drawn = []
    frames = (drawn.append(i) or frame for i, frame in enumerate(grey(3)))
    with pytest.raises(VideoError, match=words):
        write(tmp_path / "x.mp4", 3, frames=frames, **settings)
    assert drawn == []
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("name", ["missing/x.mp4", "file/x.mp4", "folder"])
def test_a_place_that_cannot_be_written_is_named_before_a_frame_is_drawn(tmp_path, name):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    drawn = []
    frames = (drawn.append(i) or frame for i, frame in enumerate(grey(3)))
    with pytest.raises(OutputError, match=name.split("/")[0]):
        write(tmp_path / name, 3, frames=frames)
    assert drawn == []
    assert left_over(tmp_path) == ["file", "folder"]


def test_ffmpegs_own_words_reach_the_user(tmp_path, fake_ffmpeg):
    fake_ffmpeg("echo 'Unknown encoder libx264' >&2; exit 8")
    with pytest.raises(VideoError, match=r"(?s)code 8.*Unknown encoder libx264"):
        write(tmp_path / "x.mp4", 300, width=640, height=480, frames=grey(300, 640, 480))
    assert left_over(tmp_path) == []


def test_an_ffmpeg_that_fails_at_the_end_fails_the_video(tmp_path, fake_ffmpeg):
    fake_ffmpeg("cat >/dev/null; echo 'cannot finish' >&2; exit 1")
    (tmp_path / "x.mp4").write_text("what was there before")
    with pytest.raises(VideoError, match="cannot finish"):
        write(tmp_path / "x.mp4", 5)
    assert (tmp_path / "x.mp4").read_text() == "what was there before"
    assert left_over(tmp_path) == ["x.mp4"]


def test_an_ffmpeg_that_is_killed_says_so(tmp_path, fake_ffmpeg):
    fake_ffmpeg("kill -9 $$")
    with pytest.raises(VideoError, match="signal 9"):
        write(tmp_path / "x.mp4", 300, width=640, height=480, frames=grey(300, 640, 480))


def test_a_missing_ffmpeg_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "none"))
    with pytest.raises(VideoError, match="imageio-ffmpeg"):
        write(tmp_path / "x.mp4", 3)
    assert left_over(tmp_path) == []


def test_a_chatty_ffmpeg_does_not_stop_the_work(tmp_path, fake_ffmpeg):
    fake_ffmpeg('for i in {1..20000}; do echo "line $i of much too many words" >&2; done; cat >/dev/null; exit 3')
    with pytest.raises(VideoError, match="line 20000") as caught:
        write(tmp_path / "x.mp4", 50)
    assert "line 19000" not in str(caught.value)


def test_a_full_disk_is_named(tmp_path, fake_ffmpeg):
    fake_ffmpeg(f'exec "{FFMPEG}" "${{@:1:$#-1}}" /dev/full')
    noise = np.random.default_rng(0)
    frames = (noise.integers(0, 255, (32, 32, 3), dtype=np.uint8) for _ in range(60))
    with pytest.raises(OutputError, match="disk is full"):
        write(tmp_path / "x.mp4", 60, frames=frames)
    assert left_over(tmp_path) == []


def test_a_full_temporary_folder_is_named(tmp_path, monkeypatch):
    # The sound's file opens /dev/full: the first write to it finds no space.
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "sound.wav").symlink_to("/dev/full")
    out = tmp_path / "out"
    out.mkdir()

    class Scratch:
        def __init__(self, prefix, ignore_cleanup_errors):
            assert prefix
            assert ignore_cleanup_errors

        def __enter__(self):
            return str(scratch)

        def __exit__(self, *exception):
            return None

    monkeypatch.setattr("emage.export.video.tempfile.TemporaryDirectory", Scratch)
    with pytest.raises(OutputError, match=f"cannot be kept in {scratch}.*No space left.*TMPDIR"):
        write(out / "x.mp4", 30, audio=np.zeros(100_000, np.float32))
    assert left_over(out) == []


def test_a_missing_temporary_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(OutputError, match="no folder to keep the sound.*TMPDIR"):
        write(tmp_path / "x.mp4", 3, audio=np.zeros(100, np.float32))
    assert left_over(tmp_path) == []
    assert len(decode_brightness(write(tmp_path / "x.mp4", 3))) == 3  # a silent film needs none


def test_sound_is_written_in_blocks():
    audio = np.random.default_rng(0).uniform(-1.1, 1.1, 5_000_000).astype(np.float32)
    tracemalloc.start()
    sound = _Sound(audio, 120.0, 48000)
    total = sum(len(block) for block in sound.pcm16())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 120 * 48000
    assert peak < 6e6  # the track itself is 20 MB
    samples = np.concatenate(list(sound.pcm16()))
    assert np.array_equal(samples[: len(audio)], np.rint(np.clip(audio, -1, 1) * 32767))
    assert not samples[len(audio) :].any()


@pytest.mark.parametrize(
    "fault", [BrokenPipeError("gone"), OSError(28, "No space left on device"), FileNotFoundError()]
)
@pytest.mark.parametrize("source", ["frames", "progress", "close"])
def test_an_oserror_of_the_callers_own_comes_as_it_is(tmp_path, fault, source):
    def frames():
        try:
            yield from grey(2)
            if source == "frames":
                raise fault
            yield from grey(1)
        finally:
            if source == "close":
                raise fault

    def progress(done, total):
        if source == "progress" and done == 2:
            raise fault

    (tmp_path / "x.mp4").write_text("before")
    with pytest.raises(type(fault)) as caught:
        write(tmp_path / "x.mp4", 3, frames=frames(), progress=progress, audio=np.zeros(9, np.float32))
    assert caught.value is fault
    assert left_over(tmp_path) == ["x.mp4"]
    assert (tmp_path / "x.mp4").read_text() == "before"


@pytest.mark.parametrize("exception", [Cancelled, KeyboardInterrupt, GeneratorExit, ZeroDivisionError])
def test_stopping_from_progress_leaves_nothing(tmp_path, exception):
    closed = []

    def frames():
        try:
            yield from grey(1000)
        finally:
            closed.append(True)

    def progress(done, total):
        if done == 5:
            raise exception

    (tmp_path / "x.mp4").write_text("before")
    start = time.monotonic()
    with pytest.raises(exception):
        write(tmp_path / "x.mp4", 1000, frames=frames(), progress=progress)
    assert time.monotonic() - start < 5
    assert closed == [True]
    assert left_over(tmp_path) == ["x.mp4"]
    assert (tmp_path / "x.mp4").read_text() == "before"


@pytest.mark.parametrize("exception", [Cancelled, KeyboardInterrupt, RuntimeError])
def test_a_fault_in_the_frames_leaves_nothing(tmp_path, exception):
    def frames():
        yield from grey(3)
        raise exception

    with pytest.raises(exception):
        write(tmp_path / "x.mp4", 9, frames=frames(), audio=np.zeros(99, np.float32))
    assert left_over(tmp_path) == []


def test_an_ffmpeg_that_hangs_is_killed_when_the_user_stops(tmp_path, fake_ffmpeg):
    marker = tmp_path / "pid"
    fake_ffmpeg(f"sleep 1000 & echo $! > {marker}; wait")

    def frames():
        yield from grey(1)
        while not marker.exists() or not marker.read_text():
            time.sleep(0.01)
        raise Cancelled

    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(Cancelled):
        write(out / "x.mp4", 9, frames=frames())
    status = Path(f"/proc/{int(marker.read_text())}/status")  # a child's child: gone, or dead and not yet collected
    assert not status.exists() or "State:\tZ" in status.read_text()
    assert left_over(out) == []
