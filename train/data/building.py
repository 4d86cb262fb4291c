"""From corpora in BEAT2's layout to a cache: every clip decoded once, by several processes.

python -m train.data --corpus ROOT --out CACHE

What clips are made of is known by hash. A build that was stopped goes on where it was, and a cache that is there is
brought up to date: what has changed on the disk is decoded again, what has not is taken over as it is.
"""

import functools
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tyro

from emage.body import Body
from emage.errors import EmageError
from emage.evaluation.published import semantic_scores
from emage.files import check_writable, new_file, output_error, write_text
from emage.hints.mask import foot_contacts, motion_channels
from emage.motion import FLAME2020, FPS, Motion
from emage.recording.audio import frame_to_sample, load_audio, num_frames
from emage.recording.features import onset_samples, word_indices
from emage.recording.transcript import Word, load_words
from emage.recording.vocabulary import Vocabulary
from train.data.cache import (
    ARRAYS,
    FORMAT,
    INDEX_NAME,
    SPEECH_NAME,
    VOCABULARY_NAME,
    Cache,
    Clip,
    StoredSpeech,
)
from train.data.channels import AUDIO, TRANS
from train.data.corpus import CorpusClip, CorpusError, first_twice, list_clips, read_left_out
from train.data.partial import load_clip_motion, stand_on_floor
from train.data.semantics import SemanticLabel, read_semantic_labels, read_strokes
from train.data.workers import open_workers, own_body
from train.run.command import run_command

_JOURNAL = "journal.jsonl"
_LATER = ("words",)
"""Arrays that are written when all clips are there, for they need the vocabulary."""
_MOST_NAMED = 20


@dataclass(frozen=True)
class BuildCache:
    """Decode corpora in BEAT2's layout into a cache for training."""

    corpus: tuple[Path, ...]
    """A folder with smplxflame_30/, wave16k/ and train_test_split.csv, or one that holds such folders of BEAT2's
    languages; several are trained on together. Where clips lack something, channels.json beside the list says so."""
    out: Path
    """The folder to make; it appears whole or not at all. A run that was stopped goes on where it was when the same
    command is given again, and a cache that is there is brought up to date."""
    speakers: tuple[int, ...] = ()
    """The leading numbers of the clips to take; all by default."""
    languages: tuple[str, ...] = ()
    """Of BEAT2, where the folder holds several; all by default."""
    leave_out: Path | None = None
    """A list of clips to leave out, one a line, such as that of `python -m train.beat2 doctor`."""
    skip_broken: bool = False
    """Leave out clips that are damaged or incomplete; they are named."""
    processes: int = 1
    """That decode at once; the cache is the same."""

    def run(self) -> None:
        made = build_cache(
            self.corpus,
            self.out,
            self.speakers,
            languages=self.languages,
            leave_out=read_left_out(self.leave_out) if self.leave_out else frozenset(),
            skip_broken=self.skip_broken,
            processes=self.processes,
        )
        hours = sum(clip.num_frames for clip in made.clips) / FPS / 3600
        print(f"{self.out}: {len(made.clips)} clips, {hours:.2f} h")


