"""The ELBO widget in a real browser: the bar of fixed height, the climb, pointer, keyboard, what Python hears."""

import numpy as np
import pytest

from vaecourse import one_latent as ol
from vaecourse.widgets.variational_inference import ELBOExplorer

from .hand import centre, cut_off, press

REST = 400  # ms: for a kernel, and while it plays
HASH = """canvas => { const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
let hash = 2166136261; for (const byte of data) hash = Math.imul(hash ^ byte, 16777619) >>> 0; return hash; }"""
# The bar as it is painted, in the middle of its left half: rows of the dark top, of hatched vermilion, of flat blue.
COLUMN = """canvas => { const { width, height } = canvas, ratio = width / parseFloat(canvas.style.width), at = Math.round(59 * ratio);
const pixels = canvas.getContext("2d").getImageData(at, 0, 1, height).data, found = { dark: [], red: [], blue: [] };
for (let y = 0; y < height; y++) { const [r, g, b] = pixels.slice(4 * y, 4 * y + 3);
  if (r + g + b < 200) found.dark.push(y / ratio);
  else if (r > b + 20) found.red.push(y / ratio);
  else if (b > r + 40) found.blue.push(y / ratio); }
return found; }"""
PARTS = {
    "evidence": "log_evidence", "elbo": "elbo", "gap": "gap", "joint": "log_joint", "entropy": "entropy",
    "reconstruction": "reconstruction", "prior": "kl_to_prior", "first": "elbo", "second": "elbo",
}  # fmt: skip


def _rest(opened) -> None:
    """Wait until the view has told Python (120 ms after the last movement) and has painted, however slow the machine."""
    opened.page.evaluate(
        "() => new Promise(done => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 150))"
    )


def _drag(opened, handle: str, dx: float, dy: float = 0, steps: int = 12, index: int = 0) -> None:
    x, y = centre(opened.view(index).locator(f"[data-handle={handle}]"))
    opened.page.mouse.move(x, y)
    opened.page.mouse.down()
    opened.page.mouse.move(x + dx, y + dy, steps=steps)
    opened.page.mouse.up()


def _choose(opened, group: str, value: str) -> None:
    opened.view().locator(f"[aria-label='{group}'] [data-value={value}]").click()
    _rest(opened)


def _number(opened, key: str, index: int = 0) -> float:
    text = opened.view(index).locator(f"[data-readout={key}]").inner_text()
    return float(text.split()[-1].replace("−", "-"))


def _bar(opened) -> dict:
    return opened.view().locator("[data-picture=bar]").evaluate(COLUMN)


def _shows(opened, index: int = 0) -> ol.Terms:
    """The numbers in the view are those that Python computes for what the browser's model holds; return them."""
    _rest(opened)
    terms = ELBOExplorer(*(opened.get(name, index) for name in ("model", "x", "m", "s"))).terms()
    for key, name in PARTS.items():
        assert _number(opened, key, index) == pytest.approx(getattr(terms, name), abs=6e-4), key
    return terms


def _play(opened) -> None:
    press(opened, "play")
    opened.page.wait_for_function(
        "document.querySelector('[role=status]').textContent.match(/No small step|for ever/)", timeout=40_000
    )


@pytest.mark.parametrize("model", ol.MODELS)
def test_the_numbers_are_those_of_python_and_the_sums_hold(widget_page, model):
    opened = widget_page(ELBOExplorer(model))
    _shows(opened)
    assert _number(opened, "elbo") + _number(opened, "gap") == pytest.approx(
        _number(opened, "evidence"), abs=2e-3
    )
    for key, dx in (("m", 90), ("sd", -20), ("m", -35)):
        _drag(opened, key, dx)
        _shows(opened)
    assert opened.errors == []


def test_dragging_q_moves_the_divider_and_never_the_top(widget_page):
    opened = widget_page(ELBOExplorer("line", m=0.0, s=-1.0))
    _rest(opened)
    before, told = _bar(opened), _number(opened, "evidence")
    dividers = [before["blue"][0]]
    for handle, dx in (("m", 25), ("sd", -15), ("m", 20), ("sd", 40)):
        _drag(opened, handle, dx)
        terms = _shows(opened)
        now = _bar(opened)
        assert now["dark"][0] == before["dark"][0] and _number(opened, "evidence") == told
        # 290 pixels for 10 nats: the divider stands at the ELBO, KL fills what is above it
        divider = 350 - 34 - 29 * (terms.elbo + 10)
        assert now["blue"][0] == pytest.approx(divider, abs=2)
        assert now["dark"][0] == pytest.approx(316 - 29 * (terms.log_evidence + 10), abs=2)
        assert not now["red"] or now["red"][-1] < now["blue"][0]
        assert len(now["red"]) == pytest.approx(29 * terms.gap, abs=6)
        dividers.append(now["blue"][0])
    assert len({round(each) for each in dividers}) >= 4
    slider = opened.view().locator("input[data-handle=slider]:visible")
    slider.focus()
    opened.page.keyboard.press("Shift+ArrowRight")
    _shows(opened)
    assert _bar(opened)["dark"][0] > before["dark"][0] + 2 and _number(opened, "evidence") < told
    assert opened.get("x") == pytest.approx(2.5)


