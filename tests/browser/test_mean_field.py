"""The mean-field widget in a real browser: updates, play, pointer, keyboard, what Python hears, what is told."""

import numpy as np
import pytest

from vaecourse.widgets.mean_field import MeanFieldExplorer

from .hand import centre, cut_off, drag, press, read

REST = 400  # ms: well after the 120 ms of rest, on a busy machine too
HASH = """canvas => { const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
let hash = 2166136261; for (const byte of data) hash = Math.imul(hash ^ byte, 16777619) >>> 0; return hash; }"""
TRAITS = ("correlation", "sds", "mean", "start", "start_sds", "first", "steps", "forward")
NUMBERS = ("pq", "qp", "kept1", "kept2", "kept", "shrink", "least")


def _handle(opened, name: str, index: int = 0):
    return opened.view(index).locator(f"[data-handle={name}]")


def _number(opened, key: str, index: int = 0) -> float:
    return float(read(opened, key, index).replace("−", "-"))


def _shows(opened, widget, index: int = 0) -> None:
    """The numbers in the view are those that Python computes for what the browser's model holds."""
    opened.page.wait_for_timeout(REST)
    widget.set_state({name: opened.get(name, index) for name in TRAITS})
    (kl_pq, kl_qp), rho = widget.divergences(), widget.correlation
    left = widget.variances / np.diag(widget.covariance)
    expected = [kl_pq, kl_qp, *left, 1 - rho**2, rho**2, -0.5 * np.log(1 - rho**2)]
    assert [_number(opened, key, index) for key in NUMBERS] == pytest.approx(expected, abs=6e-4)
    assert read(opened, "steps", index).startswith(f"step {widget.steps}: ")


def _hashes(opened) -> tuple[int, int]:
    return tuple(
        opened.view().locator(f"[data-picture={name}]").evaluate(HASH) for name in ("plane", "curve")
    )


def test_updates_one_by_one_with_the_numbers_of_python(widget_page):
    widget = MeanFieldExplorer(0.8)
    opened = widget_page(widget)
    _shows(opened, widget)
    assert opened.saved() == []
    pictures, levels = [_hashes(opened)], [-_number(opened, "qp")]
    for number, name in enumerate(("q1", "q2", "q1", "q2"), start=1):
        press(opened, name)
        _shows(opened, widget)
        assert opened.get("steps") == number
        pictures.append(_hashes(opened))
        levels.append(-_number(opened, "qp"))
    assert len({plane for plane, _ in pictures}) == len({curve for _, curve in pictures}) == 5
    assert levels == sorted(levels)
    press(opened, "back", "back")
    opened.page.wait_for_timeout(REST)
    assert opened.get("steps") == 2 and _hashes(opened)[0] == pictures[2][0]
    press(opened, "rewind")
    _shows(opened, widget)
    assert opened.get("steps") == 0 and opened.view().locator("[data-action=rewind]").is_disabled()
    assert _hashes(opened)[0] == pictures[0][0] and opened.errors == []


def test_the_other_factor_first_and_one_factor_twice(widget_page):
    widget = MeanFieldExplorer(0.8)
    opened = widget_page(widget)
    status = opened.view().locator("[role=status]")
    press(opened, "q2")
    _shows(opened, widget)
    assert (opened.get("first"), opened.get("steps")) == (2, 1)
    assert read(opened, "steps") == "step 1: 0 of q₁, 1 of q₂"
    press(opened, "q2")
    assert "q₂ is already the best beside this q₁" in status.inner_text()
    press(opened, "q1", "q1")
    assert "q₁ is already the best beside this q₂" in status.inner_text()
    opened.page.wait_for_timeout(REST)
    assert opened.get("steps") == 2


