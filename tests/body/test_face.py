"""Faces of FLAME as ARKit actions and back: the map, where it comes from, and everything that shows a face by it."""

import gc
import hashlib
import io
import logging
import re
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear

from emage.body import Body
from emage.body.face import (
    MATRIX_ACTIONS,
    PUBLISHED_FACES,
    WEIGHT_TOLERANCE,
    FaceMap,
    FaceMapLoader,
    FaceSource,
    loader_of,
)
from emage.body.model import STAND_IN_FILE
from emage.errors import HintError, WeightsError
from emage.evaluation.report import take_report, take_series
from emage.generation.settings import GROUNDED
from emage.hints import HintPlan, Hints, Span
from emage.hints.mask import network_hints
from emage.motion import ARKIT52, FLAME2020, Motion
from emage.motion.rotations import axis_angle_to_rotation_6d
from emage.motion.skeleton import ARKIT_ACTIONS, JAW_JOINT, JAW_OPEN_RAD
from emage.pipeline import EmagePipeline
from emage.postprocess.grounding import apply_translation
from tests.benchmarks.face import lips_follow_loudness, remaining, round_trip_errors
from tests.conftest import REGRESSION, make_motion
from train.run.kinematics import BodyPoints

JAW = slice(3 * JAW_JOINT, 3 * JAW_JOINT + 3)
COLUMNS = [ARKIT_ACTIONS.index(action) for action in MATRIX_ACTIONS]
REST, GAZE_REST, SMOOTHNESS = 0.3, 0.6, 1.0  # as the module's docstring states them


