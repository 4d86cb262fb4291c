"""Faults of a visitor's are told on the page, in the library's words, and not in the server's log."""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import gradio as gr

from emage.errors import EmageError

_LONGEST = 600

Handler = TypeVar("Handler", bound=Callable)


def shown(sentence: str) -> gr.Error:
    return gr.Error(sentence[:_LONGEST], duration=20, print_exception=False)


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
