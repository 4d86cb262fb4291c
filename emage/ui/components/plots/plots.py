"""The plots over time as a Gradio component."""

from pathlib import Path
from typing import Any, Literal

import gradio as gr

from emage.errors import EmageError
from emage.hints import LOCK
from emage.motion import FPS
from emage.motion.skeleton import HINT_PARTS
from emage.render.settings import RenderSettings
from emage.ui.plots.value import MAX_TAKES, PlotsValue
from emage.ui.shared import PART_LABELS, PLAYERS, RULER, javascript

_FOLDER = Path(__file__).parent

_SCRIPTS = ("curves", "state", "charts", "words", "controls", "plots")
"""In the order in which they are read."""

_LONGEST_MESSAGE = 600


def _javascript(video_id: str | None) -> str:
    settings = {
        "fps": FPS,
        "player": video_id,
        "parts": [{"part": part, "label": PART_LABELS[part][0], "short": PART_LABELS[part][1]} for part in HINT_PARTS],
        "lock": LOCK,
        "hintColor": RenderSettings.hint_color,
    }
    return javascript(settings, [PLAYERS, RULER, *(_FOLDER / f"{name}.js" for name in _SCRIPTS)])


class Plots(gr.HTML):
    """Curves of takes over the time of their recording; a click or tap moves a video elsewhere on the page there.

    Above: the speed of the hands, and the audio's onsets. Below: how far the jaw is open, and the audio's loudness.
    Shaded: hints of the upper body, which carries the wrists, and of the face; in rows below, all hints of each plan.

        video = gr.Video(elem_id="video")
        plots = Plots(video_id="video")

        def compare(takes):
            shown = [PlotTake(take.caption, take_series(take.motion, audio, body), take.hints.plan) for take in takes]
            return PlotsValue.of(shown)

    Second 0 of the plots is second 0 of the video. Handlers return a `PlotsValue`, which holds at most 4000 points of a
    curve (see `Curve`): 20 minutes of 8 takes are half a megabyte.
    """

    def __init__(
        self,
        value: PlotsValue | dict | None = None,
        *,
        video_id: str | None = None,
        label: str = "Takes over time",
        scale: int | None = None,
        min_width: int | None = None,
        visible: bool | Literal["hidden"] = True,
        elem_id: str | None = None,
        elem_classes: list[str] | str | None = None,
        render: bool = True,
        key: int | str | tuple[int | str, ...] | None = None,
    ):
        """
        Args:
            value: a `PlotsValue` or its JSON.
            video_id: `elem_id` of the component whose video or audio is followed and moved.
            label: read out by screen readers; not shown.
            scale, min_width, visible, elem_id, elem_classes, render, key: as everywhere in Gradio.
        """
        super().__init__(
            value,
            label=label,
            html_template=(_FOLDER / "plots.html").read_text("utf-8"),
            css_template=(_FOLDER / "plots.css").read_text("utf-8"),
            js_on_load=_javascript(video_id),
            apply_default_css=False,
            scale=scale,
            min_width=min_width,
            visible=visible,
            elem_id=elem_id,
            elem_classes=elem_classes,
            render=render,
            key=key,
        )

    def preprocess(self, payload: dict | None) -> PlotsValue:
        """Check what the browser sent.

        Raises:
            gr.Error: with the words of the EmageError.
        """
        try:
            return PlotsValue.from_json(payload)
        except EmageError as error:
            raise gr.Error(str(error)[:_LONGEST_MESSAGE], duration=20, print_exception=False) from error

    def postprocess(self, value: PlotsValue | dict | None) -> dict[str, Any]:
        """Raises EmageError for a value that cannot be shown."""
        return (value if isinstance(value, PlotsValue) else PlotsValue.from_json(value)).to_json()

    def api_info(self) -> dict[str, Any]:
        numbers = {"type": "string", "description": "numbers with spaces between them"}
        curve = {
            "type": "object",
            "properties": {
                "num_frames": {"type": "integer"},
                "frames_per_column": {"type": "integer"},
                "low": numbers,
                "mean": numbers,
                "high": numbers,
            },
        }
        take = {
            "type": "object",
            "properties": {
                "caption": {"type": "string"},
                "color": {"type": "string"},
                "hand_speed": curve,
                "jaw": curve,
                "mean_hand_speed": {"type": "number"},
                "mean_jaw": {"type": "number"},
                "spans": {"type": "array", "items": {"type": "object"}},
            },
        }
        return {
            "type": "object",
            "properties": {
                "takes": {"type": "array", "items": take, "maxItems": MAX_TAKES},
                "loudness": curve,
                "onsets_s": numbers,
            },
            "description": "hand_speed in m/s, jaw in degrees, at 30 frames a second",
        }

    def example_payload(self) -> dict[str, Any]:
        return PlotsValue().to_json()

    def example_value(self) -> PlotsValue:
        return PlotsValue()
