"""What can be chosen of a picture, and what is refused."""

import math

import numpy as np
import pytest

from emage.errors import RenderError
from emage.hints import FOLLOWED, GENERATED, LOCKED
from emage.render.frames import frame_size
from emage.render.settings import RenderSettings, rgb_of
from emage.validation import build


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"renderer": "opengl"}, "renderer is 'opengl'; it must be 'moderngl', 'pyrender' or 'skeleton'"),
        ({"renderer": None}, "renderer is None"),
        ({"camera": "drone"}, "camera is 'drone'; it must be 'follow', 'still' or 'face'"),
        ({"camera": ["still"]}, r"camera is \['still'\]"),
        ({"size": 161}, "size is 161; it must be a multiple of 2"),
        ({"panel_height": 5000}, "panel_height is 5000; it must be 4,096 at most"),
        ({"panel_width": 62}, "panel_width is 62; it must be 64 or more"),
        ({"panel_width": 100.0}, "panel_width is 100.0; it must be a whole number"),
        ({"panel_height": "100"}, "panel_height is '100'; it must be a whole number"),
        ({"yaw_degrees": math.nan}, "yaw_degrees is nan; it must be a finite number"),
        ({"yaw_degrees": "x"}, "yaw_degrees is 'x'; it must be a number"),
        ({"yaw_degrees": 10**400}, "yaw_degrees is 1000"),
        ({"samples": 3}, "samples is 3; it must be 1, 2, 4 or 8"),
        ({"floor": "no"}, "floor is 'no'; it must be true or false"),
        ({"captions": None}, "captions is None"),
        ({"background": "no colour"}, "'no colour' is no colour; write it as '#5b8fd9'"),
        ({"hint_color": "#12"}, "'#12' is no colour"),
        ({"followed_color": "gray-ish"}, "'gray-ish' is no colour"),
        ({"background": None}, "background is None; it must be text"),
        ({"generated_color": 5}, "generated_color is 5; it must be text"),
    ],
)
def test_impossible_settings_are_named(settings, words):
    with pytest.raises(RenderError, match=words):
        RenderSettings(**settings)


def test_where_a_figure_in_lines_is_asked_for_the_body_is_drawn():
    assert RenderSettings("skeleton", size=96) == RenderSettings(size=96)
    given = {"renderer": "skeleton", "size": 96}
    assert build(RenderSettings, given, RenderError, "The picture") == RenderSettings(size=96)


def test_numbers_of_numpy_are_settings():
    settings = RenderSettings(size=np.int64(96), yaw_degrees=np.float32(3), samples=np.int32(2))
    assert settings == RenderSettings(size=96, yaw_degrees=3.0, samples=2)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({}, (720, 720)),
        ({"size": 96}, (96, 96)),
        ({"panel_width": 96}, (96, 720)),
        ({"size": 128, "panel_height": 96}, (128, 96)),
        ({"size": 128, "panel_width": 64, "panel_height": 96}, (64, 96)),
    ],
)
def test_a_size_is_of_both_sides_but_where_one_has_its_own(sizes, expected):
    settings = RenderSettings(**sizes)
    assert (settings.width, settings.height) == expected
    assert frame_size(3, settings) == (3 * expected[0], expected[1])


def test_colours_are_those_of_css():
    np.testing.assert_allclose(rgb_of("#6496c8"), np.array([100, 150, 200]) / 255)
    np.testing.assert_array_equal(rgb_of("white"), 1)


def test_what_is_generated_followed_and_locked_is_told_apart_without_its_hue():
    colors = RenderSettings().part_colors(np.array([GENERATED, FOLLOWED, LOCKED]))
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    generated, followed, locked = linear @ (0.2126, 0.7152, 0.0722) + 0.05
    assert locked / generated > 1.5
    assert generated / followed > 1.5
    assert np.ptp(colors[1:], axis=1).max() < 0.03  # greys
