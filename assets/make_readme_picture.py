"""Draw assets/readme.png: `python -m assets.make_readme_picture`. One moment of three takes by the demo weights."""

from pathlib import Path

from PIL import Image

from emage.hints import LOCK, LOOP, HintPlan, Hints, Placement, Span
from emage.motion import Motion
from emage.pipeline import EmagePipeline
from emage.recording.audio import load_audio, num_frames
from emage.render.frames import render_frames
from emage.render.scene import Actor
from emage.render.settings import RenderSettings

FOLDER = Path(__file__).parent
SPEECH = FOLDER / "examples" / "welcome.flac"
PICTURE = FOLDER / "readme.png"
FRAME = 75
LOOKS: tuple[tuple[str, str | None, tuple[str, ...]], ...] = (
    ("everything generated", None, ()),
    ("upper body and right hand pinned", "wave", ("upper", "right_hand")),
    ("legs and path pinned", "step_aside", ("lower",)),
)
"""Caption, motion that hints are taken from, locked parts."""


def main() -> None:
    pipe = EmagePipeline.from_pretrained("demo")
    frames = num_frames(len(load_audio(SPEECH)))
    actors = []
    for caption, reference, parts in LOOKS:
        hints = None if reference is None else locked(reference, parts, frames)
        motion = pipe.generate(SPEECH, hints)
        states = None if hints is None else hints.plan.states(frames)[FRAME : FRAME + 1]
        actors.append(Actor(pipe.body, motion.frames(FRAME, FRAME + 1), states, caption))
    settings = RenderSettings(panel_width=480, panel_height=640, samples=8)
    (frame,) = render_frames(actors, settings)
    Image.fromarray(frame).save(PICTURE, optimize=True)


def locked(reference: str, parts: tuple[str, ...], frames: int) -> Hints:
    """Whole parts of an example's motion, over and over."""
    motion = Motion.load(FOLDER / "examples" / f"{reference}.npz")
    plan = HintPlan(tuple(Span(part, 0, frames, LOCK) for part in parts))
    return Placement(fill=LOOP).hints(motion, plan, frames)


if __name__ == "__main__":
    main()
