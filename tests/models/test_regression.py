"""A small case of the project's own: committed weights, committed numbers."""

import numpy as np
import torch

from emage.generation.decoding import Sampler
from emage.generation.settings import AS_GENERATED, EXACT
from emage.generation.windows import plan_windows, sample_windows
from emage.hints import HintPlan, Hints
from emage.motion.skeleton import NETWORK_PARTS
from emage.pipeline import EmagePipeline
from emage.recording.audio import SAMPLE_RATE_HZ
from tests.conftest import REGRESSION, angles_between, make_motion, make_speech

PLAN = {"spans": [{"part": "upper", "start_frame": 20, "end_frame": 90}, {"part": "hands", "start_s": 0, "end_s": 1}]}


def run_case(pipe: EmagePipeline) -> dict[str, np.ndarray]:
    """Latents, logits and codes of 145 frames, and motion with and without hints, drawn and likeliest."""
    speech = make_speech(77333)  # 145 frames: two full windows and a last one of 25
    results = {}
    windows = plan_windows(len(speech), pipe.generator.config, EXACT)
    sampled = list(sample_windows(pipe.generator, pipe.codec, speech, windows, sampler=Sampler()))
    for part in NETWORK_PARTS:
        results[f"{part}_code"] = torch.cat([each.codes[part] for each in sampled], 1)[0].numpy().astype(np.int16)
        results[f"{part}_latent"] = torch.cat([each.output.latents[part] for each in sampled], 1)[0].numpy()
        results[f"{part}_logits"] = torch.cat([each.output.logits[part] for each in sampled], 1)[0].numpy()
    audio = (SAMPLE_RATE_HZ, speech)
    hints = Hints(make_motion(150), HintPlan.from_json(PLAN))
    for name, motion in {
        "likeliest": pipe.generate(audio, translation=AS_GENERATED),
        "reference": pipe.generate(audio, timing="published"),
        "drawn": pipe.generate(audio, seed=7, speaker=1, top_k=10, translation=AS_GENERATED),
        "hinted": pipe.generate(audio, hints, translation=AS_GENERATED),
    }.items():
        results[f"{name}_poses"] = motion.poses
        results[f"{name}_expressions"] = motion.expressions.astype(np.float32)
        results[f"{name}_trans"] = motion.trans.astype(np.float32)
    return results


def test_numbers_are_the_committed_ones(tiny):
    expected = np.load(REGRESSION / "expected.npz")
    results = run_case(tiny)
    assert set(results) == set(expected.files)
    for name, array in results.items():
        assert array.shape == expected[name].shape, name
        if name.endswith("_code"):
            assert np.array_equal(array, expected[name]), name
        elif name.endswith("_poses"):
            # as rotations: a half turn has two axes
            assert angles_between(array, expected[name]).max() < 1e-3, name
        else:
            np.testing.assert_allclose(array, expected[name], atol=2e-4, err_msg=name)


def test_the_case_tells_things_apart():
    """Numbers that would not change with the code under test would guard nothing."""
    expected = np.load(REGRESSION / "expected.npz")
    for part in NETWORK_PARTS:
        assert len(np.unique(expected[f"{part}_code"])) >= 4, part
    for name in ("drawn", "hinted"):
        assert angles_between(expected[f"{name}_poses"], expected["likeliest_poses"]).max() > 0.1, name
