"""The command that repeats a take says to the command line what the take was made with."""

import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from emage.cli.command import generate_command
from emage.cli.generate import Generate
from emage.cli.main import read_command
from emage.errors import EmageError
from emage.generation.settings import MAX_SEAM_FRAMES, TRANSLATIONS, TakeSettings
from emage.generation.take import Request
from emage.hints import FILLS, HintPlan, Placement, Span, place_hints
from emage.motion import Motion
from emage.recording.audio import second_to_frame
from emage.recording.recording import Recording
from emage.render.settings import CAMERAS, RENDERERS, RenderSettings
from tests.conftest import REGRESSION, assert_same_motion, make_motion


def parsed(command: str) -> Generate:
    words = shlex.split(command)
    assert words[0] == "emage"
    return read_command(words[1:])


def test_defaults_are_not_written():
    command = generate_command("talk.wav", TakeSettings(), motion="talk.npz")
    assert command == "emage generate talk.wav --motion talk.npz"
    picture = generate_command("talk.wav", TakeSettings(), out="talk.mp4", picture=RenderSettings())
    assert picture == "emage generate talk.wav --out talk.mp4"


def test_the_transcript_is_written():
    command = generate_command("a.wav", TakeSettings(), transcript=Path("-a.srt"), language="de", motion="a.npz")
    assert (parsed(command).recording.transcript, parsed(command).recording.language) == ("./-a.srt", "de")
    for text in ("It's “three”,\nplease", "--no", "auto"):
        command = generate_command("a.wav", TakeSettings(), transcript=text, motion="a.npz")
        assert parsed(command).recording.transcript == text


def test_a_command_of_before_that_asks_for_a_figure_in_lines_gets_the_body():
    command = parsed("emage generate talk.wav --out talk.mp4 --renderer skeleton --size 384")
    assert command.picture == RenderSettings(size=384)


names = some.text(some.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..") and "/" not in name and not name.isspace() and name != "None"
)
takes = some.builds(
    TakeSettings,
    weights=some.none() | names.filter(lambda name: not name.startswith("-")),
    speaker=some.integers(0, 50),
    seed=some.integers(0, 2**40),
    temperature=some.floats(0, 10),
    top_k=some.none() | some.integers(1, 500),
    timing=some.sampled_from(["exact", "published", "reference"]),
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
sizes = some.integers(32, 2000).map(lambda half: 2 * half)
pictures = some.builds(
    RenderSettings,
    renderer=some.sampled_from(RENDERERS),
    size=sizes,
    panel_width=some.none() | sizes,
    panel_height=some.none() | sizes,
    camera=some.sampled_from(CAMERAS),
    yaw_degrees=some.floats(-360, 360),
    face_inset=some.booleans(),
    captions=some.booleans(),
    floor=some.booleans(),
    background=some.sampled_from(["#102030", "white", "rgb(1, 2, 3)"]),
    generated_color=some.sampled_from(["#5b8fd9", "red"]),
    hint_color=some.sampled_from(["#b4b6ba", "hsl(120, 50%, 50%)"]),
    followed_color=some.sampled_from(["#686a6e", "black"]),
    samples=some.sampled_from([1, 2, 4, 8]),
)


@settings(max_examples=25, deadline=None)
@given(names, takes, placements, plans, pictures, some.integers(0, 10**5), some.none() | some.integers(1, 10**5))
def test_parsed_again_it_is_what_the_take_was_made_with(name, take, placement, plan, picture, start, end):
    command = generate_command(
        name, take, start_frame=start, end_frame=end, reference=f"{name}.npz", plan=plan, placement=placement,
        motion=f"{name} motion.npz", out=f"{name}.mp4", picture=picture, smplx="a body.npz",
    )  # fmt: skip
    assert "\n" not in command
    again = parsed(command)
    assert (again.take, again.hints.placement(), again.hints.hint_plan()) == (take, placement, plan)
    assert again.picture == picture
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


def test_the_command_makes_the_take_again(tiny, talk, monkeypatch):
    """From the middle of a recording, with a looped hint, sampled, in place."""
    monkeypatch.chdir(talk.parent)
    make_motion(30).save("wave.npz")
    plan = HintPlan((Span("upper", 10, 60, "lock"), Span("left_hand", 0, 115)))
    placement = Placement(7, "loop", 4)
    chosen = TakeSettings(
        str(REGRESSION), speaker=1, seed=5, temperature=0.7, top_k=9, translation="in-place", seam_frames=6
    )
    recording = Recording.load("talk.wav").trim(20, 115)
    hints = place_hints(recording, plan, Motion.load("wave.npz"), placement)
    command = generate_command(
        "talk.wav", chosen, start_frame=20, end_frame=115, reference="wave.npz", plan=plan, placement=placement,
        motion="again.npz",
    )  # fmt: skip
    parsed(command).run()
    assert_same_motion(Motion.load("again.npz"), tiny.take(Request(recording, chosen, hints)).motion)
