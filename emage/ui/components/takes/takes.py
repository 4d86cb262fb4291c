"""The list of takes as a Gradio component."""

from collections.abc import Sequence
from typing import Any, Literal

import gradio as gr

from emage.errors import EmageError
from emage.project import MAX_CAPTION_CHARACTERS
from emage.ui.components.shared import Component

_MAX_ROWS = 1000


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
        if not isinstance(payload, list) or len(payload) > _MAX_ROWS:
            raise EmageError(f"The takes are a list of at most {_MAX_ROWS}.")
        return [_read_row(row) for row in payload]

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


def _read_row(row: Any) -> tuple[int, str, bool]:
    if not isinstance(row, dict) or set(row) != {"number", "caption", "chosen"}:
        raise EmageError('A take in the list is {"number": ..., "caption": "...", "chosen": true} and nothing else.')
    number, caption, chosen = row["number"], row["caption"], row["chosen"]
    if type(number) is not int or not isinstance(caption, str) or type(chosen) is not bool:
        raise EmageError("Of a take in the list number is a whole number, caption a text and chosen true or false.")
    if len(caption) > MAX_CAPTION_CHARACTERS:
        raise EmageError(f"A caption has at most {MAX_CAPTION_CHARACTERS} characters; this one has {len(caption)}.")
    return number, caption, chosen
