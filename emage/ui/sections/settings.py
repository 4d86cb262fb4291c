"""Settings of the next take and its picture: views of `TakeSettings` and `RenderSettings`."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from emage.errors import Cancelled, EmageError, RenderError
from emage.generation.settings import AS_GENERATED, GROUNDED, IN_PLACE, MAX_SEAM_FRAMES, TakeSettings
from emage.render.settings import RenderSettings
from emage.ui.components.shared.faults import tell
from emage.ui.components.shared.fields import Checkbox, Dropdown, Number, Radio, Slider, UserDropdown
from emage.ui.sections.section import CANCELLED, LOADING, Section
from emage.ui.service.registry import OWN, list_speakers

MAX_SIZE_PX = 1280
MAX_SEED = 999_999_999
_SIZES = (384, 512, 640, 720, 960, 1280)
_QUALITIES = {"Draft": 1, "Good": 4, "Finest": 8}
_MAX_TOP_K = 1_000_000
_STAND_IN, _SMPLX = "Stand-in", "SMPL-X"
_SEAMS_OF_WEIGHTS = "weights"

DEMO_HELP = """The **demo weights** come with this app: small, trained on synthetic speech in minutes, to show that
everything works. The **published weights** are those of the paper; they are fetched once, 600 MB."""


class SettingsSection(Section):
    """What the next take is made with, and how it is drawn."""

    def build(self) -> None:
        gr.Markdown("## 3 · Settings")
        with gr.Accordion("Weights, speaker, picture", open=False, elem_id="settings-panel"):
            self._build_take()
            self._build_picture()

    def _build_take(self) -> None:
        registry = self.service.registry
        speakers = list_speakers(registry.own)
        with gr.Row():
            self.weights = Dropdown(
                registry.choices(),
                value=OWN,
                label="Weights",
                info="Type a folder or a repo id." if registry.any_named else None,
                allow_custom_value=registry.any_named,
                elem_id="weights",
                min_width=200,
            )
            self.speaker = UserDropdown(speakers, value=0, label="Speaker", elem_id="speaker", min_width=140)
        gr.Markdown(DEMO_HELP, elem_classes="help")
        with gr.Row():
            self.sample = Checkbox(
                label="Sample a take at random",
                info="Off: the most likely motion, or what the weights choose by themselves.",
                elem_id="draw",
                min_width=160,
            )
            self.seed = Number(
                0,
                label="Seed",
                info="The same take for the same seed.",
                precision=0,
                minimum=0,
                maximum=MAX_SEED,
                elem_id="seed",
                min_width=120,
            )
        with gr.Row():
            self.temperature = Slider(
                0.1, 2.0, value=1.0, step=0.05, label="Randomness", elem_id="temperature", min_width=160
            )
            self.top_k = Number(
                0,
                label="Top-k (0 = off)",
                info="Choose among the k most likely codes alone.",
                precision=0,
                minimum=0,
                maximum=_MAX_TOP_K,
                elem_id="top-k",
                min_width=120,
            )
        # Who sets these wants a sample; without one they would do nothing.
        gr.on(
            [self.seed.input, self.temperature.input, self.top_k.input],
            None,
            None,
            self.sample,
            js="() => true",
            api_name=False,
        )
        self.translation = Radio(
            [("Feet kept on the ground", GROUNDED), ("In place", IN_PLACE), ("As generated", AS_GENERATED)],
            value=GROUNDED,
            label="Root motion",
            info="Kept on the ground: feet that stand stay where they stand, who steps steps, and drift is taken out. "
            "In place: the body stays over one spot, its feet slide. As generated: all as the networks made it.",
            elem_id="translation",
        )
        frames = [(f"{count} frame{'s' * (count > 1)}", str(count)) for count in range(1, MAX_SEAM_FRAMES + 1)]
        self.seams = Dropdown(
            [("As the weights have it", _SEAMS_OF_WEIGHTS), ("Off", "0"), *frames],
            value=_SEAMS_OF_WEIGHTS,
            label="Smoothing at seams",
            info="The network works in pieces of 2 s. Body and hands may hurry where two meet; more frames calm them "
            "more.",
            elem_id="seams",
        )
        self.without_audio = Checkbox(
            False,
            label="No audio: complete the body from the hints alone",
            info="Masked gesture reconstruction. The face follows the speech all the same.",
            elem_id="without-audio",
        )

    def _build_picture(self) -> None:
        # Programs send it at its place among the others; who is at the page has nothing to choose.
        self.renderer = gr.Textbox(RenderSettings.renderer, label="renderer", visible=False, elem_id="renderer")
        self.film = Checkbox(
            False,
            label="Also make the video (mp4)",
            info="Each take stands on the stage at once; its video takes about as long to draw as it lasts.",
            elem_id="film",
        )
        with gr.Row():
            self.camera = Radio(
                [("Follow", "follow"), ("Fixed", "still"), ("Face", "face")],
                value=RenderSettings.camera,
                label="Camera",
                elem_id="camera",
                min_width=200,
            )
            self.face = Checkbox(True, label="Close-up of the face in the corner", elem_id="face-inset", min_width=160)
        with gr.Row():
            sizes = sorted({*_SIZES, self.service.settings.size})
            self.size = Dropdown(
                [(f"{each} × {each}", each) for each in sizes],
                value=self.service.settings.size,
                label="Video size",
                elem_id="size",
                min_width=140,
            )
            self.quality = Radio(
                list(_QUALITIES), value="Good", label="Anti-aliasing", elem_id="quality", min_width=200
            )
        self.body = Radio(
            [_STAND_IN, (f"{_SMPLX}: I accept its licence", _SMPLX)],
            value=_STAND_IN,
            label="Body",
            info="SMPL-X is non-commercial (https://smpl-x.is.tue.mpg.de/modellicense.html) and is fetched from the "
            "Hub.",
            visible=self.service.offers_smplx,
            elem_id="body",
        )

    @property
    def of_take(self) -> list[gr.components.Component]:
        """In the order of `read_take`; its last is `without_audio`, which stands apart, for it came later."""
        return [
            self.weights, self.speaker, self.sample, self.seed, self.temperature, self.top_k, self.translation,
            self.seams,
        ]  # fmt: skip

    @property
    def of_picture(self) -> list[gr.components.Component]:
        """In the order of `read_picture`; the body is not among them."""
        return [self.renderer, self.camera, self.face, self.size, self.quality]

    def wire(self) -> None:
        self.loaded = self.weights.input(self.show_speakers, self.weights, self.speaker, api_name="speakers", **LOADING)

    def show_for_take(self, settings: TakeSettings) -> list[Any]:
        """As `show_take`, with the speakers of the weights, where those are in memory."""
        weights, speaker, *others = self.show_take(settings)
        pipeline = self.service.registry.loaded(weights)
        choices = {} if pipeline is None else {"choices": list_speakers(pipeline)}
        return [weights, gr.update(value=speaker, **choices), *others]

    @tell
    def show_speakers(self, weights: str, request: gr.Request, bar: gr.Progress = gr.Progress()) -> dict:  # noqa: B008
        """The speakers that weights know; loads them."""
        try:
            pipeline = self.service.load_weights(weights, request, bar)
        except Cancelled as error:
            raise EmageError(CANCELLED) from error
        return gr.update(choices=list_speakers(pipeline), value=0)

    def knows_speaker(self, weights: str | None, speaker: int) -> bool:
        """Whether chosen weights are in memory, so that their speakers can be chosen, and have this one."""
        pipeline = self.service.registry.loaded(weights)
        return pipeline is not None and speaker in (index for _, index in list_speakers(pipeline))

    def show_weights(self, page: Mapping[gr.components.Component, Any]) -> dict[gr.components.Component, Any]:
        """The weights and the speaker that a page had set, where those weights are in memory still; else the own."""
        pipeline = self.service.registry.loaded(page.get(self.weights))
        if pipeline is None:
            return {self.weights: OWN, self.speaker: 0}
        speakers = list_speakers(pipeline)
        speaker = page.get(self.speaker)
        known = speaker in (index for _, index in speakers)
        return {
            self.weights: page[self.weights],
            self.speaker: gr.update(choices=speakers, value=speaker if known else 0),
        }

    def read_take(
        self,
        weights: str | None,
        speaker: int | None,
        sample: bool,
        seed: float | None,
        temperature: float | None,
        top_k: float | None,
        translation: str,
        seams: str | None,
        without_audio: bool = False,
    ) -> TakeSettings:
        """Raises EmageError for what is out of range."""
        sampled = {
            "seed": int(seed or 0),
            "temperature": 1.0 if temperature is None else temperature,
            "top_k": int(top_k) if top_k else None,
        }
        return TakeSettings(
            weights=self.service.registry.name_for_settings(weights),
            speaker=speaker or 0,
            translation=translation,
            seam_frames=None if seams in (None, _SEAMS_OF_WEIGHTS) else int(seams),
            use_audio=not without_audio,
            **(sampled if sample else {}),
        )

    def show_take(self, settings: TakeSettings) -> list[Any]:
        """For `of_take` and `without_audio`, from the settings of a project. Weights that are not offered are not
        shown."""
        registry = self.service.registry
        weights = registry.choice(settings.weights)
        return [
            weights if registry.offers(weights) else OWN,
            settings.speaker,
            settings.seed is not None,
            settings.seed or 0,
            settings.temperature,
            settings.top_k or 0,
            settings.resolved_translation,
            _SEAMS_OF_WEIGHTS if settings.seam_frames is None else str(settings.seam_frames),
            not settings.use_audio,
        ]


def next_seed(seed: float | None) -> int:
    """Never the seed that is set: weights that sample by themselves do so with seed 0."""
    return (int(seed or 0) + 1) % (MAX_SEED + 1)


def read_picture(renderer: str, camera: str, face: bool, size: int, quality: str) -> RenderSettings:
    """Raises RenderError for what cannot be drawn."""
    samples = _QUALITIES.get(quality, RenderSettings.samples)
    picture = RenderSettings(renderer=renderer, size=size, camera=camera, face_inset=bool(face), samples=samples)
    return check_picture(picture)


def check_picture(picture: RenderSettings) -> RenderSettings:
    """Raises RenderError where it is larger than the page draws."""
    if max(picture.width, picture.height) > MAX_SIZE_PX:
        raise RenderError(f"The page draws up to {MAX_SIZE_PX} pixels; the command line draws larger videos.")
    return picture


def show_picture(picture: RenderSettings) -> list[Any]:
    """For `SettingsSection.of_picture`."""
    quality = next((name for name, samples in _QUALITIES.items() if samples == picture.samples), "Good")
    size = min(_SIZES, key=lambda size: abs(size - picture.width))
    return [RenderSettings.renderer, picture.camera, picture.face_inset, size, quality]


def accepts_licence(body: str | None) -> bool:
    """Whether SMPL-X is chosen, and with it its licence."""
    return body == _SMPLX
