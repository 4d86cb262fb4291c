"""What people preferred: the strengths of systems by the model of Bradley and Terry (1952), with intervals.

The odds that one system is preferred to another are exp(its strength less the other's). An answer of "no difference" is
half a choice for each. Strengths have a weak normal prior, so that a system which was never chosen has one, too.
Intervals are over participants, sampled anew whole: answers of one person are not independent of each other.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from pydantic_core import to_json
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from emage.errors import EmageError
from emage.files import write_text
from emage.validation import build, checked
from train.evaluation.intervals import Interval, bootstrap
from train.evaluation.markdown import markdown_table
from train.evaluation.study.design import CHECK_CHOICES, CHOICES, Design, Screen
from train.evaluation.study.settings import DESIGN, StudyScoring

PRIOR_DEVIATION = 3.0
"""Of strengths, in log-odds: 95 of 100 systems within 400 to 1."""
LEAST_PEOPLE = 6
"""Fewer tell no difference from chance: of five, all prefer the same in one of sixteen cases."""
_MAX_DESIGN_VALUES = 1 << 24


@checked(EmageError)
class Answer:
    """screen: its id. choice: one of `CHOICES`. seconds: that it took."""

    screen: str
    choice: int
    seconds: float


@checked(EmageError)
class AnswerFile:
    """What the page saves. study: the design's id; participant: from 1."""

    study: str
    participant: int
    answers: list[Answer]


@dataclass(frozen=True)
class Preference:
    """How one system was preferred to another. chosen, equal, other: answers. difference: of strengths."""

    first: str
    second: str
    chosen: int
    equal: int
    other: int
    difference: Interval
    is_above_chance: bool


@dataclass(frozen=True)
class Preferences:
    """strengths: of each system, in log-odds, with mean 0. left_out: participants, each with the reason."""

    study: str
    participants: int
    answers: int
    strengths: dict[str, Interval]
    pairs: tuple[Preference, ...]
    left_out: dict[str, str]


def score_study(config: StudyScoring) -> Preferences:
    """Read the answers, and write preferences.json and preferences.md.

    Raises:
        EmageError: no study, files of another one or damaged, or nobody who passed the checks.
    """
    design = read_design(config.study)
    files = [read_answers(path, design) for path in _files(config.answers)]
    kept, left_out = _attentive(files, design, config.failed_checks)
    if not kept:
        raise EmageError(f"Nobody passed the attention checks: {left_out}. Ask more people, or allow --failed-checks.")
    preferences = judge(kept, design, left_out, config)
    out = config.out or config.study
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "preferences.json", to_json(preferences, indent=1, inf_nan_mode="null").decode() + "\n")
    write_text(out / "preferences.md", markdown(preferences) + "\n")
    return preferences


def read_design(study: Path) -> Design:
    path = study / DESIGN
    try:
        return build(Design, path.read_text("utf-8"), EmageError, str(path), max_values=_MAX_DESIGN_VALUES)
    except OSError as error:
        raise EmageError(f"{path} cannot be read ({error.strerror}). Name the folder of a study.") from error


