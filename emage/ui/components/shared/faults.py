"""Faults of a user's are told on the page, in the library's words, and not in the server's log."""

import functools
import inspect
import re
from collections.abc import Callable
from typing import TypeVar

import gradio as gr
from fastapi import Request
from fastapi.responses import JSONResponse
from gradio.utils import get_upload_folder

from emage.errors import EmageError
from emage.ui.components.shared.paths import hide_paths
from emage.ui.components.shared.text import as_html_text

_LONGEST = 600
_TOLD = (EmageError, OSError)
Handler = TypeVar("Handler", bound=Callable)


def make_error(sentence: str) -> gr.Error:
    """A fault that the page shows until it is closed, and that is nothing for the server's log."""
    return gr.Error(
        as_html_text(hide_paths(_without_folders(sentence))[:_LONGEST]), duration=None, print_exception=False
    )


def _without_folders(sentence: str) -> str:
    """Names of users' files without the folders of the server, which may have names with spaces."""
    return re.sub(rf"{re.escape(get_upload_folder())}/(?:[^/\s'\"]+/)*", "", sentence)


def answer_fault_of_files(request: Request, error: OSError) -> JSONResponse:
    """What a browser or program is told where an upload finds no room, in place of a bare 500."""
    return JSONResponse({"detail": _say_fault_of_files(error)}, status_code=507)


def _say_fault_of_files(error: OSError) -> str:
    return f"The server has no room for this, or a file has gone ({error.strerror}). Try again."


def tell(handler: Handler) -> Handler:
    """A handler, or one that yields, whose faults are told.

    Gradio's frames hold what is raised to them until they are collected. So it is raised without its cause, whose
    frames hold the user and their open files.
    """
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def yielding(*arguments, **named):
            try:
                return (yield from handler(*arguments, **named))
            except _TOLD as error:
                told = _say_fault(error)
            raise told

        return yielding

    @functools.wraps(handler)
    def calling(*arguments, **named):
        try:
            return handler(*arguments, **named)
        except _TOLD as error:
            told = _say_fault(error)
        raise told

    return calling


def _say_fault(error: EmageError | OSError) -> gr.Error:
    return make_error(str(error) if isinstance(error, EmageError) else _say_fault_of_files(error))
