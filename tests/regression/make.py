"""Make the regression case anew: `python -m tests.regression.make`, after a change that is meant to change numbers.

Tiny random weights in the released layout, and what the pipeline makes with them of a synthetic recording. That the
architecture computes what the published one does is shown by tests/test_parity.py; this case guards it where the
reference outputs are not at hand.
"""

import numpy as np
import torch

from emage.models.codec import MotionCodec
from emage.models.generator import Generator, GeneratorConfig
from emage.models.parts import Parts
from emage.models.vqvae import VQVAE, GlobalMotionPredictor, VQVAEConfig
from emage.motion.skeleton import MOTION_CHANNELS, PART_CHANNELS
from emage.pipeline import EmagePipeline
from tests.conftest import REGRESSION, make_speech
from tests.models.test_regression import run_case

WIDTH, CODES = 16, 24


def main() -> None:
    torch.manual_seed(0)
    sizes = {"hidden": WIDTH, "audio_width": WIDTH, "motion_width": WIDTH, "codebook_size": CODES, "speakers": 2}
    generator = Generator(GeneratorConfig(**sizes)).eval()
    parts = Parts.of(
        lambda part: VQVAE(VQVAEConfig(PART_CHANNELS[part], WIDTH, 4 if part == "lower" else 2, CODES)).eval()
    )
    codec = MotionCodec(parts, GlobalMotionPredictor(VQVAEConfig(61, WIDTH, 4)).eval())
    spread(generator, codec, torch.from_numpy(make_speech(48000)))
    EmagePipeline(generator, codec).save_pretrained(REGRESSION)
    (REGRESSION / "README.md").unlink(missing_ok=True)
    np.savez_compressed(REGRESSION / "expected.npz", **run_case(EmagePipeline.from_pretrained(REGRESSION)))


@torch.no_grad()
def spread(generator: Generator, codec: MotionCodec, audio: torch.Tensor) -> None:
    """Scale fresh weights so that codes, rotations and sound make a difference, as trained ones do."""
    for network in (generator, codec):
        for name, tensor in network.named_parameters():
            if "quantizer" in name:
                tensor.normal_()
            elif tensor.ndim > 1 and "norm" not in name and "embed" not in name:
                tensor.mul_(1.5)
    generator.train()  # one pass gives the batch norms the sound's own statistics
    generator.encode_speech(audio[None])
    generator.eval()
    # Likelihoods about zero and a codebook made of the face's own latents: many codes are used.
    everything_hidden = torch.ones(1, 64, MOTION_CHANNELS)
    output = generator(audio[None, :34133], torch.zeros_like(everything_hidden), everything_hidden, torch.tensor([0]))
    codec.face.quantizer.embedding.weight.copy_(output.latents.face[0, torch.linspace(0, 63, CODES).long()])
    for part in ("upper", "hands", "lower"):
        last = getattr(generator, f"motion_cls_{part}").fc2
        last.bias.sub_(output.logits[part].mean((0, 1)))
        for tensor in (last.weight, last.bias):
            tensor.div_(output.logits[part].std(1).mean())
    # float16 values: half the bytes in git, the same numbers in float32.
    for network in (generator, codec):
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.half().float())


if __name__ == "__main__":
    main()
