"""What the stages share: settings, resuming, several processes."""

import json
import os
import shutil
import signal
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emage.errors import EmageError
from emage.models.vqvae import VQVAE
from tests.train.conftest import logged, settings, state_at
from train import fgd_encoder, generator, vqvae
from train.fgd_encoder import AutoencoderTraining
from train.modelling.settings import GeneratorTraining
from train.run.checkpoints import check_settings
from train.run.config import RunConfig, learning_rate_at
from train.run.training import Run
from train.vqvae import TrainedVQVAE, VQVAETraining


def test_settings_out_of_range_are_refused(tmp_path):
    with pytest.raises(EmageError, match="batch_size is 0"):
        RunConfig(cache=tmp_path, weights=tmp_path, out=tmp_path, batch_size=0)
    with pytest.raises(EmageError, match="Make batch_size a multiple of 3"):
        Run(RunConfig(cache=tmp_path, weights=tmp_path, out=tmp_path / "run", accumulation=3))


def test_learning_rate():
    config = RunConfig(cache=Path(), weights=Path(), out=Path(), steps=110, learning_rate=1.0, warmup_steps=10)
    assert [learning_rate_at(step, config) for step in (0, 4, 9, 10, 109)] == [0.1, 0.5, 1, 1, 1]
    config = replace(config, final_learning_rate=0.2)
    assert [round(learning_rate_at(step, config), 6) for step in (10, 60, 110)] == [1, 0.6, 0.2]


def test_gradients_are_clipped_when_they_are_complete(tmp_path):
    run = Run(RunConfig(cache=tmp_path, weights=tmp_path, out=tmp_path, accumulation=2, clip_norm=0.5))
    model = torch.nn.Linear(3, 1, bias=False)
    before = model.weight.detach().clone()
    model, optimizer = run.accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=1.0))
    for planted in (1e6, 1e7):
        with run.accelerator.accumulate(model):
            run.descend(planted * model(torch.ones(1, 3)).sum(), model, optimizer)
        moved = float((model.weight.detach() - before).norm())
        assert moved == pytest.approx(0 if planted == 1e6 else 0.5, rel=1e-3)


def test_the_note_of_a_run_says_the_step_of_its_weights_and_checkpoint(cache, tmp_path):
    def noted(*folders: Path) -> list[int]:
        return [json.loads((folder / "training.json").read_text())["step"] for folder in folders]

    config = settings(AutoencoderTraining, cache, tmp_path, steps=3, checkpoint_every=2)
    fgd_encoder.train(config)
    assert noted(config.out, config.weights / fgd_encoder.FOLDER) == [3, 3]
    longer = Run(replace(config, steps=5))  # and stopped before its first checkpoint
    assert longer.step == 3
    longer.close()
    assert noted(config.out) == [3]
    fgd_encoder.train(replace(config, steps=5))
    assert noted(config.out, config.weights / fgd_encoder.FOLDER) == [5, 5]


def test_a_setting_that_an_earlier_revision_did_not_have_had_its_default(cache, tmp_path):
    config = settings(AutoencoderTraining, cache, tmp_path, steps=1)
    fgd_encoder.train(config)
    path = config.out / "training.json"
    note = json.loads(path.read_text())
    del note["settings"]["clip_norm"]
    path.write_text(json.dumps(note))
    check_settings(config, 1)
    with pytest.raises(EmageError, match="holds a run with another clip_norm"):
        check_settings(replace(config, clip_norm=0.5), 1)


# --- resuming ---------------------------------------------------------------------------------------------------------


def train_until_killed(config: VQVAETraining, last_step: int) -> None:
    """Killed without warning after a step, by the process itself."""
    end_step = Run.end_step

    def end_step_and_die(run: Run, *arguments) -> None:
        end_step(run, *arguments)
        if run.step == last_step:
            os.kill(os.getpid(), signal.SIGKILL)

    Run.end_step = end_step_and_die
    torch.set_num_threads(1)
    vqvae.train(config)


def test_a_killed_run_goes_on_to_the_same_numbers(cache, body, processes, tmp_path):
    straight, killed = (
        settings(VQVAETraining, cache, tmp_path / name, steps=12, checkpoint_every=4, batch_size=6)
        for name in ("straight", "killed")
    )
    process = processes.Process(target=train_until_killed, args=(killed, 6))
    process.start()
    vqvae.train(straight, body)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    run = Run(killed)
    run.prepare(TrainedVQVAE(VQVAE(killed.network())))
    assert run.step == 4
    run.close()
    vqvae.train(killed, body)
    ours, theirs = state_at(killed, 12), state_at(straight, 12)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    weight = "vqvae.encoder.main.0.weight"
    assert not torch.equal(theirs[weight], state_at(straight, 8)[weight])
    with pytest.raises(EmageError, match="holds a run with another seed"):
        vqvae.train(replace(killed, seed=9), body)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.bin", "random_states_0.pkl"])
