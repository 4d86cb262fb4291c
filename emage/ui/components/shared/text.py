"""Text of users stays text where the page shows Markdown or HTML: captions, names of files, words, what errors repeat.

A session's file may come from anybody: a caption that is an image would have each browser ask a foreign server for it.
"""

import html
import re

_MARKDOWN = re.compile(r"[\\`*_\[\]<>&!#|~$]|(?<=:)//|(?<=www)\.")


def as_text(text: str) -> str:
    """For gr.Markdown, which shows it letter by letter: no emphasis, link, image, formula or HTML comes of it."""
    return _MARKDOWN.sub(lambda match: "".join(f"&#{ord(character)};" for character in match[0]), text)


def as_html_text(text: str) -> str:
    """For what is shown as HTML, as Gradio's errors are."""
    return html.escape(text, quote=False)
