"""`python -m train.synthetic --hours 2 --out DIR`, and `python -m train.synthetic rebuild --compact DIR --out DIR`."""

import sys

import tyro

from emage.errors import EmageError
from train.synthetic.corpus import CorpusSettings, RebuildSettings, make_corpus, rebuild_corpus


def main() -> None:
    arguments = sys.argv[1:]
    try:
        if arguments[:1] == ["rebuild"]:
            rebuild_corpus(tyro.cli(RebuildSettings, prog="python -m train.synthetic rebuild", args=arguments[1:]))
        else:
            make_corpus(tyro.cli(CorpusSettings, prog="python -m train.synthetic", args=arguments))
    except EmageError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
