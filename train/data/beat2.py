"""BEAT2 (Liu et al., CVPR 2024): where it comes from, and how many sequences and windows there are of it.

The published table of windows (`beat2_s20_l64_speaker2.json` of the authors' code: 7569 train, 834 val and 1439 test of
speaker 2) counts the frames of the motion alone, not of the sound, and begins no window where the last would end with
the clip's last frame. Ours are cut to the shorter of motion and sound, and take that window too.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from emage.download import Repo, fetch_folder
from emage.errors import MotionError
from emage.files import array_shapes
from emage.motion import FPS
from train.data.corpus import LANGUAGES, SPLIT_FILE, SPLITS, CorpusClip, CorpusError, language_folder

BEAT2_REPO = Repo("H-Liu1997/BEAT2", "8689ecb43513ba31964fd60e0ca69be02d3b0872", "dataset")
WINDOW_FRAMES, STRIDE_FRAMES = 64, 20
"""Of the published windows."""


def download_beat2(root: Path, languages: Collection[str], speakers: Collection[int] = ()) -> list[Path]:
    """Bring the clips of languages and speakers (all by default) into a folder, with lists and weights; what is there
    stays, and a download that was broken off goes on.

    -> the folder of each language. The authors ask that BEAT2 be used for research alone.

    Raises:
        CorpusError: no such language, or none of these speakers in it. WeightsError: what the Hub or the disk says.
    """
    if unknown := [language for language in languages if language not in LANGUAGES]:
        raise CorpusError(f"BEAT2 has no language '{unknown[0]}'; it has {', '.join(LANGUAGES)}.")
    patterns = []
    for language in languages:
        name = language_folder(root, language).name
        clips = [f"{name}/*/{speaker}_*" for speaker in speakers] or [f"{name}/*"]
        patterns += [f"{name}/{SPLIT_FILE}", f"{name}/weights/*", *clips]
    fetch_folder(BEAT2_REPO, patterns, root)
    return [language_folder(root, language) for language in languages]


@dataclass(frozen=True)
class SplitCount:
    """Of one split: its sequences, their frames, the windows that the published table has of such lengths, and the
    sequences whose motion is not there or cannot be read, which count for nothing else."""

    split: str
    sequences: int
    frames: int
    published_windows: int
    unreadable: int

    @property
    def hours(self) -> float:
        return self.frames / FPS / 3600


def count_published_windows(
    num_frames: int, window_frames: int = WINDOW_FRAMES, stride_frames: int = STRIDE_FRAMES
) -> int:
    """The windows of a clip's motion as the published table counts them."""
    return len(range(0, num_frames - window_frames, stride_frames))


def count_splits(clips: Iterable[CorpusClip]) -> list[SplitCount]:
    """Of every split that clips are of, by the headers of their motion files; no frame is read."""
    lengths: dict[str, list[int | None]] = {split: [] for split in SPLITS}
    for clip in clips:
        lengths[clip.split].append(_num_frames(clip.motion_file))
    return [
        SplitCount(
            split,
            len(of_split),
            sum(known),
            sum(count_published_windows(frames) for frames in known),
            len(of_split) - len(known),
        )
        for split, of_split in lengths.items()
        if of_split
        for known in [[frames for frames in of_split if frames is not None]]
    ]


def _num_frames(path: Path) -> int | None:
    try:
        shape = array_shapes(path, MotionError).get("poses", ())
    except MotionError:
        return None
    return shape[0] if shape else None
