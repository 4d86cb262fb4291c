"""Blocks of frames over which grounding is decided: each one with what comes after it in sight, and never changed."""

BLOCK_FRAMES = 30
"""So many frames are settled at a time."""


def block_end(start: int, total: int, ahead: int) -> int:
    """Where the block that begins at a frame ends, end exclusive: the last one takes all that is left of `total`.

    ahead: frames behind it that are in sight.
    """
    end = start + BLOCK_FRAMES
    return end if end + ahead < total else total
