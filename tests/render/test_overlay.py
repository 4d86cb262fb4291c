"""What is drawn over the picture: the close-up of the face, captions, and what colours mean."""

import time
from dataclasses import replace

import numpy as np
import pytest

from emage.hints import FOLLOWED, GENERATED, LOCKED
from emage.motion.skeleton import JOINT_NAMES
from emage.render.camera import Bounds, Camera, presence
from emage.render.overlay import InsetFrame, caption_line, caption_patches, legend_patch
from emage.render.scene import Actor, make_figures
from emage.render.settings import RENDERERS, rgb_of
from tests.render.drawing import ARMS_DOWN, GREEN, SMALL, draw, picture, posed, project, silhouette


def inset_pixels(body, **pose) -> np.ndarray:
    """(N, 2) rows and columns that an inset changes."""
    pictures = (draw([Actor(body, posed(2, **pose))], replace(SMALL, face_inset=inset)) for inset in (False, True))
    return np.argwhere(np.not_equal(*pictures).any((0, 3)))


def test_an_inset_changes_its_corner_alone(body):
    inset = InsetFrame(160, 160, caption=False)
    changed = inset_pixels(body, **ARMS_DOWN)
    low, high = changed.min(0), changed.max(0)
    assert sum((low >= place).all() and (high < np.add(place, inset.size)).all() for place in inset.places) == 1
    assert len(changed) > 0.5 * inset.size**2


@pytest.mark.parametrize(
    ("pose", "is_top", "is_right"),
    [
        (ARMS_DOWN, True, True),
        ({}, False, None),  # with the arms held out it goes below them
        ({"left_shoulder": (0, 0, 0), "right_shoulder": (0, 0, 1.2)}, True, False),
    ],
)
def test_an_inset_keeps_out_of_the_way(body, pose, is_top, is_right):
    row, column = inset_pixels(body, **pose).mean(0)
    assert (row < 80) == is_top
    assert is_right is None or (column > 80) == is_right


def test_an_inset_sees_what_lies_between_joints():
    """A forearm across an area, elbow and wrist on either side of it."""
    joints = np.zeros((1, 55, 3))
    joints[:, JOINT_NAMES.index("right_elbow")] = (1.2, 1.0, 0)
    joints[:, [JOINT_NAMES.index("right_wrist"), *range(40, 55)]] = (1.2, 1.6, 0)
    pose = np.eye(4)
    pose[2, 3] = 5.0
    camera = Camera(pose[None], np.radians(45), 0.1, 10.0, 5.0)  # sees 2.07 m to each side
    areas = np.array([(0.5, 0.55, 0.7, 0.7), (-0.7, 0.55, -0.5, 0.7), (0.6, 0.55, 0.7, 0.7), (0.62, 0.55, 0.7, 0.7)])
    hidden = presence(Bounds(joints, np.full(55, 0.1), 30.0), camera, 1.0, areas)
    assert hidden[0] > 0
    assert hidden[1] == 0
    assert hidden[2] > 0  # beside the bone, but within the arm
    assert hidden[3] == 0


def test_an_inset_hides_no_foot_where_it_can():
    """A foot counts as much as half a hand at least, though it has the fewest bones; toes reach beyond their joint."""
    joints = np.zeros((1, 55, 3))
    joints[:, JOINT_NAMES.index("left_ankle")] = (1.0, -1.0, 0)
    joints[:, JOINT_NAMES.index("left_foot")] = (1.2, -1.0, 0)
    joints[:, JOINT_NAMES.index("left_wrist")] = (1.0, 1.0, 0)
    joints[:, 25:40] = (1.2, 1.0, 0)
    pose = np.eye(4)
    pose[2, 3] = 5.0
    camera = Camera(pose[None], np.radians(45), 0.1, 10.0, 5.0)
    foot, hand, toes, beyond = presence(
        Bounds(joints, np.full(55, 0.1), 30.0),
        camera,
        1.0,
        np.array([(0.4, -0.6, 0.7, -0.4), (0.4, 0.4, 0.7, 0.6), (0.62, -0.6, 0.7, -0.4), (0.66, -0.6, 0.7, -0.4)]),
    )
    assert foot > 0.5 * hand
    assert toes > 0
    assert beyond == 0


def test_bodies_side_by_side_have_their_close_ups_in_one_corner(body):
    left, right = (
        {f"{side}_shoulder": (0, 0, turn) for side, turn in turns}
        for turns in (
            (("left", -1.2), ("right", -0.9)),
            (("left", 0.9), ("right", 1.2)),
        )
    )
    places = [inset_pixels(body, **pose).mean(0) for pose in (left, right)]
    assert np.abs(places[0] - places[1]).max() > 60  # each alone has another
    actors = [Actor(body, posed(2, **pose)) for pose in (left, right)]
    bare, inset = (draw(actors, replace(SMALL, face_inset=has)) for has in (False, True))
    changed = (bare != inset).any((0, 3))
    first, second = (np.argwhere(half).mean(0) for half in np.split(changed, 2, axis=1))
    assert np.abs(first - second).max() < 3


