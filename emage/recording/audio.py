"""Any recording -> mono float32 at 16 kHz, and all arithmetic between samples, frames and seconds."""

import contextlib
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import soundfile
import soxr

from emage.errors import AudioError
from emage.motion import FPS

SAMPLE_RATE_HZ = 16000
"""What the networks hear."""
SOUND_RATE_HZ = 48000
"""Of the sound of videos."""
SILENCE = 0.004
"""Amplitude (-48 dB): the noise of a quiet room is below, a whisper above."""

AudioSource = str | Path | tuple[int, np.ndarray]
"""A file, or (sample rate in Hz, samples (N,) or (N, channels)) as Gradio hands over."""
_BLOCK_SAMPLES = 1 << 18
_MAX_CHANNELS = 64
_MAX_AMPLITUDE = 64.0
_UNKNOWN_LENGTH = 1 << 40
_MAX_RATE_HZ = 1_000_000
_UNKNOWN_BYTES = 0x7FFF_0000
"""What is written as it is recorded announces more than this, for its length was not known."""
_MISSING_S = 0.1

# Containers that hold sound themselves. Playlists, which name other files and addresses, are not among them.
_FFMPEG_FORMATS = "aac,ac3,aiff,amr,asf,au,avi,caf,flac,flv,m4a,matroska,webm,mov,mp4,mp3,mpeg,mpegts,ogg,w64,wav"


def num_frames(num_samples: int) -> int:
    """Motion frames that a recording of `num_samples` at 16 kHz lasts: N * 30 / 16000 rounded, at least one."""
    return max(1, round(num_samples * FPS / SAMPLE_RATE_HZ))


def frame_to_sample(frame: int, sample_rate_hz: int = SAMPLE_RATE_HZ) -> int:
    """The sample at which a frame starts: frame * 16000 / 30 rounded, so that nothing drifts however long."""
    return (2 * frame * sample_rate_hz + FPS) // (2 * FPS)


def frame_to_second(frame: int) -> float:
    """The time in seconds at which a frame starts."""
    return frame / FPS


def second_to_frame(second: float) -> int:
    """The frame that starts nearest to a time in seconds."""
    return round(second * FPS)


def check_samples(audio: np.ndarray) -> np.ndarray:
    """(N,) floats as they are.

    Raises:
        AudioError: another shape or type, or a value that is no finite number.
    """
    audio = np.asarray(audio)
    if audio.ndim != 1 or len(audio) == 0 or audio.dtype.kind != "f":
        raise AudioError(
            f"The audio is {audio.dtype} of shape {audio.shape}; it must be (samples,) floats at 16 kHz, as "
            "emage.recording.audio.load_audio gives them."
        )
    if not np.isfinite(audio).all():
        raise AudioError(f"Sample {int(np.argmin(np.isfinite(audio)))} of the audio is no finite number.")
    return audio


def load_audio(
    source: AudioSource, max_duration_s: float | None = None, sample_rate_hz: int = SAMPLE_RATE_HZ
) -> np.ndarray:
    """A recording as (N,) float32 at one sample rate; see `decode_audio`."""
    return decode_audio(source, (sample_rate_hz,), max_duration_s)[0]


def decode_audio(
    source: AudioSource, sample_rates_hz: Sequence[int], max_duration_s: float | None = None
) -> list[np.ndarray]:
    """Read a recording as (N,) float32 in about -1..1, mono (its channels mixed evenly), at each of some rates.

    The format is told by the content, not by the name. WAV, FLAC, OGG and more are read by libsndfile; what it does
    not know, such as M4A or the sound of a video, what it cannot tell the length of, and MP3, whose length it guesses,
    go through ffmpeg. It is read block by block: memory holds little more than the result, and nothing beyond the limit
    is decoded, or nothing at all of a file that says itself that it is longer. A file that says itself that it was
    longer is refused, as far as its format tells: OGG and MP3 do not.

    Args:
        source: a file, or (rate_hz, samples) with integer samples of any width or floats.
        sample_rates_hz: of the results; the networks hear 16 kHz, a video may sound better.
        max_duration_s: refuse a longer recording.

    Raises:
        AudioError: not there, not audio, no samples, not finite, cut short, or longer than `max_duration_s`.
    """
    if isinstance(source, tuple):
        recording = _from_array(*source)
        return _collect(recording, "The recording", max_duration_s, sample_rates_hz)
    path = Path(source)
    if not path.is_file():
        raise AudioError(f"{path}: there is no such file.")
    if path.stat().st_size == 0:
        raise AudioError(f"{path.name} is empty (0 bytes). Record or upload it again.")
    with _open(path) as recording:
        return _collect(recording, path.name, max_duration_s, sample_rates_hz)


