"""The command that repeats a take says to the command line what the take was made with."""

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tyro
from hypothesis import given, settings
from hypothesis import strategies as some

from emage.__main__ import Batch, Generate, Measure, Render
from emage.cli.command import generate_command
from emage.errors import EmageError
from emage.generation.settings import MAX_SEAM_FRAMES, TRANSLATIONS, TakeSettings
from emage.hints import FILLS, HintPlan, Hints, Placement, Span
from emage.motion import Motion
from emage.recording.audio import second_to_frame, trimmed
from emage.render.settings import CAMERAS, RENDERERS, RenderSettings
from tests.conftest import REGRESSION, ROOT, make_motion


def parsed(command: str) -> Generate:
    program, arguments = shlex.split(command)[:3], shlex.split(command)[3:]
    assert program == ["python", "-m", "emage"]
    return tyro.cli(Generate | Batch | Render | Measure, args=arguments)


def test_defaults_are_not_written():
    command = generate_command("talk.wav", TakeSettings(), motion="talk.npz")
    assert command == "python -m emage generate talk.wav --motion talk.npz"
    picture = generate_command("talk.wav", TakeSettings(), out="talk.mp4", picture=RenderSettings())
    assert picture == "python -m emage generate talk.wav --out talk.mp4"


names = some.text(some.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..") and "/" not in name and not name.isspace() and name != "None"
)
drawn = some.builds(
    TakeSettings,
    weights=some.none() | names.filter(lambda name: not name.startswith("-")),
    speaker=some.integers(0, 50),
    seed=some.integers(0, 2**40),
    temperature=some.floats(0, 10),
    top_k=some.none() | some.integers(1, 500),
    timing=some.sampled_from(["exact", "reference"]),
    translation=some.none() | some.sampled_from(TRANSLATIONS),
    seam_frames=some.none() | some.integers(0, MAX_SEAM_FRAMES),
)
placements = some.builds(Placement, some.integers(-(10**6), 10**6), some.sampled_from(FILLS), some.integers(0, 100))
plans = some.builds(
    lambda spans, blend: HintPlan(tuple(spans), blend),
    some.lists(some.builds(lambda part, start, length: Span(part, start, start + length),
               some.sampled_from(["face", "upper", "lower", "hands"]), some.integers(0, 1000), some.integers(1, 1000)),
               max_size=4),
    some.integers(0, 60),
)  # fmt: skip
pictures = some.builds(
    RenderSettings,
    renderer=some.sampled_from(RENDERERS),
    panel_width=some.integers(32, 2000).map(lambda half: 2 * half),
    panel_height=some.integers(32, 2000).map(lambda half: 2 * half),
    camera=some.sampled_from(CAMERAS),
    yaw_degrees=some.floats(-360, 360),
    face_inset=some.booleans(),
    captions=some.booleans(),
    floor=some.booleans(),
    background=some.sampled_from(["#102030", "white", "rgb(1, 2, 3)"]),
    generated_color=some.sampled_from(["#5b8fd9", "red"]),
    hint_color=some.sampled_from(["#b4b6ba", "hsl(120, 50%, 50%)"]),
    samples=some.sampled_from([1, 2, 4, 8]),
)


@settings(max_examples=25, deadline=None)
@given(names, drawn, placements, plans, pictures, some.integers(0, 10**5), some.none() | some.integers(1, 10**5))
def test_parsed_again_it_is_what_the_take_was_made_with(name, take, placement, plan, picture, start, end):
    command = generate_command(
        name,
        take,
        start_frame=start,
        end_frame=end,
        reference=f"{name}.npz",
        plan=plan,
        placement=placement,
        motion=f"{name} motion.npz",
        out=f"{name}.mp4",
        picture=picture,
        smplx="a body.npz",
    )
    assert "\n" not in command
    again = parsed(command)
    assert (again.take.settings(), again.hints.placement(), again.hints.hint_plan()) == (take, placement, plan)
    assert again.picture.settings() == picture
    assert second_to_frame(again.recording.start_s) == start
    assert (None if again.recording.end_s is None else second_to_frame(again.recording.end_s)) == end
    expected = [name, f"{name}.npz", f"{name} motion.npz", f"{name}.mp4", "a body.npz"]
    given_paths = [again.audio, again.hints.hint_motion, again.motion, again.out, again.body.smplx]
    assert given_paths == [Path(each) for each in expected]


def test_faults():
    with pytest.raises(EmageError, match="would write nothing"):
        generate_command("talk.wav", TakeSettings())
    with pytest.raises(EmageError, match="go together"):
        generate_command("talk.wav", TakeSettings(), motion="x.npz", plan=HintPlan())


def test_the_command_makes_the_take_again(tiny, speech, tmp_path, monkeypatch):
    """From the middle of a recording, with a looped hint, drawn, in place."""
    monkeypatch.chdir(tmp_path)
    soundfile.write("talk.wav", speech, 16000, subtype="FLOAT")
    make_motion(30).save("wave.npz")
    plan = HintPlan((Span("upper", 10, 60, "lock"), Span("left_hand", 0, 90)))
    placement = Placement(7, "loop", 4)
    chosen = TakeSettings(
        str(REGRESSION), speaker=1, seed=5, temperature=0.7, top_k=9, translation="in-place", seam_frames=6
    )
    part = trimmed(speech, 20, 115)
    hints = placement.hints(Motion.load("wave.npz"), plan, 95)
    assert isinstance(hints, Hints)
    made = tiny.take((16000, part), chosen, hints).motion
    command = generate_command(
        "talk.wav", chosen, start_frame=20, end_frame=115, reference="wave.npz", plan=plan, placement=placement,
        motion="again.npz",
    )  # fmt: skip
    parsed(command).run()
    again = Motion.load("again.npz")
    for name in ("poses", "expressions", "trans"):
        np.testing.assert_array_equal(getattr(again, name), getattr(made, name), err_msg=name)


@pytest.mark.parametrize("command", [(), ("generate",), ("batch",), ("render",), ("measure",), ("doctor",)])
def test_help_waits_for_nothing_heavy(command):
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "emage", *command, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.split("|")[-1].strip().split(".")[0] for line in shown.stderr.splitlines()}
    assert shown.stdout.startswith(shlex.join(["usage:", "python", "-m", "emage", *command]))
    assert "tyro" in imported
    assert not imported & {"torch", "gradio", "scipy", "librosa", "smplx", "transformers", "huggingface_hub"}
