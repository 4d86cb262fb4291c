"""What data that is not whole is worth: `python -m tests.benchmarks.partial --corpus CORPUS --out FOLDER`.

CORPUS is whole, such as one of `train.synthetic`. Of its speakers one third loses its faces, one its legs, and one its
sound and faces, as three data sets of different people are. VQ-VAEs are trained on each half alone, on both, and with
the motion without sound besides; each is then compared on the whole clips of split test, of all speakers. Generators
on the VQ-VAEs of both, too; these are compared on the clips of the speakers that have sound, by their shares of right
codes: from the speech and the seed ("heard"), and, where half of the motion is hidden, from the other half without the
speech ("hinted"). What a training lacks cannot be learned: "–". Given again, what was trained is there.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro

from emage.body import Body, load_body
from emage.files import write_text
from emage.models.checkpoint import ALL_FOLDERS, load_vqvae
from emage.models.codec import MotionCodec
from emage.models.generator import Generator
from emage.motion.skeleton import NETWORK_PARTS, hint_channels
from emage.pipeline import EmagePipeline
from train import generator, global_motion, vqvae
from train.data.building import build_cache
from train.data.cache import Cache
from train.data.channels import AUDIO
from train.data.corpus import CorpusClip, list_clips
from train.data.masking import mask_passes
from train.data.windows import Windows, iterate_once
from train.evaluation.markdown import markdown_table
from train.generator import MaskedWindows
from train.global_motion import GlobalMotionTraining
from train.modelling.passes import encode_heard, encode_targets
from train.modelling.settings import GeneratorTraining
from train.run.checkpoints import load_codec
from train.run.kinematics import BodyPoints
from train.vqvae import VQVAETraining

FACELESS, LEGLESS, SILENT = "without faces", "without legs", "motion without sound"
LACKING = {FACELESS: ["face"], LEGLESS: ["lower"], SILENT: ["audio", "face"]}
MIXES = {
    "without faces alone": (1, 0, 0),
    "without legs alone": (0, 1, 0),
    "both": (1, 1, 0),
    "both, and motion without sound": (1, 1, 1),
}
CODEC = "both"
"""Whose VQ-VAEs the generators use."""
BODY = ("upper", "hands", "lower")
_MANY_STEPS = 1_000_000
"""Of a training in which the share that is hidden hardly grows."""
UNITS = {"face": "°", "upper": "mm", "hands": "°", "lower": "mm"}


@dataclass(frozen=True)
class Measure:
    """Measure it."""

    corpus: Path
    out: Path
    minutes: float = 4.0
    """Of each data set."""
    steps: int = 400
    generator_steps: int = 300
    batch_size: int = 16
    generators_only: bool = False
    """Train no VQ-VAEs but those that the generators need, and leave out their table."""

    def run(self) -> None:
        body = load_body()
        self.out.mkdir(parents=True, exist_ok=True)
        partial, whole = self._caches(body)
        header = ["VQ-VAE trained on", *(f"{part}, {unit}" for part, unit in UNITS.items())]
        coded = []
        for name, mix in ((CODEC, MIXES[CODEC]),) if self.generators_only else MIXES.items():
            coded.append([name, *(self._train_part(part, name, mix, partial, whole, body) for part in NETWORK_PARTS)])
            print(coded[-1], flush=True)
        tables = [] if self.generators_only else [markdown_table(header, coded)]
        header = ["generator trained on", *(f"{part}, heard" for part in UNITS), *(f"{part}, hinted" for part in BODY)]
        generated = []
        for name, mix in MIXES.items():
            generated.append([name, *self._train_generator(name, mix, partial, whole, body)])
            print(generated[-1], flush=True)
        tables.append(markdown_table(header, generated))
        write_text(self.out / "table.md", "\n\n".join(tables) + "\n")

    def _caches(self, body: Body) -> tuple[Cache, Cache]:
        """Of the three data sets; of whole clips of all speakers."""
        clips = list_clips(self.corpus)
        speakers = sorted({clip.speaker for clip in clips})
        roots = []
        for number, (name, missing) in enumerate(LACKING.items()):
            own = [clip for clip in clips if clip.speaker in speakers[number::3]]
            train, val = ([clip for clip in own if clip.split == split] for split in ("train", "val"))
            chosen = [*_first(train, 60 * self.minutes), *_first(val, 60)]
            roots.append(_link(self.out / name.replace(" ", "_"), chosen, missing))
        test = [clip for clip in clips if clip.split == "test"]
        by_speaker = [next(clip for clip in test if clip.speaker == speaker) for speaker in speakers]
        return (
            build_cache(roots, self.out / "partial_cache", body=body),
            build_cache(_link(self.out / "whole", by_speaker, []), self.out / "whole_cache", body=body),
        )

    def _train_part(self, part: str, name: str, mix: tuple[int, ...], partial: Cache, whole: Cache, body: Body) -> str:
        having = [any(clip.has((part,)) for clip in partial.clips if clip.corpus == number) for number in range(3)]
        weights = tuple(float(weight * has) for weight, has in zip(mix, having, strict=True))
        if not any(weights):
            return "–"
        weights_folder = self.out / name.replace(" ", "_").replace(",", "")
        config = VQVAETraining(
            cache=partial.folder, weights=weights_folder, out=weights_folder / "runs" / part, part=part,
            width=64, codebook_size=64, steps=self.steps, batch_size=self.batch_size, learning_rate=1e-3,
            final_learning_rate=1e-4, posed_stride=8, skin_points=16, corpus_weights=weights,
            checkpoint_every=self.steps, validate_every=self.steps, log_every=50,
        )  # fmt: skip
        vqvae.train(config, body)
        network = load_vqvae(weights_folder / ALL_FOLDERS[part], part).eval()
        windows = Windows(whole, whole.windows(("test",), 64, 64), 64, shuffled=False)
        points = BodyPoints(body, part, 16, whole.expression_basis)
        report = vqvae.validate(network, iterate_once(windows, 32, torch.device("cpu")), points, part)
        return f"{report.degrees if UNITS[part] == '°' else report.joints_mm:.2f}"

    def _train_generator(
        self, name: str, mix: tuple[int, ...], partial: Cache, whole: Cache, body: Body
    ) -> Sequence[str]:
        """The shares of right codes in %: of each part by speech and seed, of each part of the body by hints alone."""
        codec_folder = self.out / CODEC
        shared = GlobalMotionTraining(
            cache=partial.folder, weights=codec_folder, out=codec_folder / "runs" / "global", width=32, steps=20,
            batch_size=self.batch_size, corpus_weights=(1.0, 0.0, 0.0),
        )  # fmt: skip
        global_motion.train(shared, body)
        weights_folder = self.out / f"generator_{name.replace(' ', '_').replace(',', '')}"
        if not (weights_folder / "emage_vq").is_dir():
            shutil.copytree(codec_folder / "emage_vq", weights_folder / "emage_vq")
        config = GeneratorTraining(
            cache=partial.folder, weights=weights_folder, out=weights_folder / "run", hidden=64, audio_width=32,
            aligned_audio=True, hint_stride=4, dropout=0.1, steps=self.generator_steps, batch_size=self.batch_size,
            learning_rate=1e-3, final_learning_rate=1e-4, corpus_weights=tuple(map(float, mix)),
            silent_clips=bool(mix[list(LACKING).index(SILENT)]),
            checkpoint_every=self.generator_steps, validate_every=self.generator_steps, log_every=50,
        )  # fmt: skip
        generator.train(config, body)
        network = EmagePipeline.from_pretrained(weights_folder, device="cpu").generator
        assert whole.speakers == partial.speakers
        table = whole.windows(("test",), 64, 64)
        silent = {clip.speaker for clip in partial.clips if AUDIO in clip.missing}
        table = table[[whole.clips[number].speaker not in silent for number in table[:, 0]]]
        windows = Windows(whole, table, 64, shuffled=False)
        half_hidden = replace(config, first_window_chance=0.0, first_mask_ratio=0.5, steps=_MANY_STEPS)
        held_out, codec = MaskedWindows(windows, half_hidden), load_codec(weights_folder)
        report = generator.validate(network, codec, held_out, config, torch.device("cpu"))
        hinted = _share_right_by_hints(network, codec, held_out, config)
        known = {part: any(w and part not in LACKING[d] for w, d in zip(mix, LACKING, strict=True)) for part in UNITS}
        shares = [(part, getattr(report, f"right_{part}")) for part in UNITS] + [(part, hinted[part]) for part in BODY]
        return [f"{100 * share:.1f}" if known[part] else "–" for part, share in shares]


@torch.no_grad()
def _share_right_by_hints(
    network: Generator, codec: MotionCodec, held_out: MaskedWindows, config: GeneratorTraining
) -> dict[str, float]:
    """Of each part of the body where it is hidden: from the seed and what the windows' masks show, without speech."""
    network.eval()
    right, frames = dict.fromkeys(BODY, 0), dict.fromkeys(BODY, 0)
    for item in iterate_once(held_out, config.batch_size, torch.device("cpu")):
        targets = encode_targets(codec, item.window, config.seed_frames)
        shown = mask_passes(item, targets.seed)
        features = encode_heard(network, item.window, by_words=False)
        output = network.generate(features, shown.hint_motion, shown.hint_mask, item.window.speaker, use_audio=False)
        codes = codec.codes(output, config.class_weight)
        for part in BODY:
            hidden = item.mask[..., hint_channels(part)].bool().all(-1)
            hidden[:, : config.seed_frames] = False
            right[part] += int((codes[part] == targets.codes[part])[hidden].sum())
            frames[part] += int(hidden.sum())
    return {part: right[part] / frames[part] for part in BODY}


def _first(clips: Sequence[CorpusClip], seconds: float) -> list[CorpusClip]:
    """The first clips, of about 50 s each, of all speakers by turns."""
    speakers = sorted({clip.speaker for clip in clips})
    by_turns = sorted(
        clips, key=lambda clip: ([c.id for c in clips if c.speaker == clip.speaker].index(clip.id), clip.speaker)
    )
    return by_turns[: max(len(speakers) if seconds > 60 else 1, round(seconds / 50))]


def _link(root: Path, clips: Sequence[CorpusClip], missing: list[str]) -> Path:
    """A corpus of links to the files of clips."""
    for clip in clips:
        for path in (path for path in clip.files if path.is_file()):
            link = root / path.parent.name / path.name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(path.resolve())
    (root / "train_test_split.csv").write_text("id,type\n" + "".join(f"{clip.id},{clip.split}\n" for clip in clips))
    (root / "channels.json").write_text(json.dumps({"missing": missing}))
    return root


if __name__ == "__main__":
    tyro.cli(Measure, description=__doc__).run()
