"""What weights ask for when they are sampled: a file beside them, or fields of a config.json from before that file."""

import json
import shutil

import numpy as np
import pytest

from emage.errors import WeightsError
from emage.generation.sampling import SAMPLING_NAME, SamplingConfig, load_sampling, save_sampling
from emage.generation.settings import AS_GENERATED
from emage.hub import EMBEDDED_DIR
from emage.models.parts import Parts
from emage.pipeline import EmagePipeline
from tests.conftest import REGRESSION, asks
from train.run.checkpoints import save_weights

FORMER = SamplingConfig(Parts(0.0, 2.0, 2.0, 400.0), 1.0, 1.5, 1.5, 18)
OLD_FIELDS = {
    "sf": 0, "su": 2, "sh": 2, "sl": 400, "temperature": 1.0, "guidance": 1.5, "low_pass_frames": 1.5, "seam_frames": 18
}  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (OLD_FIELDS, FORMER),
        ({}, SamplingConfig()),
        ({"su": 0.5}, SamplingConfig(Parts(0.0, 0.5, 0.0, 0.0))),
        ({"guidance": 2, "hidden_size": 32}, SamplingConfig(guidance=2.0)),
    ],
)
def test_configs_from_before_the_file_say_the_same(tmp_path, fields, expected):
    (tmp_path / "config.json").write_text(json.dumps(fields))
    assert load_sampling(tmp_path) == expected
    save_sampling(expected, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"temperature": 9.0}))
    assert load_sampling(tmp_path) == expected  # the file is what counts


def test_the_demo_weights_have_the_file_and_an_architecture_alone():
    config = json.loads((EMBEDDED_DIR / "config.json").read_text("utf-8"))
    assert not OLD_FIELDS.keys() - {"seam_frames"} & config.keys()
    assert load_sampling(EMBEDDED_DIR) == SamplingConfig(Parts(0.0, 2.0, 2.0, 400.0), 0.4, 2.0, 1.5, 18, 12, 100.0)


def test_weights_come_back_with_their_sampling_from_either_form(tiny, tmp_path, speech):
    shutil.copytree(REGRESSION, tmp_path / "old", ignore=shutil.ignore_patterns("*.py", "*.npz", "__pycache__"))
    config = json.loads((REGRESSION / "config.json").read_text("utf-8"))
    (tmp_path / "old/config.json").write_text(json.dumps(config | OLD_FIELDS))
    old = EmagePipeline.from_pretrained(tmp_path / "old", device="cpu")
    assert (old.sampling, old.generator.config) == (FORMER, tiny.generator.config)
    old.save_pretrained(tmp_path / "new")
    new = json.loads((tmp_path / "new/config.json").read_text("utf-8"))
    assert new.items() >= config.items()
    assert new.keys() - config.keys() >= {"aligned_audio", "vocabulary"}
    assert not new.keys() & OLD_FIELDS.keys()
    new = EmagePipeline.from_pretrained(tmp_path / "new", device="cpu")
    assert (new.sampling, new.generator.config) == (FORMER, tiny.generator.config)
    takes = [pipe.generate((16000, speech), translation=AS_GENERATED).poses for pipe in (old, new, tiny)]
    assert np.array_equal(takes[0], takes[1])
    assert not np.array_equal(takes[0], takes[2])


@pytest.mark.parametrize(
    ("fields", "has_file"), [(OLD_FIELDS, True), ({}, False), ({"sf": 0, "temperature": 0}, False)]
)
def test_weights_that_are_trained_anew_are_sampled_as_before(tiny, tmp_path, fields, has_file):
    """Training replaces the config.json that had the fields."""
    (tmp_path / "config.json").write_text(json.dumps(tiny.generator.config.to_json() | fields))
    for _ in range(2):
        save_weights(tiny.generator, tmp_path, half=False)
        assert load_sampling(tmp_path) == (FORMER if has_file else SamplingConfig())
        assert (tmp_path / SAMPLING_NAME).exists() == has_file


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "sampling.json is not JSON"),
        ("[]", "sampling.json is .*; it must be an object"),
        ({"warmth": 1}, "sampling.json: there is no field warmth; known are glide_cost, guidance"),
        ({"temperature": -1}, "sampling.json: temperature is -1; it must be 0 or more"),
        ({"guidance": float("inf")}, "guidance is inf; it must be a finite number"),
        ({"low_pass_frames": "2"}, "low_pass_frames is '2'; it must be a number"),
        ({"seam_frames": 21}, "seam_frames is 21; it must be 20 at most"),
        ({"transition_cost": {"face": 1}}, "the field upper of transition_cost is missing"),
        ({"transition_cost": {"face": -1, "upper": 0, "hands": 0, "lower": 0}}, "face of transition_cost is -1"),
        (b"\xff", "cannot be read"),
    ],
)
def test_damaged_files_are_refused(tmp_path, content, words):
    text = json.dumps(content) if isinstance(content, dict) else content
    (tmp_path / SAMPLING_NAME).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(WeightsError, match=words):
        load_sampling(tmp_path)
    if isinstance(content, dict) and "temperature" in content:  # in a config of the older form, too
        (tmp_path / SAMPLING_NAME).unlink()
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(WeightsError, match="config.json: temperature is -1"):
            load_sampling(tmp_path)


def test_weights_may_ask_for_guidance(tiny, speech, monkeypatch):
    plain = tiny.generate((16000, speech))
    asks(tiny, monkeypatch, guidance=3.0)
    moved = tiny.generate((16000, speech))
    assert np.array_equal(moved.expressions[:40], plain.expressions[:40])
    assert not np.array_equal(moved.poses, plain.poses)


@pytest.mark.parametrize("name", ["temperature", "guidance", "low_pass_frames", "lookahead_frames"])
@pytest.mark.parametrize("value", ["1e308", "1e999", "10" * 300, "[1]"])
def test_numbers_that_no_weights_ask_for(tmp_path, name, value):
    (tmp_path / SAMPLING_NAME).write_text(f'{{"{name}": {value}}}')
    with pytest.raises(WeightsError, match=f"sampling.json: {name} is .*; it must be"):
        load_sampling(tmp_path)
