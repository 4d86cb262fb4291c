"""Exports: the take that is shown, for other tools; and `export` for programs."""

from pathlib import Path

import gradio as gr

from emage.errors import EmageError, ExportError
from emage.export.arkit import load_motion
from emage.export.settings import FORMATS, ExportSettings
from emage.export.takes import export_take
from emage.generation.take import StoredTake
from emage.ui.components.shared.faults import tell
from emage.ui.components.shared.fields import Checkbox, Dropdown, Radio
from emage.ui.components.shared.text import as_text
from emage.ui.sections.result import ResultSection
from emage.ui.sections.section import EXPORTING, Section, make_download_button, offer
from emage.ui.sections.settings import SettingsSection, accepts_licence
from emage.ui.service.exports import export_stored
from emage.ui.service.users import User
from emage.validation import build

_TITLES = {
    ".glb": "GLB: body and face, moving",
    ".bvh": "BVH: skeleton",
    ".csv": "ARKit face (csv)",
    ".json": "ARKit face (json)",
}
_CLICK_FILE = "() => setTimeout(() => document.querySelector('#export-file')?.click(), 300)"

HELP = """The take that is shown above. **GLB**: the moving body with its face, for Blender, Unity, Unreal and three.js.
**BVH**: the skeleton's motion, for a character of your own. **ARKit**: the face alone, as Live Link Face records it.
What to set in each tool stands in the documentation, under "To other tools"."""


class ExportsSection(Section):
    """A format, what can be chosen of it, and the file."""

    def build(self) -> None:
        with gr.Accordion("For other tools: GLB, BVH, ARKit", open=False, elem_id="export-panel"):
            gr.Markdown(HELP)
            self.format = Radio(
                [(_TITLES[ending], ending) for ending in FORMATS], value=".glb", label="File", elem_id="export-format"
            )
            self.materials = Checkbox(False, label="A material for each part", elem_id="export-materials")
            with gr.Row(visible=False) as self.of_bvh:
                self.names = Radio(
                    [("SMPL-X", "smplx"), ("Mixamo", "mixamo")], value="smplx", label="Joint names", min_width=120
                )
                self.unit = Radio(["cm", "m"], value="cm", label="Unit", min_width=100)
                self.order = Dropdown(
                    ["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"], value="ZXY", label="Order of angles", min_width=100
                )
            self.sound = Checkbox(False, label="The sound beside it (wav)", elem_id="export-with-sound")
            self.go = gr.Button("Make the file", elem_id="export", size="sm")
            with gr.Row(elem_classes="chips"):
                self.file = make_download_button("Download the file", "export-file")
                self.sound_file = make_download_button("Sound (wav)", "export-sound")
            self.note = gr.Markdown(elem_id="export-note")
        with gr.Row(visible=False):
            self._of_programs = [
                gr.File(type="filepath", label="motion"),
                gr.Textbox("glb", label="format"),
                gr.JSON(label="settings"),
                gr.Audio(type="filepath", label="audio"),
            ]
            self._files = [gr.File(label="file"), gr.File(label="sound")]
            self._export = gr.Button("export")

    def wire(self, result: ResultSection, settings: SettingsSection) -> None:
        self.format.change(
            lambda ending: (gr.update(visible=ending == ".glb"), gr.update(visible=ending == ".bvh")),
            self.format,
            [self.materials, self.of_bvh],
            api_name=False,
            show_progress="hidden",
        )
        self.go.click(
            self.export_shown,
            [
                result.npz, self.format, self.materials, self.names, self.unit, self.order, self.sound, settings.body,
            ],
            [self.file, self.sound_file, self.note],
            api_name="export_on_page",
            show_progress_on=self.note,
            **EXPORTING,
        ).success(None, js=_CLICK_FILE, api_name=False)  # fmt: skip
        self._export.click(self.export, self._of_programs, self._files, api_name="export", **EXPORTING)

    @tell
    def export_shown(
        self,
        shown: str | None,
        ending: str,
        materials: bool,
        names: str,
        unit: str,
        order: str,
        with_sound: bool,
        body: str | None,
        request: gr.Request,
    ) -> tuple:
        """The take that is shown. shown: its motion file."""
        user = self.service.user(request)
        stored = _find_shown(user, shown)
        form = ExportSettings(part_materials=bool(materials), bvh_unit=unit, bvh_order=order, bvh_names=names)
        path, *sound = export_stored(
            stored, ending, self.service.body(accepts_licence(body)), form, bool(with_sound), user
        )
        note = f"{as_text(path.name)}: {path.stat().st_size / 1e6:.2f} MB, of **{as_text(stored.caption)}**."
        return offer(path), offer(sound[0] if sound else None), note

    @tell
    def export(
        self,
        motion: str | None,
        format: str | None = None,
        settings: dict | None = None,
        audio: str | None = None,
        request: gr.Request = None,
    ) -> tuple[str, str | None]:
        """A motion file (npz, or a face as csv or json) as "glb", "bvh", "csv" or "json", and its sound as a wav.

        settings: the fields of ExportSettings. audio: a recording, cut or filled to the motion's length; may be empty.
        """
        user = self.service.user(request)
        if not motion:
            raise EmageError("There is no motion: give an npz, or a face as csv or json.")
        source = user.receive(motion)
        if not format or f".{format.lower().lstrip('.')}" not in FORMATS:
            known = ", ".join(each.lstrip(".") for each in FORMATS)
            raise ExportError(f"The format is '{(format or '')[:40]}'; known are {known}.")
        form = build(ExportSettings, settings or {}, ExportError, "The settings' object")
        path = user.new_folder() / f"{source.stem}.{format.lower().lstrip('.')}"
        sound = user.receive(audio) if audio else None
        made = export_take(path, load_motion(source), self.service.body(), sound, form)
        return str(made[0]), str(made[1]) if len(made) > 1 else None


def _find_shown(user: User, shown: str | None) -> StoredTake:
    """Raises EmageError."""
    take = next((take for take in user.takes if shown and take.motion == Path(shown)), None)
    if take is None:
        raise EmageError("There is no take to export yet. Generate one, or choose one of the list.")
    return take
