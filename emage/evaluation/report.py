"""A take in numbers: its metrics, how far it is from each hint, and what to plot over time.

What cannot be said of a take, such as the beats of a silent recording, is None, and a note tells why.
"""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emage.body import Body
from emage.body.landmarks import INNER_LIPS
from emage.errors import AudioError, MotionError
from emage.evaluation import published, quality
from emage.generation.take import Take
from emage.hints import Hints, Span
from emage.motion import FPS, Motion
from emage.motion.skeleton import DISJOINT_PARTS_OF, NUM_JOINTS, PART_JOINTS
from emage.recording.audio import num_frames
from emage.recording.features import loudness_envelope

OWN_MEAN_SPEED = "the take's own mean speed"
GIVEN_MEAN_SPEED = "the mean speed that was given"


@dataclass(frozen=True)
class SpanDeviation:
    """How far a take is from the hint in one span; 0 where it is locked.

    mean_rad, max_rad: geodesic distance of the part's joint rotations. path_m: of the lower body, mean distance between
    the root trajectories, both counted from the span's first frame. expressions: of a face, the mean difference in
    the take's basis; None where the hint's cannot be had in it.
    """

    span: Span
    mean_rad: float
    max_rad: float
    path_m: float | None = None
    expressions: float | None = None


@dataclass(frozen=True)
class TakeReport:
    """The metrics of one take.

    beat_consistency: as published; beat_consistency_aligned: with its indexing mended; both 0 to 1.
    mean_speed_of: whose mean speed tells for beats which joints are at rest.
    diversity_m, jerk_m_per_s3, foot_sliding_m_per_s: see `emage.evaluation.quality`.
    spans: for each span of the plan, in its order.
    took_s: seconds that it took to make.
    notes: why a number is None.
    """

    duration_s: float
    beat_consistency: float | None
    beat_consistency_aligned: float | None
    mean_speed_of: str
    diversity_m: float
    jerk_m_per_s3: float | None
    foot_sliding_m_per_s: float | None
    spans: tuple[SpanDeviation, ...] = ()
    took_s: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def hint_mean_rad(self) -> float | None:
        """Over all spans, each weighted by its frames and joints; None without hints."""
        weights = [_num_angles(deviation.span) for deviation in self.spans]
        if not weights:
            return None
        return sum(each.mean_rad * weight for each, weight in zip(self.spans, weights, strict=True)) / sum(weights)

    @property
    def hint_max_rad(self) -> float | None:
        return max((deviation.max_rad for deviation in self.spans), default=None)

    def to_json(self) -> dict[str, Any]:
        """Every field, angles in radians, spans with their fields as a plan has them."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("spans", "notes")}
        spans = [
            {
                **deviation.span.to_json(),
                "mean_rad": deviation.mean_rad,
                "max_rad": deviation.max_rad,
                "path_m": deviation.path_m,
                "expressions": deviation.expressions,
            }
            for deviation in self.spans
        ]
        return {**fields, "spans": spans, "notes": list(self.notes)}


@dataclass(frozen=True, eq=False)
class MotionSeries:
    """What to plot over time; all (T,) at 30 frames a second, of the shorter of motion and recording.

    hand_speed_m_per_s: mean of both wrists. jaw_rad: by which joint 22 is open. lips_m: between the inner lips in the
    middle, by the jaw or by expressions; None for a body without such landmarks. loudness: root mean square, 0 to 1.
    onsets_s: (K,) times of the audio's onsets.
    """

    hand_speed_m_per_s: np.ndarray
    jaw_rad: np.ndarray
    lips_m: np.ndarray | None
    loudness: np.ndarray
    onsets_s: np.ndarray

    @property
    def time_s(self) -> np.ndarray:
        """(T,)."""
        return np.arange(len(self.loudness)) / FPS

    def to_csv(self) -> str:
        """A line a frame; onset is 1 in the frame in which one falls."""
        frames = np.floor(self.onsets_s * FPS).astype(int)
        onset = np.isin(np.arange(len(self.loudness)), frames).astype(int)
        lips = [""] * len(onset) if self.lips_m is None else [f"{lip:.6g}" for lip in self.lips_m]
        rows = zip(self.time_s, self.hand_speed_m_per_s, self.jaw_rad, lips, self.loudness, onset, strict=True)
        header = ("time_s", "hand_speed_m_per_s", "jaw_rad", "lips_m", "loudness", "onset")
        return _csv([header, *((*(_shown(value) for value in row),) for row in rows)])


def take_report(
    motion: Motion,
    audio: np.ndarray,
    body: Body,
    hints: Hints | None = None,
    mean_speed: np.ndarray | None = None,
    took_s: float | None = None,
) -> TakeReport:
    """The metrics of a motion.

    Args:
        motion: at 30 frames a second.
        audio: (N,) float32 at 16 kHz.
        body: whose joints are looked at, and by whose `face_maps` a hint's face is compared with one of another basis.
        hints: what it was made with.
        mean_speed: (55,) m/s, of `published.mean_joint_velocity` over many clips; by default over this one alone. Takes
            that are to be compared need the same, see `common_mean_speed`.
        took_s: seconds that it took to make, to be put beside the rest.

    Raises:
        MotionError: another frame rate.
    """
    _check_rate(motion)
    notes: list[str] = []

    def said(measure: Callable[[], float]) -> float | None:
        try:
            return measure()
        except (AudioError, MotionError) as error:
            if str(error) not in notes:
                notes.append(str(error))
            return None

    joints, posed = body.joints(motion), beat_joints(motion, body)
    given = mean_speed is not None
    if not given:
        own = common_mean_speed([motion], body)
        mean_speed = np.zeros(NUM_JOINTS) if own is None else own
    return TakeReport(
        duration_s=motion.duration_s,
        beat_consistency=said(lambda: published.beat_consistency(posed, audio, mean_speed)),
        beat_consistency_aligned=said(lambda: published.beat_consistency_aligned(posed, audio, mean_speed)),
        mean_speed_of=GIVEN_MEAN_SPEED if given else OWN_MEAN_SPEED,
        diversity_m=published.l1_diversity(posed),
        jerk_m_per_s3=said(lambda: quality.mean_jerk(joints)),
        foot_sliding_m_per_s=said(lambda: quality.foot_sliding(joints).m_per_s),
        spans=() if hints is None else _deviations(motion, body.face_maps.hints(hints, motion.expression_basis)),
        took_s=took_s,
        notes=tuple(notes),
    )


def take_series(motion: Motion, audio: np.ndarray, body: Body) -> MotionSeries:
    """What to plot of a motion at 30 frames a second and its recording, (N,) at 16 kHz. Raises as `take_report`."""
    _check_rate(motion)
    frames = min(motion.num_frames, num_frames(len(audio)))
    wrists = body.joints(motion)[:, list(quality.WRIST_JOINTS)]
    speed = published.joint_speed(wrists).mean(axis=1) if len(wrists) > 1 else np.zeros(1)
    onsets_s = published.audio_onsets(audio)
    return MotionSeries(
        hand_speed_m_per_s=speed[:frames],
        jaw_rad=quality.jaw_opening(motion.poses)[:frames],
        lips_m=_lips(motion, body, frames),
        loudness=loudness_envelope(audio)[:frames],
        onsets_s=onsets_s[onsets_s < frames / FPS],
    )


def reports_csv(reports: Sequence[tuple[str, TakeReport]]) -> str:
    """A table with a line for each take, by their names. Angles are in degrees; what cannot be said is empty."""
    header = (
        "take", "duration_s", "beat_consistency", "beat_consistency_aligned", "diversity_m", "jerk_m_per_s3",
        "foot_sliding_m_per_s", "hint_mean_degrees", "hint_max_degrees", "took_s", "mean_speed_of", "notes",
    )  # fmt: skip
    rows = [
        (
            # A cell that begins so is a formula to spreadsheets, and captions may come from anybody.
            "'" + name if name.startswith(("=", "+", "-", "@", "\t", "\r")) else name,
            *map(_shown, (report.duration_s, report.beat_consistency, report.beat_consistency_aligned)),
            *map(_shown, (report.diversity_m, report.jerk_m_per_s3, report.foot_sliding_m_per_s)),
            _degrees(report.hint_mean_rad),
            _degrees(report.hint_max_rad),
            _shown(report.took_s),
            report.mean_speed_of,
            " ".join(report.notes),
        )
        for name, report in reports
    ]
    return _csv([header, *rows])


def report_takes(
    takes: Sequence[Take], body: Body, progress: Callable[[int, int], None] | None = None
) -> list[tuple[str, TakeReport]]:
    """The metrics of takes that are to be compared, by their captions: which joints are at rest, all together tell.

    progress: called before each with how many are done and how many there are; what it raises ends the work.

    Raises:
        AudioError: a take whose recording is not known.
    """
    mean_speed = common_mean_speed([take.motion for take in takes], body)
    reports = []
    for done, take in enumerate(takes):
        if progress is not None:
            progress(done, len(takes))
        if take.recording is None:
            raise AudioError(f"The recording of the take '{take.caption}' is not known, so it cannot be measured.")
        samples = take.recording.part_samples
        report = take_report(take.motion, samples, body, take.hints, mean_speed, take.took_s)
        reports.append((take.caption, report))
    return reports


def common_mean_speed(motions: Sequence[Motion], body: Body) -> np.ndarray | None:
    """(55,) m/s, of several takes together; None where none of them has two frames."""
    posed = [beat_joints(motion, body) for motion in motions if motion.num_frames > 1]
    return published.mean_joint_velocity(posed) if posed else None


def beat_joints(motion: Motion, body: Body) -> np.ndarray:
    """(T, 55, 3) metres: what beat consistency and diversity look at."""
    return body.joints(replace(motion, poses=published.beat_poses(motion.poses), trans=np.zeros_like(motion.trans)))


def _deviations(motion: Motion, hints: Hints) -> tuple[SpanDeviation, ...]:
    # The published timing shows hints to the network that lie behind the last frame.
    spans = [span for span in hints.plan.spans if span.start_frame < motion.num_frames]
    return tuple(_deviation(motion, hints.reference, span) for span in spans)


def _deviation(motion: Motion, reference: Motion, span: Span) -> SpanDeviation:
    frames = slice(span.start_frame, min(span.end_frame, motion.num_frames))
    joints = np.zeros(NUM_JOINTS, dtype=bool)
    joints[list(PART_JOINTS[span.part])] = True
    made, shown = motion.frames(frames.start, frames.stop), reference.frames(frames.start, frames.stop)
    angles = quality.hint_deviation(made.poses, shown.poses, np.tile(joints, (made.num_frames, 1)))
    path_m = expressions = None
    if span.part == "lower":
        trajectories = [(each.trans - each.trans[:1])[:, [0, 2]] for each in (made, shown)]
        path_m = float(np.linalg.norm(trajectories[0] - trajectories[1], axis=1).mean())
    if span.part == "face" and made.expression_basis == shown.expression_basis:
        expressions = float(np.abs(made.expressions - shown.expressions).mean())
    return SpanDeviation(span, angles.mean_rad, angles.max_rad, path_m, expressions)


def _num_angles(span: Span) -> int:
    return (span.end_frame - span.start_frame) * sum(len(PART_JOINTS[part]) for part in DISJOINT_PARTS_OF[span.part])


def _lips(motion: Motion, body: Body, frames: int) -> np.ndarray | None:
    face = body.landmarks.face
    if len(face) == 0:
        return None
    lips = face[INNER_LIPS]
    middle = len(lips) // 4
    points = body.points(motion, lips[[middle, -middle]], 0, frames).astype(np.float64)
    return np.linalg.norm(points[:, 0] - points[:, 1], axis=1)


def _check_rate(motion: Motion) -> None:
    if motion.fps != FPS:
        raise MotionError(f"The motion has {motion.fps:g} frames a second; {FPS} are needed. Use Motion.resample.")


def _shown(value: float | str | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.6g}"


def _degrees(angle_rad: float | None) -> str:
    return "" if angle_rad is None else _shown(math.degrees(angle_rad))


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
