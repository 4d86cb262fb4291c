"""The list of a user's takes: captions to edit, takes to choose, to show and to remove. See `TakeList`."""

from emage.ui.components.takes.takes import MAX_CHOSEN, TakeList

__all__ = ["MAX_CHOSEN", "TakeList"]
