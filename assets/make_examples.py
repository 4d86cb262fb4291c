"""Make assets/examples/: recordings with transcripts and reference motions, and motions to take hints from.

    python -m assets.make_examples

Speech, words and motion come from `train.synthetic`, so its synthesizers are needed (see docs/training.md). The texts
are ours.
"""

import json
import multiprocessing
import re
import tempfile
import zipfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from emage.files import new_file
from emage.hints import LOCK, HintPlan, Span
from emage.motion import Motion
from emage.recording.audio import SAMPLE_RATE_HZ
from emage.recording.examples import EXAMPLES_FOLDER, INDEX
from train.synthetic.compose import perform
from train.synthetic.corpus import write_textgrid
from train.synthetic.gestures import Key
from train.synthetic.grammar import Token
from train.synthetic.scenes import Scene, enact
from train.synthetic.speakers import SPEAKERS, Habits, VoiceSpec, speaker_of
from train.synthetic.speech import Phrase, speak
from train.synthetic.timing import Times

_ENDINGS = {"audio": "flac", "transcript": "TextGrid", "motion": "npz"}
_PAUSE_S = {",": 0.2, ".": 0.55, "?": 0.6, "!": 0.55}
_WORD = re.compile(r"(\*?)(\w+)(?:/(\w+))?(?:([,.?!])(?:\s*\[([\d.]+)\])?)?")
_NO_GESTURE = "the"
_LOUDNESS = 0.09  # root mean square of what is not silence
_GRID = 2.0**-16  # of angles and places: 0.001 degree, 0.015 mm; finer digits only fill the file


@dataclass(frozen=True)
class Recording:
    """text: `*word` is emphasised, `[1.5]` a pause in seconds behind a sign; in another language `word/gloss` gives the
    English word that chooses the gesture. speaker: of `SPEAKERS`, for the habits and, without `voice`, the voice.
    """

    name: str
    title: str
    speaker: int
    seed: int
    text: str
    language: str = "en"
    voice: VoiceSpec | None = None

    @property
    def plain_text(self) -> str:
        return re.sub(r"\*|/\w+|\s*\[[\d.]+\]", "", self.text)


RECORDINGS = (
    Recording(
        "welcome", "A welcome", 1, 26,
        "Hello, and *welcome! I am a voice, so give me a body. My arms may open *wide, my hands may count to three. "
        "Ready?",
    ),
    Recording(
        "story", "A short story", 2, 13,
        "A long time ago, a small boat lay under a very tall bridge. Every morning, the river carried it up, and every "
        "evening, down again. But one day, it went *far away, across the huge sea. [0.8] And people say, it found an "
        "island of its own.",
    ),
    Recording(
        "directions", "The way to the market", 11, 5,
        "You want to go to the market? No problem, it is not far. Walk straight on, and go across the bridge. Then "
        "turn *left, and after two houses, turn *right. There is the market, behind the garden. If you see the river "
        "again, you went too far.",
    ),
    Recording(
        "numbers", "A question of numbers", 4, 103,
        "How many people will come to dinner tomorrow, four, or five? Wait. There is you, there is me, and there are "
        "my two brothers. That is four. And our neighbor, with her three children, that makes *eight! Where do I find "
        "a table so *big?",
    ),
    Recording(
        "pauses", "Long pauses", 6, 9,
        "Let me think. [1.7] There was a door, [1.3] yes, a small door, at the bottom of the garden. [2.2] I opened "
        "it, slowly. [1.5] And then? [1.4] Nothing. [1.1] *Nothing at all.",
    ),
    Recording(
        "german", "In German", 9, 138,
        "Guten/good Morgen/morning, und herzlich/heart *willkommen/welcome! Ich/i komme/come aus einer kleinen/small "
        "Stadt/city, zwischen/between zwei/two *großen/big Bergen/mountain. Im Sommer/summer gehen/go wir/we "
        "hinauf/up, und im Winter/winter fahren/drive wir hinunter/down. Und was/what machst/system du/you "
        "morgen/tomorrow? Komm/come doch *mit/together, es ist gar nicht/not weit/far!",
        "de", VoiceSpec("espeak-ng", "de+f2", rate=0.92, size=1.02),
    ),
)  # fmt: skip


def main() -> None:
    EXAMPLES_FOLDER.mkdir(exist_ok=True)
    # Each in a process of its own, for synthesizers remember what they said before.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        recordings = list(pool.map(make_recording, RECORDINGS))
    motions = [make_hint(hint) for hint in HINTS]
    save_json({"recordings": recordings, "motions": motions}, INDEX)


