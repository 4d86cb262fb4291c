"""Clips -> files in BEAT2's layout, by several processes, resumable.

Every clip goes through the compact form: the synthesizer's sound is compressed and its times are rounded to
milliseconds, and the corpus is made of these. So a corpus rebuilt from the compact form is the same.
"""

import csv
import json
import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from praatio import textgrid
from tqdm import tqdm

from emage.files import new_file
from emage.recording.audio import SAMPLE_RATE_HZ
from train.run.workers import begin_worker
from train.synthetic.compose import perform
from train.synthetic.errors import CorpusError
from train.synthetic.grammar import sentence
from train.synthetic.phones import SILENCE
from train.synthetic.speakers import SPEAKERS, speaker_of
from train.synthetic.strokes import BEAT, Stroke
from train.synthetic.timing import FORMAT, Times

COMPACT = "compact"
FOLDERS = ("smplxflame_30", "wave16k", "textgrid", "sem", "strokes")
SPLIT_FILE = "train_test_split.csv"
SETTINGS_FILE = "corpus.json"
CLIP_S = 50.0
"""About how long a clip is."""

_WORDS_PER_S = 2.45  # of these voices, pauses included
_OPUS_COMPRESSION = 0.9  # about 32 kbit/s
_POINTING = frozenset(["self", "you", "we", "they", "there", "here", "this", "that", "left", "right", "up", "down"])


@dataclass(frozen=True)
class CorpusSettings:
    """A corpus from nothing; needs the synthesizers.

    out: folder to write. hours: of speech. seed: of everything. processes: that work at once; the files do not depend
    on their number.

    Raises:
        CorpusError: settings that make no corpus.
    """

    out: Path
    hours: float = 2.0
    seed: int = 0
    processes: int = 2

    def __post_init__(self):
        if not 0 < self.hours <= 1000:
            raise CorpusError(f"hours={self.hours} makes no corpus; give more than 0 and at most 1000.")
        if self.seed < 0:
            raise CorpusError(f"seed={self.seed}: a seed is a whole number, 0 or more.")
        _check_processes(self.processes)


@dataclass(frozen=True)
class RebuildSettings:
    """The same corpus from its compact form; needs no synthesizer.

    compact: folder of times and compressed speech. out: folder to write. processes: that work at once.

    Raises:
        CorpusError: settings that make no corpus.
    """

    compact: Path
    out: Path
    processes: int = 2

    def __post_init__(self):
        _check_processes(self.processes)


def _check_processes(processes: int) -> None:
    if not 1 <= processes <= 512:
        raise CorpusError(f"processes={processes}: give 1 or more.")


@dataclass(frozen=True)
class Clip:
    """number: of the speaker's clips, from 1."""

    speaker: int
    number: int

    @property
    def name(self) -> str:
        return f"{self.speaker}_{speaker_of(self.speaker).name}_0_{self.number}_{self.number}"

    @property
    def split(self) -> str:
        """Of every nine clips of a speaker one is for validation and one for the test."""
        return {2: "val", 3: "test"}.get((self.number - 1) % 9 + 1, "train")

    @classmethod
    def from_name(cls, name: str) -> "Clip":
        """Raises CorpusError for a name that is no clip of this corpus."""
        parts = name.split("_")
        if len(parts) == 5 and parts[0].isdigit() and parts[4].isdigit():
            speaker, number = int(parts[0]), int(parts[4])
            if any(known.number == speaker for known in SPEAKERS) and cls(speaker, number).name == name:
                return cls(speaker, number)
        raise CorpusError(f"'{name}' is no clip of the synthetic corpus.")


