"""What to score, and how."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from emage.errors import EmageError
from emage.hub import EMBEDDED_DIR


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Score a folder of weights.

    Raises:
        EmageError: a value out of range.
    """

    suite: Literal["demo"]
    """Which targets to hold the scores against: those of the embedded default."""
    cache: Path
    """The folder that train.data.cache has made; its split test is held out."""
    weights: Path = EMBEDDED_DIR
    """The folder of all networks, that of FGD among them."""
    text_weights: Path | None = None
    """The folder of a generator that hears words, with its vocabulary; where it has no VQ-VAEs, with those of
    --weights. By default those of --weights where they hear both ways: with words, and from the sound alone."""
    sum_weights: Path | None = None
    """Such a folder of a generator that was trained with the sum in place of attention, to compare with."""
    speech: Path | None = None
    """A folder of wav files with real speech; NAME.npz beside NAME.wav is the motion of whoever spoke, NAME.TextGrid
    what is said."""
    out: Path | None = None
    """Where scores.json and scores.md go; the folder is made."""
    speaker: int = 0
    """Index of the speaker in whose manner real speech is shown."""
    draw_seed: int | None = None
    """Score the take sampled with this seed. By default the weights' own take, as the pipeline makes it."""
    temperature: float = 1.0
    """Of the sampling."""
    top_k: int | None = None
    """Sample among the k most probable codes only."""
    translation: Literal["as-generated", "in-place", "grounded"] = "as-generated"
    """Of every generated motion, see `emage.postprocess.grounding`."""
    max_seconds: float | None = None
    """Cut each recording of real speech to this."""
    takes: int = 4
    """So many takes of each recording of real speech, where takes are sampled: what one does is partly chance. Their
    scores are averaged."""
    hint_clips: int = 8
    """How many of the held-out clips to complete from hints."""
    wrong_pairings: int = 5
    """Shifts by which clips are paired with the sound, and the words, of others."""
    halvings: int = 5
    """How often the held-out clips are halved at random for the floor of FGD, which is the mean."""
    seed: int = 0
    """Of the halvings and of the untrained networks."""
    device: str | None = None
    """Of the six networks; by default a GPU where there is one."""

    def __post_init__(self):
        for name in ("wrong_pairings", "halvings", "takes", "hint_clips"):
            if getattr(self, name) < 1:
                raise EmageError(f"{name} is {getattr(self, name)}; it must be 1 or more.")
        if self.max_seconds is not None and not self.max_seconds > 0:
            raise EmageError(f"max_seconds is {self.max_seconds}; it must be above 0.")


@dataclass(frozen=True, kw_only=True)
class Beat2Evaluation:
    """Score weights, or motions that are made already, by the published protocol.

    Raises:
        EmageError: a value out of range, or neither weights nor motions, or both.
    """

    suite: Literal["beat2"]
    """The published metrics, and ours beside them."""
    corpus: Path
    """In BEAT2's layout: `beat_english_v2.0.0`, or a folder of several such."""
    out: Path
    """Where the results go, clip by clip. Given again, an evaluation that was stopped goes on."""
    weights: Path | None = None
    """The folder of all networks."""
    motions: Path | None = None
    """In place of weights a folder with a motion of each clip: ID.npz, or as the published code calls them, res_ID.npz
    or ID_output.npz."""
    evaluator: Path | None = None
    """The published AESKConv_240_100.bin, or a folder of weights with `fgd` in it; by default WEIGHTS."""
    mean_velocity: Path | None = None
    """The published mean_vel_smplxflame_30.npy, by which BC divides; by default the mean of the clips' true motion."""
    speakers: tuple[int, ...] = ()
    """Leading numbers of clips; all by default. The published tables have speaker 2."""
    split: Literal["train", "val", "test", "additional"] = "test"
    speaker: int | None = None
    """Index of the speaker in whose manner every clip is generated. By default the clip's own: 0 for weights that know
    one, else its place among those of `--speakers`."""
    words: bool = True
    """Tell weights that hear words what is said, where the corpus knows."""
    hint_clips: int = 0
    """How many of the clips to make once more with the true upper body shown in every other span of 32 frames, for how
    far a motion strays from its hints."""
    draw_seed: int | None = None
    """Score the take sampled with this seed. By default the weights' own take, as the pipeline makes it."""
    temperature: float = 1.0
    """Of the sampling."""
    top_k: int | None = None
    """Sample among the k most probable codes only."""
    translation: Literal["as-generated", "in-place", "grounded"] = "as-generated"
    """Of every generated motion, see `emage.postprocess.grounding`."""
    resamples: int = 1000
    """Samples of the clips, of which the 95 % intervals are."""
    seed: int = 0
    """Of these samples."""
    device: str | None = None
    """Of the networks; by default a GPU where there is one."""

    def __post_init__(self):
        if (self.weights is None) == (self.motions is None):
            raise EmageError("Give either --weights, to generate a motion for each clip, or --motions, made already.")
        if self.weights is None and self.evaluator is None:
            raise EmageError("Motions that are made already need --evaluator, such as AESKConv_240_100.bin, for FGD.")
        if self.weights is None and self.hint_clips:
            raise EmageError("hint_clips needs --weights: what is made already cannot be made once more with hints.")
        if self.resamples < 10:
            raise EmageError(f"resamples is {self.resamples}; it must be 10 or more.")
        if self.hint_clips < 0:
            raise EmageError(f"hint_clips is {self.hint_clips}; it must be 0 or more.")
