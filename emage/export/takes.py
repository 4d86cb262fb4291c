"""Takes into files: a video with sound, and the formats of other tools."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from emage.body import Body
from emage.errors import ExportError, RenderError
from emage.export.arkit import arkit_csv, arkit_json
from emage.export.bvh import bvh_text
from emage.export.gltf import motion_glb
from emage.export.settings import ExportSettings, format_of
from emage.export.sound import write_sound
from emage.export.video import write_video
from emage.files import check_writable, new_file, write_text
from emage.generation.take import Take
from emage.hints import FOLLOWED, GENERATED, LOCKED
from emage.motion import FPS, Motion
from emage.recording.audio import SOUND_RATE_HZ, AudioSource, load_audio
from emage.recording.recording import Recording
from emage.render.frames import frame_size, render_frames
from emage.render.scene import Actor
from emage.render.settings import RenderSettings

STAGE_VIDEO = "Drawing the video"

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, and what is done of how much: frames, or bytes of a download. What it raises stops it."""


def export_take(
    path: str | Path,
    take: Take | Motion,
    body: Body,
    audio: AudioSource | Recording | None = None,
    settings: ExportSettings | None = None,
) -> list[Path]:
    """As `EmagePipeline.export`, for motion that needs no networks."""
    path, settings = Path(path), settings or ExportSettings()
    take = Take(take) if isinstance(take, Motion) else take
    motion, ending = take.motion, format_of(path)
    if motion.fps != FPS:
        raise ExportError(
            f"The motion has {motion.fps:g} frames a second; exports have {FPS}. Bring it there first: "
            f"motion.resample({FPS}), or --resample on the command line."
        )
    sound_path = path.with_suffix(".wav")
    file = audio.file if isinstance(audio, Recording) else audio
    if isinstance(file, str | Path) and Path(file).resolve() == sound_path.resolve():
        raise ExportError(
            f"The sound that goes with {path.name} would overwrite the recording {sound_path}. Choose another name."
        )
    for each in (path, *([] if audio is None else [sound_path])):
        check_writable(each)
    sound = None if audio is None else _load_sound(audio)  # a recording that cannot be read is told before the work
    if ending == ".glb":
        content = motion_glb(body, motion, take.caption or "take", _colors(take), settings.part_materials)
        with new_file(path) as temporary:
            temporary.write_bytes(content)
    elif ending == ".bvh":
        write_text(path, bvh_text(body, motion, settings))
    else:
        write_text(path, (arkit_csv if ending == ".csv" else arkit_json)(motion, body.face_maps))
    if sound is None:
        return [path]
    with new_file(sound_path) as temporary:
        write_sound(temporary, sound, round(motion.num_frames * SOUND_RATE_HZ / FPS))
    return [path, sound_path]


def render_video(
    path: str | Path,
    takes: Sequence[Take],
    body: Body,
    audio: AudioSource | Recording | None = None,
    settings: RenderSettings | None = None,
    progress: Progress | None = None,
    columns: int | None = None,
) -> Path:
    """As `EmagePipeline.render_video`, for motion that needs no networks.

    columns: how many bodies stand in a row; None: all.
    """
    settings = settings or RenderSettings()
    if not takes:
        raise RenderError("There is nothing to draw: give at least one take.")
    actors = [Actor(body, take.motion, _drawn_hints(take), take.caption) for take in takes]
    sound = None if audio is None else _load_sound(audio)
    width, height = frame_size(len(actors), settings, columns)
    longest = max(take.motion.num_frames for take in takes)
    return write_video(
        path,
        render_frames(actors, settings, columns),
        width=width,
        height=height,
        fps=takes[0].motion.fps,
        num_frames=longest,
        audio=sound,
        audio_rate_hz=SOUND_RATE_HZ,
        progress=None if progress is None else lambda done, total: progress(STAGE_VIDEO, done, total),
    )


def _drawn_hints(take: Take) -> np.ndarray | None:
    return None if take.hints is None else take.hints.plan.states(take.motion.num_frames)


def _colors(take: Take) -> np.ndarray | None:
    """(5, 3) of the parts: a grey where they are hints for most of the time, of what they mostly are then; None without
    hints."""
    states = _drawn_hints(take)
    if states is None:
        return None
    followed, locked = (states == FOLLOWED).mean(0), (states == LOCKED).mean(0)
    mostly = np.where(locked >= followed, LOCKED, FOLLOWED)
    return RenderSettings().part_colors(np.where(followed + locked > 0.5, mostly, GENERATED))


def _load_sound(audio: AudioSource | Recording) -> np.ndarray:
    """(N,) at `SOUND_RATE_HZ`. Raises AudioError."""
    return audio.part_sound if isinstance(audio, Recording) else load_audio(audio, sample_rate_hz=SOUND_RATE_HZ)
