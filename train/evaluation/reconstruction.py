"""Reconstruction: the motion of split test through the codes and back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from emage.body import Body
from emage.models.codec import MotionCodec
from emage.models.parts import Parts
from emage.motion.rotations import angle_between
from emage.motion.skeleton import JAW_JOINT, PART_JOINTS, ROTATION_CHANNELS, rotation_channels
from train.data.cache import Cache
from train.data.channels import WHOLE_BODY
from train.data.windows import Window, Windows, codec_motion, iterate_once
from train.evaluation.targets import Target
from train.run.kinematics import BodyPoints, to_matrices
from train.run.log import mean_of
from train.vqvae import VQVAEReport, validate

BODY_JOINTS: tuple[int, ...] = (*PART_JOINTS["upper"], *PART_JOINTS["lower"])
_BATCH_WINDOWS = 32
_SKIN_POINTS = 128


@dataclass(frozen=True)
class BodyErrors:
    """All parts decoded together: mean distance of the 22 joints of the body and of the ten fingertips, the pelvis held
    in place; mean angle of the jaw."""

    body_mm: float
    fingertips_mm: float
    jaw_degrees: float


@torch.no_grad()
def body_errors(codec: MotionCodec, batches: Iterable[Window], points: BodyPoints) -> BodyErrors:
    """Over all batches. points: of any part."""
    results = []
    for window in batches:
        made = codec.channels(codec.encode(codec_motion(window), window.expressions))
        ours, truth = (points(motion[..., :ROTATION_CHANNELS], window.expressions) for motion in (made, window.motion))
        values = {
            "body_mm": 1000 * float((ours.joints - truth.joints)[..., BODY_JOINTS, :].norm(dim=-1).mean()),
            "fingertips_mm": 1000 * float((ours.fingertips - truth.fingertips).norm(dim=-1).mean()),
            "jaw_degrees": float(angle_between(_jaw(made), _jaw(window.motion)).rad2deg().mean()),
        }
        results.append((len(made), values))
    return BodyErrors(**mean_of(results))


def _jaw(motion: Tensor) -> Tensor:
    return to_matrices(motion[..., rotation_channels((JAW_JOINT,))])


@dataclass(frozen=True)
class ReconstructionReport:
    """parts: each decoded alone, the others as they truly are; whole: all decoded together."""

    windows: int
    parts: Parts[VQVAEReport]
    whole: BodyErrors


def reconstruction_report(cache: Cache, codec: MotionCodec, body: Body, window_frames: int) -> ReconstructionReport:
    """Over windows of split test that do not overlap: for each part those of clips that have it, for all parts together
    those of whole clips."""
    device = next(codec.parameters()).device

    def windows(needs: Sequence[str]) -> Windows:
        table = cache.windows(("test",), window_frames, window_frames, needs)
        return Windows(cache, table, window_frames, shuffled=False)

    def points(part: str) -> BodyPoints:
        return BodyPoints(body, part, _SKIN_POINTS, cache.expression_basis).to(device)

    def batches(name: str, needs: Sequence[str]) -> Iterable[Window]:
        return tqdm(iterate_once(windows(needs), _BATCH_WINDOWS, device), f"Codes, {name}", unit=" batches")

    parts = Parts.of(lambda part: validate(codec.parts[part], batches(part, (part,)), points(part), part))
    together = body_errors(codec, batches("all parts", WHOLE_BODY), points("face"))
    return ReconstructionReport(len(windows(WHOLE_BODY)), parts, together)


def reconstruction_targets(report: ReconstructionReport) -> list[Target]:
    in_use = min(part.codes_in_use for part in report.parts)
    return [
        Target.at_most("joints of the body, mm", report.whole.body_mm, 10),
        Target.at_most("fingertips, mm", report.whole.fingertips_mm, 6),
        Target.at_most("jaw, degrees", report.whole.jaw_degrees, 2),
        Target.above("codes in use, share in the worst part", in_use, 0.6),
    ]
