"""The list of takes, and what changes elsewhere with it."""

import gradio as gr

from emage.generation.take import StoredTake
from emage.ui.components.takes import TakeList
from emage.ui.sections.hints import list_references
from emage.ui.service.users import User


def show_list(user: User) -> tuple:
    """For the list, the choice of references, and the button that keeps a take's parts."""
    rows = [(take.number, take.caption, take.number in user.chosen, _say_facts(take)) for take in user.takes]
    return TakeList.show(rows), gr.update(choices=list_references(user)), gr.update(interactive=bool(rows))


def _say_facts(take: StoredTake) -> str:
    made = "" if take.took_s is None else f" · made in {take.took_s:.1f} s"
    return f"{take.duration_s:.1f} s{made}{'' if take.video else ' · no video'}"