def build_cache(
    corpus: Path | Sequence[Path],
    out: Path,
    speakers: tuple[int, ...] = (),
    body: Body | None = None,
    languages: tuple[str, ...] = (),
    leave_out: Collection[str] = frozenset(),
    skip_broken: bool = False,
    processes: int = 1,
) -> Cache:
    """Decode every clip once.

    Motion is brought to 30 frames a second and sound to 16 kHz, and both are cut to the shorter. Foot contacts are
    those of `body`, by default the one that `load_body` gives. What is decoded stays, under a name of its own beside
    `out`, until the cache is whole: the next call goes on from there.

    body: for one process alone; several load theirs.
    leave_out: ids of clips that are not taken.
    skip_broken: leave clips out that are damaged or incomplete, and say on stderr which.
    processes: that decode at once. The cache is the same to the last byte.

    Raises:
        CorpusError: no list of clips, clips of several expression bases, or `out` is something else than a cache of
            such clips; clips that are damaged or incomplete, all of them named when the others are decoded.
            OutputError: the disk is full.
    """
    assert body is None or processes == 1
    _make_parent(out)
    _put_back(out)
    corpora = (corpus,) if isinstance(corpus, Path) else tuple(corpus)
    of_corpus = {
        clip: number
        for number, root in enumerate(corpora)
        for clip in list_clips(root, speakers, languages)
        if clip.id not in leave_out
    }
    listed = list(of_corpus)
    if not listed:
        raise CorpusError(f"All clips of {', '.join(map(str, corpora))} are to be left out.")
    if twice := first_twice([clip.id for clip in listed]):
        raise CorpusError(f"Several of these corpora have a clip {twice}. Leave it out of all but one.")
    _check_bases(listed)
    name = (body or own_body()).name
    previous = _open_previous(out, name)
    decode = try_to_decode if body is None else functools.partial(try_to_decode, body=body)
    with open_workers(processes) as workers:
        hashes = workers.map("Hashes", hash_sources, listed)
        sources = {clip.id: source for clip, source in zip(listed, hashes, strict=True)}
        _check_related(previous, sources)
        building = DecodedClips(out.parent / f".{out.name}.unfinished", name, sources)
        missing = [clip for clip in listed if clip.id not in building.clips]
        taken_over = _find_unchanged(previous, sources)
        made_anew = workers.map("Clips", decode, [clip for clip in missing if clip.id not in taken_over])
        broken: dict[str, str] = {}
        for clip in missing:
            made = _take_over(previous, taken_over[clip.id]) if clip.id in taken_over else next(made_anew)
            if isinstance(made, str):
                broken[clip.id] = made
            else:
                building.add(clip.id, made)
        assert next(made_anew, None) is None
    if broken:
        told = _name_broken(broken, len(listed))
        if not (skip_broken and building.clips):
            raise CorpusError(
                f"{told}\nMend them, or leave them out with --skip-broken. What is decoded stays: given again, the "
                "command goes on from there."
            )
        sys.stderr.write(f"{told}\nThey are left out.\n")
    whole = {clip: number for clip, number in of_corpus.items() if clip.id not in broken}
    if previous is not None and _is_up_to_date(previous, whole, sources):
        building.discard()
        return previous
    return building.finish(whole, out)


def _make_parent(out: Path) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(out, error) from error
    check_writable(out.parent / f".{out.name}.journal")


def _replaced(out: Path) -> Path:
    """Where a cache is for the moment in which another takes its place."""
    return out.parent / f".{out.name}.replaced"


def _put_back(out: Path) -> None:
    """Undo or finish what was stopped while one cache took the place of another."""
    if _replaced(out).is_dir() and not out.exists():
        os.replace(_replaced(out), out)
    shutil.rmtree(_replaced(out), ignore_errors=True)
    (out / _JOURNAL).unlink(missing_ok=True)


_REMEDY = "Remove it, or name another folder for the cache."


def _open_previous(out: Path, body: str) -> Cache | None:
    """What is there already, where it can be brought up to date. Raises CorpusError where it is something else."""
    if not out.exists():
        return None
    if not (out / INDEX_NAME).is_file():
        raise CorpusError(f"{out} is there already and holds no cache. {_REMEDY}")
    previous = Cache(out)
    if previous.is_old:
        raise CorpusError(f"{out} is there already, of an earlier format that does not say what of. {_REMEDY}")
    if previous.body != body:
        raise CorpusError(f"{out} is there already, made by the body '{previous.body}', not '{body}'. {_REMEDY}")
    return previous


def _check_related(previous: Cache | None, sources: dict[str, str]) -> None:
    """Raise CorpusError where a cache holds no clip by any of these names: it is of something else."""
    if previous is not None and not any(clip.id in sources for clip in previous.clips):
        raise CorpusError(f"{previous.folder} is there already, of quite other clips. {_REMEDY}")


def _find_unchanged(previous: Cache | None, sources: dict[str, str]) -> dict[str, Clip]:
    """The clips of a cache that are made of what is there now."""
    clips = previous.clips if previous is not None else ()
    return {clip.id: clip for clip in clips if sources.get(clip.id) == clip.source}


