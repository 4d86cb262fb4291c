"""The settings of a take: what they refuse, and how they come back from JSON."""

from dataclasses import asdict

import pytest

from emage.errors import EmageError
from emage.generation.settings import AS_GENERATED, GROUNDED, TRANSLATIONS, TakeSettings
from emage.validation import build


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"weights": ""}, "weights is ''"),
        ({"weights": 3}, "weights is 3; it must be text"),
        ({"speaker": -1}, "speaker is -1; it must be 0 or more"),
        ({"speaker": True}, "speaker is True; it must be a whole number"),
        ({"speaker": 10**30}, "speaker is 1000.*; it must be 1,000,000,000 at most"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 1.0}, "seed is 1.0; it must be a whole number"),
        ({"seed": 1, "temperature": float("nan")}, "temperature is nan; it must be a finite number"),
        ({"seed": 1, "temperature": "1"}, "temperature is '1'; it must be a number"),
        ({"seed": 1, "top_k": 0}, "top_k is 0; it must be 1 or more"),
        ({"timing": "soon"}, "timing is 'soon'; it must be 'exact', 'published' or 'reference'"),
        ({"timing": []}, "timing is"),
        ({"translation": "flying"}, "translation is 'flying'; it must be 'as-generated', 'in-place' or 'grounded'"),
        ({"translation": ""}, "translation is ''"),
        ({"seam_frames": -1}, "seam_frames is -1"),
        ({"seam_frames": 21}, "seam_frames is 21; it must be 20 at most"),
        ({"seam_frames": 4.0}, "seam_frames is 4.0"),
    ],
)
def test_faults_are_named(fault, words):
    for make in (lambda: TakeSettings(**fault), lambda: build(TakeSettings, fault, EmageError, "Settings")):
        with pytest.raises(EmageError, match=words):
            make()


@pytest.mark.parametrize("sample", [{"temperature": 0.5}, {"top_k": 5}])
def test_temperature_and_top_k_need_a_seed(sample):
    TakeSettings(seed=0, **sample).check_sample()
    with pytest.raises(EmageError, match="give a seed with them"):
        TakeSettings(**sample).check_sample()


def test_seeds_are_of_any_size():
    for seed in (0, 2**53 + 1, 10**30):
        assert build(TakeSettings, {"seed": seed}, EmageError, "Settings") == TakeSettings(seed=seed)


def test_feet_are_grounded_but_in_the_published_timing():
    assert TakeSettings().resolved_translation == GROUNDED
    assert TakeSettings(timing="published").resolved_translation == AS_GENERATED
    for timing in ("exact", "published"):
        for translation in TRANSLATIONS:
            assert TakeSettings(timing=timing, translation=translation).resolved_translation == translation


def test_settings_come_back_and_an_earlier_name_of_a_timing_is_known():
    settings = TakeSettings("demo", 2, 5, 0.7, 10, "published", "in-place", 8, False)
    assert build(TakeSettings, asdict(settings), EmageError, "The settings") == settings
    assert build(TakeSettings, asdict(settings) | {"timing": "reference"}, EmageError, "The settings") == settings
    assert TakeSettings(timing="reference").timing == "published"
    assert build(TakeSettings, '{"speaker": 2}', EmageError, "The settings") == TakeSettings(speaker=2)
