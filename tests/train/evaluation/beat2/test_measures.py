"""Every metric of the suite beat2 against a computation of its own, on real motion where that lies beside the project,
and on synthetic motion; what they do not depend on, and which way they go where something is wrong."""

import json
import math
from dataclasses import asdict, replace

import librosa
import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.signal import argrelextrema

from emage.evaluation.published import semantic_scores
from emage.models.fgd import MotionAutoencoder, MotionAutoencoderConfig
from emage.motion import Motion
from emage.motion.rotations import axis_angle_to_matrix
from emage.recording.audio import frame_to_sample, load_audio
from tests.conftest import make_motion, make_speech
from tests.train.conftest import perform_to_noise, write_corpus
from tests.train.synthetic.conftest import grammar_text, make_times
from train.data.corpus import CorpusError, list_clips
from train.data.semantics import TrueStroke
from train.evaluation.beat2.clips import TrueClip, read_true_clip
from train.evaluation.beat2.measures import Measures, Ruler, cut_alike
from train.evaluation.beat2.metrics import FGD, METRICS, ScoredClip, interval_of, score_of
from train.synthetic.compose import perform

FRAMES = 240
LABELS = [(0.5, 2.0, 0.7), (1.5, 3.0, 0.2), (4.0, 6.1, 1.0)]


@pytest.fixture(scope="module")
def evaluator() -> MotionAutoencoder:
    torch.manual_seed(3)
    return MotionAutoencoder(MotionAutoencoderConfig(2)).eval()


@pytest.fixture(scope="module")
def velocity() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.05, 0.4, 55)


@pytest.fixture(scope="module")
def ruler(body, evaluator, velocity) -> Ruler:
    return Ruler(body, evaluator, velocity)


@pytest.fixture(scope="module", params=["synthetic", "real"])
def clip(request) -> TrueClip:
    if request.param == "real":
        folder = request.getfixturevalue("shared") / "data" / "beat2"
        truth, audio = Motion.load(folder / "2_scott_0_1_1.npz"), load_audio(folder / "2_scott_0_1_1.wav")
        truth, audio = truth.frames(600, 600 + FRAMES), audio[20 * 16000 : 30 * 16000]
    else:
        truth, audio = perform_to_noise(FRAMES, seed=1)
        truth = replace(truth, betas=np.random.default_rng(2).standard_normal(300))
    return TrueClip("2_clip", truth, audio, (), semantic_scores(LABELS, FRAMES))


def disturb(motion: Motion, size: float, seed: int = 0) -> Motion:
    rng = np.random.default_rng(seed)
    return replace(
        motion,
        poses=motion.poses + size * rng.standard_normal(motion.poses.shape),
        expressions=motion.expressions + size * rng.standard_normal(motion.expressions.shape),
        trans=motion.trans + 0.1 * size * rng.standard_normal((motion.num_frames, 3)),
    )


# --- computed apart ---------------------------------------------------------------------------------------------------


def posed_apart(body, motion: Motion, betas: np.ndarray) -> np.ndarray:
    """(T, 165) positions without global orientation, translation and jaw."""
    poses = motion.poses.copy()
    poses[:, :3] = 0
    poses[:, 66:69] = 0
    still = replace(motion, poses=poses, trans=np.zeros((len(poses), 3)), betas=betas)
    return body.joints(still).astype(np.float64).reshape(len(poses), 165)


def beats_apart(positions: np.ndarray, audio: np.ndarray, velocity: np.ndarray, is_aligned: bool) -> float:
    frames = len(positions)
    speed = np.zeros((frames, 55))
    for t in range(frames):
        before, after = max(t - 1, 0), min(t + 1, frames - 1)
        step = (positions[after] - positions[before]).reshape(55, 3) / ((after - before) / 30)
        speed[t] = np.sqrt((step**2).sum(1)) / velocity
    sound = audio[2 * 16000 : int((frames - 60) / 30 * 16000)].astype(np.float32)
    onsets = librosa.onset.onset_detect(y=sound, sr=16000, hop_length=512, units="time")
    total = 0.0
    for joint in (3, 6, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21):
        minima = argrelextrema(speed[60 : frames - 60, joint], np.less, order=7)[0]
        beats = [m / 30 for m in minima if speed[m + 60 * is_aligned, joint] > 0.10]
        if beats:
            nearest = [min(abs(beat - onset) for beat in beats) for onset in onsets]
            total += sum(math.exp(-(d**2) / (2 * 0.3**2)) for d in nearest) / len(onsets)
    return total / 13


