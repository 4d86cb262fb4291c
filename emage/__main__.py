"""The command line: `python -m emage generate | batch | render | measure | doctor`."""

import itertools
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tqdm import tqdm

from emage.errors import EmageError, OutputError, RenderError, VideoError
from emage.files import check_writable, output_error, write_text
from emage.render.settings import RenderSettings

# Whatever imports torch is imported where it is used: to show --help must not take seconds.
if TYPE_CHECKING:
    import numpy as np

    from emage.batch import Variant
    from emage.generation.settings import TakeSettings
    from emage.hints import HintPlan, Hints, Placement
    from emage.pipeline import EmagePipeline


@dataclass(frozen=True)
class BodyOptions:
    smplx: Path | None = None
    """A SMPL-X model file (SMPLX_NEUTRAL_2020.npz); SMPLX_MODEL_PATH says the same. Default: the stand-in body."""
    accept_smplx_licence: bool = False
    """You accept the SMPL-X licence (https://smpl-x.is.tue.mpg.de): the body is fetched from the Hub."""


@dataclass(frozen=True)
class PictureOptions:
    renderer: Literal["moderngl", "pyrender", "skeleton"] = "moderngl"
    """"skeleton" draws bones, fingers and the face's features in plain shapes: fast, and without OpenGL."""
    camera: Literal["follow", "still", "face"] = "follow"
    yaw_degrees: float = 0.0
    """Turns the camera round the body."""
    size: int = 720
    """Width and height of the picture in pixels, even."""
    panel_width: int | None = None
    """Where it is not the height."""
    panel_height: int | None = None
    """Where it is not the width."""
    face_inset: bool = True
    captions: bool = True
    floor: bool = True
    background: str = RenderSettings.background
    generated_color: str = RenderSettings.generated_color
    hint_color: str = RenderSettings.hint_color
    samples: int = RenderSettings.samples
    """Antialiasing of moderngl: 1, 2, 4 or 8."""

    def settings(self) -> RenderSettings:
        return RenderSettings(
            renderer=self.renderer,
            panel_width=self.panel_width or self.size,
            panel_height=self.panel_height or self.size,
            camera=self.camera,
            yaw_degrees=self.yaw_degrees,
            face_inset=self.face_inset,
            captions=self.captions,
            floor=self.floor,
            background=self.background,
            generated_color=self.generated_color,
            hint_color=self.hint_color,
            samples=self.samples,
        )


@dataclass(frozen=True)
class RecordingOptions:
    start_s: float = 0.0
    """Leave out what comes before; plans count from here."""
    end_s: float | None = None
    """Leave out what comes after."""

    def load(self, path: Path, sample_rate_hz: int) -> "np.ndarray":
        """The chosen part of a recording (N,)."""
        from emage.recording.audio import load_audio, second_to_frame, trimmed

        for option, second in (("--start-s", self.start_s), ("--end-s", self.end_s)):
            if second is not None and not 0 <= second < 1e6:
                raise EmageError(f"{option} is {second}; give seconds from the recording's beginning.")
        end_frame = None if self.end_s is None else second_to_frame(self.end_s)
        audio = load_audio(path, sample_rate_hz=sample_rate_hz)
        return trimmed(audio, second_to_frame(self.start_s), end_frame, sample_rate_hz)


@dataclass(frozen=True)
class HintOptions:
    hint_motion: Path | None = None
    """An npz to take hints from; needs a plan."""
    plan: str | None = None
    """A JSON file, or the JSON: {"spans": [{"part": "upper", "start_s": 0.5, "end_s": 3.0, "mode": "follow"}]}."""
    hint_fill: Literal["once", "loop", "stretch"] = "once"
    """How the reference fills the recording: played once, over and over, or slower or faster to the recording's end."""
    hint_shift_s: float = 0.0
    """Start the reference so many seconds after the recording, or before it where negative."""
    hint_seam_frames: int = 10
    """Of a loop: over how many frames one pass goes over into the next."""

    def placement(self) -> "Placement":
        from emage.hints import Placement

        return Placement.from_seconds(self.hint_shift_s, self.hint_fill, self.hint_seam_frames)

    def hint_plan(self) -> "HintPlan":
        """From the JSON itself, or from a file."""
        from emage.hints import HintPlan

        return HintPlan.load(self.plan) if self.plan_file else HintPlan.from_json(self.plan)

    @property
    def plan_file(self) -> Path | None:
        return None if self.plan is None or self.plan.lstrip().startswith("{") else Path(self.plan)

    def check(self) -> None:
        from emage.hints import Placement

        if self.hint_motion is None and self.placement() != Placement():
            raise EmageError("--hint-fill and --hint-shift-s lay the motion of --hint-motion: give that too.")


