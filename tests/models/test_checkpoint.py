"""Configs and weights read with care."""

import io
import os
import pickle
import time
import zipfile

import pytest
import safetensors.torch
import torch

from emage.errors import WeightsError
from emage.hub import EMBEDDED_DIR
from emage.models.checkpoint import load_config, load_networks, load_state, save_network
from emage.models.generator_config import GeneratorConfig
from emage.models.vqvae import VQVAE, VQVAEConfig

BIN = "pytorch_model.bin"


def saved(state: object, **options: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer, **options)
    return buffer.getvalue()


def old_format(state: object) -> bytes:
    return saved(state, _use_new_zipfile_serialization=False)


def test_safetensors_is_preferred(tmp_path):
    (tmp_path / BIN).write_bytes(b"never read")
    safetensors.torch.save_file({"a": torch.ones(2)}, tmp_path / "model.safetensors")
    assert torch.equal(load_state(tmp_path)["a"], torch.ones(2))


@pytest.mark.parametrize("save", [saved, old_format])
@pytest.mark.parametrize(
    ("state", "keys"),
    [
        ({"a": torch.ones(2)}, ["a"]),
        ({"model_state": {"module.a": torch.ones(2), "module.b.module.c": torch.zeros(1)}}, ["a", "b.module.c"]),
        ({"module.a": torch.ones(2), "b": torch.zeros(1)}, ["b", "module.a"]),  # not shared by all
    ],
)
def test_pickled_state(tmp_path, save, state, keys):
    (tmp_path / BIN).write_bytes(save(state))
    loaded = load_state(tmp_path)
    assert sorted(loaded) == keys
    assert torch.equal(next(value for key, value in loaded.items() if key.endswith("a")), torch.ones(2))


def test_file_without_checksums(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": torch.ones(2)}, tmp_path / BIN)
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(load_state(tmp_path)["a"], torch.ones(2))


@pytest.mark.parametrize(
    ("name", "save"), [(BIN, saved), (BIN, old_format), ("model.safetensors", safetensors.torch.save)]
)
@pytest.mark.parametrize("keep", [0, 3, 60, 0.5, -8])
def test_truncated(tmp_path, name, save, keep):
    content = save({"a": torch.arange(1000.0)})
    content = content[: int(len(content) * keep) if isinstance(keep, float) else keep]
    (tmp_path / name).write_bytes(content)
    words = rf"{name} \({len(content):,} bytes\) cannot be used: .*Delete .*get it again"
    with pytest.raises(WeightsError, match=words):
        load_state(tmp_path)


@pytest.mark.parametrize("where", [0.1, 0.3, 0.5, 0.7])
def test_altered_byte(tmp_path, where):
    content = bytearray(saved({"a": torch.arange(5000.0)}))
    content[int(where * len(content))] ^= 4
    (tmp_path / BIN).write_bytes(content)
    with pytest.raises(WeightsError, match=r"checksum of its record .* is wrong"):
        load_state(tmp_path)


@pytest.mark.parametrize("as_zip", [False, True])
def test_code_is_refused_and_not_run(tmp_path, as_zip):
    mark = tmp_path / "it-ran"

    class Evil:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {mark}",)

    content = saved({"a": Evil()}) if as_zip else pickle.dumps({"a": Evil()}, protocol=2)
    (tmp_path / BIN).write_bytes(content)
    with pytest.raises(WeightsError, match=r"is refused: it asks for (posix|nt)\.system.*Nothing of it was run"):
        load_state(tmp_path)
    assert not mark.exists()
    if as_zip:
        torch.load(tmp_path / BIN, weights_only=False)
    else:
        pickle.loads(content)
    assert mark.exists()  # the file was indeed dangerous


def test_zip_that_claims_to_be_huge(tmp_path):
    with zipfile.ZipFile(tmp_path / BIN, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data.pkl", b"\0" * 10_000_000)
    with pytest.raises(WeightsError, match="claim to be larger than the file"):
        load_state(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (BIN, saved([torch.ones(1)]), "no state dict but list"),
        (BIN, saved({}), "no state dict but nothing"),
        (BIN, saved({"a": 1.5}), "'a' is float, not a named tensor"),
        (BIN, saved({3: torch.ones(1)}), "3 is Tensor, not a named tensor"),
        (BIN, saved({"a": torch.eye(3).to_sparse()}), "'a' is a tensor that does not hold its numbers one by one"),
        (BIN, saved({"a": torch.ones(2, device="meta")}), "'a' is a tensor that does not hold its numbers one by one"),
        (BIN, b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "is a Git LFS pointer.*git lfs pull"),
        ("README.md", b"", "has no model.safetensors or pytorch_model.bin"),
    ],
)
def test_no_state_dict(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=words):
        load_state(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is not JSON"),
        (b'{"a": ', "it is not JSON"),
        (b"\xff\xfe\x00", "it is not JSON"),
        (b"[1]", "holds a list where an object"),
        (None, "is missing"),
    ],
)
def test_bad_config(tmp_path, content, words):
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(WeightsError, match=rf"config.json .*{words}"):
        load_config(tmp_path)


