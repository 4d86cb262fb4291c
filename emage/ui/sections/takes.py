"""Compare: chosen takes in one video, hint beside result, and in numbers."""

from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from emage.errors import Cancelled, EmageError
from emage.evaluation.report import TakeReport, common_mean_speed, take_report
from emage.hints import LOCK, HintPlan, Hints, Span
from emage.motion import Motion
from emage.motion.skeleton import DISJOINT_PARTS
from emage.pipeline import Take
from emage.render.settings import RenderSettings
from emage.ui.kept import KeptTake, content
from emage.ui.making import session_of
from emage.ui.studio import MAX_BESIDE, Progress, Studio
from emage.ui.visitors import Visitor

HINT = "hint"


def chosen_takes(visitor: Visitor, numbers: Sequence[int]) -> list[KeptTake]:
    """Raises EmageError where there is nothing to compare."""
    takes = [take for take in visitor.takes if take.number in numbers]
    if not takes:
        raise EmageError("Choose one take or more in the list: tick the box before it.")
    return takes


def panels(takes: Sequence[KeptTake], with_hints: bool) -> list[tuple[str, Take]]:
    """Caption and motion of each body in the video; a hint that several takes share stands there once.

    Raises:
        EmageError: more than fit.
    """
    loaded = [take.load() for take in takes]
    hinted = [None if take.hints is None else content(take.hints.reference) for take in loaded]
    shown, hints = [], set()
    for kept, take, reference in zip(takes, loaded, hinted, strict=True):
        if with_hints and reference is not None and reference not in hints:
            hints.add(reference)
            caption = HINT if len(set(hinted) - {None}) == 1 else f"{HINT} of “{kept.caption}”"
            shown.append((caption, _all_hint(take.hints.reference, take.motion.num_frames)))
        shown.append((kept.caption, take))
    if len(shown) > MAX_BESIDE:
        raise EmageError(f"{len(shown)} bodies side by side are too small to see; choose up to {MAX_BESIDE}.")
    return shown


def _all_hint(reference: Motion, frames: int) -> Take:
    """The reference of a take with so many frames, grey from head to foot."""
    motion = reference.frames(0, min(reference.num_frames, frames))
    spans = tuple(Span(leaf, 0, motion.num_frames, LOCK) for leaf in DISJOINT_PARTS)
    return Take(motion, HINT, Hints(motion, HintPlan(spans)))


class Comparing:
    """Handlers."""

    def __init__(self, studio: Studio):
        self._studio = studio

    def video(
        self,
        takes: Sequence[KeptTake],
        with_hints: bool,
        picture: RenderSettings,
        accept_licence: bool,
        bar: gr.Progress,
        request: gr.Request,
    ) -> Path | None:
        """None where it was cancelled. Raises EmageError."""
        shown = panels(takes, with_hints)
        session = session_of(request)
        visitor = self._studio.visitors.of(session)
        body = self._studio.body(accept_licence)
        try:
            with self._studio.visitors.jobs.running(session) as stop:
                progress = Progress(bar, stop)
                with self._studio.turns.turn(session, progress.waiting):
                    path = visitor.new_folder() / "compared.mp4"
                    return self._studio.beside(shown, takes[0], picture, body, path, progress)
        except Cancelled:
            return None

    def reports(self, takes: Sequence[KeptTake]) -> list[TakeReport]:
        """With one mean speed for all, so that beats are told alike."""
        body = self._studio.shelf.own.body
        loaded = [take.load() for take in takes]
        mean_speed = common_mean_speed([take.motion for take in loaded], body)
        return [
            take_report(take.motion, self._studio.heard(kept), body, take.hints, mean_speed, kept.took_s)
            for kept, take in zip(takes, loaded, strict=True)
        ]