def test_play_runs_to_rest_and_python_hears_the_end(widget_page):
    widget = MeanFieldExplorer(0.5, start=(-2, 2))
    opened = widget_page(widget)
    play = opened.view().locator("[data-action=play]")
    play.click()
    opened.page.wait_for_function("document.querySelector('[data-readout=steps]').textContent >= 'step 2'")
    assert "pause" in play.inner_text() and opened.saved() == []
    play.click()
    opened.page.wait_for_timeout(REST)
    paused = opened.get("steps")
    assert paused >= 2 and len(opened.saved()) == 1
    opened.page.wait_for_timeout(2 * REST)
    assert read(opened, "steps").startswith(f"step {paused}:")
    play.click()
    status = "document.querySelector('[role=status]').textContent"
    opened.page.wait_for_function(f"{status}.includes('the best q there is')", timeout=30_000)
    _shows(opened, widget)
    assert len(opened.saved()) == 2 and "play" in play.inner_text()
    path = widget.path()
    assert path.elbos[-1] == pytest.approx(0.5 * np.log(0.75), abs=1e-5) and len(path.qs) < 30
    play.click()  # from rest it begins again
    opened.page.wait_for_function(
        "document.querySelector('[data-readout=steps]').textContent.startsWith('step 1:')"
    )
    assert opened.errors == []


def test_q_glides_unless_the_reader_wants_no_motion(widget_page):
    frames = """action => new Promise(done => { const seen = new Set(), canvas = document.querySelector("[data-picture=plane]");
      const hash = HASH; document.querySelector(`[data-action=${action}]`).click(); const end = performance.now() + 600;
      const look = () => { seen.add(hash(canvas)); performance.now() < end ? requestAnimationFrame(look) : done(seen.size); };
      requestAnimationFrame(() => requestAnimationFrame(look)); })""".replace("HASH", f"({HASH})")
    opened = widget_page(MeanFieldExplorer(0.8))
    opened.page.wait_for_timeout(REST)
    assert opened.page.evaluate(frames, "q1") > 1
    opened.page.emulate_media(reduced_motion="reduce")
    assert opened.page.evaluate(frames, "q2") == 1


def test_dragging_q_begins_anew_from_there(widget_page):
    widget = MeanFieldExplorer(0.8, steps=5)
    before = widget.variances
    opened = widget_page(widget)
    opened.page.wait_for_timeout(100)
    disc = _handle(opened, "q")
    at = centre(disc)
    drag(opened, disc, -70, -60)
    opened.page.wait_for_timeout(REST)
    assert centre(disc) == pytest.approx((at[0] - 70, at[1] - 60), abs=1.5)
    _shows(opened, widget)
    assert widget.steps == 0 and widget.start[0] < -0.5 and widget.start[1] > 0.7
    np.testing.assert_allclose(widget.variances, before)
    press(opened, "q1", "rewind")  # back to where the hand left it
    opened.page.wait_for_timeout(REST)
    assert centre(disc) == pytest.approx((at[0] - 70, at[1] - 60), abs=1.5)
    press(opened, "reset")
    opened.page.wait_for_timeout(REST)
    assert (opened.get("start"), opened.get("steps")) == ([-2, 1], 5) and opened.errors == []


@pytest.mark.parametrize(
    "rho", [0, 0.97]
)  # where the grips stand on the ellipse, and where they stand beside it
def test_the_grips_make_q_wider_and_narrower(widget_page, rho):
    widget = MeanFieldExplorer(rho, start=(0, 0), steps=2)
    opened = widget_page(widget, width=1400)
    opened.page.wait_for_timeout(100)
    pixels = 340 / 2 / 3.2  # of one unit: the plane is 342 high, and 15 of it stay free at both ends
    sds = np.sqrt(widget.variances)
    for name, j, (dx, dy) in (("w1", 0, (40, 25)), ("w2", 1, (30, -50))):
        drag(opened, _handle(opened, name), dx, dy)
        _shows(opened, widget)
        sds[j] += (dx, -dy)[j] / 2 / pixels
        assert np.sqrt(widget.variances) == pytest.approx(sds, rel=0.1) and widget.start == [0, 0]
    drag(opened, _handle(opened, "w1"), -900, 0)
    _shows(opened, widget)
    assert widget.variances[0] == pytest.approx(0.05**2)
    assert opened.errors == []


def test_python_hears_only_after_the_hand_has_rested(widget_page):
    opened = widget_page(MeanFieldExplorer())
    sent = opened.sent_at_rest(lambda: drag(opened, _handle(opened, "q"), 150, -20, steps=60), REST)
    assert set(sent) == {"start"}


