"""All sections of an evaluation, and their files."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_core import to_json, to_jsonable_python

from emage.body import Body
from emage.files import new_file
from emage.models.checkpoint import ALL_FOLDERS
from emage.pipeline import EmagePipeline
from train import fgd_encoder
from train.data.cache import Cache
from train.data.corpus import CorpusError
from train.evaluation.held_out import HeldOutReport, held_out_report, held_out_targets, word_targets
from train.evaluation.hinting import HintingReport, hinting_report
from train.evaluation.makers import load_text_pipeline, make_rows
from train.evaluation.real_speech import SpeechReport, recordings, speech_report, speech_targets
from train.evaluation.real_words import RecordingWords, real_words_report
from train.evaluation.reconstruction import ReconstructionReport, reconstruction_report, reconstruction_targets
from train.evaluation.settings import Evaluation
from train.evaluation.targets import Target
from train.run.checkpoints import NOTE, git_revision, read_note


@dataclass(frozen=True)
class Targets:
    """speech, words: empty where no real speech, no text weights were given."""

    held_out: list[Target]
    speech: list[Target]
    reconstruction: list[Target]
    words: list[Target] = field(default_factory=list)
    hinting: list[Target] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """revision: of the code that scored. trained: revision and step of each network, as its training noted them.
    spoken: words of real speech, where text weights and recordings were given."""

    revision: str
    settings: dict[str, Any]
    trained: dict[str, dict[str, Any]]
    body: str
    held_out: HeldOutReport
    speech: SpeechReport | None
    reconstruction: ReconstructionReport
    targets: Targets
    spoken: tuple[RecordingWords, ...] = ()
    hinting: HintingReport | None = None


def evaluate(config: Evaluation, body: Body | None = None) -> Report:
    """All sections.

    Raises:
        WeightsError: weights are missing or damaged.
        CorpusError: a cache that is missing, too small, or of other speakers or expressions than the weights.
        AudioError: recordings that are missing, cannot be read, or hold no speech.
    """
    cache = Cache(config.cache)
    if config.speech is not None:
        recordings(config.speech)  # what is missing is told before the work
    pipe = EmagePipeline.from_pretrained(config.weights, device=config.device)
    known = pipe.generator.config
    if (known.speakers, known.expression_basis) != (len(cache.speakers), cache.expression_basis):
        raise CorpusError(
            f"{config.weights} knows {known.speakers} speakers with expressions in {known.expression_basis}; "
            f"{config.cache} has {len(cache.speakers)} in {cache.expression_basis}. Give the cache that the weights "
            "were trained on."
        )
    autoencoder = fgd_encoder.load_autoencoder(config.weights)
    body = body or pipe.body
    text = pipe if pipe.hears_words and pipe.vocabulary is not None else None
    if config.text_weights is not None:
        text = load_text_pipeline(config.text_weights, pipe)
    makers = make_rows(cache, pipe, config, body, text)
    held_out = held_out_report(cache, makers, pipe.plan_windows, body, autoencoder, config)
    speech = None if config.speech is None else speech_report(cache, pipe, body, config)
    reconstruction = reconstruction_report(cache, pipe.codec, body, known.window_frames)
    spoken = () if config.speech is None or text is None else real_words_report(text, config)
    models = {"audio model": (pipe, False)} | ({} if text is None else {"text model": (text, True)})
    hinting = hinting_report(cache, models, body, config)
    return Report(
        revision=git_revision(),
        settings=to_jsonable_python(config),
        trained=training_notes(config.weights),
        body=body.name,
        held_out=held_out,
        speech=speech,
        reconstruction=reconstruction,
        targets=Targets(
            held_out_targets(held_out.rows),
            [] if speech is None else speech_targets(speech),
            reconstruction_targets(reconstruction),
            word_targets(held_out),
            list(hinting.targets),
        ),
        spoken=spoken,
        hinting=hinting,
    )


def training_notes(weights: Path) -> dict[str, dict[str, Any]]:
    """Revision and step of each network that has a note beside it. Raises EmageError where one is damaged."""
    notes = {}
    for name, folder in {**ALL_FOLDERS, "fgd": fgd_encoder.FOLDER}.items():
        path = weights / folder / NOTE
        if path.is_file():
            note = read_note(path)
            notes[name] = {"revision": note.revision, "step": note.step}
    return notes


def write_report(report: Report, tables: str, folder: Path) -> None:
    """scores.json, in which what is not finite is null, and scores.md. Raises OutputError."""
    scores = to_json(report, indent=2, inf_nan_mode="null").decode()
    for name, content in (("scores.json", scores), ("scores.md", tables)):
        with new_file(folder / name) as temporary:
            temporary.write_text(content + "\n", "utf-8")