def synthetic_matrix(seed: int = 0) -> np.ndarray:
    """Like the published one: actions that overlap, of sizes from 2 to 18, whose jaw turns by a tenth at most."""
    rng = np.random.default_rng(seed)
    shared, own = rng.standard_normal((51, 12)) @ rng.standard_normal((12, 100)), rng.standard_normal((51, 100))
    expressions = shared / 4 + own / 2
    expressions *= rng.uniform(2, 18, (51, 1)) / np.linalg.norm(expressions, axis=1, keepdims=True)
    jaw = 0.01 * rng.standard_normal((51, 3))
    jaw[MATRIX_ACTIONS.index("jawOpen")] = (0.1, 0, 0)
    return np.concatenate([expressions, jaw], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    return synthetic_matrix()


@pytest.fixture(scope="module")
def face_map(matrix) -> FaceMap:
    return FaceMap(matrix)


@pytest.fixture(scope="module")
def speaking_body(face_map) -> Body:
    """The stand-in, with the synthetic map at hand."""
    return Body.from_file(STAND_IN_FILE, face_maps=FaceMapLoader(known=face_map))


@pytest.fixture
def mute_body() -> Body:
    """The stand-in, where nothing gives the matrix."""
    return Body.from_file(STAND_IN_FILE, face_maps=FaceMapLoader(FaceSource("team/none", "none.npy", "0" * 64)))


@pytest.fixture(scope="module")
def published(shared) -> Path:
    folder = shared / "data"
    if not (folder / "published" / "mat_final.npy").is_file():
        pytest.skip("the published matrix is not among the reference material")
    return folder


@pytest.fixture(scope="module")
def published_map(published) -> FaceMap:
    return FaceMap.from_file(published / "published" / "mat_final.npy")


def waving_weights(frames: int, seed: int = 0) -> np.ndarray:
    """(T, 51) in the matrix's order, slow waves between 0 and 1, some of which stop at the bounds."""
    rng = np.random.default_rng(seed)
    frequency, phase = rng.uniform(0.2, 1.5, 51), rng.uniform(0, 2 * np.pi, 51)
    waves = 0.4 + 0.6 * np.sin(2 * np.pi * frequency * np.arange(frames)[:, None] / 30 + phase)
    return np.clip(waves, 0, 1)


def arkit_motion(weights: np.ndarray, turn: np.ndarray | None = None) -> Motion:
    """weights: (T, 51) in the matrix's order. turn: (T, 3) of the jaw."""
    poses, expressions = np.zeros((len(weights), 165)), np.zeros((len(weights), 100))
    expressions[:, COLUMNS] = weights
    if turn is not None:
        poses[:, JAW] = turn
    return Motion(poses, expressions, np.zeros((len(weights), 3)), np.zeros(300), expression_basis=ARKIT52)


def flame_motion(face_map: FaceMap, frames: int = 60, seed: int = 0) -> Motion:
    return face_map.convert(arkit_motion(waving_weights(frames, seed)), FLAME2020)


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


@pytest.mark.parametrize("seed", range(3))
def test_a_frame_is_solved_as_scipy_solves_it(matrix, face_map, seed):
    rng = np.random.default_rng(seed)
    expressions, jaw = 8 * rng.standard_normal(100), 0.1 * rng.standard_normal(3)
    rest = [GAZE_REST if action.startswith("eyeLook") else REST for action in MATRIX_ACTIONS]
    rows = np.concatenate([matrix[:, :100].T, np.diag(rest)]).astype(np.float64)
    wanted = np.concatenate([expressions, np.zeros(51)])
    exact = lsq_linear(rows, wanted, (0, 1), tol=1e-14).x
    found = face_map.to_arkit(expressions[None], jaw[None])
    assert 5 < np.sum(exact < 1e-6) < 46  # the bounds matter here
    np.testing.assert_allclose(found.expressions[0, COLUMNS], exact, atol=WEIGHT_TOLERANCE)
    np.testing.assert_allclose(found.jaw[0], jaw - found.expressions[0, COLUMNS] @ matrix[:, 100:], atol=1e-6)
    assert not np.delete(found.expressions[0], COLUMNS).any()


def test_a_clip_is_the_minimum_of_what_is_stated(matrix, face_map):
    """At a bounded minimum the slope is 0 inside, and points outwards where a weight lies on a bound."""
    rng = np.random.default_rng(1)
    expressions, jaw = 6 * rng.standard_normal((40, 100)), 0.05 * rng.standard_normal((40, 3))
    found = face_map.to_arkit(expressions, jaw).expressions[:, COLUMNS]
    weights = torch.tensor(found, dtype=torch.float64, requires_grad=True)
    columns = torch.from_numpy(matrix[:, :100].astype(np.float64))
    rest = torch.tensor([GAZE_REST if action.startswith("eyeLook") else REST for action in MATRIX_ACTIONS])
    cost = (weights @ columns - torch.from_numpy(expressions)).square().sum()
    cost = cost + (rest * weights).square().sum() + (SMOOTHNESS * weights.diff(dim=0)).square().sum()
    slope = torch.autograd.grad(cost, weights)[0].numpy()
    inside = (found > WEIGHT_TOLERANCE) & (found < 1 - WEIGHT_TOLERANCE)
    assert inside.any()
    assert (found == 0).any()
    assert np.abs(slope[inside]).max() < 0.01  # a curvature of 0.1 to 1000 lies behind it
    assert slope[found == 0].min() > -0.01
    assert slope[found == 1].size == 0 or slope[found == 1].max() < 0.01


def test_round_trip_and_range(face_map):
    weights, turn = waving_weights(90), np.tile([0.2, 0.0, 0.01], (90, 1))
    motion = arkit_motion(weights, turn)
    back = face_map.convert(face_map.convert(motion, FLAME2020), ARKIT52)
    found = back.expressions[:, COLUMNS]
    assert found.min() >= 0
    assert found.max() <= 1
    assert np.abs(found - weights).mean() < 0.015
    np.testing.assert_allclose(back.poses[:, JAW], turn, atol=0.01)


def test_time_is_looked_at_both_ways(face_map):
    """A face that is symmetric in time comes out symmetric: nothing lags."""
    rise = waving_weights(40)
    flame = face_map.convert(arkit_motion(np.concatenate([rise, rise[::-1]])), FLAME2020)
    flame = replace(flame, expressions=flame.expressions + 0.5)  # what no weights make exactly
    found = face_map.convert(flame, ARKIT52).expressions
    np.testing.assert_allclose(found, found[::-1], atol=WEIGHT_TOLERANCE)


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


def test_smoothing_is_of_seconds_not_of_frames(face_map):
    slow = flame_motion(face_map, 60)
    fast = slow.resample(120)
    found, dense = (face_map.convert(motion, ARKIT52).expressions for motion in (slow, fast))
    np.testing.assert_allclose(dense[::4][1:-1], found[1:-1], atol=0.03)


def test_a_turned_jaw_without_expressions_stays_a_turned_jaw(face_map):
    """A rotation means the same on every body."""
    turn = np.tile([0.25, 0.0, 0.0], (30, 1))
    face = face_map.to_arkit(np.zeros((30, 100)), turn)
    assert not face.expressions.any()
    np.testing.assert_array_equal(face.jaw, turn)


def test_long_clips_are_solved_in_blocks_without_a_seam(face_map):
    """The block's border falls elsewhere for a clip that begins later, and that makes no difference."""
    weights = np.tile(waving_weights(1000), (4, 1))
    long = face_map.convert(arkit_motion(weights), FLAME2020)
    late = replace(long, poses=long.poses[700:], expressions=long.expressions[700:], trans=long.trans[700:])
    whole, part = (face_map.convert(motion, ARKIT52).expressions for motion in (long, late))
    np.testing.assert_allclose(whole[800:], part[100:], atol=WEIGHT_TOLERANCE)


def test_the_same_again(face_map):
    flame = flame_motion(face_map, 300)
    jaw = flame.poses[:, JAW].astype(np.float64)
    first, again = (face_map.to_arkit(flame.expressions, jaw).expressions for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_a_motion_is_converted_once_and_forgotten_with_it(face_map):
    flame = flame_motion(face_map)
    face = face_map.face(flame, ARKIT52)
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
    "wrong", [np.zeros((51, 100)), np.zeros((52, 103)), np.full((51, 103), np.nan), np.zeros((51, 103), int)]
)
def test_what_is_no_such_matrix_is_refused(wrong, tmp_path):
    np.save(tmp_path / "m.npy", wrong)
    with pytest.raises(WeightsError, match=r"it must be \(51, 103\) finite numbers"):
        FaceMap.from_file(tmp_path / "m.npy")


def test_files_are_never_unpickled(tmp_path):
    np.save(tmp_path / "m.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "text.npy").write_text("no matrix")
    np.savez(tmp_path / "m.npz", a=np.zeros(3))
    for name, words in (("m.npy", "no npy"), ("text.npy", "no npy"), ("m.npz", "no single array"), ("none", "read")):
        with pytest.raises(WeightsError, match=words):
            FaceMap.from_file(tmp_path / name)


# --- bodies -----------------------------------------------------------------------------------------------------------


def test_a_body_shows_a_face_of_the_other_basis(face_map, speaking_body):
    flame = flame_motion(face_map)
    native = face_map.convert(flame, ARKIT52)
    np.testing.assert_allclose(speaking_body.vertices(flame), speaking_body.vertices(native), atol=1e-6)
    np.testing.assert_allclose(speaking_body.joints(flame), speaking_body.joints(native), atol=1e-6)
    lids = speaking_body.landmarks.face[19:31]
    np.testing.assert_allclose(
        speaking_body.points(flame, lids, 5, 9), speaking_body.points(native, lids)[5:9], atol=1e-6
    )
    assert speaking_body.shows(FLAME2020)


def test_some_frames_are_as_in_the_whole_clip(face_map, speaking_body):
    """The map looks over the whole clip, whatever part of it is drawn."""
    flame = flame_motion(face_map)
    whole = speaking_body.vertices(flame)
    np.testing.assert_allclose(speaking_body.vertices(flame, 20, 30), whole[20:30], atol=1e-6)
    frames = np.array([3, 40, 41, 7])
    np.testing.assert_allclose(speaking_body.vertices_at(flame, frames), whole[frames], atol=1e-6)


def test_a_smplx_body_shows_arkit_faces(matrix, face_map, tmp_path):
    """The stand-in's arrays under the name of the other basis: a column is then a coefficient of FLAME's."""
    with np.load(STAND_IN_FILE) as file:
        arrays = dict(file) | {"expression_basis": np.array(FLAME2020)}
    np.savez(tmp_path / "smplx.npz", **arrays)
    theirs = Body.from_file(tmp_path / "smplx.npz", face_maps=FaceMapLoader(known=face_map))
    ours = replace(arkit_motion(0.05 * waving_weights(20)), poses=make_motion(20).poses)
    np.testing.assert_allclose(theirs.vertices(ours), theirs.vertices(face_map.convert(ours, FLAME2020)), atol=1e-6)
    assert np.abs(theirs.vertices(ours) - theirs.vertices(replace(ours, expressions=0 * ours.expressions))).max() > 1e-3
    points = BodyPoints(theirs, "face", 40, ARKIT52)
    assert points.directions[COLUMNS].abs().amax((1, 2)).min() > 0
    assert not points.directions[52:].any()


def test_without_the_matrix_it_is_the_jaw_alone_and_said_once(mute_body, face_map, caplog):
    flame = flame_motion(face_map)
    caplog.set_level(logging.WARNING, "emage.body.model")
    jaw_alone = replace(flame, expressions=0 * flame.expressions)
    mute_body.joints(flame)
    assert caplog.text == ""
    np.testing.assert_array_equal(mute_body.vertices(flame), mute_body.vertices(jaw_alone))
    mute_body.vertices(flame)
    (said,) = caplog.messages
    assert re.search("jaw alone.*could not be had: HF_HUB_OFFLINE is set", said)
    assert not mute_body.shows(FLAME2020)
    assert mute_body.shows(ARKIT52)


class NoQuestions(FaceMapLoader):
    """Who asks for the map here fails the test."""

    def load(self) -> FaceMap:
        raise AssertionError("the map was asked for")


def test_what_needs_no_map_asks_for_none(face_map, speech):
    body = Body.from_file(STAND_IN_FILE, face_maps=NoQuestions())
    native = arkit_motion(waving_weights(30))
    body.vertices(native)
    take_report(native, speech[:16000], body)
    body.soles(flame_motion(face_map, 30))
    apply_translation(flame_motion(face_map, 30), GROUNDED, lambda: body)
    body.vertices(replace(make_motion(3), expressions=np.zeros((3, 100))))
    demo = EmagePipeline.from_pretrained("demo", device="cpu", face_maps=NoQuestions())
    motion = demo.generate((16000, speech[:16000]))
    assert demo.body.shows(motion.expression_basis)
    demo.body.vertices(motion, 0, 2)


def test_the_report_sees_the_lips(face_map, speaking_body, mute_body, speech):
    weights = np.zeros((60, 51))
    weights[20:40, MATRIX_ACTIONS.index("jawOpen")] = 0.8
    flame = face_map.convert(arkit_motion(weights), FLAME2020)
    flame = replace(flame, poses=0 * flame.poses)
    series, mute = (take_series(flame, speech[:32000], body) for body in (speaking_body, mute_body))
    assert series.lips_m[30] - series.lips_m[5] > 0.01
    assert np.ptp(mute.lips_m) < 1e-4


# --- hints ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def arkit_hints() -> Hints:
    reference = replace(make_motion(100, reach=0.2), expressions=arkit_motion(waving_weights(100)).expressions)
    return Hints(replace(reference, expression_basis=ARKIT52), HintPlan((Span("face", 20, 60, "lock"),)))


def test_a_locked_face_is_taken_over_into_the_weights_basis(face_map, arkit_hints, speaking_body, speech):
    pipe = EmagePipeline.from_pretrained(REGRESSION, device="cpu", face_maps=FaceMapLoader(known=face_map))
    motion = pipe.generate((16000, speech[:53333]), arkit_hints)
    wanted = face_map.convert(arkit_hints.reference, FLAME2020)
    assert motion.expression_basis == FLAME2020
    np.testing.assert_allclose(motion.expressions[20:60], wanted.expressions[20:60], atol=1e-9)
    np.testing.assert_allclose(motion.poses[20:60, JAW], wanted.poses[20:60, JAW], atol=1e-6)
    (span,) = take_report(motion, speech[:53333], speaking_body, arkit_hints).spans
    assert (span.expressions, span.max_rad) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-6))