def test_q_follows_the_hand(widget_page):
    opened = widget_page(ELBOExplorer("square", m=-1.0, s=-1.0))
    _rest(opened)
    for handle, dx in (("m", 60), ("sd", 30)):
        before = centre(opened.view().locator(f"[data-handle={handle}]"))
        m, s = opened.get("m"), opened.get("s")
        _drag(opened, handle, dx, 40)
        _rest(opened)
        assert centre(opened.view().locator(f"[data-handle={handle}]"))[0] == pytest.approx(
            before[0] + dx, abs=1.5
        )
        scale = 8 / (opened.view().locator("[data-picture=densities]").bounding_box()["width"] - 54)
        moved = opened.get("m") - m if handle == "m" else np.exp(opened.get("s") / 2) - np.exp(s / 2)
        assert moved == pytest.approx(dx * scale, abs=0.03)
        assert (opened.get("s") == s) if handle == "m" else (opened.get("m") == m)
    x, y = centre(opened.view().locator("[data-handle=m]"))
    opened.page.mouse.click(x - 50, y + 5)  # a press beside it brings the nearest handle
    _rest(opened)
    assert centre(opened.view().locator("[data-handle=m]"))[0] == pytest.approx(x - 50, abs=1.5)
    assert opened.errors == []


def test_q_stays_in_the_picture_and_its_handles_apart(widget_page):
    opened = widget_page(ELBOExplorer())
    picture = opened.view().locator("[data-picture=densities]").bounding_box()
    for handle, dx in (("m", 3000), ("sd", 3000), ("sd", -3000), ("m", -3000)):
        _drag(opened, handle, dx, -900)
        terms = _shows(opened)
        assert np.isfinite(terms.elbo) and abs(opened.get("m")) <= 4 and -14 <= opened.get("s") <= 2
        places = [centre(opened.view().locator(f"[data-handle={each}]")) for each in ("m", "sd")]
        for x, y in places:
            assert picture["x"] <= x <= picture["x"] + picture["width"]
            assert picture["y"] <= y <= picture["y"] + picture["height"]
        assert np.hypot(*np.subtract(*places)) > 26
    assert opened.get("s") == -14 and opened.errors == []


def test_the_climb_on_the_elbo_closes_the_gap(widget_page):
    opened = widget_page(ELBOExplorer("line"))
    press(opened, "step", "step")
    _rest(opened)
    path = ol.climb(ol.LINE, 2.0, -0.5, -1.0, steps=2)
    assert (opened.get("m"), opened.get("s")) == pytest.approx((path.m[-1], path.s[-1]), abs=1e-9)
    saved = len(opened.saved())
    _play(opened)
    terms = _shows(opened)
    assert len(opened.saved()) == saved + 1  # while it plays, Python is left in peace
    assert terms.gap < 1e-5 and opened.get("m") == pytest.approx(0.8, abs=1e-2)
    assert _number(opened, "objective") == _number(opened, "elbo")
    steps = int(_number(opened, "steps"))
    assert 20 < steps < 120 and f"After {steps} steps" in opened.view().locator("[role=status]").inner_text()
    press(opened, "rewind")
    _rest(opened)
    assert (opened.get("m"), opened.get("s")) == (-0.5, -1.0) and _number(opened, "steps") == 0
    assert opened.view().locator("[data-action=rewind]").is_disabled() and opened.errors == []


@pytest.mark.parametrize("model", ["line", "square"])
def test_without_the_entropy_q_collapses_while_its_objective_rises(widget_page, model):
    opened = widget_page(ELBOExplorer(model))
    _choose(opened, "What q climbs on", "joint")
    assert opened.get("entropy") is False
    before, objective = _shows(opened), _number(opened, "objective")
    _play(opened)
    after = _shows(opened)
    assert opened.get("s") == -14
    assert _number(opened, "objective") == pytest.approx(after.log_joint, abs=6e-4)
    assert _number(opened, "objective") > objective + 2  # its own number rises ...
    assert after.elbo < before.elbo - 1 and after.gap > before.gap + 1  # ... and the divider sinks
    status = opened.view().locator("[role=status]").inner_text()
    assert f"KL from {before.gap:.2f} to {after.gap:.2f}" in status and "to 0.0009" in status
    assert "for ever" in status and opened.errors == []


