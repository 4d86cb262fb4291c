"""The list of takes as a Gradio component."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import gradio as gr
from pydantic import Field

from emage.errors import EmageError
from emage.motion.skeleton import DISJOINT_PARTS
from emage.project import MAX_CAPTION_CHARACTERS
from emage.ui.components.shared import Component
from emage.validation import build, checked

MAX_CHOSEN = 8
"""Takes that can be compared at once."""
_MAX_ROWS = 1000


@checked(EmageError)
class _Row:
    number: int
    caption: Annotated[str, Field(max_length=MAX_CAPTION_CHARACTERS)]
    chosen: bool


_Rows = Annotated[list[_Row], Field(max_length=_MAX_ROWS)]


class TakeList(Component):
    """Handlers get the number, the caption and whether it is chosen of each take, and return what `show` makes.

    Events: `input` when a caption or a choice was changed; `select`, `delete` and `reuse` with the take's number in
    their data.
    """

    NAME = "takes"
    SCRIPTS = ("shared/dom", "takes/looks", "takes/takes")
    SETTINGS = {"longest": MAX_CAPTION_CHARACTERS, "most": MAX_CHOSEN, "parts": DISJOINT_PARTS}  # noqa: RUF012

    def __init__(
        self,
        value: list[dict[str, Any]] | None = None,
        *,
        facts: dict[str, str] | None = None,
        looks: dict[str, dict[str, Any]] | None = None,
        label: str = "Takes",
        visible: bool | Literal["hidden"] = True,
        elem_id: str | None = None,
        render: bool = True,
    ):
        """value, facts, looks: the list as JSON, and what it says and shows of each take by its number; `show` changes
        them."""
        props = {"facts": facts or {}, "looks": looks or {}}
        super().__init__(value or [], label=label, visible=visible, elem_id=elem_id, render=render, props=props)

    @staticmethod
    def show(rows: Sequence[tuple[int, str, bool, str]], looks: dict[int, dict[str, Any]]) -> dict[str, Any]:
        """What a handler returns to change the list.

        Args:
            rows: number, caption, whether it is chosen, and facts of each take.
            looks: by the take's number its drawing and plan, for those that have them: `limbs`, each a part and the
                x and y of its ends in a height of 100, the last the head's; `states` of the parts in the drawing, see
                `HintPlan.states`; `num_frames` and `spans` of the plan.
        """
        value = [{"number": number, "caption": caption, "chosen": chosen} for number, caption, chosen, _ in rows]
        return gr.update(
            value=value,
            facts={str(number): facts for number, _, _, facts in rows},
            looks={str(number): look for number, look in looks.items()},
        )

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
