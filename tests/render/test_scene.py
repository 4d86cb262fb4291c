"""Bodies in a picture: renderers agree on them, colours tell hints apart, cameras cut nothing off, floors lie below."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from emage.body.model import STAND_IN_FILE
from emage.errors import RenderError
from emage.hints import FOLLOWED, GENERATED, LOCKED
from emage.motion.skeleton import DISJOINT_PARTS, JOINT_NAMES
from emage.render.camera import Bounds, follow_camera, still_camera
from emage.render.frames import render_frames
from emage.render.scene import Actor, make_figures
from emage.render.settings import RENDERERS
from tests.render.drawing import (
    ARMS_DOWN,
    GESTURE,
    GREEN,
    SMALL,
    draw,
    picture,
    posed,
    project,
    silhouette,
)  # fmt: skip


@pytest.mark.parametrize(
    ("camera", "pose", "yaw"),
    [
        ("still", ARMS_DOWN, 0), ("still", GESTURE, 180), ("follow", GESTURE, 35), ("follow", {}, -120),
        ("face", ARMS_DOWN, 0), ("face", GESTURE, 35),
    ],
)  # fmt: skip
def test_both_renderers_see_the_same_silhouette(body, camera, pose, yaw):
    settings = replace(GREEN, camera=camera, yaw_degrees=yaw, panel_width=400, panel_height=360)
    one, two = (silhouette(picture(body, replace(settings, renderer=name), posed(**pose))) for name in RENDERERS)
    assert one.mean() > 0.03
    assert (one & two).sum() / (one | two).sum() >= 0.99


def test_the_silhouette_is_the_projection_of_the_vertices(body):
    actor, settings = Actor(body, posed(**GESTURE)), replace(GREEN, panel_width=640, panel_height=480)
    seen = silhouette(draw([actor], settings))[0]
    camera = make_figures([actor], settings)[0].camera
    places = project(body.vertices(actor.motion)[0], camera, 0, 640, 480)
    columns, rows = np.floor(places).astype(int).T
    assert binary_dilation(seen)[rows, columns].mean() > 0.999  # those on the very edge lie beside it
    low, high = places.min(0), places.max(0)
    inside = np.argwhere(seen)[:, ::-1]
    assert np.abs(inside.min(0) - low).max() < 1.5
    assert np.abs(inside.max(0) + 1 - high).max() < 1.5


@pytest.mark.parametrize("renderer", RENDERERS)
def test_hints_change_the_colour_of_their_part_in_their_frames(body, renderer):
    hints = np.full((11, 5), GENERATED, np.uint8)
    for part in range(5):
        hints[part, part], hints[5 + part, part] = LOCKED, FOLLOWED  # frame 10 has none
    colors = {"generated_color": "#0000ff", "hint_color": "#ff0000", "followed_color": "#00c000"}
    settings = replace(SMALL, renderer=renderer, panel_width=480, panel_height=480, **colors)
    actor = Actor(body, posed(11), hints)
    frames = draw([actor], settings)
    camera = make_figures([actor], settings)[0].camera
    figure = make_figures([actor], settings)[0]
    vertices = body.vertices(actor.motion, 0, 1)[0]
    mesh = figure.mesh(0, vertices)
    # Vertices that face the camera and have no colour of their own but for a light tint.
    plain = (mesh.normals[:, 2] > 0.8) & (body.vertex_colors[:, 3] < 0.55)
    columns, rows = np.floor(project(vertices, camera, 0, 480, 480)).astype(int).T
    for part, name in enumerate(DISJOINT_PARTS):
        mine = plain & (body.vertex_parts == part)
        assert mine.sum() > 20, name
        shown = frames[:, rows[mine], columns[mine]].argmax(-1)  # (11, n): red, green, blue
        assert (shown[part] == 0).mean() > 0.9, name
        assert (shown[5 + part] == 1).mean() > 0.9, name
        assert (np.delete(shown, (part, 5 + part), axis=0) == 2).mean() > 0.9, name


def test_hints_that_are_true_or_false_are_locked(body):
    hints = np.array([[True, False, False, True, False]])
    assert Actor(body, posed(), hints).states.tolist() == [[LOCKED, GENERATED, GENERATED, LOCKED, GENERATED]]
    assert Actor(body, posed()).states.tolist() == [[GENERATED] * 5]


@pytest.mark.parametrize("renderer", RENDERERS)
def test_eyes_keep_their_own_colour(body, renderer):
    seen = picture(body, replace(GREEN, renderer=renderer, camera="face", generated_color="#0000ff"))
    white = (seen.min(-1) > 110) & (np.ptp(seen, axis=-1) <= 60)
    assert 10 < white.sum() < 0.05 * white.size


def test_actors_stand_side_by_side_at_one_scale_and_the_shorter_waits(body):
    short, long = Actor(body, posed(2, **ARMS_DOWN)), Actor(body, posed(5, **GESTURE))
    frames = draw([short, long], replace(SMALL, camera="still"))
    assert frames.shape == (5, 160, 320, 3)
    for frame in range(2, 5):
        assert np.array_equal(frames[frame, :, :160], frames[1, :, :160])
    near, far = Actor(body, posed()), Actor(body, posed(9, walk_m=3.0))
    wide = replace(GREEN, camera="still", panel_width=320)
    halves = np.split(silhouette(draw([near, far], wide))[0], 2, axis=1)
    heights = [np.ptp(np.argwhere(half.any(1))) for half in (*halves, silhouette(picture(body, wide)))]
    assert abs(heights[0] - heights[1]) <= 3
    assert heights[2] > heights[0] + 10  # alone it is larger


# --- cameras ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(160, 160), (240, 120), (96, 200)])
@pytest.mark.parametrize("yaw", [0, 70])
def test_a_still_camera_cuts_nothing_off(body, size, yaw):
    motion = posed(5, walk_m=2.0, **GESTURE)
    settings = replace(GREEN, camera="still", yaw_degrees=yaw, panel_width=size[0], panel_height=size[1])
    seen = silhouette(draw([Actor(body, motion)], settings))
    assert not seen[:, [0, -1]].any()
    assert not seen[:, :, [0, -1]].any()
    camera = make_figures([Actor(body, motion)], settings)[0].camera
    for frame, vertices in enumerate(body.vertices(motion)):
        places = project(vertices, camera, frame, *size)
        assert (places > 0).all()
        assert (places < size).all()
    # And the picture is used: the path reaches near two opposite edges.
    rows, columns = (
        np.ptp(np.argwhere(seen.any(axes))) / length for axes, length in (((0, 2), size[1]), ((0, 1), size[0]))
    )
    assert max(rows, columns) > 0.7


def test_a_following_camera_keeps_the_body_in_the_middle(body):
    motion = posed(20, walk_m=4.0, **ARMS_DOWN)
    seen = silhouette(draw([Actor(body, motion)], replace(GREEN, camera="follow")))
    middles = [np.argwhere(frame.any(0)).mean() for frame in seen]
    assert np.abs(np.array(middles) - 79.5).max() < 12
    still = silhouette(draw([Actor(body, motion)], replace(GREEN, camera="still", panel_width=320)))
    assert np.argwhere(still[-1].any(0)).mean() - np.argwhere(still[0].any(0)).mean() > 100


def test_the_camera_stands_before_the_body_wherever_it_looks(body):
    front, turned, aside = (
        silhouette(picture(body, replace(GREEN, yaw_degrees=yaw), posed(**GESTURE, pelvis=(0, turn, 0))))
        for turn, yaw in ((0, 0), (2.1, 0), (0, 90))
    )
    assert (front & turned).sum() / (front | turned).sum() > 0.97
    assert (front & aside).sum() / (front | aside).sum() < 0.8
    # Seen from its left, the left arm held forward points to the left edge of the picture.
    motion = posed(left_shoulder=(0, -1.5, 0), right_shoulder=(0, 0, 1.2))
    columns = np.argwhere(silhouette(picture(body, replace(GREEN, yaw_degrees=90), motion)))[:, 1]
    assert 79.5 - columns.min() > 1.5 * (columns.max() - 79.5)


def test_a_face_camera_follows_the_head(body):
    motion = posed(15, walk_m=2.0)
    seen = silhouette(draw([Actor(body, motion)], replace(GREEN, camera="face")))
    assert (seen[:, 60:100, 60:100].mean((1, 2)) > 0.99).all()
    assert (seen.mean((1, 2)) > 0.35).all()


@pytest.mark.parametrize("caption", [False, True])
def test_a_close_up_holds_the_whole_skull_however_the_head_turns(body, caption):
    """Bowed, turned and tilted as far as people do at once, and bowed faster than the camera goes along."""
    skull = np.isin(
        body.rig().weights.argmax(1), [JOINT_NAMES.index(name) for name in ("head", "left_eye", "right_eye")]
    )
    corners = product((-0.7, 0.7), (-1.2, 1.2), (-0.5, 0.5))
    bow = np.linspace(0, 1, 30)[:, None] > 0.5
    motions = [posed(1, head=turn) for turn in corners] + [posed(30, head=bow * (0.7, 0, 0), spine2=bow * (0.5, 0, 0))]
    for motion in motions:
        actor = Actor(body, motion, caption="words" if caption else "")
        (figure,) = make_figures([actor], replace(SMALL, camera="face", captions=True))
        for frame in {0} if motion.num_frames == 1 else {13, 14, 15, 16, 18}:
            vertices = body.vertices(motion, frame, frame + 1)[0, skull]
            places = project(vertices, figure.camera, frame, 160, 160)
            assert places.min() > 0
            assert places[:, 0].max() < 160
            assert places[:, 1].max() < (145 if caption else 160)  # above the caption


def test_a_body_that_turns_round_has_a_camera_all_the_same():
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    joints = np.zeros((60, 55, 3))
    for left, right in ((1, 2), (16, 17)):
        across = np.c_[np.cos(angles), 0 * angles, -np.sin(angles)] * 0.1
        joints[:, left], joints[:, right] = across, -across
    bounds = Bounds(joints, np.full(55, 0.1), 30.0)
    for make in (still_camera, follow_camera):
        poses = make(bounds, 1.0, 0.0, caption=False).poses
        assert np.isfinite(poses).all()
        assert poses[0, 2, 2] > 0.99  # looks along -z


@pytest.mark.parametrize(
    ("renderer", "camera"), [*((name, "follow") for name in RENDERERS), ("moderngl", "still"), ("pyrender", "face")]
)
def test_a_body_far_away_looks_the_same(body, renderer, camera):
    near = posed(2, walk_m=0.3, **GESTURE)
    far = replace(near, trans=near.trans + np.array([50_000.0, 300.0, -99_000.0]))
    settings = replace(SMALL, renderer=renderer, camera=camera, floor=True, face_inset=True)
    one, two = (draw([Actor(body, motion)], settings) for motion in (near, far))
    assert (np.abs(one - two).max(-1) > 8).mean() < 0.002


def test_a_long_way_can_be_followed_but_not_held_in_one_picture(body):
    actors = [Actor(body, posed(3000, walk_m=3000.0, **ARMS_DOWN))]
    with pytest.raises(RenderError, match="3,00. m in one picture.*'follow'"):
        next(render_frames(actors, replace(GREEN, camera="still")))
    figure = make_figures(actors, replace(GREEN, camera="follow"))[0]
    for frame in (0, 1500, 2999):
        mesh = figure.mesh(frame, body.vertices(figure.posed.motion, frame, frame + 1)[0])
        shot = figure.shot(figure.camera, frame, 160, 160, floor=False)
        places = project(mesh.vertices, replace(figure.camera, poses=shot.pose[None]), 0, 160, 160)
        assert (places > 0).all()
        assert (places < 160).all()


# --- floor, background, edges -----------------------------------------------------------------------------------------


def test_every_body_has_the_floor_under_its_own_soles(body):
    """Whatever height its motion was made at, and though it dips in some frames."""
    stands = posed(60)
    trans = stands.trans.copy()
    trans[20:26, 1] -= 0.1
    dips = replace(stands, trans=trans)
    raised = replace(stands, trans=stands.trans + np.array([0, 0.7, 0]))
    figures = make_figures([Actor(body, motion) for motion in (stands, dips, raised)], SMALL)
    soles = float(body.soles(stands)[0, :, 1].min())
    assert [figure.floor_y for figure in figures] == pytest.approx([soles, soles, soles + 0.7], abs=1e-5)


def test_skin_suit_cap_and_shoes_are_drawn_as_one_closed_surface(body):
    """Only what closed surfaces show is left out where it faces away. Lashes, brows and teeth alone are sheets."""
    figure = make_figures([Actor(body, posed())], SMALL)[0]
    with np.load(STAND_IN_FILE) as arrays:
        owners = arrays["weights"].argmax(1)
    of_sheets = np.unique(owners[figure.faces[~figure.closed_faces]])
    assert {JOINT_NAMES[owner] for owner in of_sheets} <= {"head", "jaw"}
    assert figure.closed_faces.mean() > 0.85


@pytest.mark.parametrize("renderer", RENDERERS)
def test_the_floor_lies_under_the_feet_with_a_shadow(body, renderer):
    settings = replace(SMALL, renderer=renderer, floor=True, camera="still", background="#ffffff")
    actor = Actor(body, posed(**ARMS_DOWN))
    figure = make_figures([actor], settings)[0]
    vertices = body.vertices(actor.motion)[0]
    assert figure.floor_y == pytest.approx(vertices[:, 1].min(), abs=0.003)
    bare, floored = draw([actor], replace(settings, floor=False))[0], draw([actor], settings)[0]
    body_seen = silhouette(draw([actor], replace(GREEN, renderer=renderer, camera="still")))[0]
    darker = (bare - floored).sum(-1)
    darker[body_seen] = 0
    feet = int(project(vertices, figure.camera, 0, 160, 160)[:, 1].max())
    row, _ = np.unravel_index(darker.argmax(), darker.shape)
    assert darker.max() > 60
    assert abs(row - feet) < 16
    assert darker[:60].max() <= 3  # not on the wall


def test_the_floor_is_seen_on_a_dark_background(body):
    settings = replace(SMALL, floor=True, background="#181c22", size=320)
    difference = picture(body, settings) - picture(body, replace(settings, floor=False))
    assert (difference[260:].sum(-1) > 12).mean() > 0.2


@pytest.mark.parametrize("renderer", RENDERERS)
def test_the_background_is_the_colour_asked_for(body, renderer):
    seen = picture(body, replace(SMALL, renderer=renderer, background="#6496c8"))
    assert np.abs(seen[80, 2] - (100, 150, 200)).max() <= 5


def test_edges_are_smooth(body):
    def between(samples: int) -> float:
        seen = picture(body, replace(GREEN, samples=samples))
        green = seen[..., 1] - seen[..., 0]
        return ((green > 60) & (green < 200)).mean()

    assert between(1) < 0.001
    assert between(4) > 0.005
