"""Video: exact frames, sound in sync at any length, and nothing left behind when something goes wrong."""

import os
import re
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from emage.errors import Cancelled, OutputError, VideoError
from emage.export.video import write_video
from tests.app_server import wait_until

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
RATE_HZ = 16000
FPS = 30


def grey(count: int, width: int = 32, height: int = 32) -> Iterator[np.ndarray]:
    """Generated lazily, as a renderer does."""
    for i in range(count):
        yield np.full((height, width, 3), i * 7 % 256, np.uint8)


def write(path: Path, count: int, **settings) -> Path:
    settings = {"width": 32, "height": 32, "fps": FPS, "num_frames": count} | settings
    return write_video(path, settings.pop("frames", None) or grey(count), **settings)


def decode(path: Path, *options: str, dtype: type = np.uint8) -> np.ndarray:
    command = [FFMPEG, "-v", "error", "-i", path, *options, "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, dtype)


def brightness_of(path: Path, pixels: int = 32 * 32) -> np.ndarray:
    """(T,) mean brightness of each stored frame."""
    options = ("-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray")
    return decode(path, *options).reshape(-1, pixels).mean(1)


def sound_of(path: Path) -> np.ndarray:
    """(N,) samples at 48 kHz."""
    return decode(path, "-f", "f32le", "-ac", "1", "-ar", "48000", dtype=np.float32)


def streams(path: Path) -> str:
    return subprocess.run([FFMPEG, "-i", path], check=False, capture_output=True, text=True).stderr


def left_over(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture
def out(tmp_path) -> Path:
    """Where a video goes; nothing else may be left in its folder, and what was there before stays as it was."""
    path = tmp_path / "out" / "x.mp4"
    path.parent.mkdir()
    path.write_text("before")
    return path


def assert_untouched(out: Path) -> None:
    assert left_over(out.parent) == ["x.mp4"]
    assert out.read_text() == "before"


@pytest.fixture
def fake_ffmpeg(tmp_path_factory, monkeypatch) -> Callable[[str], None]:
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


# --- what comes out ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [1.5, 60, pytest.param(20 * 60, marks=pytest.mark.slow)])
def test_a_click_sounds_with_its_flash(out, seconds):
    num_frames = round(seconds * FPS)
    flashes = sorted({1, num_frames // 3, num_frames // 2, num_frames - 10})
    audio = np.zeros(round(seconds * RATE_HZ), np.float32)
    for frame in flashes:
        start = round(frame * RATE_HZ / FPS)
        audio[start : start + 32] = 0.9 * np.sin(np.arange(32) * 2 * np.pi * 3000 / RATE_HZ)
    dark, light = np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 255, np.uint8)
    frames = (light if frame in flashes else dark for frame in range(num_frames))

    write(out, num_frames, frames=frames, width=16, height=16, audio=audio)

    seen = np.flatnonzero(brightness_of(out, 16 * 16) > 128)
    loud = np.flatnonzero(np.abs(sound_of(out)) > 0.2)
    heard_s = loud[np.diff(loud, prepend=-9999) > 2400] / 48000
    assert seen.tolist() == flashes
    assert len(heard_s) == len(flashes)
    assert np.abs(heard_s - seen / FPS).max() < 0.002


@pytest.mark.parametrize(
    ("num_samples", "num_frames", "settings"),
    [
        (0, 77, {}),
        (1000, 77, {}),
        (40_000, 77, {}),
        (90_000, 77, {}),
        (9, 1, {}),
        (44100, 48, {"fps": 23.976, "audio_rate_hz": 22050}),
    ],
)
def test_sound_is_cut_or_filled_to_the_picture(out, num_samples, num_frames, settings):
    write(out, num_frames, audio=np.full(num_samples, 0.3, np.float32), **settings)
    assert len(brightness_of(out)) == num_frames
    assert len(sound_of(out)) / 48000 == pytest.approx(num_frames / settings.get("fps", FPS), abs=0.001)
    assert f"{'23.98' if settings else '30'} fps" in streams(out)


def test_streams_are_what_browsers_play(out):
    text = streams(write(out, 20, audio=np.zeros(RATE_HZ, np.float32)))
    assert re.search(r"Video: h264.*yuv420p\(tv, bt709, progressive\), 32x32.*30 fps", text)
    assert re.search(r"Audio: aac \(LC\).*48000 Hz, mono", text)
    assert text.count("Stream #0") == 2
    data = out.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    silent = streams(write(out, 5))
    assert (silent.count("Stream #0"), silent.count("Video: ")) == (1, 1)


def test_colours_survive(out):
    write(out, 5, frames=[np.full((32, 32, 3), (60, 120, 200), np.uint8)] * 5)
    seen = decode(out, "-f", "rawvideo", "-pix_fmt", "rgb24").reshape(-1, 3).mean(0)
    assert np.abs(seen - (60, 120, 200)).max() < 4


def test_progress_counts_every_frame_and_the_path_returns(out):
    calls = []
    assert write(out, 7, progress=lambda *call: calls.append(call)) == out
    assert calls == [(i, 7) for i in range(1, 8)]
    assert left_over(out.parent) == ["x.mp4"]


def test_sound_takes_little_memory(out):
    audio = np.random.default_rng(0).uniform(-1.1, 1.1, 5_000_000).astype(np.float32)
    tracemalloc.start()
    write(out, 120, fps=1, audio=audio, audio_rate_hz=48000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6e6  # the track itself is 20 MB


# --- faults of the caller ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frames", "promised", "words"),
    [
        (list(grey(4)), 5, "4 frames where 5"),
        (list(grey(6)), 5, "more frames than the 5"),
        *(
            ([*grey(2), frame], 3, "Frame 2 is ")
            for frame in (
                np.zeros((32, 30, 3), np.uint8), np.zeros((32, 32, 4), np.uint8), np.zeros((32, 32, 3)), [[0]]
            )
        ),
    ],
)  # fmt: skip
def test_frames_of_another_number_or_form_are_named(out, frames, promised, words):
    with pytest.raises(VideoError, match=words):
        write(out, promised, frames=frames)
    assert_untouched(out)


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
        ({"path": "missing/x.mp4"}, "missing"),
        ({"path": "x.mp4/x.mp4"}, "x.mp4"),
        ({"path": "."}, "is a folder"),
    ],
)
def test_impossible_settings_and_places_are_named_before_a_frame_is_drawn(out, settings, words):
    drawn = []
    frames = (drawn.append(i) or frame for i, frame in enumerate(grey(3)))
    settings = dict(settings)
    path = out.parent / settings.pop("path") if "path" in settings else out
    with pytest.raises(OutputError if path != out else VideoError, match=words):
        write(path, 3, frames=frames, **settings)
    assert drawn == []
    assert_untouched(out)


# --- faults of ffmpeg and the machine ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'Unknown encoder libx264' >&2; exit 8", r"(?s)code 8.*Unknown encoder libx264"),
        ("cat >/dev/null; echo 'cannot finish' >&2; exit 1", "cannot finish"),
        ("kill -9 $$", "signal 9"),
    ],
)
def test_ffmpegs_end_and_own_words_reach_the_user(out, fake_ffmpeg, script, words):
    fake_ffmpeg(script)
    with pytest.raises(VideoError, match=words):
        write(out, 300, width=640, height=480, frames=grey(300, 640, 480))
    assert_untouched(out)