def make_recording(recording: Recording) -> dict:
    """Sound, transcript and reference motion of a recording; returns its entry in the index."""
    speaker = speaker_of(recording.speaker)
    voice = recording.voice or speaker.voice
    phrases, glosses = read_text(recording.text, voice, _NO_GESTURE if recording.language != "en" else "")
    audio, times = speak(recording.name, recording.speaker, recording.seed, voice, phrases)
    audio = levelled(audio)
    files = {kind: f"{recording.name}.{ending}" for kind, ending in _ENDINGS.items()}
    with new_file(EXAMPLES_FOLDER / files["audio"]) as temporary:
        soundfile.write(temporary, audio, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    write_textgrid(EXAMPLES_FOLDER / files["transcript"], times)
    save_small(perform(with_glosses(times, glosses)).motion, EXAMPLES_FOLDER / files["motion"])
    return {
        "id": recording.name,
        "title": recording.title,
        **files,
        "text": recording.plain_text,
        "language": recording.language,
        "voice": f"{voice.engine} {voice.name}",
        "speaker": [each.number for each in SPEAKERS].index(speaker.number),
        "seconds": round(times.duration_s, 3),
    }


def read_text(text: str, voice: VoiceSpec, no_gesture: str) -> tuple[list[Phrase], list[str]]:
    """Phrases to speak, and for each word the English one that chooses its gesture: its gloss, else `no_gesture`, else
    itself."""
    phrases, glosses, tokens = [], [], []
    for star, word, gloss, ending, pause_s in _WORD.findall(text):
        tokens.append(Token(word.lower(), bool(star), ending))
        glosses.append(gloss or no_gesture or word.lower())
        if ending:
            phrases.append(
                Phrase(tuple(tokens), float(pause_s or _PAUSE_S[ending]), rate=voice.rate, pitch=voice.pitch)
            )
            tokens = []
    return phrases, glosses


def levelled(audio: np.ndarray) -> np.ndarray:
    """As loud as the other voices."""
    loudness = np.sqrt(np.square(audio[: len(audio) // 480 * 480]).reshape(-1, 480).mean(1))  # of 30 ms each
    spoken = loudness[loudness > 0.1 * loudness.max()]
    return audio * min(_LOUDNESS / np.sqrt(np.square(spoken).mean()), 0.95 / np.abs(audio).max())


def with_glosses(times: Times, glosses: list[str]) -> Times:
    return replace(
        times, words=tuple(replace(word, text=gloss) for word, gloss in zip(times.words, glosses, strict=True))
    )


def save_json(data: dict, path: Path) -> None:
    with new_file(path) as temporary:
        temporary.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", "utf-8")


def save_small(motion: Motion, path: Path) -> None:
    """The motion on a grid that nobody can see, compressed, and the same bytes for the same motion."""
    rounded = replace(
        motion,
        poses=np.round(motion.poses / _GRID) * _GRID,
        expressions=np.round(motion.expressions / _GRID) * _GRID,
        trans=np.round(motion.trans / _GRID) * _GRID,
    )
    with tempfile.TemporaryDirectory() as folder, new_file(path) as temporary:
        plain = rounded.save(Path(folder) / path.name)
        with zipfile.ZipFile(plain) as arrays, zipfile.ZipFile(temporary, "w") as small:
            for name in arrays.namelist():
                # A fresh ZipInfo carries no time of writing.
                small.writestr(zipfile.ZipInfo(name), arrays.read(name), zipfile.ZIP_DEFLATED, 9)


# --- motions to take hints from ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hint:
    """parts: worth locking."""

    name: str
    title: str
    parts: tuple[str, ...]
    scene: Scene


def _wave() -> Scene:
    raised = Key((0.34, 0.06, 0.2), "front", "spread", flare=0.1)
    out, back = (
        replace(raised, place=(0.42, 0.05, 0.19), deviation=-14),
        replace(raised, place=(0.26, 0.08, 0.21), deviation=12),
    )
    keys = [(0.7, None), (1.5, raised)]
    keys += [(1.75 + 0.28 * i, (out, back)[i % 2]) for i in range(7)]
    keys += [(3.75, raised), (4.1, raised), (5.0, None)]
    return Scene(
        6.0, 3, {"right": keys},
        head=((0.6, 0, 0, 0), (1.3, -2, 0, 5), (3.6, 0, 0, 4), (3.9, 7, 0, 0), (4.3, 0, 0, 0)),
        habits=Habits(smile=0.45, sway=0.6),
    )  # fmt: skip


def _hands_on_hips() -> Scene:
    hips = Key((0.19, -0.35, 0.045), "in", "loose_fist", flex=-20, flare=1.5)
    keys = [(0.8, None), (1.7, hips), (7.6, hips), (8.6, None)]
    return Scene(
        9.6, 4, {"left": keys, "right": [(second + 0.06, key) for second, key in keys]},
        weight=((1.0, 0.72), (5.0, 0.3), (7.9, 0.5)),
        head=((2.2, 0, 0, 0), (2.8, 0, 14, 3), (4.2, 0, 14, 3), (4.8, 0, -10, -2), (6.4, 0, -10, -2), (7.2, 0, 0, 0)),
        habits=Habits(smile=0.15, sway=0.6),
    )  # fmt: skip


def _step_aside() -> Scene:
    return Scene(
        9.0, 5,
        walks=((1.0, 0.42, 0.0, 10), (5.0, 0.0, 0.0, 0)),
        head=((0.6, 0, 0, 0), (1.0, 6, 18, 0), (2.2, 6, 18, 0), (2.8, 0, 0, 0), (4.6, 0, 0, 0), (5.0, 6, -18, 0),
              (6.4, 6, -18, 0), (7.0, 0, 0, 0)),
        habits=Habits(smile=0.15, sway=0.6),
    )  # fmt: skip


HINTS = (
    Hint("wave", "Waving hello", ("upper", "right_hand"), _wave()),
    Hint("hands_on_hips", "Hands on the hips", ("upper", "hands"), _hands_on_hips()),
    Hint("step_aside", "Two steps aside and back", ("lower",), _step_aside()),
)


def make_hint(hint: Hint) -> dict:
    """The motion of a hint, and a plan that locks its parts from beginning to end; returns its entry in the index."""
    motion = enact(hint.scene)
    save_small(motion, EXAMPLES_FOLDER / f"{hint.name}.npz")
    plan = HintPlan(tuple(Span(part, 0, motion.num_frames, LOCK) for part in hint.parts))
    save_json(plan.to_json(), EXAMPLES_FOLDER / f"{hint.name}.plan.json")
    return {
        "id": hint.name,
        "title": hint.title,
        "motion": f"{hint.name}.npz",
        "plan": f"{hint.name}.plan.json",
        "seconds": round(motion.duration_s, 3),
    }


if __name__ == "__main__":
    main()
