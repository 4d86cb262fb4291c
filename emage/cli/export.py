"""`python -m emage export`: a motion file for other tools."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from emage.cli.options import BodyOptions
from emage.errors import ExportError
from emage.export.settings import ExportSettings, format_of
from emage.files import check_writable


@dataclass(frozen=True)
class Export:
    """Take a motion to other tools: GLB, BVH, or its face in ARKit's weights (CSV of Live Link Face, JSON)."""

    motion: Annotated[Path, tyro.conf.Positional]
    """A BEAT2 npz; or a face in ARKit's weights, .csv or .json."""
    to: Path
    """The file to write; its ending says what: .glb, .bvh, .csv or .json."""
    audio: Path | None = None
    """A recording: written as a wav beside it, as long as the motion."""
    resample: bool = False
    """Bring a motion of another frame rate to 30 frames a second."""
    body: tyro.conf.OmitArgPrefixes[BodyOptions] = BodyOptions()
    form: tyro.conf.OmitArgPrefixes[ExportSettings] = ExportSettings()

    def run(self) -> None:
        format_of(self.to)
        if self.to.resolve() == self.motion.resolve():
            raise ExportError(f"--to would overwrite the motion: {self.to}. Choose another name.")
        check_writable(self.to)

        from emage.export.arkit import load_motion
        from emage.export.takes import export_take

        motion = load_motion(self.motion)
        motion = motion.resample() if self.resample else motion
        for path in export_take(self.to, motion, self.body.load(), self.audio, self.form):
            print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
