"""The paper's text network at full size: `python -m tests.benchmarks.text_full_size KEYS`.

KEYS is a JSON of the published keys and shapes (`keys_full_size.json` of the reference material). Random weights of
these shapes are written in the published layout to a temporary folder; a process of its own loads them strictly and
generates 28 s of speech with words. It prints the number of parameters, the time, and the process's peak memory.
"""

import json
import pickle
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import torch

from emage.models.checkpoint import PAPER_VQ_FILES
from tests.conftest import ROOT

WORDS = 11_195
RUN = """
import sys, time
from dataclasses import replace
from emage.pipeline import EmagePipeline
from emage.recording.recording import Recording
from emage.recording.transcript import Word
from tests.conftest import make_speech

begun = time.monotonic()
pipe = EmagePipeline.from_pretrained(sys.argv[1], device="cpu")
loaded_s = time.monotonic() - begun
recording = Recording.load((16000, make_speech(28 * 16000)))
words = tuple(Word(f"word{i}", i / 2, (i + 1) / 2) for i in range(56))
motion = pipe.generate(replace(recording, words=words), translation="as-generated")
peak_kb = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(f"loaded in {loaded_s:.1f} s; {motion.num_frames} frames in {time.monotonic() - begun - loaded_s:.1f} s; "
      f"peak memory {peak_kb / 1e6:.2f} GB")
"""


def random_state(shapes: dict[str, list]) -> dict[str, torch.Tensor]:
    """By the file's shapes; a trailing string is another dtype than float32."""
    state = {}
    for key, shape in shapes.items():
        sizes = [size for size in shape if not isinstance(size, str)]
        if len(sizes) < len(shape):
            state[key] = torch.zeros(sizes, dtype=torch.int64)
        elif key.endswith("running_var"):
            state[key] = torch.ones(sizes)
        else:
            state[key] = torch.randn(sizes) * (0.02 if len(sizes) > 1 else 0.1)
    return state


def write(path: Path, shapes: dict[str, list]) -> int:
    """-> the number of values."""
    state = random_state(shapes)
    path.parent.mkdir(exist_ok=True)
    torch.save({"model_state": {f"module.{key}": tensor for key, tensor in state.items()}}, path)
    return sum(tensor.numel() for key, tensor in state.items() if tensor.is_floating_point())


def write_vocabulary(path: Path) -> None:
    """As published: a pickle of a class that who reads it does not have."""
    module = sys.modules["published_vocab"] = types.ModuleType("published_vocab")
    module.Vocab = type("Vocab", (), {"__module__": "published_vocab"})
    vocab = module.Vocab()
    vocab.word2index = {f"word{i}": 4 + i for i in range(WORDS - 4)}
    vocab.word_embedding_weights = torch.zeros(WORDS, 300).numpy()
    vocab.n_words = WORDS
    path.write_bytes(pickle.dumps(vocab))


def main() -> None:
    keys = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        values = write(root / "emage_240.bin", keys["old_MAGE_Transformer"])
        for network, name in PAPER_VQ_FILES.items():
            write(root / name, keys[f"emage_vq/{network}"])
        write_vocabulary(root / "vocab.pkl")
        print(f"{values:,} values in the text network's file")
        subprocess.run([sys.executable, "-c", RUN, root], check=True, cwd=ROOT)


if __name__ == "__main__":
    main()
