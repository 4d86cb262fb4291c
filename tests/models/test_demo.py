"""The demo weights in assets/demo: what they are, and that a recording becomes a person who speaks in time with it."""

import json

import numpy as np
import pytest

from emage.evaluation import quality
from emage.generation.settings import AS_GENERATED
from emage.hints import LOCK, LOOP, HintPlan, Placement, Span
from emage.hub import EMBEDDED_DIR, find_weights
from emage.models.checkpoint import NETWORK_FOLDERS
from emage.motion import ARKIT52, Motion
from emage.motion.skeleton import PART_JOINTS
from emage.pipeline import EmagePipeline
from emage.recording.audio import SAMPLE_RATE_HZ, load_audio, num_frames
from emage.recording.examples import EXAMPLES_FOLDER, load_examples
from emage.recording.hearing import listen
from emage.recording.recording import Recording
from train import fgd_encoder
from train.evaluation.scores import inner_pauses, speech_scores
from train.synthetic.speakers import SPEAKERS

PARTS = ("face", "upper", "hands", "lower")
MAX_BYTES = 40_000_000
FOLDERS = [*NETWORK_FOLDERS.values(), fgd_encoder.FOLDER]
EXAMPLES = {example.name: example for example in load_examples()}


@pytest.fixture(scope="module")
def demo() -> EmagePipeline:
    return EmagePipeline.from_pretrained("demo")


@pytest.fixture(scope="module")
def generated(demo) -> dict[str, Motion]:
    return {name: demo.generate(EXAMPLES[name].audio, speaker=EXAMPLES[name].speaker) for name in ("welcome", "pauses")}


def test_they_are_small_and_whole():
    files = [path for path in EMBEDDED_DIR.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MAX_BYTES
    for folder in FOLDERS:
        assert (EMBEDDED_DIR / folder / "model.safetensors").is_file()
    assert find_weights("demo").notice is None  # who asks for them needs no warning


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_network_says_how_it_was_trained(folder):
    note = json.loads((EMBEDDED_DIR / folder / "training.json").read_text("utf-8"))
    assert len(note["revision"]) == 40  # of a commit, with nothing changed beside it
    assert note["step"] == note["settings"]["steps"]
    assert not any(str(note["settings"][name]).startswith("/") for name in ("cache", "weights", "out"))
    commands = (EMBEDDED_DIR / "README.md").read_text("utf-8")
    assert f"--steps {note['step']}" in commands


@pytest.mark.slow
def test_they_know_the_corpus_s_speakers(demo):
    assert demo.generator.config.speakers == len(SPEAKERS)
    assert demo.generator.config.expression_basis == ARKIT52


def test_who_stands_does_not_glide(demo):
    """By this seed they begin with a code that goes sideways at 0.13 m/s for as long as it is held."""
    recording = listen(Recording.load(EXAMPLES["story"].audio)).recording
    path = demo.generate(recording, seed=1, translation=AS_GENERATED).trans[:, [0, 2]]
    assert np.linalg.norm(path - path[0], axis=1).max() < 0.15


@pytest.mark.slow
def test_the_mouth_moves_with_the_words(demo, generated):
    example = EXAMPLES["welcome"]
    made, rules = (
        quality.jaw_opening(generated["welcome"].poses),
        quality.jaw_opening(Motion.load(example.motion).poses),
    )
    frames = min(len(made), len(rules))
    assert np.corrcoef(made[:frames], rules[:frames])[0, 1] > 0.6


@pytest.mark.slow
def test_the_mouth_is_shut_in_pauses_and_nobody_freezes_in_speech(demo, generated):
    audio = load_audio(EXAMPLES["pauses"].audio)
    motion = generated["pauses"]
    scores = speech_scores("pauses", motion, audio, demo.body)
    pausing = inner_pauses(quality.speaking_frames(audio))[: motion.num_frames]
    assert pausing.sum() > 60
    assert scores.pausing_p90_deg < 2
    assert scores.speaking_deg > 2
    assert scores.longest_frozen_s < 3


@pytest.mark.slow
@pytest.mark.parametrize("reference", ["wave", "hands_on_hips", "story"])
def test_a_locked_span_is_the_hint_and_its_borders_do_not_jump(demo, reference):
    """At a border no joint of a part turns more in one frame than 1.5 times what it does within a blend's length."""
    blend, ranges = 6, ((40, 90), (150, 210))
    audio = load_audio(EXAMPLES["numbers"].audio)[: 8 * SAMPLE_RATE_HZ]
    plan = HintPlan(tuple(Span(part, *each, LOCK) for part in PARTS for each in ranges), blend)
    hints = Placement(fill=LOOP).hints(Motion.load(EXAMPLES_FOLDER / f"{reference}.npz"), plan, num_frames(len(audio)))
    motion = demo.generate((SAMPLE_RATE_HZ, audio), hints=hints)
    steps = quality.rotation_steps(motion.poses)
    poses, given = (each.poses.reshape(-1, 55, 3) for each in (motion, hints.reference))
    for part in PARTS:
        joints = list(PART_JOINTS[part])
        largest = steps[:, joints].max(axis=1)
        for start, end in ranges:
            assert np.abs(poses[start:end, joints] - given[start:end, joints]).max() < 1e-5
            for border in (start - 1, end - 1):  # the step into the frame after
                beside = np.r_[largest[border - blend : border], largest[border + 1 : border + 1 + blend]]
                assert largest[border] <= 1.5 * beside.max(), (part, border)


@pytest.mark.slow
def test_hands_move_and_stay_with_a_person(demo, generated):
    motion = generated["welcome"]
    joints = demo.body.joints(motion) - motion.trans[:, None]
    travelled = np.linalg.norm(np.diff(joints[:, list(quality.WRIST_JOINTS)], axis=0), axis=-1).mean() * 30
    assert 0.05 < travelled < 1.5  # metres a second
    assert np.abs(motion.trans[:, [0, 2]] - motion.trans[0, [0, 2]]).max() < 2.0
