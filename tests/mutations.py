"""Files of every kind that is read, damaged at random, and what their readers make of them.

A reader gives what the file holds, or raises an error of `emage.errors` with a sentence; nothing else.
"""

import functools
import io
import json
import pickle
import re
import subprocess
import tempfile
import traceback
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import safetensors.torch
import soundfile
import torch

from emage.batch import load_plans
from emage.body import Body
from emage.body.model import STAND_IN_FILE
from emage.errors import EmageError
from emage.export.arkit import load_motion
from emage.generation.sampling import SAMPLING_NAME, load_sampling
from emage.hints import HintPlan
from emage.hub import EMBEDDED_DIR
from emage.models.checkpoint import CONFIG_NAME, WEIGHTS_NAMES, load_config, load_state
from emage.models.generator_config import GeneratorConfig
from emage.models.vqvae import VQVAE, VQVAEConfig
from emage.motion import Motion
from emage.motion.lines import read_lines, write_line
from emage.motion.skeleton import ARKIT_ACTIONS
from emage.project import Project
from emage.recording.audio import load_audio
from emage.recording.examples import load_examples
from emage.recording.transcript import MAX_WORDS, Word, load_passages, spread_words, write_words
from emage.recording.vocabulary import load_vocabulary
from tests.conftest import ROOT, make_motion, make_speech
from train.data.cache import Cache

MAX_DURATION_S = 60.0
"""Of a recording, as for the users of a page."""

Files = Mapping[str, bytes]
"""Of a folder, by their names."""


@dataclass(frozen=True)
class Reader:
    """name: for people. seed: the whole file, and what lies beside it and is not damaged. file: its name. read: reads
    it in a folder, and asserts what must be true of whatever comes of it. is_archive: whether its members are damaged
    too, one at a time, with checksums that are right. most_mb: that reading may take."""

    name: str
    file: str
    seed: Callable[[], Files]
    read: Callable[[Path], Any]
    is_archive: bool = False
    most_mb: float = 300.0


# --- damage -----------------------------------------------------------------------------------------------------------

_NUMBERS = (b"1e999", b"-1", b"NaN", b"Infinity", b"0", b"9" * 400, b"1e-320", b"1000000000", b"4294967296", b"0.5")
_VALUES = (
    b"null",
    b"true",
    b'""',
    b"[]",
    b"{}",
    b"[" * 3000,
    b'"\\ud800"',
    b'"\\u0000"',
    b"\xff\xfe",
    b"\0",
    b"\n" * 99,
)


def damage(content: bytes, rng: np.random.Generator, is_archive: bool = False) -> bytes:
    """The bytes with one to four damages of many kinds."""
    if is_archive and rng.random() < 0.5:
        return _damage_member(content, rng)
    for _ in range(rng.integers(1, 5)):
        content = _KINDS[rng.integers(len(_KINDS))](content, rng)
    return content


def _place(content: bytes, rng: np.random.Generator) -> int:
    """Anywhere, the beginning and the end, where most is said, as often as all between."""
    kind, last = rng.integers(4), max(len(content) - 1, 0)
    if kind == 0:
        return int(min(rng.integers(200), last))
    if kind == 1:
        return int(max(last - rng.integers(200), 0))
    return int(rng.integers(last + 1))


def _flip(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.integers(1, 9)):
        if changed:
            changed[_place(content, rng)] ^= 1 << rng.integers(8)
    return bytes(changed)


def _overwrite(content: bytes, rng: np.random.Generator) -> bytes:
    at, length = _place(content, rng), int(rng.choice([1, 2, 4, 8, 64]))
    filled = [b"\0", b"\xff", b"\x7f", b"\x80"][rng.integers(4)] * length
    return content[:at] + (filled if rng.random() < 0.6 else rng.bytes(length)) + content[at + length :]


def _cut_off(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: _place(content, rng)]


def _cut_out(content: bytes, rng: np.random.Generator) -> bytes:
    at = _place(content, rng)
    return content[:at] + content[at + int(rng.choice([1, 2, 16, 500])) :]


def _repeat(content: bytes, rng: np.random.Generator) -> bytes:
    at, length = _place(content, rng), int(rng.choice([1, 16, 500, 5000]))
    return content[:at] + content[at : at + length] * int(rng.integers(2, 40)) + content[at + length :]


def _insert(content: bytes, rng: np.random.Generator) -> bytes:
    at, values = _place(content, rng), (*_NUMBERS, *_VALUES)
    return content[:at] + values[rng.integers(len(values))] + content[at:]


