"""From the words of a command line to its command."""

import signal
import sys

import tyro

import emage.cli
from emage.cli.batch import Batch
from emage.cli.doctor import Doctor
from emage.cli.generate import Generate
from emage.cli.measure import Measure
from emage.cli.render import Render
from emage.errors import EmageError

Command = Generate | Batch | Render | Measure | Doctor


def main() -> None:
    """Run a command; a user fault ends with its sentence and exit code 2."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        command = tyro.cli(Command, prog="python -m emage", description=emage.cli.__doc__)
        command.run()
    except EmageError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _stop(*_) -> None:
    """End as on any other error, so that nothing half-made is left behind."""
    raise SystemExit(143)
