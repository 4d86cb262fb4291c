"""The suite beat2 as it is run: what it writes, that it goes on, and that it does not matter how many share it."""

import csv
import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from accelerate import PartialState

from emage.errors import EmageError
from emage.files import sha256_of
from tests.conftest import ROOT
from tests.train.evaluation.beat2.conftest import (
    LONG_CLIPS,
    SHORT_CLIP,
    copy_motions,
    evaluate_and_write,
    settings,
)
from train import evaluate
from train.data.corpus import CorpusError
from train.evaluation.beat2.results import read_results
from train.evaluation.beat2.suite import evaluate_beat2
from train.run.checkpoints import git_revision

WRITTEN = ("scores.json", "scores.csv", "scores.md", "scores.tex", "settings.json")


@pytest.fixture(scope="module")
def generated(labelled, trained, body, tmp_path_factory):
    """An evaluation of weights that have hardly been trained."""
    out = tmp_path_factory.mktemp("generated") / "out"
    config = settings(labelled, trained["generator"].weights, out, hint_clips=2)
    return config, evaluate_and_write(config, body)


def test_weights_are_scored_with_all_that_makes_scores_comparable(generated, trained, labelled):
    config, results = generated
    assert results == read_results(config.out)
    assert (results.clips, results.frames) == (3, 180 + 210 + 240)
    assert list(results.left_out) == [SHORT_CLIP]
    assert "2 s at each end" in results.left_out[SHORT_CLIP]
    assert results.corpus["fgd"].raw == pytest.approx(-2e-6 * 40, abs=1e-8)
    assert results.corpus["face_mse_m2"].raw == results.corpus["face_lvd_m_per_frame"].raw == 0
    assert results.scores["fgd"].raw > results.fgd_floor > 0
    assert results.scores["fgd"].scaled == pytest.approx(10 * results.scores["fgd"].raw)
    assert all(results.scores[name] is not None for name in ("bc", "srgr", "seams", "hint_rad", "foot_sliding_m_per_s"))
    assert results.scores["srgr"].raw < results.corpus["srgr"].raw
    # 91 frames of 0.1 and 46 of 0.9, of the 210 of the one clip that has labels
    assert results.corpus["srgr"].raw == pytest.approx((91 * 0.1 + 46 * 0.9) / 210 / 0.165, rel=1e-6)
    basis, weights = results.basis, trained["generator"].weights
    assert basis.motions["generator"].sha256 == sha256_of([weights / "model.safetensors"])
    assert (results.scores["srgr"].low, results.scores["srgr"].high) == (None, None)  # one clip has labels
    assert results.scores["l1_diversity_m"].low < results.scores["l1_diversity_m"].high
    assert basis.evaluator.sha256 == sha256_of([weights / "fgd" / "model.safetensors"])
    assert (basis.speakers, basis.split, results.revision) == ((1, 3), "test", git_revision())
    assert len(basis.motions) == 6
    assert "temperature" in basis.settings
    rows = list(csv.DictReader((config.out / "scores.csv").open()))
    fgd = next(row for row in rows if (row["system"], row["metric"]) == ("made", "fgd"))
    assert float(fgd["raw"]) == results.scores["fgd"].raw
    assert float(fgd["low"]) <= float(fgd["high"])
    text = (config.out / "scores.md").read_text()
    assert "FGD x10" in text
    assert SHORT_CLIP in text
    latex = (config.out / "scores.tex").read_text()
    assert latex.count(r"\\") == 3
    assert latex.count("&") == 3 * sum(score is not None for score in results.scores.values())


def test_an_evaluation_that_was_stopped_ends_with_the_same_bytes(generated, body):
    config, _ = generated
    before = {name: (config.out / name).read_bytes() for name in WRITTEN}
    motion = (config.out / "motions" / f"{LONG_CLIPS[0]}.npz").read_bytes()
    kept = (config.out / "clips" / f"{LONG_CLIPS[2]}.json").stat().st_mtime_ns
    for name in ("scores.json", "scores.csv", f"clips/{LONG_CLIPS[0]}.json", f"clips/{LONG_CLIPS[1]}.json"):
        (config.out / name).unlink()
    for folder in ("clips", "motions"):
        (config.out / folder / ".emage-0123.npz").write_text("what a process was writing when it was killed")
    evaluate_and_write(config, body)
    assert not list(config.out.rglob(".emage-*"))
    assert {name: (config.out / name).read_bytes() for name in WRITTEN} == before
    assert (config.out / "motions" / f"{LONG_CLIPS[0]}.npz").read_bytes() == motion
    assert (config.out / "clips" / f"{LONG_CLIPS[2]}.json").stat().st_mtime_ns == kept


