"""BEAT (BVH and ARKit weights) into BEAT2's layout: `python -m train.beat ROOT --out CORPUS`."""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from emage.body import load_body
from emage.motion import FLAME2020
from train.data.beat import REPORT_NAME, Faces, convert_beat
from train.run.command import run_command


@dataclass(frozen=True)
class Convert:
    """Make a corpus of BEAT's clips, or of other BVH files whose joints have its names or ours."""

    root: tyro.conf.Positional[Path]
    """A folder with <id>.bvh, .wav and, where they are, .json, .TextGrid and .txt beside each other, in any folders."""
    out: Path
    """The corpus to write. Given again, clips that are there stay."""
    faces: Faces = FLAME2020
    """BEAT2's expressions, by the matrix of its authors, which is fetched from the Hub; or ARKit's as they are."""
    splits: Path | None = None
    """A folder whose train_test_split.csv says which clips are taken and for what, such as BEAT2's; by default seven of
    nine clips of a speaker are train, one val and one test."""

    def run(self) -> None:
        made = convert_beat(self.root, self.out, load_body(), self.faces, self.splits)
        for clip, why in made.broken.items():
            sys.stderr.write(f"{clip}: {why}\n")
        print(
            f"{len(made.residuals)} clips, {len(made.without_faces)} of them without faces; bones off by "
            f"{made.mean.degrees:.2f}°, joints by {made.mean.mm:.1f} mm in the mean (see {REPORT_NAME}). "
            f"{len(made.broken)} clips could not be converted."
        )


def main() -> None:
    run_command(tyro.cli(Convert, prog="python -m train.beat", description=__doc__).run)


if __name__ == "__main__":
    main()
