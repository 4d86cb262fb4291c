"""Recordings of every kind, and the arithmetic of samples, frames and seconds."""

import re
import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from emage.errors import AudioError
from emage.recording.audio import frame_to_sample, frame_to_second, load_audio, num_frames, second_to_frame


def tone(rate_hz: int, seconds: float = 1.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(rate_hz * seconds)) / rate_hz)


def assert_is_the_tone(audio: np.ndarray, tolerance: float, rate_hz: int = 16000) -> None:
    assert audio.dtype == np.float32
    assert audio.shape == (rate_hz,)
    inside = slice(rate_hz // 8, -rate_hz // 8)
    np.testing.assert_allclose(audio[inside], tone(rate_hz)[inside], atol=tolerance)


def ffmpeg(source, *options: object, stdout=None) -> None:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", source, *options], check=True, stdout=stdout)


# --- time -------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 10**12), st.integers(0, 10**9))
def test_frames_start_where_their_time_says(num_samples, frame):
    assert num_frames(num_samples) == max(1, round(num_samples * 30 / 16000))
    sample = frame_to_sample(frame)
    assert abs(sample * 3 - frame * 1600) <= 1  # within a third of a sample, however late
    assert second_to_frame(frame_to_second(frame)) == frame
    if frame:
        assert num_frames(sample) == frame
        assert sample - frame_to_sample(frame - 1) in (533, 534)


def test_an_hour_does_not_drift():
    assert frame_to_sample(3600 * 30) == 3600 * 16000
    assert num_frames(3600 * 16000) == 3600 * 30


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("container", "encoding", "tolerance"),
    [
        ("WAV", "PCM_U8", 0.01), ("WAV", "PCM_16", 1e-4), ("WAV", "PCM_24", 2e-5), ("WAV", "PCM_32", 2e-5),
        ("WAV", "FLOAT", 2e-5), ("WAV", "DOUBLE", 2e-5), ("FLAC", "PCM_16", 1e-4), ("OGG", "VORBIS", 0.03),
        ("MP3", "MPEG_LAYER_III", 0.03),
    ],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 2])
def test_formats(tmp_path, container, encoding, tolerance, channels):
    path = tmp_path / "tone.bin"  # the name tells nothing
    soundfile.write(path, np.repeat(tone(44100)[:, None], channels, 1), 44100, encoding, format=container)
    assert_is_the_tone(load_audio(path), tolerance)


@pytest.mark.parametrize("suffix", ["m4a", "mp4", "webm"])
def test_what_goes_through_ffmpeg(tmp_path, suffix):
    soundfile.write(tmp_path / "tone.wav", np.stack([tone(44100)] * 2, 1), 44100)
    path = tmp_path / f"tone.{suffix}"
    ffmpeg(tmp_path / "tone.wav", "-b:a", "192k", path)
    audio = load_audio(path)
    assert abs(len(audio) - 16000) <= 400  # codecs pad
    # the level is right, and the sound is where it was
    assert abs(np.abs(audio[4000:12000]).max() - 0.5) < 0.03
    assert np.corrcoef(audio[4000:12000], tone(16000)[4000:12000])[0, 1] > 0.99
    liar = path.rename(tmp_path / "liar.wav")
    np.testing.assert_array_equal(load_audio(liar), audio)


@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 22050, 48000, 96000])
def test_rates(rate_hz):
    assert_is_the_tone(load_audio((rate_hz, tone(rate_hz))), 3e-4)
    assert_is_the_tone(load_audio((rate_hz, tone(rate_hz)), sample_rate_hz=48000), 3e-4, 48000)  # for the ear


def test_at_sixteen_kilohertz_samples_stay_as_they_are(tmp_path):
    samples = np.random.default_rng(0).uniform(-1, 1, 4000).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", samples, 16000, "FLOAT")
    np.testing.assert_array_equal(load_audio(tmp_path / "noise.wav"), samples)


