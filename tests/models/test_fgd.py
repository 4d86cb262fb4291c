"""The evaluator of FGD: the published network, by the reference's own features, and the file that holds it."""

import numpy as np
import pytest
import torch

from emage.errors import WeightsError
from emage.evaluation.published import frechet_distance
from emage.models.fgd import (
    SKELETON,
    MotionAutoencoder,
    MotionAutoencoderConfig,
    find_near,
    load_evaluator,
    pair_edges,
)
from emage.motion.rotations import axis_angle_to_rotation_6d
from emage.motion.skeleton import JOINT_NAMES


def write_published(network: MotionAutoencoder, path, **changes: torch.Tensor):
    """A file in the published layout, with masks and pooling matrices; `changes` by key, None for one left out."""
    state = {**network.state_dict(), **dict(network.named_buffers()), **changes}
    state = {f"module.{key}": value for key, value in state.items() if value is not None}
    torch.save({"model_state": state}, path)
    return path


@pytest.fixture(scope="module")
def network() -> MotionAutoencoder:
    torch.manual_seed(0)
    return MotionAutoencoder(MotionAutoencoderConfig()).eval()


def test_features_and_distance_are_the_reference_s(shared):
    published = load_evaluator(shared / "parity" / "fgd" / "AESKConv_240_100.bin")
    expected = np.load(shared / "parity" / "fgd" / "features.npz")
    made = []
    for path, name in (
        ("data/beat2/2_scott_0_1_1.npz", "real_features"),
        ("data/published/demo_female.npz", "made_features"),
    ):
        poses = torch.from_numpy(np.load(shared / path)["poses"].astype(np.float32)).unflatten(1, (55, 3))
        rotations = axis_angle_to_rotation_6d(poses).flatten(1)
        made.append(published.features(rotations.numpy()).numpy())
        np.testing.assert_allclose(made[-1], expected[name], atol=1e-4)
        torch.testing.assert_close(published.features(rotations), torch.from_numpy(made[-1]))
    assert frechet_distance(*made) == pytest.approx(float(expected["fgd"]), rel=5e-3)


def test_a_published_file_is_loaded_as_it_is(network, tmp_path):
    motion = torch.randn(95, 330)
    loaded = load_evaluator(write_published(network, tmp_path / "AESKConv_240_100.bin"))
    assert torch.equal(loaded.features(motion), network.features(motion))
    assert len(loaded.state_dict()) + len(dict(loaded.named_buffers())) == 56


def test_other_files_are_refused(network, tmp_path):
    mask, pool = "encoder.layers.0.0.residual.0.mask", "encoder.layers.1.0.common.0.weight"
    buffers = dict(network.named_buffers())
    path = tmp_path / "evaluator.bin"
    for changes, words in (
        ({mask: buffers[mask].flip(0)}, f"{mask} is that of another skeleton"),
        ({pool: None}, f"{pool} is missing"),
        ({"fc_mu.bias": None}, "missing fc_mu.bias"),
        ({"fc_mu.bias": torch.zeros(8)}, r"fc_mu.bias is \(8,\), not \(240,\)"),
        ({"extra": torch.zeros(1)}, "unknown extra"),
        ({"fc_mu.bias": torch.full((240,), torch.nan)}, "not finite"),
    ):
        with pytest.raises(WeightsError, match=words):
            load_evaluator(write_published(network, path, **changes))
    with pytest.raises(WeightsError, match="evaluator.bin is missing"):
        load_evaluator(tmp_path / "nowhere" / "evaluator.bin")


def test_a_file_that_holds_code_is_refused_and_nothing_of_it_runs(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    torch.save({"model_state": {"module.fc_mu.bias": Harmful()}}, tmp_path / "evaluator.bin")
    with pytest.raises(WeightsError, match=r"asks for .*open.*Nothing of it was run"):
        load_evaluator(tmp_path / "evaluator.bin")
    assert not (tmp_path / "harm").exists()


def test_the_skeleton_is_paired_along_limbs_to_chains():
    pairs = pair_edges(list(SKELETON))
    assert len(pairs) == 35
    assert sorted(edge for group in pairs for edge in group) == list(range(55))
    names = [tuple(JOINT_NAMES[edge] for edge in group) for group in pairs]
    for limb in (("left_hip", "left_knee"), ("left_ankle", "left_foot"), ("spine1",), ("spine2", "spine3")):
        assert limb in names
    for limb in (("pelvis",), ("jaw",), ("left_index1",), ("left_index2", "left_index3"), ("neck", "head")):
        assert limb in names
    chains = pair_edges([(SKELETON[group[0]][0], SKELETON[group[-1]][1]) for group in pairs])
    assert len(chains) == 20
    left_leg = [edge for group in chains for edge in group if names[edge][0] in ("left_hip", "left_ankle")]
    assert tuple(left_leg) in chains


def test_features_are_a_whole_clip_s_cut_to_32_frames(network):
    motion = torch.randn(95, 330)
    features = network.features(motion)
    assert features.shape == (4, 240)
    assert network.feature_width == 240
    assert torch.equal(network.features(motion[:64]), features)
    assert features.abs().max() <= 1
    both = network.encode(torch.stack([motion[:64], motion[31:]]))
    torch.testing.assert_close(both[0], features)
    assert not torch.allclose(network.features(motion[:32]), features[:2], atol=1e-3)  # the norms look over all of it
    for motion, words in ((torch.randn(31, 330), "FGD needs 32 frames"), (torch.randn(32, 165), r"\(32, 165\)")):
        with pytest.raises(WeightsError, match=words):
            network.features(motion)


def test_an_edge_sees_only_what_is_near(network):
    motion = torch.randn(1, 330, 32, requires_grad=True)
    conv = network.encoder.layers[0][0].residual[0]
    conv(motion).unflatten(1, (55, -1))[0, 26].sum().backward()  # left index, second joint
    reached = motion.grad.abs().sum((0, 2)).unflatten(0, (55, 6)).sum(1).nonzero().flatten().tolist()
    assert reached == [20, 25, 26, 27, 28, 31, 34, 37]
    assert find_near(list(SKELETON))[26].nonzero().flatten().tolist() == reached


def test_motion_comes_back_by_samples_in_training_and_by_means_else(network):
    motion = torch.randn(2, 64, 330)
    first, second = network(motion), network(motion)
    assert first.rotations.shape == (2, 64, 330)
    assert torch.equal(first.rotations, second.rotations)
    network.train()
    assert not torch.equal(network(motion).rotations, first.rotations)
    network.eval()
    assert first.divergence > 0


@pytest.mark.parametrize("channels", [0, 1.5, True, 257])
def test_config_is_checked(channels):
    with pytest.raises(WeightsError, match="chain_channels"):
        MotionAutoencoderConfig(channels)
