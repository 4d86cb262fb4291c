"""The page of a study of people's preferences, as one of them uses it."""

import json

import numpy as np
import pytest
from playwright.sync_api import expect
from pydantic_core import to_json

from emage.export.video import write_video
from train.evaluation.study.design import Segment, plan_study
from train.evaluation.study.scoring import read_answers
from train.evaluation.study.stimuli import page_of

LONG_MS = 120_000


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Of two systems, with films of 20 plain frames: one pair, and one attention check."""
    folder = tmp_path_factory.mktemp("study")
    design = plan_study(("ours", "theirs"), [Segment("clip", 0, 20)], "Which?", 2, screens=1, checks=1, seed=1)
    (folder / "stimuli").mkdir()
    for number, each in enumerate(design.stimuli):
        frames = (np.full((64, 64, 3), 40 + 3 * i + 60 * number, np.uint8) for i in range(20))
        write_video(folder / "stimuli" / each.file, frames, width=64, height=64, fps=30, num_frames=20)
    (folder / "index.html").write_text(page_of(design))
    (folder / "key.json").write_bytes(to_json(design))
    return folder, design


def watch(page) -> None:
    expect(page.get_by_label("No difference")).to_be_disabled()
    page.click("#play")
    expect(page.get_by_label("No difference")).to_be_enabled(timeout=LONG_MS)
    expect(page.locator("#next")).to_be_disabled()


def test_answers_are_given_kept_and_saved(study, browser, tmp_path):
    folder, design = study
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(LONG_MS)
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto((folder / "index.html").as_uri())
    page.click("#begin")
    expect(page.get_by_role("alert")).to_have_text("Please give the number that you were told, from 1 to 2.")
    page.goto(f"{(folder / 'index.html').as_uri()}?participant=2")
    page.click("#begin")
    expect(page.locator("#progress")).to_have_text("Pair 1 of 2")
    watch(page)
    page.get_by_label("Right is slightly better").check()
    page.click("#next")
    expect(page.locator("#progress")).to_have_text("Pair 2 of 2")
    page.reload()
    page.click("#begin")
    expect(page.locator("#progress")).to_have_text("Pair 2 of 2")  # the first answer is there still
    page.evaluate(
        """() => { const message = document.getElementById("message");
        new MutationObserver(() => { if (!message.hidden) window.told = message.textContent; })
            .observe(message, { attributes: true }); }"""
    )
    watch(page)
    side = design.plans[1][1].check
    assert page.evaluate("window.told") == f"Attention: please choose “{side.title()} is much better”."
    page.get_by_label(f"{side.title()} is much better").check()
    page.click("#next")
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(tmp_path / "answers.json")
    context.close()
    assert not faults
    found = read_answers(tmp_path / "answers.json", design)
    assert (found.participant, [answer.choice for answer in found.answers]) == (2, [1, {"left": -2, "right": 2}[side]])
    assert [answer.screen for answer in found.answers] == [screen.id for screen in design.plans[1]]
    assert json.loads((tmp_path / "answers.json").read_text())["study"] == design.id
