"""What the sections share."""

from pathlib import Path
from typing import Any, Literal

import gradio as gr

from emage.ui.components.shared.faults import tell
from emage.ui.service.service import Service

QUIETLY = {"show_progress": "hidden", "trigger_mode": "always_last"}
"""Of an event that runs at every edit: nothing is covered while its handler runs, and the last edit counts."""
WAITING_AT_ONCE = 16
"""Users who wait for their turn with a place in line to see; the rest wait in Gradio's queue."""
MAKING = {"concurrency_limit": WAITING_AT_ONCE, "concurrency_id": "making"}
"""Of events that make takes."""
LOADING = {"concurrency_limit": WAITING_AT_ONCE, "concurrency_id": "loading"}
"""Of events that load weights, which may take minutes."""
CANCELLED = "Cancelled."


class Section:
    """A card of the page.

    It is built where it is made, inside the page's layout; its `wire` connects events to handlers when all sections
    that they need are there. Handlers are methods; what a user has lies in `service`, never here.
    """

    def __init__(self, service: Service):
        self.service = service
        self.build()

    def build(self) -> None:
        """Make the components, as attributes."""
        raise NotImplementedError


def make_cancel_button(elem_id: str, scale: int | None = None, size: Literal["sm", "lg"] = "lg") -> gr.Button:
    return gr.Button("Cancel", variant="stop", elem_id=elem_id, scale=scale, size=size, min_width=80)


def make_download_button(label: str, elem_id: str) -> gr.DownloadButton:
    return gr.DownloadButton(label, elem_id=elem_id, interactive=False, size="sm", min_width=0)


def offer(path: Path | None) -> dict[str, Any]:
    """Of a download button."""
    return gr.update(value=None if path is None else str(path), interactive=path is not None)


def wire_cancel(
    button: gr.Button, service: Service, output: gr.components.Component, api_name: str, cancels: Any
) -> None:
    """Stop what runs for the user who presses the button; Gradio takes what waits out of its queue."""

    def cancel(request: gr.Request) -> Any:
        """Stop what runs for this user; Gradio takes what waits out of its queue."""
        return CANCELLED if service.cancel(request) else gr.skip()

    button.click(tell(cancel), None, output, api_name=api_name, queue=False, cancels=cancels, show_progress="hidden")
