"""Words of a transcript: Praat's TextGrids of any form, and what only looks like one."""

import contextlib
import json
import re
import time
from itertools import pairwise
from pathlib import Path

import pytest
from praatio import textgrid

from emage.errors import EmageError, HintError
from emage.recording.examples import load_examples
from emage.recording.transcript import Word, check_passages, load_passages, load_words, split_tokens, write_words
from emage.recording.transcript_files import Passage

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
        (SHORT + '1e999\n0\n1\n"once"\n', "it ends before its intervals do"),
        (SHORT + '1\n1\n0.5\n"once"\n', "its end must lie behind its start"),
        (SHORT + "20001\n" + '0\n1\n"once"\n' * 20_001, "has more than 20,000 words; no more are taken"),
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
        'item []:\n"words"\n0\n1\n1\n0\n1\n[' + " " * 4_000_000,
        '"words"\n0\n1\n1\n0\n1\n"' + '" ' * 400_000,
        '"words"\n0\n1\n' + "9" * 4000 + '\n0\n1\n"a"',
    ],
)
def test_hostile_text_takes_no_more_time_than_it_is_long(tmp_path, hostile):
    (tmp_path / "no.TextGrid").write_text(HEAD + '0\n1\n<exists>\n1\n"IntervalTier"\n' + hostile)
    began = time.process_time()
    with pytest.raises(EmageError):
        load_words(tmp_path / "no.TextGrid")
    assert time.process_time() - began < 3


def test_words_that_make_no_sense():
    for times in ((2.0, 1.0), (float("nan"), 1.0), (-1.0, 1.0), (0.0, float("inf"))):
        with pytest.raises(HintError, match="The word 'so'"):
            Word("so", *times)


def test_a_confidence_that_makes_no_sense():
    assert Word("so", 0.0, 1.0).confidence is None
    for confidence in (-0.1, 1.1, float("nan")):
        with pytest.raises(HintError, match="it lies in 0..1"):
            Word("so", 0.0, 1.0, confidence)


WHISPERX = {
    "segments": [
        {
            "start": 0.1,
            "end": 1.0,
            "text": " Take 3, please.",
            "words": [
                {"word": "Take", "start": 0.1, "end": 0.3, "score": 0.9},
                {"word": "3,"},
                {"word": "please.", "start": 0.6, "end": 1.0, "score": 1.2},
            ],
        },
        {"start": 2.0, "end": 3.0, "text": "Thank you"},
    ],
    "word_segments": [{"word": "Take", "start": 0.1, "end": 0.3}],
    "language": "en",
}
TAKE = Passage("Take", 0.1, 0.3, True, 0.75)
TIMED = {"word": " Take", "start": 0.1, "end": 0.3, "probability": 0.75}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            WHISPERX,
            [
                Passage("Take", 0.1, 0.3, True, 0.9),
                Passage("3,", None, None, True),
                Passage("please.", 0.6, 1.0, True, 1.0),
                Passage("Thank you", 2.0, 3.0),
            ],
        ),
        ({"segments": [{"start": 0, "end": 1, "words": [TIMED]}]}, [TAKE]),
        ({"segments": [{"text": "Take"}], "words": [TIMED]}, [TAKE]),
        ({"word_segments": [TIMED]}, [TAKE]),
        ([TIMED], [TAKE]),
        ({"segments": []}, []),
    ],
)
def test_words_of_whisper_and_whisperx(tmp_path, content, expected):
    (tmp_path / "talk.json").write_text(json.dumps(content))
    assert load_passages(tmp_path / "talk.json") == tuple(expected)
    (tmp_path / "talk").write_text(json.dumps(content))
    assert load_passages(tmp_path / "talk") == tuple(expected)


SRT = """1
00:00:01,500 --> 00:00:03,000
Hello <i>there</i>,
my friend &amp; all!

2
00:00:04,000 --> 01:00:05,250
{\\an8}Bye.
3
01:00:06,000 --> 01:00:07,000
♪ 🙂
"""
VTT = """WEBVTT - a talk

STYLE
::cue { color: red }

NOTE not said

00:01.500 --> 00:03.000 align:start
<v Ann>Hello <c.loud>there</c>,
my friend &amp; all!

bye
00:04.000 --> 01:00:05.250
Bye.

01:00:06.000 --> 01:00:07.000
♪ 🙂
"""


@pytest.mark.parametrize(("content", "name"), [(SRT, "a.srt"), (VTT, "a.vtt"), (SRT, "a.txt"), (VTT, "a.txt")])
def test_captions(tmp_path, content, name):
    (tmp_path / name).write_bytes(content.replace("\n", "\r\n").encode())
    passages = load_passages(tmp_path / name)
    assert passages == (
        Passage("Hello there, my friend & all!", 1.5, 3.0),
        Passage("Bye.", 4.0, 3605.25),
        Passage("♪ 🙂", 3606.0, 3607.0),
    )
    words = load_words(tmp_path / name)
    assert [word.text for word in words] == ["Hello", "there,", "my", "friend &", "all!", "Bye.", "♪", "🙂"]
    assert (words[0].start_s, words[4].end_s) == (1.5, 3.0)
    assert all(a.end_s <= b.start_s for a, b in pairwise(words))


