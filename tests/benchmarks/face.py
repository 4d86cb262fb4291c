"""What the map of faces keeps: `EMAGE_SHARED=../shared python -m tests.benchmarks.face [MOTION.npz AUDIO]`.

Prints, for the published output and the real clip in EMAGE_SHARED (or a motion in flame2020 and its sound): what
remains of the expressions, the jaw that stays in joint 22, how the lips' opening on the stand-in follows loudness, the
range of each action, and the time for 300 frames on one core; and for the faces of assets/examples the round trip
ARKit -> FLAME -> ARKit, the mean and largest error of each action.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

from emage.body import Body
from emage.body.face import MATRIX_ACTIONS, FaceMap, FaceMapLoader
from emage.body.model import STAND_IN_FILE
from emage.evaluation.report import take_series
from emage.motion import ARKIT52, FLAME2020, Motion
from emage.motion.skeleton import ARKIT_ACTIONS, JAW_JOINT
from emage.recording.audio import load_audio
from emage.recording.features import loudness_envelope
from tests.conftest import ROOT

JAW = slice(3 * JAW_JOINT, 3 * JAW_JOINT + 3)


def remaining(known: FaceMap, motion: Motion) -> float:
    """Of expressions in flame2020, the part (relative norm) that the actions do not make."""
    back = known.convert(known.convert(motion, ARKIT52), FLAME2020)
    return float(np.linalg.norm(back.expressions - motion.expressions) / np.linalg.norm(motion.expressions))


def lips_follow_loudness(known: FaceMap, motion: Motion, audio: np.ndarray) -> tuple[float, float]:
    """The correlation with loudness of the lips' opening on the stand-in, and of the turn of joint 22."""
    body = Body.from_file(STAND_IN_FILE, face_maps=FaceMapLoader(known=known))
    series = take_series(motion, audio, body)
    loudness = loudness_envelope(audio)[: len(series.lips_m)]
    return tuple(float(np.corrcoef(curve, loudness)[0, 1]) for curve in (series.lips_m, series.jaw_rad))


def round_trip_errors(known: FaceMap) -> tuple[dict[str, tuple[float, float]], float]:
    """Over the faces of the examples: mean and largest error of each action, and that of the jaw's turn in radians."""
    errors, turns = [], []
    for path in sorted((ROOT / "assets" / "examples").glob("*.npz")):
        motion = Motion.load(path)
        back = known.convert(known.convert(motion, FLAME2020), ARKIT52)
        errors.append(np.abs(back.expressions - motion.expressions))
        turns.append(np.abs(back.poses - motion.poses)[:, JAW])
    error = np.concatenate(errors)
    by_action = {
        action: (float(error[:, column].mean()), float(error[:, column].max()))
        for column, action in enumerate(ARKIT_ACTIONS)
    }
    return by_action, float(np.concatenate(turns).mean())


def main() -> None:
    torch.set_num_threads(1)
    shared = Path(os.environ.get("EMAGE_SHARED", ROOT.parent / "shared")) / "data"
    known = FaceMap.from_file(shared / "published" / "mat_final.npy")
    pairs = [("published/demo_female.npz", "published/demo_female.wav")]
    pairs += [("beat2/2_scott_0_1_1.npz", "beat2/2_scott_0_1_1.wav")]
    clips = [[shared / name for name in pair] for pair in pairs] if len(sys.argv) < 3 else [map(Path, sys.argv[1:3])]
    for motion_file, audio_file in clips:
        motion, audio = Motion.load(motion_file), load_audio(audio_file)
        shown = known.convert(motion, ARKIT52)
        turn = np.abs(shown.poses[:, JAW])
        lips, jaw = lips_follow_loudness(known, motion, audio)
        print(f"{motion_file.name}: {100 * remaining(known, motion):.2f} % of the expressions remain;")
        print(f"  jaw left in joint 22: {turn.mean():.5f} rad in the mean, {turn.max():.5f} at most")
        print(f"  correlation with loudness: lips {lips:.3f}, jaw {jaw:.3f}")
        part = motion.frames(0, 300)
        took = min(timed(known, part) for _ in range(5))
        print(f"  300 frames: {1000 * took:.0f} ms")
        print("  mean, 99th percentile, largest:")
        for action in MATRIX_ACTIONS:
            weights = shown.expressions[:, ARKIT_ACTIONS.index(action)]
            print(f"    {action:20s} {weights.mean():.2f} {np.percentile(weights, 99):.2f} {weights.max():.2f}")
    errors, turn_rad = round_trip_errors(known)
    print(f"\nARKit -> FLAME -> ARKit, faces of the examples; jaw {turn_rad:.5f} rad")
    print("| action | mean error | largest |\n|---|---|---|")
    for action, (mean, largest) in errors.items():
        print(f"| {action} | {mean:.4f} | {largest:.3f} |")


def timed(known: FaceMap, motion: Motion) -> float:
    started = time.perf_counter()
    known.to_arkit(motion.expressions, motion.poses[:, JAW].astype(np.float64))
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
