"""The list of takes, and what changes elsewhere with it."""

import gradio as gr

from emage.generation.take import StoredTake
from emage.ui.components.takes import TakeList
from emage.ui.sections.hints import list_references
from emage.ui.service.looks import TakeLook
from emage.ui.service.users import User


def show_list(user: User) -> tuple:
    """For the list, the choice of references, and the button that keeps a take's parts."""
    looks = user.looks
    rows = [
        (take.number, take.caption, take.number in user.chosen, _say_facts(take, looks.get(take.number)))
        for take in user.takes
    ]
    shown = {take.number: looks[take.number].to_json(take) for take in user.takes if take.number in looks}
    return TakeList.show(rows, shown), gr.update(choices=list_references(user)), gr.update(interactive=bool(rows))


def _say_facts(take: StoredTake, look: TakeLook | None) -> str:
    facts = [
        "" if take.recording is None else take.recording.name,
        f"{take.duration_s:.1f} s",
        "" if take.took_s is None else f"made in {take.took_s:.1f} s",
        "" if look is None else look.speaker,
        "" if take.settings.seed is None else f"seed {take.settings.seed}",
        "" if take.video else "no video",
    ]
    return " · ".join(filter(None, facts))
