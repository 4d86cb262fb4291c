"""Rendering: both renderers see the same body, colours tell hints from generated parts, nothing is cut off or lost."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from emage.body import Body
from emage.body.model import STAND_IN_FILE
from emage.errors import RenderError
from emage.motion import ARKIT52, Motion
from emage.motion.skeleton import DISJOINT_PARTS, JOINT_NAMES
from emage.render.camera import Bounds, Camera, follow_camera, presence, still_camera
from emage.render.frames import check_renderer, frame_size, render_frames
from emage.render.overlay import InsetFrame, caption_line, caption_patches
from emage.render.scene import Actor, make_figures
from emage.render.settings import RENDERERS, RenderSettings, rgb_of

MESH_RENDERERS = ("moderngl", "pyrender")
SMALL = RenderSettings(panel_width=160, panel_height=160, face_inset=False, captions=False, floor=False)
GREEN = replace(SMALL, background="#00ff00", generated_color="white", hint_color="white")
"""For silhouettes: nothing on a body is as green."""


@pytest.fixture(scope="module")
def body() -> Body:
    return Body.from_file(STAND_IN_FILE)


def posed(num_frames: int = 1, walk_m: float = 0.0, **joints: tuple[float, float, float]) -> Motion:
    """A motion with some joints turned, axis-angle in radians, and a straight walk along x."""
    poses = np.zeros((num_frames, 55, 3), np.float32)
    for name, turn in joints.items():
        poses[:, JOINT_NAMES.index(name)] = turn
    trans = np.zeros((num_frames, 3))
    trans[:, 0] = np.linspace(0, walk_m, num_frames)
    expressions = np.zeros((num_frames, 100))
    return Motion(poses.reshape(num_frames, -1), expressions, trans, np.zeros(300, np.float32))


ARMS_DOWN = {"left_shoulder": (0, 0, -1.2), "right_shoulder": (0, 0, 1.2)}
GESTURE = {
    "left_shoulder": (0, -0.9, -0.3),
    "right_elbow": (0.2, 1.4, 0),
    "left_hip": (-0.8, 0, 0),
    "head": (0, 0.5, 0),
}


def draw(actors: list[Actor], settings: RenderSettings) -> np.ndarray:
    """(T, H, W, 3) int."""
    return np.stack(list(render_frames(actors, settings))).astype(int)


def silhouette(frames: np.ndarray) -> np.ndarray:
    return ~((frames[..., 1] > 128) & (frames[..., 0] < 100) & (frames[..., 2] < 100))


@pytest.mark.parametrize("camera", ["still", "follow", "face"])
@pytest.mark.parametrize(("pose", "yaw"), [(ARMS_DOWN, 0), (GESTURE, 35), ({}, -120), (GESTURE, 180)])
def test_both_renderers_see_the_same_silhouette(body, camera, pose, yaw):
    settings = replace(GREEN, camera=camera, yaw_degrees=yaw, panel_width=400, panel_height=360)
    one, two = (
        silhouette(draw([Actor(body, posed(**pose))], replace(settings, renderer=name))) for name in MESH_RENDERERS
    )
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


def project(points: np.ndarray, camera, frame: int, width: int, height: int) -> np.ndarray:
    """(V, 2) pixels, x to the right and y down, by the definition of the matrices."""
    eye = (np.c_[points, np.ones(len(points))] @ np.linalg.inv(camera.pose(frame)).T) @ camera.projection(
        width / height
    ).T
    ndc = eye[:, :2] / eye[:, 3:]
    return np.c_[(ndc[:, 0] + 1) / 2 * width, (1 - ndc[:, 1]) / 2 * height]


@pytest.mark.parametrize("renderer", MESH_RENDERERS)
def test_hints_change_the_colour_of_their_part_in_their_frames(body, renderer):
    hints = np.zeros((6, 5), bool)
    for part in range(5):
        hints[part, part] = True  # frame 5 has none
    settings = replace(
        SMALL, renderer=renderer, generated_color="#0000ff", hint_color="#ff0000", panel_width=480, panel_height=480
    )
    actor = Actor(body, posed(6), hints)
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
        red = frames[:, rows[mine], columns[mine], 0] > frames[:, rows[mine], columns[mine], 2]  # (6, n)
        assert red[part].mean() > 0.9, name
        assert np.delete(red, part, axis=0).mean() < 0.1, name


@pytest.mark.parametrize("renderer", MESH_RENDERERS)
def test_eyes_keep_their_own_colour(body, renderer):
    settings = replace(GREEN, renderer=renderer, camera="face", generated_color="#0000ff")
    picture = draw([Actor(body, posed())], settings)[0]
    colorful = np.ptp(picture, axis=-1) > 60
    white = (picture.min(-1) > 110) & ~colorful
    assert 10 < white.sum() < 0.05 * white.size


def test_actors_stand_side_by_side_and_the_shorter_waits(body):
    settings = replace(SMALL, camera="still")
    short, long = Actor(body, posed(2, **ARMS_DOWN)), Actor(body, posed(5, **GESTURE))
    frames = draw([short, long], settings)
    assert frames.shape == (5, 160, 320, 3)
    assert frame_size(2, settings) == (320, 160)
    for frame in range(2, 5):
        assert np.array_equal(frames[frame, :, :160], frames[1, :, :160])


def test_bodies_side_by_side_have_one_scale(body):
    near, far = Actor(body, posed()), Actor(body, posed(9, walk_m=3.0))
    frames = silhouette(draw([near, far], replace(GREEN, camera="still", panel_width=320)))[0]
    heights = [np.ptp(np.argwhere(half.any(1))) for half in np.split(frames, 2, axis=1)]
    alone = silhouette(draw([near], replace(GREEN, camera="still", panel_width=320)))[0]
    assert abs(heights[0] - heights[1]) <= 3
    assert np.ptp(np.argwhere(alone.any(1))) > heights[0] + 10


@pytest.mark.parametrize("size", [(160, 160), (240, 120), (96, 200)])
@pytest.mark.parametrize("yaw", [0, 70])
def test_a_still_camera_cuts_nothing_off(body, size, yaw):
    motion = posed(12, walk_m=2.0, **GESTURE)
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
    motion = posed(40, walk_m=4.0, **ARMS_DOWN)
    seen = silhouette(draw([Actor(body, motion)], replace(GREEN, camera="follow")))
    middles = [np.argwhere(frame.any(0)).mean() for frame in seen]
    assert np.abs(np.array(middles) - 79.5).max() < 12
    still = silhouette(draw([Actor(body, motion)], replace(GREEN, camera="still", panel_width=320)))
    assert np.argwhere(still[-1].any(0)).mean() - np.argwhere(still[0].any(0)).mean() > 100


def test_the_camera_stands_before_the_body_wherever_it_looks(body):
    front = silhouette(draw([Actor(body, posed(**GESTURE))], GREEN))
    turned_motion = posed(**GESTURE, pelvis=(0, 2.1, 0))
    turned = silhouette(draw([Actor(body, turned_motion)], GREEN))
    assert (front & turned).sum() / (front | turned).sum() > 0.97
    aside = silhouette(draw([Actor(body, posed(**GESTURE))], replace(GREEN, yaw_degrees=90)))
    assert (front & aside).sum() / (front | aside).sum() < 0.8


def test_yaw_goes_towards_the_left_side(body):
    """Seen from its left, the left arm held forward points to the left edge of the picture."""
    motion = posed(left_shoulder=(0, -1.5, 0), right_shoulder=(0, 0, 1.2))
    seen = silhouette(draw([Actor(body, motion)], replace(GREEN, yaw_degrees=90)))[0]
    pelvis = 79.5  # the camera follows it
    columns = np.argwhere(seen)[:, 1]
    assert pelvis - columns.min() > 1.5 * (columns.max() - pelvis)


def test_a_face_camera_follows_the_head(body):
    motion = posed(30, walk_m=2.0)
    seen = silhouette(draw([Actor(body, motion)], replace(GREEN, camera="face")))
    assert (seen[:, 60:100, 60:100].mean((1, 2)) > 0.99).all()
    assert (seen.mean((1, 2)) > 0.35).all()


def test_an_inset_changes_its_corner_alone(body):
    actors = [Actor(body, posed(3, **ARMS_DOWN))]
    without = draw(actors, SMALL)
    with_inset = draw(actors, replace(SMALL, face_inset=True))
    inset = InsetFrame(160, 160, caption=False)
    rows, columns = np.argwhere((without != with_inset).any((0, 3))).T
    places = [
        (top, left)
        for top, left in inset.places
        if rows.min() >= top and columns.min() >= left
        and rows.max() < top + inset.size and columns.max() < left + inset.size
    ]  # fmt: skip
    assert len(places) == 1
    assert len(rows) > 0.5 * inset.size**2


def test_an_inset_keeps_out_of_the_way(body):
    """With the arms held out it goes below them, with a leg held out above it; top right where all are free."""

    def place(**pose) -> tuple[bool, bool]:
        actors = [Actor(body, posed(**pose))]
        changed = (draw(actors, SMALL) != draw(actors, replace(SMALL, face_inset=True))).any((0, 3))
        row, column = np.argwhere(changed).mean(0)
        return bool(row < 80), bool(column > 80)  # top, right

    assert place(**ARMS_DOWN) == (True, True)
    assert place()[0] is False
    assert place(left_shoulder=(0, 0, 0), right_shoulder=(0, 0, 1.2)) == (True, False)


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


@pytest.mark.parametrize("renderer", RENDERERS)
def test_captions_change_the_bottom_alone(body, renderer):
    settings = replace(SMALL, renderer=renderer, captions=True, panel_width=200, panel_height=200)
    one = draw([Actor(body, posed(), caption="one")], settings)
    two = draw(
        [Actor(body, posed(), caption="another, of more words than have room in one line of this width")], settings
    )
    rows, columns = np.argwhere((one != two).any((0, 3))).T
    assert len(rows) > 50
    assert rows.min() > 180
    assert columns.min() > 2
    assert columns.max() < 197


@pytest.mark.parametrize("caption", ["", "  \n"])
def test_a_blank_caption_is_none(body, caption):
    actors = [Actor(body, posed(), caption=caption)]
    assert np.array_equal(draw(actors, replace(SMALL, captions=True)), draw(actors, SMALL))


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


def test_a_caption_of_unknown_letters_alone_is_none(body):
    actors = [Actor(body, posed(), caption="日本語")]
    assert np.array_equal(draw(actors, replace(SMALL, captions=True)), draw(actors, SMALL))


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
    settings = replace(SMALL, camera="face", captions=True, panel_width=640, panel_height=640, background=background)
    picture = draw([Actor(body, posed(), caption="Illinois")], settings)[0]
    (patch,) = caption_patches(["Illinois"], 640, 640, rgb_of(background))
    beside = picture[patch.rows.min(), patch.columns.min() - 10]
    assert beside[2] - beside[0] > 25  # the body is behind it
    box = (picture[patch.rows, patch.columns] / 255) ** 2.2
    light = box @ (0.2126, 0.7152, 0.0722)
    backing = np.median(light)
    ink = np.percentile(light, 2 if backing > 0.3 else 98)
    high, low = max(backing, ink), min(backing, ink)
    assert (high + 0.05) / (low + 0.05) > 4.5


def test_captions_off_are_off(body):
    assert np.array_equal(
        draw([Actor(body, posed(), caption="words")], SMALL), draw([Actor(body, posed(), caption="")], SMALL)
    )


def test_a_caption_has_room_of_its_own(body):
    settings = replace(GREEN, captions=True, panel_width=240, panel_height=240)
    plain = silhouette(draw([Actor(body, posed(**ARMS_DOWN))], settings))
    actors = [Actor(body, posed(**ARMS_DOWN), caption="ab")]
    figure = make_figures(actors, settings)[0]
    feet = project(body.vertices(actors[0].motion)[0], figure.camera, 0, 240, 240)[:, 1].max()
    assert plain[0, 228:].any() or np.argwhere(plain[0].any(1)).max() > feet + 5
    assert feet < 240 * 0.93


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


@pytest.mark.parametrize("renderer", MESH_RENDERERS)
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
    settings = replace(SMALL, floor=True, background="#181c22", panel_width=320, panel_height=320)
    difference = draw([Actor(body, posed())], settings) - draw([Actor(body, posed())], replace(settings, floor=False))
    assert (difference[0, 260:].sum(-1) > 12).mean() > 0.2


def test_the_background_is_the_colour_asked_for(body):
    for renderer in RENDERERS:
        picture = draw([Actor(body, posed())], replace(SMALL, renderer=renderer, background="#6496c8"))[0]
        assert np.abs(picture[80, 2] - (100, 150, 200)).max() <= 5


def test_edges_are_smooth(body):
    def between(samples: int) -> float:
        picture = draw([Actor(body, posed())], replace(GREEN, samples=samples))[0]
        green = picture[..., 1] - picture[..., 0]
        return ((green > 60) & (green < 200)).mean()

    assert between(1) < 0.001
    assert between(4) > 0.005


def test_drawing_is_the_same_every_time(body):
    actors = [Actor(body, posed(3, **GESTURE))]
    settings = replace(SMALL, face_inset=True, floor=True)
    assert np.array_equal(draw(actors, settings), draw(actors, settings))


def test_frames_are_separate_arrays(body):
    frames = list(render_frames([Actor(body, posed(3, walk_m=1.0))], replace(SMALL, camera="still")))
    assert not np.array_equal(frames[0], frames[2])
    assert all(frame.dtype == np.uint8 and frame.flags.c_contiguous for frame in frames)


def test_renders_at_once_do_not_disturb_each_other(body):
    jobs = [(name, pose) for name in RENDERERS for pose in (GESTURE, ARMS_DOWN)]
    settings = {name: replace(SMALL, renderer=name) for name in RENDERERS}
    alone = [draw([Actor(body, posed(6, **pose))], settings[name]) for name, pose in jobs]
    faults: list[object] = []

    def work(job: int) -> None:
        name, pose = jobs[job]
        try:
            for _ in range(2):
                frames = draw([Actor(body, posed(6, **pose))], settings[name])
                if not np.array_equal(frames, alone[job]):
                    faults.append(jobs[job])
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(job,)) for job in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_an_iterator_may_change_threads(body):
    frames = render_frames([Actor(body, posed(8))], SMALL)
    first = next(frames)
    got: list[np.ndarray] = []
    thread = threading.Thread(target=lambda: got.extend(frames))
    thread.start()
    thread.join()
    assert len(got) == 7
    assert np.array_equal(first, got[-1])


def render_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("render")}


@pytest.mark.parametrize("renderer", RENDERERS)
def test_closing_early_gives_everything_back(body, renderer):
    before = render_threads()
    frames = render_frames([Actor(body, posed(200))], replace(SMALL, renderer=renderer))
    next(frames)
    assert len(render_threads() - before) == 1
    frames.close()
    assert render_threads() <= before
    with pytest.raises(StopIteration):
        next(frames)
    assert len(draw([Actor(body, posed(2))], replace(SMALL, renderer=renderer))) == 2


def test_a_fault_of_the_body_reaches_the_caller(body):
    class Broken:
        """Fails at its third chunk of vertices."""

        def __init__(self):
            self.__dict__.update(body.__dict__)

        def vertices(self, motion, start_frame=0, end_frame=None):
            if start_frame > 20:
                raise ZeroDivisionError
            return body.vertices(motion, start_frame, end_frame)

        joints, soles = staticmethod(body.joints), staticmethod(body.soles)
        vertices_at = staticmethod(body.vertices_at)

    before = render_threads()
    with pytest.raises(ZeroDivisionError):
        draw([Actor(Broken(), posed(60))], SMALL)
    assert render_threads() <= before


def test_impossible_actors_are_named_at_once(body):
    with pytest.raises(RenderError, match="caption.*None"):
        Actor(body, posed(3), caption=None)
    with pytest.raises(RenderError, match="list"):
        Actor(body, posed(3), [[True] * 5] * 3)
    with pytest.raises(RenderError, match=r"\(3, 4\).*\(3, 5\)"):
        Actor(body, posed(3), np.zeros((3, 4), bool))
    with pytest.raises(RenderError, match="bool"):
        Actor(body, posed(3), np.zeros((3, 5)))
    with pytest.raises(RenderError, match="no actor"):
        render_frames([], SMALL)
    with pytest.raises(RenderError, match="30, 60"):
        render_frames([Actor(body, posed(3)), Actor(body, replace(posed(3), fps=60))], SMALL)


def test_renderers_work_here():
    for name in RENDERERS:
        check_renderer(name)
    with pytest.raises(RenderError, match="renderer is 'direct3d'; it must be 'moderngl', 'pyrender' or 'skeleton'"):
        check_renderer("direct3d")


def test_without_egl_the_packages_are_named(body, monkeypatch):
    monkeypatch.setenv("GLCONTEXT_LINUX_LIBEGL", "libmissing.so.1")
    with pytest.raises(RenderError, match=r"libmissing.so.1.*apt-get install -y libegl1 libgl1"):
        check_renderer("moderngl")
    with pytest.raises(RenderError, match="apt-get"):
        next(render_frames([Actor(body, posed(2))], SMALL))
    monkeypatch.undo()
    check_renderer("moderngl")


@pytest.mark.parametrize("renderer", MESH_RENDERERS)
def test_without_the_library_importing_works_and_drawing_says_what_to_install(renderer):
    code = (
        f"import sys; sys.modules['{renderer}'] = None\n"
        "import emage.render.frames\n"
        f"try: emage.render.frames.check_renderer('{renderer}')\n"
        "except emage.render.frames.RenderError as error: print('named:', error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.startswith(f"named: {renderer} cannot be loaded")
    assert "apt-get install" in run.stdout


def test_the_users_platform_for_pyrender_stands():
    code = (
        "import emage.render.frames, os\n"
        "try: emage.render.frames.check_renderer('pyrender')\n"
        "except emage.render.frames.RenderError as error: print(error)\n"
        "print(os.environ['PYOPENGL_PLATFORM'])"
    )
    environment = os.environ | {"PYOPENGL_PLATFORM": "somewhere"}
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert "pyrender" in run.stdout
    assert run.stdout.endswith("somewhere\n")


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


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("camera", ["still", "follow", "face"])
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


def test_a_leap_across_the_land_is_named(body):
    motion = posed(60)
    motion.trans[30:] = (0, 0, 90_000)
    with pytest.raises(RenderError, match="jumps in the trans"):
        next(render_frames([Actor(body, motion)], replace(GREEN, camera="follow")))


@pytest.mark.parametrize("value", [1e30, 3e38, -1e6])
@pytest.mark.parametrize("name", ["poses", "expressions", "betas"])
def test_a_motion_that_makes_no_body_is_named(body, name, value):
    motion = replace(posed(90), expression_basis=ARKIT52)
    array = getattr(motion, name).copy()
    array[5 if name == "betas" else 45 :] = value
    motion = replace(motion, **{name: array})
    if name == "poses" and value == -1e6:  # an angle like any other
        assert len(draw([Actor(body, motion.frames(44, 46))], SMALL)) == 2
        return
    with pytest.raises(RenderError, match=r"In frame \d+ the body is .* cannot be drawn"):
        list(render_frames([Actor(body, motion)], SMALL))


def test_expressions_beyond_single_precision_are_named(body):
    motion = replace(posed(90), expression_basis=ARKIT52)
    motion.expressions[45] = 1e300
    with pytest.raises(RenderError, match="In frame 45 the body is without bounds"):
        list(render_frames([Actor(body, motion)], SMALL))
