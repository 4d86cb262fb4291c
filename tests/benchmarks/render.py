"""How fast this machine draws and encodes; run by hand: `python -m tests.benchmarks.render [motion.npz]`."""

import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from emage.body import load_body
from emage.export.video import write_video
from emage.motion import FLAME2020, Motion
from emage.render.frames import VertexStream, frame_size, render_frames
from emage.render.moderngl_renderer import ModernglRenderer
from emage.render.overlay import InsetFrame
from emage.render.scene import Actor, Figure, Shot, make_figures
from emage.render.settings import RenderSettings

NUM_FRAMES = 300


def main() -> None:
    body = load_body()
    motion = Motion.load(sys.argv[1]) if len(sys.argv) > 1 else _swaying(NUM_FRAMES)
    motion = motion.frames(0, NUM_FRAMES)
    if motion.expression_basis != body.expression_basis:
        motion = replace(motion, expressions=0 * motion.expressions)
    settings = RenderSettings()
    actor = Actor(body, motion, caption="Benchmark")
    print(f"{body.name}: {len(body.vertex_parts)} vertices, {len(body.faces)} triangles; {motion.num_frames} frames")
    _stages(actor, settings)
    _whole([actor], settings)
    _whole([actor, actor], settings)


def _stages(actor: Actor, settings: RenderSettings) -> None:
    """Milliseconds a frame of each step, one after the other on one thread."""
    spent: Counter[str] = Counter()
    clock = time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        spent[stage] += now - clock
        clock = now

    (figure,) = make_figures([actor], settings)
    lap("preparing, once")
    renderer, stream = ModernglRenderer([figure], settings), VertexStream(figure.posed)
    lap("graphics context, once")
    for frame in range(actor.motion.num_frames):
        vertices = stream.at(frame)
        lap("vertices")
        mesh = figure.mesh(frame, vertices)
        lap("normals, shadow, colours")
        renderer.draw(0, mesh, _shots(figure, frame, settings)[:1])
        lap("picture: upload, draw, read")
        renderer.draw(0, mesh, _shots(figure, frame, settings)[1:])
        lap("close-up: upload, draw, read")
    renderer.close()
    for stage, seconds in spent.items():
        per = 1 if "once" in stage else actor.motion.num_frames
        print(f"  {stage:32} {1e3 * seconds / per:8.2f} ms")


def _shots(figure: Figure, frame: int, settings: RenderSettings) -> list[Shot]:
    width, height = settings.panel_width, settings.panel_height
    size = InsetFrame(width, height, caption=True).size
    return [
        figure.shot(figure.camera, frame, width, height, floor=True),
        figure.shot(figure.inset, frame, size, size, floor=False),
    ]


def _whole(actors: list[Actor], settings: RenderSettings) -> None:
    width, height = frame_size(len(actors), settings)
    num_frames, fps = actors[0].motion.num_frames, actors[0].motion.fps
    start, cpu = time.perf_counter(), time.process_time()
    for _ in render_frames(actors, settings):
        pass
    drawn = time.perf_counter() - start
    print(
        f"{settings.renderer}, {len(actors)} x {settings.panel_width} x {settings.panel_height}: "
        f"{num_frames / drawn:.1f} frames a second",
        end="",
    )
    print(f" drawn ({1e3 * (time.process_time() - cpu) / num_frames:.0f} ms of processor a frame), ", end="")
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        audio = np.zeros(round(num_frames / fps * 16000), np.float32)
        write_video(
            Path(folder) / "x.mp4",
            render_frames(actors, settings),
            width=width,
            height=height,
            fps=fps,
            num_frames=num_frames,
            audio=audio,
        )
        print(f"{num_frames / (time.perf_counter() - start):.1f} drawn and encoded")


def _swaying(num_frames: int) -> Motion:
    time_s = np.arange(num_frames)[:, None] / 30
    poses = 0.3 * np.sin(2 * np.pi * (0.5 * time_s + np.arange(165) / 165))
    trans = np.c_[0.2 * np.sin(time_s), 0 * time_s, 0 * time_s]
    return Motion(poses, np.zeros((num_frames, 100)), trans, np.zeros(300), expression_basis=FLAME2020)


if __name__ == "__main__":
    main()
