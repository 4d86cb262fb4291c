"""What training does to sound."""

from dataclasses import replace

import numpy as np
import pytest

from emage.errors import EmageError
from tests.conftest import make_speech
from tests.train.conftest import QUIET
from train.data.augment import Augmentation, augment


def changed(**settings) -> np.ndarray:
    return augment(make_speech(34133), 16000, replace(QUIET, **settings), np.random.default_rng(0))


def test_sound_is_changed_as_asked():
    speech = make_speech(34133)
    np.testing.assert_array_equal(changed(), speech)
    np.testing.assert_allclose(changed(gain_db=(-6, -6)), speech * 10**-0.3, rtol=1e-5)
    limit = 0.5 * np.abs(speech).max()
    np.testing.assert_allclose(changed(clip_chance=1, clip_share=(0.5, 0.5)), np.clip(speech, -limit, limit), atol=1e-6)
    noise = changed(noise_chance=1, noise_db=(20, 20)) - speech
    assert np.mean(noise**2) / np.mean(speech**2) == pytest.approx(0.01, rel=0.01)
    spectrum = np.abs(np.fft.rfft(changed(band_chance=1, low_cut_hz=(50, 50), high_cut_hz=(1000, 1000))))
    before = np.abs(np.fft.rfft(speech))
    high, middle = slice(int(4000 * 34133 / 16000), None), slice(int(200 * 34133 / 16000), int(400 * 34133 / 16000))
    assert np.linalg.norm(spectrum[high]) < 0.07 * np.linalg.norm(before[high])
    assert np.linalg.norm(spectrum[middle]) > 0.8 * np.linalg.norm(before[middle])


def test_a_room_does_not_shift_the_sound():
    click = np.zeros(34133, np.float32)
    click[5000] = 0.5
    heard = augment(click, 16000, replace(QUIET, reverb_chance=1), np.random.default_rng(1))
    assert np.abs(heard).argmax() == 5000
    assert np.abs(heard[:5000]).max() < 1e-5
    assert np.abs(heard[5001:9000]).max() > 1e-3


def test_the_same_seed_sounds_the_same():
    first, again, other = (
        augment(make_speech(34133), 16000, Augmentation(), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01
    with pytest.raises(EmageError, match="noise_chance is 2"):
        Augmentation(noise_chance=2)
    with pytest.raises(EmageError, match="smaller number first"):
        Augmentation(gain_db=(3, -3))
