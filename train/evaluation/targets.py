"""The bounds that scores are held against."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Target:
    """value: None where it could not be had, which is a miss. bound: in words."""

    name: str
    value: float | None
    bound: str
    passed: bool

    @classmethod
    def at_most(cls, name: str, value: float | None, limit: float) -> Self:
        return cls(name, value, f"at most {limit:g}", value is not None and value <= limit)

    @classmethod
    def at_least(cls, name: str, value: float | None, limit: float) -> Self:
        return cls(name, value, f"at least {limit:g}", value is not None and value >= limit)

    @classmethod
    def above(cls, name: str, value: float | None, limit: float) -> Self:
        return cls(name, value, f"above {limit:g}", value is not None and value > limit)

    @classmethod
    def within(cls, name: str, value: float | None, low: float, high: float) -> Self:
        return cls(name, value, f"{low:g} to {high:g}", value is not None and low <= value <= high)
