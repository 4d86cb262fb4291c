"""Takes for the stage: files in their user's folder, each written once for what it holds."""

import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from emage.body import Body
from emage.body.rig import Rig
from emage.errors import BodyError, EmageError
from emage.evaluation.report import MotionSeries, TakeReport
from emage.evaluation.words import WordShares
from emage.export.gltf import body_glb
from emage.export.sound import write_sound
from emage.files import new_file
from emage.generation.take import Request, Take
from emage.hints import LOCK, HintPlan, Hints, Span
from emage.motion import Motion, join_motions
from emage.motion.skeleton import DISJOINT_PARTS, JAW_JOINT, NUM_BETAS
from emage.postprocess.contacts import floor_height
from emage.recording.audio import SAMPLE_RATE_HZ, SOUND_RATE_HZ
from emage.recording.recording import Recording
from emage.ui.components.stage import StagedBody, StagedMotion, StagedTake
from emage.ui.components.stage.take_file import encode_frames, encode_header
from emage.ui.service.users import User

HINT = "hint"

_BODIES_KEPT = 4
"""People whose files are at hand, of 2.5 MB each."""
_FLOOR_FRAMES = 1800
"""Of the beginning of a take: where it stands is known from them."""
_LEAST_PIECE, _MOST_PIECE = 30, 900
_SHARE_OF_PIECE = 8
"""A file is sent when so many frames are there, or this share of those that were sent before: Gradio looks at all files
again with each, so that twice as many take four times as long."""
_JAW = slice(3 * JAW_JOINT, 3 * JAW_JOINT + 3)


@dataclass(frozen=True, eq=False)
class _Person:
    """A body's file, and what poses it."""

    key: str
    glb: bytes
    rig: Rig


@dataclass(frozen=True, eq=False)
class Comparison:
    """Takes beside each other: on the stage, in numbers, over time, and how much of what one has heard was words.

    sounds: name and sound of each recording that they are of, in their order; all of one length.
    """

    staged: Sequence[StagedTake]
    sounds: Sequence[tuple[str, Path]]
    reports: Sequence[tuple[str, TakeReport]]
    series: Sequence[MotionSeries]
    shares: WordShares | None


class Staging:
    """Makes what the stage shows. Safe between threads."""

    def __init__(self):
        self._lock = threading.Lock()
        self._people: OrderedDict[tuple[Body, bytes], _Person] = OrderedDict()

    def take(self, user: User, take: Take, body: Body, number: int | None = None) -> StagedTake:
        """A take that is made, with the motion of its hints as a ghost. number: among the user's takes."""
        motion, hints, ghost = take.motion, take.hints, None
        if hints is not None and hints.plan.spans:
            ghost = self.ghost(user, hints, motion, body, motion.num_frames)
        shown = None if hints is None else hints.plan.states(motion.num_frames)
        person = self.person(motion, body)
        return StagedTake(
            caption=take.caption,
            motion=_stage_motion(user, motion, body, person, shown),
            body=_stage_body(user, body, person),
            num_frames=motion.num_frames,
            total_frames=motion.num_frames,
            floor_y=_find_floor(motion, body),
            ghost=ghost,
            number=number,
        )

    def begin(self, user: User, request: Request, body: Body, total_frames: int) -> "TakeStream":
        """A take that is being made."""
        return TakeStream(self, user, request, body, total_frames)

    def ghost(self, user: User, hints: Hints, motion: Motion, body: Body, num_frames: int) -> StagedMotion:
        """The hints' motion on a take's person, as long as the take. motion: of that person."""
        reference = hints.reference.resample(motion.fps)
        reference = reference.frames(0, min(reference.num_frames, num_frames))
        reference = replace(reference, betas=motion.betas_in(reference.expression_basis))
        return _stage_motion(user, reference, body, self.person(motion, body), None)

    def expect(self, user: User, body: Body) -> StagedBody:
        """The body of takes without hints, before there is one."""
        return _stage_body(user, body, self._person(np.zeros(NUM_BETAS, np.float32), body))

    def person(self, motion: Motion, body: Body) -> _Person:
        """Who moves."""
        return self._person(motion.betas_in(body.expression_basis), body)

    def _person(self, betas: np.ndarray, body: Body) -> _Person:
        with self._lock:
            known = self._people.get((body, betas.tobytes()))
            if known is None:
                glb = body_glb(body, betas)
                known = _Person(hashlib.sha256(glb).hexdigest()[:24], glb, body.rig(betas))
                self._people[body, betas.tobytes()] = known
                while len(self._people) > _BODIES_KEPT:
                    self._people.popitem(last=False)
            return known