@pytest.mark.parametrize(
    ("dtype", "scale", "offset"),
    [("int8", 2**7, 0), ("int16", 2**15, 0), ("int32", 2**31, 0), ("uint8", 2**7, 2**7), ("uint16", 2**15, 2**15)],
)
def test_integer_arrays(dtype, scale, offset):
    samples = np.round(tone(16000) * scale + offset).astype(dtype)
    assert_is_the_tone(load_audio((16000, samples)), 1.01 / scale)
    stereo = np.stack([samples, samples], 1)  # as Gradio hands it over
    np.testing.assert_array_equal(load_audio((16000, stereo)), load_audio((16000, samples)))


def test_channels_are_averaged_and_lengths_kept_to_the_sample():
    left, right = np.full(1600, 0.5), np.full(1600, -0.25)
    np.testing.assert_allclose(load_audio((16000, np.stack([left, right], 1))), 0.125)
    samples = np.zeros(44100 * 61 + 7, dtype=np.int16)
    assert len(load_audio((44100, samples))) == round(len(samples) * 16000 / 44100)
    assert load_audio((16000, np.array([0.5]))).tolist() == [0.5]
    assert len(load_audio((48000, np.array([0.5])))) == 1


@pytest.mark.parametrize("options", [("-q:a", "5", "-write_xing", "0"), ("-abr", "1", "-write_xing", "0"), ()])
def test_mp3_without_a_word_on_its_length(tmp_path, options):
    sound = np.random.default_rng(0).normal(size=44100 * 20) * np.linspace(0, 0.3, 44100 * 20)
    soundfile.write(tmp_path / "talk.wav", sound, 44100)
    ffmpeg(tmp_path / "talk.wav", *options, tmp_path / "talk.mp3")
    assert abs(len(load_audio(tmp_path / "talk.mp3")) - 20 * 16000) <= 1600


def test_flac_from_a_pipe_and_names_that_libsndfile_believes(tmp_path):
    soundfile.write(tmp_path / "tone.wav", tone(44100), 44100)
    with (tmp_path / "tone.flac").open("wb") as stream:
        ffmpeg(tmp_path / "tone.wav", "-f", "flac", "pipe:", stdout=stream)
    (tmp_path / "tone.wav").rename(tmp_path / "tone.raw")
    for name in ("tone.flac", "tone.raw"):
        assert_is_the_tone(load_audio(tmp_path / name), 1e-3)


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.wav", b"", r"empty.wav is empty \(0 bytes\)"),
        ("letter.wav", b"Dear Sir or Madam, " * 100, "letter.wav is not a recording"),
        # A playlist reaches no other file.
        ("list.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\nsecret.flac\n", "not a recording"),
        ("list.txt", b"ffconcat version 1.0\nfile secret.flac\n", "not a recording"),
    ],
)
def test_files_that_are_none(tmp_path, name, content, words):
    soundfile.write(tmp_path / "secret.flac", tone(16000), 16000)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AudioError, match=words):
        load_audio(tmp_path / name)
    with pytest.raises(AudioError, match="no such file"):
        load_audio(tmp_path / "missing.wav")
    soundfile.write(tmp_path / "nothing.wav", np.zeros(0), 16000)
    with pytest.raises(AudioError, match="holds no samples"):
        load_audio(tmp_path / "nothing.wav")


@pytest.mark.parametrize("container", ["FLAC", "OGG", "MP3", "WAV"])
def test_a_file_that_was_cut_short_gives_what_is_there_or_says_so(tmp_path, container):
    path = tmp_path / "cut.bin"
    rng = np.random.default_rng(0)
    soundfile.write(path, np.clip(0.2 * rng.standard_normal(44100 * 30), -1, 1), 44100, format=container)
    whole = load_audio(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    try:
        part = load_audio(path)
    except AudioError as error:
        assert re.search(r"cut.bin is (damaged|cut short)", str(error))  # noqa: PT017 - either is right
    else:
        assert 0.3 < len(part) / len(whole) < 0.7
        np.testing.assert_array_equal(part[:100_000], whole[:100_000])


@pytest.mark.parametrize("container", ["WAV", "AIFF", "AU", "W64", "RF64", "FLAC"])
def test_a_file_that_announces_more_than_it_holds_is_refused(tmp_path, container):
    path = tmp_path / "cut.bin"
    soundfile.write(path, tone(160_000), 16000, format=container)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match="cut.bin is cut short: it announces 10.0 s and holds|damaged"):
        load_audio(path)


