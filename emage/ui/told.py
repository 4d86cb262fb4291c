"""Faults of a visitor's are told on the page, in the library's words, and not in the server's log."""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import gradio as gr
from gradio.exceptions import InvalidPathError

from emage.errors import EmageError
from emage.ui.components.shared import shown

_KINDS = {
    "number": "a number",
    "integer": "a whole number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}

Handler = TypeVar("Handler", bound=Callable)


def refused(component: gr.components.Component, value: Any, error: Exception) -> gr.Error:
    """The sentence for what Gradio would not take for a component."""
    if isinstance(error, gr.Error):
        return shown(f"{component.label}: {error.message}" if error.print_exception else error.message)
    if isinstance(error, InvalidPathError):
        return shown(f"{component.label}: this file was not uploaded here. Upload it first.")
    info = component.api_info()
    kind = _KINDS.get(str(info.get("type")), "what the API view says")
    if "FileData" in info.get("title", ""):
        kind = "a file, as its upload returns it"
    return shown(f"{component.label}: {str(value)[:40]!r} cannot be used. Give {kind}.")


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except EmageError as error:
        raise shown(str(error)) from error
    except OSError as error:
        raise shown(f"The server has no room for this, or a file has gone ({error.strerror}). Try again.") from error


def told(handler: Handler) -> Handler:
    """A handler, or one that yields, whose faults are told."""
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def yielding(*arguments, **named):
            with _told():
                yield from handler(*arguments, **named)

        return yielding

    @functools.wraps(handler)
    def calling(*arguments, **named):
        with _told():
            return handler(*arguments, **named)

    return calling
