"""The work behind the page: requests become stored takes, and takes stand side by side, are measured and plotted."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import gradio as gr

from emage.batch import make_unlike
from emage.body import Body, load_body
from emage.cli.command import generate_command
from emage.errors import EmageError, RenderError, VideoError
from emage.evaluation.report import MotionSeries, TakeReport, report_takes, take_series
from emage.evaluation.words import WordShares, share_by_word
from emage.export.takes import STAGE_VIDEO, render_video
from emage.files import write_text
from emage.generation.settings import TakeSettings
from emage.generation.take import Request, StoredTake, Take
from emage.hints import LOCK, HintPlan, Hints, Placement, Span
from emage.hub import WORDS_UNUSED
from emage.motion import FLAME2020
from emage.motion.skeleton import DISJOINT_PARTS
from emage.pipeline import STAGE_MOTION, EmagePipeline, Progress
from emage.project import MAX_TAKES
from emage.recording.hearing import Heard, hear, listen
from emage.recording.pronunciation import ENGLISH, check_language
from emage.recording.recognition import recognise_words
from emage.recording.recording import Recording
from emage.recording.revision import says_the_same
from emage.recording.transcript import write_words
from emage.render.settings import RenderSettings
from emage.ui.service.queue import ProgressBar, Queue
from emage.ui.service.registry import WeightsRegistry
from emage.ui.service.users import Shown, User, Users
from emage.ui.service.words import WORDS_SUFFIX, align_text, describe_heard

MAX_BESIDE = 6
"""Bodies in one video; more are too small to see."""
HINT = "hint"
_WIDEST_PX = 1920
_CODEC_PADDING_S = 0.2
"""What the sound of a video may last beyond the recording that it was made of."""
_STAGE_MEASURE = "Measuring"
_SHORT = {"face": "face", "upper": "upper", "left_hand": "left hand", "right_hand": "right hand", "lower": "lower"}

MakeTake = Callable[[str, Request, Progress | None], Take]
"""Weights' name in the registry, request, progress -> take."""


@dataclass(frozen=True)
class PageSettings:
    """max_duration_s: a longer recording is refused. size: width and height of the video in pixels, even, unless a
    user chooses another. at_once: takes that are made at the same time.

    Raises:
        EmageError: a limit that is no number above 0. RenderError: a size that cannot be drawn.
    """

    max_duration_s: float = 20 * 60
    size: int = 640
    at_once: int = 1

    def __post_init__(self):
        if not 0 < self.max_duration_s < math.inf:
            raise EmageError(f"max_duration_s is {self.max_duration_s}; it must be a number of seconds above 0.")
        if type(self.at_once) is not int or self.at_once < 1:
            raise EmageError(f"at_once is {self.at_once!r}; it must be a whole number of takes, 1 or more.")
        RenderSettings(size=self.size)


@dataclass(frozen=True, eq=False)
class PageRequest:
    """Takes of one recording that the page asks for, and how to show them.

    reference_name, placement: for the command that repeats a take. smplx: draw with SMPL-X. text, language: of the
    transcript, where the recording may have other words yet.
    """

    takes: Sequence[Request]
    picture: RenderSettings
    reference_name: str
    placement: Placement
    smplx: bool = False
    text: str = ""
    language: str = ENGLISH


