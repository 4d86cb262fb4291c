"""The list of takes as a Gradio component."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import gradio as gr
from pydantic import Field

from emage.errors import EmageError
from emage.project import MAX_CAPTION_CHARACTERS
from emage.ui.components.shared import Component
from emage.validation import build, checked

_MAX_ROWS = 1000


@checked(EmageError)
class _Row:
    number: int
    caption: Annotated[str, Field(max_length=MAX_CAPTION_CHARACTERS)]
    chosen: bool


_Rows = Annotated[list[_Row], Field(max_length=_MAX_ROWS)]


class TakeList(Component):
    """Handlers get the number, the caption and whether it is chosen of each take, and return what `show` makes.

    Events: `input` when a caption or a choice was changed; `select` and `delete` with the take's number in their data.
    """

    NAME = "takes"
    SCRIPTS = ("shared/dom", "takes/takes")
    SETTINGS = {"longest": MAX_CAPTION_CHARACTERS}  # noqa: RUF012

    def __init__(
        self,
        value: list[dict[str, Any]] | None = None,
        *,
        facts: dict[str, str] | None = None,
        label: str = "Takes",
        visible: bool | Literal["hidden"] = True,
        elem_id: str | None = None,
        render: bool = True,
    ):
        """value, facts: the list as JSON, and what it says of each take by its number; `show` changes both."""
        props = {"facts": facts or {}}
        super().__init__(value or [], label=label, visible=visible, elem_id=elem_id, render=render, props=props)

    @staticmethod
    def show(rows: Sequence[tuple[int, str, bool, str]]) -> dict[str, Any]:
        """What a handler returns to change the list.

        Args:
            rows: number, caption, whether it is chosen, and facts of each take.
        """
        value = [{"number": number, "caption": caption, "chosen": chosen} for number, caption, chosen, _ in rows]
        return gr.update(value=value, facts={str(number): facts for number, _, _, facts in rows})

    def read(self, payload: Any) -> list[tuple[int, str, bool]]:
        if payload is None or payload == "":
            return []
        rows = build(_Rows, payload, EmageError, "The list of takes")
        return [(row.number, row.caption, row.chosen) for row in rows]

    def postprocess(self, value: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
        return value or []

    def api_info(self) -> dict[str, Any]:
        types = {"number": "integer", "caption": "string", "chosen": "boolean"}
        properties = {name: {"type": kind} for name, kind in types.items()}
        return {"type": "array", "items": {"type": "object", "properties": properties}}

    def example_payload(self) -> list[dict[str, Any]]:
        return self.example_value()

    def example_value(self) -> list[dict[str, Any]]:
        return [{"number": 1, "caption": "no hints", "chosen": True}]
