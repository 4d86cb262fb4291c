"""Takes on a ZeroGPU Space."""

import pickle
import types

import numpy as np
import pytest

import app as module
from emage.generation.take import Request, Take
from emage.recording.recording import Recording
from emage.ui.service.registry import WeightsRegistry
from tests.conftest import make_motion


@pytest.fixture
def zero_gpu(monkeypatch) -> types.SimpleNamespace:
    """The package `spaces` of a ZeroGPU Space. lent: for each call the seconds that were asked for, and the arguments,
    which are pickled as they are on their way to the GPU's process."""
    lent = []

    def gpu(duration):
        def decorate(function):
            def call(*arguments):
                lent.append((duration(*arguments), arguments))
                return pickle.loads(pickle.dumps(function(*pickle.loads(pickle.dumps(arguments)))))

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
    take = module.on_zero_gpu(registry)("", request, lambda *call: told.append(call))
    ((seconds, arguments),) = zero_gpu.lent
    assert (seconds, arguments) == (21, ("", request))
    assert told == [("Generating motion", 45, 45)]
    assert take.recording is request.recording
    assert np.array_equal(take.motion.poses, tiny.take(request).motion.poses)
    zero_gpu.config.zero_gpu = False
    again = module.on_zero_gpu(registry)("", request, None)
    assert np.array_equal(again.motion.poses, take.motion.poses)
    assert len(zero_gpu.lent) == 1


def test_a_gpu_is_asked_for_as_long_as_the_recording_needs(zero_gpu):
    """20 s to start and a fifth of the part that is used, 120 s at most."""
    take = Take(make_motion(3))
    make = module.on_zero_gpu(WeightsRegistry(types.SimpleNamespace(source=None, take=lambda *_: take)))
    recordings = [Recording(np.zeros(round(16000 * seconds)), np.zeros(1)) for seconds in (0.5, 60, 300, 1200)]
    for recording in (*recordings, recordings[2].trim(0, 1800)):
        make("", Request(recording), None)
    assert [seconds for seconds, _ in zero_gpu.lent] == [21, 32, 80, 120, 32]