def _take_over(previous: Cache, clip: Clip) -> "Decoded":
    basis = "" if "face" in clip.missing else previous.expression_basis
    return Decoded(previous.read_arrays(clip), basis, previous.read_speech(clip))


def _is_up_to_date(previous: Cache, clips: Mapping[CorpusClip, int], sources: dict[str, str]) -> bool:
    have = [(clip.id, clip.split, clip.source, clip.corpus) for clip in previous.clips]
    return have == [(clip.id, clip.split, sources[clip.id], number) for clip, number in clips.items()]


def _check_bases(clips: Sequence[CorpusClip]) -> None:
    """Raise CorpusError where clips have several expression bases, before anything is decoded. What cannot be read is
    told later, clip by clip."""
    bases: dict[str, list[str]] = {}
    for clip in (clip for clip in clips if "face" not in clip.missing):
        with suppress(EmageError):
            bases.setdefault(Motion.basis_of(clip.motion_file), []).append(clip.id)
    if len(bases) > 1:
        told = "; ".join(f"{basis}: {len(of)} clips, such as {of[0]}" for basis, of in bases.items())
        raise CorpusError(f"These clips mix expression bases ({told}). Train on one basis at a time.")


def _name_broken(broken: dict[str, str], count: int) -> str:
    lines = [f"- {clip}: {why}" for clip, why in islice(broken.items(), _MOST_NAMED)]
    if len(broken) > _MOST_NAMED:
        others = list(broken)[_MOST_NAMED:]
        lines.append(f"- and {', '.join(others)}")
    return "\n".join([f"{len(broken)} of {count} clips cannot be used:", *lines])


# --- one clip ---------------------------------------------------------------------------------------------------------


class Decoded(NamedTuple):
    """What a cache holds of a clip: its rows by the names of the arrays, the basis of its expressions, empty where it
    has none, and what is said and meant in it, as a line of speech.jsonl."""

    arrays: dict[str, np.ndarray]
    basis: str
    speech: StoredSpeech


def try_to_decode(clip: CorpusClip, body: Body | None = None) -> Decoded | str:
    """-> what the cache holds of a clip, or what is wrong with it. body: the process's own by default."""
    try:
        return decode_clip(clip, body or own_body())
    except EmageError as error:
        return str(error)


def decode_clip(clip: CorpusClip, body: Body) -> Decoded:
    """Raises EmageError for a clip that is damaged or incomplete."""
    is_silent = AUDIO in clip.missing
    for path in (clip.motion_file,) if is_silent else (clip.motion_file, clip.audio_file):
        if not path.is_file():
            raise CorpusError(f"{path} is missing, but train_test_split.csv lists it. Complete the corpus.")
    motion = load_clip_motion(clip).resample(FPS)
    audio = np.zeros(frame_to_sample(motion.num_frames)) if is_silent else load_audio(clip.audio_file)
    frames = min(motion.num_frames, num_frames(len(audio)))
    motion = motion.frames(0, frames)
    if TRANS in clip.missing:
        motion = stand_on_floor(motion, body)
    audio = audio[: frame_to_sample(frames)]
    audio = np.pad(audio, (0, frame_to_sample(frames) - len(audio)))  # half a frame at most
    samples = np.clip(np.round(audio * 32768), -32768, 32767).astype("<i2")
    contacts = foot_contacts(body.joints(motion))
    if TRANS in clip.missing:
        contacts = np.zeros_like(contacts)
    labels = read_semantic_labels(clip.semantic_file) if clip.semantic_file.is_file() else []
    arrays = {
        "motion": motion_channels(motion, contacts),
        "expressions": motion.expressions,
        "root_velocity": differentiate_path(motion.trans),
        "audio": samples,
        "semantic": semantic_scores([(label.start_s, label.end_s, label.score) for label in labels], frames),
        "onsets": onset_samples(samples.astype(np.float32) / 32768),
    }
    arrays = {name: np.ascontiguousarray(array, ARRAYS[name].dtype) for name, array in arrays.items()}
    basis = "" if "face" in clip.missing else motion.expression_basis
    return Decoded(arrays, basis, _read_speech(clip, labels))


