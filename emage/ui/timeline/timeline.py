"""The timeline as a Gradio component."""

from pathlib import Path
from typing import Any, Literal

import gradio as gr
from gradio.components.base import server

from emage.errors import HintError
from emage.hints import FOLLOW, LOCK, MODES, HintPlan
from emage.motion import FPS
from emage.motion.skeleton import DISJOINT_PARTS, DISJOINT_PARTS_OF, HINT_PARTS
from emage.recording.audio import frame_to_second
from emage.render.settings import RenderSettings
from emage.ui.shared import PART_LABELS, PLAYERS, RULER, javascript
from emage.ui.timeline.backdrop import Backdrop
from emage.ui.timeline.value import MAX_BLEND_FRAMES, MAX_FRAMES, MAX_SPANS, TimelineValue

_FOLDER = Path(__file__).parent

_SCRIPTS = ("plan", "waveform", "state", "drawing", "editing", "pointers", "keys", "players", "timeline")
"""In the order in which they are read."""

_LONGEST_MESSAGE = 600


def _javascript() -> str:
    """One function body of the settings and all files; Gradio runs it when the component appears."""
    settings = {
        "fps": FPS,
        "rows": [
            {"leaf": leaf, "label": PART_LABELS[leaf][0], "short": PART_LABELS[leaf][1]} for leaf in DISJOINT_PARTS
        ],
        "leavesOf": DISJOINT_PARTS_OF,
        "follow": FOLLOW,
        "lock": LOCK,
        "blendFrames": HintPlan.blend_frames,
        "maxBlendFrames": MAX_BLEND_FRAMES,
        "maxSpans": MAX_SPANS,
        "hintColor": RenderSettings.hint_color,
        "generatedColor": RenderSettings.generated_color,
    }
    return javascript(settings, [PLAYERS, RULER, *(_FOLDER / f"{name}.js" for name in _SCRIPTS)])


class Timeline(gr.HTML):
    """Rows of the body over the time of a recording, on which spans of hints are painted.

    Handlers get and return a `TimelineValue`. The events are `input`, once for every edit in the browser, and
    `change`, which also comes after a handler has set the value. A page that shows the plan in other forms too listens
    to `input` of each form and sets the others, and nothing goes in circles:

        timeline = Timeline(elem_id="timeline")
        plan = gr.Code(language="json")

        def show_recording(audio, value):
            samples = load_audio(audio)
            backdrop = Backdrop.from_audio(samples, media=[Media("#speech"), Media("#video")])
            return Timeline.show(value.for_recording(backdrop.num_frames), backdrop)

        def show_plan(value):
            return json.dumps(value.plan.to_json(), indent=2)

        def take_plan(text, value):  # its HintError is a sentence for the visitor
            return replace(value, plan=HintPlan.from_json(text))

        quietly = {"show_progress": "hidden", "trigger_mode": "always_last"}
        audio.change(show_recording, [audio, timeline], timeline, **quietly)
        timeline.input(show_plan, timeline, plan, api_name="plan_of_timeline", **quietly)
        plan.input(take_plan, [plan, timeline], timeline, api_name="timeline_of_plan", **quietly)

    Without "hidden" Gradio covers the timeline while a handler runs; without "always_last" it drops the edits that come
    in the meantime. Launch the app with `run_history=False`, or Gradio stores every edit in the browser and gets slower
    with each. What is to be generated are the frames `trim_start_frame` to `trim_end_frame` of the recording and of the
    reference motion, with `trimmed_plan()`.
    """

    def __init__(
        self,
        value: TimelineValue | dict | None = None,
        *,
        backdrop: Backdrop | dict | None = None,
        label: str = "Hint timeline",
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
            value: a `TimelineValue` or its JSON.
            backdrop: what lies behind the spans; see `show` for how to change it.
            label: read out by screen readers; not shown.
            scale, min_width, visible, elem_id, elem_classes, render, key: as everywhere in Gradio.
        """
        super().__init__(
            value,
            label=label,
            html_template=(_FOLDER / "timeline.html").read_text("utf-8"),
            css_template=(_FOLDER / "timeline.css").read_text("utf-8"),
            js_on_load=_javascript(),
            apply_default_css=False,
            scale=scale,
            min_width=min_width,
            visible=visible,
            elem_id=elem_id,
            elem_classes=elem_classes,
            render=render,
            key=key,
            backdrop=backdrop.to_json() if isinstance(backdrop, Backdrop) else backdrop or {},
        )

    @server
    def last_backdrop(self, _: Any = None) -> dict[str, Any]:
        """For the browser: what this visitor's timeline was last given, which Gradio does not keep there."""
        return self.props["backdrop"]

    @staticmethod
    def show(value: TimelineValue, backdrop: Backdrop | None) -> dict[str, Any]:
        """What a handler returns to change both; one that returns a `TimelineValue` keeps what lies behind it."""
        return gr.update(value=value, backdrop=backdrop.to_json() if backdrop else {})

    def preprocess(self, payload: dict | None) -> TimelineValue:
        """Check what the browser sent.

        Raises:
            gr.Error: with the words of the HintError.
        """
        try:
            return TimelineValue.from_json(payload)
        except HintError as error:
            raise gr.Error(str(error)[:_LONGEST_MESSAGE], duration=20, print_exception=False) from error

    def postprocess(self, value: TimelineValue | dict | None) -> dict[str, Any]:
        """Raises HintError for a value that the timeline cannot show."""
        return (value if isinstance(value, TimelineValue) else TimelineValue.from_json(value)).to_json()

    def api_info(self) -> dict[str, Any]:
        frame = {"type": "integer", "minimum": 0, "maximum": MAX_FRAMES}
        span = {
            "type": "object",
            "properties": {
                "part": {"type": "string", "enum": list(HINT_PARTS)},
                "start_frame": frame,
                "end_frame": frame,
                "mode": {"type": "string", "enum": list(MODES)},
            },
        }
        plan = {
            "type": "object",
            "properties": {
                "spans": {"type": "array", "items": span, "maxItems": MAX_SPANS},
                "blend_frames": {"type": "integer", "minimum": 0, "maximum": MAX_BLEND_FRAMES},
            },
        }
        trim = {"type": "object", "properties": {"start_frame": frame, "end_frame": frame}}
        return {
            "type": "object",
            "properties": {"num_frames": frame, "trim": trim, "plan": plan},
            "description": f"frames of {frame_to_second(1):.4f} s; ends are exclusive",
        }

    def example_payload(self) -> dict[str, Any]:
        return self.example_value().to_json()

    def example_value(self) -> TimelineValue:
        plan = HintPlan.from_json({"spans": [{"part": "upper", "start_frame": 36, "end_frame": 102, "mode": LOCK}]})
        return TimelineValue(300, plan)
