"""The Bayesian line in a real browser: points, prior, sliders, keyboard, what Python hears, what a screen reader is told."""

import numpy as np
import pytest

from vaecourse.bayesian_inference import Gaussian
from vaecourse.widgets.bayesian_inference import BayesExplorer

from .hand import centre, cut_off, drag, press

REST = 400  # ms: well after the 120 ms of rest, on a busy machine too
SETTLED = """ms => new Promise(done => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), ms))"""
HASH = """canvas => { const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
let hash = 2166136261; for (const byte of data) hash = Math.imul(hash ^ byte, 16777619) >>> 0; return hash; }"""
POINTS = [[-1.6, -1.3], [-1.0, 1.6], [1.2, 1.6], [0.3, 0.5], [-1.4, -0.9], [-0.3, -0.1]]


def _explorer(**options) -> BayesExplorer:
    x, y = np.transpose(POINTS)
    prior = Gaussian(np.array([0.2, 0.1]), np.array([[1.0, 0.3], [0.3, 1.5]]))
    return BayesExplorer(
        **(
            {"x": x, "y": y, "prior": prior, "noise_sd": 0.6, "labels": ("age (years)", "height (m)")}
            | options
        )
    )


def _handle(opened, name: str):
    return opened.view().locator(f"[data-handle={name}]")


def _picture(opened, name: str):
    return opened.view().locator(f"[data-picture={name}]")


def _rest(opened, ms: int = 150) -> None:
    """Wait in the page itself, whose timers keep their order however busy the machine is: longer than the 120 ms of rest."""
    opened.page.evaluate(SETTLED, ms)


def _read(opened, key: str, index: int = 0) -> str:
    return opened.view(index).locator(f"[data-readout={key}]").inner_text().replace("−", "-")


def _shows(opened, widget, index: int = 0) -> None:
    """The numbers in the view are those that Python computes for what the browser's model holds."""
    _rest(opened)
    with widget.hold_trait_notifications():
        for name in ("points", "used", "prior_mean", "prior_sd", "noise_sd", "draw"):
            setattr(widget, name, opened.get(name, index))
    posterior, (low, high) = widget.posterior(), opened.get("axes", index)[0]
    for k, name in enumerate(("intercept", "slope")):
        for key, belief in ((name, posterior), (f"prior{name.title()}", widget.prior())):
            mean, sd = (float(each) for each in _read(opened, key, index).split(" ± "))
            assert mean == pytest.approx(belief.mean[k], abs=0.06 * belief.covariance[k, k] ** 0.5 + 1e-9)
            assert sd == pytest.approx(belief.covariance[k, k] ** 0.5, rel=0.051)
    evidence = widget.log_evidence()
    digits = 6e-4 if abs(evidence) < 1e5 else 1e-3 * abs(evidence)  # large ones are shown as 1.234e+6
    assert float(_read(opened, "evidence", index)) == pytest.approx(evidence, abs=digits)
    sd = widget.predictive([(low + high) / 2, high]).sd
    assert [float(_read(opened, key, index)) for key in ("middle", "edge")] == pytest.approx(sd, rel=6e-3)
    assert _read(opened, "used", index).startswith(f"{widget.used} of {len(widget.points)} point")


def test_point_by_point_with_the_numbers_of_python(widget_page):
    widget = _explorer(used=0)
    opened = widget_page(widget)
    _shows(opened, widget)
    assert opened.saved() == [] and opened.view().locator("[data-action=less]").is_disabled()
    evidence = [0.0]
    pictures = [_picture(opened, "belief").evaluate(HASH)]
    for used in range(1, 7):
        press(opened, "more")
        _shows(opened, widget)
        evidence.append(widget.log_evidence())
        pictures.append(_picture(opened, "belief").evaluate(HASH))
        status = opened.view().locator("[role=status]").inner_text().replace("−", "-")
        assert opened.get("used") == used and status.startswith(f"Point {used} came in")
        assert f"it adds {evidence[-1] - evidence[-2]:.3f} nats" in status
    assert len(set(pictures)) == 7 and opened.view().locator("[data-action=more]").is_disabled()
    press(opened, "less", "less")
    _shows(opened, widget)
    assert opened.get("used") == 4 and opened.get("points") == POINTS and opened.errors == []


