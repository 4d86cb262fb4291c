"""Whose body it is."""

from emage.body.model import Body, load_body

__all__ = ["Body", "load_body"]
