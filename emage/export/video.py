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
from numbers import Integral, Real
from pathlib import Path
from typing import Self

import imageio_ffmpeg
import numpy as np

from emage.errors import OutputError, VideoError
from emage.files import check_writable, new_file

_SOUND_RATE_HZ = 48_000
_SOUND_BITRATE = "160k"
# Without a word about it ffmpeg converts by BT.601, and players decode large pictures by BT.709: other colours.
_COLOURS = (
    "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,"
    "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
)
_NO_SPACE = "No space left on device"
_INSTALL = "Install it again with `pip install --force-reinstall imageio-ffmpeg`, or set IMAGEIO_FFMPEG_EXE."
_MAX_RATE_HZ = 384_000
_MAX_WAV_BYTES = 2**32 - 4096
"""Its header counts with 32 bits."""
_SAMPLES_AT_ONCE = 1 << 18
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
        OutputError: `path` cannot be written, or there is no place for the sound while the video is made, or the disk
            is full; known before the first frame is asked for where that can be known.
        VideoError: a setting, a frame or the sound has the wrong form, there are too few or too many frames, or ffmpeg
            fails.
        Anything that `frames` or `progress` raise, as it is.
    """
    path = Path(path)
    try:
        with contextlib.closing(_closable(frames)) as source:
            _check_settings(width, height, fps, num_frames, crf)
            sound = None if audio is None else _Sound(audio, num_frames / fps, audio_rate_hz)
            check_writable(path)
            with new_file(path) as temporary, _sound_file(sound) as wav:
                command = _command(temporary, width, height, fps, wav, crf)
                with _Encoder(command, path) as encoder:
                    for count, frame in enumerate(_exactly(source, num_frames, (height, width, 3)), start=1):
                        encoder.write(frame)
                        if progress is not None:
                            with _callers_own():
                                progress(count, num_frames)
    except _CallersError as marked:
        fault = marked.fault
    else:
        return path
    raise fault


class _CallersError(Exception):
    """Carries an OSError of the caller's past `new_file`, which takes any for a fault of the file."""

    def __init__(self, fault: OSError):
        super().__init__(fault)
        self.fault = fault


@contextlib.contextmanager
def _callers_own() -> Iterator[None]:
    """Mark the OSErrors of what the caller gave us to run."""
    try:
        yield
    except OSError as error:
        raise _CallersError(error) from error


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
        self._reader = threading.Thread(target=self._read_words, name="ffmpeg-words", daemon=True)
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
    rate = Fraction(float(fps)).limit_denominator(1001)
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
    if not (_is_whole(width) and _is_whole(height)) or width <= 0 or height <= 0 or width % 2 or height % 2:
        raise VideoError(
            f"A video of {width!r} x {height!r} pixels is not possible; H.264 needs even, positive whole numbers."
        )
    if not isinstance(fps, Real) or isinstance(fps, bool) or not 1 <= fps <= 1000:
        raise VideoError(f"{fps!r} frames per second make no sense; give between 1 and 1000.")
    if not _is_whole(num_frames) or num_frames < 1:
        raise VideoError(f"A video of {num_frames!r} frames is not possible; there must be at least one.")
    if not _is_whole(crf) or not 0 <= crf <= 51:
        raise VideoError(f"The quality crf={crf!r} does not exist; it goes from 0 (lossless) to 51.")


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


class _Sound:
    """Samples as a video of some length needs them, made in blocks.

    Raises:
        VideoError: not mono floats, a value that is no number, or a rate or length that is not possible.
    """

    def __init__(self, audio: np.ndarray, duration_s: float, rate_hz: int):
        """audio: (N,) floats in -1..1."""
        if not _is_whole(rate_hz) or not 1 <= rate_hz <= _MAX_RATE_HZ:
            raise VideoError(f"A sample rate of {rate_hz!r} Hz is not possible; give 1 to {_MAX_RATE_HZ}.")
        audio = np.asarray(audio)
        if audio.ndim != 1 or audio.dtype.kind != "f":
            raise VideoError(
                f"The sound is {audio.dtype} of shape {audio.shape}; it must be mono floats of shape (N,)."
            )
        self.rate_hz = int(rate_hz)
        self.num_samples = round(duration_s * rate_hz)
        if 2 * self.num_samples > _MAX_WAV_BYTES:
            raise VideoError(
                f"{duration_s / 3600:.1f} hours of sound at {rate_hz} Hz are too much for one video; make several."
            )
        self._audio = audio[: self.num_samples]
        for start, block in self._blocks():
            if not np.isfinite(block).all():
                at_s = (start + np.argmin(np.isfinite(block))) / rate_hz
                raise VideoError(f"The sound holds a value that is no number, at {at_s:.3f} s.")

    def pcm16(self) -> Iterator[np.ndarray]:
        """Blocks of int16, `num_samples` in all, cut or filled with silence."""
        for _, block in self._blocks():
            yield np.rint(np.clip(block, -1, 1) * 32767).astype("<i2")
        for start in range(len(self._audio), self.num_samples, _SAMPLES_AT_ONCE):
            yield np.zeros(min(_SAMPLES_AT_ONCE, self.num_samples - start), "<i2")

    def _blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        for start in range(0, len(self._audio), _SAMPLES_AT_ONCE):
            yield start, self._audio[start : start + _SAMPLES_AT_ONCE]


@contextlib.contextmanager
def _sound_file(sound: _Sound | None) -> Iterator[Path | None]:
    """A wav of the sound in a folder that goes away with the block; None for no sound."""
    if sound is None:
        yield None
        return
    try:
        folder = tempfile.TemporaryDirectory(prefix="emage-", ignore_cleanup_errors=True)
    except OSError as error:
        raise OutputError(
            f"There is no folder to keep the sound in while the video is made ({error.strerror or error}). "
            "Set TMPDIR to one that you may write to."
        ) from error
    with folder as name:
        path = Path(name) / "sound.wav"
        try:
            _write_wav(path, sound)
        except OSError as error:
            raise OutputError(
                f"The sound cannot be kept in {path.parent} while the video is made ({error.strerror or error}). "
                "Free some space there, or set TMPDIR to another folder."
            ) from error
        yield path


def _write_wav(path: Path, sound: _Sound) -> None:
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(sound.rate_hz)
        stream.setnframes(sound.num_samples)
        for block in sound.pcm16():
            stream.writeframesraw(block.data)


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
    with _callers_own():
        try:
            yield from frames
        finally:
            close = getattr(frames, "close", None)
            if close is not None:
                close()
