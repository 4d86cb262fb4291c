"""A recording: decoded once to both rates, cut to the part that is used, kept in files."""

import numpy as np
import pytest
import soundfile

from emage.errors import AudioError, OutputError
from emage.recording.audio import load_audio
from emage.recording.recording import Recording
from tests.conftest import make_speech


@pytest.fixture(scope="module")
def recording() -> Recording:
    """4.5 s at 44.1 kHz, in stereo."""
    return Recording.load((44100, np.stack([make_speech(198450), make_speech(198450, seed=1)], 1)))


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("container", ["WAV", "MP3"])  # libsndfile, ffmpeg
def test_one_decoding_gives_both_rates_to_the_last_bit(tmp_path, rate_hz, container):
    path = tmp_path / "My talk.bin"
    soundfile.write(path, make_speech(2 * rate_hz), rate_hz, format=container)
    recording = Recording.load(path)
    np.testing.assert_array_equal(recording.samples, load_audio(path))
    np.testing.assert_array_equal(recording.sound, load_audio(path, sample_rate_hz=48000))
    assert (recording.name, recording.stem, recording.file) == ("My talk.bin", "My talk", path)
    assert Recording.load(path, name="other.wav").stem == "other"


def test_the_whole_is_used_unless_a_part_is_chosen(recording):
    assert (recording.num_frames, recording.part_frames, recording.is_trimmed) == (135, 135, False)
    assert (recording.name, recording.file, recording.words) == ("speech", None, ())
    np.testing.assert_array_equal(recording.part_samples, recording.samples)
    np.testing.assert_array_equal(recording.part_sound, recording.sound)
    assert not recording.trim(0, 135).is_trimmed
    with pytest.raises(AudioError, match="longer than 2 s"):
        Recording.load((16000, make_speech(72000)), max_duration_s=2)


@pytest.mark.parametrize(
    ("start", "end", "samples", "sound"),
    [
        (30, 60, (16000, 32000), (48000, 96000)),
        (30, 31, (16000, 16533), (48000, 49600)),
        (100, 10_000, (53333, None), (160000, None)),
        (7, None, (3733, None), (11200, None)),
    ],
)
def test_a_part(recording, start, end, samples, sound):
    part = recording.trim(start, end)
    np.testing.assert_array_equal(part.part_samples, recording.samples[slice(*samples)])
    np.testing.assert_array_equal(part.part_sound, recording.sound[slice(*sound)])
    assert part.samples is recording.samples
    assert part.is_trimmed
    assert part.part_frames == part.end_frame - part.start_frame == min(end or 135, 135) - start
    assert not part.trim(0).is_trimmed


@pytest.mark.parametrize(("start", "end"), [(135, None), (60, 60), (60, 30), (-1, 20)])
def test_nothing_is_no_part(recording, start, end):
    with pytest.raises(AudioError, match="there is nothing from"):
        recording.trim(start, end)


def test_what_is_stored_is_the_same_and_lies_in_files(recording, tmp_path):
    stored = recording.trim(3, 90).store(tmp_path)
    for array, expected in ((stored.samples, recording.samples), (stored.sound, recording.sound)):
        assert isinstance(array, np.memmap)
        np.testing.assert_array_equal(array, expected)
    assert (stored.start_frame, stored.end_frame, stored.name) == (3, 90, "speech")
    np.testing.assert_array_equal(stored.part_samples, recording.trim(3, 90).part_samples)
    with pytest.raises(OutputError, match="does not exist"):
        recording.store(tmp_path / "none")
