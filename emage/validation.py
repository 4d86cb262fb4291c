"""Values from outside, checked by pydantic, strictly; and its errors in the project's own sentences.

A class of settings is a frozen dataclass that checks itself however it is made: by a call, from JSON or by a command
line.
"""

import functools
import json
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any, TypeVar, dataclass_transform

import pydantic
from pydantic.dataclasses import dataclass as pydantic_dataclass

from emage.errors import EmageError

Kind = TypeVar("Kind")

STRICT = pydantic.ConfigDict(
    strict=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True, revalidate_instances="always"
)

_LONGEST_VALUE = 60


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
            try:
                check(self, *arguments, **named)
            except pydantic.ValidationError as fault:
                raise error(say(fault, what, made)) from fault

        made.__init__ = __init__
        return made

    return decorate


def build(kind: type[Kind], value: Any, error: type[EmageError], what: str) -> Kind:
    """A value of `kind`, a class of settings or another type, from JSON: its text, or what it holds.

    Fields of a class that are not there have their defaults.

    Raises:
        error: no JSON, unknown or missing fields, values of another kind or out of range; the sentence begins with
            `what`.
    """
    if not isinstance(value, str | bytes):
        try:
            value = json.dumps(value)
        except (TypeError, ValueError, RecursionError) as fault:
            raise error(f"{what} cannot be written as JSON ({fault}).") from fault
    try:
        return pydantic.TypeAdapter(kind).validate_json(value)
    except pydantic.ValidationError as fault:
        raise error(say(fault, what, kind)) from fault


def say(fault: pydantic.ValidationError, what: str = "", kind: type | None = None) -> str:
    """The first of pydantic's errors as a sentence that names the field, its value and what it must be."""
    errors = fault.errors(include_url=False)
    first = next(
        (each for each in errors if each["type"] in ("extra_forbidden", "unexpected_keyword_argument")), errors[0]
    )
    steps = list(first["loc"])
    if steps and is_dataclass(kind) and isinstance(steps[0], int):  # an argument without its name
        steps[0] = list(kind.__dataclass_fields__)[steps[0]]
    place = ".".join(str(step) for step in steps if not isinstance(step, str) or "[" not in step)
    subject = " ".join(filter(None, (what, place))) or "The value"
    details, type_ = first.get("ctx", {}), first["type"]
    if type_ in ("extra_forbidden", "unexpected_keyword_argument"):
        known = f"; known are {', '.join(sorted(kind.__dataclass_fields__))}" if is_dataclass(kind) else ""
        return f"{what or 'This'} has no field {place}{known}."
    if type_ in ("missing", "missing_argument"):
        return f"{what or 'This'} lacks {place}."
    if type_ == "json_invalid":
        return f"{what or 'This'} is not JSON that can be read ({details['error']})."
    if type_ == "value_error":
        return str(details["error"])
    must = {
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
    }.get(type_)
    if must is None:
        must = {
            "greater_than_equal": lambda: f"{details['ge']} or more",
            "greater_than": lambda: f"more than {details['gt']}",
            "less_than_equal": lambda: f"{details['le']} at most",
            "less_than": lambda: f"less than {details['lt']}",
            "literal_error": lambda: f"one of {details['expected']}",
            "too_short": lambda: f"a list of {details['min_length']} or more",
            "too_long": lambda: f"at most {details['max_length']} long",
            "string_too_short": lambda: f"text of {details['min_length']} characters or more",
            "string_too_long": lambda: f"text of at most {details['max_length']} characters",
        }.get(type_, lambda: first["msg"].removeprefix("Input should be "))()
    return f"{subject} is {repr(first['input'])[:_LONGEST_VALUE]}; it must be {must}."
