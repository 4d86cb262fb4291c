"""Which channels a clip has. Data sets without sound, faces, fingers, legs or a path train what they do have.

What is missing is at rest in the cache, hidden from what the networks are shown, and left out of losses and metrics, by
part and clip.
"""

import numpy as np
import torch
from torch import Tensor

from emage.motion.skeleton import CONTACTS, MOTION_CHANNELS, NETWORK_PARTS, TRANSLATION, hint_channels

AUDIO, TRANS = "audio", "translation"
CHANNELS = (AUDIO, *NETWORK_PARTS, TRANS)
"""What a clip may lack. The face is the jaw and the expressions; the translation goes with the foot contacts; who has
no legs has no translation."""
WHOLE_BODY = (*NETWORK_PARTS, TRANS)


def _columns(channel: str) -> np.ndarray:
    """(337,) bool, the channels of motion that are unknown without it."""
    columns = np.zeros(MOTION_CHANNELS, dtype=bool)
    if channel in NETWORK_PARTS:
        columns[hint_channels(channel)] = True
    if channel == TRANS:
        columns[TRANSLATION], columns[CONTACTS] = True, True
    return columns


_COLUMNS = torch.from_numpy(np.stack([_columns(channel) for channel in CHANNELS])).float()


def flags_of(missing: tuple[str, ...]) -> Tensor:
    """(6,) bool in the order of `CHANNELS`, true for what is there."""
    return torch.tensor([channel not in missing for channel in CHANNELS])


def unknown_columns(has: Tensor) -> Tensor:
    """(..., 6) from `flags_of` -> (..., 337) bool, true for the channels of motion that are not known."""
    return ((~has).float() @ _COLUMNS.to(has.device)) > 0
