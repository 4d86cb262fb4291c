"""Files of this machine: what a sentence says of them, and which are served as they are."""

import functools
import re
from pathlib import Path

import gradio as gr


def hide_paths(text: str) -> str:
    """Of a file or folder of this machine users see the name alone."""
    return re.sub(r"(?<![\w:/.])(?:/[^\s/:;,()'\"]+){2,}/?", lambda found: Path(found.group()).name, text)


@functools.cache
def serve_folder(folder: Path) -> None:
    """Its files go to browsers as they are, while of others Gradio makes copies, which are deleted with the users' own.

    A folder, and once: for every file that comes to a page Gradio looks through all that it was ever told of.
    """
    gr.set_static_paths([folder])
