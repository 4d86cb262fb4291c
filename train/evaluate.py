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
"""

import tyro

from emage.files import check_writable
from train.evaluation.report import evaluate, write_report
from train.evaluation.settings import Evaluation
from train.evaluation.tables import markdown
from train.run.command import run_command


def run(config: Evaluation) -> None:
    if config.out is not None:  # first, for the scores take minutes
        config.out.mkdir(parents=True, exist_ok=True)
        check_writable(config.out / "scores.json")
    report = evaluate(config)
    tables = markdown(report)
    print(tables)
    if config.out is not None:
        write_report(report, tables, config.out)


def main() -> None:
    config = tyro.cli(Evaluation, description=__doc__)
    run_command(lambda: run(config))


if __name__ == "__main__":
    main()
