"""`python -m emage render`: motion files into a video."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from emage.cli.options import BodyOptions, MotionFiles, Picture
from emage.cli.progress import show_progress
from emage.errors import EmageError
from emage.files import check_writable
from emage.render.settings import RenderSettings


@dataclass(frozen=True)
class Render:
    """Turn motion files into a video, side by side where there are several."""

    motions: MotionFiles
    """BEAT2 npz files."""
    out: Path
    """The mp4 to write."""
    audio: Path | None = None
    """The sound. Default: a silent film."""
    body: tyro.conf.OmitArgPrefixes[BodyOptions] = BodyOptions()
    picture: Picture = RenderSettings()

    def run(self) -> None:
        from emage.export.takes import render_video
        from emage.generation.take import Take
        from emage.motion import Motion

        if not self.motions:
            raise EmageError("Name one or more motion files (npz).")
        check_writable(self.out)
        several = len(self.motions) > 1
        takes = [Take(Motion.load(path).resample(), path.stem if several else "") for path in self.motions]
        body = self.body.load()
        with show_progress() as progress:
            render_video(self.out, takes, body, self.audio, self.picture, progress)
