"""The paper's ablations, rerun: one command trains what is missing, scores every row and writes the table.

python -m train.ablate --cache CACHE --out OUT
python -m train.ablate --cache CACHE --out OUT --size brief --seeds 0 1 --rows one-vqvae sum

A row is a generator with its VQ-VAEs and global motion predictor, trained with settings of its own (docs/training.md,
Ablations). Stages with the same settings are trained once, whatever rows they are for. A command that was stopped,
however hard, goes on where it was when it is given again, and ends with the same tables. Where a row fails, it is named
and the others go on; given again, the command tries it anew.

OUT/ablation.md is the table, ablation.json all of it, stages/ and scores/ what it is made of, times.jsonl how long that
took.
"""

import sys

import tyro

from emage.errors import EmageError
from emage.files import check_writable
from train.ablation.report import run_ablation, write_report
from train.ablation.settings import Ablation
from train.ablation.table import markdown
from train.run.command import run_command


def run(config: Ablation) -> None:
    """Raises EmageError where a row came to no end, after all others and the tables."""
    config.out.mkdir(parents=True, exist_ok=True)
    check_writable(config.out / "ablation.json")
    report = run_ablation(config, report=lambda line: print(line, file=sys.stderr, flush=True))
    table = markdown(report)
    print(table)
    write_report(report, table, config.out)
    if report.failed:
        named = "; ".join(f"{row.name}: {row.missing}" for row in report.failed)
        raise EmageError(f"{len(report.failed)} rows were not made. {named}")


def main() -> None:
    config = tyro.cli(Ablation, description=__doc__)
    run_command(lambda: run(config))


if __name__ == "__main__":
    main()
