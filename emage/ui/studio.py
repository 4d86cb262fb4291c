"""The work behind the page: from all that a visitor has set to a kept take, and takes side by side."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Lock

import gradio as gr
import numpy as np
import soundfile

from emage.batch import unlike
from emage.body import Body, load_body
from emage.cli.command import generate_command
from emage.errors import EmageError, HintError, RenderError, VideoError
from emage.generation.settings import TakeSettings
from emage.hints import LOOP, STRETCH, HintPlan, Hints, Placement
from emage.motion import FLAME2020, Motion
from emage.pipeline import STAGE_MOTION, STAGE_VIDEO, VIDEO_SAMPLE_RATE_HZ, Take, render_video
from emage.recording.audio import SAMPLE_RATE_HZ, load_audio, num_frames, trimmed
from emage.render.settings import RenderSettings
from emage.ui.components.timeline import TimelineValue
from emage.ui.jobs import check
from emage.ui.kept import KeptTake, described
from emage.ui.visitors import Turns, Visitor, Visitors
from emage.ui.weights import Shelf

MAX_BESIDE = 6
"""Bodies in one video; more are too small to see."""
MAX_TAKES = 64
_WIDEST_PX = 1920
_STAGE_READ = "Reading"
_CODEC_PADDING_S = 0.2
"""What the sound of a video may last beyond the recording that it was made of."""

GenerateMotion = Callable[..., Motion]
"""Weights' name, (rate, samples), TakeSettings, Hints or None, progress -> Motion."""
_TELL_EVERY_S = 0.4
"""Each time the page draws its bar anew, which a browser without a graphics card feels."""


@dataclass(frozen=True)
class PageSettings:
    """max_duration_s: a longer recording is refused. size: width and height of the video in pixels, even, unless a
    visitor chooses another. at_once: takes that are made at the same time.

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
        RenderSettings(panel_width=self.size, panel_height=self.size)


@dataclass(frozen=True, eq=False)
class Order:
    """What a take is made from.

    value: plan and trim, in frames of the whole recording. reference: as it was given; placement: along the whole
    recording. accept_licence: draw with SMPL-X. draw: make a video.
    """

    audio: Path
    value: TimelineValue
    settings: TakeSettings
    picture: RenderSettings = field(default_factory=RenderSettings)
    reference: Motion | None = None
    placement: Placement = field(default_factory=Placement)
    reference_name: str = "reference.npz"
    caption: str = ""
    accept_licence: bool = False


class Progress:
    """A stage, how far it is and the time left, to Gradio's bar; stops the work when the visitor has asked to."""

    def __init__(self, bar: gr.Progress, stop: Event):
        self._bar = bar
        self._stop = stop
        self._stage = ""
        self._since = self._told = 0.0
        self.prefix = ""

    def __call__(self, stage: str, done: int, total: int) -> None:
        check(self._stop)
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._since = stage, now
        elif done < total and now - self._told < _TELL_EVERY_S:
            return
        self._told = now
        left = ""
        if 0 < done < total and now - self._since > 0.5:
            left = f", {_spoken((now - self._since) * (total - done) / done)} left"
        self._bar((done, total), desc=f"{self.prefix}{stage}{left}", unit="frames")

    def waiting(self, before: int) -> None:
        check(self._stop)
        self._bar((0, None), desc=f"Waiting: {before} before you" if before else "Starting", unit="frames")