@dataclass(frozen=True)
class TakeOptions:
    weights: str | None = None
    """A folder in the released layout, a repo id on the Hub, or "demo". Default: the published weights."""
    timing: Literal["exact", "reference"] = "exact"
    """"reference" is the published code's arithmetic, which drifts and drops up to eight frames."""
    speaker: int = 0
    seed: int | None = None
    """Draw another take, the same one for the same number. Default: the weights' own take."""
    temperature: float = 1.0
    """Of the draw with --seed."""
    top_k: int | None = None
    """Draw among the k likeliest codes only."""
    translation: Literal["as-generated", "in-place", "grounded"] | None = None
    """The way over the floor: "grounded" holds standing feet and takes out drift, "in-place" takes the way out,
    "as-generated" leaves all as the networks made it. Locks stay. Default: grounded; as generated with the published
    timing."""
    seam_frames: int | None = None
    """Smooth the body over so many frames on both sides of where two windows join, e.g. 10. Locks stay. Default: the
    weights' own; 0 is off."""

    def settings(self) -> "TakeSettings":
        from emage.generation.settings import TakeSettings

        return TakeSettings(
            self.weights,
            self.speaker,
            self.seed,
            self.temperature,
            self.top_k,
            self.timing,
            self.translation,
            self.seam_frames,
        )


@dataclass(frozen=True)
class Generate:
    """Turn a recording into motion and, with --out, into a video."""

    audio: Annotated[Path, tyro.conf.Positional]
    """WAV, FLAC, OGG, MP3, M4A, or a video with sound."""
    out: Path | None = None
    """The mp4 to write; without it no video is made."""
    motion: Path | None = None
    """The BEAT2 npz to write."""
    device: str | None = None
    """Such as cpu or cuda:0. Default: a GPU where there is one."""
    recording: tyro.conf.OmitArgPrefixes[RecordingOptions] = RecordingOptions()
    take: tyro.conf.OmitArgPrefixes[TakeOptions] = TakeOptions()
    hints: tyro.conf.OmitArgPrefixes[HintOptions] = HintOptions()
    body: tyro.conf.OmitArgPrefixes[BodyOptions] = BodyOptions()
    picture: tyro.conf.OmitArgPrefixes[PictureOptions] = PictureOptions()

    def run(self) -> None:
        from emage.pipeline import VIDEO_SAMPLE_RATE_HZ
        from emage.recording.audio import SAMPLE_RATE_HZ, num_frames

        self._check()
        settings, picture = self.take.settings(), self.picture.settings()
        waveform = self.recording.load(self.audio, SAMPLE_RATE_HZ)  # before the weights, which may take minutes to come
        hints = self._hints(num_frames(len(waveform)))
        pipe = load_pipeline(settings, self.device, self.body)
        if self.out is not None:
            _ = pipe.body  # a body that cannot be had is told before the work
        with progress_bars() as progress:
            take = pipe.take((SAMPLE_RATE_HZ, waveform), settings, hints, progress=progress)
            if self.motion is not None:
                take.motion.save(self.motion)
            if self.out is None:
                return
            try:
                sound = (VIDEO_SAMPLE_RATE_HZ, self.recording.load(self.audio, VIDEO_SAMPLE_RATE_HZ))
                pipe.render_video(self.out, [take], sound, picture, progress)
            except (RenderError, VideoError, OutputError) as error:
                kept = self.motion or take.motion.save(free_name(self.out.with_suffix(".npz")))
                raise EmageError(f"{error}\nThe motion itself is in {kept}.") from error

    def _hints(self, frames: int) -> "Hints | None":
        from emage.motion import Motion

        if self.hints.hint_motion is None:
            return None
        return self.hints.placement().hints(Motion.load(self.hints.hint_motion), self.hints.hint_plan(), frames)

    def _check(self) -> None:
        """The faults that can be known before anything is read."""
        if self.out is None and self.motion is None:
            raise EmageError("Nothing would be written: give --out talk.mp4, --motion talk.npz, or both.")
        if (self.hints.hint_motion is None) != (self.hints.plan is None):
            raise EmageError("--hint-motion and --plan go together: the plan says which parts of the motion to show.")
        self.hints.check()
        outputs = {"--out": self.out, "--motion": self.motion}
        inputs = {
            "the recording": self.audio,
            "--hint-motion": self.hints.hint_motion,
            "--plan": self.hints.plan_file,
        }
        for option, path in outputs.items():
            if path is None:
                continue
            for other, taken in (inputs | outputs).items():
                if taken is not None and other != option and taken.resolve() == path.resolve():
                    raise EmageError(f"{option} would overwrite {other}: {path}. Choose another name.")
            check_writable(path)


