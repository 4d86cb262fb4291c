"""The list of a visitor's takes: captions to edit, takes to choose, to show and to remove. See `TakeList`."""

from emage.ui.takes.takes import MAX_CAPTION_CHARACTERS, TakeCard, TakeList, TakeRow

__all__ = ["MAX_CAPTION_CHARACTERS", "TakeCard", "TakeList", "TakeRow"]