def test_a_chatty_ffmpeg_does_not_stop_the_work(out, fake_ffmpeg):
    fake_ffmpeg('for i in {1..20000}; do echo "line $i of much too many words" >&2; done; cat >/dev/null; exit 3')
    with pytest.raises(VideoError, match="line 20000") as caught:
        write(out, 50)
    assert "line 19000" not in str(caught.value)


def test_a_missing_ffmpeg_is_named(out, monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(out.parent / "none"))
    with pytest.raises(VideoError, match="imageio-ffmpeg"):
        write(out, 3)
    assert_untouched(out)


def test_a_full_disk_is_named(out, fake_ffmpeg):
    fake_ffmpeg(f'exec "{FFMPEG}" "${{@:1:$#-1}}" /dev/full')
    noise = np.random.default_rng(0)
    frames = (noise.integers(0, 255, (32, 32, 3), dtype=np.uint8) for _ in range(60))
    with pytest.raises(OutputError, match="disk is full"):
        write(out, 60, frames=frames)
    assert_untouched(out)


def test_a_full_temporary_folder_is_named(out, tmp_path, monkeypatch):
    # The sound's file opens /dev/full: the first write to it finds no space.
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "sound.wav").symlink_to("/dev/full")

    class Scratch:
        def __init__(self, **_):
            pass

        def __enter__(self):
            return str(scratch)

        def __exit__(self, *exception):
            return None

    monkeypatch.setattr("emage.export.video.tempfile.TemporaryDirectory", Scratch)
    with pytest.raises(OutputError, match=f"cannot be kept in {scratch}.*No space left.*TMPDIR"):
        write(out, 30, audio=np.zeros(100_000, np.float32))
    assert_untouched(out)


def test_a_missing_temporary_folder_is_named(out, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(out.parent / "missing"))
    with pytest.raises(OutputError, match="no folder to keep the sound.*TMPDIR"):
        write(out, 3, audio=np.zeros(100, np.float32))
    assert_untouched(out)
    assert len(brightness_of(write(out, 3))) == 3  # a silent film needs none


# --- stopped ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        BrokenPipeError("gone"), OSError(28, "No space left on device"), FileNotFoundError(), Cancelled(),
        KeyboardInterrupt(), RuntimeError(),
    ],
)  # fmt: skip
@pytest.mark.parametrize("source", ["frames", "progress", "close"])
def test_what_the_callers_own_code_raises_comes_as_it_is_and_leaves_nothing(out, fault, source):
    closed = []

    def frames():
        try:
            yield from grey(2)
            if source == "frames":
                raise fault
            yield from grey(1)
        finally:
            closed.append(True)
            if source == "close":
                raise fault

    def progress(done, total):
        if source == "progress" and done == 2:
            raise fault

    with pytest.raises(type(fault)) as caught:
        write(out, 3, frames=frames(), progress=progress, audio=np.zeros(9, np.float32))
    assert caught.value is fault
    assert closed == [True]
    assert_untouched(out)


def test_a_long_film_is_stopped_at_once(out):
    def progress(done, total):
        if done == 5:
            raise GeneratorExit

    start = time.monotonic()
    with pytest.raises(GeneratorExit):
        write(out, 1000, progress=progress)
    assert time.monotonic() - start < 5
    assert_untouched(out)


def test_an_ffmpeg_that_hangs_is_killed_when_the_user_stops(out, tmp_path, fake_ffmpeg):
    pipe, started = tmp_path / "pid", []
    os.mkfifo(pipe)
    fake_ffmpeg(f"tail -f /dev/null & echo $! > {pipe}; wait")

    def frames():
        yield from grey(1)
        started.append(int(pipe.read_text()))  # waits for it
        raise Cancelled

    with pytest.raises(Cancelled):
        write(out, 9, frames=frames())
    status = Path(f"/proc/{started[0]}/status")  # a child's child, which dies when it next has a core

    def is_dead() -> bool:
        """Gone, or not yet collected."""
        try:
            return "State:\tZ" in status.read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True

    wait_until(is_dead)
    assert_untouched(out)
