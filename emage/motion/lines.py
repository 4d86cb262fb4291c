"""Motion in pieces as lines of text, for programs that follow a motion while it is made: a growing file, or a pipe.

One line a piece, a JSON object: `start_frame` of the piece and `total_frames` of the whole motion, and `npz`, the
piece's frames as BEAT2's npz in base64. The motion is whole when a piece ends at `total_frames`; a file that ends
before is still growing, or its work was stopped.
"""

import base64
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from emage.errors import MotionError
from emage.motion.motion import Motion
from emage.validation import build, checked

MAX_PIECE_BYTES = 1 << 26
"""A piece that unpacks to more is refused: some minutes of motion."""


@checked(MotionError)
class _Line:
    start_frame: int
    total_frames: int
    npz: str


def write_line(piece: Motion, start_frame: int, total_frames: int) -> str:
    """A piece as a line, with its end."""
    npz = base64.b64encode(piece.packed()).decode("ascii")
    return json.dumps({"start_frame": start_frame, "total_frames": total_frames, "npz": npz}) + "\n"


def read_lines(lines: Iterable[str]) -> Iterator[Motion]:
    """The pieces of lines as they come, such as an open file has them.

    Raises:
        MotionError: a line that is none of `write_line`, or not the one that follows; or the lines end too early.
    """
    expected, total = 0, 1
    for number, text in enumerate(lines, start=1):
        line = build(_Line, text, MotionError, f"Line {number}")
        if line.start_frame != expected:
            raise MotionError(
                f"Line {number} begins at frame {line.start_frame}, where {expected} would follow. Read all lines of "
                "one motion, in their order."
            )
        piece = _unpack(line.npz, number)
        expected, total = expected + piece.num_frames, line.total_frames
        yield piece
    if expected < total:
        raise MotionError(
            f"The lines end at frame {expected} of {total}: the motion is still being made, or its making was stopped."
        )


def _unpack(npz: str, number: int) -> Motion:
    try:
        content = base64.b64decode(npz, validate=True)
    except ValueError as error:  # binascii.Error among them
        raise MotionError(f"Line {number}: its npz is not base64 ({error}). The file is damaged.") from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"line {number}.npz"
        path.write_bytes(content)
        return Motion.load(path, MAX_PIECE_BYTES)
