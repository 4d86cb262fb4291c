"""The preview in plain shapes: limbs where the body has them, hints by colour, a face that opens its mouth."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from emage.body.landmarks import Landmarks
from emage.motion.skeleton import DISJOINT_PARTS, JOINT_NAMES
from emage.render.frames import render_frames
from emage.render.scene import Actor, make_figures
from emage.render.settings import RenderSettings
from tests.conftest import rest
from tests.render.drawing import ARMS_DOWN, GESTURE, GREEN, draw, picture, posed, project, silhouette

PLAIN = replace(GREEN, renderer="skeleton", size=360)
"""No close-up, caption or floor, on green; limbs white."""
RED_AND_BLUE = replace(PLAIN, generated_color="#0000ff", hint_color="#ff0000", background="#ffffff")


@pytest.mark.parametrize("camera", ["still", "follow"])
@pytest.mark.parametrize(("pose", "yaw"), [(ARMS_DOWN, 0), (GESTURE, 35), ({}, -120), (GESTURE, 180)])
def test_it_lies_within_the_surface_of_the_body(body, camera, pose, yaw):
    settings = replace(PLAIN, camera=camera, yaw_degrees=yaw)
    lines, surface = (
        silhouette(picture(body, replace(settings, renderer=name), posed(**pose))) for name in ("skeleton", "moderngl")
    )
    assert (lines & binary_dilation(surface, iterations=4)).sum() > 0.97 * lines.sum()
    assert (binary_dilation(lines, iterations=4) & surface).sum() > 0.85 * surface.sum()


def test_hints_change_the_colour_of_their_part_in_their_frames(body):
    hints = np.zeros((6, 5), bool)
    for part in range(5):
        hints[part, part] = True  # frame 5 has none
    actor = Actor(body, posed(6), hints)
    frames = draw([actor], RED_AND_BLUE)
    camera = make_figures([actor], RED_AND_BLUE)[0].camera
    joints = body.joints(actor.motion, 0, 1)[0]
    landmarks = body.points(actor.motion, body.landmarks.face, 0, 1)[0]
    seen = {
        "upper": 0.5 * (joints[18] + joints[20]),
        "left_hand": joints[JOINT_NAMES.index("left_middle2")],
        "right_hand": joints[JOINT_NAMES.index("right_middle2")],
        "lower": 0.5 * (joints[4] + joints[7]),
        "face": landmarks[[10, 40]].mean(0) + np.array([0.02, 0, 0]),  # a cheek
    }
    for name, point in seen.items():
        ((x, y),) = np.floor(project(point[None], camera, 0, 360, 360)).astype(int)
        is_red = frames[:, y, x, 0] > frames[:, y, x, 2]
        np.testing.assert_array_equal(is_red, np.arange(6) == DISJOINT_PARTS.index(name), err_msg=name)


def dark_red(seen: np.ndarray) -> int:
    """Pixels of an open mouth."""
    return int((np.abs(seen - (77, 23, 28)).max(-1) < 12).sum())


def inked(seen: np.ndarray) -> int:
    return int((np.abs(seen - (38, 43, 54)).max(-1) < 12).sum())


def bright(seen: np.ndarray) -> int:
    return int((seen.min(-1) > 240).sum())


def test_the_face_opens_its_mouth_and_closes_its_eyes(body):
    settings = replace(PLAIN, camera="face", generated_color="#5b8fd9", background="#808890")

    closed = picture(body, settings)
    openings = [dark_red(picture(body, settings, posed(jaw=(angle, 0, 0)))) for angle in (0.1, 0.2, 0.3)]
    assert dark_red(closed) < openings[0] < openings[1] < openings[2]
    assert openings[2] > 300
    assert dark_red(picture(body, settings, rest(actions={"jawOpen": 1.0}))) > 200
    blink = picture(body, settings, rest(actions={"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}))
    assert bright(closed) > 50
    assert bright(blink) < 10


def test_no_feature_shows_from_behind(body):
    settings = replace(PLAIN, generated_color="#5b8fd9", background="#808890", size=720)
    front, behind = (picture(body, replace(settings, yaw_degrees=yaw)) for yaw in (0, 180))
    assert inked(front) > 20
    assert inked(behind) == 0


def test_what_is_nearer_hides_what_is_farther(body):
    """A hand before the chest, and the same hand behind the back."""
    hints = np.zeros((1, 5), bool)
    hints[0, DISJOINT_PARTS.index("left_hand")] = True
    before = posed(left_shoulder=(0, -0.4, -1.1), left_elbow=(0, -2.2, 0))
    front, back = (
        draw([Actor(body, before, hints)], replace(RED_AND_BLUE, yaw_degrees=yaw))[0].astype(int) for yaw in (0, 180)
    )
    red = [int(((each[..., 0] - each[..., 2]) > 100).sum()) for each in (front, back)]
    assert red[0] > 60
    assert red[1] < 0.2 * red[0]


def test_fingers_are_drawn_one_by_one(body):
    hand = replace(PLAIN, size=720)
    flat = silhouette(picture(body, hand))
    fist = {f"left_{finger}{i}": (0, 0, -1.3) for finger in ("index", "middle", "ring", "pinky") for i in (1, 2, 3)}
    closed = silhouette(picture(body, hand, posed(**fist)))
    reach = [np.argwhere(each.any(0)).max() for each in (flat, closed)]
    assert reach[0] - reach[1] > 15
    # Seen from above the fingers of a flat hand are apart: across the tips there are gaps.
    turned = silhouette(picture(body, hand, posed(pelvis=(1.3, 0, 0))))
    column = turned[:, np.argwhere(turned.any(0)).max() - 6]
    assert np.diff(np.flatnonzero(column)).max(initial=0) > 1


def test_the_floor_goes_by_under_a_walking_body(body):
    settings = replace(PLAIN, floor=True, background="#ffffff", generated_color="#000000")
    walking = posed(6, walk_m=1.2, **ARMS_DOWN)
    frames = draw([Actor(body, walking)], settings)
    shaded = (frames.min(-1) < 252) & (frames.min(-1) > 150)
    assert (shaded[:, 280:].sum((1, 2)) > 400).all()
    assert shaded[:, :200].mean() < 0.02
    assert (frames[0] != frames[3]).any(-1)[300:].sum() > 300


def test_a_foot_on_the_floor_has_a_spot_under_it(body):
    settings = replace(PLAIN, floor=True, camera="still", background="#ffffff")
    standing, lifted = posed(**ARMS_DOWN), posed(left_hip=(-1.2, 0, 0), left_knee=(1.5, 0, 0), **ARMS_DOWN)
    figure = make_figures([Actor(body, standing)], settings)[0]
    foot = body.joints(standing)[0, JOINT_NAMES.index("left_foot")]
    beside = np.array([[foot[0] + 0.08, figure.floor_y, foot[2]]])
    ((x, y),) = np.floor(project(beside, figure.camera, 0, 360, 360)).astype(int)
    spot, none = (picture(body, settings, motion)[y, x].min() for motion in (standing, lifted))
    assert spot < none - 15


def test_a_body_without_points_of_a_face_is_drawn_all_the_same(body):
    class Faceless:
        def __init__(self):
            self.__dict__.update(body.__dict__)

        def __getattr__(self, name):
            return getattr(body, name)

        @property
        def landmarks(self) -> Landmarks:
            return replace(body.landmarks, face=np.zeros(0, dtype=int))

    settings = replace(PLAIN, generated_color="#5b8fd9", background="#808890", size=720)
    seen = picture(Faceless(), settings)
    assert inked(seen) == 0
    assert ((seen != picture(body, settings)).any(-1)).mean() < 0.02


def test_it_needs_no_opengl(body, monkeypatch):
    monkeypatch.setenv("GLCONTEXT_LINUX_LIBEGL", "libmissing.so.1")
    settings = replace(RenderSettings(renderer="skeleton"), size=160)
    frames = list(render_frames([Actor(body, posed(2), caption="two")] * 2, settings))
    assert len(frames) == 2
    assert frames[0].shape == (160, 320, 3)