def evaluate_as_one_of_two(rank: int, port: int, config) -> None:
    """As torchrun and `accelerate launch` begin it. Notes how many it found beside itself."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    evaluate.run_beat2(config)
    state = PartialState()
    (config.out.parent / f"found_by_{rank}").write_text(f"{state.process_index} of {state.num_processes}")


def test_two_processes_give_the_numbers_of_one_to_the_last_digit(generated, processes, tmp_path):
    config, _ = generated
    two = replace(config, out=tmp_path / "two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = [processes.Process(target=evaluate_as_one_of_two, args=(rank, port, two)) for rank in range(2)]
    for process in running:
        process.start()
    for process in running:
        process.join(timeout=300)
        assert process.exitcode == 0
    found = [(tmp_path / f"found_by_{rank}").read_text() for rank in range(2)]
    assert found == ["0 of 2", "1 of 2"]  # each else does all the clips, and says the same
    for name in WRITTEN:
        assert (two.out / name).read_bytes() == (config.out / name).read_bytes(), name


@pytest.mark.slow
def test_accelerate_launch_gives_the_numbers_of_one_process(generated, labelled, trained, tmp_path):
    config, _ = generated
    given = ["--suite", "beat2", "--corpus", str(labelled), "--weights", str(trained["generator"].weights)]
    given += ["--evaluator", str(config.evaluator), "--hint-clips", "2", "--resamples", "20", "--device", "cpu"]
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    command = [*launch, "-m", "train.evaluate", *given, "--out", str(tmp_path / "out")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    for name in WRITTEN:
        assert (tmp_path / "out" / name).read_bytes() == (config.out / name).read_bytes(), name


@pytest.fixture(scope="module")
def true_run(labelled, trained, body, tmp_path_factory):
    """The truth in its place, as made already."""
    folder = tmp_path_factory.mktemp("true")
    motions = copy_motions(labelled, folder / "motions", 0.0)
    config = settings(labelled, trained["generator"].weights, folder / "out", motions=motions)
    return config, evaluate_and_write(config, body)


def test_motions_that_are_made_already(true_run):
    _, results = true_run
    for key, score in results.corpus.items():
        if score is not None:
            assert results.scores[key].raw == pytest.approx(score.raw, abs=1e-9), key
    assert results.scores["seams"] is None
    assert results.scores["hint_rad"] is None
    assert list(results.basis.motions) == ["motions"]


def test_clips_that_are_not_whole_count_for_what_they_have(labelled, trained, body, tmp_path):
    corpus = shutil.copytree(labelled, tmp_path / "corpus")
    lacks = {LONG_CLIPS[0]: ["face"], LONG_CLIPS[1]: ["audio"], SHORT_CLIP: ["audio"]}
    (corpus / "channels.json").write_text(json.dumps({"clips": lacks}))
    (corpus / "wave16k" / f"{LONG_CLIPS[1]}.wav").unlink()
    motions = copy_motions(labelled, tmp_path / "motions", 0.05)
    results = evaluate_beat2(settings(corpus, trained["generator"].weights, tmp_path / "out", motions=motions), body)
    assert set(results.left_out) == {LONG_CLIPS[1], SHORT_CLIP}
    assert "has no sound" in results.left_out[LONG_CLIPS[1]]
    faceless, whole = (results.clip_scores[LONG_CLIPS[number]] for number in (0, 2))
    assert faceless.face_mse_m2 is None
    assert results.scores["face_mse_m2"].raw == pytest.approx(whole.face_mse_m2)
    assert results.scores["srgr"] is None


def test_a_clip_in_whose_sound_nothing_sets_in_counts_for_all_but_bc(labelled, true_run, body, tmp_path):
    config, whole = true_run
    corpus = shutil.copytree(labelled, tmp_path / "corpus")
    soundfile.write(corpus / "wave16k" / f"{LONG_CLIPS[1]}.wav", np.zeros(16000 * 7), 16000, "PCM_16")
    results = evaluate_and_write(replace(config, corpus=corpus, out=tmp_path / "out"), body)
    assert (results.clips, list(results.left_out)) == (3, [SHORT_CLIP])
    assert results.clip_scores[LONG_CLIPS[1]].bc is None
    others = [whole.clip_scores[LONG_CLIPS[number]] for number in (0, 2)]
    bc = np.average([each.bc for each in others], weights=[each.frames - 120 for each in others])
    assert results.scores["bc"].raw == pytest.approx(bc)
    for key in ("fgd", "l1_diversity_m", "srgr"):
        assert results.scores[key].raw == pytest.approx(whole.scores[key].raw), key
    said = f"Without BC, as nothing sets in in their sound or their motion has no upper body: {LONG_CLIPS[1]}."
    assert said in (tmp_path / "out" / "scores.md").read_text()
    assert "Without BC" not in (config.out / "scores.md").read_text()


def test_published_files_are_read(labelled, trained, body, shared, tmp_path):
    velocity = np.random.default_rng(0).uniform(0.1, 0.3, 55).astype(np.float32)
    np.save(tmp_path / "mean_vel_smplxflame_30.npy", velocity)
    config = settings(
        labelled,
        trained["generator"].weights,
        tmp_path / "out",
        motions=copy_motions(labelled, tmp_path / "motions", 0.05),
        evaluator=shared / "parity" / "fgd" / "AESKConv_240_100.bin",
        mean_velocity=tmp_path / "mean_vel_smplxflame_30.npy",
    )
    results = evaluate_beat2(config, body)
    assert results.basis.mean_velocity.sha256 == sha256_of([tmp_path / "mean_vel_smplxflame_30.npy"])
    assert results.basis.evaluator.name == "AESKConv_240_100.bin"
    assert results.corpus["fgd"].raw == pytest.approx(-2e-6 * 240, abs=1e-7)
    np.save(tmp_path / "wrong.npy", velocity[:30])
    with pytest.raises(EmageError, match=r"\(30,\) float32"):
        evaluate_beat2(replace(config, mean_velocity=tmp_path / "wrong.npy", out=tmp_path / "other"), body)


def test_faults_are_named(labelled, trained, generated, body, tmp_path):
    weights = trained["generator"].weights
    with pytest.raises(EmageError, match="either --weights"):
        replace(settings(labelled, weights, tmp_path / "out"), motions=tmp_path)
    with pytest.raises(EmageError, match="need --evaluator"):
        settings(labelled, weights, tmp_path / "out", motions=tmp_path, evaluator=None)
    few = copy_motions(labelled, tmp_path / "few", 0.0, LONG_CLIPS[:2])
    with pytest.raises(CorpusError, match=f"no motion of the clip {SHORT_CLIP}"):
        evaluate_beat2(settings(labelled, weights, tmp_path / "out", motions=few), body)
    with pytest.raises(CorpusError, match="no clip of split additional"):
        evaluate_beat2(settings(labelled, weights, tmp_path / "out", split="additional"), body)
    config, _ = generated
    with pytest.raises(EmageError, match="results of another settings"):
        evaluate_beat2(replace(config, temperature=0.5), body)
    with pytest.raises(EmageError, match="knows 2 speakers"):
        evaluate_beat2(settings(labelled, weights, tmp_path / "one", speakers=(1,)), body)


def test_the_commands(true_run, generated, labelled, trained, monkeypatch, capsys, tmp_path):
    """Both of them, as they are given; where one is missing, with a sentence."""
    config, _ = true_run
    shutil.copytree(config.out, tmp_path / "out")
    given = ["--suite", "beat2", "--corpus", str(labelled), "--motions", str(config.motions)]
    given += ["--out", str(tmp_path / "out")]
    given += ["--evaluator", str(trained["generator"].weights), "--resamples", "20", "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", ["train.evaluate", *given])
    evaluate.main()
    assert "FGD x10" in capsys.readouterr().out
    assert (tmp_path / "out" / "scores.json").read_bytes() == (config.out / "scores.json").read_bytes()
    out = tmp_path / "compared"
    runs = [str(config.out), str(generated[0].out)]
    monkeypatch.setattr(sys, "argv", ["train.evaluate", "compare", *runs, "--out", str(out), "--resamples", "20"])
    evaluate.main()
    assert "Of fewer than 6 clips, which tell nothing" in capsys.readouterr().out
    assert json.loads((out / "comparison.json").read_text())["clips"] == 3
    monkeypatch.setattr(sys, "argv", ["train.evaluate", "compare", runs[0], str(tmp_path / "nothing")])
    with pytest.raises(SystemExit, match="2"):
        evaluate.main()
    assert "Evaluate first" in capsys.readouterr().err
