"""`python -m emage measure`: motion files in numbers."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from emage.cli.options import BodyOptions, MotionFiles
from emage.errors import EmageError
from emage.files import check_writable, write_text


@dataclass(frozen=True)
class Measure:
    """Say in numbers how motions go with a recording: beats, diversity, jerk, sliding feet."""

    motions: MotionFiles
    """BEAT2 npz files."""
    audio: Path
    """What they were made for."""
    out: Path | None = None
    """A table to write (CSV) in place of showing it."""
    body: tyro.conf.OmitArgPrefixes[BodyOptions] = BodyOptions()

    def run(self) -> None:
        from emage.evaluation.report import common_mean_speed, reports_csv, take_report
        from emage.motion import Motion
        from emage.recording.audio import load_audio

        if not self.motions:
            raise EmageError("Name one or more motion files (npz).")
        if self.out is not None:
            check_writable(self.out)
        audio = load_audio(self.audio)
        motions = [Motion.load(path).resample() for path in self.motions]
        body = self.body.load()
        mean_speed = common_mean_speed(motions, body)
        reports = [take_report(motion, audio, body, mean_speed=mean_speed) for motion in motions]
        table = reports_csv([(path.stem, report) for path, report in zip(self.motions, reports, strict=True)])
        if self.out is None:
            print(table, end="")
        else:
            write_text(self.out, table)
