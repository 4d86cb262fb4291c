"""Gradio's input components, whose faults with what a program sends are told in a sentence that names the field."""

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


def _telling(kind: type[gr.components.Component]) -> type[gr.components.Component]:
    """The same component under the same name; only what it raises is another."""

    def preprocess(self, payload: Any) -> Any:
        try:
            return kind.preprocess(self, payload)
        except gr.Error as error:
            message = f"{self.label}: {error.message}" if error.print_exception else error.message
            raise make_error(message) from error
        except Exception as error:  # they check little, and raise whatever comes of it
            must = _KINDS.get(str(self.api_info().get("type")), "what the API view says")
            raise make_error(f"{self.label}: {str(payload)[:40]!r} cannot be used. Give {must}.") from error

    return type(kind.__name__, (kind,), {"preprocess": preprocess, "__module__": __name__})


Checkbox = _telling(gr.Checkbox)
Code = _telling(gr.Code)
Dataframe = _telling(gr.Dataframe)
Dropdown = _telling(gr.Dropdown)
Number = _telling(gr.Number)
Radio = _telling(gr.Radio)
Slider = _telling(gr.Slider)
Textbox = _telling(gr.Textbox)
