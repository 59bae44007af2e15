"""A derivation under the hand: the numbers follow the slider, equal lines stay equal, and a slip betrays itself."""

import numpy as np
import pytest

from vaecourse import derivation
from vaecourse.chains import kl_divergence as chains
from vaecourse.chains import variational_inference
from vaecourse.widgets.derivation import LiveDerivation


def numbers(view) -> list[float]:
    texts = view.locator("td.vc-number").evaluate_all("cells => cells.map(cell => cell.firstChild.data)")
    return [float(text.replace("−", "-")) for text in texts]


def put(view, slider: int, position: int) -> None:
    """Move a slider as the keyboard does: to the low end, then step by step."""
    handle = view.locator("[data-handle]").nth(slider)
    handle.focus()
    handle.press("Home")
    for _ in range(position):
        handle.press("ArrowRight")


@pytest.mark.parametrize(
    "chain", [chains.GIBBS, chains.GAUSSIAN, variational_inference.EVIDENCE_BAYES], ids=lambda c: c.name
)
def test_the_lines_show_what_python_computes(widget_page, chain):
    names = tuple(parameter.name for parameter in chain.parameters[:2])
    table = derivation.tabulate(chain, names)
    opened = widget_page(LiveDerivation(chain, names))
    for i, j in [(0, 0), (5, 2), (len(table.axes[0]) - 1, 3)]:
        put(opened.view(), 0, i)
        put(opened.view(), 1, j)
        opened.page.wait_for_timeout(60)
        np.testing.assert_allclose(numbers(opened.view()), table.lines[:, i, j], atol=6e-7)
    assert opened.errors == []


def test_a_drag_with_the_pointer_moves_every_number_and_python_hears_of_it_once_it_rests(widget_page):
    opened = widget_page(LiveDerivation(chains.GIBBS))
    before = numbers(opened.view())
    box = opened.view().locator("[data-handle]").nth(1).bounding_box()
    mouse, y = opened.page.mouse, box["y"] + box["height"] / 2

    def drag():
        mouse.move(box["x"] + 0.2 * box["width"], y)
        mouse.down()
        for step in range(1, 21):
            mouse.move(box["x"] + (0.2 + 0.03 * step) * box["width"], y)
        mouse.up()

    sent = opened.sent_at_rest(drag)
    after = numbers(opened.view())
    assert after[0] != before[0] and after[0] == after[1]
    assert sent["position"]["six_q"] > 0.7


def test_the_slip_shows_itself_as_soon_as_the_mean_of_p_leaves_zero(widget_page):
    opened = widget_page(LiveDerivation(chains.BROKEN, ("mean_p", "mean_q", "sd_q")))
    marked = opened.view().locator("td.vc-number[data-holds=false]")
    assert marked.count() == 0
    put(opened.view(), 0, 1)
    opened.page.wait_for_timeout(250)
    assert marked.count() == 1
    row = opened.view().locator("tbody tr").nth(derivation.broken_steps(chains.BROKEN)[0] - 1)
    assert row.locator("td.vc-number[data-holds=false]").count() == 1
    assert "Line 9 does not follow" in opened.view().locator("[role=status]").inner_text()


def test_without_marks_the_number_speaks_for_itself(widget_page):
    opened = widget_page(LiveDerivation(chains.BROKEN, ("mean_p", "mean_q"), marks=False))
    put(opened.view(), 0, 1)
    opened.page.wait_for_timeout(250)
    shown = numbers(opened.view())
    assert shown[7] != shown[8] and shown[6] == shown[7]
    assert opened.view().locator("[data-holds]").count() == 0
    assert "Line" not in opened.view().locator("[role=status]").inner_text()


def test_the_bar_keeps_its_length_while_q_moves(widget_page):
    opened = widget_page(LiveDerivation(variational_inference.EVIDENCE_BAYES, ("m", "s")))
    ends = set()
    for position in (0, 10, 25):
        put(opened.view(), 0, position)
        opened.page.wait_for_timeout(60)
        last = opened.view().locator(".vc-stack div").nth(1).bounding_box()
        ends.add(round(last["x"] + last["width"]))
    assert len(ends) == 1


def test_the_keys_do_not_reach_the_notebook_and_nothing_is_left_behind(widget_page):
    opened = widget_page(LiveDerivation(chains.GIBBS), LiveDerivation(chains.JENSEN))
    opened.page.evaluate(
        "document.addEventListener('keydown', () => { window.heard = (window.heard ?? 0) + 1; })"
    )
    put(opened.view(0), 0, 3)
    assert opened.page.evaluate("window.heard ?? 0") == 0
    opened.clean_up(0)
    assert opened.view(0).count() == 0 and opened.view(1).locator("tr").count() > 3
    assert opened.listeners() == [] and opened.errors == []


def test_without_javascript_the_chain_is_latex_and_text():
    widget = LiveDerivation(chains.GIBBS)
    data, _ = widget._repr_mimebundle_()
    assert r"\sum_i p_i \ln\frac{p_i}{q_i}" in data["text/latex"] and "-0.223144" in data["text/latex"]
    assert data["text/latex"].startswith(f"{chains.GIBBS.title}. {chains.GIBBS.setting}\n\n$$")
    assert data["text/plain"].startswith(
        f"KL(p‖q) ≥ 0, because ln t ≤ t − 1\n{chains.GIBBS.setting}\nat six_p = 0.5, six_q = 0.2\n1.   -0.223144"
    )


def test_a_derivation_without_numbers_has_no_sliders(widget_page):
    widget = LiveDerivation(chains.BROKEN, numbers=False)
    opened = widget_page(widget)
    assert opened.view().locator("[data-handle], td.vc-number").count() == 0
    assert "0.44" not in widget.sentence()
