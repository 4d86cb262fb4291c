"""The films and the page of a study."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic_core import to_json
from tqdm import tqdm

from emage.body import Body, load_body
from emage.errors import EmageError
from emage.export.takes import render_video
from emage.files import write_text
from emage.generation.take import Take
from emage.motion import FPS, Motion
from emage.recording.audio import SAMPLE_RATE_HZ, frame_to_sample, load_audio
from emage.render.settings import RenderSettings
from train.data.corpus import CorpusClip, list_clips
from train.data.partial import load_clip_motion
from train.evaluation.beat2.results import ClipStore, Results, read_results
from train.evaluation.study.design import Design, Segment, Stimulus, choose_segments, plan_study
from train.evaluation.study.settings import DESIGN, PAGE, STIMULI, StudyMaking

TRUTH = "truth"
_TEMPLATE = Path(__file__).with_name("page.html")
_PLACE = "{{study}}"


def make_study(config: StudyMaking, body: Body | None = None) -> Design:
    """Write key.json, the films and index.html; films that are there stay.

    Raises:
        EmageError: the runs share no clip that is long enough, or the folder holds another study.
    """
    runs = _named_runs(config)
    lengths = _shared_lengths(runs)
    num_frames = round(config.seconds * FPS)
    segments = choose_segments(lengths, num_frames, config.segments, config.seed)
    if not segments:
        raise EmageError(f"No clip that all runs have scored lasts {config.seconds:g} s. Make --seconds smaller.")
    systems = [*runs, *([TRUTH] if config.truth else [])]
    design = plan_study(
        systems, segments, config.question, config.participants, config.screens, config.checks, config.seed
    )
    (config.out / STIMULI).mkdir(parents=True, exist_ok=True)
    _claim(config.out, design)
    clips = {clip.id: clip for clip in list_clips(config.corpus)}
    picture = RenderSettings(size=config.size, captions=False)
    body = body or load_body()
    for stimulus in tqdm(design.stimuli, "Films", unit=" films"):
        path = config.out / STIMULI / stimulus.file
        if not path.is_file():
            _film(path, stimulus, design.segments[stimulus.segment], runs, clips, body, picture)
    write_text(config.out / PAGE, page_of(design))
    return design


def _named_runs(config: StudyMaking) -> dict[str, tuple[Path, Results]]:
    runs = {folder.resolve().name: (folder, read_results(folder)) for folder in config.runs}
    if len(runs) < len(config.runs) or (config.truth and TRUTH in runs):
        raise EmageError(f"Each folder of results needs a name of its own, none `{TRUTH}`. Rename one of them.")
    if len({results.basis.corpus.sha256 for _, results in runs.values()}) > 1:
        raise EmageError("These runs are of different clips. Evaluate them on the same.")
    return runs


def _shared_lengths(runs: dict[str, tuple[Path, Results]]) -> dict[str, int]:
    """Frames of each clip that all have."""
    scored = [results.clip_scores for _, results in runs.values()]
    shared = set.intersection(*map(set, scored))
    return {clip: min(each[clip].frames for each in scored) for clip in sorted(shared)}


def _claim(out: Path, design: Design) -> None:
    path = out / DESIGN
    text = to_json(design, indent=1).decode() + "\n"
    if path.is_file() and path.read_text("utf-8") != text:
        raise EmageError(f"{out} holds another study. Name a new folder, or remove it.")
    write_text(path, text)


def _film(
    path: Path,
    stimulus: Stimulus,
    segment: Segment,
    runs: dict[str, tuple[Path, Results]],
    clips: dict[str, CorpusClip],
    body: Body,
    picture: RenderSettings,
) -> None:
    clip = clips[segment.clip]
    if stimulus.system == TRUTH:
        motion = load_clip_motion(clip).resample(FPS)
    else:
        motion = Motion.load(ClipStore(runs[stimulus.system][0]).motions / f"{clip.id}.npz")
    end_frame = segment.start_frame + segment.num_frames
    motion = motion.frames(segment.start_frame, end_frame)
    ground = motion.trans[0] * [1, 0, 1]
    motion = replace(motion, betas=np.zeros_like(motion.betas), trans=motion.trans - ground)  # one body, one place
    audio = load_audio(clip.audio_file)[frame_to_sample(segment.start_frame) : frame_to_sample(end_frame)]
    render_video(path, [Take(motion)], body, (SAMPLE_RATE_HZ, audio), picture)


def page_of(design: Design) -> str:
    """The page, which knows films by their names alone."""
    plans = [
        [
            {"id": screen.id, "left": screen.left, "right": screen.right}
            | ({} if screen.check is None else {"check": screen.check})
            for screen in plan
        ]
        for plan in design.plans
    ]
    study = {"id": design.id, "question": design.question, "folder": STIMULI, "plans": plans}
    data = json.dumps(study, separators=(",", ":")).replace("<", "\\u003c")
    return _TEMPLATE.read_text("utf-8").replace(_PLACE, data)
