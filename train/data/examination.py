"""What may be wrong with the clips of a corpus, and whether it is.

A corpus of people who were captured has files that are missing or damaged, suits that lost track, stretches that stand
still, sound that goes on without motion, transcripts of other recordings. A training takes all of it for speech and
gestures, so it is looked for before.
"""

import csv
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import soundfile

from emage.body import Body
from emage.errors import EmageError, MotionError
from emage.evaluation.quality import STILLNESS_JOINTS, rotation_steps
from emage.files import read_npz
from emage.motion import FPS, Motion
from emage.motion.skeleton import CONTACT_JOINTS, JOINT_NAMES
from emage.recording.audio import SAMPLE_RATE_HZ, SILENCE, load_audio
from emage.recording.transcript import load_words
from train.data.channels import AUDIO, TRANS
from train.data.corpus import SPLIT_FILE, CorpusClip, CorpusError
from train.data.partial import load_clip_motion
from train.data.semantics import read_semantic_labels
from train.data.workers import open_workers, own_body


class Fault(StrEnum):
    """What may be wrong, in the order in which it is looked for."""

    NO_MOTION = "no motion"
    UNREADABLE_MOTION = "unreadable motion"
    WRONG_SHAPE = "wrong shape"
    NOT_A_NUMBER = "not a number"
    NO_SOUND = "no sound"
    UNREADABLE_SOUND = "unreadable sound"
    SILENCE = "silence"
    WRONG_RATE = "wrong rate"
    LENGTHS_APART = "lengths apart"
    TOO_SHORT = "too short"
    FROZEN = "frozen"
    JUMP = "jump"
    UNDER_THE_FLOOR = "feet under the floor"
    UNREADABLE_TRANSCRIPT = "unreadable transcript"
    TRANSCRIPT_BEYOND_END = "transcript beyond the end"
    UNREADABLE_LABELS = "unreadable labels"
    LABELS_BEYOND_END = "labels beyond the end"


UNUSABLE = frozenset(list(Fault)[: list(Fault).index(Fault.SILENCE)])
"""Nothing can be trained on such a clip; the others are a matter of judgement."""


@dataclass(frozen=True)
class Limits:
    """What is taken for a fault.

    A recorded clip of BEAT2 has 0.6 s between its lengths, turns by 21 degrees and moves by 2 cm a frame at most, never
    stands still, and has its feet 3 cm under the floor at times.

    Raises:
        CorpusError: a limit that is not above 0.
    """

    length_gap_s: float = 1.5
    """Between the ends of motion and sound."""
    shortest_s: float = 2.2
    """Of a clip: less makes no window of 64 frames."""
    frozen_s: float = 1.0
    """The longest stretch in which no joint but face and eyes turns by `still_degrees_per_s`."""
    still_degrees_per_s: float = 1.0
    jump_degrees: float = 75.0
    """Of a joint, from one frame to the next."""
    jump_m: float = 0.15
    """Of the whole body, from one frame to the next."""
    floor_m: float = 0.1
    """How far ankles and balls of the feet may be under y = 0, where the sole is some centimetres lower."""
    beyond_s: float = 1.0
    """How far behind the end of the sound a word may end, or a semantic label begin. (Labels of BEAT2 that cover all
    of a clip end where the recording did that it was cut from.)"""

    def __post_init__(self):
        if bad := next((name for name, value in vars(self).items() if not value > 0), None):
            raise CorpusError(f"{bad} is {getattr(self, bad)}; it must be above 0.")


@dataclass(frozen=True)
class Curve:
    """A quantity over the frames of a clip, thinned out, with the limit that it breaks. name: with its unit."""

    name: str
    values: tuple[float, ...]
    limit: float


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a clip.

    text: for people. at_s: where, where it has a place. excess: how many times the limit it is, 1 where there is none.
    """

    fault: Fault
    text: str
    at_s: float | None = None
    excess: float = 1.0
    curve: Curve | None = None


@dataclass(frozen=True)
class ClipReport:
    """What was found of a clip, and what it measures, as far as that can be told: seconds of motion and sound, the
    fastest turn of a joint and step of the body in a frame, the longest standstill, the height of the lowest foot."""

    clip: CorpusClip
    findings: tuple[Finding, ...]
    motion_s: float | None = None
    sound_s: float | None = None
    fastest_degrees: float | None = None
    largest_step_m: float | None = None
    longest_still_s: float | None = None
    lowest_foot_m: float | None = None

    @property
    def badness(self) -> tuple[bool, float]:
        """To sort by: whether nothing can be trained on it, and how far it is beyond limits in all."""
        return any(finding.fault in UNUSABLE for finding in self.findings), sum(f.excess for f in self.findings)


def examine_clips(
    clips: Sequence[CorpusClip], limits: Limits | None = None, body: Body | None = None, processes: int = 1
) -> list[ClipReport]:
    """Look at every clip. body: by which feet are found, of one process alone; by default what `load_body` gives."""
    assert body is None or processes == 1
    examine = functools.partial(examine_clip, limits=limits or Limits(), body=body)
    with open_workers(processes) as workers:
        return list(workers.map("Clips", examine, clips))


def find_unlisted(clips: Sequence[CorpusClip]) -> list[Path]:
    """Motion files of the clips' corpora that no list names."""
    corpora = dict.fromkeys(clip.corpus for clip in clips)
    found = []
    for corpus in corpora:
        with (corpus / SPLIT_FILE).open(newline="", encoding="utf-8-sig") as stream:
            listed = {row["id"] for row in csv.DictReader(stream)}
        found += [path for path in sorted((corpus / "smplxflame_30").glob("*.npz")) if path.stem not in listed]
    return found


