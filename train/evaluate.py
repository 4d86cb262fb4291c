"""Scores of a folder of weights, with their baselines and targets.

python -m train.evaluate --suite demo --cache CACHE --weights WEIGHTS --text-weights TEXT --speech SPEECH --out OUT

Five sections; docs/training.md says what each row and column means.

1. Held-out speech: the clips of split test. A motion is generated for each, in the manner of the clip's own speaker,
   and measured beside the clip's true motion, a frozen pose, untrained networks, and true motion with the wrong sound.
   Wrong pairs are the motion of one clip and the sound of another, cut to the shorter: the list of clips against itself
   shifted by 1, 2, ... `wrong_pairings`; the scores of all pairs are averaged.
2. Words and gestures: whether the words that call for a gesture get theirs, of the same motions.
3. Hints: how much nearer to the truth the hidden half of the upper body is for what is shown of the other.
4. Real speech: recordings of a human voice. Where the motion of whoever spoke lies beside one, it is measured too. With
   text weights, which of its words came with which gesture.
5. Reconstruction: the motion of split test through the codes and back.

Held-out motion is posed with the body's mean shape, for a cache holds no shapes. The speed that beat consistency
divides by is the mean of the true motion of split test.

Another suite, `--suite beat2`, scores by the published protocol; `compare` sets its scores beside each other, and
`study` asks people. Each has a --help of its own: python -m train.evaluate --suite beat2 --help, and so on.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Annotated

import tyro

from emage.files import check_writable
from train.evaluation.beat2.comparison import Comparison, compare
from train.evaluation.beat2.comparison import markdown as comparison_markdown
from train.evaluation.beat2.suite import evaluate_beat2
from train.evaluation.beat2.tables import write_all
from train.evaluation.report import evaluate, write_report
from train.evaluation.settings import Beat2Evaluation, Evaluation
from train.evaluation.study.scoring import markdown as preferences_markdown
from train.evaluation.study.scoring import score_study
from train.evaluation.study.settings import DESIGN, PAGE, StudyMaking, StudyScoring
from train.evaluation.study.stimuli import make_study
from train.evaluation.tables import markdown
from train.run.command import run_command

_BEAT2 = """Motions of a corpus's clips by the published protocol, and measures of ours beside it.

python -m train.evaluate --suite beat2 --corpus CORPUS --weights WEIGHTS --out OUT \\
    --evaluator AESKConv_240_100.bin --mean-velocity mean_vel_smplxflame_30.npy

OUT gets scores.json, .csv, .md and .tex. Several processes share the clips (accelerate launch --multi_gpu -m
train.evaluate ...). docs/training.md says what each column means.
"""
_COMPARISON = """Evaluations of the suite beat2 beside each other: python -m train.evaluate compare A B C

A, B and C are their folders. Says which differences are larger than chance.
"""
_STUDY_WORDS = """A study in which people choose between motions of the same speech.

python -m train.evaluate study make A B C --corpus CORPUS --out STUDY
python -m train.evaluate study score STUDY ANSWERS

A, B and C are folders of the suite beat2, ANSWERS the files that people saved.
"""
_STUDY = (
    Annotated[StudyMaking, tyro.conf.subcommand("make", prefix_name=False)]
    | Annotated[StudyScoring, tyro.conf.subcommand("score", prefix_name=False)]
)


def run(config: Evaluation) -> None:
    if config.out is not None:  # first, for the scores take minutes
        config.out.mkdir(parents=True, exist_ok=True)
        check_writable(config.out / "scores.json")
    report = evaluate(config)
    tables = markdown(report)
    print(tables)
    if config.out is not None:
        write_report(report, tables, config.out)


def run_beat2(config: Beat2Evaluation) -> None:
    results = evaluate_beat2(config)
    if results is not None:  # it is, in the main process
        print(write_all(results, config.out))


def run_comparison(config: Comparison) -> None:
    print(comparison_markdown(compare(config)))


def run_study(config: StudyMaking | StudyScoring) -> None:
    if isinstance(config, StudyScoring):
        print(preferences_markdown(score_study(config)))
        return
    design = make_study(config)
    print(
        f"{len(design.stimuli)} films of {len(design.systems)} systems for {len(design.plans)} people: give each "
        f"{config.out / PAGE}?participant=NUMBER, from 1, and keep {config.out / DESIGN} to yourself."
    )


def chosen_suite(arguments: Sequence[str]) -> str | None:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--suite")
    return parser.parse_known_args(arguments)[0].suite


def main() -> None:
    arguments = sys.argv[1:]
    if arguments[:1] == ["compare"]:
        comparison = tyro.cli(Comparison, description=_COMPARISON, args=arguments[1:])
        run_command(lambda: run_comparison(comparison))
    elif arguments[:1] == ["study"]:
        study = tyro.cli(_STUDY, description=_STUDY_WORDS, args=arguments[1:])
        run_command(lambda: run_study(study))
    elif chosen_suite(arguments) == "beat2":
        beat2 = tyro.cli(Beat2Evaluation, description=_BEAT2, args=arguments)
        run_command(lambda: run_beat2(beat2))
    else:
        config = tyro.cli(Evaluation, description=__doc__)
        run_command(lambda: run(config))


if __name__ == "__main__":
    main()
