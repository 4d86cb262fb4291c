"""Gradio's input components, whose faults with what a program sends are told in a sentence that names the field."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from emage.ui.components.shared.faults import make_error

_KINDS = {
    "number": "a number",
    "integer": "a whole number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


def _tell_faults(kind: type[gr.components.Component]) -> Callable[[gr.components.Component, Any], Any]:
    """The component's `preprocess`; only what it raises is another."""

    def preprocess(self: gr.components.Component, payload: Any) -> Any:
        try:
            return kind.preprocess(self, payload)
        except gr.Error as error:
            message = f"{self.label}: {error.message}" if error.print_exception else error.message
            raise make_error(message) from error
        except Exception as error:  # they check little, and raise whatever comes of it
            must = _KINDS.get(str(self.api_info().get("type")), "what the API view says")
            raise make_error(f"{self.label}: {str(payload)[:40]!r} cannot be used. Give {must}.") from error

    return preprocess


_choose = _tell_faults(gr.Dropdown)


class Checkbox(gr.Checkbox):
    preprocess = _tell_faults(gr.Checkbox)


class Code(gr.Code):
    preprocess = _tell_faults(gr.Code)


class Dataframe(gr.Dataframe):
    preprocess = _tell_faults(gr.Dataframe)


class Dropdown(gr.Dropdown):
    """Of which one thing is chosen; Gradio's takes a list of several from programs."""

    def preprocess(self, payload: Any) -> Any:
        if isinstance(payload, list):
            raise make_error(f"{self.label}: {str(payload)[:40]!r} cannot be used. Give one of its choices.")
        return _choose(self, payload)


class UserDropdown(gr.Dropdown):
    """Whose choices differ from user to user. Whoever uses what is chosen checks it: Gradio knows the choices that a
    page was shown of a number of sessions alone, and others can open as many."""

    def preprocess(self, payload: Any) -> Any:
        if payload is not None and type(payload) not in (str, int):
            raise make_error(f"{self.label}: {str(payload)[:40]!r} cannot be used. Give one of its choices.")
        return payload

    def get_block_name(self) -> str:
        return "dropdown"


class Number(gr.Number):
    preprocess = _tell_faults(gr.Number)


class Radio(gr.Radio):
    preprocess = _tell_faults(gr.Radio)


class Slider(gr.Slider):
    preprocess = _tell_faults(gr.Slider)


class Textbox(gr.Textbox):
    preprocess = _tell_faults(gr.Textbox)
