"""What Blender makes of our GLB and BVH: joints and skin beside our own body's, and pictures beside our own.

    python -m venv there && there/bin/pip install bpy==4.5.15     # as large as Blender; no dependency of ours
    python -m tests.benchmarks.blender assets/examples/welcome.npz pictures --python there/bin/python

`pictures` is filled with beside_FRAME.png (our renderer's, Blender's of the GLB and of the BVH), and what differs is
told. Blender's part is `tests/benchmarks/in_blender.py`.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from emage.body import Body, load_body
from emage.export.takes import export_take
from emage.motion import Motion
from emage.motion.skeleton import EYE_JOINTS, JOINT_NAMES
from emage.render.frames import render_frames
from emage.render.scene import Actor
from emage.render.settings import RenderSettings

SIZE = 300


@dataclass(frozen=True)
class Options:
    motion: tyro.conf.Positional[Path]
    out: tyro.conf.Positional[Path]
    python: Path
    """Of an environment with bpy."""
    frames: tuple[int, ...] = (60, 150)
    samples: int = 8
    """Of Cycles, a pixel."""


def main(options: Options) -> None:
    body, motion = load_body(), Motion.load(options.motion)
    options.out.mkdir(exist_ok=True)
    script = Path(__file__).with_name("in_blender.py")
    for ending in ("glb", "bvh"):
        path = options.out / f"take.{ending}"
        export_take(path, motion, body)
        words = [options.python, script, path, options.out / ending, str(SIZE), str(options.samples)]
        subprocess.run([*words, *map(str, options.frames)], check=True, stdout=subprocess.DEVNULL)
        _compare(ending, options, body, motion)
    for frame in options.frames:
        still = motion.frames(frame, frame + 1)
        settings = RenderSettings(size=SIZE, face_inset=False, captions=False, camera="follow")
        (ours,) = render_frames([Actor(body, still)], settings)
        (face,) = render_frames([Actor(body, still)], RenderSettings(size=SIZE, captions=False, camera="face"))
        theirs = [options.out / f"{name}_{frame}.png" for name in ("glb", "bvh", "glb_face")]
        body_of_glb, body_of_bvh, face_of_glb = (np.array(Image.open(path).convert("RGB")) for path in theirs)
        rows = [[ours, body_of_glb, body_of_bvh], [face, face_of_glb, np.full_like(face, 255)]]
        Image.fromarray(np.vstack([np.hstack(row) for row in rows])).save(options.out / f"beside_{frame}.png")


def _compare(ending: str, options: Options, body: Body, motion: Motion) -> None:
    found = json.loads((options.out / f"{ending}.json").read_text())
    others = [joint for joint in range(len(JOINT_NAMES)) if joint not in EYE_JOINTS]
    for frame in options.frames:
        ours = _to_z_up(body.joints(motion, frame, frame + 1)[0])
        theirs = np.array([found[str(frame)][name] for name in JOINT_NAMES])
        away = 1000 * np.linalg.norm(ours - theirs, axis=1)
        line = f"{ending} frame {frame}: joints {away[others].max():.4f} mm, eyes {away[list(EYE_JOINTS)].max():.2f} mm"
        skin = options.out / f"{ending}_{frame}.npy"
        if skin.is_file():
            off = 1000 * np.linalg.norm(np.load(skin) - _to_z_up(body.vertices(motion, frame, frame + 1)[0]), axis=1)
            line += f", skin {off.mean():.2f} mm in the mean, {off.max():.1f} mm at most"
        print(line)


def _to_z_up(points: np.ndarray) -> np.ndarray:
    return np.stack([points[:, 0], -points[:, 2], points[:, 1]], axis=1)


if __name__ == "__main__":
    main(tyro.cli(Options))
