"""One value for each of the four network parts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from emage.motion.skeleton import NETWORK_PARTS

Value = TypeVar("Value")
Other = TypeVar("Other")


@dataclass(frozen=True)
class Parts(Generic[Value]):
    """Something for the face, the upper body, the hands and the lower body with its translation."""

    face: Value
    upper: Value
    hands: Value
    lower: Value

    @classmethod
    def of(cls, make: Callable[[str], Value]) -> "Parts[Value]":
        """Each part's value from its name."""
        return cls(*(make(part) for part in NETWORK_PARTS))

    def __getitem__(self, part: str) -> Value:
        return getattr(self, part)

    def __iter__(self) -> Iterator[Value]:
        return (self[part] for part in NETWORK_PARTS)

    def map(self, function: Callable[[Value], Other]) -> "Parts[Other]":
        return Parts.of(lambda part: function(self[part]))