@dataclass(frozen=True)
class _Stream:
    """rate_hz, an iterator of (n, channels) float32 blocks, and how many samples they will be, where that is known."""

    rate_hz: int
    blocks: Iterator[np.ndarray]
    num_samples: int = 0


@contextlib.contextmanager
def _open(path: Path) -> Iterator[_Stream]:
    with path.open("rb") as stream:  # a stream, for libsndfile believes some names
        try:
            sound = soundfile.SoundFile(stream)
        except (soundfile.LibsndfileError, TypeError):
            sound = None
        if sound is not None and sound.format != "MP3" and 0 < sound.frames < _UNKNOWN_LENGTH:
            with sound:
                _check_whole(sound, path.name)
                yield _Stream(sound.samplerate, _blocks(sound, path.name), sound.frames)
            return
    with _open_with_ffmpeg(path) as recording:
        yield recording


def _check_whole(sound: soundfile.SoundFile, name: str) -> None:
    """Raise AudioError for a file that announces more than it holds: libsndfile gives what is there, and notes that."""
    for announced, there in re.findall(r": (\d+) \(should be (\d+)\)", sound.extra_info):
        announced, there = int(announced), int(there)
        holds_s = sound.frames / sound.samplerate
        if there < announced < _UNKNOWN_BYTES and (announced / there - 1) * holds_s > _MISSING_S:
            raise _cut_short(name, announced / there * holds_s, holds_s)


def _cut_short(name: str, announced_s: float, holds_s: float) -> AudioError:
    return AudioError(
        f"{name} is cut short: it announces {announced_s:.1f} s and holds {holds_s:.1f} s. Copy or export it again."
    )


def _blocks(sound: soundfile.SoundFile, name: str) -> Iterator[np.ndarray]:
    """Not `sound.blocks`, which fills up what cannot be read with what lies in memory."""
    read = 0
    while read < sound.frames:
        try:
            block = sound.read(max(1, _BLOCK_SAMPLES // sound.channels), dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{name} is damaged and cannot be decoded ({error}). Export it again.") from error
        if len(block) == 0:
            raise _cut_short(name, sound.frames / sound.samplerate, read / sound.samplerate)
        read += len(block)
        yield block


@contextlib.contextmanager
def _open_with_ffmpeg(path: Path) -> Iterator[_Stream]:
    rate_hz = 48000  # above the needs of 16 kHz; soxr does the one resampling that matters
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error",
        "-format_whitelist", _FFMPEG_FORMATS, "-protocol_whitelist", "file", "-i", f"file:{path.resolve()}",
        "-vn", "-map", "0:a:0",
        # rematrix_maxval: a mix of channels, not their louder sum
        "-af", f"aresample={rate_hz}:out_chlayout=mono:rematrix_maxval=1", "-f", "f32le", "pipe:1",
    ]  # fmt: skip
    with tempfile.TemporaryFile() as complaints:  # a file, for an unread pipe would block a chatty decoder
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints)
        try:
            yield _Stream(rate_hz, _ffmpeg_blocks(process, complaints, path.name))
        finally:
            process.kill()
            process.stdout.close()
            process.wait()


