"""A text that a person has changed, and the words with times that it was before."""

import re
from collections.abc import Sequence
from difflib import Match, SequenceMatcher
from itertools import groupby, pairwise

from emage.recording.transcript import Word, check_passages, split_tokens
from emage.recording.transcript_files import Passage

_LEAST_SHARE = 0.5
"""Of the words; where fewer have stayed, those that did may have done so by chance."""
_COMPARED_WHOLE = 1000
"""Words; of longer texts it is windows."""
_WINDOW = 400


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
    runs = _find_runs(_keys([word.text for word in before]), _keys(tokens))
    share = 2 * sum(run.size for run in runs) / (len(before) + len(tokens))
    if len(_keys(tokens)) != len(tokens) or share < _LEAST_SHARE:
        return whole
    stayed: list[Word | None] = [None] * len(tokens)
    for run in runs:
        stayed[run.b : run.b + run.size] = before[run.a : run.a + run.size]
    for run, following in pairwise([Match(0, 0, 0), *runs, Match(len(before), len(tokens), 0)]):
        new, new_end = run.b + run.size, following.b
        if run.a + run.size == following.a and new < new_end:
            # Between words without a pause there is no time for another: they make room.
            stayed[max(0, new - 1) : new_end + 1] = [None] * (min(new_end + 1, len(tokens)) - max(0, new - 1))
    passages: list[Passage] = []
    for is_new, run in groupby(zip(tokens, stayed, strict=True), lambda each: each[1] is None):
        if is_new:
            passages.append(Passage(" ".join(token for token, _ in run)))
        else:
            passages += [Passage(token, word.start_s, word.end_s, True, word.confidence) for token, word in run]
    return tuple(passages)


def _find_runs(old: list[str], new: list[str]) -> list[Match]:
    """The runs of words that have stayed, in their order: `a` counts the old words, `b` the new.

    SequenceMatcher's time grows with the third power of the length where every other word is new. So of long texts the
    same beginning and end are put aside, and what is between is compared window by window; there the words after an
    insertion or a cut of more than a window may count as new.
    """
    if max(len(old), len(new)) <= _COMPARED_WHOLE:
        return _compare(old, new)
    shorter = min(len(old), len(new))
    head = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    tail = next((i for i in range(shorter - head) if old[-1 - i] != new[-1 - i]), shorter - head)
    a, b, ends = head, head, (len(old) - tail, len(new) - tail)
    runs = [Match(0, 0, head)]
    while a < ends[0] and b < ends[1]:
        found = _compare(old[a : min(a + _WINDOW, ends[0])], new[b : min(b + _WINDOW, ends[1])])
        # What the windows' later halves alone have in common the next windows tell better.
        found = [Match(a + run.a, b + run.b, run.size) for run in found if min(run.a, run.b) < _WINDOW // 2]
        runs += found
        last = found[-1] if found else Match(a, b, _WINDOW // 2)
        a, b = last.a + last.size, last.b + last.size
    return [run for run in [*runs, Match(*ends, tail)] if run.size]


def _compare(old: list[str], new: list[str]) -> list[Match]:
    return [run for run in SequenceMatcher(None, old, new).get_matching_blocks() if run.size]


def _tokens(words: Sequence[Word]) -> list[str]:
    return [token for word in words for token in split_tokens(Passage(word.text))]


def _keys(tokens: Sequence[str]) -> list[str]:
    """What makes two words the same; signs that stand alone are none."""
    keys = (re.sub(r"^\W+|\W+$", "", token).casefold() or token for token in tokens)
    return [key for key in keys if key.strip()]
