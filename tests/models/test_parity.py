"""Equality with the reference implementation, on its own outputs.

Those of a small checkpoint lie in tests/parity (random weights, made-up sound), so that anyone's clone proves it; those
of a larger one are compared where the shared material is.
"""

import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest
import soundfile
import torch

from emage.generation.settings import PUBLISHED
from emage.generation.windows import first_seed, plan_windows, sample_windows
from emage.hints.mask import NetworkHints
from emage.models.parts import Parts
from emage.motion.skeleton import NETWORK_PARTS
from emage.pipeline import EmagePipeline
from tests.conftest import ROOT, angles_between
from tests.stages import join_codes

CASES = ["plain_10s", "one_window_64f", "tail_70f", "hint_upper_frames_20_100", "hint_lower_hands_frames_0_60"]
LATENT_TOLERANCE = 2e-4  # asked for: 5e-4
TINY_TOLERANCE = 5e-4  # its latents and logits go up to 11
FLIP_MARGIN = 1e-3  # below it, which code is nearest is a matter of rounding


TINY = ROOT / "tests" / "parity" / "tiny"


@pytest.fixture(scope="module")
def reference(shared) -> EmagePipeline:
    return EmagePipeline.from_pretrained(shared / "parity/checkpoint", device="cpu")


@pytest.fixture(scope="module")
def tiny_reference() -> EmagePipeline:
    return EmagePipeline.from_pretrained(TINY, device="cpu")


@pytest.mark.parametrize("case", ["plain", "hint_upper_hands"])
def test_tiny_reference_outputs(tiny_reference, case):
    check_equal(tiny_reference, np.load(TINY / f"{case}.npz"), TINY_TOLERANCE)


@pytest.mark.parametrize("case", CASES)
def test_reference_outputs(reference, shared, case):
    check_equal(reference, np.load(shared / f"parity/golden/{case}.npz"), LATENT_TOLERANCE)


def check_equal(reference: EmagePipeline, golden: Mapping[str, np.ndarray], tolerance: float) -> None:
    """What the networks make of the golden case's inputs is what the reference implementation made."""
    hints = NetworkHints(golden["hint_motion"], golden["hint_mask"]) if "hint_mask" in golden else None
    windows = plan_windows(len(golden["audio"]), reference.generator.config, PUBLISHED)
    seed = first_seed(hints, PUBLISHED, 4)
    results = list(
        sample_windows(reference.generator, reference.codec, golden["audio"], windows, hints, seed_motion=seed)
    )
    codes = join_codes(results)
    for part in NETWORK_PARTS:
        latent = torch.cat([result.output.latents[part] for result in results], 1)[0].numpy()
        logits = torch.cat([result.output.logits[part] for result in results], 1)[0].numpy()
        np.testing.assert_allclose(latent, golden[f"{part}_latent"], atol=tolerance, rtol=0)
        np.testing.assert_allclose(logits, golden[f"{part}_logits"], atol=tolerance, rtol=0)
        flipped = codes[part][0].numpy() != golden[f"{part}_index"]
        assert (golden[f"{part}_margin"][flipped] < FLIP_MARGIN).all(), part
    motion = reference.decode(codes, np.zeros(3))
    assert angles_between(motion.poses, golden["poses"]).max() < 1e-3
    np.testing.assert_allclose(motion.expressions, golden["expressions"], atol=1e-4)
    np.testing.assert_allclose(motion.trans, golden["trans"], atol=1e-4)


def test_the_difference_that_is_left_is_the_references_rounding(reference, shared):
    """Decoded in float64 from the reference's own codes, our rotations are nearer than the reference's float32."""
    golden = np.load(shared / "parity/golden/plain_10s.npz")
    codes = Parts.of(lambda part: torch.from_numpy(golden[f"{part}_index"].astype(np.int64))[None])
    single = reference.decode(codes, np.zeros(3)).poses
    reference.codec.double()
    try:
        exact = reference.decode(codes, np.zeros(3)).poses
    finally:
        reference.codec.float()
    ours, theirs = (angles_between(exact, poses).max() for poses in (single, golden["poses"]))
    assert ours < 1e-4
    assert ours < theirs


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("hint")])
def test_command_line(shared, tmp_path, case):
    golden = shared / f"parity/golden/{case}.npz"
    soundfile.write(tmp_path / "talk.wav", np.load(golden)["audio"], 16000, "FLOAT")
    command = [sys.executable, "-m", "emage", "generate", tmp_path / "talk.wav", "--motion", tmp_path / "talk.npz"]
    command += ["--weights", shared / "parity/checkpoint", "--timing", "published", "--device", "cpu"]
    subprocess.run(command, check=True, cwd=ROOT)
    compare = [sys.executable, shared / "parity/compare.py", tmp_path / "talk.npz", golden]
    result = subprocess.run(compare, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