def test_without_the_matrix_a_foreign_face_cannot_be_locked(arkit_hints, mute_body, speech):
    pipe = EmagePipeline.from_pretrained(REGRESSION, device="cpu", face_maps=mute_body.face_maps)
    with pytest.raises(
        HintError, match=r"'arkit52', these weights make 'flame2020'.*could not be had: HF_HUB_OFFLINE is set"
    ):
        pipe.generate((16000, speech[:53333]), arkit_hints)


def test_other_parts_need_no_map(arkit_hints):
    hints = replace(arkit_hints, plan=HintPlan((Span("upper", 20, 60, "lock"),)))
    assert NoQuestions().hints(hints, FLAME2020) is hints
    assert NoQuestions().hints(arkit_hints, ARKIT52) is arkit_hints


def test_networks_are_shown_an_open_mouth_as_a_turned_jaw(arkit_hints):
    shown = network_hints(arkit_hints, np.zeros((100, 4)), 100).motion[:, 6 * JAW_JOINT : 6 * JAW_JOINT + 6]
    turn = arkit_hints.reference.poses[:, JAW].astype(np.float64)
    turn[:, 0] += JAW_OPEN_RAD * arkit_hints.reference.expressions[:, ARKIT_ACTIONS.index("jawOpen")]
    np.testing.assert_allclose(shown, axis_angle_to_rotation_6d(torch.from_numpy(turn)), atol=1e-6)


