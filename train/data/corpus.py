"""A corpus in BEAT2's layout, on the disk: which clips it lists, and where the files of each are.

A corpus is ROOT/{smplxflame_30/<id>.npz, wave16k/<id>.wav, train_test_split.csv}, and where it has them
ROOT/{textgrid/<id>.TextGrid, sem/<id>.txt, strokes/<id>.json}. Several of them may stand beside each other in one
folder under BEAT2's names, `beat_<language>_v2.0.0`.

Where clips lack something of `train.data.channels.CHANNELS`, ROOT/channels.json says so: {"missing": ["audio", "face"]}
of all clips, {"clips": {"2_scott_0_1_1": ["lower"]}} of some.
"""

import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from emage.errors import EmageError
from emage.validation import build, checked
from train.data.channels import AUDIO, CHANNELS, TRANS

SPLITS = ("train", "val", "test", "additional")
SPLIT_FILE = "train_test_split.csv"
CHANNELS_FILE = "channels.json"
LANGUAGES = ("english", "chinese", "japanese", "spanish")
"""Of BEAT2; the clips of each are a corpus of their own."""


class CorpusError(EmageError):
    """A corpus or a cache made of it is incomplete or damaged."""


@dataclass(frozen=True)
class CorpusClip:
    """One clip that a corpus lists, and the paths of its files, which need not be there."""

    corpus: Path
    id: str
    split: str
    missing: tuple[str, ...] = ()
    """What it lacks, in the order of `CHANNELS`."""

    @property
    def speaker(self) -> int:
        """The number that its id begins with. Raises CorpusError where there is none."""
        return speaker_of(self.id)

    @property
    def motion_file(self) -> Path:
        return self.corpus / "smplxflame_30" / f"{self.id}.npz"

    @property
    def audio_file(self) -> Path:
        return self.corpus / "wave16k" / f"{self.id}.wav"

    @property
    def words_file(self) -> Path:
        return self.corpus / "textgrid" / f"{self.id}.TextGrid"

    @property
    def strokes_file(self) -> Path:
        """Of the synthetic corpus alone."""
        return self.corpus / "strokes" / f"{self.id}.json"

    @property
    def semantic_file(self) -> Path:
        return self.corpus / "sem" / f"{self.id}.txt"

    @property
    def files(self) -> tuple[Path, ...]:
        """All that a clip may have."""
        return self.motion_file, self.audio_file, self.words_file, self.strokes_file, self.semantic_file


def speaker_of(clip_id: str) -> int:
    """The number that an id begins with. Raises CorpusError."""
    number = clip_id.split("_")[0]
    if not number.isdecimal():
        raise CorpusError(f"The clip '{clip_id}' does not begin with its speaker's number, as in 2_scott_0_1_1.")
    return int(number)


def language_folder(root: Path, language: str) -> Path:
    """Where BEAT2 has the clips of a language."""
    return root / f"beat_{language}_v2.0.0"


def find_corpora(root: Path, languages: Collection[str] = ()) -> list[Path]:
    """The corpora in a folder: the folder itself, or those of BEAT2's languages in it.

    languages: of BEAT2; all that are there by default.

    Raises:
        CorpusError: there is none, or not one of a language that is asked for.
    """
    if unknown := [language for language in languages if language not in LANGUAGES]:
        raise CorpusError(f"BEAT2 has no language '{unknown[0]}'; it has {', '.join(LANGUAGES)}.")
    if (root / SPLIT_FILE).is_file():
        if languages:
            raise CorpusError(f"{root} is one corpus. Name the folder that holds those of BEAT2's languages.")
        return [root]
    folders = {language: language_folder(root, language) for language in languages or LANGUAGES}
    found = [folder for folder in folders.values() if folder.is_dir()]
    if missing := [language for language in languages if not folders[language].is_dir()]:
        raise CorpusError(
            f"{root} has no folder {folders[missing[0]].name}. Download it: python -m train.beat2 download"
        )
    if not found:
        raise CorpusError(
            f"{root / SPLIT_FILE} is missing. A corpus lists its clips there, in columns id and type; or name a folder "
            f"with those of BEAT2, such as {language_folder(root, LANGUAGES[0]).name}."
        )
    return found


def list_clips(root: Path, speakers: Collection[int] = (), languages: Collection[str] = ()) -> list[CorpusClip]:
    """What the corpora in a folder list, in their order. speakers, languages: all by default; clips without sound are
    of no speaker and are always there.

    Raises:
        CorpusError: no corpus, lists that cannot be read, a clip that is listed twice, or none of these speakers.
    """
    clips = [clip for corpus in find_corpora(root, languages) for clip in read_list(corpus)]
    if twice := first_twice([clip.id for clip in clips]):
        raise CorpusError(f"{root} lists the clip {twice} more than once. Leave one line of it.")
    clips = [clip for clip in clips if not speakers or AUDIO in clip.missing or clip.speaker in speakers]
    if not clips:
        raise CorpusError(f"{root} has no clips of speakers {tuple(speakers)}; see its {SPLIT_FILE}.")
    return clips


def read_list(corpus: Path) -> list[CorpusClip]:
    """What one corpus lists. Raises CorpusError."""
    path = corpus / SPLIT_FILE
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = [(row.get("id"), row.get("type")) for row in csv.DictReader(stream)]
    except FileNotFoundError as error:
        raise CorpusError(f"{path} is missing. A corpus lists its clips there, in columns id and type.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{path} cannot be read as UTF-8 text with commas ({error}). Save it as that.") from error
    for clip, split in rows:
        if not clip or split not in SPLITS:
            raise CorpusError(f"{path}: the line {clip},{split} is not an id and one of {', '.join(SPLITS)}.")
    if twice := first_twice([clip for clip, _ in rows]):
        raise CorpusError(f"{path} lists the clip {twice} more than once. Leave one line of it.")
    lacking = _read_lacking(corpus / CHANNELS_FILE)
    if unknown := [clip for clip in lacking.clips if clip not in {clip for clip, _ in rows}]:
        raise CorpusError(f"{corpus / CHANNELS_FILE} speaks of {unknown[0]}, which {SPLIT_FILE} does not list.")
    return [CorpusClip(corpus, clip, split, lacking.of(clip)) for clip, split in rows]


_Channel = Literal["audio", "face", "upper", "hands", "lower", "translation"]


@checked(CorpusError)
class _Lacking:
    """channels.json of a corpus."""

    missing: list[_Channel] = field(default_factory=list)
    clips: dict[str, list[_Channel]] = field(default_factory=dict)

    def of(self, clip_id: str) -> tuple[str, ...]:
        """What a clip lacks; who has no legs has no translation."""
        lacks = {*self.missing, *self.clips.get(clip_id, ())}
        return tuple(c for c in CHANNELS if c in lacks or (c == TRANS and "lower" in lacks))


def _read_lacking(path: Path) -> _Lacking:
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return _Lacking()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read ({error}).") from error
    return build(_Lacking, text, CorpusError, str(path))


def first_twice(ids: Sequence[str]) -> str | None:
    """The first id that was there before."""
    seen: set[str] = set()
    for clip_id in ids:
        if clip_id in seen:
            return clip_id
        seen.add(clip_id)
    return None


def read_left_out(path: Path) -> frozenset[str]:
    """The ids of a list of clips to leave out: one a line, what stands behind # is a remark.

    Raises:
        CorpusError: it cannot be read.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read as a list of clips ({error}).") from error
    return frozenset(clip for line in lines if (clip := line.split("#")[0].strip()))
