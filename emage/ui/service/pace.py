"""How long takes take, from those that were made last."""

from threading import Lock


class Pace:
    """Seconds of work for each frame, by weights and by whether a video is drawn. Safe between threads."""

    def __init__(self):
        self._lock = Lock()
        self._seconds: dict[tuple[str, bool], float] = {}

    def remember(self, weights: str, film: bool, frames: int, seconds: float) -> None:
        """Of a take that was made."""
        with self._lock:
            self._seconds[weights, film] = seconds / frames

    def estimate_s(self, weights: str, film: bool, frames: int) -> float | None:
        """For so many frames; None where no such take was made yet."""
        with self._lock:
            pace = self._seconds.get((weights, film))
        return None if pace is None else pace * frames