def face_apart(body, motion: Motion, betas: np.ndarray) -> np.ndarray:
    poses = np.zeros_like(motion.poses)
    poses[:, 66:69] = motion.poses[:, 66:69]
    still = replace(motion, poses=poses, trans=np.zeros((len(poses), 3)), betas=betas)
    return body.vertices(still).astype(np.float64).reshape(len(poses), -1)


def recall_apart(made: np.ndarray, true: np.ndarray) -> float:
    total = 0.0
    for t in range(FRAMES):
        weight = next((score for start, end, score in LABELS if start <= t / 30 <= end), 0.0)
        for joint in range(55):
            at = slice(3 * joint, 3 * joint + 3)
            total += weight / 0.165 * (math.dist(made[t, at], true[t, at]) < 0.1)
    return total / FRAMES / 55


def distance_apart(a: np.ndarray, b: np.ndarray) -> float:
    """Of sets with covariances that have an inverse."""
    one, other = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    offset = 1e-6 * np.eye(len(one))
    root = sqrtm((one + offset) @ (other + offset)).real
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(one + other - 2 * root))


def test_every_measure_is_its_definition(clip, ruler, body, velocity):
    made = disturb(clip.truth, 0.05)
    found, betas = ruler.measure(made, clip, seams=[60, 120]), clip.truth.betas
    positions, true = posed_apart(body, made, betas), posed_apart(body, clip.truth, betas)
    assert found.bc == pytest.approx(beats_apart(positions, clip.audio, velocity, is_aligned=False), abs=1e-6)
    assert found.bc_aligned == pytest.approx(beats_apart(positions, clip.audio, velocity, is_aligned=True), abs=1e-6)
    diversity = np.abs(positions - positions.mean(0)).sum() / FRAMES
    assert found.l1_diversity_m == pytest.approx(diversity, abs=1e-6)
    assert found.srgr == pytest.approx(recall_apart(positions, true), abs=1e-6)
    face, true_face = face_apart(body, made, betas), face_apart(body, clip.truth, betas)
    steps = np.abs(np.diff(face, axis=0) - np.diff(true_face, axis=0)).sum() / face.size
    assert 1e8 * found.face_mse_m2 == pytest.approx(1e8 * np.square(face - true_face).mean(), rel=1e-6)
    assert 1e5 * found.face_lvd_m_per_frame == pytest.approx(1e5 * steps, rel=1e-6)
    assert 1e5 * found.face_distance_m == pytest.approx(1e5 * np.abs(face - true_face)[1:].mean(), rel=1e-6)
    joints = body.joints(replace(made, betas=betas)).astype(np.float64)
    feet = joints[:, [7, 8, 10, 11]]
    low = feet[..., 1] < np.percentile(feet[..., 1], 5, axis=0) + 0.02
    standing = low[1:] & low[:-1]
    way = np.sqrt(np.diff(feet[..., 0], axis=0) ** 2 + np.diff(feet[..., 2], axis=0) ** 2)
    assert (found.slid_m, found.contact_s) == (pytest.approx(way[standing].sum()), pytest.approx(standing.sum() / 30))
    thirds = joints[3:] - 3 * joints[2:-1] + 3 * joints[1:-2] - joints[:-3]
    assert found.jerk_m_per_s3 == pytest.approx(np.sqrt((thirds**2).sum(-1)).mean() * 27000, rel=1e-6)
    turns = axis_angle_to_matrix(torch.from_numpy(made.poses).double().unflatten(1, (55, 3)))
    cosine = ((turns[:-1] * turns[1:]).sum((-1, -2)) - 1) / 2
    steps = torch.arccos(cosine.clamp(-1, 1)).mean(1).numpy()
    seams = np.isin(np.arange(1, FRAMES), [60, 120])
    assert found.seam_rad == pytest.approx(steps[seams].mean(), rel=1e-6)
    assert found.step_rad == pytest.approx(steps[~seams].mean(), rel=1e-6)


def scored(ruler: Ruler, clip: TrueClip, motion: Motion) -> ScoredClip:
    return ScoredClip(clip.id, ruler.measure(motion, clip), ruler.features(motion), ruler.features(clip.truth))


