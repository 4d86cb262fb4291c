"""Words of a transcript: Praat's TextGrids of any form, and what only looks like one."""

import re
import time
from pathlib import Path

import pytest
from praatio import textgrid

from emage.errors import EmageError, HintError
from emage.recording.examples import load_examples
from emage.recording.transcript import Word, load_words

WORDS = [(0.0, 0.25, ""), (0.25, 0.5, 'say "hi"'), (0.5, 1.0, "Straße")]


def write_grid(path: Path, form: str = "long_textgrid", tiers=(("phones", [(0.0, 1.0, "a")]), ("words", WORDS))) -> str:
    grid = textgrid.Textgrid()
    for name, intervals in tiers:
        grid.addTier(textgrid.IntervalTier(name, intervals, 0, 1))
    grid.addTier(textgrid.PointTier("points", [(0.5, "word")], 0, 1))
    grid.save(str(path), form, includeBlankSpaces=True)
    return path.read_text("utf-8")


@pytest.mark.parametrize("form", ["long_textgrid", "short_textgrid"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_every_form_of_a_textgrid(tmp_path, form, encoding, line_end):
    text = write_grid(tmp_path / "a.TextGrid", form)
    (tmp_path / "a.TextGrid").write_bytes(text.replace("\n", line_end).encode(encoding))
    assert load_words(tmp_path / "a.TextGrid") == (Word('say "hi"', 0.25, 0.5), Word("Straße", 0.5, 1.0))


@pytest.mark.parametrize(
    ("names", "expected"), [(("phones", "Word"), "second"), (("a", "b"), "first"), (("words", "word"), "first")]
)
def test_the_tier_of_words_or_else_the_first(tmp_path, names, expected):
    tiers = [(name, [(0.0, 1.0, text)]) for name, text in zip(names, ("first", "second"), strict=True)]
    write_grid(tmp_path / "a.TextGrid", tiers=tiers)
    assert [word.text for word in load_words(tmp_path / "a.TextGrid")] == [expected]


def test_times_with_exponents(tmp_path):
    text = write_grid(tmp_path / "a.TextGrid").replace("xmin = 0.25 ", "xmin = 2.5e-01 ")
    (tmp_path / "a.TextGrid").write_text(text)
    assert load_words(tmp_path / "a.TextGrid")[0].start_s == 0.25


def test_examples_say_their_words():
    for example in load_examples():
        words = load_words(example.audio.with_suffix(".TextGrid"))
        assert [word.text for word in words] == re.sub(r"[^\w ]", "", example.text.lower()).split()
        assert words[-1].end_s < example.duration_s


HEAD = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
SHORT = HEAD + '0\n1\n<exists>\n1\n"IntervalTier"\n"words"\n0\n1\n'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Dear Sir or Madam", "no.TextGrid is no TextGrid"),
        ("[" * 120_000, "is no TextGrid"),
        (HEAD + "0\n1\n<exists>\n0\n", "has no tier of intervals"),
        (SHORT + '2\n0\n1\n"once"\n', "it ends before its intervals do"),
        (SHORT + '1\n0\nlater\n"once"\n', "is damaged"),
        (SHORT + '1\n0\n1e999\n"once"\n', "lasts from 0.0 s to inf s|is damaged"),
        (SHORT + '1\n1\n0.5\n"once"\n', "its end must lie behind its start"),
        (SHORT + "20001\n" + '0\n1\n"once"\n' * 20_001, "has 20,001 words; at most 20,000 are taken"),
        (" " * (8 << 20) + HEAD, "is larger than 8 MB"),
    ],
)
def test_what_is_no_transcript(tmp_path, content, words):
    (tmp_path / "no.TextGrid").write_text(content)
    with pytest.raises(EmageError, match=words):
        load_words(tmp_path / "no.TextGrid")


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_long_form_that_is_cut_off(tmp_path, share):
    text = load_examples()[0].audio.with_suffix(".TextGrid").read_text()
    (tmp_path / "cut.TextGrid").write_text(text[: int(share * len(text))])
    with pytest.raises(EmageError, match="is damaged"):
        load_words(tmp_path / "cut.TextGrid")


@pytest.mark.parametrize(
    "hostile",
    [
        "[" + " " * 400_000,
        "[ " * 200_000,
        'item [1]:\nclass = "IntervalTier"\nintervals [1]:\nxmin = 0\nxmax = 1\n' + 'text = "x\n' * 40_000,
        'item [1]:\nclass = "IntervalTier"\n' + 'name = "x' * 40_000,
        "1" * 400_000 + "x",
        '"IntervalTier" ' * 30_000,
        '"' * 400_000,
    ],
)
def test_hostile_text_takes_no_more_time_than_it_is_long(tmp_path, hostile):
    (tmp_path / "no.TextGrid").write_text(HEAD + '0\n1\n<exists>\n1\n"IntervalTier"\n' + hostile)
    began = time.perf_counter()
    with pytest.raises(EmageError):
        load_words(tmp_path / "no.TextGrid")
    assert time.perf_counter() - began < 3


def test_words_that_make_no_sense():
    for times in ((2.0, 1.0), (float("nan"), 1.0), (-1.0, 1.0), (0.0, float("inf"))):
        with pytest.raises(HintError, match="The word 'so'"):
            Word("so", *times)
