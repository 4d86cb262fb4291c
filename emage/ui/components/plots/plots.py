"""The plots over time as a Gradio component."""

from collections.abc import Sequence
from typing import Any, Literal

from emage.errors import EmageError
from emage.evaluation.report import MotionSeries
from emage.evaluation.words import WordShares
from emage.hints import HintPlan
from emage.motion.skeleton import HINT_PARTS
from emage.ui import web
from emage.ui.components.plots.value import EMPTY, MAX_TAKES, build_value
from emage.ui.components.shared import Component

_SHARES = {"caption": "string", "num_words": "integer", "words": "string"}


class Plots(Component):
    """Curves of takes over the time of their recording; a click or tap moves a video elsewhere on the page there.

    Above: the speed of the hands, and the audio's onsets. Below: how far the jaw is open, and the audio's loudness.
    Shaded: hints of the upper body, which carries the wrists, and of the face; in rows below, all hints of each plan.
    At the bottom, the transcript: how much of what was heard of each word was its content, and how much its rhythm.

        video = gr.Video(elem_id="video")
        plots = Plots(players=["video"])

        def compare(takes):
            return Plots.show([(take.caption, take_series(take.motion, audio, body), plan_of(take)) for take in takes])

    Second 0 of the plots is second 0 of the video. Without uPlot, which draws the curves, a sentence stands in their
    place; see `emage.ui.web`.
    """

    NAME = "plots"
    STYLES = ("plots/shares",)
    SCRIPTS = (
        "shared/dom",
        "shared/players",
        "shared/ruler",
        "plots/curves",
        "plots/state",
        "plots/charts",
        "plots/words",
        "plots/shares",
        "plots/controls",
        "plots/plots",
    )
    SETTINGS = {"parts": HINT_PARTS}  # noqa: RUF012

    def __init__(
        self,
        value: dict[str, Any] | None = None,
        *,
        players: Sequence[str] = (),
        label: str = "Takes over time",
        visible: bool | Literal["hidden"] = True,
        elem_id: str | None = None,
        render: bool = True,
    ):
        """value: of `show`. players: `elem_id` of components whose video or audio is followed and moved."""
        super().__init__(
            value,
            label=label,
            visible=visible,
            elem_id=elem_id,
            render=render,
            props={"players": list(players)},
            library=web.read("uplot/dist/uPlot.iife.min.js") or "",
            library_css=web.read("uplot/dist/uPlot.min.css") or "",
        )

    @staticmethod
    def show(takes: Sequence[tuple[str, MotionSeries, HintPlan]], shares: WordShares | None = None) -> dict[str, Any]:
        """What a handler returns: caption, series and plan of each take, 8 at most, of one recording; and of one of
        them how much of what was heard of each word was content.

        Raises:
            EmageError: too many takes, or a series with other than finite numbers.
        """
        return build_value(takes, shares)

    def read(self, payload: Any) -> None:
        raise EmageError("The plots only show what they are given.")

    def postprocess(self, value: dict[str, Any] | None) -> dict[str, Any]:
        return value or EMPTY

    def api_info(self) -> dict[str, Any]:
        numbers = {"type": "string", "description": "numbers with spaces between them"}
        counts = {name: {"type": "integer"} for name in ("num_frames", "frames_per_column")}
        curve = _object(counts | dict.fromkeys(("low", "mean", "high"), numbers))
        take = _object(
            {
                "caption": {"type": "string"},
                "color": {"type": "string"},
                "hand_speed": curve,
                "jaw": curve,
                "mean_hand_speed": {"type": "number"},
                "mean_jaw": {"type": "number"},
                "spans": {"type": "array", "items": {"type": "object"}},
            }
        )
        takes = {"type": "array", "items": take, "maxItems": MAX_TAKES}
        shares = _object({name: {"type": kind} for name, kind in _SHARES.items()})
        return _object({"takes": takes, "loudness": curve, "onsets_s": numbers, "shares": shares}) | {
            "description": "hand_speed in m/s, jaw in degrees, at 30 frames a second"
        }

    def example_payload(self) -> dict[str, Any]:
        return EMPTY

    def example_value(self) -> dict[str, Any]:
        return EMPTY


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}
