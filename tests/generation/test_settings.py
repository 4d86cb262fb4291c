"""The settings of a take: what they refuse, and how they come back from JSON."""

from dataclasses import asdict, replace

import pytest

from emage.errors import EmageError
from emage.generation.decoding import Sampler
from emage.generation.settings import AS_GENERATED, GROUNDED, TRANSLATIONS, TakeSettings, rebuilt
from emage.generation.windows import Timing
from emage.render.settings import RenderSettings


def test_the_sampler_of_settings():
    assert TakeSettings().sampler is None
    assert TakeSettings(seed=3).sampler == Sampler(1.0, None, 3)
    assert TakeSettings(seed=0, temperature=0.5, top_k=8).sampler == Sampler(0.5, 8, 0)
    assert TakeSettings(timing=Timing.PUBLISHED) == TakeSettings(timing="reference")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"weights": ""}, "weights is ''"),
        ({"weights": 3}, "weights is 3"),
        ({"speaker": -1}, "speaker is -1"),
        ({"speaker": True}, "speaker is True"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 1.0}, "seed is 1.0"),
        ({"seed": 1, "temperature": float("nan")}, "temperature is nan"),
        ({"seed": 1, "temperature": "1"}, "temperature is '1'"),
        ({"seed": 1, "top_k": 0}, "top_k is 0"),
        ({"temperature": 0.5}, "give a seed with them"),
        ({"top_k": 5}, "give a seed with them"),
        ({"timing": "soon"}, "timing is 'soon'"),
        ({"timing": []}, "timing is"),
        ({"translation": "flying"}, "no translation 'flying'"),
        ({"translation": ""}, "no translation ''"),
        ({"seam_frames": -1}, "seam_frames is -1"),
        ({"seam_frames": 21}, "seam_frames is 21; it must be a whole number from 0 to 20"),
        ({"seam_frames": 4.0}, "seam_frames is 4.0"),
    ],
)
def test_faults_are_named(fault, words):
    with pytest.raises(EmageError, match=words):
        replace(TakeSettings(), **fault)


def test_feet_are_grounded_but_in_the_published_timing():
    assert TakeSettings().resolved_translation == GROUNDED
    assert TakeSettings(timing="reference").resolved_translation == AS_GENERATED
    for timing in ("exact", "reference"):
        for translation in TRANSLATIONS:
            assert TakeSettings(timing=timing, translation=translation).resolved_translation == translation


def test_settings_come_back():
    settings = TakeSettings("demo", 2, 5, 0.7, 10, "reference", "in-place", 8)
    assert rebuilt(TakeSettings, asdict(settings), "The settings") == settings
    assert rebuilt(TakeSettings, {"speaker": 2}, "The settings") == TakeSettings(speaker=2)
    picture = RenderSettings(camera="face", samples=1)
    assert rebuilt(RenderSettings, asdict(picture), "The picture") == picture
    for values in ([], {"colour": 1}, None):
        with pytest.raises(
            EmageError, match="The settings must be an object with no other fields than seam_frames, seed"
        ):
            rebuilt(TakeSettings, values, "The settings")
