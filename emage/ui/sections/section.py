"""What the sections share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from emage.ui.components.shared.faults import tell
from emage.ui.service.service import Service

QUIETLY = {"show_progress": "hidden", "trigger_mode": "always_last"}
"""Of an event that runs at every edit: nothing is covered while its handler runs, and the last edit counts."""
WAITING_AT_ONCE = 20
"""Users who wait for their turn with a place in line to see; the rest wait in Gradio's queue. More than one address may
have."""
MAKING = {"concurrency_limit": WAITING_AT_ONCE, "concurrency_id": "making"}
"""Of events that make takes."""
LOADING = {"concurrency_limit": WAITING_AT_ONCE, "concurrency_id": "loading"}
"""Of events that load weights, which may take minutes."""
READING = {"concurrency_limit": 4, "concurrency_id": "reading"}
"""Of events that read a whole file of a user's, or write one."""
EXPORTING = {"concurrency_limit": 2, "concurrency_id": "exporting"}
"""Of events that write a motion for other tools."""
LONG = (MAKING, LOADING, READING, EXPORTING)
"""Of all events that are work, each kind of which has a queue apart from the page's edits."""
CANCELLED = "Cancelled."
_STOPS_WITHIN_MS = 5000


class Section:
    """A card of the page.

    begins: the events that begin what takes its time, by a name for each; starts: the buttons among what begins it;
    stops: those that stop all of that; all known when it is built. ends: the event that ends with each; cancelled: the
    last of what the stopping buttons do; known when it is wired.

    It is built where it is made, inside the page's layout; its `wire` connects events to handlers when all sections
    that they need are there. Handlers are methods; what a user has lies in `service`, never here.
    """

    def __init__(self, service: Service):
        self.service = service
        self.begins: dict[str, Sequence[Callable]] = {}
        self.ends: dict[str, gr.events.Dependency] = {}
        self.starts: list[gr.Button] = []
        self.stops: list[gr.Button] = []
        self.cancelled: list[gr.events.Dependency] = []
        self.build()

    def build(self) -> None:
        """Make the components, as attributes."""
        raise NotImplementedError


def make_cancel_button(elem_id: str, scale: int | None = None, size: Literal["sm", "lg"] = "lg") -> gr.Button:
    return gr.Button("Cancel", variant="stop", elem_id=elem_id, scale=scale, size=size, min_width=80, interactive=False)


def make_download_button(label: str, elem_id: str) -> gr.DownloadButton:
    return gr.DownloadButton(label, elem_id=elem_id, interactive=False, size="sm", min_width=0)


def offer(path: Path | None) -> dict[str, Any]:
    """Of a download button."""
    return gr.update(value=None if path is None else str(path), interactive=path is not None)


class Activity:
    """Cancel can be pressed as long as something runs that it stops. What is begun before all that has ended waits for
    it: Gradio would take it for a second click, or the server would stop it, too."""

    def __init__(self, sections: Sequence[Section]):
        self._sections = sections
        self._starts = [button for section in sections for button in section.starts]
        self._stops = [button for section in sections for button in section.stops]

    def wire_begins(self) -> None:
        """Before the sections are wired: what listens to an event first is done first."""
        for section in self._sections:
            for name, events in section.begins.items():
                for begin in events:
                    begin(**self.begin(name))
        for button in self._stops:
            button.click(**self.begin("cancel"))

    def wire_ends(self) -> None:
        """When they are wired."""
        for section in self._sections:
            for name, ended in section.ends.items():
                self.end(name, ended)
            for cancelled in section.cancelled:
                self.end("cancel", cancelled)

    def begin(self, name: str) -> dict[str, Any]:
        """What an event is to do that begins this work."""
        return self._tell_buttons(f"add({name!r})")

    def end(self, name: str, ended: gr.events.Dependency) -> None:
        """Wire the event that ends with this work, however it ends."""
        ended.then(**self._tell_buttons(f"delete({name!r})"))
        # What follows with `then` waits in vain for a generator that failed.
        ended.failure(**self._tell_buttons(f"delete({name!r})"))

    def _tell_buttons(self, change: str) -> dict[str, Any]:
        script = f"""() => {{
          window.emageRunning ??= new Set();
          window.emageRunning.{change};
          const runs = window.emageRunning.size > 0;
          if (!runs) window.emageStopped?.();
          return new Array({len(self._stops)}).fill({{ __type__: "update", interactive: runs }});
        }}"""
        return {"fn": None, "inputs": None, "outputs": self._stops, "js": script, "api_name": False}

    def wait_for_stops(self) -> str:
        """JavaScript for the page's beginning: a press on what begins work waits until what is being stopped has ended,
        but not for longer than `_STOPS_WITHIN_MS`."""
        starts, stops = (
            ", ".join(f"#{button.elem_id}" for button in buttons) for buttons in (self._starts, self._stops)
        )
        return f"""() => {{
          let timer = 0, next = null;
          window.emageStopped = () => {{
            clearTimeout(timer);
            const button = next;
            [timer, next] = [0, null];
            setTimeout(() => button?.click());
          }};
          document.addEventListener("click", (event) => {{
            if (event.target.closest({stops!r})) {{
              clearTimeout(timer);
              timer = setTimeout(window.emageStopped, {_STOPS_WITHIN_MS});
            }}
            const start = event.target.closest({starts!r});
            if (!start || !timer) return;
            next = start;
            event.preventDefault();
            event.stopImmediatePropagation();
          }}, true);
        }}"""


def wire_cancel(
    button: gr.Button, service: Service, output: gr.components.Component, api_name: str, cancels: Any
) -> gr.events.Dependency:
    """Stop what runs for the user who presses the button; Gradio takes what waits out of its queue."""

    def cancel(request: gr.Request) -> Any:
        """Stop what runs for this user; Gradio takes what waits out of its queue."""
        return CANCELLED if service.cancel(request) else gr.skip()

    return button.click(
        tell(cancel), None, output, api_name=api_name, queue=False, cancels=cancels, show_progress="hidden"
    )
