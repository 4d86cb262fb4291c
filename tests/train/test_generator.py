"""The generator's stage: what each pass sees, what it is compared with."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emage.errors import EmageError
from emage.generation.windows import rest_seed
from emage.models.generator import GeneratorOutput
from emage.models.parts import Parts
from emage.motion.skeleton import (
    DISJOINT_PARTS,
    EYE_JOINTS,
    NETWORK_PARTS,
    TRANSLATION,
    hint_channels,
    rotation_channels,
)
from tests.train.conftest import settings
from train import generator
from train.data.masking import MaskedWindow, mask_passes, sample_mask
from train.data.windows import Window, codec_motion, iterate_once, split_windows
from train.modelling.passes import Targets, compare_passes, encode_targets
from train.modelling.settings import GeneratorTraining, mask_ratio
from train.run.checkpoints import load_codec

WHOLE = torch.ones(4, 6, dtype=torch.bool)
"""Of windows that lack nothing."""


def test_mask_ratio_grows_from_the_first_step_to_the_last():
    config = GeneratorTraining(cache=Path(), weights=Path(), out=Path(), steps=101)
    assert [mask_ratio(step, config) for step in (0, 50, 100)] == pytest.approx([0.05, 0.525, 1])


def test_masks_hide_parts_over_spans():
    rng = np.random.default_rng(0)
    masks = np.stack([sample_mask(64, 0.3, rng) for _ in range(400)])
    hinted = sorted({channel for part in DISJOINT_PARTS for channel in hint_channels(part)})
    assert masks[:, :, hinted].mean() == pytest.approx(0.3, abs=0.03)
    assert masks[:, :, rotation_channels(EYE_JOINTS)].all()
    for part in DISJOINT_PARTS:
        columns = masks[:, :, hint_channels(part)]
        assert (columns == columns[..., :1]).all()
    changes = (np.diff(masks[:, :, 0].astype(int), axis=1) != 0).sum(1)
    assert (changes == 0).mean() > 0.2  # one span, the whole window
    assert changes.max() > 15  # frame by frame
    assert not sample_mask(64, 0.0, rng)[:, hinted].any()
    assert sample_mask(64, 1.0, rng).all()


def test_what_the_passes_see():
    window = Window(torch.full((2, 64, 337), 5.0), *(torch.zeros(2) for _ in range(7)), has=WHOLE[:2])
    mask = torch.ones(2, 64, 337, dtype=torch.uint8)
    mask[:, :10, TRANSLATION] = 0
    item = MaskedWindow(
        window, mask, torch.tensor([[1.0, 0, 2], [0, 0, 0]]), torch.tensor([True, False]), torch.zeros(2)
    )
    shown = mask_passes(item, torch.full((2, 4, 337), 7.0))
    assert shown.seed_mask[:, :4].sum() == 0
    assert shown.seed_mask[:, 4:].all()
    assert torch.equal(shown.seed_motion[:1, :4], rest_seed(4))
    assert (shown.seed_motion[1, :4] == 7).all()
    assert shown.hint_motion[0, 3, TRANSLATION].tolist() == [6, 5, 7]  # a visible hint, moved about the ground
    assert torch.equal(shown.hint_motion[0, :4, :330], rest_seed(4)[0, :, :330])
    assert (shown.hint_motion[1, :4, :330] == 7).all()
    assert (shown.hint_mask[:, :4] == 0).all()
    assert torch.equal(shown.hint_mask[:, 4:], mask[:, 4:])


def test_one_window_in_so_many_has_hints():
    motion = torch.arange(4.0)[:, None, None].expand(4, 64, 337)
    window = Window(motion, *(torch.zeros(4) for _ in range(6)), sample_index=torch.tensor([6, 7, 8, 9]), has=WHOLE)
    mask = torch.ones(4, 64, 337, dtype=torch.uint8)
    item = MaskedWindow(window, mask, torch.zeros(4, 3), torch.zeros(4, dtype=torch.bool), torch.zeros(4))
    shown = mask_passes(item, torch.zeros(4, 4, 337), hint_stride=2)
    assert shown.hinted.tolist() == [True, False, True, False]
    assert shown.hint_motion[:, 10, 0].tolist() == [0, 2]
    assert len(shown.seed_motion) == 4

    targets = Targets(
        Parts.of(lambda _: torch.arange(4.0)[:, None, None].expand(4, 64, 8)),
        Parts.of(lambda _: torch.zeros(4, 64, dtype=torch.long)),
        torch.zeros(4, 4, 337),
        Parts.of(lambda _: torch.ones(4)),
        torch.ones(4),
    )
    exact = [
        GeneratorOutput(latents, latents.map(torch.zeros_like))
        for latents in (targets.latents, targets.latents.map(lambda latent: latent[[0, 2]]))
    ]
    config = GeneratorTraining(cache=Path(), weights=Path(), out=Path(), hint_stride=2)
    losses = compare_passes((exact[0], exact[1], exact[1]), targets, shown.hinted, config)
    assert float(losses.seed_latent) == float(losses.hint_latent) == float(losses.silent_latent) == 0
    wrong = compare_passes((exact[0], exact[1], exact[1]), targets, ~shown.hinted, config)
    assert float(wrong.hint_latent) == pytest.approx(4 * 3)  # four parts, a difference of one everywhere


def test_hints_are_shared_out_evenly(cache, tmp_path):
    config = settings(GeneratorTraining, cache, tmp_path, batch_size=4, hint_stride=3)
    with pytest.raises(EmageError, match="hint_stride of 3"):
        generator.train(config)
    with pytest.raises(EmageError, match="hint_stride is 0"):
        replace(config, hint_stride=0)


def test_seeds_and_targets_are_the_codec_s(trained, cache):
    codec = load_codec(trained["lower"].weights)
    _, windows = split_windows(cache, trained["lower"])
    window = next(iterate_once(windows, 1, torch.device("cpu")))
    targets = encode_targets(codec, window, 4)
    codes = codec.encode(codec_motion(window), window.expressions)
    assert all(torch.equal(targets.codes[part], codes[part]) for part in NETWORK_PARTS)
    torch.testing.assert_close(targets.seed, codec.channels(codes)[:, :4])
    assert window.speaker.tolist() == [1]