def test_networks_that_do_not_fit_one_another_are_refused(tmp_path, tiny):
    save_network(VQVAE(VQVAEConfig(78, width=8, codebook_size=24)), tmp_path)
    with pytest.raises(WeightsError, match=r"upper.*trained together"):
        load_networks(tiny.source.folders | {"upper": tmp_path})


@pytest.mark.parametrize(
    "name",
    [
        "hidden_size", "audio_f", "motion_f", "pose_length", "seed_frames", "stride", "speaker_dims", "vocabulary",
        "word_dims", "vae_codebook_size", "speech_layers",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", [10**9, 10**400, float("inf"), [8]])
def test_sizes_of_no_honest_generator_are_refused_before_anything_is_made(name, value):
    with pytest.raises(WeightsError, match=r"Generator config: \w+ is .*; it must be"):
        GeneratorConfig.from_json({**load_config(EMBEDDED_DIR), name: value})


@pytest.mark.parametrize("name", ["vae_length", "vae_test_dim", "vae_layer", "vae_codebook_size"])
@pytest.mark.parametrize("value", [10**9, float("inf"), {}])
def test_sizes_of_no_honest_vqvae_are_refused_before_anything_is_made(name, value):
    with pytest.raises(WeightsError, match=r"VQ-VAE config: \w+ is .*; it must be"):
        VQVAEConfig.from_json({**load_config(EMBEDDED_DIR / "emage_vq/upper"), name: value})


def test_networks_far_larger_than_published_have_configs():
    large = {"hidden_size": 8192, "audio_f": 4096, "motion_f": 4096, "pose_length": 9000, "speaker_dims": 100_000}
    large |= {"vocabulary": 3_000_000, "vae_codebook_size": 65536, "speech_layers": 32}
    assert GeneratorConfig.from_json({**load_config(EMBEDDED_DIR), **large}).vocabulary == 3_000_000
    VQVAEConfig(channels=337, width=8192, layers=64, codebook_size=65536)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a":' * 100_000, "it is not JSON"),
        ("[" * 100_000 + "]" * 100_000, "it is not JSON"),
        ('{"a":' + "9" * 100_000 + "}", "it is not JSON"),
        ('{"a": 1}' + " " * (1 << 20), "at most 1,048,576 bytes"),
    ],
)
def test_configs_that_no_program_writes(tmp_path, text, words):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(WeightsError, match=words):
        load_config(tmp_path)


@pytest.mark.parametrize("save", [saved, old_format])
def test_names_of_endless_length_take_no_time(tmp_path, save):
    whole = save({"a": torch.ones(2)})
    name = b"ctorch._utils\n_rebuild_tensor_v2\n"
    assert name in whole
    content = whole.replace(name, b"ctorch._utils\n" + b"b" * 200_000 + b"\n")
    if save is saved:  # with checksums that are right
        content = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(content, "w") as new:
            for info in old.infolist():
                new.writestr(info.filename, old.read(info).replace(name, b"ctorch._utils\n" + b"b" * 200_000 + b"\n"))
        content = content.getvalue()
    (tmp_path / BIN).write_bytes(content)
    began = time.process_time()
    with pytest.raises(WeightsError, match="it holds a name of 200,0.. characters"):
        load_state(tmp_path)
    assert time.process_time() - began < 2
