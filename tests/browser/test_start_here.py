"""The area explorer of lesson 00: what the page shades is what Python computes, and the two talk."""

import numpy as np
import pytest
from scipy.stats import norm

from vaecourse.widgets.start_here import AreaExplorer


def test_the_page_computes_the_same_area_and_height(node):
    rows = [(-1, 1, 0, 1), (-4, 4, 1.5, 0.1), (0.5, 0.5, 0, 1), (2, 3, -1, 0.4), (-4, 4, 0, 2)]
    code = """import { area, density } from "./start_here.js";
    answer(data.map(([low, high, m, s]) => [area(low, high, m, s), density(m, m, s)]));"""
    for (low, high, m, s), (area, height) in zip(rows, node(code, rows), strict=True):
        assert area == pytest.approx(norm(m, s).cdf(high) - norm(m, s).cdf(low), abs=1e-12)
        assert height == pytest.approx(norm(m, s).pdf(m), rel=1e-12)


def test_a_drag_moves_the_picture_and_python_hears_of_it_once(widget_page):
    opened = widget_page(AreaExplorer())
    slider = opened.view().locator("[data-handle]").nth(1)
    before = opened.view().locator("canvas").get_attribute("aria-label")
    box = slider.bounding_box()
    mouse, y = opened.page.mouse, box["y"] + box["height"] / 2

    def drag():
        mouse.move(box["x"] + 0.47 * box["width"], y)
        mouse.down()
        for step in range(12):
            mouse.move(box["x"] + (0.47 - 0.035 * step) * box["width"], y)
        mouse.up()

    assert opened.sent_at_rest(drag)["sd"] < 0.4
    said = opened.view().locator("canvas").get_attribute("aria-label")
    assert said != before and "height at the top" in said
    assert opened.errors == []


def test_the_ends_of_the_interval_never_cross(widget_page):
    opened = widget_page(AreaExplorer(low=-1, high=0))
    low = opened.view().locator("[data-handle]").nth(2)
    low.focus()
    for _ in range(8):
        low.press("Shift+ArrowRight")
    opened.page.wait_for_timeout(300)
    assert opened.get("low") == opened.get("high") == pytest.approx(3.0, abs=0.05)


def test_python_answers_and_the_page_shows_it(lab):
    cells = [
        "from vaecourse.widgets.start_here import AreaExplorer\nwidget = AreaExplorer()\nwidget",
    ]
    with lab.open(cells) as page:
        slider = page.locator("[data-handle]").nth(3)
        slider.focus()
        slider.press("Shift+ArrowRight")
        status = page.locator(".vc [role=status]")
        page.wait_for_function(
            "document.querySelector('.vc [role=status]').textContent.includes('Python heard you')"
        )
        high = float(page.execute("print(widget.high)"))
        assert f"{norm.cdf(high) - norm.cdf(-1):.3f}" in status.inner_text()
        assert page.errors == []


def test_clean_up_leaves_nothing(widget_page):
    opened = widget_page(AreaExplorer(), AreaExplorer())
    opened.clean_up(0)
    assert opened.view(0).count() == 0 and opened.view(1).locator("canvas").count() == 1
    opened.clean_up(1)
    assert opened.listeners() == []


def test_picture_and_sentence_and_bad_input():
    widget = AreaExplorer(mean=0.5, sd=0.2, low=0.3, high=0.7)
    assert widget.sentence().endswith("the area between 0.3 and 0.7 is 0.683.")
    assert "its height is 1.995" in widget.sentence()
    data, metadata = widget._repr_mimebundle_()
    assert data["text/plain"] == metadata["image/png"]["alt"] == widget.sentence()
    for arguments, sentence in [
        ({"sd": 0}, "sd must be above zero"),
        ({"low": 2, "high": 1}, "low is 2 and high is 1; an interval begins at its lower end"),
        ({"mean": np.nan}, "mean holds NaN"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            AreaExplorer(**arguments)