def differentiate_path(trans: np.ndarray) -> np.ndarray:
    """(T, 3) positions in metres -> (T, 3): x velocity (m/s), height (m), z velocity (m/s).

    The velocity of a frame leads to the next one, as `integrate_root` sums it; the last frame's is the one before.
    """
    step = np.diff(trans, axis=0, append=trans[-1:] + np.diff(trans[-2:], axis=0).sum(0)) * FPS
    return np.stack([step[:, 0], trans[:, 1], step[:, 2]], -1)


def _read_speech(clip: CorpusClip, labels: Sequence[SemanticLabel]) -> StoredSpeech:
    words = load_words(clip.words_file) if clip.words_file.is_file() else ()
    strokes = read_strokes(clip.strokes_file) if clip.strokes_file.is_file() else []
    return StoredSpeech(
        [(word.text, word.start_s, word.end_s) for word in words],
        [(stroke.gesture, stroke.word, stroke.apex_s) for stroke in strokes],
        [(label.kind, label.start_s, label.end_s, label.score, label.word) for label in labels],
    )


def hash_sources(clip: CorpusClip) -> str:
    """sha256 of all files of a clip, of which it has, and of what it lacks."""
    digest = hashlib.sha256(",".join(clip.missing).encode())
    for path in clip.files:
        digest.update(path.parent.name.encode())
        with suppress(FileNotFoundError, NotADirectoryError), path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


# --- all clips --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _JournalLine:
    """What the journal says of a clip: rows of each array, its line of speech.jsonl, and what it was made of."""

    id: str
    num_frames: int
    num_onsets: int
    num_bytes: int
    basis: str
    source: str