@pytest.mark.parametrize("used", [6, 1])  # the dragged point is in use, or waits
def test_a_point_follows_the_pointer(widget_page, used):
    widget = _explorer(used=used)
    opened = widget_page(widget)
    _rest(opened)
    before, belief = centre(_handle(opened, "point3")), _picture(opened, "belief").evaluate(HASH)
    drag(opened, _handle(opened, "point3"), 40, -50)
    _shows(opened, widget)
    assert centre(_handle(opened, "point3")) == pytest.approx((before[0] + 40, before[1] - 50), abs=1.5)
    points = opened.get("points")
    assert points[2][0] > 1.3 and points[2][1] > 1.8 and points[:2] + points[3:] == POINTS[:2] + POINTS[3:]
    opened.page.mouse.move(1, 1)
    _rest(opened)
    assert (_picture(opened, "belief").evaluate(HASH) == belief) == (used == 1)
    assert opened.errors == []


def test_the_prior_follows_the_pointer_and_the_posterior_leans_after_it(widget_page):
    widget = _explorer(used=2)
    opened = widget_page(widget)
    before = widget.posterior().mean
    drag(opened, _handle(opened, "prior"), 80, 0)
    _shows(opened, widget)
    mean = opened.get("prior_mean")
    assert mean[0] > 0.5 and mean[1] == pytest.approx(0.1, abs=0.02) and opened.get("points") == POINTS
    assert 0 < widget.posterior().mean[0] - before[0] < mean[0] - 0.2
    assert opened.errors == []


def test_python_hears_only_after_the_hand_has_rested(widget_page):
    opened = widget_page(_explorer())
    sent = opened.sent_at_rest(lambda: drag(opened, _handle(opened, "point1"), 120, -40, steps=60), REST)
    assert set(sent) == {"points"}


def test_nothing_is_dragged_out_of_its_picture(widget_page):
    opened = widget_page(_explorer())
    for name, picture in (("point2", "data"), ("prior", "belief")):
        box = _picture(opened, picture).bounding_box()
        for dx, dy in ((2000, -2000), (-4000, 3000)):
            drag(opened, _handle(opened, name), dx, dy)
            _rest(opened)
            x, y = centre(_handle(opened, name))
            assert box["x"] <= x <= box["x"] + box["width"] and box["y"] <= y <= box["y"] + box["height"]
    assert opened.errors == []


def test_a_drag_beside_takes_the_nearest_along_and_a_click_moves_nothing(widget_page):
    widget = _explorer()
    opened = widget_page(widget)
    for name, read in (
        ("point3", lambda: opened.get("points")),
        ("prior", lambda: opened.get("prior_mean")),
    ):
        x, y = centre(_handle(opened, name))
        before = read()
        opened.page.mouse.click(x + 30, y + 20)
        _rest(opened)
        assert read() == before
        opened.page.mouse.move(x + 30, y + 20)
        opened.page.mouse.down()
        opened.page.mouse.move(x + 70, y - 40, steps=10)
        opened.page.mouse.up()
        _shows(opened, widget)
        assert centre(_handle(opened, name)) == pytest.approx((x + 70, y - 40), abs=1.5)
        assert _handle(opened, name).evaluate("e => e === document.activeElement")
        assert sum(a != b for a, b in zip(read(), before, strict=True)) == (1 if name == "point3" else 2)
    press(opened, *["remove"] * 6)
    box = _picture(opened, "data").bounding_box()
    opened.page.mouse.move(box["x"] + 100, box["y"] + 100)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + 200, box["y"] + 150, steps=5)  # nothing there to take along
    opened.page.mouse.up()
    _rest(opened)
    assert opened.get("points") == [] and opened.errors == []


