"""Settings: weights, speaker, draw, path, picture and body."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from emage.generation.settings import AS_GENERATED, GROUNDED, IN_PLACE, MAX_SEAM_FRAMES, TakeSettings
from emage.render.settings import RenderSettings
from emage.ui.studio import Studio
from emage.ui.weights import OWN, described, speakers_of

_SIZES = (384, 512, 640, 720, 960, 1280)
_QUALITIES = {"Draft": 1, "Good": 4, "Finest": 8}
MAX_SEED = 999_999_999
_MAX_TOP_K = 1_000_000
_STAND_IN, _SMPLX = "Stand-in", "SMPL-X"
_SEAMS_OF_WEIGHTS = "weights"

DEMO_HELP = """The **demo weights** come with this app: small, trained on synthetic speech in minutes, to show that
everything works. The **published weights** are those of the paper; they are fetched once, 600 MB."""

SPEAKER_STAYS = "The chosen weights do not know this example's speaker: the speaker stays as it is set."


@dataclass(frozen=True)
class Controls:
    """The components of this place on the page."""

    weights: gr.Dropdown
    speaker: gr.Dropdown
    draw: gr.Checkbox
    seed: gr.Number
    temperature: gr.Slider
    top_k: gr.Number
    translation: gr.Radio
    seams: gr.Dropdown
    renderer: gr.Radio
    camera: gr.Radio
    face: gr.Checkbox
    size: gr.Dropdown
    quality: gr.Radio
    body: gr.Radio

    @property
    def of_take(self) -> list[gr.components.Component]:
        """In the order of `take_settings`."""
        return [
            self.weights, self.speaker, self.draw, self.seed, self.temperature, self.top_k, self.translation, self.seams
        ]  # fmt: skip

    @property
    def of_picture(self) -> list[gr.components.Component]:
        """In the order of `picture_settings`; the body is not among them."""
        return [self.renderer, self.camera, self.face, self.size, self.quality]


def build_controls(studio: Studio) -> Controls:
    shelf = studio.shelf
    speakers = speakers_of(shelf.own)
    with gr.Row():
        weights = gr.Dropdown(
            shelf.choices(),
            value=OWN,
            label="Weights",
            info="Type a folder or a repo id." if shelf.any_named else None,
            allow_custom_value=shelf.any_named,
            elem_id="weights",
            min_width=200,
        )
        speaker = gr.Dropdown(speakers, value=0, label="Speaker", elem_id="speaker", min_width=140)
    gr.Markdown(DEMO_HELP, elem_classes="help")
    with gr.Row():
        draw = gr.Checkbox(
            label="Draw a take at random",
            info="Off: the weights' own take.",
            elem_id="draw",
            min_width=160,
        )
        seed = gr.Number(
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
        temperature = gr.Slider(
            0.1, 2.0, value=1.0, step=0.05, label="Temperature of the draw", elem_id="temperature", min_width=160
        )
        top_k = gr.Number(
            0,
            label="Among the likeliest",
            info="Of so many codes; 0: of all.",
            precision=0,
            minimum=0,
            maximum=_MAX_TOP_K,
            elem_id="top-k",
            min_width=120,
        )
    # Who sets these wants a draw; without one they would do nothing.
    gr.on([seed.input, temperature.input, top_k.input], None, None, draw, js="() => true", api_name=False)
    translation = gr.Radio(
        [("Feet kept on the ground", GROUNDED), ("In place", IN_PLACE), ("As generated", AS_GENERATED)],
        value=GROUNDED,
        label="Way over the floor",
        info="Kept on the ground: feet that stand stay where they stand, who steps steps, and drift is taken out. In "
        "place: the body stays over one spot, its feet slide. As generated: all as the networks made it.",
        elem_id="translation",
    )
    frames = [(f"{count} frame{'s' * (count > 1)}", str(count)) for count in range(1, MAX_SEAM_FRAMES + 1)]
    seams = gr.Dropdown(
        [("As the weights have it", _SEAMS_OF_WEIGHTS), ("Off", "0"), *frames],
        value=_SEAMS_OF_WEIGHTS,
        label="Smoothing at seams",
        info="The network works in pieces of 2 s. Body and hands may hurry where two meet; more frames calm them more.",
        elem_id="seams",
    )
    renderer = gr.Radio(
        [("Body", "moderngl"), ("Quick preview: 2D figure with face and hands", "skeleton")],
        value="moderngl",
        label="Picture",
        elem_id="renderer",
    )
    with gr.Row():
        camera = gr.Radio(
            [("Goes along", "follow"), ("Stands still", "still"), ("Face", "face")],
            value=RenderSettings.camera,
            label="Camera",
            elem_id="camera",
            min_width=200,
        )
        face = gr.Checkbox(True, label="Close-up of the face in the corner", elem_id="face-inset", min_width=160)
    with gr.Row():
        sizes = sorted({*_SIZES, studio.settings.size})
        size = gr.Dropdown(
            [(f"{each} × {each}", each) for each in sizes],
            value=studio.settings.size,
            label="Video size",
            elem_id="size",
            min_width=140,
        )
        quality = gr.Radio(
            list(_QUALITIES), value="Good", label="Smoothness of edges", elem_id="quality", min_width=200
        )
    body = gr.Radio(
        [_STAND_IN, (f"{_SMPLX}: I accept its licence", _SMPLX)],
        value=_STAND_IN,
        label="Body",
        info="SMPL-X is non-commercial (https://smpl-x.is.tue.mpg.de/modellicense.html) and is fetched from the Hub.",
        visible=studio.offers_smplx,
        elem_id="body",
    )
    return Controls(
        weights, speaker, draw, seed, temperature, top_k, translation, seams,
        renderer, camera, face, size, quality, body,
    )  # fmt: skip


def knows_speaker(studio: Studio, weights: str | None, speaker: int) -> bool:
    """Whether chosen weights are in memory, so that their speakers can be chosen, and have this one."""
    pipeline = studio.shelf.loaded(weights)
    return pipeline is not None and speaker in (index for _, index in speakers_of(pipeline))


def take_settings(
    studio: Studio,
    weights: str | None,
    speaker: int | None,
    draw: bool,
    seed: float | None,
    temperature: float | None,
    top_k: float | None,
    translation: str,
    seams: str,
) -> TakeSettings:
    """Raises EmageError for what is out of range."""
    name = studio.shelf.name_for_settings(weights)
    if not draw:
        return TakeSettings(name, int(speaker or 0), translation=translation, seam_frames=seam_frames_of(seams))
    return TakeSettings(
        weights=name,
        speaker=int(speaker or 0),
        seed=int(seed or 0),
        temperature=1.0 if temperature is None else temperature,
        top_k=int(top_k) if top_k else None,
        translation=translation,
        seam_frames=seam_frames_of(seams),
    )


def seam_frames_of(choice: str) -> int | None:
    """Of the dropdown's choice; None as the weights have it."""
    return None if choice == _SEAMS_OF_WEIGHTS else int(choice)