def test_where_the_last_checkpoint_is_cut_the_one_before_is_used(cache, tmp_path, capsys, name):
    straight, cut = (
        settings(AutoencoderTraining, cache, tmp_path / name, steps=4, checkpoint_every=2) for name in ("a", "b")
    )
    fgd_encoder.train(straight)
    fgd_encoder.train(cut)
    last = cut.out / "checkpoints/step_00000004"
    os.truncate(last / name, (last / name).stat().st_size // 2)
    fgd_encoder.train(cut)
    told = capsys.readouterr().err
    assert f"step_00000004 is damaged and now called damaged_step_00000004: {last / name}" in told
    assert "Training goes on from step 2." in told
    ours, theirs = state_at(cut, 4), state_at(straight, 4)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_a_run_without_a_whole_checkpoint_says_so(cache, tmp_path):
    config = settings(AutoencoderTraining, cache, tmp_path, steps=2, checkpoint_every=1)
    fgd_encoder.train(config)
    for checkpoint in (config.out / "checkpoints").iterdir():
        (checkpoint / "optimizer.bin").unlink()
    with pytest.raises(EmageError, match="is whole. The last one: .*step_00000002 has no file optimizer"):
        Run(config)


@pytest.mark.parametrize("content", ["{}", "[]", '{"settings": {', '{"settings": 1, "processes": 1}'])
def test_a_note_that_is_none_is_named(cache, tmp_path, content):
    config = settings(AutoencoderTraining, cache, tmp_path, steps=1)
    fgd_encoder.train(config)
    (config.out / "training.json").write_text(content)
    with pytest.raises(EmageError, match="training.json is damaged"):
        Run(config)


def test_dropout_goes_on_where_it_was(trained, cache, body, tmp_path):
    def train(name: str, steps: int) -> GeneratorTraining:
        base = settings(GeneratorTraining, cache, tmp_path / name, steps=steps, batch_size=4, checkpoint_every=1)
        shutil.copytree(trained["lower"].weights / "emage_vq", base.weights / "emage_vq", dirs_exist_ok=True)
        config = replace(base, first_mask_ratio=1.0, validate_every=steps)
        generator.train(config, body)
        return config

    straight = train("straight", 2)
    train("stopped", 1)
    ours, theirs = state_at(train("stopped", 2), 2), state_at(straight, 2)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


# --- several processes ------------------------------------------------------------------------------------------------


def train_as_one_of_two(rank: int, port: int, config: RunConfig) -> None:
    """As `accelerate launch --num_processes 2 --cpu` does."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"ACCELERATE_USE_CPU": "true", "RANK": str(rank), "LOCAL_RANK": str(rank)}
    torch.set_num_threads(1)
    (vqvae if isinstance(config, VQVAETraining) else generator).train(config)


@pytest.mark.parametrize(
    ("kind", "changes", "key"),
    [
        (VQVAETraining, {}, "vqvae.quantizer.embedding.weight"),
        # Biases before a norm have no gradient but rounding, which Adam makes steps of; variances do not see them.
        (GeneratorTraining, {"dropout": 0.0}, "generator.audio_encoder_body.feat_extractor.0.bn1.running_var"),
        (
            GeneratorTraining,
            {"dropout": 0.0, "hears": "both"},
            "generator.rhythm_encoder_body.feat_extractor.0.bn1.running_var",
        ),
    ],
)
def test_two_processes_have_the_loss_of_one(kind, changes, key, trained, spoken_cache, body, processes, tmp_path):
    """In the VQ-VAE with its codebook, and in the generator with its batch norms, over several steps."""
    one, two = (
        settings(kind, spoken_cache, tmp_path / name, steps=2, batch_size=4, checkpoint_every=2, **changes)
        for name in ("one", "two")
    )
    for config in (one, two):
        shutil.copytree(trained["lower"].weights / "emage_vq", config.weights / "emage_vq")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = [processes.Process(target=train_as_one_of_two, args=(rank, port, two)) for rank in range(2)]
    for process in running:
        process.start()
    (vqvae if kind is VQVAETraining else generator).train(one, body)
    for process in running:
        process.join(timeout=120)
        assert process.exitcode == 0
    assert list(logged(two).values()) == pytest.approx(list(logged(one).values()), rel=1e-4)
    torch.testing.assert_close(state_at(two, 2)[key], state_at(one, 2)[key], rtol=1e-3, atol=1e-6)