def test_points_come_and_go_by_double_click(widget_page):
    widget = _explorer(used=4)
    opened = widget_page(widget)
    box = _picture(opened, "data").bounding_box()
    place = (box["x"] + 0.8 * box["width"], box["y"] + 0.75 * box["height"])
    opened.page.mouse.dblclick(*place)
    _shows(opened, widget)
    points = opened.get("points")
    assert len(points) == 7 and opened.get("used") == 5 and points[:4] + points[5:] == POINTS
    assert centre(_handle(opened, "point5")) == pytest.approx(place, abs=1.5)
    assert _handle(opened, "point5").evaluate("e => e === document.activeElement")
    opened.page.mouse.dblclick(*place)
    _shows(opened, widget)
    assert opened.get("points") == POINTS and opened.get("used") == 4
    opened.page.mouse.dblclick(*centre(_handle(opened, "point6")))  # one that waits
    _shows(opened, widget)
    assert opened.get("points") == POINTS[:5] and opened.get("used") == 4 and opened.errors == []


def test_points_come_and_go_by_buttons_and_keys(widget_page):
    widget = _explorer()
    opened = widget_page(widget)
    press(opened, "add")
    _shows(opened, widget)
    x, y = opened.get("points")[6]
    assert -0.3 < x < 1.2 and opened.get("used") == 7  # in the widest gap, on the average prediction
    assert y == pytest.approx(_explorer().predictive([x]).mean[0], abs=1e-9)
    opened.page.keyboard.press("Delete")  # the new point has the focus
    _shows(opened, widget)
    assert opened.get("points") == POINTS
    _handle(opened, "point2").focus()
    _rest(opened)
    assert opened.view().locator("[data-action=remove]").inner_text() == "remove point 2"
    press(opened, "remove")
    _shows(opened, widget)
    assert opened.get("points") == POINTS[:1] + POINTS[2:] and opened.get("used") == 5
    for _ in range(5):
        press(opened, "remove")
    _shows(opened, widget)
    assert opened.get("points") == [] and opened.view().locator("[data-action=remove]").is_disabled()
    assert "the posterior is the prior" in opened.view().locator("[role=status]").inner_text()
    for _ in range(30):
        press(opened, "add")
    _shows(opened, widget)
    assert len(opened.get("points")) == 30 and opened.view().locator("[data-action=add]").is_disabled()
    box = _picture(opened, "data").bounding_box()
    opened.page.mouse.dblclick(box["x"] + box["width"] - 40, box["y"] + 40)
    assert "at most 30 points" in opened.view().locator("[role=status]").inner_text()
    press(opened, "reset")
    _shows(opened, widget)
    assert opened.get("points") == POINTS and opened.get("used") == 6 and opened.errors == []


def test_the_keyboard_moves_a_point_and_the_notebook_does_not_see_the_keys(widget_page):
    opened = widget_page(_explorer())
    opened.page.evaluate(
        "() => { window.seen = []; document.body.addEventListener('keydown', e => seen.push(e.key)); }"
    )
    for handle, read in (
        ("point2", lambda: opened.get("points")[1]),
        ("prior", lambda: opened.get("prior_mean")),
    ):
        _handle(opened, handle).focus()
        places = [read()]
        for key in ("ArrowRight", "Shift+ArrowRight", "ArrowUp", "Shift+ArrowDown"):
            opened.page.keyboard.press(key)
            _rest(opened)
            places.append(read())
        moves = np.diff(places, axis=0)
        assert np.abs(moves[:2, 1]).max() == np.abs(moves[2:, 0]).max() == 0
        assert moves[1, 0] == pytest.approx(10 * moves[0, 0]) and moves[0, 0] > 0
        assert moves[3, 1] == pytest.approx(-10 * moves[2, 1]) and moves[2, 1] > 0
    _handle(opened, "point6").focus()
    opened.page.keyboard.press("Backspace")
    for slider in ("width", "noise"):
        _handle(opened, slider).focus()
        opened.page.keyboard.press("ArrowUp")
    assert set(opened.page.evaluate("seen")) <= {"Shift"}
    assert _handle(opened, "point2").get_attribute("aria-valuetext").startswith("age (years) ")


