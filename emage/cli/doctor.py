"""`python -m emage doctor`: what is installed, what works on this machine, and what to do where something does not.

Everything that could be missing is imported where it is tried.
"""

import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import tyro

from emage.cli.options import BodyOptions
from emage.errors import EmageError

PACKAGES = (
    "torch", "numpy", "scipy", "librosa", "soundfile", "soxr", "smplx", "trimesh", "moderngl", "pyrender",
    "imageio-ffmpeg", "pocketsphinx", "num2words", "huggingface_hub", "safetensors", "gradio", "tyro", "tqdm",
)  # fmt: skip


@dataclass(frozen=True)
class Doctor:
    """Say what is installed, whether pictures can be drawn, which weights and body are used, and how to mend it."""

    weights: str | None = None
    """As for generate."""
    body: tyro.conf.OmitArgPrefixes[BodyOptions] = BodyOptions()

    def run(self) -> None:
        findings = examine(self.weights, self.body.smplx, self.body.accept_smplx_licence)
        for finding in findings:
            print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.topic}: {finding.text}")
        if not all(finding.ok for finding in findings):
            raise SystemExit(1)


@dataclass(frozen=True)
class Finding:
    """One topic, whether it is well, and what was found or is to be done."""

    topic: str
    ok: bool
    text: str


def examine(weights: str | None, smplx_file: Path | None, accept_smplx_licence: bool) -> list[Finding]:
    """Try everything a run needs, in the order it is needed; what packages miss is not tried without them."""
    reports = [
        Finding("Python", True, f"{platform.python_version()} on {platform.platform()}"),
        *(_package(name) for name in PACKAGES),
    ]
    if not all(report.ok for report in reports):
        return reports
    return [
        *reports,
        *examine_tools(),
        _try("weights", lambda: _weights(weights)),
        _try("body", lambda: _body(smplx_file, accept_smplx_licence)),
        _try("faces between bodies", _faces),
    ]


def examine_tools() -> list[Finding]:
    """What takes are made, drawn and understood with, where all packages are there."""
    return [
        Finding("GPU", True, _gpu()),
        _try("ffmpeg", _ffmpeg),
        *(_try(f"drawing with {name}", lambda name=name: _drawn(name)) for name in ("moderngl", "pyrender")),
        _try("words", _words),
    ]


def _try(topic: str, find: Callable[[], str]) -> Finding:
    try:
        return Finding(topic, True, find())
    except (EmageError, RuntimeError) as error:  # RuntimeError is imageio-ffmpeg's word for a missing ffmpeg
        return Finding(topic, False, str(error))


def _package(name: str) -> Finding:
    try:
        return Finding(name, True, version(name))
    except PackageNotFoundError:
        return Finding(name, False, "not installed; run `pip install -r requirements.txt`.")


def _ffmpeg() -> str:
    import imageio_ffmpeg

    return imageio_ffmpeg.get_ffmpeg_exe()


def _gpu() -> str:
    import torch

    if not torch.cuda.is_available():
        return "none; the CPU is used"
    return torch.cuda.get_device_name()


def _drawn(renderer: str) -> str:
    from emage.render.frames import check_renderer

    check_renderer(renderer)
    return "works"


def _weights(weights: str | None) -> str:
    from emage.hub import find_weights
    from emage.models.checkpoint import load_networks

    source = find_weights(weights)
    load_networks(source.folders)
    return source.notice or source.description


def _body(smplx_file: Path | None, accept_smplx_licence: bool) -> str:
    from emage.body import load_body

    body = load_body(smplx_file, accept_smplx_licence)
    return f"{body.name} ({body.licence})"


def _words() -> str:
    import importlib.util

    from emage.recording.pronunciation import check_language
    from emage.recording.recognition import WHISPER

    recogniser = "faster-whisper" if importlib.util.find_spec(WHISPER) else "pocketsphinx (English alone)"
    try:
        check_language("de")
        others = "other languages by espeak-ng's pronunciations"
    except EmageError:  # no fault: the embedded examples have times
        others = "no other languages, for espeak-ng is not there"
    return f"English is aligned, {others}; recognised by {recogniser}"


def _faces() -> str:
    from emage.body.face import loader_of

    faces = loader_of()
    if faces.available() is None:  # no fault: what is embedded needs none
        return f"not there, so the stand-in shows of the published weights' faces the jaw alone. {faces.reason}"
    return f"by {faces.source.filename} of {faces.source.repo_id}"