def test_plain_text_has_no_times(tmp_path):
    (tmp_path / "talk.txt").write_text("Take three, please.")
    assert load_passages(tmp_path / "talk.txt") == (Passage("Take three, please."),)
    with pytest.raises(EmageError, match="does not say when 'Take three, please.' is spoken"):
        load_words(tmp_path / "talk.txt")
    (tmp_path / "none.txt").write_text(" \n")
    assert load_passages(tmp_path / "none.txt") == ()


def test_captions_in_the_encoding_of_windows(tmp_path):
    (tmp_path / "a.srt").write_bytes("00:00:01,0 --> 00:00:02,0\nStraße – schön".encode("cp1252"))
    assert load_passages(tmp_path / "a.srt") == (Passage("Straße – schön", 1.0, 2.0),)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Well — that's it … 🙂 ok", ["Well —", "that's", "it …", "🙂", "ok"]),
        ("« Bonjour »", ["« Bonjour »"]),
        ("— …", ["— …"]),
        ("", []),
    ],
)
def test_signs_belong_to_words(text, tokens):
    assert split_tokens(Passage(text)) == tokens


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", "{", "a.json is not JSON that can be read"),
        ("a.json", "[" * 100_000, "a.json"),
        ("a.json", "{}", "has neither segments nor words"),
        ("a.json", '{"segments": [{"words": [{"start": 1}]}]}', "the field word of word 1 of segment 1 is missing"),
        ("a.json", '[{"word": "so", "start": 2, "end": 1}]', "The word 'so'"),
        ("a.json", '[{"word": "so", "start": 1e999, "end": 1}]', "a finite number|The word 'so'|JSON"),
        ("a.srt", "Hello there", "has no captions"),
        ("a.srt", "00:00:02,0 --> 00:00:01,0\nso", "The word 'so'"),
        ("a.txt", "a" * 201, "a word has at most 200. Put blanks between the words"),
        ("a.txt", "a " * 20_001, "has more than 20,000 words"),
        ("a.txt", "a\0b", "is no text"),
        ("a.txt", " " * (8 << 20) + "a", "is larger than 8 MB"),
    ],
)
def test_transcripts_that_make_no_sense(tmp_path, name, content, words):
    (tmp_path / name).write_text(content)
    with pytest.raises(EmageError, match=words):
        load_passages(tmp_path / name)


def test_half_a_character_is_refused(tmp_path):
    with pytest.raises(EmageError, match=r"The transcript holds half a character \('.ud83d'\)"):
        check_passages((Passage("well"), Passage("a smile \ud83d")), "The transcript")
    whole = (Passage("a smile \U0001f642"),)
    assert check_passages(whole, "The transcript") == whole


def test_a_transcript_that_is_not_there(tmp_path):
    with pytest.raises(EmageError, match="cannot be read as a transcript"):
        load_passages(tmp_path / "none.txt")


@pytest.mark.parametrize(
    "hostile",
    ["<" * 2_000_000, "{\\" * 600_000, "&" * 2_000_000, "\n" * 2_000_000, " " * 4_000_000 + "x", "00:" * 999_999],
)
@pytest.mark.parametrize("name", ["a.srt", "a.txt", "a.json"])
def test_hostile_captions_take_no_more_time_than_they_are_long(tmp_path, name, hostile):
    (tmp_path / name).write_text("00:00:01,0 --> 00:00:02,0\n" + hostile)
    began = time.process_time()
    with contextlib.suppress(EmageError):
        load_passages(tmp_path / name)
    assert time.process_time() - began < 3


def fill(head: str, entry: str, end: str = "") -> str:
    """As much as a transcript's file may be."""
    return head + entry * (((8 << 20) - len(head) - len(end)) // len(entry)) + end


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.TextGrid", fill(SHORT, "1 ")),
        ("a.TextGrid", fill(SHORT + "9e9\n", '0 1 "a" ')),
        ("a.TextGrid", fill(SHORT.replace("Interval", "Text") + "9e9\n", '0 "a" ')),
        ("a.json", fill("[", "1,", "1]")),
        ("a.json", fill('{"segments": [', "{},", "{}]}")),
        ("a.json", fill("[", '{"word":"a"},', '{"word":"a"}]')),
        ("a.json", fill('{"words": [], "others": [', "1,", "1]}")),
        ("a.json", fill('[{"word":"', '\\"', '"}]')),
        ("a.srt", fill("", "00:00:01,0 --> 00:00:02,0\na\n")),
        ("a.srt", fill("00:00:01,0 --> 00:00:02,0\n", "a\n")),
        ("a.txt", fill("", "a ")),
        ("a.txt", fill("", ". ")),
    ],
)
def test_the_largest_files_take_little_time(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    began = time.process_time()
    with pytest.raises(EmageError):
        load_passages(tmp_path / name)
    assert time.process_time() - began < 3


def test_written_words_come_back(tmp_path):
    words = (Word("hi", 0.1 + 0.2, 1 / 3, 0.25), Word("🙂 “so”", 0.5, 0.5), Word("end", 2.0, 3.0, 1.0))
    path = tmp_path / "talk.words.json"
    path.write_text(write_words(words), "utf-8")
    assert load_words(path) == words
