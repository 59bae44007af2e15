"""The EM widget in a real browser: steps, play, pointer, keyboard, what Python hears, what a screen reader is told."""

import numpy as np
import pytest

from vaecourse.widgets.gaussian_mixture import EMExplorer

from .hand import centre, cut_off, drag, press, read

REST = 400  # ms: well after the 120 ms of rest, on a busy machine too
HASH = """canvas => { const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
let hash = 2166136261; for (const byte of data) hash = Math.imul(hash ^ byte, 16777619) >>> 0; return hash; }"""


def _data(n: int = 120) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.concatenate([rng.normal((0, 10), 1, (n // 2, 2)), rng.normal((5, 40), (1, 6), (n - n // 2, 2))])


def _explorer(**options) -> EMExplorer:
    return EMExplorer(
        _data(), labels=("length (cm)", "mass (g)"), **({"means": [[1, 15], [4, 20]]} | options)
    )


def _number(opened, key: str, index: int = 0) -> float:
    return float(read(opened, key, index).replace("−", "-"))


def _shows(opened, widget, index: int = 0) -> None:
    """The numbers in the view are those that Python computes for what the browser's model holds."""
    opened.page.wait_for_timeout(REST)
    widget.set_trait("means", opened.get("means", index))
    widget.step = opened.get("step", index)
    state = widget.state()
    assert _number(opened, "likelihood", index) == pytest.approx(state.log_likelihood, abs=6e-4)
    if state.bound is None:
        assert read(opened, "bound", index) == "none yet" and read(opened, "gap", index) == "–"
    else:
        assert _number(opened, "bound", index) == pytest.approx(state.bound, abs=6e-4)
        assert _number(opened, "gap", index) == pytest.approx(state.log_likelihood - state.bound, abs=6e-4)
    weights = [
        float(each.split()[-1]) for each in opened.view(index).locator(".vc-em-chip").all_inner_texts()
    ]
    assert weights == pytest.approx(state.mixture.weights, abs=6e-4)


def test_e_and_m_step_by_step_with_the_numbers_of_python(widget_page):
    widget = _explorer()
    opened = widget_page(widget)
    _shows(opened, widget)
    assert opened.saved() == []
    pictures = []
    for number, name in enumerate("ememem", start=1):
        press(opened, name)
        _shows(opened, widget)
        assert opened.get("step") == number and read(opened, "step").startswith(f"step {number}: ")
        pictures.append(
            [opened.view().locator(f"[data-picture={each}]").evaluate(HASH) for each in ("points", "curve")]
        )
    assert len({points for points, _ in pictures}) == len({curve for _, curve in pictures}) == 6
    press(opened, "back", "back")
    opened.page.wait_for_timeout(REST)
    assert opened.get("step") == 4
    assert opened.view().locator("[data-picture=points]").evaluate(HASH) == pictures[3][0]
    press(opened, "rewind")
    _shows(opened, widget)
    assert opened.get("step") == 0 and opened.view().locator("[data-action=rewind]").is_disabled()
    assert opened.errors == []


def test_a_step_out_of_turn_changes_nothing_and_says_why(widget_page):
    opened = widget_page(_explorer())
    status = opened.view().locator("[role=status]")
    press(opened, "m")
    assert "the E step comes first" in status.inner_text()
    press(opened, "e", "e")
    assert "touches the log-likelihood already" in status.inner_text()
    press(opened, "m", "m")
    assert "a second M step changes nothing" in status.inner_text()
    opened.page.wait_for_timeout(REST)
    assert opened.get("step") == 2


def test_points_take_the_mixed_colours_of_their_responsibilities(widget_page):
    widget = EMExplorer([[0, 0], [10, 0], [5, 10.0], [5, 10.0]], means=[[0, 0], [10, 0]])
    opened = widget_page(widget)
    colours = """canvas => { const { width, height } = canvas, found = {};
      const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
      for (let i = 0; i < data.length; i += 4) {
        const colour = [data[i], data[i + 1], data[i + 2]].join();
        found[colour] = (found[colour] ?? 0) + 1;
      }
      return found; }"""
    points = opened.view().locator("[data-picture=points]")
    opened.page.wait_for_timeout(REST)
    grey = points.evaluate(colours)["119,119,119"]
    press(opened, "e")
    opened.page.wait_for_timeout(REST)
    widget.step = 1
    r = widget.state().responsibilities
    assert r[2] == pytest.approx([0.5, 0.5])
    mixed = np.array([[0, 114, 178], [213, 94, 0]]).T @ r[2]
    found = np.array([[int(part) for part in each.split(",")] for each in points.evaluate(colours)])
    assert np.abs(found - mixed).max(axis=1).min() <= 1
    assert points.evaluate(colours).get("119,119,119", 0) < grey / 4  # what is left is lettering


def test_play_runs_to_rest_and_python_hears_the_end(widget_page):
    widget = _explorer()
    opened = widget_page(widget)
    play = opened.view().locator("[data-action=play]")
    play.click()
    opened.page.wait_for_function(
        "document.querySelector('[data-readout=step]').textContent.startsWith('step 2')"
    )
    assert "pause" in play.inner_text() and opened.saved() == []
    play.click()
    opened.page.wait_for_timeout(REST)
    paused = opened.get("step")
    assert paused >= 2 and len(opened.saved()) == 1
    opened.page.wait_for_timeout(2 * REST)
    assert read(opened, "step").startswith(f"step {paused}:")
    play.click()
    opened.page.wait_for_function(
        "document.querySelector('[role=status]').textContent.includes('come to rest')", timeout=30_000
    )
    _shows(opened, widget)
    assert len(opened.saved()) == 2 and "play" in play.inner_text()
    levels = [state.log_likelihood for state in widget.states()]
    assert levels[-1] - levels[-3] < 1e-6 <= levels[-3] - levels[-5]
    play.click()  # from rest it begins again
    opened.page.wait_for_function(
        "document.querySelector('[data-readout=step]').textContent.startsWith('step 1')"
    )
    assert opened.errors == []


def test_ellipses_glide_unless_the_reader_wants_no_motion(widget_page):
    frames = """action => new Promise(done => { const seen = new Set(), canvas = document.querySelector("[data-picture=points]");
      const hash = HASH; document.querySelector("[data-action=m]").click(); const end = performance.now() + 600;
      const look = () => { seen.add(hash(canvas)); performance.now() < end ? requestAnimationFrame(look) : done(seen.size); };
      requestAnimationFrame(() => requestAnimationFrame(look)); })""".replace("HASH", f"({HASH})")
    opened = widget_page(_explorer(step=1))
    opened.page.wait_for_timeout(REST)
    assert opened.page.evaluate(frames) > 3
    opened.page.emulate_media(reduced_motion="reduce")
    press(opened, "e")
    opened.page.wait_for_timeout(REST)
    assert opened.page.evaluate(frames) == 1
    press(opened, "play")  # and it still plays
    opened.page.wait_for_function(
        "document.querySelector('[data-readout=step]').textContent.startsWith('step 6')"
    )


@pytest.mark.parametrize("step", [0, 6])
def test_a_disc_follows_the_pointer_and_em_runs_again_from_there(widget_page, step):
    widget = _explorer(step=step)
    opened = widget_page(widget)
    disc = opened.view().locator("[data-handle=m2]")
    opened.page.wait_for_timeout(100)
    before = centre(disc)
    drag(opened, disc, -70, -60)
    opened.page.wait_for_timeout(REST)
    assert centre(disc) == pytest.approx((before[0] - 70, before[1] - 60), abs=1.5)
    first, second = opened.get("means")
    assert first == [1, 15] and second[0] < 3.5 and second[1] > 22 and opened.get("step") == step
    _shows(opened, widget)
    assert opened.errors == []


def test_many_points_are_squares_under_the_hand_and_markers_again_at_rest(widget_page):
    x, points = _data(600), "[data-picture=points]"
    widget = EMExplorer(x, means=[[1, 15], [4, 20], [2, 40]], step=20)
    opened = widget_page(widget)
    left, top = centre(opened.view().locator("[data-handle=m2]"))
    opened.page.mouse.move(left, top)
    opened.page.mouse.down()
    opened.page.mouse.move(left - 40, top - 30, steps=8)
    opened.page.wait_for_timeout(REST)
    held = opened.view().locator(points).evaluate(HASH)
    opened.page.mouse.up()
    _shows(opened, widget)
    rested = opened.view().locator(points).evaluate(HASH)
    fresh = widget_page(EMExplorer(x, means=opened.get("means"), step=20))
    fresh.page.wait_for_timeout(REST)
    assert held != rested == fresh.view().locator(points).evaluate(HASH)
    assert opened.errors == []


def test_python_hears_only_after_the_hand_has_rested(widget_page):
    opened = widget_page(_explorer())
    handle = opened.view().locator("[data-handle=m1]")
    sent = opened.sent_at_rest(lambda: drag(opened, handle, 150, -20, steps=60), REST)
    assert set(sent) == {"means"}


def test_a_press_in_the_picture_brings_the_nearest_disc_and_none_leaves_it(widget_page):
    opened = widget_page(_explorer())
    x, y = centre(opened.view().locator("[data-handle=m2]"))
    opened.page.mouse.click(x + 60, y + 20)
    opened.page.wait_for_timeout(REST)
    assert centre(opened.view().locator("[data-handle=m2]")) == pytest.approx((x + 60, y + 20), abs=1.5)
    assert opened.get("means")[0] == [1, 15]
    picture = opened.view().locator("[data-picture=points]").bounding_box()
    disc = opened.view().locator("[data-handle=m1]")
    for dx, dy in ((2000, -2000), (-4000, 3000)):
        drag(opened, disc, dx, dy)
        opened.page.wait_for_timeout(REST)
        (x, y) = centre(disc)
        assert picture["x"] <= x <= picture["x"] + picture["width"]
        assert picture["y"] <= y <= picture["y"] + picture["height"]


def test_the_keyboard_moves_a_disc_and_the_notebook_does_not_see_the_keys(widget_page):
    opened = widget_page(_explorer())
    opened.page.evaluate(
        "() => { window.seen = []; document.body.addEventListener('keydown', e => seen.push(e.key)); }"
    )
    disc = opened.view().locator("[data-handle=m1]")
    disc.focus()
    places = [opened.get("means")[0]]
    for key in ("ArrowRight", "Shift+ArrowRight", "ArrowUp", "Shift+ArrowDown"):
        opened.page.keyboard.press(key)
        opened.page.wait_for_timeout(REST)
        places.append(opened.get("means")[0])
    moves = np.diff(places, axis=0)
    assert (moves[:2, 1] == 0).all() and (moves[2:, 0] == 0).all()
    assert moves[1, 0] == pytest.approx(10 * moves[0, 0]) and moves[0, 0] > 0
    assert moves[3, 1] == pytest.approx(-10 * moves[2, 1]) and moves[2, 1] > 0
    assert set(opened.page.evaluate("seen")) <= {"Shift"}
    assert disc.get_attribute("aria-valuetext").startswith("length (cm) ")


def test_the_number_of_components_and_other_starts(widget_page):
    widget = _explorer()
    opened = widget_page(widget)
    discs = opened.view().locator("[role=slider]:visible")
    for k in (5, 6, 1, 2):
        press(opened, "e")
        opened.view().locator(f"[aria-label='Number of components'] [data-value='{k}']").click()
        opened.page.wait_for_timeout(REST)
        assert discs.count() == len(opened.get("means")) == k and opened.get("step") == 0
        assert opened.get("means")[0] == [1, 15]
        _shows(opened, widget)
    chosen = opened.get("means")
    drawn = []
    for _ in range(3):
        press(opened, "draw")
        opened.page.wait_for_timeout(REST)
        drawn.append(opened.get("means"))
    points = [list(point) for point in _data()]
    assert all(mean in points for means in drawn for mean in means) and drawn[0] != drawn[1] != drawn[2]
    press(opened, "reset")
    opened.page.wait_for_timeout(REST)
    assert opened.get("means") == chosen and opened.errors == []


def test_python_can_set_start_and_step(widget_page):
    widget = _explorer()
    opened = widget_page(widget)
    opened.receive("step", 9)
    opened.receive("means", [[0, 0], [5, 50], [2, 30]])
    _shows(opened, widget)
    assert opened.view().locator("[role=slider]:visible").count() == 3 and opened.get("step") == 9
    opened.receive("means", [[-500, 0], [5, 50]])  # far out: the picture grows
    _shows(opened, widget)
    x, _ = centre(opened.view().locator("[data-handle=m1]"))
    assert x > opened.view().locator("[data-picture=points]").bounding_box()["x"]
    assert opened.saved() == [] and opened.errors == []


def test_the_end_is_told_to_a_screen_reader(widget_page):
    opened = widget_page(_explorer())
    status = opened.view().locator("[role=status]")
    assert status.inner_text().startswith("At the start: log-likelihood −")
    press(opened, *"emem")
    opened.page.wait_for_timeout(REST)
    level = f"{_number(opened, 'likelihood'):.1f}".replace("-", "−")
    assert status.inner_text().startswith(f"After 2 sweeps: log-likelihood {level}, ")
    labels = [each.get_attribute("aria-label") for each in opened.view().locator("canvas[role=img]").all()]
    assert "120 points" in labels[0] and "component 2, weight 0." in labels[0] and "below it" in labels[1]
    for slider in opened.view().locator("[role=slider]:visible").all():
        least, value, most = (
            float(slider.get_attribute(f"aria-value{each}")) for each in ("min", "now", "max")
        )
        assert least <= value <= most and slider.get_attribute("aria-label").startswith("Start of component")
    for button in opened.view().locator("button:visible").all():
        assert button.inner_text() or button.get_attribute("aria-label")


def test_two_widgets_keep_apart_and_leave_nothing_behind(widget_page):
    other = _explorer(k=3, means=None, seed=4)
    opened = widget_page(_explorer(), other, _explorer())
    press(opened, "e", "m", index=0)
    opened.page.wait_for_timeout(REST)
    assert (opened.get("step", 0), opened.get("step", 1)) == (2, 0) and opened.saved(1) == []
    _shows(opened, other, 1)
    press(opened, "play", index=0)
    press(opened, "m", index=0)  # ends play
    press(opened, "play", index=2)
    opened.page.wait_for_timeout(100)
    saved = len(opened.saved(2))
    for index in range(3):
        opened.clean_up(index)
    opened.page.wait_for_timeout(2 * REST)
    assert len(opened.saved(2)) == saved and opened.listeners() == [] and opened.errors == []


@pytest.mark.parametrize("width", [1400, 900, 640])
def test_nothing_is_cut_or_laid_over_anything_else(widget_page, width):
    opened = widget_page(_explorer(k=6, means=None, step=12), width=width)
    opened.page.wait_for_timeout(200)
    cut = cut_off(opened, "canvas, button:not([hidden]), .vc-em-number, p, .vc-em-chip")
    boxes = [each.bounding_box() for each in opened.view().locator("canvas").all()]
    beside = boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    assert beside == (width >= 900) and (beside or boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"])
    assert cut == [] and opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert opened.errors == []


def test_a_number_keeps_its_place_when_its_digits_change(widget_page):
    opened = widget_page(_explorer())
    number = opened.view().locator("[data-readout=likelihood]")
    places = set()
    for step in (0, 1, 2, 40):
        opened.receive("step", step)
        opened.page.wait_for_timeout(100)
        places.add((number.bounding_box()["x"], number.bounding_box()["width"]))
    assert len(places) == 1


@pytest.mark.parametrize("x", [[[3, 4]], np.ones((10, 2)), [[0, 1], [1, 1], [2, 1]]])
def test_poor_data_are_drawn_too(widget_page, x):
    widget = EMExplorer(x, 1)
    opened = widget_page(widget)
    press(opened, *"emememem")
    _shows(opened, widget)
    assert opened.errors == [] and "NaN" not in opened.view().inner_text()


def test_in_a_real_notebook_the_kernel_hears_the_hand_and_the_view_hears_the_kernel(lab):
    cell = """import numpy as np
from vaecourse.widgets.gaussian_mixture import EMExplorer
rng = np.random.default_rng(1)
w = EMExplorer(np.concatenate([rng.normal(0, 1, (50, 2)), rng.normal(5, 1, (50, 2))]), means=[[1, 1], [2, 1]])
w"""
    with lab.open([cell]) as page:
        view = page.locator(".jp-OutputArea-output .vc-em")
        view.wait_for()
        disc = view.locator("[data-handle=m2]")
        disc.scroll_into_view_if_needed()
        disc.focus()
        for key in ("Shift+ArrowRight", "ArrowDown"):
            page.keyboard.press(key)
        for name in "eme":
            view.locator(f"[data-action={name}]").click()
        page.wait_for_timeout(2 * REST)
        told = page.execute("print(w.step, w.means[1][0] > 2, f'{w.state().log_likelihood:.3f}')").split()
        shown = view.locator("[data-readout=likelihood]").inner_text().replace("−", "-")
        assert told == ["3", "True", shown]
        assert page.locator(".jp-Notebook .jp-Cell").count() == 1  # no key reached the notebook
        page.execute("w.step = 20")
        page.wait_for_timeout(2 * REST)
        assert view.locator("[data-readout=step]").inner_text() == "step 20: 10 E, 10 M" and page.errors == []