def _change_number(content: bytes, rng: np.random.Generator) -> bytes:
    return _replace_one(content, rb"-?\d+(?:\.\d+)?", _NUMBERS, rng)


def _change_text(content: bytes, rng: np.random.Generator) -> bytes:
    return _replace_one(content, rb'"[^"]*"', _VALUES, rng)


def _replace_one(content: bytes, pattern: bytes, values: Sequence[bytes], rng: np.random.Generator) -> bytes:
    found = [match.span() for match in re.finditer(pattern, content[: 1 << 20])]
    if not found:
        return content
    start, end = found[rng.integers(len(found))]
    return content[:start] + values[rng.integers(len(values))] + content[end:]


def _swap(content: bytes, rng: np.random.Generator) -> bytes:
    first, second = sorted((_place(content, rng), _place(content, rng)))
    length = min(int(rng.choice([1, 8, 100])), second - first)
    return (
        content[:first]
        + content[second : second + length]
        + content[first + length : second]
        + content[first : first + length]
        + content[second + length :]
    )


def _make_long(content: bytes, rng: np.random.Generator) -> bytes:
    at = _place(content, rng)
    return (
        content[:at] + content[at : at + int(rng.choice([1, 3, 30]))] * int(rng.choice([1000, 30_000])) + content[at:]
    )


_KINDS = (
    _flip, _flip, _overwrite, _overwrite, _cut_off, _cut_out, _repeat, _insert, _change_number, _change_number,
    _change_text, _swap, _make_long,
)  # fmt: skip


def _damage_member(content: bytes, rng: np.random.Generator) -> bytes:
    """An archive with right checksums, of which one member is damaged, left out, doubled or called otherwise."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    chosen, kind = int(rng.integers(len(members))), int(rng.integers(10))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number, (info, member) in enumerate(members):
            name = info.filename
            if number == chosen and kind == 0:
                continue
            if number == chosen and kind == 1:
                name = ["../" + name, "/" + name, name + "\0", "x" * 300, ""][rng.integers(5)]
            if number == chosen and kind > 1:
                member = damage(member, rng)
            made = zipfile.ZipInfo(name)
            made.compress_type = info.compress_type
            archive.writestr(made, member)
    return stream.getvalue()


# --- whole files ------------------------------------------------------------------------------------------------------


def _write_sound(kind: str, subtype: str | None = None) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, make_speech(24000), 16000, subtype, format=kind)
    return stream.getvalue()


def _write_m4a() -> bytes:
    """By ffmpeg, for libsndfile does not write it."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "a.wav"), Path(folder, "a.m4a")
        source.write_bytes(_write_sound("WAV"))
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", source, "-c:a", "aac", target]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return target.read_bytes()


def _write_motion(num_frames: int = 60) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return make_motion(num_frames).save(Path(folder, "a.npz")).read_bytes()


def _write_lines() -> bytes:
    motion = make_motion(60)
    return "".join(write_line(motion.frames(at, at + 20), at, 60) for at in (0, 20, 40)).encode()


def _of_example(suffix: str) -> bytes:
    return load_examples()[0].audio.with_suffix(suffix).read_bytes()


def _write_cues() -> bytes:
    cues = [f"{i}\n00:00:{i:02},500 --> 00:00:{i + 1:02},250\n<i>Cue {i}</i>\nand &amp; more\n" for i in range(1, 40)]
    return "\n".join(cues).encode()


def _write_whisper() -> bytes:
    words = [{"word": f" word{i}", "start": i / 2, "end": i / 2 + 0.4, "probability": 0.9} for i in range(60)]
    segments = [
        {"id": i, "start": i * 5.0, "end": i * 5 + 4.9, "tokens": [1, 2], "words": words[10 * i : 10 * i + 10]}
        for i in range(6)
    ]
    return json.dumps({"text": "…", "segments": segments, "language": "en"}, indent=1).encode()


def _write_plan() -> bytes:
    parts = ("face", "upper", "hands", "left_hand", "lower") * 4
    spans = [
        {"part": part, "start_frame": 10 * i, "end_frame": 10 * i + 9, "mode": "lock"} for i, part in enumerate(parts)
    ]
    return json.dumps({"spans": spans, "blend_frames": 6}).encode()


def _write_plans() -> bytes:
    plan = json.loads(_write_plan())
    return json.dumps([{"name": f"plan {i}", "plan": plan} for i in range(3)]).encode()


