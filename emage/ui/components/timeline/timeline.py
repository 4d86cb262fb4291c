"""The timeline as a Gradio component."""

from typing import Any, Literal

import gradio as gr
from gradio.components.base import server

from emage.hints import LOCK, MODES, HintPlan
from emage.hints.locking import LEAST_BLEND_FRAMES
from emage.motion.skeleton import DISJOINT_PARTS, DISJOINT_PARTS_OF, HINT_PARTS
from emage.recording.audio import frame_to_second
from emage.recording.transcript import MAX_WORD_CHARACTERS
from emage.ui.components.shared import Component
from emage.ui.components.timeline.backdrop import Backdrop
from emage.ui.components.timeline.value import MAX_BLEND_FRAMES, MAX_FRAMES, MAX_SPANS, TimelineValue
from emage.ui.components.timeline.words import UNSURE_BELOW


class Timeline(Component):
    """Rows of the body over the time of a recording, on which spans of hints are painted.

    Handlers get and return a `TimelineValue`. The events are `input`, once for every edit in the browser, and
    `change`, which also comes after a handler has set the value; and `edit`, once for every edit of the words, with
    what `read_words` takes. A page that shows the plan in other forms too listens
    to `input` of each form and sets the others, and nothing goes in circles:

        timeline = Timeline(elem_id="timeline")
        plan = gr.Code(language="json")

        def show_recording(audio, value):
            samples = load_audio(audio)
            backdrop = Backdrop.from_audio(samples, media=[Media("#speech"), Media("#video")])
            return Timeline.show(value.for_recording(backdrop.num_frames), backdrop)

        def show_plan(value):
            return json.dumps(value.plan.to_json(), indent=2)

        def take_plan(text, value):  # its HintError is a sentence for the user
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

    NAME = "timeline"
    SCRIPTS = (
        "shared/dom",
        "shared/players",
        "shared/ruler",
        "timeline/plan",
        "timeline/words",
        "timeline/waveform",
        "timeline/state",
        "timeline/drawing",
        "timeline/editing",
        "timeline/pointers",
        "timeline/keys",
        "timeline/word_editing",
        "timeline/timeline",
    )
    STYLES = ("timeline/words",)
    SETTINGS = {  # noqa: RUF012
        "rows": DISJOINT_PARTS,
        "leavesOf": DISJOINT_PARTS_OF,
        "leastBlendFrames": LEAST_BLEND_FRAMES,
        "maxBlendFrames": MAX_BLEND_FRAMES,
        "maxSpans": MAX_SPANS,
        "maxWordCharacters": MAX_WORD_CHARACTERS,
        "unsureBelow": UNSURE_BELOW,
    }

    def __init__(
        self,
        value: TimelineValue | dict | None = None,
        *,
        backdrop: Backdrop | dict | None = None,
        label: str = "Hint timeline",
        visible: bool | Literal["hidden"] = True,
        elem_id: str | None = None,
        render: bool = True,
    ):
        """value: a `TimelineValue` or its JSON. backdrop: what lies behind the spans; `show` changes both."""
        props = {"backdrop": backdrop.to_json() if isinstance(backdrop, Backdrop) else backdrop or {}}
        super().__init__(value, label=label, visible=visible, elem_id=elem_id, render=render, props=props)

    @server
    def last_backdrop(self, _: Any = None) -> dict[str, Any]:
        """For the browser: what this user's timeline was last given, which Gradio does not keep there."""
        return self.props["backdrop"]

    @staticmethod
    def show(value: TimelineValue, backdrop: Backdrop | None) -> dict[str, Any]:
        """What a handler returns to change both; one that returns a `TimelineValue` keeps what lies behind it."""
        return gr.update(value=value, backdrop=backdrop.to_json() if backdrop else {})

    def read(self, payload: dict | None) -> TimelineValue:
        return TimelineValue.from_json(payload)

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
        blend = {"type": "integer", "minimum": 0, "maximum": MAX_BLEND_FRAMES}
        plan = {
            "type": "object",
            "properties": {
                "spans": {"type": "array", "items": span, "maxItems": MAX_SPANS},
                "blend_frames": {"anyOf": [blend, {"type": "null"}]},
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
