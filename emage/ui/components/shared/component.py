"""The base class of the components: how their files and settings reach the browser, and how faults are told."""

import json
from pathlib import Path
from typing import Any, ClassVar, Literal

import gradio as gr

from emage.errors import EmageError
from emage.hints import FOLLOW, LOCK, LOCKED
from emage.motion import FPS
from emage.render.settings import RenderSettings
from emage.ui.components.shared.faults import make_error

PART_LABELS = {
    "face": ("Face", "Face"),
    "upper": ("Upper body", "Upper"),
    "hands": ("Both hands", "Hands"),
    "left_hand": ("Left hand", "L hand"),
    "right_hand": ("Right hand", "R hand"),
    "lower": ("Lower body and path", "Lower"),
}
"""Of each part that can be a hint, and shortened for a phone."""

_COMPONENTS = Path(__file__).parents[1]
_SETTINGS = {
    "fps": FPS,
    "follow": FOLLOW,
    "lock": LOCK,
    "labels": PART_LABELS,
    "locked": LOCKED,
    "stateColors": [RenderSettings.generated_color, RenderSettings.followed_color, RenderSettings.hint_color],
}


class Component(gr.HTML):
    """A component with the html, css and js files of its folder.

    NAME: of the folder, and of its html and css files. SCRIPTS: js files, as "folder/file". They become one function
    body below the constant SETTINGS, in this order: a constant stands above its use, and functions know each other
    everywhere. STYLES: css files besides that of its name, likewise. SETTINGS: what JavaScript is to know besides what
    all components are told. LIBRARIES: source of third-party scripts, above all that.

    A subclass says with `read` what a handler gets.
    """

    NAME: ClassVar[str]
    SCRIPTS: ClassVar[tuple[str, ...]]
    STYLES: ClassVar[tuple[str, ...]] = ()
    SETTINGS: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        value: Any,
        *,
        label: str,
        visible: bool | Literal["hidden"],
        elem_id: str | None,
        render: bool,
        props: dict[str, Any] | None = None,
        library: str = "",
        library_css: str = "",
    ):
        """
        Args:
            value: as `postprocess` takes it.
            label: read out by screen readers; not shown.
            visible, elem_id, render: as everywhere in Gradio.
            props: for JavaScript, besides the value.
            library, library_css: source of what others have written, put above our own.
        """
        folder = _COMPONENTS / self.NAME
        settings = f"const SETTINGS = {json.dumps(_SETTINGS | self.SETTINGS)};"
        scripts = [(_COMPONENTS / f"{script}.js").read_text("utf-8") for script in self.SCRIPTS]
        named = ("shared/shared", f"{self.NAME}/{self.NAME}", *self.STYLES)
        styles = [(_COMPONENTS / f"{style}.css").read_text("utf-8") for style in named]
        super().__init__(
            value,
            label=label,
            html_template=(folder / f"{self.NAME}.html").read_text("utf-8"),
            css_template="\n".join([library_css, *styles]),
            js_on_load="\n".join([library, settings, *scripts]),
            apply_default_css=False,
            visible=visible,
            elem_id=elem_id,
            render=render,
            **(props or {}),
        )

    def read(self, payload: Any) -> Any:
        """What a handler gets for what a browser or a client sent; nothing in that is trusted. Raises EmageError."""
        raise NotImplementedError

    def preprocess(self, payload: Any) -> Any:
        """What `read` makes of it; its EmageError is told on the page as gr.Error."""
        try:
            return self.read(payload)
        except EmageError as error:
            raise make_error(str(error)) from error
