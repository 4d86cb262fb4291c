"""BEAT (Liu et al., ECCV 2022) into BEAT2's layout: BVH and ARKit weights to SMPL-X motion.

BEAT has all files of a clip beside each other, <speaker>/<id>.{bvh,json,wav,TextGrid,txt}: body, face, sound, words and
semantic labels.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
from tqdm import tqdm

from emage.body import Body
from emage.body.face import loader_of
from emage.errors import EmageError
from emage.export.arkit import load_arkit
from emage.files import new_file, output_error, write_text
from emage.motion import ARKIT52, FLAME2020, FPS, Motion
from emage.motion.skeleton import JAW_JOINT
from emage.recording.audio import SAMPLE_RATE_HZ, load_audio
from train.data.bvh import Residual, read_captured, to_smplx
from train.data.corpus import CHANNELS_FILE, SPLIT_FILE, CorpusClip, CorpusError, read_list

REPORT_NAME = "conversion.json"
Faces = Literal["flame2020", "arkit52"]
_HELD_OUT_EVERY = 9
"""Of so many clips of a speaker one is val and one is test, where no list says which."""


@dataclass(frozen=True)
class Conversion:
    """What came of a folder: the residual of each clip by its id, and why others could not be converted."""

    residuals: dict[str, Residual]
    broken: dict[str, str]
    without_faces: tuple[str, ...]

    @property
    def mean(self) -> Residual:
        return Residual(*np.mean([(r.degrees, r.mm) for r in self.residuals.values()], axis=0).tolist())


def convert_beat(root: Path, out: Path, body: Body, faces: Faces, splits: Path | None = None) -> Conversion:
    """Make a corpus in BEAT2's layout of the clips in a folder; clips that are there already stay.

    body: of whose mean shape the motion is. faces: `flame2020` by the matrix of BEAT2's authors, as BEAT2's are, or
    `arkit52` as they are. splits: a list with columns id and type, such as BEAT2's own, which has the same ids.

    Raises:
        CorpusError: there is none, or none can be converted. BodyError: the matrix of faces cannot be had.
            OutputError: the disk is full.
    """
    files = sorted(root.rglob("*.bvh"))
    if not files:
        raise CorpusError(f"{root} holds no BVH file.")
    listed = {clip.id: clip.split for clip in read_list(splits)} if splits else _share_out([p.stem for p in files])
    report_file = out / REPORT_NAME
    try:
        for folder in ("smplxflame_30", "wave16k", "textgrid", "sem"):
            (out / folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(out, error) from error
    known = json.loads(report_file.read_text("utf-8")) if report_file.is_file() else {}
    residuals: dict[str, Residual] = {}
    broken: dict[str, str] = {}
    for path in tqdm([path for path in files if path.stem in listed], desc="Clips", unit=" clips"):
        clip = CorpusClip(out, path.stem, listed[path.stem])
        try:
            if clip.id not in known or not clip.audio_file.is_file():
                known[clip.id] = asdict(_convert_clip(path, clip, body, faces))
                write_text(report_file, json.dumps(known, indent=1) + "\n")
            residuals[clip.id] = Residual(**known[clip.id])
        except EmageError as error:
            broken[clip.id] = str(error)
    if not residuals:
        raise CorpusError(f"No clip of {root} can be converted. {next(iter(broken.values()), 'None is listed.')}")
    faceless = tuple(path.stem for path in files if path.stem in residuals and not path.with_suffix(".json").is_file())
    write_text(out / CHANNELS_FILE, json.dumps({"clips": {clip: ["face"] for clip in faceless}}, indent=1) + "\n")
    write_text(out / SPLIT_FILE, "id,type\n" + "".join(f"{clip},{listed[clip]}\n" for clip in residuals))
    return Conversion(residuals, broken, faceless)


def _share_out(ids: Sequence[str]) -> dict[str, str]:
    """The split of each clip, in the order of the ids of a speaker."""
    by_speaker: dict[str, list[str]] = {}
    for clip in ids:
        by_speaker.setdefault(clip.split("_")[0], []).append(clip)
    kinds = {_HELD_OUT_EVERY - 2: "val", _HELD_OUT_EVERY - 1: "test"}
    numbered = [(clip, number) for of_speaker in by_speaker.values() for number, clip in enumerate(of_speaker)]
    return {clip: kinds.get(number % _HELD_OUT_EVERY, "train") for clip, number in numbered}


def _convert_clip(path: Path, clip: CorpusClip, body: Body, faces: Faces) -> Residual:
    audio = load_audio(path.with_suffix(".wav"))
    motion, residual = to_smplx(read_captured(path), body)
    motion = motion.resample(FPS)
    if path.with_suffix(".json").is_file():
        motion = put_on_face(motion, load_arkit(path.with_suffix(".json")).resample(FPS), faces)
    else:
        motion = replace(motion, expression_basis=faces)
    motion.save(clip.motion_file)
    for ending, target in ((".TextGrid", clip.words_file), (".txt", clip.semantic_file)):
        if path.with_suffix(ending).is_file():
            with new_file(target) as temporary:
                shutil.copyfile(path.with_suffix(ending), temporary)
    with new_file(clip.audio_file) as temporary:
        soundfile.write(temporary, audio, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return residual


def put_on_face(motion: Motion, face: Motion, faces: Faces) -> Motion:
    """A motion with the face of another, in a basis; both are cut to the shorter.

    Raises:
        BodyError: the matrix of faces is needed and cannot be had.
    """
    frames = min(motion.num_frames, face.num_frames)
    motion, face = motion.frames(0, frames), face.frames(0, frames)
    assert face.expression_basis == ARKIT52
    if faces == FLAME2020:
        face = loader_of().load().convert(face, FLAME2020)
    poses = motion.poses.copy()
    jaw = slice(3 * JAW_JOINT, 3 * JAW_JOINT + 3)
    poses[:, jaw] = face.poses[:, jaw]
    return replace(motion, poses=poses, expressions=face.expressions, expression_basis=faces)