class TakeStream:
    """A take on the stage while it is made: pieces of its motion become files, the longer ones the more there is.

    The key is its own, not its content's, so that the stage goes on where it is as files come.
    """

    def __init__(self, staging: Staging, user: User, request: Request, body: Body, total_frames: int):
        self._staging, self._user, self._request, self._body = staging, user, request, body
        self._key, self._files = secrets.token_hex(12), []
        self._waiting: list[Motion] = []
        self._staged: StagedTake | None = None
        self._num_frames, self._total_frames = 0, total_frames

    def add(self, motion: Motion) -> StagedTake | None:
        """The take with the frames that come next; None where they wait for more."""
        self._waiting.append(motion)
        waiting = sum(piece.num_frames for piece in self._waiting)
        enough = min(max(_LEAST_PIECE, self._num_frames // _SHARE_OF_PIECE), _MOST_PIECE)
        return self._flush() if waiting >= enough or self._num_frames + waiting >= self._total_frames else None

    @property
    def num_frames(self) -> int:
        """That have come."""
        return self._num_frames + sum(piece.num_frames for piece in self._waiting)

    def end(self, number: int | None = None) -> StagedTake | None:
        """The take with all frames that came, and no more to come; None where none came.

        number: among the user's takes, where it is one.
        """
        staged = self._flush() if self._waiting else self._staged
        if staged is None:
            return None
        return replace(staged, number=number, total_frames=self._num_frames)

    def _flush(self) -> StagedTake:
        motion = join_motions(self._waiting)
        self._waiting = []
        hints, start = self._request.hints, self._num_frames
        person = self._staging.person(motion, self._body)
        self._num_frames += motion.num_frames
        shown = HintPlan().states(motion.num_frames)
        if hints is not None:
            shown = hints.plan.states(self._num_frames)[start:]
        head = b"" if self._files else encode_header(motion.fps, len(person.rig.expressions))
        content = head + encode_frames(*pose_for(motion, self._body, person.rig), shown)
        name = f"{self._key} {len(self._files)}"
        self._files.append(_put(self._user, name, ".take", lambda path: path.write_bytes(content) and None))
        if self._staged is None:
            ghost = None
            if hints is not None and hints.plan.spans:
                ghost = self._staging.ghost(self._user, hints, motion, self._body, self._total_frames)
            self._staged = StagedTake(
                caption="",
                motion=StagedMotion(self._key, ()),
                body=_stage_body(self._user, self._body, person),
                num_frames=0,
                total_frames=self._total_frames,
                floor_y=_find_floor(motion, self._body),
                ghost=ghost,
            )
        files = StagedMotion(self._key, tuple(self._files))
        self._staged = replace(self._staged, motion=files, num_frames=self._num_frames)
        return self._staged


def stage_sound(user: User, recording: Recording | None, num_frames: int, fps: float) -> Path:
    """The sound of a recording's part as a wav as long as so many frames; silence where there is none.

    Raises:
        OutputError: it cannot be written.
    """
    duration_s = num_frames / fps
    if recording is None:
        name, sound, rate_hz = f"silence {duration_s}", np.zeros(0, np.float32), SAMPLE_RATE_HZ
    else:
        name = f"{recording.file} {recording.start_frame} {recording.end_frame} {duration_s} {len(recording.sound)}"
        sound, rate_hz = recording.part_sound, SOUND_RATE_HZ
    return _put(user, name, ".wav", lambda path: write_sound(path, sound, round(duration_s * rate_hz), rate_hz))


def _stage_body(user: User, body: Body, person: _Person) -> StagedBody:
    path = _put(user, person.key, ".glb", lambda path: path.write_bytes(person.glb) and None)
    return StagedBody(person.key, path, body.landmarks, person.rig.joint_directions)


def _stage_motion(user: User, motion: Motion, body: Body, person: _Person, hints: np.ndarray | None) -> StagedMotion:
    """hints: (T, 5) uint8 of `HintPlan.states`, None for none."""
    if hints is None:
        hints = HintPlan().states(motion.num_frames)
    name = hashlib.sha256(motion.content_hash() + hints.tobytes() + str((motion.fps, person.key)).encode()).hexdigest()

    def write(path: Path) -> None:
        frames = encode_frames(*pose_for(motion, body, person.rig), hints)
        path.write_bytes(encode_header(motion.fps, len(person.rig.expressions)) + frames)

    return StagedMotion(name[:24], [_put(user, name, ".take", write)])


def pose_for(motion: Motion, body: Body, rig: Rig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What poses a body: poses (T, 165), trans (T, 3), and coefficients of the rig's expressions (T, K).

    Expressions that the body cannot show are left out, as in the videos.
    """
    poses = motion.poses + body.pose_mean
    try:
        face = body.face(motion)
    except BodyError:
        return poses, motion.trans, np.zeros((motion.num_frames, len(rig.expressions)))
    poses[:, _JAW] = face.jaw
    return poses, motion.trans, face.expressions[:, rig.expressions]


def _find_floor(motion: Motion, body: Body) -> float:
    return floor_height(body.soles(motion.frames(0, min(motion.num_frames, _FLOOR_FRAMES))))


def _put(user: User, content: str, suffix: str, write: Callable[[Path], None]) -> Path:
    """A file of the user's, written where there is none of this content yet.

    content: its description, the same for the same file. Raises OutputError.
    """
    folder = user.folder / "stage"
    folder.mkdir(exist_ok=True)
    path = folder / (hashlib.sha256(content.encode()).hexdigest()[:24] + suffix)
    if not path.exists():
        with new_file(path) as temporary:
            write(temporary)
    return path


def stand_beside(takes: Sequence[Take], with_hints: bool, most: int) -> list[Take]:
    """The bodies of a comparison; a hint that several takes share stands there once, before the first of them.

    Raises:
        EmageError: more than `most`.
    """
    hinted = [None if take.hints is None else take.hints.reference.content_hash() for take in takes]
    shown, seen = [], set()
    for take, reference in zip(takes, hinted, strict=True):
        if with_hints and reference is not None and reference not in seen:
            seen.add(reference)
            caption = HINT if len(set(hinted) - {None}) == 1 else f"{HINT} of “{take.caption}”"
            shown.append(_show_hint(take, caption))
        shown.append(take)
    if len(shown) > most:
        raise EmageError(f"{len(shown)} bodies side by side are too small to see; choose up to {most}.")
    return shown


def _show_hint(take: Take, caption: str) -> Take:
    """The reference of a take, as long as that, grey from head to foot."""
    reference = take.hints.reference
    motion = reference.frames(0, min(reference.num_frames, take.motion.num_frames))
    spans = tuple(Span(part, 0, motion.num_frames, LOCK) for part in DISJOINT_PARTS)
    return Take(motion, caption, Hints(motion, HintPlan(spans)))
