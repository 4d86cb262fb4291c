"""The files of the components: all are used, and none asks anything of the network."""

import re
from pathlib import Path

from emage.ui import components
from emage.ui.components.plots import Plots
from emage.ui.components.stage import Stage
from emage.ui.components.takes import TakeList
from emage.ui.components.timeline import Timeline
from emage.ui.components.visit import Visit

FOLDER = Path(components.__file__).parent
ALL = (Plots, Stage, TakeList, Timeline, Visit)


def test_every_script_is_of_a_component():
    used = {FOLDER / f"{script}.js" for component in ALL for script in component.SCRIPTS}
    assert used == set(FOLDER.glob("*/*.js"))


def test_no_file_names_an_address():
    files = [file for kind in ("js", "css", "html") for file in FOLDER.glob(f"*/*.{kind}")]
    assert len(files) > 20
    for file in files:
        text = re.sub(r"/\*.*?\*/|^\s*// .*$|\s// .*$", "", file.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
        text = re.sub(r"import\((three|controls|loader)\)", "", text)  # what npm installed, from our own server
        assert not re.search(r"//\S|@import|\bimport\b|url\(", text), file.name
