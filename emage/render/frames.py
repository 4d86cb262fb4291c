"""The loop: a motion's vertices in chunks, drawn frame by frame on a thread that owns the graphics context."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np

from emage.errors import RenderError
from emage.hints import FOLLOWED, GENERATED, LOCKED
from emage.render.camera import presence
from emage.render.gl import INSTALL
from emage.render.overlay import InsetFrame, Patch, caption_patches, legend_patch
from emage.render.scene import (
    Actor,
    Figure,
    Mesh,
    Shot,
    caption_lines,
    check_actors,
    count_frames,
    make_figures,
    posed_vertices,
)
from emage.render.settings import RenderSettings, rgb_of

_VERTICES_CHUNK = 16
"""Frames whose vertices are computed at once."""
_STATE_NAMES = {GENERATED: "generated", FOLLOWED: "hint, followed", LOCKED: "hint, locked"}
_AHEAD = 3
"""Frames drawn before they are asked for, so that drawing and encoding overlap."""


class Renderer(Protocol):
    """Draws figures; made, used and closed on one thread."""

    def draw(self, index: int, mesh: Mesh, shots: Sequence[Shot]) -> list[np.ndarray]:
        """Pictures (height, width, 3) uint8 of figure `index` in the pose of `mesh`, one for each shot; valid until the
        next call.
        """

    def close(self) -> None:
        """Give back all that the renderer holds."""


def frame_size(num_actors: int, settings: RenderSettings, columns: int | None = None) -> tuple[int, int]:
    """(width, height) in pixels of the frames of so many actors, side by side, in rows of so many columns."""
    columns = columns or num_actors
    return columns * settings.width, -(-num_actors // columns) * settings.height


def render_frames(
    actors: Sequence[Actor], settings: RenderSettings, columns: int | None = None
) -> Iterator[np.ndarray]:
    """Draw actors side by side.

    Each call has its own graphics context on its own thread: several may run at once, and the iterator may be passed
    between threads. Everything is given back when it ends, is closed, or an error leaves it.

    Args:
        actors: one or more. Motions share a frame rate; the longest sets the number of frames, and the others wait
            in their last one.
        settings: how to draw.
        columns: how many stand in a row; None: all.

    Returns:
        Iterator over frames (height, width, 3) uint8 RGB, of `frame_size(len(actors), settings, columns)`.

    Raises:
        RenderError: the actors do not go together (at once), or nothing can be drawn on this machine (at the first
            frame).
    """
    check_actors(actors)
    return _frames(tuple(actors), settings, columns or len(actors))


def _frames(actors: tuple[Actor, ...], settings: RenderSettings, columns: int) -> Iterator[np.ndarray]:
    with ThreadPoolExecutor(1, thread_name_prefix="render") as drawing:
        painter = drawing.submit(_Painter, actors, settings, columns).result()
        pending: deque[Future[np.ndarray]] = deque()
        try:
            for frame in range(count_frames(actors)):
                pending.append(drawing.submit(painter.paint, frame))
                if len(pending) > _AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
            drawing.submit(painter.close).result()


class _Painter:
    """Composes whole frames. All methods run on the thread that made it, in the order of frames."""

    def __init__(self, actors: Sequence[Actor], settings: RenderSettings, columns: int):
        self._settings, self._columns = settings, columns
        # First, for where nothing can be drawn nobody should wait for the cameras.
        check_renderer_of(settings)
        self._figures = make_figures(actors, settings)
        lines = caption_lines(actors, settings)
        self._inset = InsetFrame(settings.width, settings.height, any(lines))
        self._inset_place = _clearest_place(self._inset, self._figures, settings)
        self._captions = caption_patches(lines, settings.width, settings.height, rgb_of(settings.background))
        self._legend = _make_legend(actors, self._inset_place, settings)
        self._vertices = [VertexStream(figure.posed) for figure in self._figures]
        self._renderer = _make_renderer(self._figures, settings)

    def paint(self, frame: int) -> np.ndarray:
        """(H, W, 3) uint8 of one frame; frames are asked for in rising order."""
        width, height = frame_size(len(self._figures), self._settings, self._columns)
        picture = np.empty((height, width, 3), np.uint8)
        picture[:] = np.rint(255 * rgb_of(self._settings.background))  # where the last row is not full
        for i, figure in enumerate(self._figures):
            row, column = divmod(i, self._columns)
            top, left = row * self._settings.height, column * self._settings.width
            panel = picture[top : top + self._settings.height, left : left + self._settings.width]
            self._paint_panel(i, min(frame, figure.actor.motion.num_frames - 1), panel)
        if self._legend is not None:
            self._legend.apply(picture)
        return picture

    def close(self) -> None:
        self._renderer.close()

    def _paint_panel(self, i: int, frame: int, panel: np.ndarray) -> None:
        """Fill panel (h, w, 3) with actor i in one of its own frames."""
        figure = self._figures[i]
        height, width = panel.shape[:2]
        floor = self._settings.floor and self._settings.camera != "face"
        shots = [figure.shot(figure.camera, frame, width, height, floor)]
        if figure.inset is not None:
            size = self._inset.size
            shots.append(figure.shot(figure.inset, frame, size, size, floor=False))
        mesh = figure.mesh(frame, self._vertices[i].at(frame))
        panel[:], *close_ups = self._renderer.draw(i, mesh, shots)
        for close_up in close_ups:
            self._inset.apply(panel, close_up, self._inset_place)
        if self._captions[i] is not None:
            self._captions[i].apply(panel)


def _make_legend(actors: Sequence[Actor], inset_place: tuple[int, int], settings: RenderSettings) -> Patch | None:
    """Of the colours of hints in the first panel, on the side where no close-up is; None where there are no hints."""
    states = sorted({state for actor in actors for state in np.unique(actor.states).tolist()})
    if not settings.captions or states in ([], [GENERATED]):
        return None
    entries = [(_STATE_NAMES[state], settings.part_colors(np.array(state))) for state in states]
    has_inset = settings.face_inset and settings.camera != "face"
    on_right = has_inset and inset_place[1] < settings.width / 2
    return legend_patch(entries, settings.width, settings.height, rgb_of(settings.background), on_right)


def _clearest_place(inset: InsetFrame, figures: Sequence[Figure], settings: RenderSettings) -> tuple[int, int]:
    """The one of the inset's places where it hides the bodies in the fewest frames; the same for all bodies."""
    width, height = settings.width, settings.height
    top, left = np.array(inset.places).T
    right, bottom = left + inset.size, top + inset.size
    areas = np.stack([2 * left / width - 1, 1 - 2 * bottom / height, 2 * right / width - 1, 1 - 2 * top / height], 1)
    hidden = sum(presence(figure.bounds, figure.camera, width / height, areas) for figure in figures)
    return inset.places[int(np.argmin(hidden))]


