"""Frames and sound to an mp4: H.264 and AAC that start at the same instant in every player.

The frames go to ffmpeg as they are made, raw and by pipe, so a video of any length needs no pictures on disk. The
picture is encoded without B-frames and therefore starts at time 0 without an edit list; the sound is encoded at
48 kHz, where even a player that ignores the edit list of AAC's start-up samples is 21 ms late at most.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import wave
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Self

import imageio_ffmpeg
import numpy as np

from emage.errors import OutputError, VideoError
from emage.files import check_writable, new_file, output_error

_SOUND_RATE_HZ = 48_000
_SOUND_BITRATE = "160k"
# Without a word about it ffmpeg converts by BT.601, and players decode large pictures by BT.709: other colours.
_COLOURS = (
    "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,"
    "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
)
_NO_SPACE = "No space left on device"
_INSTALL = "Install it again with `pip install --force-reinstall imageio-ffmpeg`, or set IMAGEIO_FFMPEG_EXE."
_LAST_WORDS = 20
"""How many of ffmpeg's last lines an error repeats."""


def write_video(
    path: str | Path,
    frames: Iterable[np.ndarray],
    *,
    width: int,
    height: int,
    fps: float,
    num_frames: int,
    audio: np.ndarray | None = None,
    audio_rate_hz: int = 16000,
    crf: int = 20,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Encode frames and sound as they come; the file at `path` appears whole or not at all.

    Args:
        path: the mp4 to write; an existing file is replaced when the new one is complete.
        frames: `num_frames` arrays (height, width, 3) uint8 RGB. Closed here where it is a generator, also on errors.
        width, height: pixels, both even.
        fps: frames per second.
        num_frames: how many frames `frames` yields, no more and no less.
        audio: (N,) float32 in -1..1, mono, or None for a silent film. Cut, or filled with silence, to the length of
            the picture.
        audio_rate_hz: samples per second of `audio`.
        crf: quality of H.264; 0 is lossless, 18 looks so, 28 is small.
        progress: called with (frames written, num_frames) after each frame. What it raises stops the work.

    Returns:
        `path`.

    Raises:
        OutputError: `path` cannot be written, or the disk is full; known before the first frame is asked for where
            that can be known.
        VideoError: a frame or the sound has the wrong form, there are too few or too many frames, or ffmpeg fails.
    """
    path = Path(path)
    with contextlib.closing(_closable(frames)) as source:
        _check_settings(width, height, fps, num_frames, crf)
        num_samples = round(num_frames / fps * audio_rate_hz)
        sound = None if audio is None else _pcm16(audio, num_samples, audio_rate_hz)
        check_writable(path)
        with new_file(path) as temporary, tempfile.TemporaryDirectory(prefix="emage-") as scratch:
            wav = None if sound is None else _write_wav(Path(scratch) / "sound.wav", sound, audio_rate_hz)
            command = _command(temporary, width, height, fps, wav, crf)
            with _Encoder(command, path) as encoder:
                for count, frame in enumerate(_exactly(source, num_frames, (height, width, 3)), start=1):
                    encoder.write(frame)
                    if progress is not None:
                        progress(count, num_frames)
    return path


class _Encoder:
    """A running ffmpeg that takes raw frames; killed when the block that holds it ends by an exception."""

    def __init__(self, command: list[str], path: Path):
        self._path = path
        try:
            # A session of its own: Ctrl-C reaches us alone, and we end ffmpeg.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise VideoError(f"ffmpeg cannot be started ({error}). {_INSTALL}") from error
        self._words: deque[str] = deque(maxlen=_LAST_WORDS)
        # Read all the time, for a full pipe of messages would stop ffmpeg, and so us.
        self._reader = threading.Thread(target=self._read_words, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exception_type, exception, traceback) -> None:
        try:
            if exception_type is None:
                self._finish()
        finally:
            self._kill()

    def write(self, frame: np.ndarray) -> None:
        try:
            self._process.stdin.write(np.ascontiguousarray(frame).data)
        except OSError as error:
            self._process.wait()
            raise self._failure() from error

    def _finish(self) -> None:
        # An OSError of the close is a broken pipe: ffmpeg is gone and its return code says why.
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        if self._process.wait() != 0:
            raise self._failure()

    def _kill(self) -> None:
        if self._process.poll() is None:
            # The whole group, for IMAGEIO_FFMPEG_EXE may be a script whose ffmpeg would live on.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._reader.join()
        self._process.stderr.close()

    def _failure(self) -> OutputError | VideoError:
        self._reader.join()
        words = "\n".join(self._words)
        if _NO_SPACE in words:
            return OutputError(f"{self._path} was not written: the disk is full. Free some space or write elsewhere.")
        code = self._process.returncode
        ended = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        return VideoError(f"{self._path} was not written: ffmpeg {ended}. It said:\n{words or '(nothing)'}")

    def _read_words(self) -> None:
        for line in self._process.stderr:
            self._words.append(line.decode("utf-8", "replace").rstrip())


def _command(output: Path, width: int, height: int, fps: float, wav: Path | None, crf: int) -> list[str]:
    try:
        ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise VideoError(f"There is no ffmpeg ({error}). {_INSTALL}") from error
    rate = Fraction(fps).limit_denominator(1001)
    # fmt: off
    picture_in = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-framerate", str(rate),
                  "-i", "pipe:0"]
    picture_out = ["-map", "0:v", "-vf", _COLOURS, "-c:v", "libx264", "-preset", "veryfast", "-crf", str(crf),
                   "-bf", "0", "-fps_mode", "passthrough"]
    sound_in = [] if wav is None else ["-i", str(wav)]
    sound_out = [] if wav is None else ["-map", "1:a", "-c:a", "aac", "-b:a", _SOUND_BITRATE,
                                        "-ar", str(_SOUND_RATE_HZ)]
    return [ffmpeg, "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *picture_in, *sound_in, *picture_out,
            *sound_out, "-movflags", "+faststart", "-f", "mp4", str(output)]
    # fmt: on


def _check_settings(width: int, height: int, fps: float, num_frames: int, crf: int) -> None:
    if width <= 0 or height <= 0 or width % 2 or height % 2:
        raise VideoError(f"A video of {width} x {height} pixels is not possible; H.264 needs even, positive numbers.")
    if not 1 <= fps <= 1000:
        raise VideoError(f"{fps} frames per second make no sense; give between 1 and 1000.")
    if num_frames < 1:
        raise VideoError(f"A video of {num_frames} frames is not possible; there must be at least one.")
    if not 0 <= crf <= 51:
        raise VideoError(f"The quality crf={crf} does not exist; it goes from 0 (lossless) to 51.")


def _pcm16(audio: np.ndarray, num_samples: int, rate_hz: int) -> np.ndarray:
    """(N,) in -1..1 to (num_samples,) int16, cut or filled with silence."""
    if rate_hz <= 0:
        raise VideoError(f"A sample rate of {rate_hz} Hz is not possible.")
    audio = np.asarray(audio)
    if audio.ndim != 1 or audio.dtype.kind != "f":
        raise VideoError(f"The sound is {audio.dtype} of shape {audio.shape}; it must be mono floats of shape (N,).")
    audio = audio[:num_samples]
    if not np.isfinite(audio).all():
        raise VideoError(
            f"The sound holds a value that is no number, at {np.argmin(np.isfinite(audio)) / rate_hz:.3f} s."
        )
    samples = np.zeros(num_samples, dtype="<i2")
    samples[: len(audio)] = np.rint(np.clip(audio, -1, 1) * 32767)
    return samples


def _write_wav(path: Path, samples: np.ndarray, rate_hz: int) -> Path:
    try:
        with wave.open(str(path), "wb") as stream:
            stream.setnchannels(1)
            stream.setsampwidth(2)
            stream.setframerate(rate_hz)
            stream.writeframes(samples.data)
    except OSError as error:
        raise output_error(path, error) from error
    return path


def _exactly(frames: Iterator[np.ndarray], num_frames: int, shape: tuple[int, int, int]) -> Iterator[np.ndarray]:
    """Pass frames on; raise VideoError for a frame of another form, one too many, or an early end."""
    count = 0
    for frame in frames:
        count += 1
        if count > num_frames:
            raise VideoError(f"There are more frames than the {num_frames} announced.")
        if not isinstance(frame, np.ndarray) or frame.shape != shape or frame.dtype != np.uint8:
            form = f"{frame.dtype} of shape {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
            raise VideoError(f"Frame {count - 1} is {form}; it must be uint8 of shape {shape}.")
        yield frame
    if count < num_frames:
        raise VideoError(f"There are {count} frames where {num_frames} were announced.")


def _closable(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Iterate over `frames`; closing this closes `frames` where that is a generator, which ends its renderer."""
    try:
        yield from frames
    finally:
        close = getattr(frames, "close", None)
        if close is not None:
            close()
