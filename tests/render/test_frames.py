"""Drawing as work: on threads of its own, given back early, and faults told by name."""

import os
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from emage.errors import RenderError
from emage.motion import ARKIT52
from emage.render.frames import check_renderer, render_frames
from emage.render.scene import Actor
from emage.render.settings import RENDERERS, rgb_of
from tests.render.drawing import ARMS_DOWN, GESTURE, GREEN, SMALL, draw, posed


def test_drawing_is_the_same_every_time_in_separate_arrays(body):
    settings = replace(SMALL, face_inset=True, floor=True, camera="still")
    one, again = (list(render_frames([Actor(body, posed(3, walk_m=1.0, **GESTURE))], settings)) for _ in range(2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one[0], one[2])
    assert all(frame.dtype == np.uint8 and frame.flags.c_contiguous for frame in one)


def test_renders_at_once_do_not_disturb_each_other(body):
    jobs = [(name, pose) for name in RENDERERS for pose in (GESTURE, ARMS_DOWN)]
    settings = {name: replace(SMALL, renderer=name) for name in RENDERERS}
    alone = [draw([Actor(body, posed(3, **pose))], settings[name]) for name, pose in jobs]
    faults: list[object] = []

    def work(job: int) -> None:
        name, pose = jobs[job]
        try:
            for _ in range(2):
                frames = draw([Actor(body, posed(3, **pose))], settings[name])
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


def test_bodies_stand_in_rows(body):
    actors = [Actor(body, posed(1, **pose)) for pose in (GESTURE, ARMS_DOWN, {})]
    (beside,), (rows,) = (list(render_frames(actors, SMALL, columns)) for columns in (None, 2))
    one, two, three = np.split(beside, 3, axis=1)
    nothing = np.broadcast_to(np.rint(255 * rgb_of(SMALL.background)).astype(np.uint8), one.shape)
    assert np.array_equal(rows, np.vstack([np.hstack([one, two]), np.hstack([three, nothing])]))


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
    frames = render_frames([Actor(body, posed(60))], replace(SMALL, renderer=renderer))
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
    with pytest.raises(RenderError, match="what HintPlan.states makes"):
        Actor(body, posed(3), np.full((3, 5), 3, np.uint8))
    with pytest.raises(RenderError, match="no actor"):
        render_frames([], SMALL)
    with pytest.raises(RenderError, match="30, 60"):
        render_frames([Actor(body, posed(3)), Actor(body, replace(posed(3), fps=60))], SMALL)


# --- machines without what is needed ----------------------------------------------------------------------------------


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


def test_without_its_library_a_renderer_says_what_to_install_and_the_users_platform_stands():
    code = """
import os, sys
from emage.render.frames import RenderError, check_renderer
for name in ('pyrender', 'moderngl', 'pyrender'):
    try: check_renderer(name)
    except RenderError as error: print(error, os.environ['PYOPENGL_PLATFORM'])
    sys.modules.pop('emage.render.pyrender_renderer', None)
    sys.modules['pyrender'] = sys.modules['moderngl'] = None
"""
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True,
        env=os.environ | {"PYOPENGL_PLATFORM": "somewhere"},
    )  # fmt: skip
    platform, *missing = run.stdout.splitlines()
    assert platform.endswith("somewhere")
    for name, line in zip(("moderngl", "pyrender"), missing, strict=True):
        assert line.startswith(f"{name} cannot be loaded")
        assert "apt-get install" in line


# --- motions that make no picture -------------------------------------------------------------------------------------


def test_a_leap_across_the_land_is_named(body):
    motion = posed(60)
    motion.trans[30:] = (0, 0, 90_000)
    with pytest.raises(RenderError, match="jumps in the trans"):
        next(render_frames([Actor(body, motion)], replace(GREEN, camera="follow")))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("poses", "expressions", "betas") for value in (1e30, 3e38)),
        ("expressions", -1e6), ("expressions", 1e300), ("betas", -1e6),
    ],
)  # fmt: skip
def test_a_motion_that_makes_no_body_is_named(body, name, value):
    motion = replace(posed(60), expression_basis=ARKIT52)
    array = getattr(motion, name).copy()
    array[5 if name == "betas" else 45 :] = value
    with pytest.raises(RenderError, match=r"In frame \d+ the body is .* cannot be drawn"):
        list(render_frames([Actor(body, replace(motion, **{name: array}))], SMALL))


def test_an_angle_of_any_size_is_one(body):
    motion = posed(2)
    motion.poses[:] = -1e6
    assert len(draw([Actor(body, motion)], SMALL)) == 2
