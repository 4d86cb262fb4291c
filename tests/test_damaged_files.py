"""Whatever a file holds, its reader gives that or an error with a sentence.

Some mutations of each kind of file; `python -m tests.benchmarks.fuzz` reads thousands, and watches time and memory.
"""

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emage.batch import read_plans
from emage.errors import EmageError, HintError
from emage.generation.settings import TakeSettings
from emage.hints import HintPlan
from emage.models.generator_config import GeneratorConfig
from emage.models.vqvae import VQVAEConfig
from emage.project_json import ProjectJson, WordsJson
from emage.recording.transcript import check_passages
from emage.recording.transcript_files import read_passages
from emage.ui.components.timeline import TimelineValue
from emage.validation import build
from tests.mutations import READERS, mutate, try_reading, write

_COUNT = 25


@pytest.mark.parametrize("name", READERS)
def test_a_whole_file_is_read(name, tmp_path):
    write(name, tmp_path)
    assert try_reading(name, tmp_path).kind == "read"


@pytest.mark.parametrize("name", [name for name in READERS if name != "body"])  # half a second each
def test_damaged_files_are_refused_by_a_sentence_or_read(name, tmp_path):
    kinds = []
    for number in range(_COUNT):
        folder = tmp_path / str(number)
        folder.mkdir()
        write(name, folder, mutate(name, number))
        outcome = try_reading(name, folder)
        assert outcome.kind != "fault", f"mutation {number}: {outcome.told}"
        kinds.append(outcome.kind)
    assert "refused" in kinds


def test_a_damage_is_always_the_same():
    first = [mutate("plan", number) for number in range(20)]
    assert first == [mutate("plan", number) for number in range(20)]
    assert len(set(first)) > 15


# --- texts that no file of ours begins with ---------------------------------------------------------------------------

_PIECES = st.sampled_from(
    [
        'File type = "ooTextFile"\nObject class = "TextGrid"\n', '"IntervalTier"', '"words"', "<exists>", "1e999", "0",
        "1", "-1", '"', '""', "\n", " ", "[", "{", "}", '"word":', '{"word": "a", "start": 0, "end": 1},', '"segments"',
        "WEBVTT\n", "00:00:01,000 --> 00:00:02,000\n", "-->", "<b>", "<", "{\\an8}", "&amp;", "&#0;", "\0", "\ufeff",
        "🙂", "\ud83d", "a", "…",
    ]
)  # fmt: skip
_TEXTS = st.one_of(st.text(max_size=300), st.lists(_PIECES, max_size=60).map("".join))


def says_a_sentence_or_nothing(read: Callable[[], object]) -> bool:
    try:
        read()
    except EmageError as error:
        return re.search(r"\w{2,} \w{2,}", str(error)) is not None
    return True


@settings(max_examples=300, deadline=None)
@given(_TEXTS, st.sampled_from(["a.TextGrid", "a.json", "a.srt", "a.vtt", "a.txt"]))
def test_any_text_is_a_transcript_or_none(text, name):
    def read() -> None:
        passages = check_passages(read_passages(text, name), name)
        assert all(passage.text.strip() for passage in passages)
        json.dumps([passage.text for passage in passages], ensure_ascii=False).encode()

    assert says_a_sentence_or_nothing(read)


_FIELDS = st.sampled_from(
    [
        "spans", "part", "start_frame", "end_frame", "start_s", "end_s", "mode", "blend_frames", "plan", "name",
        "version", "takes", "words", "trim", "settings", "num_frames", "speaker", "seed", "hidden_size", "vae_layer",
    ]
)  # fmt: skip
_ANYTHING = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
        st.sampled_from(["upper", "face", "lock", "follow", 10**30, -1, 0, 1e308, "\ud800"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_FIELDS, inner, max_size=5)),
    max_leaves=25,
)  # fmt: skip


@pytest.mark.parametrize(
    "read",
    [
        HintPlan.from_json,
        read_plans,
        TimelineValue.from_json,
        lambda value: build(TakeSettings, value, EmageError, "The settings"),
        lambda value: build(ProjectJson, value, EmageError, "session.json"),
        lambda value: build(WordsJson, value, EmageError, "words/1.json"),
        lambda value: GeneratorConfig.from_json(value if isinstance(value, dict) else {}),
        lambda value: VQVAEConfig.from_json(value if isinstance(value, dict) else {}),
    ],
)
@settings(max_examples=100, deadline=None)
@given(
    value=st.one_of(
        _ANYTHING, st.fixed_dictionaries({"spans": _ANYTHING}), st.fixed_dictionaries({"num_frames": _ANYTHING})
    )
)
def test_any_json_is_a_value_or_none(read, value):
    assert says_a_sentence_or_nothing(lambda: read(value))


@pytest.mark.parametrize(
    ("plans", "words"),
    [
        ('[{"plan": {}, "[x": 1}]', "there is no field '[x'"),
        ('[{"plan": {}, "' + "x" * 100_000 + '": 1}]', "there is no field " + "x" * 60 + "… of entry 1."),
        ('[{"plan": {"[s": [1]}}]', "Entry 1 of the plans: The plan: there is no field '[s'"),
    ],
)
def test_fields_that_are_called_as_none_is(plans, words):
    with pytest.raises(HintError, match=re.escape(words)):
        read_plans(plans)


@pytest.mark.parametrize("field", ["hidden", "audio_width", "window_frames", "vocabulary", "speakers", "latent_weight"])
@settings(max_examples=30, deadline=None)
@given(value=_ANYTHING)
def test_any_value_of_a_config_is_one_or_none(field, value):
    assert says_a_sentence_or_nothing(lambda: GeneratorConfig(**{field: value}))
