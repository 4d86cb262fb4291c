"""Every key that a component listens to is listed below it."""

import re
from pathlib import Path

import pytest

from emage.ui import components

FOLDER = Path(components.__file__).parent
NAMES = {
    " ": "Space", "ArrowLeft": "←", "ArrowRight": "→", "ArrowUp": "↑", "ArrowDown": "↓", "PageUp": "Page",
    "PageDown": "Page", "Delete": "Del", "Backspace": "Del", "Escape": "Esc", "-": "−", "=": "+",
}  # fmt: skip
"""How some are written for people."""


def read_keys(name: str) -> set[str]:
    """Those whose events the scripts of a component ask for, as people write them."""
    text = "\n".join(path.read_text("utf-8") for path in (FOLDER / name).glob("*.js"))
    keys = set(re.findall(r'\bkey === "([^"]+)"', text))
    for table in re.findall(r"\{([^{}]*)\}\[(?:event\.)?key\]|KEYS = \{([^{}]*)\}", text):
        keys |= {key.strip(' "') for key in re.findall(r'("?[\w[\]]+"?):', "".join(table))}
    return {key.upper() if len(key) == 1 and key.isalpha() else NAMES.get(key, key) for key in keys}


@pytest.mark.parametrize(("name", "some"), [("timeline", "L"), ("stage", "["), ("plots", "Page")])
def test_every_key_is_listed(name, some):
    keys = read_keys(name)
    assert some in keys
    assert {"Space", "Home", "End", "←", "→"} <= keys
    html = (FOLDER / name / f"{name}.html").read_text("utf-8")
    told = re.search(r'<details class="help">.*?</details>', html, re.S)[0]
    listed = {key.replace("-", "−") for key in re.findall(r"<kbd>([^<]+)</kbd>", told)}
    assert keys - listed == set()