def test_the_path_is_drawn_and_play_can_be_paused(widget_page):
    opened = widget_page(ELBOExplorer("line"))
    _rest(opened)
    picture = opened.view().locator("[data-picture=bar]")
    seen = {picture.evaluate(HASH)}
    play = opened.view().locator("[data-action=play]")
    play.click()
    opened.page.wait_for_function(
        "Number(document.querySelector('[data-readout=steps]').textContent.slice(5)) >= 3"
    )
    assert "pause" in play.inner_text() and opened.saved() == []
    play.click()
    _rest(opened)
    steps = _number(opened, "steps")
    seen.add(picture.evaluate(HASH))
    opened.page.wait_for_timeout(REST)
    assert _number(opened, "steps") == steps and len(opened.saved()) == 1 and "play" in play.inner_text()
    play.click()
    opened.page.wait_for_timeout(REST)
    _drag(opened, "m", -40)  # the hand ends play, and a new path begins
    _rest(opened)
    seen.add(picture.evaluate(HASH))
    assert _number(opened, "steps") == 0 and "play" in play.inner_text() and len(seen) == 3


def test_a_climb_from_the_top_says_that_there_is_nothing_higher(widget_page):
    opened = widget_page(ELBOExplorer("line", m=0.8, s=float(np.log(0.2))))
    press(opened, "step")
    _rest(opened)
    assert "No small step leads higher" in opened.view().locator("[role=status]").inner_text()
    assert opened.get("m") == pytest.approx(0.8, abs=1e-6)


def test_the_models_change_with_x_and_back(widget_page):
    opened = widget_page(ELBOExplorer("line", x=3.0))
    slider = opened.view().locator("input[data-handle=slider]:visible")
    for name in ("square", "coin", "line"):
        _choose(opened, "Model", name)
        model = ol.MODELS[name]
        assert (opened.get("model"), opened.get("x")) == (name, model.x_default)
        _shows(opened)
        low, high = (float(slider.get_attribute(each)) for each in ("min", "max"))
        assert slider.count() == 1 and (low, high) == (model.x_low, model.x_high)
        slider.focus()
        for key, to in (("Home", model.x_low), ("End", model.x_high)):
            opened.page.keyboard.press(key)
            _shows(opened)
            assert opened.get("x") == pytest.approx(to)
    _choose(opened, "Model", "coin")
    slider.focus()
    for key, x in (("ArrowLeft", 8), ("Shift+ArrowLeft", 3), ("ArrowUp", 4)):
        opened.page.keyboard.press(key)
        _shows(opened)
        assert opened.get("x") == x
    assert opened.errors == []


def test_python_hears_only_after_the_hand_has_rested(widget_page):
    opened = widget_page(ELBOExplorer())
    sent = opened.sent_at_rest(lambda: _drag(opened, "m", 150, steps=60), REST)
    assert set(sent) == {"m"}


def test_python_can_set_everything(widget_page):
    opened = widget_page(ELBOExplorer())
    for name, value in (("m", 1.5), ("s", -2.5), ("entropy", False), ("x", 3.0), ("model", "square")):
        opened.receive(name, value)
        _shows(opened)
    opened.receive("model", "coin")
    opened.receive("x", 10)
    _shows(opened)
    assert opened.saved() == [] and opened.errors == []
    hills = opened.view().locator("[aria-label='What q climbs on'] [aria-pressed=true]")
    assert hills.inner_text() == "without the entropy of q"


def test_the_keyboard_moves_q_and_the_notebook_does_not_see_the_keys(widget_page):
    opened = widget_page(ELBOExplorer("coin", m=0.0, s=-1.0))
    opened.page.evaluate(
        "() => { window.seen = []; document.body.addEventListener('keydown', e => seen.push(e.key)); }"
    )
    for handle, trait in (("m", "m"), ("sd", "s")):
        opened.view().locator(f"[data-handle={handle}]").focus()
        values = [opened.get(trait)]
        for key in ("ArrowRight", "Shift+ArrowRight", "ArrowDown", "Shift+ArrowLeft"):
            opened.page.keyboard.press(key)
            _rest(opened)
            values.append(opened.get(trait))
        small, large, back, far = np.diff(values)
        assert small > 0 and back == pytest.approx(-small)
        assert large == pytest.approx(10 * small) and far == pytest.approx(-large)
    assert set(opened.page.evaluate("seen")) <= {"Shift"}


