"""Values from outside, checked by pydantic, strictly; and its errors in the project's own sentences.

A class of settings is a frozen dataclass that checks itself however it is made: by a call, from JSON or by a command
line.
"""

import functools
import json
import re
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any, TypeVar, dataclass_transform

import numpy as np
import pydantic
from pydantic.dataclasses import dataclass as pydantic_dataclass

from emage.errors import EmageError

Kind = TypeVar("Kind")

STRICT = pydantic.ConfigDict(
    strict=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True, revalidate_instances="always"
)

MAX_JSON_VALUES = 200_000
"""More make no plan, settings or session of a person's."""

_LONGEST_VALUE = 60
_JSON_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)


@dataclass_transform(frozen_default=True)
def checked(error: type[EmageError], what: str = "") -> Callable[[type[Kind]], type[Kind]]:
    """Make a frozen dataclass whose fields are checked when it is made.

    Args:
        error: raised for a value of another kind or out of range, with a sentence that names the field.
        what: the beginning of that sentence, such as "The span"; empty where the field's name says enough.
    """

    def decorate(cls: type[Kind]) -> type[Kind]:
        made = pydantic_dataclass(cls, frozen=True, config=STRICT)
        check = made.__init__

        @functools.wraps(check)
        def __init__(self, *arguments, **named):
            arguments, named = map(_plain, arguments), {name: _plain(value) for name, value in named.items()}
            try:
                check(self, *arguments, **named)
            except pydantic.ValidationError as fault:
                raise error(say(fault, what, made)) from fault

        made.__init__ = __init__
        return made

    return decorate


def _plain(value: Any) -> Any:
    """A number of numpy as Python's own, which alone is strictly a number."""
    return value.item() if isinstance(value, np.generic) else value


def build(kind: type[Kind], value: Any, error: type[EmageError], what: str, max_values: int = MAX_JSON_VALUES) -> Kind:
    """A value of `kind`, a class of settings or another type, from JSON: its text, or what it holds.

    Fields of a class that are not there have their defaults.

    Raises:
        error: no JSON, more than `max_values` in it, unknown or missing fields, values of another kind or out of range;
            the sentence begins with `what`.
    """
    if not isinstance(value, str | bytes):
        try:
            value = json.dumps(value)
        except (TypeError, ValueError, RecursionError) as fault:
            raise error(f"{what} cannot be written as JSON ({fault}).") from fault
    # Each could become an error that is kept with all the others.
    if _count_values(value, max_values) > max_values:
        raise error(f"{what} holds more than {max_values:,} values; no more are read.")
    try:
        return pydantic.TypeAdapter(kind).validate_json(value)
    except pydantic.ValidationError as fault:
        raise error(say(fault, what, kind)) from fault


def _count_values(text: str | bytes, enough: int) -> int:
    """How many values a JSON text has, or more, where they are not more than `enough`."""
    text = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    count = text.count(b",") + 1
    return count if count <= enough else _JSON_TEXT.sub(b"", text).count(b",") + 1


def say(fault: pydantic.ValidationError, what: str = "", kind: type | None = None) -> str:
    """The first of pydantic's errors as a sentence that names the field, its value and what it must be.

    what: whose fields they are, such as "The plan". kind: the class that was to be made.
    """
    errors = fault.errors(include_url=False)
    first = next((each for each in errors if each["type"] in _UNKNOWN), errors[0])
    type_, details = first["type"], first.get("ctx", {})
    if type_ == "value_error":
        return str(details["error"])
    steps = _name_steps(first["loc"], kind)
    if type_ in _UNKNOWN and "[" in str(first["loc"][-1]):  # it is called as no field is
        steps.append(_shorten(repr(first["loc"][-1])))
    *holder, name = steps or [""]
    within = "".join(f" of {step}" for step in reversed(holder))
    owner = what.removesuffix("'s").removesuffix(":") or "The value"
    if type_ == "json_invalid":
        return f"{owner} is not JSON that can be read ({details['error']})."
    if type_ in _UNKNOWN:
        known = (
            f"; known are {', '.join(sorted(kind.__dataclass_fields__))}" if is_dataclass(kind) and not holder else ""
        )
        return f"{f'{owner}: there' if what else 'There'} is no field {name}{within}{known}."
    if type_ in ("missing", "missing_argument"):
        return f"{owner}: the field {name}{within} is missing."
    if not name:
        subject = owner
    elif what.endswith(("'s", ":")) or not what:
        subject = f"{what} {name}{within}".lstrip()
    else:
        subject = f"{what}: {name}{within}"
    if type_ in ("too_long", "too_short"):
        limit = f"{details['max_length']} at most" if type_ == "too_long" else f"{details['min_length']} or more"
        return f"{subject} has {details['actual_length']} entries; it must have {limit}."
    return f"{subject} is {_shorten(repr(first['input']))}; it must be {_demand(first)}."


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_DEMANDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "dataclass_type": "an object",
    "greater_than_equal": "{ge} or more",
    "greater_than": "more than {gt}",
    "less_than_equal": "{le} at most",
    "less_than": "less than {lt}",
    "literal_error": "{expected}",
    "string_too_short": "text of {min_length} or more characters",
    "string_too_long": "text of {max_length} characters at most",
}


def _demand(error: dict[str, Any]) -> str:
    """What a value must be."""
    if error["type"] not in _DEMANDS:
        return error["msg"].removeprefix("Input should be ")
    numbers = {
        name: f"{limit:,.10g}" if isinstance(limit, float) else f"{limit:,}" if isinstance(limit, int) else limit
        for name, limit in error.get("ctx", {}).items()
    }
    return _DEMANDS[error["type"]].format(**numbers)


def _name_steps(place: tuple[int | str, ...], kind: type | None) -> list[str]:
    """Each step to a field by a name for people, entries of a list counted from 1: spans, 1, part -> span 2, part."""
    names: list[str] = []
    for depth, step in enumerate(place):
        if isinstance(step, str):
            if "[" not in step:  # else it tells which kind of a union was tried
                names.append(_shorten(step))
        elif depth == 0 and is_dataclass(kind):  # an argument by its position
            names.append(list(kind.__dataclass_fields__)[step])
        elif names and str(place[depth - 1]).endswith("s"):
            names[-1] = f"{names[-1].removesuffix('s')} {step + 1}"
        else:
            names.append(f"entry {step + 1}")
    return names
