"""What several components share: code for the browser, and names."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent

PLAYERS = _FOLDER / "players.js"
"""Follows and moves audio and video elsewhere on the page."""
RULER = _FOLDER / "ruler.js"
"""Ticks of an axis of time."""

PART_LABELS = {
    "face": ("Face", "Face"),
    "upper": ("Upper body", "Upper"),
    "hands": ("Both hands", "Hands"),
    "left_hand": ("Left hand", "L hand"),
    "right_hand": ("Right hand", "R hand"),
    "lower": ("Lower body and path", "Lower"),
}
"""Of each part that can be a hint, and shortened for a phone."""


def javascript(settings: dict[str, Any], files: Sequence[Path]) -> str:
    """For `js_on_load`: one function body of the constant SETTINGS and all files, in this order.

    A constant stands above its use; functions know each other everywhere.
    """
    return "\n".join([f"const SETTINGS = {json.dumps(settings)};", *(file.read_text("utf-8") for file in files)])
