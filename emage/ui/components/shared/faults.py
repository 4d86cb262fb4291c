"""Faults of a user's are told on the page, in the library's words, and not in the server's log."""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import gradio as gr

from emage.errors import EmageError

_LONGEST = 600
Handler = TypeVar("Handler", bound=Callable)


def make_error(sentence: str) -> gr.Error:
    """A fault that the page shows, and that is nothing for the server's log."""
    return gr.Error(sentence[:_LONGEST], duration=20, print_exception=False)


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except EmageError as error:
        raise make_error(str(error)) from error
    except OSError as error:
        raise make_error(
            f"The server has no room for this, or a file has gone ({error.strerror}). Try again."
        ) from error


def tell(handler: Handler) -> Handler:
    """A handler, or one that yields, whose faults are told."""
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def yielding(*arguments, **named):
            with _telling():
                yield from handler(*arguments, **named)

        return yielding

    @functools.wraps(handler)
    def calling(*arguments, **named):
        with _telling():
            return handler(*arguments, **named)

    return calling