class DecodedClips:
    """Clips that are decoded, in a folder that becomes a cache: arrays end to end, and a line of each in a journal.

    A process may be killed at any moment: what no line of the journal names is cut off the files again.

    clips: where each lies, by its id, in the order of the arrays.
    """

    def __init__(self, folder: Path, body: str, sources: dict[str, str]):
        """Go on with what is in the folder, as far as that is of clips that are wanted, by this body, and made of what
        is there now.

        sources: the hash of each clip that is wanted, by its id.
        """
        self._sources = sources
        self._folder, self._body = folder, body
        self._journal = folder / _JOURNAL
        self._head = json.dumps({"format": FORMAT, "body": body}) + "\n"
        self._basis = ""
        self._forget()
        if not self._resume():
            self._begin()

    def _forget(self) -> None:
        self.clips: dict[str, Clip] = {}
        self._sizes: dict[str, int] = dict.fromkeys([*(name for name in ARRAYS if name not in _LATER), SPEECH_NAME], 0)

    def _begin(self) -> None:
        self._forget()
        shutil.rmtree(self._folder, ignore_errors=True)
        try:
            self._folder.mkdir()
            self._journal.write_text(self._head, "utf-8")
            for name in self._sizes:
                (self._folder / name).touch()
        except OSError as error:
            raise output_error(self._folder, error) from error

    def discard(self) -> None:
        """Nothing is needed of it."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _resume(self) -> bool:
        try:
            head, *lines = self._journal.read_text("utf-8").splitlines(keepends=True)
            if head != self._head:
                return False
            kept = [self._head]
            for text in lines:
                if not text.endswith("\n"):  # it was being written
                    break
                line = _JournalLine(**json.loads(text))
                if self._sources.get(line.id) != line.source:
                    break
                self._count(line)
                kept.append(text)
            for name, size in self._sizes.items():
                if (self._folder / name).stat().st_size < size:
                    return False
                os.truncate(self._folder / name, size)
            with new_file(self._journal) as temporary:
                temporary.write_text("".join(kept), "utf-8")
            for path in self._folder.iterdir():  # what was being written when it was killed
                if path.name not in (*self._sizes, _JOURNAL):
                    path.unlink()
        except (OSError, ValueError, TypeError):  # whatever a journal that is cut or foreign gives
            return False
        return True

    def _count(self, line: _JournalLine) -> None:
        before = self._sizes
        clip = Clip(
            id=line.id,
            split="",
            speaker=0,
            first_frame=before["motion"] // ARRAYS["motion"].row_bytes,
            num_frames=line.num_frames,
            first_sample=before["audio"] // ARRAYS["audio"].row_bytes,
            first_onset=before["onsets"] // ARRAYS["onsets"].row_bytes,
            num_onsets=line.num_onsets,
            first_byte=before[SPEECH_NAME],
            num_bytes=line.num_bytes,
            source=line.source,
        )
        rows = {"audio": clip.num_samples, "onsets": clip.num_onsets}
        self.clips[clip.id] = clip
        self._basis = self._basis or line.basis
        for name in before:
            before[name] += (
                line.num_bytes if name == SPEECH_NAME else rows.get(name, clip.num_frames) * ARRAYS[name].row_bytes
            )

    def add(self, clip_id: str, decoded: Decoded) -> None:
        """Append a clip. Raises OutputError."""
        speech = (json.dumps(asdict(decoded.speech), ensure_ascii=False) + "\n").encode()
        frames, onsets = len(decoded.arrays["motion"]), len(decoded.arrays["onsets"])
        line = _JournalLine(clip_id, frames, onsets, len(speech), decoded.basis, self._sources[clip_id])
        try:
            for name in self._sizes:
                with (self._folder / name).open("ab") as stream:
                    stream.write(speech if name == SPEECH_NAME else decoded.arrays[name].tobytes())
            with self._journal.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(line)) + "\n")
        except OSError as error:
            raise output_error(self._folder, error) from error
        self._count(line)

    def finish(self, listed: Mapping[CorpusClip, int], out: Path) -> Cache:
        """Make it a cache of these clips, each with its split and the number of its corpus, in the place of what is
        there. Who is never heard has no place among the speakers. Raises OutputError."""
        table = sorted({clip.speaker for clip in listed if AUDIO not in clip.missing})
        clips = [
            {
                **asdict(self.clips[clip.id]),
                "split": clip.split,
                "speaker": 0 if AUDIO in clip.missing else table.index(clip.speaker),
                "missing": clip.missing,
                "corpus": number,
            }
            for clip, number in listed.items()
        ]
        index = {
            "format": FORMAT,
            "speakers": table,
            "expression_basis": self._basis or FLAME2020,
            "body": self._body,
            "clips": clips,
        }
        self._write_words({clip.id for clip in listed if clip.split == "train"})
        write_text(self._folder / INDEX_NAME, json.dumps(index, indent=1) + "\n")
        try:
            if out.exists():
                os.replace(out, _replaced(out))
            os.replace(self._folder, out)
        except OSError as error:
            raise output_error(out, error) from error
        _put_back(out)
        return Cache(out)

    def _write_words(self, heard: Collection[str]) -> None:
        """The vocabulary of the clips that are heard in training, and the index of each frame's word in it."""
        texts = {word.text for clip_id, words in self._spoken() if clip_id in heard for word in words}
        vocabulary = Vocabulary.of(sorted(texts)) if texts else None
        if vocabulary is not None:
            vocabulary.save(self._folder / VOCABULARY_NAME)
        with new_file(self._folder / "words") as temporary, temporary.open("wb") as stream:
            for clip_id, words in self._spoken():
                frames = self.clips[clip_id].num_frames
                indices = np.zeros(frames) if vocabulary is None else word_indices(words, vocabulary, frames)
                stream.write(indices.astype(ARRAYS["words"].dtype).tobytes())

    def _spoken(self) -> Iterator[tuple[str, list[Word]]]:
        """The words of every clip, in the order of the arrays."""
        with (self._folder / SPEECH_NAME).open(encoding="utf-8") as stream:
            for clip_id, line in zip(self.clips, stream, strict=True):
                yield clip_id, [Word(*word) for word in json.loads(line)["words"]]


def main() -> None:
    run_command(tyro.cli(BuildCache, prog="python -m train.data", description=__doc__).run)
