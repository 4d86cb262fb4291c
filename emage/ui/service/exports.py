"""Takes into files for other tools, in the folder of the user who asks."""

from pathlib import Path

from emage.body import Body
from emage.errors import EmageError
from emage.export.settings import ExportSettings
from emage.export.takes import export_take
from emage.generation.take import StoredTake
from emage.recording.audio import AudioSource
from emage.recording.recording import Recording
from emage.ui.service.users import User


def export_stored(
    stored: StoredTake, ending: str, body: Body, settings: ExportSettings, with_sound: bool, user: User
) -> list[Path]:
    """The file and, where it is wanted, its sound, named as the take's own files are.

    ending: a key of `emage.export.settings.FORMATS`.

    Raises:
        ExportError, BodyError: see `export_take`. EmageError: the take came without its sound.
    """
    take = stored.load()
    audio: AudioSource | Recording | None = None
    if with_sound:
        audio = take.recording or stored.video  # of a project's other recordings there is the video alone
        if audio is None:
            raise EmageError(f"The take '{take.caption}' came without its sound. Export it without.")
    return export_take(user.new_folder() / f"{stored.motion.stem}{ending}", take, body, audio, settings)
