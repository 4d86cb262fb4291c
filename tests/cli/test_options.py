"""The options of each command, and that to show them waits for nothing heavy."""

import os
import re
import shlex
import subprocess
import sys
import tomllib

import pytest

from tests.conftest import ROOT

BODY = "accept-smplx-licence no-accept-smplx-licence smplx"
PICTURE = (
    "background camera captions no-captions face-inset no-face-inset floor no-floor followed-color "
    "generated-color hint-color panel-height panel-width renderer samples size yaw-degrees"
)
TAKE = (
    "device end-s hint-fill hint-motion hint-seam-frames hint-shift-s language plan seam-frames seed speaker start-s "
    "temperature timing top-k transcript translation use-audio no-use-audio weights"
)
OPTIONS = {
    "": "",
    "generate": f"out motion stream {TAKE} {PICTURE} {BODY}",
    "batch": f"out plans seeds video no-video {TAKE} {PICTURE} {BODY}",
    "render": f"out audio {PICTURE} {BODY}",
    "measure": f"out audio {BODY}",
    "doctor": f"weights {BODY}",
}
HEAVY = {
    "torch",
    "gradio",
    "scipy",
    "librosa",
    "smplx",
    "transformers",
    "huggingface_hub",
    "imageio_ffmpeg",
    "soundfile",
    "pocketsphinx",
    "num2words",
}


@pytest.mark.parametrize("command", OPTIONS)
def test_help_names_every_option_and_waits_for_nothing_heavy(command):
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "emage", *command.split(), "--help"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.startswith(shlex.join(["usage:", "python", "-m", "emage", *command.split()]))
    assert set(re.findall(r"(?<=[│,] )--([a-z][a-z-]*)", shown.stdout)) - {"help"} == set(OPTIONS[command].split())
    imported = {line.split("|")[-1].strip().split(".")[0] for line in shown.stderr.splitlines()}
    assert "tyro" in imported
    assert not imported & HEAVY


def test_the_command_that_an_installation_gives_works_in_any_folder(tmp_path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, function = project["scripts"]["emage"].split(":")
    script = tmp_path / "emage"  # as pip writes it
    script.write_text(f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    shown = subprocess.run(
        [sys.executable, script, "generate", "--help"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert shown.stdout.startswith("usage: emage generate"), shown.stderr