def test_the_sliders_are_logarithmic_and_scale_prior_and_noise(widget_page):
    widget = _explorer()
    opened = widget_page(widget)
    started = widget.prior_sd
    for handle, name, first in (("width", "prior_sd", started), ("noise", "noise_sd", 0.6)):
        slider = _handle(opened, handle)
        slider.focus()
        for key, power in (("ArrowRight", 0.1), ("Shift+ArrowRight", 0.6), ("ArrowDown", 0.5)):
            opened.page.keyboard.press(key)
            _shows(opened, widget)
            assert opened.get(name) == pytest.approx(np.multiply(first, 2**power), rel=1e-9)
        slider.evaluate("e => { e.value = -5; e.dispatchEvent(new Event('input')); }")
        _shows(opened, widget)
        assert opened.get(name) == pytest.approx(np.multiply(first, 1 / 32), rel=1e-9)
    assert _handle(opened, "width").get_attribute("aria-valuetext") == "× 0.0313"
    assert float(_handle(opened, "noise").get_attribute("aria-valuetext")) == pytest.approx(
        0.6 / 32, rel=6e-3
    )
    opened.receive("prior_sd", [3, 0.5])  # Python sets another prior: the slider has its middle there
    _rest(opened)
    assert _handle(opened, "width").input_value() == "0"
    _shows(opened, widget)
    assert opened.errors == []


def test_fixed_noise_carries_the_lines_along_and_other_lines_can_be_drawn(widget_page):
    widget = _explorer()
    opened = widget_page(widget)
    _rest(opened)
    seen = [_picture(opened, "belief").evaluate(HASH)]
    press(opened, "draw")
    _rest(opened)
    seen.append(_picture(opened, "belief").evaluate(HASH))
    assert opened.get("draw") == 1 and seen[0] != seen[1]
    for _ in range(19):
        press(opened, "draw")
    _rest(opened)
    assert opened.get("draw") == 0 and _picture(opened, "belief").evaluate(HASH) == seen[0]


def test_a_line_and_its_dot_are_marked_together_where_python_draws_them(widget_page):
    widget = _explorer(used=3)
    opened = widget_page(widget)
    _rest(opened)
    colours = """canvas => { const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      let count = 0; for (let i = 0; i < data.length; i += 4) count += data[i] === 230 && data[i + 1] === 159 && data[i + 2] === 0; return count; }"""
    amber = lambda: [_picture(opened, name).evaluate(colours) for name in ("data", "belief")]  # noqa: E731
    assert amber() == [0, 0]
    box, prior = _picture(opened, "belief").bounding_box(), widget.prior()
    everything = [widget.prior(), widget.posterior()]
    reach = [2.6 * np.sqrt(np.diag(belief.covariance)) for belief in everything]
    low = np.min([belief.mean - half for belief, half in zip(everything, reach, strict=True)], axis=0)
    high = np.max([belief.mean + half for belief, half in zip(everything, reach, strict=True)], axis=0)
    part = (widget.lines()[4] - low) / (high - low)
    left, top = 50 + part[0] * (box["width"] - 60), 380 - 38 - part[1] * (380 - 62)
    opened.page.mouse.move(box["x"] + left, box["y"] + top)
    _rest(opened)
    line, dot = amber()
    assert line > 100 and dot > 50 and prior.mean[0] == 0.2
    opened.page.mouse.move(1, 1)
    _rest(opened)
    assert amber() == [0, 0] and opened.errors == []