def test_it_is_told_to_a_screen_reader(widget_page):
    opened = widget_page(ELBOExplorer("square"))
    terms = _shows(opened)
    labels = [each.get_attribute("aria-label") for each in opened.view().locator("canvas[role=img]").all()]
    assert "two peaks" in labels[0] and "mean −0.50" in labels[0]
    assert f"KL(q‖p(z|x)), {terms.gap:.3f}" in labels[1]
    status = opened.view().locator("[role=status]").inner_text().replace("−", "-")
    assert status == f"ln p(x) = {terms.log_evidence:.3f} = ELBO {terms.elbo:.3f} + KL {terms.gap:.3f}."
    for slider in opened.view().locator("[role=slider]").all():
        least, value, most = (
            float(slider.get_attribute(f"aria-value{each}")) for each in ("min", "now", "max")
        )
        assert least <= value <= most and slider.get_attribute("aria-label") in (
            "Mean of q", "Standard deviation of q",
        )  # fmt: skip
    for each in opened.view().locator("input:visible").all():
        assert each.get_attribute("aria-label").startswith("x, ")


def test_two_widgets_keep_apart_and_leave_nothing_behind(widget_page):
    opened = widget_page(ELBOExplorer(), ELBOExplorer("coin"), ELBOExplorer("square"))
    press(opened, "step", index=0)
    _rest(opened)
    assert opened.saved(1) == [] and opened.get("m", 1) == -0.5 != opened.get("m", 0)
    _shows(opened, 1)
    press(opened, "play", index=2)
    opened.page.wait_for_timeout(REST)
    saved = len(opened.saved(2))
    for index in range(3):
        opened.clean_up(index)
    opened.page.wait_for_timeout(2 * REST)
    assert len(opened.saved(2)) == saved and opened.listeners() == [] and opened.errors == []


@pytest.mark.parametrize("width", [1400, 900, 640])
@pytest.mark.parametrize("s", [-1.0, -14.0])
def test_nothing_is_cut_or_laid_over_anything_else(widget_page, width, s):
    opened = widget_page(ELBOExplorer("square", m=1.2, s=s, entropy=False), width=width)
    press(opened, "step")
    _rest(opened)
    cut = cut_off(opened, "canvas, button, label, .vc-vi-number, p, .vc-vi-name, .vc-vi-legend span")
    boxes = [each.bounding_box() for each in opened.view().locator("canvas").all()]
    beside = boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    assert beside == (width >= 900) and (beside or boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"])
    assert cut == [] and opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert opened.errors == []


def test_the_page_stands_still_when_the_numbers_change(widget_page):
    opened = widget_page(ELBOExplorer("square"))
    places = set()
    for m, s in ((-0.5, -1.0), (3.5, 2.0), (1.2, -14.0)):
        opened.receive("m", m)
        opened.receive("s", s)
        _rest(opened)
        boxes = [
            opened.view().locator(each).first.bounding_box()
            for each in ("[data-readout=elbo]", "[data-action=play]", "[role=status]")
        ]
        places.add(tuple(round(box[key], 1) for box in boxes for key in ("x", "y")))
    assert len(places) == 1


def test_in_a_real_notebook_the_kernel_hears_the_hand_and_the_view_hears_the_kernel(lab):
    cell = """from vaecourse.widgets.variational_inference import ELBOExplorer
w = ELBOExplorer("coin")
w"""
    with lab.open([cell]) as page:
        view = page.locator(".jp-OutputArea-output .vc-vi")
        view.wait_for()
        handle = view.locator("[data-handle=m]")
        handle.scroll_into_view_if_needed()
        handle.focus()
        for key in ("Shift+ArrowRight", "ArrowDown"):
            page.keyboard.press(key)
        view.locator("[data-value=square]").click()
        page.wait_for_timeout(2 * REST)
        told = page.execute("print(w.model, w.x, f'{w.m:.2f} {w.terms().elbo:.3f}')").split()
        shown = view.locator("[data-readout=elbo]").inner_text().replace("−", "-")
        assert told == ["square", "1.5", "-0.14", shown]
        assert page.locator(".jp-Notebook .jp-Cell").count() == 1  # no key reached the notebook
        page.execute("w.model, w.s = 'line', 0.5")
        page.wait_for_timeout(2 * REST)
        told = page.execute("print(f'{w.terms().gap:.3f}')").strip()
        assert view.locator("[data-readout=gap]").inner_text() == told and page.errors == []
