"""The container of glTF 2.0 in one file: arrays go into a binary chunk, what they are into JSON.

Source: Khronos, glTF 2.0 specification, sections 3.6 (binary data) and 4 (GLB).
"""

import json
import struct
from typing import Any

import numpy as np

ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
"""What a graphics card uses an array for: vertices, and triangles."""

_MAGIC, _VERSION, _JSON, _BIN = 0x46546C67, 2, 0x4E4F534A, 0x004E4942
_COMPONENTS = {"u1": 5121, "u2": 5123, "u4": 5125, "f4": 5126}
_TYPES = {(): "SCALAR", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}


class GlbWriter:
    """Arrays as they are added, by the number of their accessor."""

    def __init__(self):
        self._bytes = bytearray()
        self._views: list[dict[str, Any]] = []
        self._accessors: list[dict[str, Any]] = []

    def add(self, array: np.ndarray, target: int | None = None, normalized: bool = False, bounds: bool = False) -> int:
        """An accessor of an array (N,), (N, 3), (N, 4) or (N, 4, 4) of uint8, uint16, uint32 or float32.

        target: ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, or None for what no graphics card reads. normalized: whole numbers
        stand for 0..1. bounds: store the least and the largest value, which positions and times must have.
        """
        accessor = {**_describe(array), "bufferView": self._view(array, target)}
        if normalized:
            accessor["normalized"] = True
        if bounds:
            accessor |= {"min": _plain(array.min(0)), "max": _plain(array.max(0))}
        return self._put(accessor)

    def add_sparse(self, count: int, places: np.ndarray, values: np.ndarray) -> int:
        """An accessor of `count` rows of three that are 0 but at `places` (n,), where they are `values` (n, 3)."""
        accessor = {**_describe(values), "count": count}
        low, high = (values.min(0), values.max(0)) if len(values) else (np.zeros(3), np.zeros(3))
        if len(values) < count:
            low, high = np.minimum(low, 0), np.maximum(high, 0)
        accessor |= {"min": _plain(low), "max": _plain(high)}
        if len(values):
            places = places.astype(np.uint16 if count <= 1 << 16 else np.uint32)
            indices = {"bufferView": self._view(places), "componentType": _COMPONENTS[places.dtype.str[1:]]}
            sparse = {"count": len(values), "indices": indices, "values": {"bufferView": self._view(values)}}
            accessor["sparse"] = sparse
        return self._put(accessor)

    def to_bytes(self, document: dict[str, Any]) -> bytes:
        """The file: `document` is all of its JSON but buffers, views and accessors."""
        document = {
            **document,
            "buffers": [{"byteLength": len(self._bytes)}],
            "bufferViews": self._views,
            "accessors": self._accessors,
        }
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), _JSON) + text + struct.pack("<II", len(self._bytes), _BIN) + self._bytes
        return struct.pack("<III", _MAGIC, _VERSION, 12 + len(chunks)) + chunks

    def _view(self, array: np.ndarray, target: int | None = None) -> int:
        content = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        view = {"buffer": 0, "byteOffset": len(self._bytes), "byteLength": len(content)}
        if target is not None:
            view["target"] = target
        self._bytes += content + b"\0" * (-len(content) % 4)
        self._views.append(view)
        return len(self._views) - 1

    def _put(self, accessor: dict[str, Any]) -> int:
        self._accessors.append(accessor)
        return len(self._accessors) - 1


def _describe(array: np.ndarray) -> dict[str, Any]:
    return {
        "componentType": _COMPONENTS[array.dtype.str[1:]],
        "count": len(array),
        "type": _TYPES[array.shape[1:]],
    }


def _plain(bound: np.ndarray) -> list[float]:
    return np.atleast_1d(bound).tolist()
