"""What can be chosen of an export. It stands apart from what writes, which takes seconds to import."""

from pathlib import Path
from typing import Literal

from emage.errors import ExportError
from emage.validation import checked

FORMATS: dict[str, str] = {
    ".glb": "the body with its face, moving",
    ".bvh": "the skeleton's motion",
    ".csv": "the face as Live Link Face records it",
    ".json": "the face as ARKit's weights",
}
"""By the ending of a file's name."""


@checked(ExportError)
class ExportSettings:
    """Of GLB and BVH; faces in ARKit's weights have no choices.

    Raises:
        ExportError: a value that does not exist.
    """

    part_materials: bool = False
    """GLB: a material for each part of the body, named after it, in place of one."""
    bvh_unit: Literal["cm", "m"] = "cm"
    """BVH: of offsets and positions."""
    bvh_order: Literal["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"] = "ZXY"
    """BVH: in which order a joint's channels turn it."""
    bvh_names: Literal["smplx", "mixamo"] = "smplx"
    """BVH: what joints are called."""


def format_of(path: str | Path) -> str:
    """The ending that says what is to be written, a key of `FORMATS`.

    Raises:
        ExportError: another one, or none.
    """
    ending = Path(path).suffix.lower()
    if ending in FORMATS:
        return ending
    known = ", ".join(f"{each} ({what})" for each, what in FORMATS.items())
    given = f"files that end in '{ending}' are not written" if ending else "its name has no ending"
    raise ExportError(f"{Path(path).name}: {given}. Name it with one of {known}.")