def clips_of(hours: float) -> list[Clip]:
    """All speakers in turn, until there are enough; a longer corpus begins with the clips of a shorter one."""
    count = max(1, round(hours * 3600 / CLIP_S))
    return [Clip(SPEAKERS[i % len(SPEAKERS)].number, i // len(SPEAKERS) + 1) for i in range(count)]


def make_corpus(settings: CorpusSettings) -> None:
    """Write the corpus, its compact form in `compact/`; clips that are there whole are left as they are.

    Raises:
        CorpusError: no synthesizers, or a folder that holds a corpus of other settings.
        OutputError: files cannot be written.
    """
    prepare_folder(settings.out, {"seed": settings.seed, "format": FORMAT})
    clips = clips_of(settings.hours)
    compact = settings.out / COMPACT
    work = [(clip, settings.seed, compact, settings.out) for clip in clips]
    _run(_make_clip, work, settings.processes, (__name__, "train.synthetic.speech"))
    _write_split(settings.out, clips)


def rebuild_corpus(settings: RebuildSettings) -> None:
    """Write the corpus that a compact form describes.

    Raises:
        CorpusError: no or damaged compact form.
        OutputError: files cannot be written.
    """
    described = _read_json(settings.compact / SETTINGS_FILE)
    clips = [Clip.from_name(path.stem) for path in settings.compact.glob("*.json") if path.name != SETTINGS_FILE]
    if not clips:
        raise CorpusError(f"{settings.compact} holds no times; name the folder 'compact' of a corpus.")
    clips.sort(key=lambda clip: (clip.number, clip.speaker))
    prepare_folder(settings.out, described)
    work = [(clip, settings.compact, settings.out) for clip in clips]
    _run(build_clip, work, settings.processes, (__name__,))
    _write_split(settings.out, clips)


# --- one clip ---------------------------------------------------------------------------------------------------------


def _make_clip(clip: Clip, seed: int, compact: Path, out: Path) -> None:
    speak_clip(clip, seed, compact)
    build_clip(clip, compact, out)


def speak_clip(clip: Clip, seed: int, compact: Path) -> None:
    """Sentences, speech and times of a clip into the compact form. The times are written last: they say it is whole."""
    if (compact / f"{clip.name}.json").is_file():
        return
    # Here, for a machine that only rebuilds the motion needs nothing of it.
    from train.synthetic.speech import phrases_of, speak

    sequence = np.random.SeedSequence([seed, clip.speaker, clip.number])
    rng, voice = np.random.default_rng(sequence), speaker_of(clip.speaker).voice
    wanted, sentences = int(CLIP_S * _WORDS_PER_S * voice.rate / voice.size * rng.uniform(0.85, 1.15)), []
    while sum(map(len, sentences)) < wanted:
        sentences.append(sentence(rng))
    motion_seed = int(sequence.generate_state(1)[0])
    audio, times = speak(clip.name, clip.speaker, motion_seed, voice, phrases_of(sentences, voice, rng))
    with (
        new_file(compact / f"{clip.name}.ogg") as temporary,
        soundfile.SoundFile(
            temporary, "w", SAMPLE_RATE_HZ, 1, format="OGG", subtype="OPUS", compression_level=_OPUS_COMPRESSION
        ) as sound,
    ):
        sound.write(audio)
    times.save(compact / f"{clip.name}.json")


def build_clip(clip: Clip, compact: Path, out: Path) -> None:
    """The files of a clip from its compact form. The motion is written last: it says that the clip is whole."""
    motion_path, strokes_path = out / "smplxflame_30" / f"{clip.name}.npz", out / "strokes" / f"{clip.name}.json"
    if motion_path.is_file() and strokes_path.is_file():  # corpora of earlier revisions have no strokes
        return
    times = Times.load(compact / f"{clip.name}.json")
    if times.name != clip.name:
        raise CorpusError(f"{clip.name}.json holds the times of '{times.name}'. Make it again.")
    audio = _read_speech(compact / f"{clip.name}.ogg", times)
    performance = perform(times)
    with new_file(out / "wave16k" / f"{clip.name}.wav") as temporary:
        soundfile.write(temporary, audio, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    write_textgrid(out / "textgrid" / f"{clip.name}.TextGrid", times)
    with new_file(out / "sem" / f"{clip.name}.txt") as temporary:
        temporary.write_text("".join(_sem_line(stroke, times) for stroke in performance.strokes), "utf-8")
    with new_file(strokes_path) as temporary:
        temporary.write_text(json.dumps([_describe(stroke, times) for stroke in performance.strokes]) + "\n", "utf-8")
    performance.motion.save(motion_path)


def _read_speech(path: Path, times: Times) -> np.ndarray:
    try:
        audio, rate_hz = soundfile.read(path, dtype="float32")
    except (soundfile.LibsndfileError, OSError) as error:
        raise CorpusError(f"{path} cannot be read ({error}). Copy or make the compact form again.") from error
    if rate_hz != SAMPLE_RATE_HZ or audio.shape != (times.num_samples,):
        raise CorpusError(
            f"{path.name} has {audio.shape} samples at {rate_hz} Hz; its times speak of {times.num_samples} at "
            f"{SAMPLE_RATE_HZ}. They do not belong together."
        )
    return audio


def write_textgrid(path: Path, times: Times) -> None:
    """The tiers `words` and `phones` as in BEAT2: phones in ARPAbet capitals, vowels with their stress."""
    end_s = times.duration_s
    words = [(w.start_ms / 1000, min(w.end_ms / 1000, end_s), w.text) for w in times.words if w.end_ms > w.start_ms]
    phones = [
        (p.start_ms / 1000, min(p.end_ms / 1000, end_s), _arpabet(p.label, p.is_stressed))
        for p in times.phones
        if p.label != SILENCE and p.end_ms > p.start_ms
    ]
    grid = textgrid.Textgrid(0, end_s)
    for name, entries in (("words", words), ("phones", phones)):
        grid.addTier(textgrid.IntervalTier(name, entries, 0, end_s))
    with new_file(path) as temporary:
        grid.save(str(temporary), format="long_textgrid", includeBlankSpaces=True)


_REDUCED = {"ax": "ah"}


def _arpabet(label: str, is_stressed: bool) -> str:
    from_reduced = _REDUCED.get(label, label).upper()
    return f"{from_reduced}{int(is_stressed)}" if label[0] in "aeiou" else from_reduced


def _sem_line(stroke: Stroke, times: Times) -> str:
    """As in BEAT2's `sem`: kind, start, end, length in seconds, score, word."""
    is_beat = stroke.gesture == BEAT
    kind = "01_beat_align" if is_beat else "02_deictic_m" if stroke.gesture in _POINTING else "03_iconic_m"
    start_s, end_s = max(stroke.start_s, 0), min(stroke.end_s, times.duration_s)
    score = 0.1 if is_beat else 0.7
    text = times.words[stroke.word].text
    return f"{kind}\t{start_s:.3f}\t{end_s:.3f}\t{end_s - start_s:.3f}\t{score}\t{text}\n"


def _describe(stroke: Stroke, times: Times) -> dict[str, str | float]:
    """What `sem` does not say: which gesture of the dictionary, and when its stroke ends."""
    return {"gesture": stroke.gesture, "word": times.words[stroke.word].text, "apex_s": stroke.apex_s}


# --- many clips -------------------------------------------------------------------------------------------------------


def _run(task: Callable[..., None], work: Iterable[tuple], processes: int, modules: Sequence[str]) -> None:
    """Each clip in a process of its own, for synthesizers remember what they said before.

    The processes are copies of one that has loaded the modules but spoken nothing.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(modules))
    with ProcessPoolExecutor(processes, context, begin_worker, max_tasks_per_child=1) as pool:
        futures = [pool.submit(task, *arguments) for arguments in work]
        try:
            for future in tqdm(as_completed(futures), total=len(futures), unit="clip"):
                future.result()
        finally:
            for future in futures:
                future.cancel()


def prepare_folder(out: Path, described: dict) -> None:
    """Make the folders, take away what a killed run left half-written, and refuse a folder of another corpus."""
    try:
        for folder in (*FOLDERS, COMPACT):
            (out / folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CorpusError(f"{out} cannot be made a corpus folder ({error}). Name another.") from error
    for folder in (*FOLDERS, COMPACT):
        for leftover in (out / folder).glob(".*"):
            leftover.unlink()
    for path in (out / SETTINGS_FILE, out / COMPACT / SETTINGS_FILE):
        if path.is_file() and _read_json(path) != described:
            raise CorpusError(
                f"{out} holds a corpus made with {_read_json(path)}, not {described}. Name another folder."
            )
        if not path.is_file():
            with new_file(path) as temporary:
                temporary.write_text(json.dumps(described) + "\n", "utf-8")


def _read_json(path: Path) -> dict:
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path} cannot be read ({error}). Name the folder 'compact' of a corpus.") from error
    if not isinstance(data, dict):
        raise CorpusError(f"{path} does not describe a corpus.")
    return data


def _write_split(out: Path, clips: Iterable[Clip]) -> None:
    with new_file(out / SPLIT_FILE) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("id", "type"))
        writer.writerows((clip.name, clip.split) for clip in clips)