def examine_clip(clip: CorpusClip, limits: Limits, body: Body | None = None) -> ClipReport:
    """Look for all faults. body: the process's own by default."""
    findings: list[Finding] = []
    motion = _examine_file(clip, findings)
    sound = None if AUDIO in clip.missing else _examine_sound(clip.audio_file, findings)
    motion_s = motion.duration_s if motion else None
    sound_s = len(sound) / SAMPLE_RATE_HZ if sound is not None else None
    measured: dict[str, float] = {}
    if motion is not None:
        measured = _examine_motion(motion, clip, limits, body or own_body(), findings)
    findings += _compare_lengths(motion_s, sound_s, limits)
    known = [end_s for end_s in (sound_s, motion_s) if end_s is not None]
    if known:
        findings += _examine_words(clip.words_file, known[0], limits)
        findings += _examine_labels(clip.semantic_file, known[0], limits)
    order = list(Fault)
    findings.sort(key=lambda finding: order.index(finding.fault))
    return ClipReport(clip, tuple(findings), motion_s, sound_s, **measured)


def _examine_file(clip: CorpusClip, findings: list[Finding]) -> Motion | None:
    path = clip.motion_file
    if not path.is_file():
        findings.append(Finding(Fault.NO_MOTION, f"{path.name} is not there."))
        return None
    try:
        arrays = read_npz(path, MotionError)
    except MotionError as error:
        findings.append(Finding(Fault.UNREADABLE_MOTION, str(error)))
        return None
    try:
        return load_clip_motion(clip)
    except MotionError as error:
        place = next(_find_no_numbers(arrays), None)
        if place is None:
            findings.append(Finding(Fault.WRONG_SHAPE, str(error)))
        else:
            name, frame = place
            findings.append(Finding(Fault.NOT_A_NUMBER, f"{name} is no number in frame {frame}.", frame / FPS))
        return None


def _find_no_numbers(arrays: dict[str, np.ndarray]) -> Iterator[tuple[str, int]]:
    """Names of arrays and rows where they are no numbers first."""
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            yield name, int(np.argwhere(~np.isfinite(np.atleast_1d(array)))[0][0])


def _examine_sound(path: Path, findings: list[Finding]) -> np.ndarray | None:
    """(N,) at 16 kHz, where it can be read."""
    if not path.is_file():
        findings.append(Finding(Fault.NO_SOUND, f"{path.name} is not there."))
        return None
    try:
        sound = load_audio(path)
    except EmageError as error:
        findings.append(Finding(Fault.UNREADABLE_SOUND, str(error)))
        return None
    with suppress(soundfile.LibsndfileError):  # another format, which load_audio read by ffmpeg
        rate_hz = soundfile.info(path).samplerate
        if rate_hz != SAMPLE_RATE_HZ:
            findings.append(Finding(Fault.WRONG_RATE, f"{path.name} has {rate_hz:,} Hz, not {SAMPLE_RATE_HZ:,}."))
    if np.abs(sound).max() < SILENCE:
        findings.append(Finding(Fault.SILENCE, f"{path.name} is silent throughout."))
    return sound


def _compare_lengths(motion_s: float | None, sound_s: float | None, limits: Limits) -> list[Finding]:
    if motion_s is None or sound_s is None:
        return []
    findings = []
    gap_s = abs(motion_s - sound_s)
    if gap_s > limits.length_gap_s:
        guess = _guess_rate(motion_s / sound_s)
        text = f"The motion lasts {motion_s:.2f} s, the sound {sound_s:.2f} s.{guess}"
        findings.append(Finding(Fault.LENGTHS_APART, text, min(motion_s, sound_s), gap_s / limits.length_gap_s))
    if min(motion_s, sound_s) < limits.shortest_s:
        text = f"There are {min(motion_s, sound_s):.2f} s of it."
        findings.append(Finding(Fault.TOO_SHORT, text, excess=limits.shortest_s / max(min(motion_s, sound_s), 0.01)))
    return findings


def _guess_rate(ratio: float) -> str:
    rate = next((rate for rate in (24, 25, 50, 60, 90, 100, 120) if abs(ratio * FPS / rate - 1) < 0.01), None)
    return f" It would fit {rate} frames a second." if rate else ""


