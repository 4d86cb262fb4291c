"""The list of takes as a Gradio component."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from emage.errors import EmageError
from emage.project import MAX_CAPTION_CHARACTERS

_FOLDER = Path(__file__).parent
_MAX_ROWS = 1000


@dataclass(frozen=True)
class TakeRow:
    """What a person sets of a take. number: which take. chosen: for the comparison."""

    number: int
    caption: str
    chosen: bool = False

    @classmethod
    def from_json(cls, row: Any) -> "TakeRow":
        """From the browser or a client; nothing in it is trusted. Raises EmageError."""
        if not isinstance(row, dict) or set(row) != {"number", "caption", "chosen"}:
            raise EmageError(
                'A take in the list is {"number": ..., "caption": "...", "chosen": true} and nothing else.'
            )
        number, caption, chosen = row["number"], row["caption"], row["chosen"]
        if type(number) is not int or not isinstance(caption, str) or type(chosen) is not bool:
            raise EmageError("Of a take in the list number is a whole number, caption a text and chosen true or false.")
        if len(caption) > MAX_CAPTION_CHARACTERS:
            raise EmageError(f"A caption has at most {MAX_CAPTION_CHARACTERS} characters; this one has {len(caption)}.")
        return cls(number, caption, chosen)


@dataclass(frozen=True)
class TakeCard:
    """What the list says of a take besides its caption."""

    number: int
    facts: str


class TakeList(gr.HTML):
    """Handlers get and return a list of `TakeRow`.

    Events: `input` when a caption or a choice was changed; `select` and `delete` with the take's number in their data.
    """

    def __init__(
        self,
        value: list[TakeRow] | None = None,
        *,
        cards: list[dict[str, Any]] | None = None,
        label: str = "Takes",
        elem_id: str | None = None,
        render: bool = True,
    ):
        """cards: what the list says of each take; see `show` for how to change both."""
        source = (_FOLDER / "takes.js").read_text("utf-8")
        super().__init__(
            value or [],
            label=label,
            html_template=(_FOLDER / "takes.html").read_text("utf-8"),
            css_template=(_FOLDER / "takes.css").read_text("utf-8"),
            js_on_load=f"const SETTINGS = {json.dumps({'longest': MAX_CAPTION_CHARACTERS})};\n{source}",
            apply_default_css=False,
            elem_id=elem_id,
            render=render,
            cards=cards or [],
        )

    @staticmethod
    def show(rows: Sequence[TakeRow], cards: Sequence[TakeCard]) -> dict[str, Any]:
        """What a handler returns to change the list."""
        return gr.update(value=[asdict(row) for row in rows], cards=[asdict(card) for card in cards])

    def preprocess(self, payload: Any) -> list[TakeRow]:
        """Check what the browser sent; raises gr.Error."""
        if payload is None or payload == "":
            return []
        try:
            if not isinstance(payload, list) or len(payload) > _MAX_ROWS:
                raise EmageError(f"The takes are a list of at most {_MAX_ROWS}.")
            return [TakeRow.from_json(row) for row in payload]
        except EmageError as error:
            raise gr.Error(str(error), duration=20, print_exception=False) from error

    def postprocess(self, value: Any) -> list[dict[str, Any]]:
        return [asdict(row) if isinstance(row, TakeRow) else row for row in value or []]

    def api_info(self) -> dict[str, Any]:
        properties = {
            "number": {"type": "integer"},
            "caption": {"type": "string"},
            "chosen": {"type": "boolean"},
        }
        return {"type": "array", "items": {"type": "object", "properties": properties}}

    def example_payload(self) -> list[dict[str, Any]]:
        return [asdict(row) for row in self.example_value()]

    def example_value(self) -> list[TakeRow]:
        return [TakeRow(1, "no hints", True)]
