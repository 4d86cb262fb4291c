"""MotionCodec: the four parts' codes <-> motion."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from emage.models.generator import GeneratorOutput
from emage.models.parts import Parts
from emage.models.vqvae import VQVAE, GlobalMotionPredictor
from emage.motion import FPS
from emage.motion.rotations import (
    axis_angle_to_rotation_6d,
    matrix_to_rotation_6d,
    rotation_6d_to_axis_angle,
    rotation_6d_to_matrix,
)
from emage.motion.skeleton import (
    CONTACTS,
    JAW_JOINT,
    LOWER_CONTACTS,
    LOWER_ROTATIONS,
    LOWER_TRANSLATION,
    MOTION_CHANNELS,
    NETWORK_PARTS,
    NUM_JOINTS,
    PART_CHANNELS,
    PART_JOINTS,
    POSE_CHANNELS,
    ROTATION_CHANNELS,
    TRANSLATION,
    WHOLE,
    rotation_channels,
)


@dataclass(frozen=True)
class DecodedFrames:
    """poses (B, T, 165) axis-angle, expressions (B, T, 100), root_velocity (B, T, 3): x velocity (m/s), height (m), z
    velocity (m/s)."""

    poses: Tensor
    expressions: Tensor
    root_velocity: Tensor


class MotionCodec(nn.Module):
    """Four VQ-VAEs and the global motion predictor. The eyes belong to none of them and stay at rest.

    parts: or one VQ-VAE of the whole body (for ablations), whose latent and code are then those of every part.
    """

    def __init__(self, parts: Parts[VQVAE] | VQVAE, global_motion: GlobalMotionPredictor):
        super().__init__()
        self.is_whole = isinstance(parts, VQVAE)
        if self.is_whole:
            self.whole = parts
        else:
            self.face, self.upper, self.hands, self.lower = parts
        self.global_motion = global_motion
        self._held_speeds: dict[tuple[int, str], float] = {}

    @property
    def parts(self) -> Parts[VQVAE]:
        """The VQ-VAE that each part's code is of."""
        if self.is_whole:
            return Parts.of(lambda _: self.whole)
        return Parts(self.face, self.upper, self.hands, self.lower)

    @property
    def networks(self) -> dict[str, VQVAE | GlobalMotionPredictor]:
        """By their names in `emage.models.checkpoint`."""
        vqvaes = {WHOLE: self.whole} if self.is_whole else vars(self.parts)
        return {**vqvaes, "global": self.global_motion}

    def choose(self, choose: Callable[[str], Tensor]) -> Parts[Tensor]:
        """Each part's codes from its name; those of the upper body for every part of a whole body."""
        if self.is_whole:
            codes = choose("upper")
            return Parts.of(lambda _: codes)
        return Parts.of(choose)

    def codes(self, output: GeneratorOutput, class_weight: Parts[float]) -> Parts[Tensor]:
        """The argmax codes (B, T) of each part: by class, or nearest to the latent where the class has no weight."""
        return self.choose(
            lambda part: (
                output.logits[part].argmax(-1)
                if class_weight[part] > 0
                else self.parts[part].quantizer.nearest(output.latents[part])
            )
        )

    def latents(self, motion: Tensor, expressions: Tensor) -> Parts[Tensor]:
        """motion (B, T, 337), expressions (B, T, 100) -> the encoders' latents (B, T, D) of each part."""
        vectors = part_vectors(motion, expressions)
        if self.is_whole:
            latent = self.whole.encoder(join_vectors(vectors))
            return Parts.of(lambda _: latent)
        return Parts.of(lambda part: self.parts[part].encoder(vectors[part]))

    def nearest(self, latents: Parts[Tensor]) -> Parts[Tensor]:
        """Latents (B, T, D) of each part -> codes (B, T)."""
        return Parts.of(lambda part: self.parts[part].quantizer.nearest(latents[part]))

    def lookup(self, codes: Parts[Tensor]) -> Parts[Tensor]:
        """Codes (B, T) of each part -> their latents (B, T, D)."""
        return Parts.of(lambda part: self.parts[part].quantizer.lookup(codes[part]))

    def encode(self, motion: Tensor, expressions: Tensor) -> Parts[Tensor]:
        """motion (B, T, 337), expressions (B, T, 100) -> codes (B, T) of each part."""
        return self.nearest(self.latents(motion, expressions))

    def decode_vectors(self, codes: Parts[Tensor]) -> Parts[Tensor]:
        """Codes (B, T) of each part -> what each decoder gives, (B, T, 106 | 78 | 180 | 61)."""
        if self.is_whole:
            return split_vectors(self.whole.decode(codes.face))
        return Parts.of(lambda part: self.parts[part].decode(codes[part]))

    def channels(self, codes: Parts[Tensor]) -> Tensor:
        """Codes (B, T) of each part -> (B, T, 337) as the generator sees motion.

        Rotations are made orthonormal; translation and contacts are left as the lower decoder gives them.
        """
        decoded = self.decode_vectors(codes)
        motion = decoded.lower.new_zeros(*decoded.lower.shape[:2], MOTION_CHANNELS)
        motion[..., :ROTATION_CHANNELS] = _joint_channels(decoded)
        motion[..., TRANSLATION] = decoded.lower[..., LOWER_TRANSLATION]
        motion[..., CONTACTS] = decoded.lower[..., LOWER_CONTACTS]
        return motion

    def placed_channels(self, codes: Parts[Tensor], start_position: Tensor) -> Tensor:
        """As `channels`, as the paper's text network is shown its seeds: the translation is integrated from
        `start_position` (B, 3) in metres, and the jaw is at rest.
        """
        motion = self.channels(codes)
        motion[..., rotation_channels((JAW_JOINT,))] = axis_angle_to_rotation_6d(motion.new_zeros(3))
        motion[..., TRANSLATION] = integrate_root(motion[..., TRANSLATION], start_position.to(motion.device)).to(motion)
        return motion

    def held_speed(self, code: int, conventions: Literal["released", "paper"] = "released") -> float:
        """How fast the body goes over the floor while a lower-body code is held, m/s to a millimetre a second.

        Each is worked out once; the weights do not change after that. conventions: as for `decode_frames`.
        """
        if (code, conventions) not in self._held_speeds:
            device = self.global_motion.encoder.main[0].weight.device
            held = torch.full((1, 2 * self.reach_frames + 1), code, device=device)
            other = torch.zeros_like(held)
            codes = Parts.of(lambda part: held if part == "lower" or self.is_whole else other)
            velocity = self.decode_frames(codes, conventions).root_velocity[0, self.reach_frames, [0, 2]]
            self._held_speeds[code, conventions] = round(float(velocity.norm()), 3)
        return self._held_speeds[code, conventions]

    @property
    def reach_frames(self) -> int:
        """How many frames to each side a decoded frame depends on."""
        return self.global_motion.reach_frames + max(part.reach_frames for part in self.parts)

    def decode_frames(
        self, codes: Parts[Tensor], conventions: Literal["released", "paper"] = "released"
    ) -> DecodedFrames:
        """Codes (B, T) of each part -> frames of the whole body; `RootIntegrator` sums the path up.

        Where the codes are cut out of longer ones, the first and last `reach_frames` are not those of the whole.

        conventions: what the predictor is given, see `GeneratorConfig`: the lower body as it is decoded, or, by the
            paper's, with orthonormal rotations and no translation.
        """
        decoded = self.decode_vectors(codes)
        joints = _joint_channels(decoded)
        lower = decoded.lower
        if conventions == "paper":
            lower = torch.cat(
                [
                    joints[..., rotation_channels(PART_JOINTS["lower"])],
                    torch.zeros_like(lower[..., LOWER_TRANSLATION]),
                    lower[..., LOWER_CONTACTS],
                ],
                -1,
            )
        root_velocity = self.global_motion(lower)[..., LOWER_TRANSLATION]
        poses = rotation_6d_to_axis_angle(joints)
        return DecodedFrames(poses, decoded.face[..., 6:], root_velocity)


