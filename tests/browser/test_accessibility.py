"""axe-core, over the page with a take, hints and everything unfolded, in light and dark."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from emage.ui import web
from tests.browser.page import generate, open_page, paint, upload

AXE = Path(web.__file__).parent / "node_modules/axe-core/axe.min.js"
# The name of the speed button of Gradio's own player is Gradio's: "Adjust playback speed to 1.5x", with "1x" on it.
_SERIOUS = """async () => {
  const { violations } = await axe.run({ exclude: [".playback"] }, { resultTypes: ["violations"] });
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  return serious.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target.flat().join(" ")}: ${failureSummary}`));
}"""
_UNFOLD = """() => {
  for (const each of document.querySelectorAll("details")) each.open = true;
  for (const each of document.querySelectorAll("#desk .label-wrap:not(.open)")) each.click();
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(browser, app, short_talk, scheme):
    context = browser.new_context(
        viewport={"width": 1400, "height": 1000}, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True
    )
    with open_page(context, app.url) as page:
        upload(page, short_talk)
        paint(page, "upper", 0.1, 0.4)
        generate(page, 1)
        expect(page.locator("#result-stage section")).not_to_have_class("is-empty")
        page.mouse.move(5, 5)  # what is pressed and what is not have one colour
        page.evaluate(_UNFOLD)
        page.add_script_tag(path=AXE)
        expect(page.locator("#plan-table")).to_be_visible()
        assert page.evaluate(_SERIOUS) == []
    context.close()
