"""The generator's stage with words: what it hears, begins from and leaves behind."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emage.errors import EmageError, WeightsError
from emage.generation.settings import AS_GENERATED
from emage.models.generator import Generator, GeneratorConfig
from emage.pipeline import EmagePipeline
from emage.recording.recording import Recording
from emage.recording.transcript import Word
from emage.recording.vocabulary import UNK, Vocabulary
from tests.conftest import angles_between, make_speech
from tests.train.conftest import QUIET, WORDS, logged, settings
from train import generator
from train.modelling.beginning import begin_with_vectors
from train.modelling.settings import GeneratorTraining

CALM = {"augmentation": QUIET, "dropout": 0.0, "aligned_audio": True, "batch_size": 4, "learning_rate": 8e-3}


def prepare(trained, cache, folder: Path, **changes) -> GeneratorTraining:
    """Settings over a copy of the trained VQ-VAEs."""
    config = settings(GeneratorTraining, cache, folder, **{**CALM, **changes})
    shutil.copytree(trained["lower"].weights / "emage_vq", config.weights / "emage_vq")
    return config


@pytest.fixture(scope="module", params=["words", "both"])
def run(request, trained, spoken_cache, body, tmp_path_factory) -> GeneratorTraining:
    folder = tmp_path_factory.mktemp(request.param)
    config = prepare(trained, spoken_cache, folder, steps=12, hears=request.param, hint_stride=2)
    generator.train(config, body)
    return config


def test_a_generator_learns_with_words(run):
    code = logged(run, "train/seed_code")
    assert code[12] < 0.95 * code[1]
    assert logged(run, "val/code")[12] > 0
    if run.hears == "both":  # each way of hearing is validated
        assert logged(run, "val_sound/code")[12] != logged(run, "val/code")[12]


def test_its_weights_are_a_pipeline_that_hears_the_words(run):
    pipe = EmagePipeline.from_pretrained(run.weights, device="cpu")
    assert pipe.vocabulary.words[UNK + 1 :] == tuple(sorted(WORDS))
    config = pipe.generator.config
    assert (config.vocabulary, config.word_width, config.waveform) == (len(WORDS) + 4, 16, run.hears == "both")
    recording = Recording.load((16000, make_speech(40000)))
    said = replace(recording, words=(Word("three", 0.2, 1.0), Word("no", 1.2, 2.0)))
    other = replace(recording, words=(Word("you", 0.2, 1.0), Word("big", 1.2, 2.0)))
    plain, first, second = (pipe.generate(each, translation=AS_GENERATED).poses for each in (recording, said, other))
    assert len(plain) == 75
    assert angles_between(first, second).max() > 1e-3
    if run.hears == "both":  # without words the waveform is heard
        assert angles_between(first, plain).max() > 1e-3


def test_both_ways_of_hearing_need_an_even_share(trained, spoken_cache, tmp_path):
    config = prepare(trained, spoken_cache, tmp_path, hears="both", hint_stride=4)
    with pytest.raises(EmageError, match="two ways of hearing. Make it a multiple of 8"):
        generator.train(config)


def write_vectors(path: Path, rows: dict[str, list[float]], header: bool = True) -> Path:
    """As fastText's text files."""
    lines = [f"{word} {' '.join(map(str, row))}" for word, row in rows.items()]
    width = len(next(iter(rows.values())))
    path.write_text("\n".join(([f"{len(rows)} {width}"] if header else []) + lines) + "\n", "utf-8")
    return path


@pytest.mark.parametrize("header", [True, False])
def test_word_vectors_begin_from_a_file(tmp_path, header):
    rows = {"three": [1.0, 2, 3, 4], "unheard": [9.0, 9, 9, 9], "no": [-1.0, 0, 0.5, 0.25]}
    file = write_vectors(tmp_path / "words.vec", rows, header)
    vocabulary = Vocabulary.of(sorted(WORDS))
    config = GeneratorConfig(hidden=8, audio_width=8, motion_width=8, vocabulary=len(vocabulary), word_width=4)
    network = Generator(config)
    before = network.content_body.embedding.weight.detach().clone()
    begin_with_vectors(network, vocabulary, file)
    for content in (network.content_face, network.content_body):
        for word in ("three", "no"):
            assert content.embedding.weight[vocabulary.index(word)].tolist() == rows[word]
    others = [index for index, word in enumerate(vocabulary.words) if word not in rows]
    assert torch.equal(network.content_body.embedding.weight[others], before[others])
    with pytest.raises(WeightsError, match="no word vectors of width 5. Give --word-width"):
        begin_with_vectors(Generator(replace(config, word_width=5)), vocabulary, file)
    (tmp_path / "plain.txt").write_text("three\nno\n")
    with pytest.raises(WeightsError, match="no word vectors of width 4"):
        begin_with_vectors(network, vocabulary, tmp_path / "plain.txt")


def test_the_command_trains_on_words_from_word_vectors(trained, spoken_cache, tmp_path, monkeypatch):
    rows = {word: np.random.default_rng(len(word)).normal(size=16).round(3).tolist() for word in WORDS}
    file = write_vectors(tmp_path / "words.vec", rows)
    weights = tmp_path / "weights"
    shutil.copytree(trained["lower"].weights / "emage_vq", weights / "emage_vq")
    folders = [f"--cache={spoken_cache.folder}", f"--weights={weights}", f"--out={tmp_path / 'run'}"]
    words = ["--hears=words", f"--word-vectors={file}", "--fusion=sum", "--body-path=fusion", "--learning-rate=1e-9"]
    monkeypatch.setattr(sys, "argv", ["generator", "--smoke", "--transcript-noise.drop-chance=0.5", *words, *folders])
    generator.main()
    pipe = EmagePipeline.from_pretrained(weights, device="cpu")
    assert (pipe.generator.config.fusion, pipe.generator.config.body_path) == ("sum", "fusion")
    learned = pipe.generator.content_face.embedding.weight
    for word, row in rows.items():
        torch.testing.assert_close(learned[pipe.vocabulary.index(word)], torch.tensor(row), atol=1e-6, rtol=0)
    assert pipe.generate((16000, make_speech(16000))).num_frames == 30


def test_hearing_what_it_cannot_is_named():
    sizes = {"hidden": 8, "audio_width": 8, "motion_width": 8}
    sound, words = (
        Generator(GeneratorConfig(**sizes)),
        Generator(GeneratorConfig(**sizes, waveform=False, vocabulary=9)),
    )
    audio, rhythm, said = torch.zeros(1, 16000), torch.zeros(1, 16000, 2), torch.zeros(1, 30, dtype=torch.long)
    for network, heard, message in (
        (words, (audio,), "hears rhythm and words, and no waveform"),
        (sound, (rhythm, said), "hears a waveform alone"),
        (words, (rhythm,), "rhythm is without words"),
        (words, (audio, said), "words are without rhythm"),
    ):
        with pytest.raises(WeightsError, match=message):
            network.encode_speech(*heard)