def take_values(studio: Studio, settings: TakeSettings) -> list[Any]:
    """What to show in `Controls.of_take` for settings of a session; weights that are not offered are not."""
    weights = studio.shelf.choice(settings.weights)
    return [
        weights if studio.shelf.offers(weights) else OWN,
        settings.speaker,
        settings.seed is not None,
        settings.seed or 0,
        settings.temperature,
        settings.top_k or 0,
        settings.resolved_translation,
        _SEAMS_OF_WEIGHTS if settings.seam_frames is None else str(settings.seam_frames),
    ]


def picture_settings(renderer: str, camera: str, face: bool, size: int, quality: str) -> RenderSettings:
    """Raises RenderError for what cannot be drawn."""
    samples = _QUALITIES.get(quality, RenderSettings.samples)
    return RenderSettings(
        renderer=renderer, panel_width=size, panel_height=size, camera=camera, face_inset=bool(face), samples=samples
    )


def picture_values(picture: RenderSettings) -> list[Any]:
    """What to show in `Controls.of_picture`."""
    quality = next((name for name, samples in _QUALITIES.items() if samples == picture.samples), "Good")
    size = (
        picture.panel_width
        if picture.panel_width in _SIZES
        else min(_SIZES, key=lambda s: abs(s - picture.panel_width))
    )
    renderer = "skeleton" if picture.renderer == "skeleton" else "moderngl"
    return [renderer, picture.camera, picture.face_inset, size, quality]


def accepts_licence(body: str | None) -> bool:
    return body == _SMPLX


def notes(studio: Studio) -> str:
    """What is honest to say before anything is made: whose weights, which body, and what it cannot show."""
    pipeline = studio.shelf.own
    source, body = pipeline.source, pipeline.body
    is_demo = source is not None and source.kind == "embedded"
    shown = "our small demo weights, trained on synthetic speech to show that everything works"
    lines = [f"Weights: {shown if is_demo else described(source)}."]
    if source and source.notice:
        lines = [f"**{source.notice}**"]
    lines.append(f"Body: {body.name}.")
    if not body.shows(pipeline.generator.config.expression_basis):
        lines.append(
            f"These weights make expressions in the basis {pipeline.generator.config.expression_basis}, which this "
            "body cannot show: its face moves the jaw alone. The motion file has them all."
        )
    return " ".join(lines)
