"""A visitor's session as one zip, and back."""

from dataclasses import replace
from pathlib import Path

import soundfile

from emage.hints import HintPlan
from emage.motion import Motion
from emage.pipeline import VIDEO_SAMPLE_RATE_HZ
from emage.project import SavedTake, Session
from emage.recording.audio import load_audio, num_frames, trimmed
from emage.ui.kept import KeptTake, content
from emage.ui.making import Order
from emage.ui.timeline import TimelineValue
from emage.ui.visitors import Visitor

FILE_NAME = "emage-session.zip"


def save(order: Order | None, value: TimelineValue, reference: Motion | None, visitor: Visitor) -> Path:
    """Everything that the page shows, in the visitor's folder. order: None without a recording.

    Raises:
        SessionError, OutputError.
    """
    references: dict[tuple, Motion] = {}

    def saved(kept: KeptTake) -> SavedTake:
        take = kept.load()
        if take.hints is not None:  # what several share is stored once
            shared = references.setdefault(content(take.hints.reference), take.hints.reference)
            take = replace(take, hints=replace(take.hints, reference=shared))
        return SavedTake(take, kept.settings, kept.video, kept.took_s)

    session = Session(takes=tuple(saved(kept) for kept in visitor.takes), plan=value.plan, reference=reference)
    if order is not None:
        session = replace(
            session,
            recording=order.audio,
            trim_start_frame=value.trim_start_frame,
            trim_end_frame=value.trim_end_frame if value.is_trimmed else None,
            placement=order.placement,
            settings=order.settings,
            picture=order.picture,
        )
    return session.save(visitor.new_folder() / FILE_NAME)


def load(path: Path, visitor: Visitor, max_duration_s: float) -> Session:
    """The session of a zip; its takes replace the visitor's.

    Raises:
        SessionError, OutputError; AudioError: no recording, or one that is longer than `max_duration_s`.
    """
    folder = visitor.new_folder()
    session = Session.load(path, folder)
    sound = None
    if session.recording is not None:
        samples = load_audio(session.recording, max_duration_s, VIDEO_SAMPLE_RATE_HZ)
        part = trimmed(samples, session.trim_start_frame, session.trim_end_frame, VIDEO_SAMPLE_RATE_HZ)
        sound = folder / "sound.flac"
        soundfile.write(sound, part, VIDEO_SAMPLE_RATE_HZ)
        sound_frames = num_frames(len(load_audio(sound)))
    kept = []
    for number, saved in enumerate(session.takes, start=1):
        own = folder / f"take-{number}"
        own.mkdir()
        motion, hints = saved.take.motion, saved.take.hints
        of_recording = sound is not None and motion.num_frames == sound_frames
        kept.append(
            KeptTake(
                number=visitor.next_number(),
                caption=saved.take.caption or f"take {number}",
                motion=motion.save(own / f"take-{number}.npz"),
                num_frames=motion.num_frames,
                duration_s=motion.duration_s,
                # A take of another recording has that in its video.
                sound=sound if of_recording or saved.video is None else saved.video,
                video=saved.video,
                settings=saved.settings,
                reference=None if hints is None else hints.reference.save(own / "hint.npz"),
                plan=HintPlan() if hints is None else hints.plan,
                recording=session.recording if of_recording else None,
                start_frame=session.trim_start_frame if of_recording else 0,
                end_frame=session.trim_end_frame if of_recording else None,
                stages_s=() if saved.took_s is None else (("All", saved.took_s),),
            )
        )
    with visitor.lock:
        visitor.takes[:] = kept
    return session