def _write_face() -> bytes:
    actions = ["Timecode", "BlendShapeCount", *ARKIT_ACTIONS]
    weights = ",".join(["0.25"] * len(ARKIT_ACTIONS))
    rows = [f"00:00:{i // 30:02}:{i % 30:02}.000,{len(ARKIT_ACTIONS)},{weights}" for i in range(90)]
    return "\n".join([",".join(actions), *rows]).encode()


def _session() -> bytes:
    return (ROOT / "tests/data/session_v1.zip").read_bytes()


def _network() -> VQVAE:
    return VQVAE(VQVAEConfig(channels=12, width=16, layers=1, codebook_size=8))


def _write_safetensors() -> bytes:
    return safetensors.torch.save(_network().state_dict())


def _write_bin() -> bytes:
    stream = io.BytesIO()
    torch.save({"model_state": _network().state_dict()}, stream)
    return stream.getvalue()


def _write_old_bin() -> bytes:
    stream = io.BytesIO()
    torch.save(_network().state_dict(), stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def _write_pickled_vocabulary() -> bytes:
    return pickle.dumps({"word2index": {f"word{i}": i for i in range(200)}, "n_words": 200})


def _write_cache() -> dict[str, bytes]:
    clip = {"id": "1_a_0_1_1", "split": "train", "speaker": 0, "first_frame": 0, "num_frames": 30, "first_sample": 0}
    index = {"format": 2, "speakers": [1], "expression_basis": "arkit52", "body": "stand-in", "clips": [clip]}
    widths = {"motion": 4 * 337, "expressions": 400, "root_velocity": 12}
    arrays = {name: bytes(30 * width) for name, width in widths.items()} | {"audio": bytes(2 * 16000)}
    speech = {clip["id"]: {"words": [["so", 0.1, 0.4]], "strokes": [["point", "so", 0.3]]}}
    return {"index.json": json.dumps(index).encode(), "speech.json": json.dumps(speech).encode(), **arrays}


# --- what is true of whatever is read ---------------------------------------------------------------------------------


def _read_sound(name: str) -> Callable[[Path], np.ndarray]:
    def read(folder: Path) -> np.ndarray:
        samples = load_audio(folder / name, MAX_DURATION_S)
        assert samples.dtype == np.float32
        assert samples.ndim == 1
        assert np.isfinite(samples).all()
        assert 1 <= len(samples) <= 16000 * MAX_DURATION_S + 1
        return samples

    return read


def _read_motion(folder: Path) -> Motion:
    return _check_motion(Motion.load(folder / "a.npz"))


def _check_motion(motion: Motion) -> Motion:
    assert motion.poses.shape == (motion.num_frames, 165)
    assert np.isfinite(motion.poses).all()
    return motion


def _read_lines(folder: Path) -> int:
    with (folder / "a.jsonl").open(encoding="utf-8", errors="replace") as lines:
        return sum(_check_motion(piece).num_frames for piece in read_lines(lines))


def _read_words(name: str) -> Callable[[Path], tuple[Word, ...]]:
    def read(folder: Path) -> tuple[Word, ...]:
        passages = load_passages(folder / name)
        words = tuple(word for each in passages if each.is_timed for word in spread_words(each))
        assert len(words) <= MAX_WORDS
        write_words(words).encode()
        return words

    return read


def _read_project(folder: Path) -> int:
    out = folder / "out"
    out.mkdir()
    try:
        project = Project.load(folder / "a.zip", out, max_duration_s=MAX_DURATION_S)
    except EmageError:
        assert not list(out.iterdir())
        raise
    project.save(folder / "again.zip")
    return len(project.takes)


def _read_weights(folder: Path) -> dict[str, torch.Tensor]:
    network = _network()
    network.load_weights(load_state(folder), "upper")
    return network.state_dict()


def _read_body(folder: Path) -> int:
    return len(Body.from_file(folder / "a.npz").faces)


def _read_cache(folder: Path) -> int:
    cache = Cache(folder)
    for clip in cache.clips:
        cache.words(clip)
        cache.strokes(clip)
        assert len(cache.clip_audio(clip)) == clip.num_samples
    return len(cache.clips)


def _sound(kind: str, name: str, write: Callable[[], bytes]) -> Reader:
    return Reader(kind, name, lambda: {name: write()}, _read_sound(name))


def _one(
    name: str, file: str, write: Callable[[], bytes], read: Callable[[Path], Any], is_archive: bool = False
) -> Reader:
    return Reader(name, file, lambda: {file: write()}, read, is_archive)


READERS = {
    reader.name: reader
    for reader in (
        _sound("wav", "a.wav", lambda: _write_sound("WAV")),
        _sound("wav of floats", "a.wav", lambda: _write_sound("WAV", "FLOAT")),
        _sound("flac", "a.flac", lambda: _write_sound("FLAC")),
        _sound("ogg", "a.ogg", lambda: _write_sound("OGG")),
        _sound("mp3", "a.mp3", lambda: _write_sound("MP3")),
        _sound("m4a", "a.m4a", _write_m4a),
        _one("motion", "a.npz", _write_motion, _read_motion, is_archive=True),
        _one("motion in lines", "a.jsonl", _write_lines, _read_lines),
        _one("TextGrid", "a.TextGrid", lambda: _of_example(".TextGrid"), _read_words("a.TextGrid")),
        _one("SRT", "a.srt", _write_cues, _read_words("a.srt")),
        _one("WebVTT", "a.vtt", lambda: b"WEBVTT\n\n" + _write_cues(), _read_words("a.vtt")),
        _one("Whisper's JSON", "a.json", _write_whisper, _read_words("a.json")),
        _one("plain text", "a.txt", lambda: b"Well, this is what is said. " * 40, _read_words("a.txt")),
        _one("plan", "a.json", _write_plan, lambda folder: HintPlan.load(folder / "a.json")),
        _one("plans", "a.json", _write_plans, lambda folder: load_plans(folder / "a.json")),
        _one("face", "a.csv", _write_face, lambda folder: _check_motion(load_motion(folder / "a.csv"))),
        _one("session", "a.zip", _session, _read_project, is_archive=True),
        _one("safetensors", WEIGHTS_NAMES[0], _write_safetensors, _read_weights),
        _one("bin", WEIGHTS_NAMES[1], _write_bin, _read_weights, is_archive=True),
        _one("old bin", WEIGHTS_NAMES[1], _write_old_bin, _read_weights),
        _one(
            "generator's config",
            CONFIG_NAME,
            lambda: (EMBEDDED_DIR / CONFIG_NAME).read_bytes(),
            lambda folder: GeneratorConfig.from_json(load_config(folder)),
        ),
        _one(
            "VQ-VAE's config",
            CONFIG_NAME,
            lambda: (EMBEDDED_DIR / "emage_vq/upper" / CONFIG_NAME).read_bytes(),
            lambda folder: VQVAEConfig.from_json(load_config(folder)),
        ),
        _one("sampling", SAMPLING_NAME, lambda: (EMBEDDED_DIR / SAMPLING_NAME).read_bytes(), load_sampling),
        _one(
            "vocabulary",
            "vocabulary.txt",
            lambda: (EMBEDDED_DIR / "vocabulary.txt").read_bytes(),
            lambda folder: load_vocabulary(folder / "vocabulary.txt"),
        ),
        _one(
            "pickled vocabulary",
            "vocab.pkl",
            _write_pickled_vocabulary,
            lambda folder: load_vocabulary(folder / "vocab.pkl"),
        ),
        # As much as it takes where it is right; a visitor cannot bring one.
        Reader("body", "a.npz", lambda: {"a.npz": STAND_IN_FILE.read_bytes()}, _read_body, True, most_mb=400.0),
        Reader("cache's index", "index.json", _write_cache, _read_cache),
        Reader("cache's speech", "speech.json", _write_cache, _read_cache),
    )
}


# --- one mutation -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What became of a damaged file. kind: "read", "refused" by a sentence, or "fault". told: the sentence."""

    kind: str
    told: str = ""


@functools.cache
def seed_of(name: str) -> Files:
    return READERS[name].seed()


def mutate(name: str, number: int) -> bytes:
    """The damaged file of a reader by its number, always the same."""
    reader = READERS[name]
    rng = np.random.default_rng([zlib.crc32(name.encode()), number])
    return damage(seed_of(name)[reader.file], rng, reader.is_archive)


def write(name: str, folder: Path, content: bytes | None = None) -> None:
    """The files of a reader in a folder, with this content in place of the whole file's."""
    reader = READERS[name]
    for file, whole in seed_of(name).items():
        (folder / file).write_bytes(whole if content is None or file != reader.file else content)


def try_reading(name: str, folder: Path) -> Outcome:
    """What the reader makes of the files in a folder."""
    try:
        READERS[name].read(folder)
    except EmageError as error:
        return Outcome("refused", str(error)) if str(error).strip() else Outcome("fault", "an error without a sentence")
    except MemoryError:
        raise
    except Exception as error:  # what ought not to be, of any kind
        place = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome("fault", f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})")
    return Outcome("read")
