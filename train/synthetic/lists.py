"""Word lists in text files beside the code.

A line is a name, a colon and what belongs to it; lines that begin with spaces go on, `#` begins a remark.
"""

from pathlib import Path


def read_lists(name: str) -> dict[str, str]:
    """What belongs to each name in the file `name` of this folder, in its order."""
    text = Path(__file__).with_name(name).read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    entries = (line.partition(":") for line in "\n".join(lines).replace("\n ", " ").splitlines())
    return {name.strip(): content.strip() for name, _, content in entries}
