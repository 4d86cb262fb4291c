"""`python -m emage batch`: many takes of a recording to compare."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from emage.cli.options import AudioFile, BodyOptions, HintOptions, Picture, RecordingOptions, Take
from emage.cli.progress import load_pipeline, load_recording, show_progress
from emage.errors import EmageError, OutputError, RenderError, VideoError
from emage.files import check_writable, output_error, write_text
from emage.generation.settings import TakeSettings
from emage.render.settings import RenderSettings

if TYPE_CHECKING:
    from emage.batch import NamedPlan


@dataclass(frozen=True)
class Batch:
    """Make many takes to compare: every subset of a plan's parts, or a list of plans, each with every seed.

    A folder is filled with a motion and a video of each, and with scores.csv.
    """

    audio: AudioFile
    """WAV, FLAC, OGG, MP3, M4A, or a video with sound."""
    out: Path
    """The folder to make."""
    plans: Path | None = None
    """In place of --plan: a JSON file, [{"name": "arms", "plan": {"spans": [...]}}, ...]."""
    seeds: tuple[int, ...] = ()
    """In place of --seed: each plan is sampled with each of these."""
    video: bool = True
    """Draw a video of each."""
    device: str | None = None
    """Such as cpu or cuda:0. Default: a GPU where there is one."""
    recording: tyro.conf.OmitArgPrefixes[RecordingOptions] = RecordingOptions()
    take: Take = TakeSettings()
    hints: tyro.conf.OmitArgPrefixes[HintOptions] = HintOptions()
    body: tyro.conf.OmitArgPrefixes[BodyOptions] = BodyOptions()
    picture: Picture = RenderSettings()

    def run(self) -> None:
        from emage.batch import file_stem, list_requests, make_takes
        from emage.evaluation.report import report_takes, reports_csv

        self._check()
        plans = self._plans()
        recording = load_recording(self.audio, self.recording)  # before the weights, which may take minutes to come
        requests = list_requests(
            recording, plans, self.take, self.seeds, self.hints.reference(), self.hints.placement()
        )
        pipe = load_pipeline(self.take.weights, self.device, self.body)
        for request in requests:
            pipe.check_hints(request.hints)
        body = pipe.body  # one that cannot be had is told before the work

        takes = []
        with show_progress() as progress:

            def report(number: int, stage: str, done: int, total: int) -> None:
                progress(f"{number}/{len(requests)} {requests[number - 1].caption}: {stage}", done, total)

            for take in make_takes(pipe.take, requests, report):
                takes.append(take)
                self._make_folder()
                stem = file_stem(take.caption)
                take.motion.save(self.out / f"{stem}.npz")
                if not self.video:
                    continue
                try:
                    progressing = partial(report, len(takes))
                    pipe.render_video(self.out / f"{stem}.mp4", [take], recording, self.picture, progressing)
                except (RenderError, VideoError, OutputError) as error:
                    raise EmageError(f"{error}\nMotions are in {self.out}; --no-video makes them alone.") from error
        write_text(self.out / "scores.csv", reports_csv(report_takes(takes, body)))

    def _plans(self) -> "list[NamedPlan]":
        from emage.batch import NO_HINTS, NamedPlan, list_subsets, load_plans
        from emage.hints import HintPlan

        if self.plans is not None:
            return load_plans(self.plans)
        if self.hints.plan is not None:
            return list_subsets(self.hints.hint_plan())
        return [NamedPlan(NO_HINTS, HintPlan())]

    def _check(self) -> None:
        """The faults that can be known before anything is read."""
        if self.plans is not None and self.hints.plan is not None:
            raise EmageError("Give --plan, of whose parts all subsets are made, or --plans, not both.")
        if (self.hints.hint_motion is None) != (self.plans is None and self.hints.plan is None):
            raise EmageError("--hint-motion goes with --plan or --plans: they say which parts of the motion to show.")
        if self.seeds and self.take.seed is not None:
            raise EmageError("Give --seed or --seeds, not both.")
        if not self.seeds:
            self.take.check_sample()
        self.hints.check()
        self.recording.check()
        try:
            if self.out.exists() and not (self.out.is_dir() and not any(self.out.iterdir())):
                raise EmageError(f"{self.out} is there already, and no empty folder. Name a new one.")
        except OSError as error:
            raise output_error(self.out, error) from error
        check_writable(self.out / "scores.csv" if self.out.is_dir() else self.out)

    def _make_folder(self) -> None:
        try:
            self.out.mkdir(exist_ok=True)
        except OSError as error:
            raise output_error(self.out, error) from error
