"""When the first piece of motion comes: `python -m tests.benchmarks.stream [--full-size] [--seconds 10 60 1200]`.

For recordings of these lengths it prints, as the median of some takes, how long after the call the first piece is
there and how many frames it has, and of one whole take how long it lasts, the longest wait for a piece beyond what can
be played meanwhile, and the process's memory before and at most. Each figure of time is told by the clock and by the
processor, for a busy machine makes the one meaningless.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from emage.generation.settings import TakeSettings
from emage.hints import FOLLOW, LOCK, HintPlan, Hints, Span
from emage.models.codec import MotionCodec
from emage.models.generator import Generator, GeneratorConfig
from emage.models.parts import Parts
from emage.models.vqvae import VQVAE, GlobalMotionPredictor, VQVAEConfig
from emage.motion import FPS, Motion
from emage.motion.skeleton import PART_CHANNELS
from emage.pipeline import EmagePipeline
from emage.recording.recording import Recording
from tests.conftest import make_motion, make_speech


def full_size() -> EmagePipeline:
    """The released architecture in its own size, with random weights."""
    parts = Parts.of(lambda part: VQVAE(VQVAEConfig(PART_CHANNELS[part], layers=4 if part == "lower" else 2)))
    codec = MotionCodec(parts, GlobalMotionPredictor(VQVAEConfig(PART_CHANNELS["lower"], layers=4)))
    return EmagePipeline(Generator(GeneratorConfig()), codec)


def hints_over(num_frames: int) -> Hints:
    """The upper body followed and the lower locked for two seconds out of every ten."""
    spans = []
    for start in range(30, num_frames - 60, 10 * FPS):
        spans += [Span("upper", start, start + 60, FOLLOW), Span("lower", start, start + 60, LOCK)]
    return Hints(make_motion(num_frames, reach=0.1), HintPlan(tuple(spans)))


def memory_mb(field: str) -> float:
    return next(int(line.split()[1]) / 1000 for line in Path("/proc/self/status").open() if line.startswith(field))


def clocks() -> np.ndarray:
    return np.array([time.monotonic(), time.process_time()])


def first_piece(stream: Iterator[Motion], begun: np.ndarray) -> tuple[np.ndarray, int]:
    piece = next(stream)
    return clocks() - begun, piece.num_frames


def measure(pipe: EmagePipeline, seconds: float, takes: int, is_hinted: bool, is_whole: bool) -> None:
    recording = Recording.load((16000, make_speech(int(seconds * 16000))))
    hints = hints_over(recording.num_frames) if is_hinted else None
    first, frames = [], 0
    for _ in range(takes):
        begun = clocks()
        stream = pipe.stream(recording, hints, TakeSettings())
        took, frames = first_piece(stream, begun)
        first.append(took)
        stream.close()
    clock, processor = (statistics.median(each) for each in zip(*first, strict=True))
    print(f"{seconds:g} s: first piece of {frames} frames after {clock:.2f} s ({processor:.2f} s of a processor)")
    if not is_whole:
        return
    before, begun = memory_mb("VmRSS"), clocks()
    made, starts_at, late = 0, 0.0, 0.0
    for piece in pipe.stream(recording, hints, TakeSettings()):
        now = (clocks() - begun)[0]
        starts_at = starts_at or now
        late = max(late, now - starts_at - made / FPS)
        made += piece.num_frames
    clock, processor = clocks() - begun
    print(
        f"  all {made} frames after {clock:.1f} s ({processor:.1f} s of a processor); a piece came {late:.2f} s at most"
        f" after what was there had been played; memory {before:.0f} MB before, {memory_mb('VmHWM'):.0f} MB at most",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="demo")
    parser.add_argument("--full-size", action="store_true", help="random weights of the released size")
    parser.add_argument("--seconds", type=float, nargs="+", default=[10, 60, 1200])
    parser.add_argument("--takes", type=int, default=5)
    parser.add_argument("--hinted", action="store_true")
    parser.add_argument("--whole", action="store_true", help="make whole takes too")
    options = parser.parse_args()
    pipe = full_size() if options.full_size else EmagePipeline.from_pretrained(options.weights)
    _ = pipe.body
    list(pipe.stream(Recording.load((16000, make_speech(48000)))))
    for seconds in options.seconds:
        measure(pipe, seconds, options.takes, options.hinted, options.whole)


if __name__ == "__main__":
    main()
