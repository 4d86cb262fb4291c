"""The work behind the page: requests become stored takes, and takes stand side by side, are measured and plotted."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import gradio as gr

from emage.batch import make_unlike
from emage.body import Body, load_body
from emage.cli.command import generate_command
from emage.errors import EmageError, RenderError, VideoError
from emage.evaluation.report import TakeReport, report_takes, take_series
from emage.evaluation.words import WordShares, share_by_word
from emage.export.takes import STAGE_VIDEO, render_video
from emage.files import put_files, write_text
from emage.generation.take import Request, StoredTake, Take
from emage.hints import STRETCH, HintPlan, Placement
from emage.hub import WORDS_UNUSED
from emage.motion import FLAME2020, FPS, Motion
from emage.pipeline import STAGE_MOTION, EmagePipeline, Progress
from emage.project import MAX_TAKES
from emage.recording.hearing import Heard, hear, listen
from emage.recording.pronunciation import check_language
from emage.recording.recognition import recognise_words
from emage.recording.recording import Recording
from emage.recording.revision import says_the_same
from emage.recording.transcript import write_words
from emage.render.settings import RenderSettings
from emage.ui.components.shared.paths import hide_paths
from emage.ui.components.shared.text import as_text
from emage.ui.components.stage import MAX_BODIES, StagedBody, StagedTake
from emage.ui.service.calls import Calls
from emage.ui.service.captions import describe
from emage.ui.service.looks import look_at
from emage.ui.service.making import Making
from emage.ui.service.pace import Pace
from emage.ui.service.pieces import MadeTake, Pieces, StreamTake, TakePiece
from emage.ui.service.queue import ProgressBar, Queue
from emage.ui.service.registry import WeightsRegistry, list_speakers
from emage.ui.service.requests import PageRequest, PageSettings
from emage.ui.service.sounds import caption_by_recording, list_recordings
from emage.ui.service.staging import Comparison, Staging, TakeStream, stage_sound, stand_beside
from emage.ui.service.users import Shown, User, Users
from emage.ui.service.words import WORDS_SUFFIX, align_text, describe_heard

MAX_BESIDE = MAX_BODIES
"""Bodies in one video."""
_IN_A_ROW = 4
"""Of the bodies in one video; more stand in two rows."""
MAX_HINT_FRAMES = 60 * FPS
"""Of a motion for hints that is looked at before it is used."""
_WIDEST_PX = 1920
_CODEC_PADDING_S = 0.2
"""What the sound of a video may last beyond the recording that it was made of."""
_STAGE_MEASURE = "Measuring"


class Service:
    """All users share it; nothing of theirs is stored here, but in `users`, by session."""

    def __init__(
        self,
        registry: WeightsRegistry,
        settings: PageSettings,
        stream_take: StreamTake,
        first: Shown | None = None,
        users: Users | None = None,
    ):
        """first: what the page shows a user at first."""
        self.registry = registry
        self.settings = settings
        self.users = Users() if users is None else users  # empty ones are false
        self.first = first
        self.calls = Calls(settings.calls)
        self.staging = Staging()
        self.pace = Pace()
        self._queue = Queue(settings.at_once)
        self._stream_take = stream_take
        self._smplx_lock = Lock()
        self._smplx_body: Body | None = None

    # --- who asks

    def user(self, request: gr.Request) -> User:
        """Raises EmageError as `session_of`."""
        return self.users.of(session_of(request), self.first)

    def cancel(self, request: gr.Request) -> bool:
        """Stop what runs for a user; whether anything did."""
        return self.users.tokens.cancel(self.users.key_of(session_of(request))) > 0

    def decode(self, user: User, path: str | Path) -> Recording:
        """Raises AudioError: see `User.decode`."""
        return user.decode(path, self.settings.max_duration_s)

    def load_weights(self, name: str, request: gr.Request, bar: gr.Progress) -> EmagePipeline:
        """Raises WeightsError: see `WeightsRegistry.pipeline`."""
        with self.users.tokens.running(self.user(request).key) as token:
            return self.registry.pipeline(name, ProgressBar(bar, token))

    # --- words

    def hear(
        self,
        recording: Recording,
        transcript: str | Path | None,
        language: str | None,
        request: gr.Request,
        bar: gr.Progress,
    ) -> Heard:
        """A recording with the words of a transcript: a file's path, or the text itself, which is never the name of a
        file of this machine. None: an example's own words, and else recognised ones.

        Raises:
            EmageError: see `emage.recording.hearing.hear`. Cancelled: the user has asked to stop.
        """
        with self._working(request, bar) as progress:
            if transcript is None:
                return listen(recording, language, progress)
            if isinstance(transcript, Path):
                return hear(recording, transcript, language, progress)
            return align_text(recording, transcript, language, progress)

    def recognise(self, recording: Recording, language: str, request: gr.Request, bar: gr.Progress) -> Heard:
        """A recording with a guess of its words, and a sentence on who guessed. Raises as `hear`."""
        with self._working(request, bar) as progress:
            words, notice = recognise_words(recording.samples, language, progress)
            return Heard(replace(recording, words=words), (notice,))

    @contextmanager
    def _working(self, request: gr.Request, bar: gr.Progress) -> Iterator[ProgressBar]:
        """In the user's turn, until they ask to stop."""
        key = self.user(request).key
        with self.users.tokens.running(key) as token:
            progress = ProgressBar(bar, token)
            with self._queue.place(key, progress.wait):
                yield progress

    # --- bodies

    def body(self, smplx: bool = False) -> Body:
        """SMPL-X is loaded when it is first asked for, once for all. Raises BodyError."""
        if not (smplx and self.offers_smplx):
            return self.registry.own.body
        with self._smplx_lock:
            if self._smplx_body is None:
                self._smplx_body = load_body(accept_smplx_licence=True, face_maps=self.registry.own.face_maps)
            return self._smplx_body

    @property
    def offers_smplx(self) -> bool:
        """Whether another body than the own one can be chosen."""
        return self.registry.own.body.expression_basis != FLAME2020

    # --- takes

    def make(self, wanted: PageRequest, request: gr.Request, bar: gr.Progress) -> Iterator[tuple[StoredTake, str]]:
        """The takes of a request as they are made, in the user's list, each with a sentence where it has no video.

        Raises:
            EmageError: a fault in the request, or of the machine. Cancelled: the user has asked to stop.
        """
        with closing(self.stream(wanted, request, bar)) as making:
            for made in making:
                if isinstance(made, MadeTake):
                    yield made.take, made.note

    def stream(
        self, wanted: PageRequest, request: gr.Request, bar: gr.Progress
    ) -> Generator[TakePiece | MadeTake, None, None]:
        """As `make`, and before each take its motion in pieces, as soon as each of them is made.

        A program that closes it stops the work and leaves the queue. A page's work goes on: it may have lost its
        connection, and `follow` it when it is back.
        """
        user = self.user(request)
        if not user.is_page:
            return (yield from self._stream(wanted, user, bar))
        making = Making(lambda bar: self._stream(wanted, user, bar))
        user.make(making)
        yield from making.follow(bar)

    def follow(self, request: gr.Request, bar: gr.Progress) -> Iterator[TakePiece | MadeTake]:
        """The takes that were being made when a page was last there, those that are made already among them; none where
        the page has seen the end of it. Raises as `make`."""
        making = self.user(request).making
        if making is not None and making.is_news:
            yield from making.follow(bar)

    def _stream(
        self, wanted: PageRequest, user: User, bar: Callable[..., Any]
    ) -> Generator[TakePiece | MadeTake, None, None]:
        """Weights are loaded before a take's turn comes: a download must not keep those waiting whose weights are
        there."""
        if len(user.takes) + len(wanted.takes) > MAX_TAKES:
            raise EmageError(f"The list holds {MAX_TAKES} takes at most. Remove some, or save the session first.")
        with self.users.tokens.running(user.key) as token:
            wanted, notices = self._with_words(wanted, user, ProgressBar(bar, token))
            count = len(wanted.takes)
            for number, each in enumerate(wanted.takes):
                prefix = "" if count == 1 else f"{number + 1} of {count} ({each.caption}): "
                progress = ProgressBar(bar, token, prefix)
                weights = self.registry.choice(each.settings.weights)
                self.registry.pipeline(weights, progress)
                with self._queue.place(user.key, progress.wait):
                    take, note = yield from self._make(weights, number, each, wanted, user, progress)
                told = [*notices, describe_heard(self.registry.pipeline(weights), take.recording), note]
                self.pace.remember(weights, wanted.film, take.num_frames, take.took_s)
                take = user.add_take(take)
                self.look_at(user, take)
                yield MadeTake(number, take, "\n\n".join(filter(None, told)))

    def look_at(self, user: User, *takes: StoredTake) -> None:
        """Note what the list shows of takes. Raises MotionError, BodyError."""
        for take in takes:
            name = self.registry.choice(take.settings.weights)
            pipeline = self.registry.loaded(name) if self.registry.offers(name) else None
            names = {} if pipeline is None else {index: label for label, index in list_speakers(pipeline)}
            speaker = names.get(take.settings.speaker, f"Speaker {take.settings.speaker}")
            user.remember_look(take, look_at(take.load(), self.registry.own.body, speaker))

    def _with_words(
        self, wanted: PageRequest, user: User, progress: ProgressBar
    ) -> tuple[PageRequest, tuple[str, ...]]:
        """With the words of the transcript's text, where that has changed and some of the weights hear words."""
        recording = wanted.takes[0].recording
        names = {self.registry.choice(each.settings.weights) for each in wanted.takes}
        if not wanted.text.strip() or says_the_same(wanted.text, recording.words):
            return wanted, ()
        if not any(self.registry.pipeline(name, progress).hears_words for name in names):
            return wanted, ()
        try:
            check_language(wanted.language)
        except EmageError as error:  # words can come to it by a file with times alone
            return wanted, (f"**Without its words**: {as_text(str(error))}",)
        with self._queue.place(user.key, progress.wait):
            heard = align_text(recording, wanted.text, wanted.language, progress)
        if user.shown is not None and user.shown.recording.file == recording.file:
            user.add_words(heard.words)
        takes = [replace(each, recording=replace(each.recording, words=heard.words)) for each in wanted.takes]
        return replace(wanted, takes=takes), tuple(map(as_text, heard.notices))

    def _make(
        self, weights: str, number: int, request: Request, wanted: PageRequest, user: User, progress: Progress
    ) -> Generator[TakePiece, None, tuple[StoredTake, str]]:
        stages: list[tuple[str, float]] = []
        folder, stem = user.new_folder(), request.recording.stem
        body = self.body(wanted.smplx)
        pieces = Pieces(number, request, self.registry.pipeline(weights), self._stream_take(weights, request, progress))
        yield from pieces
        stages.append((STAGE_MOTION, pieces.took_s))
        take = Take(pieces.motion, request.caption, request.hints, request.recording, request.settings, pieces.took_s)
        if not take.caption:
            captions = {each.caption for each in user.takes}
            caption = describe(HintPlan() if take.hints is None else take.hints.plan, take.settings)
            take = replace(take, caption=make_unlike(caption, captions.__contains__))
        video, note, words = None, "", None
        with put_files(folder) as files:
            if wanted.film:
                try:
                    with _timed(stages, STAGE_VIDEO):
                        video = files.path(f"{stem}.mp4")
                        shown = replace(take, caption="")
                        render_video(video, [shown], body, request.recording, wanted.picture, progress)
                except (RenderError, VideoError) as error:  # the motion is there all the same
                    video, note = None, f"**No video: {as_text(hide_paths(str(error)))}**"
            if take.recording.words and self.registry.pipeline(weights).hears_words:
                words = write_text(files.path(f"{stem}{WORDS_SUFFIX}"), write_words(take.recording.words))
            stored = take.store(folder, stem, video, _write_command(request, wanted, words))
        return replace(stored, stages_s=tuple(stages)), note

    def film(
        self, stored: StoredTake, picture: RenderSettings, smplx: bool, request: gr.Request, bar: gr.Progress
    ) -> StoredTake:
        """A take of the user's list with a video of it, in that list too from now on. Raises EmageError, Cancelled."""
        user, body = self.user(request), self.body(smplx)
        with self._working(request, bar) as progress:
            take = stored.load()
            if take.recording is None and stored.video is not None:
                take = self._load(stored, user)
            path = user.new_folder() / f"{stored.motion.stem}.mp4"
            render_video(path, [replace(take, caption="")], body, take.recording, picture, progress)
        return user.give_video(stored.number, path)

    def film_beside(
        self,
        takes: Sequence[StoredTake],
        with_hints: bool,
        picture: RenderSettings,
        smplx: bool,
        request: gr.Request,
        bar: gr.Progress,
        sound: int = 0,
    ) -> Path:
        """Takes in one video. sound: which of the recordings that they are of is heard. Raises as `compare`."""
        user, body = self.user(request), self.body(smplx)
        with self._working(request, bar) as progress:
            loaded = [self._load(take, user) for take in takes]
            heard = list_recordings(loaded)
            shown = [caption_by_recording(take, heard) for take in stand_beside(loaded, with_hints, MAX_BESIDE)]
            columns = len(shown) if len(shown) <= _IN_A_ROW else -(-len(shown) // 2)
            size = min(picture.width, _WIDEST_PX // columns) // 2 * 2
            picture = replace(picture, panel_width=size, panel_height=size)
            path = user.new_folder() / "compared.mp4"
            recording = heard[sound if 0 <= sound < len(heard) else 0].recording
            return render_video(path, shown, body, recording, picture, progress, columns)

    def expect_on_stage(self, request: gr.Request) -> StagedBody | None:
        """The body that a user's first take will stand on; None where it is SMPL-X, which goes nowhere before it is
        asked for."""
        return self.staging.expect(self.user(request), self.body()) if self.offers_smplx else None

    def begin_on_stage(self, piece: TakePiece, smplx: bool, request: gr.Request) -> tuple[TakeStream, Path]:
        """A take on the stage from its first piece on, and its sound."""
        user, recording = self.user(request), piece.request.recording
        sound = stage_sound(user, recording, piece.total_frames, piece.motion.fps)
        return self.staging.begin(user, piece.request, self.body(smplx), piece.total_frames), sound

    def stage(self, stored: StoredTake, smplx: bool, request: gr.Request) -> tuple[StagedTake, Path]:
        """A take for the stage, and its sound: its video's where the recording is not known, and else silence."""
        user, take = self.user(request), stored.load()
        staged = self.staging.take(user, replace(take, caption=stored.caption), self.body(smplx), stored.number)
        if take.recording is None and stored.video is not None:
            return staged, stored.video
        return staged, stage_sound(user, take.recording, take.motion.num_frames, take.motion.fps)

    def stage_hint(
        self,
        motion: Motion,
        placement: Placement,
        recording: Recording,
        name: str,
        smplx: bool,
        request: gr.Request,
    ) -> tuple[StagedTake, Path]:
        """A motion for hints as it lies along a recording's part, see-through, and the sound; a minute at most.

        Raises:
            HintError: it plays nowhere in the recording.
        """
        user, start = self.user(request), recording.start_frame
        part = recording.trim(start, min(start + MAX_HINT_FRAMES, recording.num_frames))
        # A stretched one must know the whole; the others are laid no further than they are looked at.
        frames = recording.num_frames if placement.fill == STRETCH else part.end_frame
        placement.extent(motion.frames_at(FPS), recording.num_frames)
        laid = placement.motion(motion, frames).frames(start, part.end_frame)
        staged = self.staging.take(user, Take(laid, f"Hint motion: {name}"), self.body(smplx))
        return replace(staged, see_through=True), stage_sound(user, part, laid.num_frames, laid.fps)

    def compare(
        self, takes: Sequence[StoredTake], with_hints: bool, smplx: bool, request: gr.Request, bar: gr.Progress
    ) -> Comparison:
        """Takes on the stage, their recordings' sounds, their metrics, and what to plot of each and of their words.

        Raises:
            EmageError: too many, or one whose recording is not known. Cancelled.
        """
        user, body = self.user(request), self.body(smplx)
        with self._working(request, bar) as progress:
            loaded = [self._load(take, user) for take in takes]
            shown = stand_beside(loaded, with_hints, MAX_BODIES)
            numbers = [_find_number(take, loaded, takes) for take in shown]
            heard = list_recordings(loaded)
            staged = [
                self.staging.take(user, caption_by_recording(take, heard), body, number)
                for take, number in zip(shown, numbers, strict=True)
            ]
            longest = max((take.motion for take in shown), key=lambda motion: motion.duration_s)
            sounds = [(each.name, stage_sound(user, each.recording, longest.num_frames, longest.fps)) for each in heard]
            reports = self._measure(loaded, progress)
            series = []
            for number, take in enumerate(loaded):
                progress(_STAGE_MEASURE, len(takes) + number, 2 * len(takes))
                series.append(take_series(take.motion, take.recording.part_samples, self.registry.own.body))
            shares = self._share_by_word(loaded, progress)
        return Comparison(staged, sounds, reports, series, shares)

    def _share_by_word(self, takes: Sequence[Take], progress: Progress) -> WordShares | None:
        """Of the first take whose weights have heard words; None where none has."""
        for take in takes:
            name = self.registry.choice(take.settings.weights)
            known = self.registry.offers(name) and self.registry.need_of_words(name) != WORDS_UNUSED
            if not (known and take.recording.words and take.settings.use_audio):
                continue
            pipeline = self.registry.pipeline(name, progress)
            if pipeline.reads(take.recording):
                share = pipeline.content_share(take.recording, take.settings.timing)
                return share_by_word(take.caption, take.recording, share)
        return None

    def measure(
        self, takes: Sequence[StoredTake], request: gr.Request, bar: gr.Progress
    ) -> list[tuple[str, TakeReport]]:
        """The metrics of takes that are to be compared. Raises as `compare`."""
        user = self.user(request)
        with self._working(request, bar) as progress:
            return self._measure([self._load(take, user) for take in takes], progress)

    def _load(self, stored: StoredTake, user: User) -> Take:
        """With its motion, and with its sound: that of its video, where it came with a project of another recording.

        Raises:
            EmageError: it has none, or that is longer than a recording may be.
        """
        take = stored.load()
        if take.recording is not None:
            return take
        if stored.video is None:
            raise EmageError(
                f"The take '{take.caption}' came without its sound, so it cannot be compared. Make it anew."
            )
        limit_s = self.settings.max_duration_s + _CODEC_PADDING_S
        return replace(take, recording=user.decode(stored.video, limit_s))

    def _measure(self, takes: Sequence[Take], progress: Progress) -> list[tuple[str, TakeReport]]:
        return report_takes(takes, self.registry.own.body, lambda done, total: progress(_STAGE_MEASURE, done, total))


def session_of(request: gr.Request) -> str:
    """Raises EmageError for a call without one: what such callers had would be everybody's."""
    if not request.session_hash:
        raise EmageError(
            "This call names no session. Call it through gradio_client, or post it to /gradio_api/call/ and its name."
        )
    return request.session_hash


def _find_number(take: Take, loaded: Sequence[Take], stored: Sequence[StoredTake]) -> int | None:
    """Of a loaded take; None for a hint's motion."""
    return next((each.number for one, each in zip(loaded, stored, strict=True) if one is take), None)


def _write_command(request: Request, wanted: PageRequest, words: Path | None) -> str:
    """Repeats the take; plans and placements count from the whole recording's beginning."""
    recording, hints = request.recording, request.hints
    is_hinted = hints is not None and bool(hints.plan.spans)
    return generate_command(
        recording.name,
        request.settings,
        start_frame=recording.start_frame,
        end_frame=recording.end_frame if recording.is_trimmed else None,
        reference=wanted.reference_name if is_hinted else None,
        plan=hints.plan.shift(recording.start_frame) if is_hinted else None,
        placement=wanted.placement if is_hinted else None,
        motion=f"{recording.stem}-take.npz",
        out=f"{recording.stem}-take.mp4",
        picture=wanted.picture,
        transcript=None if words is None else Path(words.name),
    )


@contextmanager
def _timed(stages: list[tuple[str, float]], stage: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    stages.append((stage, time.monotonic() - started))
