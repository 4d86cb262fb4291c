"""Faces of FLAME as ARKit actions and back: the map, where it comes from, and everything that shows a face by it."""

import gc
import hashlib
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear

from emage.body.face import (
    MATRIX_ACTIONS,
    PUBLISHED_FACES,
    WEIGHT_TOLERANCE,
    FaceMap,
    FaceMapLoader,
    FaceSource,
    loader_of,
)
from emage.errors import WeightsError
from emage.motion import ARKIT52, FLAME2020
from emage.motion.skeleton import ARKIT_ACTIONS
from tests.body.conftest import COLUMNS, JAW, RESTS, SMOOTHNESS, arkit_motion, flame_motion, waving_weights

# --- the map ----------------------------------------------------------------------------------------------------------


def test_rows_are_the_arkit_actions_but_for_the_tongue_in_beat_s_order():
    assert list(MATRIX_ACTIONS) == sorted(set(ARKIT_ACTIONS) - {"tongueOut"})


def test_from_arkit_it_is_the_matrix(matrix, face_map):
    turn = np.tile([0.2, 0.01, -0.01], (51, 1))
    motion = arkit_motion(np.eye(51), turn)
    motion.expressions[:, ARKIT_ACTIONS.index("tongueOut")] = 1
    made = face_map.convert(motion, FLAME2020)
    assert made.expression_basis == FLAME2020
    np.testing.assert_allclose(made.expressions, matrix[:, :100], atol=1e-6)
    np.testing.assert_allclose(made.poses[:, JAW], turn + matrix[:, 100:], atol=1e-6)


def test_a_frame_is_solved_as_scipy_solves_it(matrix, face_map):
    rng = np.random.default_rng(0)
    rows = np.concatenate([matrix[:, :100].T, np.diag(RESTS)]).astype(np.float64)
    for _ in range(3):
        expressions, jaw = 8 * rng.standard_normal(100), 0.1 * rng.standard_normal(3)
        exact = lsq_linear(rows, np.concatenate([expressions, np.zeros(51)]), (0, 1), tol=1e-14).x
        assert 5 < np.sum(exact < 1e-6) < 46  # the bounds matter here
        found = face_map.to_arkit(expressions[None], jaw[None])
        np.testing.assert_allclose(found.expressions[0, COLUMNS], exact, atol=WEIGHT_TOLERANCE)
        np.testing.assert_allclose(found.jaw[0], jaw - found.expressions[0, COLUMNS] @ matrix[:, 100:], atol=1e-6)
        assert not np.delete(found.expressions[0], COLUMNS).any()
    turn = np.tile([0.25, 0.0, 0.0], (30, 1))  # a rotation means the same on every body
    face = face_map.to_arkit(np.zeros((30, 100)), turn)
    assert not face.expressions.any()
    np.testing.assert_array_equal(face.jaw, turn)


def test_a_clip_is_the_minimum_of_what_is_stated(matrix, face_map):
    """At a bounded minimum the slope is 0 inside, and points outwards where a weight lies on a bound."""
    rng = np.random.default_rng(1)
    expressions, jaw = 6 * rng.standard_normal((40, 100)), 0.05 * rng.standard_normal((40, 3))
    found = face_map.to_arkit(expressions, jaw).expressions[:, COLUMNS]
    weights = torch.tensor(found, dtype=torch.float64, requires_grad=True)
    columns = torch.from_numpy(matrix[:, :100].astype(np.float64))
    cost = (weights @ columns - torch.from_numpy(expressions)).square().sum()
    cost = cost + (torch.tensor(RESTS) * weights).square().sum() + (SMOOTHNESS * weights.diff(dim=0)).square().sum()
    slope = torch.autograd.grad(cost, weights)[0].numpy()
    inside = (found > WEIGHT_TOLERANCE) & (found < 1 - WEIGHT_TOLERANCE)
    assert inside.any()
    assert (found == 0).any()
    assert np.abs(slope[inside]).max() < 0.01  # a curvature of 0.1 to 1000 lies behind it
    assert slope[found == 0].min() > -0.01
    assert slope[found == 1].size == 0 or slope[found == 1].max() < 0.01


def test_faces_come_back_and_time_is_looked_at_both_ways(face_map):
    """A face that is symmetric in time comes out symmetric: nothing lags. Smoothing is of seconds, not of frames."""
    rise, turn = waving_weights(40), np.tile([0.2, 0.0, 0.01], (80, 1))
    weights = np.concatenate([rise, rise[::-1]])
    flame = face_map.convert(arkit_motion(weights, turn), FLAME2020)
    back = face_map.convert(flame, ARKIT52)
    found = back.expressions[:, COLUMNS]
    assert 0 <= found.min() <= found.max() <= 1
    assert np.abs(found - weights).mean() < 0.015
    np.testing.assert_allclose(back.poses[:, JAW], turn, atol=0.01)
    odd = face_map.convert(replace(flame, expressions=flame.expressions + 0.5), ARKIT52)  # what no weights make exactly
    np.testing.assert_allclose(odd.expressions, odd.expressions[::-1], atol=WEIGHT_TOLERANCE)
    dense = face_map.convert(flame.resample(120), ARKIT52).expressions
    np.testing.assert_allclose(dense[::4][1:-1], back.expressions[1:-1], atol=0.03)


