"""The stage as a Gradio component."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from emage.body.landmarks import FINGERTIP_JOINTS
from emage.errors import EmageError
from emage.motion.skeleton import (
    DISJOINT_PARTS,
    JOINT_NAMES,
    NUM_JOINTS,
    PARENTS,
    disjoint_part_of_joint,
)
from emage.ui import web
from emage.ui.components.shared import Component
from emage.ui.components.shared.paths import serve_folder
from emage.ui.components.stage.value import EMPTY, MAX_BODIES, StagedBody, StagedTake, build_value, expect_body
from emage.ui.components.timeline import Media

_THREE = {
    "three": "three/build/three.module.min.js",
    "controls": "three/examples/jsm/controls/OrbitControls.js",
    "loader": "three/examples/jsm/loaders/GLTFLoader.js",
    "buffers": "three/examples/jsm/utils/BufferGeometryUtils.js",
}
_DIFFERENCE_M = 0.3


class Stage(Component):
    """Bodies in 3D on a floor, at the moment of a sound: the one clock that they go by.

    It is told what `show` makes. Event `film`: a user asks for a video of what is shown; and once for each thing shown
    where the browser has no WebGL or three.js is not installed, which it then says. Other players of the page may go by
    it, by its `elem_id`, and it goes by those that it is told to follow.

        stage = Stage(elem_id="stage")
        timeline = Timeline()  # with Media("#stage") in its backdrop
    """

    NAME = "stage"
    SCRIPTS = (
        "shared/dom",
        "shared/players",
        "shared/ruler",
        "stage/shaders",
        "stage/library",
        "stage/take_file",
        "stage/kinematics",
        "stage/body",
        "stage/figure",
        "stage/lines",
        "stage/scene",
        "stage/state",
        "stage/clock",
        "stage/drawing",
        "stage/controls",
        "stage/stage",
    )
    SETTINGS = {  # noqa: RUF012
        "parents": PARENTS,
        "jointNames": JOINT_NAMES,
        "parts": DISJOINT_PARTS,
        "partOfJoint": [DISJOINT_PARTS.index(disjoint_part_of_joint(joint)) for joint in range(NUM_JOINTS)],
        "fingertipJoints": FINGERTIP_JOINTS,
        "differenceM": _DIFFERENCE_M,
    }

    def __init__(
        self,
        value: dict[str, Any] | None = None,
        *,
        label: str = "Stage",
        visible: bool | Literal["hidden"] = True,
        elem_id: str | None = None,
        render: bool = True,
    ):
        """value: of `show`."""
        super().__init__(value, label=label, visible=visible, elem_id=elem_id, render=render)
        folder = web.folder()
        if folder is not None:
            serve_folder(folder / "three")

    @staticmethod
    def show(
        takes: Sequence[StagedTake],
        sound: Path | None = None,
        followed: Sequence[Media] = (),
        film: bool = True,
        plays: bool = False,
        passing: str = "",
        sounds: Sequence[tuple[str, Path]] = (),
    ) -> dict[str, Any]:
        """What a handler returns.

        Args:
            takes: side by side; 8 at most.
            sound: a file that browsers play, as long as the longest.
            followed: other players of the page, and at which frame of the takes they start.
            film: offer to make a video.
            plays: begin at once.
            passing: of what is no result: what stood there before stays within reach, by a button, and these are the
                words of the button that leads back here.
            sounds: where takes are of several recordings, the name and sound of each, the first being `sound`, all of
                one length: users choose which of them they hear.

        Raises:
            EmageError: too many takes.
        """
        return build_value(takes, sound, sounds, _three_files(), followed, film, plays, passing)

    @staticmethod
    def expect(body: StagedBody) -> dict[str, Any]:
        """What a handler returns where nothing stands yet: the browser fetches three.js and the body that takes will
        stand on, and makes them ready, while nobody waits for it."""
        return expect_body(body, _three_files())

    @staticmethod
    def wait() -> dict[str, Any]:
        """What a handler returns where nothing stands there yet, but will."""
        return EMPTY | {"waits": True}

    @staticmethod
    def go_back() -> dict[str, Any]:
        """What a handler returns where nothing comes of what was passing: what stood there before stands there again,
        as it was left."""
        return EMPTY | {"goes_back": True}

    def read(self, payload: Any) -> None:
        raise EmageError("The stage only shows what it is given.")

    def postprocess(self, value: dict[str, Any] | None) -> dict[str, Any]:
        return value or EMPTY

    def api_info(self) -> dict[str, Any]:
        file = {"type": "object", "properties": {"path": {"type": "string"}, "url": {"type": "string"}}}
        take = {
            "type": "object",
            "properties": {
                "caption": {"type": "string"},
                "files": {"type": "array", "items": file},
                "num_frames": {"type": "integer"},
                "total_frames": {"type": "integer"},
            },
        }
        takes = {"type": "array", "items": take, "maxItems": MAX_BODIES}
        return {"type": "object", "properties": {"takes": takes, "sound": file}}

    def example_payload(self) -> dict[str, Any]:
        return EMPTY

    def example_value(self) -> dict[str, Any]:
        return EMPTY


def _three_files() -> dict[str, Path] | None:
    """None where it is not installed."""
    folder = web.folder()
    return None if folder is None else {name: folder / path for name, path in _THREE.items()}
