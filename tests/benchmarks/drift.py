"""How far who stands glides, as generated: `python -m tests.benchmarks.drift [--seeds 20] [--weights FOLDER]`.

Takes of each example but the German one with its words, where the path is left as the networks make it. It prints, for
each recording, how far from where they began the takes end, and which of them glide.
"""

import argparse
from dataclasses import dataclass

import numpy as np

from emage.generation.settings import AS_GENERATED
from emage.motion import FPS
from emage.pipeline import EmagePipeline
from emage.recording.examples import Example, load_examples
from emage.recording.hearing import listen
from emage.recording.recording import Recording

FAR_M = 0.1


@dataclass(frozen=True)
class Ends:
    """Of the takes of a recording, metres in the plane of the floor. seconds: of the recording."""

    name: str
    seconds: float
    ends_m: np.ndarray

    def __str__(self) -> str:
        middle, most = np.median(self.ends_m), self.ends_m.max()
        far = [f"seed {seed} {end:.2f}" for seed, end in enumerate(self.ends_m) if end > FAR_M]
        told = f"beyond {FAR_M} m: {', '.join(far) or 'none'}"
        return f"{self.name:>12} {self.seconds:6.1f} s  {middle:.3f} m in the middle, {most:.3f} at most; {told}"


def measure(pipe: EmagePipeline, example: Example, seeds: int) -> Ends:
    recording = listen(Recording.load(example.audio)).recording
    ends = []
    for seed in range(seeds):
        motion = pipe.generate(recording, seed=seed, translation=AS_GENERATED)
        ends.append(np.linalg.norm((motion.trans[-1] - motion.trans[0])[[0, 2]]))
    return Ends(example.name, recording.num_frames / FPS, np.array(ends))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--weights", default="demo")
    options = parser.parse_args()
    pipe = EmagePipeline.from_pretrained(options.weights)
    found = []
    for example in load_examples():
        if example.name != "german":
            found.append(measure(pipe, example, options.seeds))
            print(found[-1], flush=True)
    ends_m = np.concatenate([each.ends_m for each in found])
    print(f"{(ends_m > FAR_M).sum()} of {len(ends_m)} takes end farther than {FAR_M} m from where they began")


if __name__ == "__main__":
    main()