@dataclass(frozen=True)
class Batch:
    """Make many takes to compare: every subset of a plan's parts, or a list of plans, each with every seed.

    A folder is filled with a motion and a video of each, and with scores.csv.
    """

    audio: Annotated[Path, tyro.conf.Positional]
    """WAV, FLAC, OGG, MP3, M4A, or a video with sound."""
    out: Path
    """The folder to make."""
    plans: Path | None = None
    """In place of --plan: a JSON file, [{"name": "arms", "plan": {"spans": [...]}}, ...]."""
    seeds: tuple[int, ...] = ()
    """In place of --seed: each plan is drawn with each of these."""
    video: bool = True
    """Draw a video of each."""
    device: str | None = None
    """Such as cpu or cuda:0. Default: a GPU where there is one."""
    recording: tyro.conf.OmitArgPrefixes[RecordingOptions] = RecordingOptions()
    take: tyro.conf.OmitArgPrefixes[TakeOptions] = TakeOptions()
    hints: tyro.conf.OmitArgPrefixes[HintOptions] = HintOptions()
    body: tyro.conf.OmitArgPrefixes[BodyOptions] = BodyOptions()
    picture: tyro.conf.OmitArgPrefixes[PictureOptions] = PictureOptions()

    def run(self) -> None:
        from emage.batch import batch_reports, make_takes, variant_hints
        from emage.evaluation.report import reports_csv
        from emage.motion import Motion
        from emage.pipeline import VIDEO_SAMPLE_RATE_HZ
        from emage.recording.audio import SAMPLE_RATE_HZ, num_frames

        self._check()
        chosen, picture = self._variants(), self.picture.settings()
        waveform = self.recording.load(self.audio, SAMPLE_RATE_HZ)  # before the weights, which may take minutes to come
        reference = None if self.hints.hint_motion is None else Motion.load(self.hints.hint_motion)
        hints = variant_hints(chosen, reference, self.hints.placement(), num_frames(len(waveform)))
        pipe = load_pipeline(chosen[0].settings, self.device, self.body)
        for shown in hints:
            if shown is not None:
                basis = pipe.generator.config.expression_basis
                pipe.face_maps.hints(shown, basis).check_basis(basis, pipe.face_maps.reason)
        body = pipe.body  # one that cannot be had is told before the work
        sound = (VIDEO_SAMPLE_RATE_HZ, self.recording.load(self.audio, VIDEO_SAMPLE_RATE_HZ))

        made = []
        with progress_bars() as progress:

            def report(number: int, stage: str, done: int, total: int) -> None:
                progress(f"{number}/{len(chosen)} {chosen[number - 1].name}: {stage}", done, total)

            for each in make_takes(pipe.take, (SAMPLE_RATE_HZ, waveform), chosen, hints, report):
                made.append(each)
                self._make_folder()
                each.take.motion.save(self.out / f"{each.variant.file_stem}.npz")
                if not self.video:
                    continue
                video = self.out / f"{each.variant.file_stem}.mp4"
                try:
                    pipe.render_video(video, [each.take], sound, picture, partial(report, len(made)))
                except (RenderError, VideoError, OutputError) as error:
                    raise EmageError(f"{error}\nMotions are in {self.out}; --no-video makes them alone.") from error
        write_text(self.out / "scores.csv", reports_csv(batch_reports(made, waveform, body)))

    def _variants(self) -> "list[Variant]":
        from emage.batch import NO_HINTS, NamedPlan, load_plans, subsets, variants
        from emage.hints import HintPlan

        if self.plans is not None:
            plans = load_plans(self.plans)
        elif self.hints.plan is not None:
            plans = subsets(self.hints.hint_plan())
        else:
            plans = [NamedPlan(NO_HINTS, HintPlan())]
        # The first of the seeds stands for all of them where temperature and top_k are checked.
        drawn = replace(self.take, seed=self.seeds[0]) if self.seeds else self.take
        return variants(plans, drawn.settings(), self.seeds)

    def _check(self) -> None:
        """The faults that can be known before anything is read."""
        if self.plans is not None and self.hints.plan is not None:
            raise EmageError("Give --plan, of whose parts all subsets are made, or --plans, not both.")
        if (self.hints.hint_motion is None) != (self.plans is None and self.hints.plan is None):
            raise EmageError("--hint-motion goes with --plan or --plans: they say which parts of the motion to show.")
        if self.seeds and self.take.seed is not None:
            raise EmageError("Give --seed or --seeds, not both.")
        self.hints.check()
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