def test_long_clips_are_solved_in_blocks_without_a_seam(face_map):
    """The block's border falls elsewhere for a clip that begins later, and that makes no difference."""
    long = face_map.convert(arkit_motion(np.tile(waving_weights(1000), (3, 1))), FLAME2020)
    whole, part = (face_map.convert(motion, ARKIT52).expressions for motion in (long, long.frames(700, 3000)))
    np.testing.assert_allclose(whole[800:], part[100:], atol=WEIGHT_TOLERANCE)


def test_tremor_shrinks_and_a_blink_stays(face_map):
    rng = np.random.default_rng(0)
    weights = np.full((60, 51), 0.4)
    blink = MATRIX_ACTIONS.index("eyeBlinkLeft")
    weights[:, blink] = 0
    weights[29:32, blink] = (0.6, 1, 0.6)
    flame = face_map.convert(arkit_motion(weights), FLAME2020)
    trembling = replace(flame, expressions=flame.expressions + rng.standard_normal(flame.expressions.shape))
    alone = np.concatenate([face_map.convert(trembling.frames(t, t + 1), ARKIT52).expressions for t in range(60)])
    together = face_map.convert(trembling, ARKIT52).expressions
    roughness = [np.abs(np.diff(each, 2, axis=0)).mean() for each in (alone, together)]
    assert roughness[1] < 0.95 * roughness[0]
    lid = face_map.convert(flame, ARKIT52).expressions[:, ARKIT_ACTIONS.index("eyeBlinkLeft")]
    assert lid.argmax() == 30
    assert lid.max() > 0.9
    assert lid[:27].max() < 0.1


def test_a_motion_is_converted_once_and_forgotten_with_it(face_map):
    flame = flame_motion(face_map)
    face = face_map.face(flame, ARKIT52)
    jaw = flame.poses[:, JAW].astype(np.float64)
    np.testing.assert_array_equal(face_map.to_arkit(flame.expressions, jaw).expressions, face.expressions)  # again
    turned = face_map.face(replace(flame, trans=flame.trans + 1, poses=flame.poses + 0.1), ARKIT52)
    assert turned.expressions is face.expressions
    np.testing.assert_allclose(turned.jaw, face.jaw + 0.1, atol=1e-6)
    for other in (replace(flame, expressions=flame.expressions + 0.1), replace(flame, fps=60)):
        assert face_map.face(other, ARKIT52).expressions is not face.expressions
    gone = weakref.ref(face.expressions)
    del face, flame, turned, other
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (np.zeros((51, 100)), r"it must be \(51, 103\) finite numbers"),
        (np.zeros((52, 103)), r"it must be \(51, 103\) finite numbers"),
        (np.full((51, 103), np.nan), r"it must be \(51, 103\) finite numbers"),
        (np.zeros((51, 103), int), r"it must be \(51, 103\) finite numbers"),
        (np.array([{"a": 1}], dtype=object), "no npy"),  # never unpickled
        (b"no matrix", "no npy"),
        ({"a": np.zeros(3)}, "no single array"),
        (None, "read"),
    ],
)
def test_what_is_no_such_matrix_is_refused(content, words, tmp_path):
    path = tmp_path / "m.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        with path.open("wb") as stream:
            np.savez(stream, **content)
    elif content is not None:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(WeightsError, match=words):
        FaceMap.from_file(path)


# --- where it comes from ----------------------------------------------------------------------------------------------


def test_it_is_had_once_and_a_failure_is_believed_for_a_while(monkeypatch, matrix, tmp_path):
    path = tmp_path / "faces.npy"
    np.save(path, matrix)
    asked, now, online = [], [0.0], [False]

    def fetch(*place: object, **named: object) -> Path:
        asked.append((place, named))
        if not online[0]:
            raise WeightsError("the Hub is away.")
        return path

    monkeypatch.setattr("emage.body.face.fetch_file", fetch)
    source = FaceSource("team/tools", "faces.npy", hashlib.sha256(path.read_bytes()).hexdigest())
    loader = FaceMapLoader(source, retry_after_s=60, clock=lambda: now[0])
    assert loader.reason == ""
    for _ in range(3):
        with pytest.raises(WeightsError, match=r"^the Hub is away\.$"):
            loader.load()
    assert loader.available() is None
    assert loader.reason == "the Hub is away."
    assert len(asked) == 1
    now[0], online[0] = 59, True
    assert loader.available() is None
    now[0] = 61
    assert loader.load() is loader.load() is loader.available()
    assert loader.reason == ""
    assert asked[1:] == [(("team/tools", "faces.npy"), {"repo_type": "dataset", "sha256": source.sha256})]


def test_a_process_has_one_loader_for_all(body):
    assert loader_of() is loader_of(PUBLISHED_FACES)
    assert body.face_maps is loader_of()
    assert PUBLISHED_FACES.sha256 == "f055de09c64182696499a26c2d6109349c627195bcd40c6adc3dd27f3922b34b"
