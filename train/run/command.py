"""How the commands of training end: a user's fault with its sentence, never with a traceback."""

import sys
from collections.abc import Callable

from emage.errors import EmageError


def run_command(command: Callable[[], None]) -> None:
    """Run it; a user fault ends with its sentence and exit code 2."""
    try:
        command()
    except EmageError as error:
        sys.stderr.write(f"Error: {error}\n")
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