def test_the_axes_close_in_on_the_posterior_and_stay_while_it_moves(widget_page):
    widget = _explorer()
    opened = widget_page(widget)
    _rest(opened)
    far = _picture(opened, "belief").evaluate(HASH)
    opened.view().locator("[data-value=posterior]").click()
    _rest(opened)
    near = _picture(opened, "belief").evaluate(HASH)
    assert (
        near != far
        and opened.view().locator("[data-value=posterior]").get_attribute("aria-pressed") == "true"
    )
    opened.view().locator("[data-value=prior]").click()
    opened.page.mouse.move(1, 1)
    _rest(opened)
    assert _picture(opened, "belief").evaluate(HASH) == far
    place = centre(_handle(opened, "prior"))
    drag(opened, _handle(opened, "point1"), 60, -60)
    _handle(opened, "width").evaluate("e => { e.value = 3; e.dispatchEvent(new Event('input')); }")
    _rest(opened)
    assert centre(_handle(opened, "prior")) == pytest.approx(place, abs=0.01)


def test_ellipses_glide_unless_the_reader_wants_no_motion(widget_page):
    frames = """() => new Promise(done => { const seen = new Set(), canvas = document.querySelector("[data-picture=belief]");
      const hash = HASH; document.querySelector("[data-action=more]").click(); const end = performance.now() + 600;
      const look = () => { seen.add(hash(canvas)); performance.now() < end ? requestAnimationFrame(look) : done(seen.size); };
      requestAnimationFrame(() => requestAnimationFrame(look)); })""".replace("HASH", f"({HASH})")
    opened = widget_page(_explorer(used=1))
    _rest(opened)
    assert opened.page.evaluate(frames) > 3
    opened.page.emulate_media(reduced_motion="reduce")
    assert opened.page.evaluate(frames) == 1


def test_python_can_set_everything(widget_page):
    widget = _explorer()
    opened = widget_page(widget)
    widget.points = [[0, 0], [50, -70]]  # far outside: Python widens the axes
    opened.receive("axes", widget.axes)
    opened.receive("used", 1)
    opened.receive("points", widget.points)
    opened.receive("prior_mean", [1, 2])
    opened.receive("prior_sd", [20, 0.3])
    opened.receive("noise_sd", 4)
    _shows(opened, widget)
    box = _picture(opened, "data").bounding_box()
    for name in ("point1", "point2"):
        x, y = centre(_handle(opened, name))
        assert box["x"] < x < box["x"] + box["width"] and box["y"] < y < box["y"] + box["height"]
    assert not _handle(opened, "point3").is_visible() and _handle(opened, "prior").is_visible()
    assert opened.saved() == [] and opened.errors == []


def test_the_end_is_told_to_a_screen_reader(widget_page):
    opened = widget_page(_explorer(used=2))
    status = opened.view().locator("[role=status]")
    evidence = _read(opened, "evidence")
    assert f"2 points: intercept {_read(opened, 'intercept')}, slope" in status.inner_text().replace("−", "-")
    assert f"log evidence {evidence} nats" in status.inner_text().replace("−", "-")
    labels = [each.get_attribute("aria-label") for each in opened.view().locator("canvas[role=img]").all()]
    assert "6 points, 2 of them in use" in labels[0] and "Posterior, blue: intercept" in labels[1]
    assert "The least-squares line, a cross: intercept" in labels[1]
    for slider in opened.view().locator("[role=slider]:visible").all():
        least, value, most = (
            float(slider.get_attribute(f"aria-value{each}")) for each in ("min", "now", "max")
        )
        assert least <= value <= most and slider.get_attribute("aria-label")
    assert _handle(opened, "point3").get_attribute("aria-label") == "Point 3, not in use"
    assert _handle(opened, "prior").get_attribute("aria-label") == "Mean of the prior"
    for each in opened.view().locator("input[type=range]").all():
        assert each.get_attribute("aria-label") and each.get_attribute("aria-valuetext")
    for button in opened.view().locator("button:visible").all():
        assert button.inner_text() or button.get_attribute("aria-label")


def test_two_widgets_keep_apart_and_leave_nothing_behind(widget_page):
    other = BayesExplorer([], [], noise_sd=0.3)
    opened = widget_page(_explorer(), other)
    press(opened, "less", index=0)
    _rest(opened)
    assert (opened.get("used", 0), opened.get("used", 1)) == (5, 0) and opened.saved(1) == []
    press(opened, "add", index=1)
    _shows(opened, other, 1)
    press(opened, "less", index=0)
    saved = len(opened.saved(0))
    for index in range(2):
        opened.clean_up(index)
    _rest(opened, REST)
    assert len(opened.saved(0)) == saved and opened.listeners() == [] and opened.errors == []