def part_vectors(motion: Tensor, expressions: Tensor) -> Parts[Tensor]:
    """motion (B, T, 337), expressions (B, T, 100) -> what each part's VQ-VAE encodes, (B, T, 106 | 78 | 180 | 61)."""
    return Parts(
        face=torch.cat([motion[..., rotation_channels((JAW_JOINT,))], expressions], -1),
        upper=motion[..., rotation_channels(PART_JOINTS["upper"])],
        hands=motion[..., rotation_channels(PART_JOINTS["hands"])],
        lower=torch.cat(
            [motion[..., rotation_channels(PART_JOINTS["lower"])], motion[..., TRANSLATION], motion[..., CONTACTS]], -1
        ),
    )


def join_vectors(vectors: Parts[Tensor]) -> Tensor:
    """Of each part -> (B, T, 425) of the whole body."""
    return torch.cat(list(vectors), -1)


def split_vectors(whole: Tensor) -> Parts[Tensor]:
    """(B, T, 425) -> of each part; what `join_vectors` undoes."""
    return Parts(*whole.split([PART_CHANNELS[part] for part in NETWORK_PARTS], -1))


def _joint_channels(decoded: Parts[Tensor]) -> Tensor:
    """Decoded part vectors -> (B, T, 330) orthonormal 6D rotations of all joints, the eyes at rest."""
    rest = axis_angle_to_rotation_6d(decoded.lower.new_zeros(POSE_CHANNELS))
    rotations = rest.expand(*decoded.lower.shape[:2], ROTATION_CHANNELS).clone()
    rotations[..., rotation_channels((JAW_JOINT,))] = decoded.face[..., :6]
    rotations[..., rotation_channels(PART_JOINTS["upper"])] = decoded.upper
    rotations[..., rotation_channels(PART_JOINTS["hands"])] = decoded.hands
    rotations[..., rotation_channels(PART_JOINTS["lower"])] = decoded.lower[..., LOWER_ROTATIONS]
    matrices = rotation_6d_to_matrix(rotations.unflatten(-1, (NUM_JOINTS, 6)))
    return matrix_to_rotation_6d(matrices).flatten(-2)


def integrate_root(root_velocity: Tensor, start_position: Tensor) -> Tensor:
    """root_velocity (B, T, 3): x velocity (m/s), height (m), z velocity (m/s) -> (B, T, 3) positions in metres.

    start_position: (B, 3); the first frame stands at its x and z.
    """
    return RootIntegrator(start_position).integrate(root_velocity)


class RootIntegrator:
    """`integrate_root` of motion in pieces. Summed in float64: a long walk does not drift by rounding."""

    def __init__(self, start_position: Tensor):
        """start_position: (B, 3)."""
        self._start = start_position[:, None, [0, 2]]
        self._gone: Tensor | None = None

    def integrate(self, root_velocity: Tensor) -> Tensor:
        """(B, T, 3) of the frames that follow those before -> (B, T, 3) positions in metres."""
        step = root_velocity[..., [0, 2]].double() / FPS
        gone = torch.zeros_like(step[:, :1]) if self._gone is None else self._gone
        sums = torch.cat([gone, step], 1).cumsum(1)
        self._gone = sums[:, -1:]
        path = sums[:, :-1] + self._start
        return torch.stack([path[..., 0], root_velocity[..., 1].double(), path[..., 1]], -1)
