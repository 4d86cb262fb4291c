"""`emage generate`: a recording into motion and a video."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import tyro

from emage.cli.options import AudioFile, BodyOptions, HintOptions, Picture, RecordingOptions, Take
from emage.cli.progress import find_free_name, load_pipeline, load_recording, show_progress
from emage.errors import EmageError, OutputError, RenderError, VideoError
from emage.files import check_writable, output_error
from emage.generation.settings import TakeSettings
from emage.render.settings import RenderSettings

if TYPE_CHECKING:
    from emage.generation.take import Request
    from emage.generation.take import Take as MadeTake
    from emage.pipeline import EmagePipeline, Progress


@dataclass(frozen=True)
class Generate:
    """Turn a recording into motion and, with --out, into a video."""

    audio: AudioFile
    """WAV, FLAC, OGG, MP3, M4A, or a video with sound."""
    out: Path | None = None
    """The mp4 to write; without it no video is made."""
    motion: Path | None = None
    """The BEAT2 npz to write."""
    stream: Path | None = None
    """Write the motion here while it is made, a line of JSON with an npz for each piece; - is the standard output."""
    device: str | None = None
    """Such as cpu or cuda:0. Default: a GPU where there is one."""
    recording: tyro.conf.OmitArgPrefixes[RecordingOptions] = RecordingOptions()
    take: Take = TakeSettings()
    hints: tyro.conf.OmitArgPrefixes[HintOptions] = HintOptions()
    body: tyro.conf.OmitArgPrefixes[BodyOptions] = BodyOptions()
    picture: Picture = RenderSettings()

    def run(self) -> None:
        from emage.generation.take import Request
        from emage.hints import place_hints

        self._check()
        recording = load_recording(self.audio, self.recording)  # before the weights, which may take minutes to come
        hints = place_hints(recording, self.hints.hint_plan(), self.hints.reference(), self.hints.placement())
        pipe = load_pipeline(self.take.weights, self.device, self.body)
        if self.out is not None:
            _ = pipe.body  # a body that cannot be had is told before the work
        with show_progress() as progress:
            request = Request(recording, self.take, hints)
            take = pipe.take(request, progress) if self.stream is None else self._stream(pipe, request, progress)
            if self.motion is not None:
                take.motion.save(self.motion)
            if self.out is None:
                return
            try:
                pipe.render_video(self.out, [take], recording, self.picture, progress)
            except (RenderError, VideoError, OutputError) as error:
                stored = self.motion or take.motion.save(find_free_name(self.out.with_suffix(".npz")))
                raise EmageError(f"{error}\nThe motion itself is in {stored}.") from error

    def _stream(self, pipe: "EmagePipeline", request: "Request", progress: "Progress") -> "MadeTake | None":
        """Write each piece as soon as it is there; the take, where anything else is to be written."""
        from emage.generation.take import Take as MadeTake
        from emage.motion import join_motions
        from emage.motion.lines import write_line

        total, start, pieces = pipe.count_frames(request.recording, request.settings), 0, []
        made = pipe.stream(request.recording, request.hints, request.settings, progress)
        with closing(made), _open_stream(self.stream) as stream:
            for piece in made:
                try:
                    stream.write(write_line(piece, start, total))
                    stream.flush()
                except OSError as error:
                    raise output_error(self.stream, error) from error
                start += piece.num_frames
                if self.motion is not None or self.out is not None:
                    pieces.append(piece)
        if not pieces:
            return None
        return MadeTake(join_motions(pieces), request.caption, request.hints, request.recording, request.settings)

    def _check(self) -> None:
        """The faults that can be known before anything is read."""
        if self.out is None and self.motion is None and self.stream is None:
            raise EmageError(
                "Nothing would be written: give --out talk.mp4, --motion talk.npz, or --stream talk.jsonl."
            )
        if (self.hints.hint_motion is None) != (self.hints.plan is None):
            raise EmageError("--hint-motion and --plan go together: the plan says which parts of the motion to show.")
        self.hints.check()
        self.recording.check()
        self.take.check_sample()
        outputs = {"--out": self.out, "--motion": self.motion}
        if self.stream is not None and not _is_standard(self.stream):
            outputs["--stream"] = self.stream
        inputs = {
            "the recording": self.audio,
            "--transcript": self.recording.transcript_file,
            "--hint-motion": self.hints.hint_motion,
            "--plan": self.hints.plan_file,
        }
        for option, path in outputs.items():
            if path is None:
                continue
            for other, taken in (inputs | outputs).items():
                if taken is not None and other != option and taken.resolve() == path.resolve():
                    raise EmageError(f"{option} would overwrite {other}: {path}. Choose another name.")
            if option != "--stream" or not path.is_fifo():  # a pipe cannot be replaced, but written into
                check_writable(path)


def _is_standard(path: Path) -> bool:
    return str(path) == "-"


@contextmanager
def _open_stream(path: Path) -> Iterator[IO[str]]:
    """To be written into as it is made; what is there stays when the work ends badly. Raises OutputError."""
    if _is_standard(path):
        yield sys.stdout
        return
    try:
        stream = path.open("w", encoding="utf-8")
    except OSError as error:
        raise output_error(path, error) from error
    with stream:
        yield stream
