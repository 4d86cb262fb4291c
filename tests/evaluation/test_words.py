"""How much of what was heard of each word was content."""

from dataclasses import replace

import numpy as np
import pytest

from emage.evaluation.words import WordShare, share_by_word
from emage.generation.windows import ContentShare
from emage.recording.recording import Recording
from emage.recording.transcript import Word

SAID = (
    Word("before", 0.0, 0.9),
    Word("cut", 0.5, 1.5),
    Word("whole", 1.5, 2.0),
    Word("short", 2.2, 2.2),
    Word("on", 2.9, 1e308),
)


def test_means_over_the_frames_of_each_word_of_the_part():
    recording = replace(Recording.load((16000, np.zeros(5 * 16000, np.float32))), words=SAID).trim(30, 90)
    share = ContentShare(np.arange(60) / 60, np.full(60, 0.25))
    shares = share_by_word("mine", recording, share)
    assert shares.caption == "mine"
    assert [word.text for word in shares.words] == ["cut", "whole", "short", "on"]
    assert shares.words[0] == WordShare("cut", 0.0, 0.5, pytest.approx(7 / 60), 0.25)
    assert shares.words[1].face == pytest.approx(np.mean(np.arange(15, 30)) / 60)
    assert (shares.words[2].start_s, shares.words[2].end_s) == pytest.approx((1.2, 1.2 + 1 / 30))
    assert shares.words[3].end_s == 2.0


def test_the_published_timing_has_fewer_frames():
    recording = replace(Recording.load((16000, np.zeros(5 * 16000, np.float32))), words=(Word("late", 4.9, 5.0),))
    assert share_by_word("", recording, ContentShare(np.zeros(140), np.zeros(140))).words == ()
