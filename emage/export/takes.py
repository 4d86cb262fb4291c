"""Takes side by side as a video."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from emage.body import Body
from emage.errors import RenderError
from emage.export.video import write_video
from emage.generation.take import Take
from emage.recording.audio import SOUND_RATE_HZ, AudioSource, load_audio
from emage.recording.recording import Recording
from emage.render.frames import frame_size, render_frames
from emage.render.scene import Actor
from emage.render.settings import RenderSettings

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, and what is done of how much: frames, or bytes of a download. What it raises stops it."""

STAGE_VIDEO = "Drawing the video"


def render_video(
    path: str | Path,
    takes: Sequence[Take],
    body: Body,
    audio: AudioSource | Recording | None = None,
    settings: RenderSettings | None = None,
    progress: Progress | None = None,
) -> Path:
    """As `EmagePipeline.render_video`, for motion that needs no networks."""
    settings = settings or RenderSettings()
    if not takes:
        raise RenderError("There is nothing to draw: give at least one take.")
    actors = [Actor(body, take.motion, _drawn_hints(take), take.caption) for take in takes]
    if isinstance(audio, Recording):
        sound = audio.part_sound
    else:
        sound = None if audio is None else load_audio(audio, sample_rate_hz=SOUND_RATE_HZ)
    width, height = frame_size(len(actors), settings)
    longest = max(take.motion.num_frames for take in takes)
    return write_video(
        path,
        render_frames(actors, settings),
        width=width,
        height=height,
        fps=takes[0].motion.fps,
        num_frames=longest,
        audio=sound,
        audio_rate_hz=SOUND_RATE_HZ,
        progress=None if progress is None else lambda done, total: progress(STAGE_VIDEO, done, total),
    )


def _drawn_hints(take: Take) -> np.ndarray | None:
    return None if take.hints is None else take.hints.plan.covers(take.motion.num_frames)
