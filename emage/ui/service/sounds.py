"""The recordings that compared takes are of, each by a name of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from emage.batch import make_unlike
from emage.generation.take import Take
from emage.recording.audio import frame_to_second
from emage.recording.recording import Recording


@dataclass(frozen=True, eq=False)
class NamedRecording:
    """A part of a recording, and a name that no other of the takes' recordings has."""

    name: str
    recording: Recording


def list_recordings(takes: Sequence[Take]) -> list[NamedRecording]:
    """What is to be heard of takes with recordings, in their order: each part of each recording once."""
    named: list[NamedRecording] = []
    for recording in (take.recording for take in takes):
        if any(_is_same_part(each.recording, recording) for each in named):
            continue
        name = recording.name
        if any(_is_same(each.recording, recording) for each in named):
            name += f", {frame_to_second(recording.start_frame):.1f} to {frame_to_second(recording.end_frame):.1f} s"
        named.append(NamedRecording(make_unlike(name, {each.name for each in named}.__contains__), recording))
    return named


def caption_by_recording(take: Take, recordings: Sequence[NamedRecording]) -> Take:
    """A take whose caption tells which recording it is of, where there are several."""
    if len(recordings) < 2 or take.recording is None:
        return take
    name = next(each.name for each in recordings if _is_same_part(each.recording, take.recording))
    return replace(take, caption=" · ".join(filter(None, [take.caption, name])))


def _is_same(one: Recording, other: Recording) -> bool:
    return one is other if one.file is None else one.file == other.file


def _is_same_part(one: Recording, other: Recording) -> bool:
    return _is_same(one, other) and (one.start_frame, one.end_frame) == (other.start_frame, other.end_frame)