@dataclass(frozen=True)
class Render:
    """Turn motion files into a video, side by side where there are several."""

    motions: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """BEAT2 npz files."""
    out: Path
    """The mp4 to write."""
    audio: Path | None = None
    """The sound. Default: a silent film."""
    body: tyro.conf.OmitArgPrefixes[BodyOptions] = BodyOptions()
    picture: tyro.conf.OmitArgPrefixes[PictureOptions] = PictureOptions()

    def run(self) -> None:
        from emage.body import load_body
        from emage.motion import Motion
        from emage.pipeline import Take, render_video

        if not self.motions:
            raise EmageError("Name one or more motion files (npz).")
        check_writable(self.out)
        settings = self.picture.settings()
        several = len(self.motions) > 1
        takes = [Take(Motion.load(path).resample(), path.stem if several else "") for path in self.motions]
        body = load_body(self.body.smplx, self.body.accept_smplx_licence)
        with progress_bars() as progress:
            render_video(self.out, takes, body, self.audio, settings, progress)


@dataclass(frozen=True)
class Measure:
    """Say in numbers how motions go with a recording: beats, diversity, jerk, sliding feet."""

    motions: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """BEAT2 npz files."""
    audio: Path
    """What they were made for."""
    out: Path | None = None
    """A table to write (CSV) in place of showing it."""
    body: tyro.conf.OmitArgPrefixes[BodyOptions] = BodyOptions()

    def run(self) -> None:
        from emage.body import load_body
        from emage.evaluation.report import common_mean_speed, reports_csv, take_report
        from emage.motion import Motion
        from emage.recording.audio import load_audio

        if not self.motions:
            raise EmageError("Name one or more motion files (npz).")
        if self.out is not None:
            check_writable(self.out)
        audio = load_audio(self.audio)
        motions = [Motion.load(path).resample() for path in self.motions]
        body = load_body(self.body.smplx, self.body.accept_smplx_licence)
        mean_speed = common_mean_speed(motions, body)
        reports = [take_report(motion, audio, body, mean_speed=mean_speed) for motion in motions]
        table = reports_csv([(path.stem, report) for path, report in zip(self.motions, reports, strict=True)])
        if self.out is None:
            print(table, end="")
        else:
            write_text(self.out, table)


@dataclass(frozen=True)
class Doctor:
    """Say what is installed, whether pictures can be drawn, which weights and body are used, and how to mend it."""

    weights: str | None = None
    """As for generate."""
    body: tyro.conf.OmitArgPrefixes[BodyOptions] = BodyOptions()

    def run(self) -> None:
        from emage.cli.examine import examine

        reports = examine(self.weights, self.body.smplx, self.body.accept_smplx_licence)
        for report in reports:
            print(f"{'ok  ' if report.ok else 'FAIL'}  {report.topic}: {report.finding}")
        if not all(report.ok for report in reports):
            raise SystemExit(1)


def load_pipeline(settings: "TakeSettings", device: str | None, body: BodyOptions) -> "EmagePipeline":
    """The networks, with a word on whose they are where that is not what one would expect."""
    from emage.pipeline import EmagePipeline

    pipe = EmagePipeline.from_pretrained(
        settings.weights, device=device, smplx_file=body.smplx, accept_smplx_licence=body.accept_smplx_licence
    )
    if pipe.source.notice:
        print(pipe.source.notice, file=sys.stderr)
    return pipe


def free_name(path: Path) -> Path:
    """`path`, or with a number where a file of that name is there already."""
    numbered = (path.with_stem(f"{path.stem}-{i}") for i in itertools.count(1))
    return next(each for each in itertools.chain([path], numbered) if not each.exists())


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """A progress callback that shows one bar a stage, one after the other."""
    bars: dict[str, tqdm] = {}

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            for earlier in bars.values():
                earlier.close()
            bars[stage] = tqdm(total=total, desc=stage, unit=" frames")
        bars[stage].update(done - bars[stage].n)

    try:
        yield progress
    finally:
        for bar in bars.values():
            bar.close()


def stop(*_) -> None:
    """End as on any other error, so that nothing half-made is left behind."""
    raise SystemExit(143)


def main() -> None:
    """Run a subcommand; a user fault ends with its sentence and exit code 2."""
    signal.signal(signal.SIGTERM, stop)
    command = tyro.cli(Generate | Batch | Render | Measure | Doctor, prog="python -m emage", description=__doc__)
    try:
        command.run()
    except EmageError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
