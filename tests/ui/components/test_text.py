"""Text of users within Markdown and HTML."""

import html

import pytest
from gradio.utils import get_upload_folder
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from emage.ui.components.shared.faults import make_error
from emage.ui.components.shared.text import as_html_text, as_text


def show(markdown: str) -> str:
    """The HTML of a paragraph, as GitHub's Markdown is read, addresses and raw HTML included."""
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(f"x {markdown} x")


@pytest.mark.parametrize(
    "text",
    [
        "![a](http://127.0.0.1/a.png)",
        "<img src=//127.0.0.1/a.png onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "<script>alert(1)</script>",
        "**bold** _slanted_ `code` ~~gone~~ $a_1$",
        "&lt;img&gt; &amp; \\[a](b)",
        "http://127.0.0.1 www.example.org <https://example.org>",
        "a | b # c",
    ],
)
def test_text_is_shown_letter_by_letter(text):
    assert html.unescape(as_text(text)) == html.unescape(html.escape(text))
    shown = show(as_text(text))
    assert shown.removeprefix("<p>x ").removesuffix(" x</p>\n").count("<") == 0
    assert html.unescape(shown) == f"<p>x {text} x</p>\n"


@given(st.text(st.sampled_from("![]()<>&*_`~$#|\\:/.ahtpw "), max_size=40))
def test_no_text_becomes_an_image_a_link_or_html(text):
    shown = show(as_text(text.strip()))
    assert shown.count("<") == 2  # the paragraph's own


def test_what_errors_repeat_is_no_html():
    assert as_html_text("it is '<img src=x>'") == "it is '&lt;img src=x&gt;'"
    told = make_error(f"{get_upload_folder()}/user-secret/7/talk.npz was not written: the disk is full.").message
    assert told == "talk.npz was not written: the disk is full."
    assert "<img" not in make_error("caption is '<img src=x>'").message
