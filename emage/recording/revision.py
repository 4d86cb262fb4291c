"""A text that a person has changed, and the words with times that it was before."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import groupby

from emage.recording.transcript import Word, check_passages, split_tokens
from emage.recording.transcript_files import Passage

_LEAST_SHARE = 0.5
"""Of the words; where fewer have stayed, those that did may have done so by chance."""


def join_words(words: Sequence[Word]) -> str:
    """The text of words."""
    return " ".join(word.text for word in words)


def says_the_same(text: str, words: Sequence[Word]) -> bool:
    """Whether a text has these words and no others, whatever the case and the signs around them."""
    return _keys(split_tokens(Passage(text))) == _keys(_tokens(words))


def revise_words(words: Sequence[Word], text: str) -> tuple[Passage, ...]:
    """The passages of a text: words that have stayed have their times and confidence still, in the new spelling, and
    what is new stands without times between them. Where most are new, all are without times.

    Raises:
        EmageError: see `emage.recording.transcript.check_passages`.
    """
    whole = check_passages((Passage(text),), "The transcript")
    tokens = split_tokens(whole[0])
    if not tokens:
        return ()
    before = [word for word in words if _keys([word.text])]
    matcher = SequenceMatcher(None, _keys([word.text for word in before]), _keys(tokens))
    if len(_keys(tokens)) != len(tokens) or matcher.ratio() < _LEAST_SHARE:
        return whole
    stayed: list[Word | None] = [None] * len(tokens)
    for kind, old, old_end, new, new_end in matcher.get_opcodes():
        if kind == "equal":
            stayed[new:new_end] = before[old:old_end]
    for kind, *_, new, new_end in matcher.get_opcodes():
        if kind == "insert":  # between words without a pause there is no time for another: they make room
            stayed[max(0, new - 1) : new_end + 1] = [None] * (min(new_end + 1, len(tokens)) - max(0, new - 1))
    passages: list[Passage] = []
    for is_new, run in groupby(zip(tokens, stayed, strict=True), lambda each: each[1] is None):
        if is_new:
            passages.append(Passage(" ".join(token for token, _ in run)))
        else:
            passages += [Passage(token, word.start_s, word.end_s, True, word.confidence) for token, word in run]
    return tuple(passages)


def _tokens(words: Sequence[Word]) -> list[str]:
    return [token for word in words for token in split_tokens(Passage(word.text))]


def _keys(tokens: Sequence[str]) -> list[str]:
    """What makes two words the same; signs that stand alone are none."""
    keys = (re.sub(r"^\W+|\W+$", "", token).casefold() or token for token in tokens)
    return [key for key in keys if key.strip()]
