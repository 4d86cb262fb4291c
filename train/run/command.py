"""How the commands of training begin and end: options from a dataclass, and a user's fault with its sentence."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import tyro

from emage.errors import EmageError
from train.run.config import RunConfig

Config = TypeVar("Config", bound=RunConfig)


def run_command(command: Callable[[], None]) -> None:
    """Run it; a user fault ends with its sentence and exit code 2."""
    try:
        command()
    except EmageError as error:
        sys.stderr.write(f"Error: {error}\n")
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def run_stage(kind: type[Config], train: Callable[[Config], Any], description: str | None) -> None:
    """Train a stage with the settings that the command line gives; `--smoke` shrinks them."""
    config = tyro.cli(kind, description=description)
    run_command(lambda: train(config.shrink() if config.smoke else config))