def test_a_press_in_the_plane_brings_q_and_q_never_leaves_it(widget_page):
    opened = widget_page(MeanFieldExplorer())
    disc, plane = _handle(opened, "q"), opened.view().locator("[data-picture=plane]")
    x, y = centre(disc)
    opened.page.mouse.click(x + 130, y + 90)
    opened.page.wait_for_timeout(REST)
    assert centre(disc) == pytest.approx((x + 130, y + 90), abs=1.5)
    box = plane.bounding_box()
    for dx, dy in ((2000, -2000), (-4000, 3000)):
        drag(opened, disc, dx, dy)
        opened.page.wait_for_timeout(REST)
        x, y = centre(disc)
        assert box["x"] + 40 <= x <= box["x"] + box["width"] - 80
        assert box["y"] + 80 <= y <= box["y"] + box["height"] - 30
        for grip in ("w1", "w2"):
            x, y = centre(_handle(opened, grip))
            assert box["x"] <= x <= box["x"] + box["width"] and box["y"] <= y <= box["y"] + box["height"]


def test_the_correlation_takes_the_same_steps_again(widget_page):
    widget = MeanFieldExplorer(0.8, steps=4)
    opened = widget_page(widget)
    slider = _handle(opened, "rho")
    for value in ("0.99", "-0.5", "0"):
        slider.fill(value)
        _shows(opened, widget)
        assert (widget.correlation, widget.steps, widget.start) == (float(value), 4, [-2, 1])
    assert widget.variances == pytest.approx([1, 1]) and _number(opened, "qp") == 0
    slider.focus()
    for key in ("ArrowRight", "Shift+ArrowLeft"):
        opened.page.keyboard.press(key)
    _shows(opened, widget)
    assert widget.correlation == pytest.approx(-0.04)
    ratio = _handle(opened, "ratio")
    for power in ("2", "-2"):
        ratio.fill(power)
        _shows(opened, widget)
        assert widget.sds == pytest.approx([1, 2.0 ** float(power)])
        assert ratio.get_attribute("aria-valuetext") == f"{2.0 ** float(power):.2f}"
    assert opened.errors == []


def test_a_start_far_out_stays_within_what_python_takes(widget_page):
    widget = MeanFieldExplorer(0.5, sds=(1, 4), start=(20, -80), start_sds=(20, 80))
    opened = widget_page(widget)
    _handle(opened, "ratio").fill("-2")
    _shows(opened, widget)
    assert widget.sds == [1, 0.25] and widget.start == [20, -5] and widget.start_sds == [20, 5]


def test_the_forward_fit_is_shown_on_demand(widget_page):
    widget = MeanFieldExplorer(0.8, steps=20)
    opened = widget_page(widget)
    opened.page.wait_for_timeout(100)
    without = _hashes(opened)[0]
    assert not opened.view().locator("[data-readout=cover]").is_visible()
    press(opened, "forward")
    _shows(opened, widget)
    assert widget.forward and _hashes(opened)[0] != without
    assert _number(opened, "cover") == pytest.approx(1 / 0.36 - 1 + 0.5 * np.log(0.36), abs=6e-4)
    canvas = opened.view().locator("[data-picture=plane]")
    assert "forward fit" in canvas.get_attribute("aria-label")
    press(opened, "forward")
    opened.page.wait_for_timeout(REST)
    assert _hashes(opened)[0] == without and not opened.get("forward")


def test_the_keyboard_moves_and_widens_q_and_the_notebook_does_not_see_the_keys(widget_page):
    opened = widget_page(MeanFieldExplorer())
    opened.page.evaluate(
        "() => { window.seen = []; document.body.addEventListener('keydown', e => seen.push(e.key)); }"
    )
    _handle(opened, "q").focus()
    places = [opened.get("start")]
    for key in ("ArrowRight", "Shift+ArrowRight", "ArrowUp", "Shift+ArrowDown"):
        opened.page.keyboard.press(key)
        opened.page.wait_for_timeout(REST)
        places.append(opened.get("start"))
    moves = np.diff(places, axis=0)
    assert moves[:2, 1] == pytest.approx(0) and moves[2:, 0] == pytest.approx(0)
    assert moves[1, 0] == pytest.approx(10 * moves[0, 0]) and moves[0, 0] > 0
    assert moves[3, 1] == pytest.approx(-10 * moves[2, 1]) and moves[2, 1] > 0
    for name, keys in (("w1", ("Shift+ArrowRight", "ArrowLeft")), ("w2", ("Shift+ArrowDown", "ArrowUp"))):
        _handle(opened, name).focus()
        for key in keys:
            opened.page.keyboard.press(key)
    opened.page.wait_for_timeout(REST)
    assert opened.get("start_sds") == pytest.approx([1.25 / 1.03, 1.03 / 1.25])
    assert set(opened.page.evaluate("seen")) <= {"Shift"}
    assert opened.errors == []


