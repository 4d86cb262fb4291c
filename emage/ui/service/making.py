"""Takes that are made whether or not anybody looks: a page follows them, loses its connection, and follows on."""

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from emage.ui.service.pieces import MadeTake, TakePiece

_LOOK_EVERY_S = 0.2

Made = TakePiece | MadeTake


class Making:
    """Work in a thread of its own, and what came of it so far, for all who follow it."""

    def __init__(self, work: Callable[[Callable[..., None]], Iterator[Made]]):
        """work: makes takes, and tells how far it is as Gradio's bar is told. It begins at once."""
        self._work = work
        self._changed = threading.Condition()
        self._made: list[tuple[int, Made]] = []
        self._count = 0
        self._told: tuple[tuple, dict[str, Any]] | None = None
        self._fault: BaseException | None = None
        self._is_over = self._is_seen = False
        run = contextvars.copy_context().run  # `spaces` knows by it whose GPU it may take
        threading.Thread(target=run, args=(self._run,), name="making", daemon=True).start()

    @property
    def is_news(self) -> bool:
        """Whether it goes on, or nobody has seen how it ended."""
        with self._changed:
            return not self._is_seen

    def follow(self, bar: Callable[..., Any]) -> Iterator[Made]:
        """All takes, those made and the pieces of the one that is being made; raises what ended the work.

        Who follows slowly may miss pieces of takes that others came after.
        """
        seen, told = 0, None
        while True:
            with self._changed:
                if seen == self._count and self._told is told and not self._is_over:
                    self._changed.wait(_LOOK_EVERY_S)
                news = [each for number, each in self._made if number > seen]
                seen, was_told, is_over = self._count, told, self._is_over
                told = self._told
            if told is not None and told is not was_told:
                arguments, named = told
                bar(*arguments, **named)
            yield from news
            if is_over:
                break
        with self._changed:
            self._is_seen, self._made = True, []
        if self._fault is not None:
            raise self._fault

    def forget(self) -> None:
        """Nobody follows this any more. What ended it holds the user, who holds this: together they would outlast the
        user until they are collected."""
        with self._changed:
            if self._is_over:
                self._made, self._fault = [], None

    def _tell(self, *arguments: Any, **named: Any) -> None:
        with self._changed:
            self._told = arguments, named
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            with closing(self._work(self._tell)) as making:
                for each in making:
                    self._add(each)
        except BaseException as fault:
            self._fault = fault
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _add(self, made: Made) -> None:
        with self._changed:
            if isinstance(made, TakePiece) and made.start_frame == 0:  # the pieces of others are in their takes
                self._made = [(number, each) for number, each in self._made if isinstance(each, MadeTake)]
            self._count += 1
            self._made.append((self._count, made))
            self._changed.notify_all()