def _spoken(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


class Studio:
    """All visitors share it; nothing of theirs is kept here, but in `visitors`, by session."""

    def __init__(self, shelf: Shelf, settings: PageSettings, generate_motion: GenerateMotion):
        self.shelf = shelf
        self.settings = settings
        self.visitors = Visitors()
        self.turns = Turns(settings.at_once)
        self._generate_motion = generate_motion
        self._smplx_lock = Lock()
        self._smplx_body: Body | None = None

    def body(self, accept_licence: bool = False) -> Body:
        """SMPL-X is loaded when it is first asked for, once for all. Raises BodyError."""
        if not (accept_licence and self.offers_smplx):
            return self.shelf.own.body
        with self._smplx_lock:
            if self._smplx_body is None:
                self._smplx_body = load_body(accept_smplx_licence=True, face_maps=self.shelf.own.face_maps)
            return self._smplx_body

    @property
    def offers_smplx(self) -> bool:
        """Whether another body than the own one can be chosen."""
        return self.shelf.own.body.expression_basis != FLAME2020

    def load_weights(self, order: Order) -> None:
        """For `make`, before its turn comes: a download must not keep those waiting whose weights are there.

        Raises:
            WeightsError: see `Shelf.pipeline`.
        """
        self.shelf.pipeline(self.shelf.choice(order.settings.weights))

    def make(self, order: Order, visitor: Visitor, progress: Progress) -> tuple[KeptTake, str]:
        """A take, in files of the visitor's, and a sentence where it has no video.

        Raises:
            EmageError: a fault in the order, or of the machine.
        """
        stages: list[tuple[str, float]] = []
        folder = visitor.new_folder()
        with _timed(stages, _STAGE_READ):
            audio = load_audio(order.audio, self.settings.max_duration_s)
            value = _fitted(order.value, num_frames(len(audio)))
            part = trimmed(audio, value.trim_start_frame, value.trim_end_frame)
            plan = value.trimmed_plan()
            placement = placement_in_trim(order.placement, value)
            hints = _hints(order, plan, placement, num_frames(len(part)))
            sound = self._sound(order.audio, value, visitor, folder)
            body = self.body(order.accept_licence)
        with _timed(stages, STAGE_MOTION):
            weights = self.shelf.choice(order.settings.weights)
            motion = self._generate_motion(weights, (SAMPLE_RATE_HZ, part), order.settings, hints, progress)
        stem = _stem(order.audio)
        captions = {take.caption for take in visitor.takes}
        take = KeptTake(
            number=visitor.next_number(),
            caption=order.caption or unlike(described(plan, order.settings), captions.__contains__),
            motion=motion.save(folder / f"{stem}.npz"),
            num_frames=motion.num_frames,
            duration_s=motion.duration_s,
            sound=sound,
            video=None,
            settings=order.settings,
            reference=None if hints is None else hints.reference.save(folder / "hint.npz"),
            plan=plan,
            recording=order.audio,
            start_frame=value.trim_start_frame,
            end_frame=value.trim_end_frame,
            command=self._command(order, value, plan, placement, hints),
        )
        note = ""
        try:
            with _timed(stages, STAGE_VIDEO):
                shown = [Take(motion, "", hints)]
                video = render_video(folder / f"{stem}.mp4", shown, body, sound, order.picture, progress)
                take = replace(take, video=video)
        except (RenderError, VideoError) as error:  # the motion is there all the same
            note = f"**No video: {error}**"
        return replace(take, stages_s=tuple(stages)), note

    def beside(
        self,
        takes: Sequence[tuple[str, Take]],
        heard: KeptTake,
        picture: RenderSettings,
        body: Body,
        path: Path,
        progress,
    ) -> Path:
        """Takes in one video, each with its caption, to the sound of one.

        Raises:
            AudioError: see `heard`.
        """
        size = min(picture.panel_width, _WIDEST_PX // len(takes)) // 2 * 2
        picture = replace(picture, panel_width=size, panel_height=size)
        shown = [Take(take.motion, caption, take.hints) for caption, take in takes]
        sound = (VIDEO_SAMPLE_RATE_HZ, self.heard(heard, VIDEO_SAMPLE_RATE_HZ))
        return render_video(path, shown, body, sound, picture, progress)

    def heard(self, take: KeptTake, sample_rate_hz: int = SAMPLE_RATE_HZ) -> np.ndarray:
        """The sound of a take, (N,) float32. That of a take which came with a session may be anybody's file.

        Raises:
            AudioError: no sound, or longer than a recording may be.
        """
        return load_audio(take.sound, self.settings.max_duration_s + _CODEC_PADDING_S, sample_rate_hz)

    def _sound(self, audio: Path, value: TimelineValue, visitor: Visitor, folder: Path) -> Path:
        """The part of the recording that is used, as a file; the last take's, where that is the same."""
        trim = (value.trim_start_frame, value.trim_end_frame)
        for take in visitor.takes[-1:]:
            if take.recording == audio and (take.start_frame, take.end_frame) == trim and take.sound.is_file():
                return take.sound
        samples = load_audio(audio, self.settings.max_duration_s, VIDEO_SAMPLE_RATE_HZ)
        path = folder / "sound.flac"
        soundfile.write(path, trimmed(samples, *trim, VIDEO_SAMPLE_RATE_HZ), VIDEO_SAMPLE_RATE_HZ)
        return path

    def _command(
        self, order: Order, value: TimelineValue, plan: HintPlan, placement: Placement, hints: Hints | None
    ) -> str:
        stem = _stem(order.audio)
        hinted = hints is not None
        return generate_command(
            order.audio.name,
            order.settings,
            start_frame=value.trim_start_frame,
            end_frame=value.trim_end_frame if value.is_trimmed else None,
            reference=order.reference_name if hinted else None,
            plan=plan if hinted else None,
            placement=placement if hinted else None,
            motion=f"{stem}-take.npz",
            out=f"{stem}-take.mp4",
            picture=order.picture,
        )


def placement_in_trim(placement: Placement, value: TimelineValue) -> Placement:
    """Along the part of the recording that is used, where what plays at a moment of the recording stays the same."""
    return replace(placement, shift_frames=placement.shift_frames - value.trim_start_frame)


def reference_end(placement: Placement, motion_frames: int, recording_frames: int) -> int | None:
    """The frame of the recording at which a reference ends, for the timeline; None where it is long enough."""
    if placement.fill in (LOOP, STRETCH):
        return None
    end = placement.shift_frames + motion_frames
    return None if end >= recording_frames else max(end, 0)


def _hints(order: Order, plan: HintPlan, placement: Placement, frames: int) -> Hints | None:
    if not plan.spans:
        return None
    if order.reference is None:
        raise HintError("There are hints on the timeline, but no motion to take them from. Choose a reference motion.")
    return placement.hints(order.reference, plan, frames)


def _fitted(value: TimelineValue, frames: int) -> TimelineValue:
    """The timeline's value for a recording whose length is known only now."""
    if value.num_frames == frames:
        return value
    value.plan.check_fits(frames)
    if not value.is_trimmed:
        return TimelineValue(frames, value.plan)
    return TimelineValue(frames, value.plan, value.trim_start_frame, value.trim_end_frame)


def _stem(audio: Path) -> str:
    return audio.stem[:60] or "speech"


@contextmanager
def _timed(stages: list[tuple[str, float]], stage: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    stages.append((stage, time.monotonic() - started))