def test_python_can_set_everything(widget_page):
    widget = MeanFieldExplorer()
    opened = widget_page(widget)
    opened.receive("correlation", -0.9)
    opened.receive("mean", [100, -20])
    opened.receive("start", [97, -18])
    opened.receive("steps", 7)
    opened.receive("first", 2)
    _shows(opened, widget)
    assert widget.steps == 7 and widget.means == pytest.approx([100, -20], abs=2)
    x, _ = centre(_handle(opened, "q"))
    assert x > opened.view().locator("[data-picture=plane]").bounding_box()["x"]
    assert opened.saved() == [] and opened.errors == []


def test_what_a_screen_reader_is_told(widget_page):
    opened = widget_page(MeanFieldExplorer(0.8))
    status = opened.view().locator("[role=status]")
    assert status.inner_text().startswith("At the start: ELBO −")
    press(opened, "q1", "q2")
    opened.page.wait_for_timeout(REST)
    level = read(opened, "qp")
    assert status.inner_text().startswith(f"After 2 steps: ELBO −{level} nats, KL(q‖p) = {level}")
    assert "The last update gained" in status.inner_text()
    labels = [each.get_attribute("aria-label") for each in opened.view().locator("canvas[role=img]").all()]
    assert "correlation 0.80" in labels[0] and "standard deviations (0.60, 0.60)" in labels[0]
    assert f"now −{level} nats after 2 steps" in labels[1] and "−0.511" in labels[1]
    for slider in opened.view().locator("[role=slider]").all():
        least, value, most = (
            float(slider.get_attribute(f"aria-value{each}")) for each in ("min", "now", "max")
        )
        assert least <= value <= most and slider.get_attribute("aria-label") and slider.get_attribute("aria-valuetext")  # fmt: skip
    for button in opened.view().locator("button:visible").all():
        assert button.inner_text() or button.get_attribute("aria-label")


def test_two_widgets_keep_apart_and_leave_nothing_behind(widget_page):
    other = MeanFieldExplorer(-0.3, steps=3)
    opened = widget_page(MeanFieldExplorer(), other, MeanFieldExplorer())
    press(opened, "q1", "q2", index=0)
    opened.page.wait_for_timeout(REST)
    assert (opened.get("steps", 0), opened.get("steps", 1)) == (2, 3) and opened.saved(1) == []
    _shows(opened, other, 1)
    press(opened, "play", index=0)
    press(opened, "q1", index=2)
    opened.page.wait_for_timeout(100)
    for index in range(3):
        opened.clean_up(index)
    saved = [len(opened.saved(index)) for index in range(3)]
    opened.page.wait_for_timeout(2 * REST)
    assert [len(opened.saved(index)) for index in range(3)] == saved
    assert opened.listeners() == [] and opened.errors == []


@pytest.mark.parametrize("width", [1400, 900, 640])
def test_nothing_is_cut_or_laid_over_anything_else(widget_page, width):
    opened = widget_page(MeanFieldExplorer(-0.99, start=(-3, -3), steps=12, forward=True), width=width)
    opened.page.wait_for_timeout(200)
    cut = cut_off(opened, "canvas, button, .vc-em-number, .vc-kl-number, .vc-em-unit, p, label, label *")
    boxes = [each.bounding_box() for each in opened.view().locator("canvas").all()]
    beside = boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    assert beside == (width >= 900) and (beside or boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"])
    assert cut == [] and opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert opened.errors == []