def _ffmpeg_blocks(process: subprocess.Popen, complaints, name: str) -> Iterator[np.ndarray]:
    while data := process.stdout.read(4 * _BLOCK_SAMPLES):
        yield np.frombuffer(data[: len(data) // 4 * 4], "<f4")[:, None]
    failed = process.wait() != 0
    complaints.seek(0)
    words = complaints.read(2000).decode("utf-8", "replace").strip().splitlines()
    if not failed and any(re.search("partial file|ended prematurely", each) for each in words):
        raise AudioError(f"{name} is cut short: it ends before what it announces. Copy or export it again.")
    if failed:
        raise AudioError(
            f"{name} is not a recording that can be decoded ({words[-1] if words else 'ffmpeg failed'}). "
            "Give WAV, FLAC, OGG, MP3, M4A or a video with sound."
        )


def _from_array(rate_hz: int, samples: np.ndarray) -> _Stream:
    try:
        samples = np.asarray(samples)
    except ValueError as error:
        raise AudioError(f"The samples are no array ({error}); give (samples,) or (samples, channels).") from error
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and not 1 <= samples.shape[1] <= _MAX_CHANNELS):
        raise AudioError(f"The samples have shape {samples.shape}; give (samples,) or (samples, channels).")
    if samples.dtype.kind not in "fiu" or (samples.dtype.kind in "iu" and samples.dtype.itemsize > 4):
        raise AudioError(f"The samples are of type {samples.dtype}; give floats or integers of 8, 16 or 32 bits.")
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, int | np.integer):
        raise AudioError(f"The sample rate is {rate_hz!r}; give a whole number of Hz.")
    columns = samples[:, None] if samples.ndim == 1 else samples
    starts = range(0, len(columns), _BLOCK_SAMPLES)
    return _Stream(int(rate_hz), (_to_float(columns[i : i + _BLOCK_SAMPLES]) for i in starts), len(columns))


def _to_float(samples: np.ndarray) -> np.ndarray:
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what is too large is refused as infinite
            return samples.astype(np.float32)
    full_scale = 2.0 ** (8 * samples.dtype.itemsize - 1)
    offset = full_scale if samples.dtype.kind == "u" else 0.0
    return ((samples.astype(np.float64) - offset) / full_scale).astype(np.float32)


def _collect(
    recording: _Stream, name: str, max_duration_s: float | None, sample_rates_hz: Sequence[int]
) -> list[np.ndarray]:
    """Mix to mono, check, resample, join."""
    rate_hz = recording.rate_hz
    if not 1 <= rate_hz <= _MAX_RATE_HZ:
        raise AudioError(f"{name}: a sample rate of {rate_hz} Hz makes no sense.")
    _check_length(recording.num_samples, rate_hz, max_duration_s, name)
    results = [_Resampled(rate_hz, wanted_hz) for wanted_hz in sample_rates_hz]
    read = 0
    for block in recording.blocks:
        mono = block.mean(axis=1, dtype=np.float32) if block.shape[1] > 1 else block[:, 0]
        finite = np.isfinite(mono)
        if not finite.all():
            at_s = (read + int(np.argmin(finite))) / rate_hz
            raise AudioError(f"{name} holds samples that are not numbers, first at {at_s:.3f} s. Export it again.")
        peak = np.abs(mono).max(initial=0)
        if peak > _MAX_AMPLITUDE:
            raise AudioError(f"{name}: its samples reach {peak:.3g}; float samples lie in -1..1. Scale them.")
        read += len(mono)
        _check_length(read, rate_hz, max_duration_s, name)
        for result in results:
            result.add(mono)
    if read == 0:
        raise AudioError(f"{name} holds no samples. Record or upload it again.")
    return [result.finish(read) for result in results]


class _Resampled:
    """Mono samples at another rate, as they come."""

    def __init__(self, from_hz: int, to_hz: int):
        self._from_hz, self._to_hz = from_hz, to_hz
        self._resampler = None if from_hz == to_hz else soxr.ResampleStream(from_hz, to_hz, 1, "float32")
        self._audio = bytearray()  # grows in place, where a list of pieces would be held twice

    def add(self, mono: np.ndarray) -> None:
        self._audio += (mono if self._resampler is None else self._resampler.resample_chunk(mono)).tobytes()

    def finish(self, num_samples: int) -> np.ndarray:
        """All of it, of `num_samples` that were added."""
        if self._resampler is not None:
            self._audio += self._resampler.resample_chunk(np.zeros(0, np.float32), last=True).tobytes()
        length = max(1, round(num_samples * self._to_hz / self._from_hz))
        self._audio += bytes(max(0, 4 * length - len(self._audio)))
        return np.frombuffer(self._audio, np.float32)[:length]


def _check_length(num_samples: int, rate_hz: int, max_duration_s: float | None, name: str) -> None:
    if max_duration_s is not None and num_samples > max_duration_s * rate_hz:
        raise AudioError(
            f"{name} is longer than {_spoken(max_duration_s)}, the limit here. Cut it, or raise the limit."
        )


def _spoken(duration_s: float) -> str:
    return f"{round(duration_s / 60, 2):g} minutes" if duration_s >= 60 else f"{duration_s:g} s"
