"""The start of the server, and takes on a ZeroGPU Space."""

import inspect
import os
import pickle
import subprocess
import sys
import types

import numpy as np
import pytest

import app as module
from emage.generation.take import Request
from emage.motion import join_motions
from emage.recording.recording import Recording
from emage.ui.service.registry import WeightsRegistry
from tests.conftest import ROOT, assert_same_motion, make_motion


@pytest.fixture
def zero_gpu(monkeypatch) -> types.SimpleNamespace:
    """The package `spaces` of a ZeroGPU Space. lent: for each call the seconds that were asked for, and the arguments,
    which are pickled as they are on their way to the GPU's process."""
    lent = []

    def gpu(duration):
        def decorate(function):
            def call(*arguments):
                lent.append((duration(*arguments), arguments))
                assert inspect.isgeneratorfunction(function)  # whose values `spaces` hands through as they come
                for value in function(*pickle.loads(pickle.dumps(arguments))):
                    yield pickle.loads(pickle.dumps(value))

            return call

        return decorate

    config = types.SimpleNamespace(Config=types.SimpleNamespace(zero_gpu=True))
    monkeypatch.setattr(module, "spaces", types.SimpleNamespace(GPU=gpu, config=config), raising=False)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: object())
    return types.SimpleNamespace(lent=lent, config=config.Config)


def test_on_zero_gpu_a_take_is_made_on_a_gpu_that_is_lent(tiny, short_talk, zero_gpu, tmp_path):
    """What crosses to the GPU process must be picklable: no progress callback goes along."""
    told, registry = [], WeightsRegistry(tiny)
    request = Request(Recording.load(short_talk).store(tmp_path))
    pieces = module.on_zero_gpu(registry)("", request, lambda *call: told.append(call))
    first = next(pieces)
    assert told == [("Generating motion", first.num_frames, 45)]
    made = join_motions([first, *pieces])
    ((seconds, arguments),) = zero_gpu.lent
    assert (seconds, arguments) == (21, ("", request))
    assert told[-1] == ("Generating motion", 45, 45)
    assert_same_motion(made, tiny.take(request).motion)
    zero_gpu.config.zero_gpu = False
    assert_same_motion(join_motions(list(module.on_zero_gpu(registry)("", request, None))), made)
    assert len(zero_gpu.lent) == 1


def test_a_gpu_is_asked_for_as_long_as_the_recording_needs(zero_gpu):
    """20 s to start and a fifth of the part that is used, 120 s at most."""
    pipeline = types.SimpleNamespace(source=None, stream=lambda *_: [make_motion(3)], count_frames=lambda *_: 3)
    make = module.on_zero_gpu(WeightsRegistry(pipeline))
    recordings = [Recording(np.zeros(round(16000 * seconds)), np.zeros(1)) for seconds in (0.5, 60, 300, 1200)]
    for recording in (*recordings, recordings[2].trim(0, 1800)):
        assert len(list(make("", Request(recording), None))) == 1
    assert [seconds for seconds, _ in zero_gpu.lent] == [21, 32, 80, 120, 32]


def test_a_server_that_has_nowhere_to_write_says_so(tmp_path):
    (tmp_path / "file").touch()
    environment = os.environ | {"GRADIO_TEMP_DIR": str(tmp_path / "file/uploads")}
    command = [sys.executable, str(ROOT / "app.py"), "--weights", "demo"]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2
    told = ended.stderr.splitlines()[-1]
    assert told.startswith(f"Error: The folder of uploads and results, {tmp_path}/file/uploads, cannot be written to")
    assert told.endswith("name another one in GRADIO_TEMP_DIR.")
