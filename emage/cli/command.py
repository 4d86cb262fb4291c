"""The command line that repeats a take: `emage generate …`, quoted for a shell."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from emage.errors import EmageError
from emage.generation.settings import TakeSettings
from emage.hints import HintPlan, Placement
from emage.recording.audio import frame_to_second
from emage.render.settings import RenderSettings

_PROGRAM = ("emage", "generate")


def generate_command(
    audio: str | Path,
    settings: TakeSettings,
    *,
    start_frame: int = 0,
    end_frame: int | None = None,
    transcript: str | Path | None = None,
    language: str | None = None,
    reference: str | Path | None = None,
    plan: HintPlan | None = None,
    placement: Placement | None = None,
    motion: str | Path | None = None,
    out: str | Path | None = None,
    picture: RenderSettings | None = None,
    smplx: str | Path | None = None,
) -> str:
    """The command that makes a take again, where its files are under these names.

    Args:
        audio: the recording.
        settings: of the take.
        start_frame, end_frame: the part of the recording that is used, end exclusive.
        transcript: a file, the text itself or "auto"; see `emage.recording.hearing.hear`. language: of it.
        reference, plan, placement: the motion for hints, which parts of it are shown, and how it is laid along the
            recording; plan and placement count from the whole recording's beginning.
        motion, out: the npz and the mp4 to write; at least one.
        picture: how to draw `out`.
        smplx: the SMPL-X file of the body. Who accepts the licence of SMPL-X instead adds that option by hand.

    Raises:
        EmageError: nothing to write, or a reference without a plan.
    """
    if motion is None and out is None:
        raise EmageError("The command would write nothing: name a motion file, a video, or both.")
    if (reference is None) != (plan is None):
        raise EmageError("A hint motion and a plan go together.")
    options = [
        ("out", None if out is None else _path(out)),
        ("motion", None if motion is None else _path(motion)),
        ("start-s", frame_to_second(start_frame) if start_frame else None),
        ("end-s", None if end_frame is None else frame_to_second(end_frame)),
        ("transcript", _path(transcript) if isinstance(transcript, Path) else transcript),
        ("language", language),
        *_changed(settings, TakeSettings()),
        ("hint-motion", None if reference is None else _path(reference)),
        ("plan", None if plan is None else json.dumps(plan.to_json())),
        *_placed(placement),
        *([] if out is None or picture is None else _changed(picture, RenderSettings())),
        ("smplx", None if smplx is None else _path(smplx)),
    ]
    arguments = [_path(audio)]
    for name, value in options:
        arguments += _written(name, value)
    return shlex.join([*_PROGRAM, *arguments])


def _changed(settings: Any, default: Any) -> Iterator[tuple[str, Any]]:
    """The fields of a dataclass that differ from their default, as options."""
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value != getattr(default, field.name):
            yield field.name.replace("_", "-"), value


def _placed(placement: Placement | None) -> list[tuple[str, Any]]:
    placement, default = placement or Placement(), Placement()
    return [
        ("hint-fill", None if placement.fill == default.fill else placement.fill),
        ("hint-shift-s", frame_to_second(placement.shift_frames) if placement.shift_frames else None),
        ("hint-seam-frames", None if placement.seam_frames == default.seam_frames else placement.seam_frames),
    ]


def _written(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if value is True or value is False:
        return [f"--{name}" if value else f"--no-{name}"]
    # A number below 0 would be taken for an option.
    return [f"--{name}={value}"] if str(value).startswith("-") else [f"--{name}", str(value)]


def _path(path: str | Path) -> str:
    """A name that begins with a dash would be taken for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)