def read_answers(path: Path, design: Design) -> AnswerFile:
    """Raises EmageError for a file of another study, or with answers that its plan does not ask for."""
    try:
        found = build(AnswerFile, path.read_text("utf-8"), EmageError, str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise EmageError(f"{path} cannot be read ({error}).") from error
    if found.study != design.id:
        raise EmageError(f"{path} answers another study ({found.study}, not {design.id}).")
    if not 1 <= found.participant <= len(design.plans):
        raise EmageError(f"{path} is of participant {found.participant}; there are {len(design.plans)}.")
    asked = {screen.id for screen in design.plans[found.participant - 1]}
    answered = [answer.screen for answer in found.answers]
    if not set(answered) <= asked or len(set(answered)) < len(answered):
        raise EmageError(f"{path} has answers that participant {found.participant} was not asked for, or two of one.")
    if any(answer.choice not in CHOICES for answer in found.answers):
        raise EmageError(f"{path} has a choice that is none of {CHOICES}.")
    return found


def _files(given: Iterable[Path]) -> list[Path]:
    paths = [path for each in given for path in (sorted(each.glob("*.json")) if each.is_dir() else [each])]
    if not paths:
        raise EmageError("There are no answers: no file NAME.json in these folders.")
    return paths


def _attentive(
    files: Sequence[AnswerFile], design: Design, failed_checks: int
) -> tuple[list[AnswerFile], dict[str, str]]:
    """Those who passed, and the others with the reason; of two files of one participant the fuller one stands."""
    by_number: dict[int, AnswerFile] = {}
    for file in files:
        if len(file.answers) > len(by_number.get(file.participant, AnswerFile("", 0, [])).answers):
            by_number[file.participant] = file
    kept, left_out = [], {}
    for number, file in sorted(by_number.items()):
        chosen = {answer.screen: answer.choice for answer in file.answers}
        checks = [screen for screen in design.plans[number - 1] if screen.check is not None and screen.id in chosen]
        failed = sum(chosen[screen.id] != CHECK_CHOICES[screen.check] for screen in checks)
        if failed > failed_checks:
            left_out[str(number)] = f"{failed} of {len(checks)} attention checks failed"
        else:
            kept.append(file)
    return kept, left_out


def judge(files: Sequence[AnswerFile], design: Design, left_out: dict[str, str], config: StudyScoring) -> Preferences:
    """Of participants who are all taken."""
    wins = np.stack([_wins(file, design) for file in files])  # (P, S, S)
    ties = np.stack([_wins(file, design, ties_only=True) for file in files])
    systems = design.systems

    sampled = _Samples(wins, config)
    total, equal = wins.sum(0), ties.sum(0)
    pairs = []
    for first, second in combinations(range(len(systems)), 2):
        difference = sampled.interval(lambda values, i=first, j=second: values[i] - values[j])
        tied = round(2 * equal[first, second])
        pairs.append(
            Preference(
                systems[first],
                systems[second],
                chosen=round(total[first, second] - tied / 2),
                equal=tied,
                other=round(total[second, first] - tied / 2),
                difference=difference,
                is_above_chance=len(files) >= LEAST_PEOPLE and difference.leaves_out_zero,
            )
        )
    return Preferences(
        study=design.id,
        participants=len(files),
        answers=round(total.sum()),
        strengths={name: sampled.interval(lambda values, i=i: values[i]) for i, name in enumerate(systems)},
        pairs=tuple(pairs),
        left_out=left_out,
    )


class _Samples:
    """The strengths of one set of samples of the participants, of which every interval is taken."""

    def __init__(self, wins: np.ndarray, config: StudyScoring):
        """wins: (P, S, S) of each participant."""
        self._wins, self._config = wins, config
        self._known: dict[bytes, np.ndarray] = {}

    def interval(self, value: Callable[[np.ndarray], float]) -> Interval:
        """Of a number that follows from strengths (S,)."""

        def score(rows: np.ndarray) -> float:
            key = np.sort(rows).tobytes()
            if key not in self._known:
                self._known[key] = fit_strengths(self._wins[rows].sum(0))
            return float(value(self._known[key]))

        return bootstrap(len(self._wins), score, self._config.seed, self._config.resamples)


def _wins(file: AnswerFile, design: Design, ties_only: bool = False) -> np.ndarray:
    """(S, S): how often a participant preferred one system to another; no difference is half for each."""
    shown = {screen.id: screen for screen in design.plans[file.participant - 1] if screen.check is None}
    system_of = {each.file: design.systems.index(each.system) for each in design.stimuli}
    wins = np.zeros((len(design.systems),) * 2)
    for answer in file.answers:
        screen: Screen | None = shown.get(answer.screen)
        if screen is None:
            continue
        left, right = system_of[screen.left], system_of[screen.right]
        if answer.choice == 0:
            wins[left, right] += 0.5
            wins[right, left] += 0.5
        elif not ties_only:
            wins[(left, right) if answer.choice < 0 else (right, left)] += 1
    return wins


def fit_strengths(wins: np.ndarray) -> np.ndarray:
    """(S, S) how often one was preferred to another -> (S,) strengths in log-odds, with mean 0: the most probable under
    the prior (Bradley and Terry 1952), of a convex problem."""

    def loss(strengths: np.ndarray) -> tuple[float, np.ndarray]:
        gaps = strengths[:, None] - strengths
        value = -(wins * log_expit(gaps)).sum() + 0.5 * np.square(strengths / PRIOR_DEVIATION).sum()
        pull = wins * expit(-gaps)
        return float(value), pull.sum(0) - pull.sum(1) + strengths / PRIOR_DEVIATION**2

    found = minimize(loss, np.zeros(len(wins)), jac=True, method="L-BFGS-B", options={"ftol": 1e-12, "gtol": 1e-9})
    return found.x - found.x.mean()


def markdown(preferences: Preferences) -> str:
    ordered = sorted(preferences.strengths.items(), key=lambda one: -one[1].value)
    strengths = [(name, f"{one.value:.3f}", f"{one.low:.3f} to {one.high:.3f}") for name, one in ordered]
    headers = ("first", "second", "first chosen", "no difference", "second chosen", "odds of the first", "")
    pairs = []
    for one in preferences.pairs:
        odds = [np.exp(each) for each in (one.difference.value, one.difference.low, one.difference.high)]
        told = f"{odds[0]:.2f} ({odds[1]:.2f} to {odds[2]:.2f})"
        verdict = "larger than chance" if one.is_above_chance else "within chance"
        pairs.append((one.first, one.second, str(one.chosen), str(one.equal), str(one.other), told, verdict))
    left_out = [f"- participant {number}: {why}" for number, why in preferences.left_out.items()]
    return "\n\n".join(
        [
            f"{preferences.answers} answers of {preferences.participants} people. Intervals are over people.",
            markdown_table(("system", "strength, log-odds", "95 %"), strengths),
            markdown_table(headers, pairs),
            *(["Left out:\n" + "\n".join(left_out)] if left_out else []),
        ]
    )
