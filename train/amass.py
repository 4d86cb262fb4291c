"""AMASS, and other motion without sound, into BEAT2's layout: `python -m train.amass ROOT --out CORPUS`.

The corpus has no sound and no faces, and channels.json says so: VQ-VAEs of the body, the global motion predictor and
nothing else are trained on it, together with other corpora (`python -m train.data --corpus BEAT2 CORPUS`).
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from emage.body import load_body
from train.data.amass import convert_amass
from train.run.command import run_command


@dataclass(frozen=True)
class Convert:
    """Make a corpus of motion files."""

    root: tyro.conf.Positional[Path]
    """A folder of npz files as AMASS has them, in any folders."""
    out: Path
    """The corpus to write. Given again, what is there stays."""
    least_frames: int = 64
    """At 30 a second; shorter motions make no window and are left out."""

    def run(self) -> None:
        made = convert_amass(self.root, self.out, load_body(), self.least_frames)
        for name, why in made.unreadable.items():
            sys.stderr.write(f"{name}: {why}\n")
        print(
            f"{len(made.clips)} motions, {len(made.without_hands)} of them without fingers; "
            f"{len(made.unreadable)} could not be read."
        )


def main() -> None:
    run_command(tyro.cli(Convert, prog="python -m train.amass", description=__doc__).run)


if __name__ == "__main__":
    main()