@pytest.mark.parametrize("renderer", RENDERERS)
def test_captions_change_the_bottom_alone(body, renderer):
    settings = replace(SMALL, renderer=renderer, captions=True, size=200)
    words = ("one", "another, of more words than have room in one line of this width")
    rows, columns = np.argwhere(np.not_equal(*(picture(body, settings, caption=each) for each in words)).any(-1)).T
    assert len(rows) > 50
    assert rows.min() > 180
    assert columns.min() > 2
    assert columns.max() < 197


@pytest.mark.parametrize(("caption", "captions"), [("", True), ("  \n", True), ("日本語", True), ("words", False)])
def test_a_caption_of_nothing_is_none(body, caption, captions):
    """Blank, of letters that the font lacks, or not asked for."""
    seen = picture(body, replace(SMALL, captions=captions), caption=caption)
    assert np.array_equal(seen, picture(body, SMALL))


def test_captions_keep_to_what_the_font_has():
    letters = "é ü ß ñ ő ş я Ж Ω ή Ấ “„” – — … → € ½"
    assert caption_line(letters) == letters
    assert caption_line(" e\u0301te\u0301\n\u00a0of\t2026 ") == "été of 2026"
    assert caption_line("take 日本語 two \U0001f600 שלום \ud800\u200d\x00") == "take two"
    assert caption_line("日本語") == ""


@pytest.mark.parametrize("letter", list("éüßñяΩ"))
def test_letters_beyond_ascii_are_no_boxes(letter):
    one, other = (caption_patches([text], 200, 200, np.ones(3))[0] for text in (letter, "□"))
    assert one.paint.shape != other.paint.shape or not np.array_equal(one.paint, other.paint)
    assert one.keep.min() < 0.1  # ink, which the backing alone is not


@pytest.mark.parametrize("panel_width", [64, 400, 4096])
def test_a_caption_of_any_length_is_cut_in_no_time(panel_width):
    start = time.monotonic()
    (patch,) = caption_patches([caption_line("word, ." * 50_000)], panel_width, 64, np.ones(3))
    assert time.monotonic() - start < 2
    assert patch.columns.min() >= 0.02 * panel_width
    assert patch.columns.max() < 0.98 * panel_width
    assert np.ptp(patch.columns) > 0.8 * panel_width  # as much as has room


@pytest.mark.parametrize("background", ["#eef0f4", "#181c22"])
def test_a_caption_is_read_before_a_body(body, background):
    settings = replace(SMALL, camera="face", captions=True, size=640, background=background)
    seen = picture(body, settings, caption="Illinois")
    (patch,) = caption_patches(["Illinois"], 640, 640, rgb_of(background))
    beside = seen[patch.rows.min(), patch.columns.min() - 10]
    assert beside[2] - beside[0] > 25  # the body is behind it
    box = (seen[patch.rows, patch.columns] / 255) ** 2.2
    light = box @ (0.2126, 0.7152, 0.0722)
    backing = np.median(light)
    ink = np.percentile(light, 2 if backing > 0.3 else 98)
    high, low = max(backing, ink), min(backing, ink)
    assert (high + 0.05) / (low + 0.05) > 4.5


def test_a_caption_has_room_of_its_own(body):
    settings = replace(GREEN, captions=True, size=240)
    plain = silhouette(draw([Actor(body, posed(**ARMS_DOWN))], settings))
    actors = [Actor(body, posed(**ARMS_DOWN), caption="ab")]
    figure = make_figures(actors, settings)[0]
    feet = project(body.vertices(actors[0].motion)[0], figure.camera, 0, 240, 240)[:, 1].max()
    assert plain[0, 228:].any() or np.argwhere(plain[0].any(1)).max() > feet + 5
    assert feet < 240 * 0.93


# --- what colours mean ------------------------------------------------------------------------------------------------


def test_where_there_are_hints_the_picture_says_what_its_colours_mean(body):
    settings = replace(SMALL, captions=True, size=240)
    hints = np.array([[GENERATED, FOLLOWED, LOCKED, GENERATED, GENERATED]], np.uint8)
    bare, told = (draw([Actor(body, posed(), hints)], replace(settings, captions=has))[0] for has in (False, True))
    rows, columns = np.argwhere((bare != told).any(-1)).T
    assert rows.max() < 60
    assert columns.max() < 120
    corner = told[: rows.max() + 1, : columns.max() + 1].reshape(-1, 3)
    for color in settings.part_colors(np.array([GENERATED, FOLLOWED, LOCKED])):
        assert (np.abs(corner - 255 * color).max(1) < 1).sum() > 20
    free = hints * 0
    assert np.array_equal(picture(body, settings), draw([Actor(body, posed(), free)], settings)[0])


@pytest.mark.parametrize("size", [64, 512])
def test_what_colours_mean_stands_in_either_corner_within_the_panel(size):
    entries = [("generated", np.ones(3)), ("hint, followed", np.zeros(3))]
    left, right = (legend_patch(entries, size, size, np.ones(3), on_right) for on_right in (False, True))
    for patch in (left, right):
        assert min(patch.rows.min(), patch.columns.min()) >= 0
        assert max(patch.rows.max(), patch.columns.max()) < size
    if size == 512:
        assert left.columns.max() < size / 2 < right.columns.min()
