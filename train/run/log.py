"""What a run shows of itself: scalars and sample videos in TensorBoard's format, and the videos as mp4."""

import io
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor
from torch.utils.tensorboard import FileWriter, SummaryWriter
from torch.utils.tensorboard.summary import image

from emage.body import Body
from emage.export.video import write_video
from emage.motion import FPS, Motion
from emage.render.frames import frame_size, render_frames
from emage.render.scene import Actor
from emage.render.settings import RenderSettings

_VIDEO = RenderSettings(panel_width=192, panel_height=192, face_inset=False)


class Losses:
    """What the dataclasses of losses share: each field is a loss times its weight, a scalar."""

    @property
    def total(self) -> Tensor:
        """The sum of all."""
        return sum(getattr(self, field.name) for field in fields(self))


def scalars(values: Any) -> dict[str, Any]:
    """Name the fields of a dataclass of scalars, and the total of losses."""
    named = {field.name: getattr(values, field.name) for field in fields(values)}
    return {**named, "total": values.total} if isinstance(values, Losses) else named


def mean_of(batch_values: list[tuple[int, dict[str, float]]]) -> dict[str, float]:
    """Means over batches of unequal size, each given as (size, values)."""
    total = sum(size for size, _ in batch_values)
    names = batch_values[0][1]
    return {name: sum(size * values[name] for size, values in batch_values) / total for name in names}


class RunLog:
    """The log in a run's folder; what an earlier process logged after `step` is taken back."""

    def __init__(self, out: Path, step: int):
        self.out = out
        self.writer = SummaryWriter(str(out / "log"), purge_step=step + 1)

    def add_scalars(self, group: str, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(f"{group}/{name}", value, step)
        self.writer.flush()

    def add_video(
        self, name: str, motions: Mapping[str, Motion], body: Body, step: int, audio: np.ndarray | None = None
    ) -> None:
        """Motions beside each other, by their captions: a moving picture in TensorBoard, an mp4 with sound in `videos`.

        audio: (N,) at 16 kHz.
        """
        frames = list(
            render_frames([Actor(body, motion, None, caption) for caption, motion in motions.items()], _VIDEO)
        )
        # SummaryWriter.add_video needs a moviepy that does without today's Pillow; a picture may as well be a GIF.
        summary = image(name, frames[0], dataformats="HWC")
        summary.value[0].image.encoded_image_string = encode_gif(frames[::2], fps=FPS / 2)
        writer = FileWriter(str(self.out / "log" / "videos"))
        writer.add_summary(summary, step)
        writer.close()
        folder = self.out / "videos"
        folder.mkdir(exist_ok=True)
        width, height = frame_size(len(motions), _VIDEO)
        path = folder / f"{name}_{step:08d}.mp4"
        write_video(path, frames, width=width, height=height, fps=FPS, num_frames=len(frames), audio=audio)

    def close(self) -> None:
        self.writer.close()


def encode_gif(frames: list[np.ndarray], fps: float) -> bytes:
    """(H, W, 3) uint8 frames -> a GIF that begins again when it ends."""
    stream = io.BytesIO()
    first, *others = (Image.fromarray(frame) for frame in frames)
    first.save(stream, "GIF", save_all=True, append_images=others, duration=round(1000 / fps), loop=0)
    return stream.getvalue()
