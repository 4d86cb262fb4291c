"""A page's visit as a Gradio component."""

from typing import Annotated, Any

from pydantic import Field

from emage.errors import EmageError
from emage.ui.components.shared import Component
from emage.validation import build, checked

ALIVE = "alive"
"""The endpoint by which a page says that it is there."""
PULSE_S = 20
"""So often; browsers let pages that are not looked at do so once a minute."""

_STORED, _PANELS = "emage-session", "emage-panels"
_MAX_CHARACTERS = 2_000_000
READ_STORED_JS = f"() => [window.sessionStorage?.getItem({_STORED!r}) ?? '']"
"""What the component stored before the page was loaded again, as the one input of a handler."""
STORE_JS = "(...values) => JSON.stringify(values)"
"""Of an event that has the page's components as inputs and the visit as output."""


@checked(EmageError)
class _Storage:
    key: Annotated[str, Field(max_length=100)]
    values: Annotated[str, Field(max_length=_MAX_CHARACTERS)]


@checked(EmageError)
class Stored:
    """What a browser stored. key: of its session. values: of the page's components, as the browser sends them."""

    key: str = ""
    values: list[Any] = Field(default_factory=list)


class Visit(Component):
    """Stores what the page needs to find its session again and what of it was unfolded, says that the page is there,
    and asks before takes are left that were not saved. Nothing of it is seen.

    Handlers get what was stored, where `READ_STORED_JS` asks for it. They return `show`.
    """

    NAME = "visit"
    SCRIPTS = ("visit/visit",)
    SETTINGS = {  # noqa: RUF012
        "stored": _STORED,
        "panels": _PANELS,
        "path": f"/gradio_api/run/{ALIVE}",
        "everyMs": 1000 * PULSE_S,
    }

    def __init__(
        self,
        value: str | None = None,
        *,
        session: str = "",
        saved: list[int] | None = None,
        label: str = "Session",
        elem_id: str | None = None,
        render: bool = True,
    ):
        super().__init__(
            value or "",
            label=label,
            visible="hidden",
            elem_id=elem_id,
            render=render,
            props={"session": session, "saved": saved or []},
        )

    def read(self, payload: Any) -> Stored:
        """Nothing, for what no page has stored."""
        try:
            storage = build(_Storage, payload, EmageError, "The session")
            return Stored(storage.key, build(list[Any], storage.values or "[]", EmageError, "The session's page"))
        except EmageError:
            return Stored()

    def postprocess(self, value: str | None) -> str:
        return value or ""

    def api_info(self) -> dict[str, Any]:
        return {"type": "string"}

    def example_payload(self) -> str:
        return ""

    def example_value(self) -> str:
        return ""