class VertexStream:
    """A motion's vertices, evaluated in chunks as rising frames ask for them."""

    def __init__(self, actor: Actor):
        self._actor = actor
        self._start = 0
        self._chunk = np.empty((0, 0, 3), np.float32)

    def at(self, frame: int) -> np.ndarray:
        """(V, 3) float32, metres."""
        if not self._start <= frame < self._start + len(self._chunk):
            self._start = frame
            end = min(frame + _VERTICES_CHUNK, self._actor.motion.num_frames)
            self._chunk = posed_vertices(self._actor, frame, end)
        return self._chunk[frame - self._start]


def check_renderer(name: str = "moderngl") -> None:
    """Try the renderer on this machine: make its context and give it back.

    Raises:
        RenderError: an unknown name, or nothing can be drawn here; the message names the packages to install.
    """
    check_renderer_of(RenderSettings(renderer=name))


def check_renderer_of(settings: RenderSettings) -> None:
    with ThreadPoolExecutor(1, thread_name_prefix="render") as drawing:
        drawing.submit(lambda: _make_renderer([], settings).close()).result()


def _make_renderer(figures: Sequence[Figure], settings: RenderSettings) -> Renderer:
    # Imported here, for either library may be missing or broken on a machine that uses the other or draws nothing.
    try:
        if settings.renderer == "moderngl":
            from emage.render.moderngl_renderer import ModernglRenderer as Chosen
        else:
            from emage.render.pyrender_renderer import PyrenderRenderer as Chosen
    except Exception as error:  # without libGL, PyOpenGL fails on import with an AttributeError
        raise RenderError(
            f"{settings.renderer} cannot be loaded ({type(error).__name__}: {error}). Install the packages of "
            f"requirements.txt, and on Debian or Ubuntu: {INSTALL}"
        ) from error
    return Chosen(figures, settings)
