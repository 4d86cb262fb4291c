"""What shows, locks and measures a face by the map between bases; and the published matrix."""

import hashlib
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from emage.body import Body
from emage.body.face import (
    MATRIX_ACTIONS,
    PUBLISHED_FACES,
    FaceMap,
    FaceMapLoader,
)
from emage.body.model import STAND_IN_FILE
from emage.errors import HintError
from emage.evaluation.report import take_report, take_series
from emage.generation.settings import GROUNDED
from emage.hints import HintPlan, Hints, Span
from emage.hints.mask import network_hints
from emage.motion import ARKIT52, FLAME2020, Motion
from emage.motion.rotations import axis_angle_to_rotation_6d
from emage.motion.skeleton import ARKIT_ACTIONS, JAW_JOINT, JAW_OPEN_RAD
from emage.pipeline import EmagePipeline
from emage.recording.audio import load_audio
from tests.benchmarks.face import lips_follow_loudness, remaining, round_trip_errors
from tests.body.conftest import COLUMNS, JAW, arkit_motion, flame_motion, waving_weights
from tests.conftest import REGRESSION, make_motion, rest
from tests.stages import translate
from train.run.kinematics import BodyPoints

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
    # Some frames are as in the whole clip: the map looks over all of it, whatever part is drawn.
    whole, frames = speaking_body.vertices(flame), np.array([3, 40, 41, 7])
    np.testing.assert_allclose(speaking_body.vertices(flame, 20, 30), whole[20:30], atol=1e-6)
    np.testing.assert_allclose(speaking_body.vertices_at(flame, frames), whole[frames], atol=1e-6)


def test_a_smplx_body_shows_arkit_faces(arrays, face_map, tmp_path):
    """The stand-in's arrays under the name of the other basis: a column is then a coefficient of FLAME's."""
    np.savez(tmp_path / "smplx.npz", **arrays | {"expression_basis": np.array(FLAME2020)})
    theirs = Body.from_file(tmp_path / "smplx.npz", face_maps=FaceMapLoader(known=face_map))
    ours = replace(arkit_motion(0.05 * waving_weights(20)), poses=make_motion(20).poses)
    np.testing.assert_allclose(theirs.vertices(ours), theirs.vertices(face_map.convert(ours, FLAME2020)), atol=1e-6)
    assert np.abs(theirs.vertices(ours) - theirs.vertices(replace(ours, expressions=0 * ours.expressions))).max() > 1e-3
    points = BodyPoints(theirs, "face", 40, ARKIT52)
    assert points.directions[COLUMNS].abs().amax((1, 2)).min() > 0
    assert not points.directions[52:].any()


def test_without_the_matrix_it_is_the_jaw_alone_and_said_once(no_maps, face_map, caplog, speech):
    body = Body.from_file(STAND_IN_FILE, face_maps=no_maps)
    flame = flame_motion(face_map)
    jaw_alone = replace(flame, expressions=0 * flame.expressions)
    for nothing_lost in (jaw_alone, rest(actions={"jawOpen": 1.0})):
        body.vertices(nothing_lost)
    np.testing.assert_array_equal(body.joints(flame), body.joints(jaw_alone))
    assert caplog.records == []
    with warnings.catch_warnings():  # a Python warning would show a line of the library's code
        warnings.simplefilter("error")
        for _ in range(2):
            np.testing.assert_array_equal(body.vertices(flame), body.vertices(jaw_alone))
    (said,) = caplog.records
    assert (said.name, said.levelname) == ("emage.body.model", "WARNING")
    words = (
        r"SMPL-X's expressions \(FLAME\), the body .* has ARKit's expressions: its face shows the jaw alone. Give a "
        "SMPL-X file.*could not be had: HF_HUB_OFFLINE is set"
    )
    assert re.search(words, said.getMessage())
    assert not body.shows(FLAME2020)
    assert body.shows(ARKIT52)
    assert np.ptp(take_series(replace(flame, poses=0 * flame.poses), speech[:32000], body).lips_m) < 1e-4


class NoQuestions(FaceMapLoader):
    """Who asks for the map here fails the test."""

    def load(self) -> FaceMap:
        raise AssertionError("the map was asked for")


@pytest.mark.slow
def test_what_needs_no_map_asks_for_none(face_map, speech):
    body = Body.from_file(STAND_IN_FILE, face_maps=NoQuestions())
    native = arkit_motion(waving_weights(30))
    body.vertices(native)
    take_report(native, speech[:16000], body)
    body.soles(flame_motion(face_map, 30))
    translate(flame_motion(face_map, 30), GROUNDED, lambda: body)
    body.vertices(replace(make_motion(3), expressions=np.zeros((3, 100))))
    demo = EmagePipeline.from_pretrained("demo", device="cpu", face_maps=NoQuestions())
    motion = demo.generate((16000, speech[:16000]))
    assert demo.body.shows(motion.expression_basis)
    demo.body.vertices(motion, 0, 2)


def test_the_report_sees_the_lips(face_map, speaking_body, speech):
    weights = np.zeros((60, 51))
    weights[20:40, MATRIX_ACTIONS.index("jawOpen")] = 0.8
    flame = face_map.convert(arkit_motion(weights), FLAME2020)
    flame = replace(flame, poses=0 * flame.poses)
    series = take_series(flame, speech[:32000], speaking_body)
    assert series.lips_m[30] - series.lips_m[5] > 0.01


# --- hints ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def arkit_hints() -> Hints:
    reference = replace(make_motion(100, reach=0.2), expressions=arkit_motion(waving_weights(100)).expressions)
    return Hints(replace(reference, expression_basis=ARKIT52), HintPlan((Span("face", 20, 60, "lock"),)))


def test_a_locked_face_is_taken_over_into_the_weights_basis(face_map, arkit_hints, speaking_body, speech):
    pipe = EmagePipeline.from_pretrained(REGRESSION, device="cpu", face_maps=FaceMapLoader(known=face_map))
    pipe.body = speaking_body
    motion = pipe.generate((16000, speech[:53333]), arkit_hints)
    wanted = face_map.convert(arkit_hints.reference, FLAME2020)
    assert motion.expression_basis == FLAME2020
    np.testing.assert_allclose(motion.expressions[20:60], wanted.expressions[20:60], atol=1e-9)
    np.testing.assert_allclose(motion.poses[20:60, JAW], wanted.poses[20:60, JAW], atol=1e-6)
    (span,) = take_report(motion, speech[:53333], speaking_body, arkit_hints).spans
    assert (span.expressions, span.max_rad) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-6))


def test_without_the_matrix_a_foreign_face_cannot_be_locked(arkit_hints, no_maps, speech):
    pipe = EmagePipeline.from_pretrained(REGRESSION, device="cpu", face_maps=no_maps)
    with pytest.raises(
        HintError, match=r"ARKit's expressions, these weights make SMPL-X's.*could not be had: HF_HUB_OFFLINE is set"
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
    motion = Motion.load(published / "published" / "demo_female.npz")
    lips, jaw = lips_follow_loudness(published_map, motion, load_audio(published / "published" / "demo_female.wav"))
    assert lips >= jaw > 0.2


def test_faces_of_the_examples_come_back(published_map):
    errors, turn_rad = round_trip_errors(published_map)
    assert turn_rad < 0.001
    for action, (mean, _) in errors.items():
        assert mean < (0.005 if action.startswith("jaw") else 0.02), action
