"""What takes seconds the first time, done before a user waits for it."""

import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np

from emage.body import Body
from emage.errors import EmageError
from emage.evaluation.report import take_report, take_series
from emage.export.takes import render_video
from emage.generation.take import Take
from emage.motion import FPS, Motion
from emage.recording.audio import SAMPLE_RATE_HZ
from emage.render.settings import RenderSettings

_SECONDS = 3


def warm_up_beside(body: Body) -> threading.Thread:
    """Start `warm_up` in a thread that ends with the program."""
    thread = threading.Thread(target=warm_up, args=(body,), name="warm-up", daemon=True)
    thread.start()
    return thread


def warm_up(body: Body) -> None:
    """Measure and draw a short motion: librosa compiles its functions, and the renderer its shaders."""
    frames = _SECONDS * FPS
    poses = 0.1 * np.sin(np.arange(frames)[:, None] / 3 + np.arange(165))
    motion = Motion(poses, np.zeros((frames, 100)), np.zeros((frames, 3)), np.zeros(300))
    time_s = np.arange(_SECONDS * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    audio = (0.3 * np.sin(2 * np.pi * 200 * time_s) * (np.sin(2 * np.pi * 3 * time_s) > 0)).astype(np.float32)
    with suppress(EmageError):  # the users will be told
        take_report(motion, audio, body)
        take_series(motion, audio, body)
        with tempfile.TemporaryDirectory() as folder:
            picture = RenderSettings(panel_width=64, panel_height=64)
            path = Path(folder) / "warm-up.mp4"
            render_video(path, [Take(motion.frames(0, 2))], body, (SAMPLE_RATE_HZ, audio), picture)
