"""BEAT2, and corpora in its layout: `python -m train.beat2 download`, `count`, `doctor`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from train.data.beat2 import count_splits, download_beat2
from train.data.corpus import list_clips
from train.data.examination import Limits, examine_clips, find_unlisted
from train.data.examination_report import PAGE_NAME, Examination, write_report
from train.data.workers import own_body
from train.run.command import run_command


@dataclass(frozen=True)
class Download:
    """Bring clips of BEAT2 from the Hugging Face Hub into a folder. Given again, it goes on where it was.

    The authors ask that BEAT2 be used for research alone.
    """

    root: tyro.conf.Positional[Path]
    """The folder, in which each language has its own."""
    languages: tuple[str, ...] = ("english",)
    """Of english, chinese, japanese, spanish."""
    speakers: tuple[int, ...] = ()
    """By their numbers; all by default."""

    def run(self) -> None:
        for folder in download_beat2(self.root, self.languages, self.speakers):
            print(folder)
        Count(self.root, self.languages, self.speakers).run()


@dataclass(frozen=True)
class Count:
    """Say how many sequences, hours and published windows (64 frames, stride 20) each split has."""

    root: tyro.conf.Positional[Path]
    """A corpus, or a folder with those of BEAT2's languages."""
    languages: tuple[str, ...] = ()
    speakers: tuple[int, ...] = ()
    """By their numbers; all by default."""

    def run(self) -> None:
        counts = count_splits(list_clips(self.root, self.speakers, self.languages))
        print(f"{'split':12}{'sequences':>10}{'hours':>8}{'windows':>9}")
        for count in counts:
            lost = f"  {count.unreadable} cannot be read" if count.unreadable else ""
            print(f"{count.split:12}{count.sequences:10}{count.hours:8.2f}{count.published_windows:9}{lost}")


@dataclass(frozen=True)
class Doctor:
    """Look for what is wrong with every clip, and write a page with pictures of the worst (report.html), all of it as
    JSON (report.json) and the list of faulty clips, which `train.data --leave-out` takes (leave_out.txt)."""

    root: tyro.conf.Positional[Path]
    """A corpus, or a folder with those of BEAT2's languages."""
    out: Path
    """The folder to write."""
    languages: tuple[str, ...] = ()
    speakers: tuple[int, ...] = ()
    """By their numbers; all by default."""
    processes: int = 1
    """That look at once; the report is the same."""
    pictures: int = 12
    """How many of the worst clips are drawn."""
    limits: Limits = field(default_factory=Limits)

    def run(self) -> None:
        clips = list_clips(self.root, self.speakers, self.languages)
        reports = examine_clips(clips, self.limits, processes=self.processes)
        examination = Examination(self.root.name, self.limits, reports, find_unlisted(clips))
        write_report(examination, self.out, own_body(), self.pictures)
        for clip in examination.faulty:
            print(f"{clip.clip.id}: {'; '.join(finding.text for finding in clip.findings)}")
        print(f"{len(examination.faulty)} of {len(clips)} clips have a fault: {self.out / PAGE_NAME}")


Command = (
    Annotated[Download, tyro.conf.subcommand("download")]
    | Annotated[Count, tyro.conf.subcommand("count")]
    | Annotated[Doctor, tyro.conf.subcommand("doctor")]
)


def main() -> None:
    command: Callable = tyro.cli(Command, prog="python -m train.beat2", description=__doc__)
    run_command(command.run)


if __name__ == "__main__":
    main()
