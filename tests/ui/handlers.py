"""What handlers of the page are called with where no server is."""

import types

ASKER = types.SimpleNamespace(session_hash="one")
PICTURE = ("moderngl", "follow", False, 64, "Draft")


def bar(*progress: object, **named: object) -> None:
    """In place of Gradio's."""