def test_fgd_is_its_definition(clip, ruler):
    features = np.random.default_rng(0).standard_normal((3, 60, 5))
    clips = [replace(a_clip(960), features=each, true_features=2 * each + 1) for each in features]
    for chosen in ([0, 1, 2], [0, 0, 2]):
        together = features[chosen].reshape(-1, 5)
        expected = distance_apart(together, 2 * together + 1)
        assert score_of(FGD, clips)(np.array(chosen)) == pytest.approx(expected, abs=1e-6)
    rows = axis_angle_to_matrix(torch.from_numpy(clip.truth.poses).unflatten(1, (55, 3)))[..., :2, :]
    with torch.no_grad():
        encoded = ruler.evaluator.encode(rows.reshape(1, FRAMES, 330)[:, : FRAMES // 32 * 32].float())
    np.testing.assert_allclose(ruler.features(clip.truth), encoded[0].numpy(), atol=1e-6)


# --- what does not matter, and what does ------------------------------------------------------------------------------


def a_clip(frames: int, **changes: float | None) -> ScoredClip:
    rng = np.random.default_rng(frames)
    plain = {name: float(rng.uniform()) for name in Measures.__dataclass_fields__ if name != "frames"}
    plain |= {"gesture_words": frames // 40, "recalled_words": frames // 80}
    features = rng.standard_normal((frames // 16, 4))
    return ScoredClip(f"clip{frames}", Measures(frames=frames, **plain | changes), features, features[::-1] * 1.1)


def test_scores_are_means_over_frames_whatever_the_order_of_clips():
    clips = [a_clip(frames) for frames in (160, 200, 320)]
    for metric in (FGD, *METRICS):
        score = score_of(metric, clips)
        assert score(np.array([2, 0, 1])) == pytest.approx(score(np.arange(3)), abs=1e-12)
    table = {metric.key: score_of(metric, clips)(np.arange(3)) for metric in METRICS}
    frames = np.array([clip.measures.frames for clip in clips])
    measures = [clip.measures for clip in clips]
    bc = np.average([one.bc for one in measures], weights=frames - 120)
    assert table["bc"] == pytest.approx(bc, abs=1e-12)
    assert table["srgr"] == pytest.approx(np.average([one.srgr for one in measures], weights=frames), abs=1e-12)
    slid, contact = (sum(getattr(one, name) for one in measures) for name in ("slid_m", "contact_s"))
    assert table["foot_sliding_m_per_s"] == pytest.approx(slid / contact)
    assert table["recall"] == (2 + 2 + 4) / (4 + 5 + 8)  # over all words, not over frames


def test_words_get_their_gestures_where_the_corpus_tells_which_were_performed(ruler, tmp_path):
    times = make_times(grammar_text(2), 2, 2)
    performance = perform(times)
    audio = make_speech(frame_to_sample(performance.motion.num_frames))
    corpus = write_corpus(tmp_path, {"2_ben_0_1_1": ("test", performance.motion, audio)})
    (listed,) = list_clips(corpus)
    assert read_true_clip(listed).strokes is None
    strokes = [TrueStroke(one.gesture, times.words[one.word].text, one.apex_s) for one in performance.strokes]
    listed.strokes_file.parent.mkdir()
    listed.strokes_file.write_text(json.dumps([asdict(stroke) for stroke in strokes]))
    clip = read_true_clip(listed)
    recall = next(metric for metric in METRICS if metric.key == "recall")

    def measure(motion: Motion, **changes) -> tuple[float, float] | None:
        return recall.terms(ruler.measure(motion, replace(clip, **changes)))

    hits, words = measure(clip.truth)
    assert words == sum(stroke.gesture != "beat" for stroke in strokes) > 5
    assert hits >= 0.8 * words
    still = replace(clip.truth, poses=np.repeat(clip.truth.poses[:1], clip.truth.num_frames, 0))
    assert measure(still) == (0, words)
    swapped = [replace(one, word=other.word) for one, other in zip(strokes, strokes[3:] + strokes[:3], strict=True)]
    assert measure(clip.truth, strokes=tuple(swapped))[0] < 0.5 * hits
    half = clip.truth.frames(0, clip.truth.num_frames // 2)
    end_s = half.duration_s
    assert measure(half)[1] == sum(stroke.gesture != "beat" and stroke.apex_s < end_s for stroke in strokes) < words
    assert measure(clip.truth, missing=("hands",)) is measure(clip.truth, strokes=()) is None
    listed.strokes_file.write_text('[{"gesture": "beat"}]')
    with pytest.raises(CorpusError, match="2_ben_0_1_1.json"):
        read_true_clip(listed)


def test_a_clip_without_labels_counts_for_all_but_srgr():
    clips = [a_clip(160), a_clip(200, srgr=None), a_clip(320)]
    srgr = next(metric for metric in METRICS if metric.key == "srgr")
    found = interval_of(srgr, clips, seed=0, resamples=20)
    assert found.value == pytest.approx(np.average([clips[i].measures.srgr for i in (0, 2)], weights=[160, 320]))
    assert found.low <= found.value <= found.high
    assert interval_of(srgr, [clips[1]], seed=0, resamples=20) is None


def test_faults_move_the_scores_the_right_way(ruler):
    truth, audio = perform_to_noise(240, seed=4)
    clip = TrueClip("clip", truth, audio, (), semantic_scores([(0.0, 12.0, 0.5)], 240))
    own = ruler.measure(truth, clip)
    late = ruler.measure(truth, replace(clip, audio=np.roll(audio, int(0.45 * 16000))))
    assert late.bc_aligned < own.bc_aligned - 0.02  # the sound shifted
    noisy = ruler.measure(disturb(truth, 0.1), clip)
    assert noisy.jerk_m_per_s3 > 2 * own.jerk_m_per_s3
    assert noisy.srgr < own.srgr == pytest.approx(0.5 / 0.165, rel=1e-2)
    assert noisy.face_mse_m2 > own.face_mse_m2 == 0
    assert noisy.face_lvd_m_per_frame > own.face_lvd_m_per_frame == 0
    held = {name: np.repeat(getattr(truth, name)[:1], 240, 0) for name in ("poses", "expressions", "trans")}
    frozen = ruler.measure(replace(truth, **held), clip)
    assert frozen.l1_diversity_m < 1e-4 < own.l1_diversity_m
    assert frozen.bc == frozen.bc_aligned == 0
    assert frozen.jerk_m_per_s3 < 0.01 * own.jerk_m_per_s3
    assert frozen.slid_m < 1e-6
    glide = np.stack([np.linspace(0, 6, 240), np.zeros(240), np.zeros(240)], 1)
    sliding = ruler.measure(replace(truth, **held | {"trans": held["trans"] + glide}), clip)
    assert sliding.slid_m / sliding.contact_s == pytest.approx(6 / (239 / 30), rel=1e-3)
    distances = []
    for size in (0.0, 0.05, 0.2):
        distances.append(score_of(FGD, [scored(ruler, clip, disturb(truth, size))])(np.array([0])))
    assert distances[0] < distances[1] < distances[2]


def test_a_motion_is_cut_to_the_truth_and_wears_its_shape(ruler):
    truth, audio = perform_to_noise(200, seed=5)
    truth = replace(truth, betas=np.random.default_rng(2).standard_normal(300))
    clip = TrueClip("clip", truth, audio, (), None)
    longer, _ = perform_to_noise(230, seed=5)
    longer = replace(longer, poses=np.concatenate([truth.poses, longer.poses[200:]]))
    found = ruler.measure(longer, clip)
    assert found.frames == 200
    assert found.bc == ruler.measure(truth, clip).bc
    assert found.srgr is None
    other = make_motion(230, seed=6, reach=0.2)  # its face is in another basis
    assert ruler.measure(other, clip).frames == 200


def test_what_a_clip_lacks_is_no_part_of_its_scores(ruler):
    """Whatever a motion does there; and what depends on it alone is no score at all."""
    truth, audio = perform_to_noise(200, seed=7)
    lacks = ("face", "hands", "lower")
    poses = truth.poses.reshape(200, 55, 3).copy()
    poses[:, [0, 1, 2, 4, 5, 7, 8, 10, 11, *range(22, 55)]] = 0
    at_rest = replace(truth, poses=poses.reshape(200, 165), expressions=0 * truth.expressions, trans=0 * truth.trans)
    clip = TrueClip("clip", at_rest, audio, (), semantic_scores(LABELS, 200), lacks)
    found = ruler.measure(truth, clip)
    assert found == ruler.measure(at_rest, clip)
    assert (found.face_mse_m2, found.face_lvd_m_per_frame, found.face_distance_m) == (None, None, None)
    assert (found.slid_m, found.contact_s) == (None, None)
    assert found.bc > 0
    assert found.srgr == pytest.approx(semantic_scores(LABELS, 200).mean() / 0.165, rel=1e-6)
    made, true = cut_alike(truth, at_rest, lacks)
    assert np.array_equal(made.poses, true.poses)
    assert ruler.measure(truth, replace(clip, missing=("upper",))).bc is None