class Service:
    """All users share it; nothing of theirs is stored here, but in `users`, by session."""

    def __init__(
        self,
        registry: WeightsRegistry,
        settings: PageSettings,
        make_take: MakeTake,
        first: Shown | None = None,
        users: Users | None = None,
    ):
        """first: what the page shows a user at first."""
        self.registry = registry
        self.settings = settings
        self.users = Users() if users is None else users  # empty ones are false
        self.first = first
        self._queue = Queue(settings.at_once)
        self._make_take = make_take
        self._smplx_lock = Lock()
        self._smplx_body: Body | None = None

    # --- who asks

    def user(self, request: gr.Request) -> User:
        """Raises EmageError as `session_of`."""
        return self.users.of(session_of(request), self.first)

    def cancel(self, request: gr.Request) -> bool:
        """Stop what runs for a user; whether anything did."""
        return self.users.tokens.cancel(session_of(request)) > 0

    def decode(self, user: User, path: str | Path) -> Recording:
        """Raises AudioError: see `User.decode`."""
        return user.decode(path, self.settings.max_duration_s)

    def load_weights(self, name: str, request: gr.Request, bar: gr.Progress) -> EmagePipeline:
        """Raises WeightsError: see `WeightsRegistry.pipeline`."""
        with self.users.tokens.running(session_of(request)) as token:
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
        session = session_of(request)
        with self.users.tokens.running(session) as token:
            progress = ProgressBar(bar, token)
            with self._queue.place(session, progress.wait):
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

        Weights are loaded before a take's turn comes: a download must not keep those waiting whose weights are there.

        Raises:
            EmageError: a fault in the request, or of the machine. Cancelled: the user has asked to stop.
        """
        session, user = session_of(request), self.user(request)
        if len(user.takes) + len(wanted.takes) > MAX_TAKES:
            raise EmageError(f"The list holds {MAX_TAKES} takes at most. Remove some, or save the session first.")
        with self.users.tokens.running(session) as token:
            wanted, notices = self._with_words(wanted, session, user, ProgressBar(bar, token))
            count = len(wanted.takes)
            for number, each in enumerate(wanted.takes, start=1):
                prefix = "" if count == 1 else f"{number} of {count} ({each.caption}): "
                progress = ProgressBar(bar, token, prefix)
                weights = self.registry.choice(each.settings.weights)
                self.registry.pipeline(weights, progress)
                with self._queue.place(session, progress.wait):
                    take, note = self._make(weights, each, wanted, user, progress)
                told = [*notices, describe_heard(self.registry.pipeline(weights), take.recording), note]
                yield user.add_take(take), "\n\n".join(filter(None, told))

    def _with_words(
        self, wanted: PageRequest, session: str, user: User, progress: ProgressBar
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
            return wanted, (f"**Without its words**: {error}",)
        with self._queue.place(session, progress.wait):
            heard = align_text(recording, wanted.text, wanted.language, progress)
        if user.shown is not None and user.shown.recording.file == recording.file:
            user.add_words(heard.words)
        takes = [replace(each, recording=replace(each.recording, words=heard.words)) for each in wanted.takes]
        return replace(wanted, takes=takes), heard.notices

    def _make(
        self, weights: str, request: Request, wanted: PageRequest, user: User, progress: Progress
    ) -> tuple[StoredTake, str]:
        stages: list[tuple[str, float]] = []
        folder, stem = user.new_folder(), request.recording.stem
        body = self.body(wanted.smplx)
        with _timed(stages, STAGE_MOTION):
            take = self._make_take(weights, request, progress)
        if not take.caption:
            captions = {each.caption for each in user.takes}
            caption = describe(HintPlan() if take.hints is None else take.hints.plan, take.settings)
            take = replace(take, caption=make_unlike(caption, captions.__contains__))
        video, note = folder / f"{stem}.mp4", ""
        try:
            with _timed(stages, STAGE_VIDEO):
                shown = replace(take, caption="")
                render_video(video, [shown], body, request.recording, wanted.picture, progress)
        except (RenderError, VideoError) as error:  # the motion is there all the same
            video, note = None, f"**No video: {error}**"
        words = None
        if take.recording.words and self.registry.pipeline(weights).hears_words:
            words = write_text(folder / f"{stem}{WORDS_SUFFIX}", write_words(take.recording.words))
        stored = take.store(folder, stem, video, _write_command(request, wanted, words))
        return replace(stored, stages_s=tuple(stages)), note

    def compare(
        self,
        takes: Sequence[StoredTake],
        with_hints: bool,
        picture: RenderSettings,
        smplx: bool,
        request: gr.Request,
        bar: gr.Progress,
    ) -> tuple[Path, list[tuple[str, TakeReport]], list[MotionSeries], WordShares | None]:
        """Takes in one video, to the sound of the first, their metrics, and what to plot of each and of their words.

        Raises:
            EmageError: too many, or one whose recording is not known. Cancelled: the user has asked to stop.
        """
        user, body = self.user(request), self.body(smplx)
        with self._working(request, bar) as progress:
            loaded = [self._load(take, user) for take in takes]
            shown = stand_beside(loaded, with_hints)
            size = min(picture.width, _WIDEST_PX // len(shown)) // 2 * 2
            picture = replace(picture, panel_width=size, panel_height=size)
            path = user.new_folder() / "compared.mp4"
            render_video(path, shown, body, loaded[0].recording, picture, progress)
            reports = self._measure(loaded, progress)
            series = []
            for number, take in enumerate(loaded):
                progress(_STAGE_MEASURE, len(takes) + number, 2 * len(takes))
                series.append(take_series(take.motion, take.recording.part_samples, self.registry.own.body))
            shares = self._share_by_word(loaded, progress)
        return path, reports, series, shares

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


def describe(plan: HintPlan, settings: TakeSettings) -> str:
    """A caption: which parts are hints, whether the body hears, and which sample it is."""
    parts = [_SHORT[part] for part in DISJOINT_PARTS if plan.spans_of(part)]
    is_all = len(parts) == len(DISJOINT_PARTS)
    if plan.spans_of("left_hand") and plan.spans_of("right_hand"):
        parts = [part for part in parts if not part.endswith("hand")] + ["hands"]
    hinted = "no hints" if not parts else "hints: everything" if is_all else f"hints: {', '.join(parts)}"
    sampled = [] if settings.seed is None else [f"seed {settings.seed}"]
    return " · ".join([hinted, *([] if settings.use_audio else ["no audio"]), *sampled])


def stand_beside(takes: Sequence[Take], with_hints: bool) -> list[Take]:
    """The bodies of a video; a hint that several takes share stands there once, before the first of them.

    Raises:
        EmageError: more than fit.
    """
    hinted = [None if take.hints is None else take.hints.reference.content_hash() for take in takes]
    shown, seen = [], set()
    for take, reference in zip(takes, hinted, strict=True):
        if with_hints and reference is not None and reference not in seen:
            seen.add(reference)
            caption = HINT if len(set(hinted) - {None}) == 1 else f"{HINT} of “{take.caption}”"
            shown.append(_show_hint(take, caption))
        shown.append(take)
    if len(shown) > MAX_BESIDE:
        raise EmageError(f"{len(shown)} bodies side by side are too small to see; choose up to {MAX_BESIDE}.")
    return shown


def _show_hint(take: Take, caption: str) -> Take:
    """The reference of a take, as long as that, grey from head to foot."""
    reference = take.hints.reference
    motion = reference.frames(0, min(reference.num_frames, take.motion.num_frames))
    spans = tuple(Span(part, 0, motion.num_frames, LOCK) for part in DISJOINT_PARTS)
    return Take(motion, caption, Hints(motion, HintPlan(spans)))


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