@pytest.mark.parametrize("width", [1400, 900, 640])
def test_nothing_is_cut_or_laid_over_anything_else(widget_page, width):
    opened = widget_page(_explorer(noise_sd=1e-3), width=width)
    _handle(opened, "width").evaluate("e => { e.value = 5; e.dispatchEvent(new Event('input')); }")
    _rest(opened)
    cut = cut_off(opened, "canvas, button:not([hidden]), td, th, p, output, .vc-bayes-key")
    boxes = [each.bounding_box() for each in opened.view().locator("canvas").all()]
    beside = boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    assert beside == (width >= 900) and (beside or boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"])
    tables = [each.bounding_box() for each in opened.view().locator("table").all()]
    assert not beside or tables[0]["x"] + tables[0]["width"] <= tables[1]["x"]
    assert cut == [] and opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert opened.errors == []


def test_the_page_keeps_its_height_whatever_is_said(widget_page):
    opened = widget_page(_explorer(used=0), width=900)
    root, heights = opened.view().locator(".vc-bayes"), set()
    for name in ("more", "more", "more", "draw", "less", "less", "less"):
        press(opened, name)
        _rest(opened)
        heights.add(root.bounding_box()["height"])
    assert len(heights) == 1


@pytest.mark.parametrize(
    ("x", "y"), [([], []), ([3], [4]), ([1, 1, 1], [2, 2, 2]), ([1900, 2020], [1e5, -1e5])]
)
def test_poor_data_are_drawn_too(widget_page, x, y):
    widget = BayesExplorer(x, y)
    opened = widget_page(widget)
    _shows(opened, widget)
    press(opened, "add", "less")
    _shows(opened, widget)
    assert opened.errors == [] and "NaN" not in opened.view().inner_text()


def test_in_a_real_notebook_the_kernel_hears_the_hand_and_the_view_hears_the_kernel(lab):
    cell = """from vaecourse.widgets.bayesian_inference import BayesExplorer
w = BayesExplorer([-1, 0, 1, 2], [0, 1, 1, 3], noise_sd=0.5, used=2)
w"""
    with lab.open([cell]) as page:
        view = page.locator(".jp-OutputArea-output .vc-bayes")
        view.wait_for()
        point = view.locator("[data-handle=point1]")
        point.scroll_into_view_if_needed()
        point.focus()
        for key in ("Shift+ArrowUp", "ArrowRight"):
            page.keyboard.press(key)
        view.locator("[data-action=more]").click()
        view.locator("[data-action=add]").click()
        page.keyboard.press("Shift+ArrowDown")
        page.wait_for_timeout(2 * REST)
        told = page.execute(
            "print(w.used, len(w.points), w.points[0][0] > -1, w.points[0][1] > 0, f'{w.log_evidence():.3f}')"
        ).split()
        shown = view.locator("[data-readout=evidence]").inner_text().replace("−", "-")
        assert told == ["4", "5", "True", "True", shown]
        page.locator("[data-handle=point4]").press("Delete")  # in a notebook x or d d would cut the cell
        page.wait_for_timeout(2 * REST)
        assert page.execute("print(len(w.points), w.used)").split() == ["4", "3"]
        assert page.locator(".jp-Notebook .jp-Cell").count() == 1  # no key reached the notebook
        page.execute("w.points = [[0, 0], [100, 50]]; w.used = 2")
        page.wait_for_timeout(2 * REST)
        assert (
            view.locator("[data-readout=used]").inner_text() == "2 of 2 points in use" and page.errors == []
        )
        shown = view.locator("[data-readout=edge]").inner_text()
        assert page.execute("print(f'{w.predictive([w.axes[0][1]]).sd[0]:.3g}')").split() == [shown]