def _examine_motion(
    motion: Motion, clip: CorpusClip, limits: Limits, body: Body, findings: list[Finding]
) -> dict[str, float]:
    """What `ClipReport` has of it, by its fields."""
    if motion.fps != FPS:
        findings.append(Finding(Fault.WRONG_RATE, f"The motion has {motion.fps:g} frames a second, not {FPS}."))
    if motion.num_frames < 2:
        return {}
    to_s = 1 / motion.fps
    turns = np.degrees(rotation_steps(motion.poses).astype(np.float64))  # (T - 1, 55)
    fastest = turns.max(1)
    steps_m = np.linalg.norm(np.diff(motion.trans, axis=0), axis=1)
    feet_m = body.joints(motion)[:, CONTACT_JOINTS, 1].min(1).astype(np.float64)
    start, still = _longest_run(turns[:, list(STILLNESS_JOINTS)].max(1) < limits.still_degrees_per_s * to_s)
    if still * to_s > limits.frozen_s:
        text = f"Nothing moves for {still * to_s:.1f} s from {start * to_s:.2f} s on."
        curve = _curve("fastest turn of a joint, degrees a frame", fastest, limits.still_degrees_per_s * to_s)
        findings.append(Finding(Fault.FROZEN, text, (start + still / 2) * to_s, still * to_s / limits.frozen_s, curve))
    frame = int(fastest.argmax())
    if fastest[frame] > limits.jump_degrees:
        joint = JOINT_NAMES[int(turns[frame].argmax())]
        text = f"{joint} turns by {fastest[frame]:.0f}° in one frame at {frame * to_s:.2f} s."
        curve = _curve("fastest turn of a joint, degrees a frame", fastest, limits.jump_degrees)
        findings.append(Finding(Fault.JUMP, text, frame * to_s, fastest[frame] / limits.jump_degrees, curve))
    frame = int(steps_m.argmax())
    if steps_m[frame] > limits.jump_m:
        text = f"The body moves by {steps_m[frame]:.2f} m in one frame at {frame * to_s:.2f} s."
        curve = _curve("step of the body, m a frame", steps_m, limits.jump_m)
        findings.append(Finding(Fault.JUMP, text, frame * to_s, steps_m[frame] / limits.jump_m, curve))
    frame = int(feet_m.argmin())
    has_height = TRANS not in clip.missing
    if has_height and feet_m[frame] < -limits.floor_m:
        text = f"A foot is {-feet_m[frame]:.2f} m under the floor at {frame * to_s:.2f} s."
        curve = _curve("lowest foot joint, m", feet_m, -limits.floor_m)
        findings.append(Finding(Fault.UNDER_THE_FLOOR, text, frame * to_s, -feet_m[frame] / limits.floor_m, curve))
    return {
        "fastest_degrees": float(fastest.max()),
        "largest_step_m": float(steps_m.max()),
        "longest_still_s": still * to_s,
        **({"lowest_foot_m": float(feet_m.min())} if has_height else {}),
    }


_MOST_POINTS = 400


def _curve(name: str, values: np.ndarray, limit: float) -> Curve:
    """Of each stretch of frames the value that is farthest from the middle, so that no peak is lost."""
    middle = np.median(values)
    parts = np.array_split(values, min(len(values), _MOST_POINTS))
    return Curve(name, tuple(float(part[np.abs(part - middle).argmax()]) for part in parts), limit)


def _longest_run(flags: np.ndarray) -> tuple[int, int]:
    """Where the longest run of true begins, and how long it is."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return 0, 0
    best = int((ends - starts).argmax())
    return int(starts[best]), int(ends[best] - starts[best])


def _examine_words(path: Path, end_s: float, limits: Limits) -> list[Finding]:
    words, fault = _read(path, load_words, Fault.UNREADABLE_TRANSCRIPT)
    last_s = max((word.end_s for word in words), default=0.0)
    if last_s > end_s + limits.beyond_s:
        beyond = sum(word.end_s > end_s for word in words)
        text = f"{beyond} of {len(words)} words lie behind the end at {end_s:.2f} s; the last ends at {last_s:.2f} s."
        fault.append(Finding(Fault.TRANSCRIPT_BEYOND_END, text, end_s, (last_s - end_s) / limits.beyond_s))
    return fault


def _examine_labels(path: Path, end_s: float, limits: Limits) -> list[Finding]:
    labels, fault = _read(path, read_semantic_labels, Fault.UNREADABLE_LABELS)
    last_s = max((label.start_s for label in labels), default=0.0)
    if last_s > end_s + limits.beyond_s:
        text = f"The last label begins at {last_s:.2f} s, and the clip ends at {end_s:.2f} s."
        fault.append(Finding(Fault.LABELS_BEYOND_END, text, end_s, (last_s - end_s) / limits.beyond_s))
    return fault


def _read(path: Path, read: Callable[[Path], Sequence], fault: Fault) -> tuple[Sequence, list[Finding]]:
    if not path.is_file():  # not all corpora have them
        return (), []
    try:
        return read(path), []
    except EmageError as error:
        return (), [Finding(fault, str(error))]