@pytest.mark.parametrize("name", ["cut.m4a", "cut.mkv", "cut.webm"])
def test_a_video_that_ends_too_soon_is_refused(tmp_path, name):
    soundfile.write(tmp_path / "talk.wav", tone(160_000), 16000)
    path = tmp_path / name
    ffmpeg(tmp_path / "talk.wav", "-ar", "48000", *(["-movflags", "+faststart"] if name == "cut.m4a" else []), path)
    assert len(load_audio(path)) > 150_000
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match=f"{name} is cut short: it ends before what it announces"):
        load_audio(path)


@pytest.mark.parametrize("announced", [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_a_recorder_that_could_not_know_the_length_announces_nothing(tmp_path, announced):
    path = tmp_path / "piped.wav"
    soundfile.write(path, tone(16000), 16000)
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = announced.to_bytes(4, "little")
    path.write_bytes(content)
    assert len(load_audio(path)) == 16000


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_not_numbers(tmp_path, bad):
    samples = tone(16000)
    samples[8000] = bad
    with pytest.raises(AudioError, match=r"first at 0\.500 s"):
        load_audio((16000, samples))
    soundfile.write(tmp_path / "bad.wav", np.full(16000, bad), 16000, "FLOAT")
    with pytest.raises(AudioError, match="bad.wav.*not numbers"):
        load_audio(tmp_path / "bad.wav")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ((16000, np.zeros(0)), "no samples"),
        ((16000, np.zeros((0, 2), np.int16)), "no samples"),
        ((16000, np.zeros((2, 2, 2))), "shape"),
        ((16000, np.zeros((2, 16000))), "shape"),  # channels first
        ((16000, np.array(["a"])), "type"),
        ((16000, np.zeros(10, np.int64)), "8, 16 or 32 bits"),
        ((16000, np.full(10, 32767.0)), "float samples lie in -1..1"),
        ((44100, np.tile([3e38, -3e38], 100)), "float samples lie in -1..1"),
        ((16000, np.full(10, 1e300)), "not numbers"),
        ((16000, [[1, 2], [3]]), "no array"),
        ((0, np.zeros(10)), "makes no sense"),
        ((-8000, np.zeros(10)), "makes no sense"),
        ((16000.5, np.zeros(10)), "whole number of Hz"),
    ],
)
def test_bad_arrays(source, words):
    with pytest.raises(AudioError, match=words):
        load_audio(source)


def test_the_limit_stops_reading(tmp_path):
    hours = tmp_path / "hours.wav"
    with soundfile.SoundFile(hours, "w", 8000, 1, "PCM_U8") as sound:
        for _ in range(30):
            sound.write(np.zeros(8000 * 60))
    with pytest.raises(AudioError, match=r"hours.wav is longer than 20 minutes"):
        load_audio(hours, max_duration_s=20 * 60)
    assert len(load_audio((16000, tone(16000)), max_duration_s=1.0)) == 16000
    with pytest.raises(AudioError, match="longer than 0.5 s"):
        load_audio((16000, tone(16000)), max_duration_s=0.5)
    assert len(load_audio(hours)) == 1800 * 16000  # no limit in the library
    # A small file can hold hours of silence: the limit looks at what it says first, before what decoding would raise.
    flac = tmp_path / "hours.flac"
    soundfile.write(flac, np.zeros(30 * 60 * 8000, np.int16), 8000)
    flac.write_bytes(flac.read_bytes()[:200])
    with pytest.raises(AudioError, match="hours.flac is longer than 20 minutes, the limit here"):
        load_audio(flac, max_duration_s=20 * 60)
    with pytest.raises(AudioError, match="damaged|cut short"):
        load_audio(flac, max_duration_s=40 * 60)
