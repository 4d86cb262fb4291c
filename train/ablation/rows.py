"""The rows of the table: how each is trained and scored; and what the paper says of one against another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from emage.errors import EmageError
from emage.models.parts import Parts
from emage.motion.skeleton import NETWORK_PARTS, WHOLE
from train.ablation.settings import Size
from train.ablation.stages import Stage

Coding = Literal["four", "one", "none"]
"""Four VQ-VAEs, one of the whole body, or plain VAEs without codes."""
Shown = Literal["nothing", "seed", "spans"]
"""What a row is shown of the true motion when it is scored: nothing; the first frames of all parts, as many as a seed
has; or the upper body over every other span."""

BASE = "emage"


@dataclass(frozen=True)
class Row:
    """key: its short name. generator: settings of the generator unlike the base's. is_partial: trained on clips that
    lack channels."""

    key: str
    name: str
    coding: Coding = "four"
    generator: Mapping[str, Any] = field(default_factory=dict)
    shown: Shown = "nothing"
    is_partial: bool = False


ROWS: tuple[Row, ...] = (
    Row(BASE, "EMAGE (four VQ-VAEs, attention, masked, path c, frames at once, no hints)"),
    Row("one-vqvae", "one VQ-VAE", coding="one", generator={"whole_body": True}),
    Row("no-vqvae", "no VQ-VAE (plain VAEs)", coding="none"),
    Row("sum", "sum of content and rhythm", generator={"fusion": "sum"}),
    Row("rhythm", "rhythm only", generator={"fusion": "rhythm"}),
    Row("content", "content only", generator={"fusion": "content"}),
    Row("unmasked", "no masked training", generator={"masked": False}),
    Row("no-silent", "no pass without audio", generator={"silent": False}),
    Row("path-a", "forward path a (fusion)", generator={"body_path": "fusion"}),
    Row("path-b", "forward path b (self-attention)", generator={"body_path": "self-attention"}),
    Row("autoregressive", "autoregressive (teacher-forced)", generator={"autoregressive": "teacher-forced"}),
    Row("seed", "shown the true seed", shown="seed"),
    Row("spans", "shown spans of the upper body", shown="spans"),
    Row("partial", "trained on data that lacks channels", is_partial=True),
)


@dataclass(frozen=True)
class Comparison:
    """One row against another, of keys. score: a field of the scores. paper: the paper's direction in words, of the
    first against the second; empty where it gives none or none is known here. sign: of the difference that it means.
    may_be: why ours may differ.
    """

    question: str
    first: str
    second: str
    score: str = "fgd"
    paper: str = ""
    sign: int = -1
    may_be: str = ""


_RULES = "The corpus is made by a few rules, which need less of a network than people's motion does."
COMPARISONS: tuple[Comparison, ...] = (
    Comparison(
        "four VQ-VAEs against one",
        BASE,
        "one-vqvae",
        paper="lower",
        may_be="One network that is told the whole body has a narrower latent a part but one classifier to train where "
        f"four parts have three; and here few combinations of parts occur. {_RULES}",
    ),
    Comparison(
        "four VQ-VAEs against none",
        BASE,
        "no-vqvae",
        paper="lower",
        may_be="A regressed latent is near the mean pose after few steps, while classes are still guessed, and the "
        "argmax of a guess stands still.",
    ),
    Comparison(
        "four VQ-VAEs against none",
        BASE,
        "no-vqvae",
        score="l1_diversity_m",
        paper="higher",
        sign=1,
        may_be="The argmax of a network that knows little yet moves little.",
    ),
    Comparison(
        "attention against sum",
        BASE,
        "sum",
        paper="lower",
        may_be="The two differ by one softmax. In this corpus gestures follow words, and rhythm says little beside "
        "them, so there is little to weigh.",
    ),
    Comparison("attention against rhythm only", BASE, "rhythm"),
    Comparison("attention against content only", BASE, "content"),
    Comparison("attention against rhythm only", BASE, "rhythm", score="recall", sign=1),
    Comparison(
        "masked training against none",
        BASE,
        "unmasked",
        paper="lower",
        may_be="The passes with hints share the network with the one that is scored, and after few steps they take of "
        "it more than they give.",
    ),
    Comparison("masked training against none", BASE, "unmasked", score="hidden_mm"),
    Comparison("with the pass without audio against without it", BASE, "no-silent"),
    Comparison(
        "forward path c against a",
        BASE,
        "path-a",
        paper="lower",
        may_be="Path a is the shallowest of the three, and a shallow network is ahead after few steps.",
    ),
    Comparison(
        "forward path c against b",
        BASE,
        "path-b",
        paper="lower",
        may_be="Path b puts speech and hints into one sequence, in which a frame finds its own sound at once.",
    ),
    Comparison("all frames at once against autoregressive", BASE, "autoregressive"),
    Comparison("seed against no hints", "seed", BASE, score="fgd"),
    Comparison("spans against no hints", "spans", BASE, score="fgd"),
    Comparison("partial against whole data", "partial", BASE),
)


def choose_rows(keys: Sequence[str]) -> list[Row]:
    """The rows of these keys and the base, in the table's order; all where none is named. Raises EmageError."""
    known = [row.key for row in ROWS]
    if unknown := [key for key in keys if key not in known]:
        raise EmageError(f"There is no row {', '.join(unknown)}. The rows are {', '.join(known)}.")
    return [row for row in ROWS if not keys or row.key in keys or row.key == BASE]


def generator_stage(row: Row, size: Size, seed: int) -> Stage:
    """What a row's weights are: its generator, with the stages that it needs."""
    coders = _coders(row.coding, size)
    moved = {"whole_body": True} if row.coding == "one" else {}
    path = Stage("global_motion", "global", {**size.stages, **size.global_motion, **moved}, _legs(row.coding, coders))
    settings = {**size.stages, **size.generator, "hears": "words", "aligned_audio": True, "seed": seed, **row.generator}
    if row.coding == "none":
        settings["class_weight"] = Parts(0.0, 0.0, 0.0, 0.0)
    return Stage("generator", "generator", settings, (*coders, path))


def _coders(coding: Coding, size: Size) -> tuple[Stage, ...]:
    shared = {**size.stages, **size.vqvae}
    if coding == "none":
        shared["quantized"] = False
    parts = (WHOLE,) if coding == "one" else NETWORK_PARTS
    return tuple(Stage("vqvae", part, {**shared, "part": part}) for part in parts)


def _legs(coding: Coding, coders: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """What the global motion predictor sees decoded."""
    return coders if coding == "one" else tuple(stage for stage in coders if stage.network == "lower")