# --- where it comes from ----------------------------------------------------------------------------------------------


def saved(matrix: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, matrix)
    return stream.getvalue()


def test_it_is_had_once_and_a_failure_is_believed_for_a_while(monkeypatch, matrix, tmp_path):
    path = tmp_path / "faces.npy"
    path.write_bytes(saved(matrix))
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


def test_a_process_has_one_loader_for_all():
    assert loader_of() is loader_of(PUBLISHED_FACES)
    assert Body.from_file(STAND_IN_FILE).face_maps is loader_of()
    assert PUBLISHED_FACES.sha256 == "f055de09c64182696499a26c2d6109349c627195bcd40c6adc3dd27f3922b34b"


# --- the published matrix, the published output, our corpus's faces ---------------------------------------------------


def test_the_pin_is_of_the_published_file(published):
    content = (published / "published" / "mat_final.npy").read_bytes()
    assert hashlib.sha256(content).hexdigest() == PUBLISHED_FACES.sha256


def test_the_published_output_is_explained_and_speaks(published, published_map):
    motion = Motion.load(published / "published" / "demo_female.npz")
    assert remaining(published_map, motion) < 0.01
    shown = published_map.convert(motion, ARKIT52)
    assert np.abs(shown.poses[:, JAW]).max() < 0.003
    weights = {action: shown.expressions[:, ARKIT_ACTIONS.index(action)] for action in MATRIX_ACTIONS}
    assert min(each.min() for each in weights.values()) >= 0
    assert max(each.max() for each in weights.values()) < 0.8  # as a person speaks, at no action's end
    assert np.ptp(weights["jawOpen"]) > 0.4
    assert np.ptp(weights["mouthSmileLeft"]) > 0.4
    assert np.ptp(weights["browOuterUpLeft"]) > 0.3
    # Lips are shut together, not pressed through one another.
    assert (weights["mouthClose"] - weights["jawOpen"]).max() < 0.03


def test_lips_of_the_published_output_follow_loudness_as_its_jaw_does(published, published_map):
    from emage.recording.audio import load_audio

    motion = Motion.load(published / "published" / "demo_female.npz")
    lips, jaw = lips_follow_loudness(published_map, motion, load_audio(published / "published" / "demo_female.wav"))
    assert lips >= jaw > 0.2


def test_faces_of_the_examples_come_back(published_map):
    errors, turn_rad = round_trip_errors(published_map)
    assert turn_rad < 0.001
    for action, (mean, _) in errors.items():
        assert mean < (0.005 if action.startswith("jaw") else 0.02), action
