"""The KL widgets in a real browser: pointer, keyboard, buttons, what Python hears, what a screen reader is told."""

import numpy as np
import pytest
from scipy import optimize

from vaecourse import kl_divergence as kl
from vaecourse.widgets.kl_divergence import BarExplorer, DensityExplorer

from .hand import centre, drag

REST = 400  # ms: well after the 120 ms of rest, on a busy machine too
HASH = """canvas => { const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
let hash = 2166136261; for (const byte of data) hash = Math.imul(hash ^ byte, 16777619) >>> 0; return hash; }"""


@pytest.fixture
def bars():
    return BarExplorer([0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4], list("etao"))


def _readouts(opened, index: int = 0) -> list[str]:
    return opened.view(index).locator("[data-readout]").all_inner_texts()


def _numbers(opened, index: int = 0) -> list[float]:
    return [float(text.replace("−", "-").replace("+∞", "inf")) for text in _readouts(opened, index)]


def _now(opened) -> DensityExplorer:
    """A widget in Python with what the browser's model holds."""
    names = ("p_means", "p_sds", "p_weights", "q_mean", "q_sd")
    return DensityExplorer(**{name: opened.get(name) for name in names})


# Densities


def test_both_divergences_are_shown_at_once_and_right(widget_page):
    widget = DensityExplorer()
    opened = widget_page(widget)
    opened.page.wait_for_timeout(100)
    assert _numbers(opened) == pytest.approx(widget.divergences(), abs=6e-4)
    assert opened.saved() == [] and opened.errors == []


@pytest.mark.parametrize("handle", ["p1", "p2", "q"])
def test_a_handle_follows_the_pointer_in_mean_and_height(widget_page, handle):
    opened = widget_page(DensityExplorer())
    grip = opened.view().locator(f"[data-handle={handle}]")
    picture = opened.view().locator("[data-picture=densities]")
    start, before = centre(grip), picture.evaluate(HASH)
    drag(opened, grip, 60, -30)
    opened.page.wait_for_timeout(REST)
    assert centre(grip) == pytest.approx((start[0] + 60, start[1] - 30), abs=1.5)
    assert picture.evaluate(HASH) != before
    moved, fresh = _now(opened), DensityExplorer()
    mean, sd = {
        "p1": lambda w: (w.p_means[0], w.p_sds[0]), "p2": lambda w: (w.p_means[1], w.p_sds[1]), "q": lambda w: (w.q_mean, w.q_sd)
    }[handle](moved)  # fmt: skip
    old = {"p1": (-2.5, 0.7), "p2": (2.5, 1.0), "q": (0.0, 1.5)}[handle]
    assert mean > old[0] + 0.3 and sd < 0.95 * old[1]
    assert _numbers(opened) == pytest.approx(moved.divergences(), abs=6e-4)
    still = {"p1": ("q_mean", "q_sd"), "p2": ("q_mean", "q_sd"), "q": ("p_means", "p_sds")}[handle]
    assert all(getattr(moved, name) == getattr(fresh, name) for name in still) and opened.errors == []


def test_python_hears_only_after_the_hand_has_rested(widget_page):
    opened = widget_page(DensityExplorer())
    handle = opened.view().locator("[data-handle=q]")
    sent = opened.sent_at_rest(lambda: drag(opened, handle, 150, -20, steps=60), REST)
    assert set(sent) <= {"q_mean", "q_sd"}


def test_a_press_in_the_picture_brings_the_nearest_peak(widget_page):
    opened = widget_page(DensityExplorer())
    x, y = centre(opened.view().locator("[data-handle=p2]"))
    opened.page.mouse.click(x + 70, y - 20)
    opened.page.wait_for_timeout(REST)
    assert centre(opened.view().locator("[data-handle=p2]")) == pytest.approx((x + 70, y - 20), abs=1.5)
    assert opened.get("q_mean") == 0 and opened.get("p_means")[0] == -2.5


def test_a_peak_stays_in_the_picture(widget_page):
    opened = widget_page(DensityExplorer())
    grip, picture = (
        opened.view().locator("[data-handle=q]"),
        opened.view().locator("[data-picture=densities]"),
    )
    for dx, dy in ((2000, -2000), (-4000, 3000)):
        drag(opened, grip, dx, dy)
        opened.page.wait_for_timeout(REST)
        (x, y), box = centre(grip), picture.bounding_box()
        assert box["x"] <= x <= box["x"] + box["width"] and box["y"] <= y <= box["y"] + box["height"]
        assert np.isfinite(_numbers(opened)).all()


def test_the_keyboard_moves_a_peak_and_the_notebook_does_not_see_the_keys(widget_page):
    opened = widget_page(DensityExplorer())
    opened.page.evaluate(
        "() => { window.seen = []; document.body.addEventListener('keydown', e => seen.push(e.key)); }"
    )
    grips = opened.view().locator("[role=slider]")
    grips.first.focus()
    order = []
    for _ in range(3):
        order.append(opened.page.evaluate("document.activeElement.dataset.handle"))
        opened.page.keyboard.press("Tab")
    assert order == ["p1", "p2", "q"]
    grip = opened.view().locator("[data-handle=q]")
    grip.focus()
    opened.page.evaluate("() => { seen.length = 0; }")
    opened.page.keyboard.press("ArrowRight")
    opened.page.wait_for_timeout(REST)
    small = opened.get("q_mean")
    opened.page.keyboard.press("Shift+ArrowLeft")
    opened.page.keyboard.press("Shift+ArrowUp")
    opened.page.wait_for_timeout(REST)
    assert small > 0 and opened.get("q_mean") == pytest.approx(-9 * small)
    assert opened.get("q_sd") == pytest.approx(1.5 / 1.25)
    assert [key for key in opened.page.evaluate("seen") if key.startswith("Arrow")] == []
    said = grip.get_attribute("aria-valuetext")
    assert said == f"mean −{9 * small:.2f}, standard deviation 1.20"


def test_best_q_buttons_find_what_scipy_finds(widget_page):
    widget = DensityExplorer(p_means=[-3, 2], p_sds=[0.6, 0.9], p_weights=[0.35, 0.65])
    opened = widget_page(widget)

    x = np.linspace(-20, 20, 8001)
    log_p = kl.mixture_log_density(x, widget.p_weights, widget.p_means, widget.p_sds)

    def divergence(at, which):
        log_q = kl.gaussian_log_density(x, at[0], np.exp(at[1]))
        first, second = (log_p, log_q) if which == 0 else (log_q, log_p)
        return np.trapezoid(np.exp(first) * (first - second), x)

    for name, which in (("forward", 0), ("reverse", 1)):
        opened.view().locator(f"[data-action={name}]").click()
        opened.page.wait_for_timeout(300 + REST)
        starts = [(-3, -0.5), (2, -0.1), (0, 0.8)]
        runs = [optimize.minimize(divergence, start, args=(which,), method="Nelder-Mead") for start in starts]
        best = min(runs, key=lambda run: run.fun)
        assert (opened.get("q_mean"), opened.get("q_sd")) == pytest.approx(
            (best.x[0], np.exp(best.x[1])), abs=1e-3
        )
        assert _numbers(opened)[which] == pytest.approx(best.fun, abs=6e-4)
    assert opened.get("q_mean") == pytest.approx(2, abs=0.1)  # it sits on the heavier peak
    status = opened.view().locator("[role=status]").inner_text()
    assert "Other valleys" in status and "mean −3" in status


def test_best_q_glides_there_and_jumps_where_motion_is_unwelcome(widget_page):
    opened = widget_page(DensityExplorer())
    record = """() => { window.places = []; const grip = document.querySelector("[data-handle=q]");
      const note = () => { places.push(grip.style.transform); requestAnimationFrame(note); }; note(); }"""
    opened.page.evaluate(record)
    opened.view().locator("[data-action=reverse]").click()
    opened.page.wait_for_timeout(300 + REST)
    assert len(set(opened.page.evaluate("places"))) > 4
    opened.view().locator("[data-action=reset]").click()
    opened.page.wait_for_timeout(REST)
    opened.page.emulate_media(reduced_motion="reduce")
    opened.page.evaluate("() => { places.length = 0; }")
    opened.view().locator("[data-action=reverse]").click()
    opened.page.wait_for_timeout(REST)
    assert len(set(opened.page.evaluate("places"))) == 2


def test_unit_and_direction_change_what_is_shown_and_python_hears(widget_page):
    widget = DensityExplorer()
    opened = widget_page(widget)
    view, area = opened.view(), opened.view().locator("[data-picture=integrand]")
    opened.page.wait_for_timeout(100)
    first = area.evaluate(HASH)
    view.locator("[data-value=bits]").click()
    opened.page.wait_for_timeout(REST)
    assert _numbers(opened) == pytest.approx([kl.bits(value) for value in widget.divergences()], abs=6e-4)
    assert opened.get("unit") == "bits" and "bits" in view.locator("[role=status]").inner_text()
    view.locator("[data-value='q‖p']").click()
    opened.page.wait_for_timeout(REST)
    assert opened.get("direction") == "q‖p" and area.evaluate(HASH) != first
    assert "area = KL(q‖p)" in view.locator(".vc-kl-legend").inner_text()
    assert "q times the logarithm of q over p" in area.get_attribute("aria-label")


def test_the_shaded_areas_add_up_to_the_divergence(widget_page):
    opened = widget_page(DensityExplorer())
    opened.page.wait_for_timeout(100)
    legend = opened.view().locator(".vc-kl-legend .vc-kl-number").all_inner_texts()
    plus, minus, total = (float(text.replace("−", "-").split()[0]) for text in legend[1:])
    assert plus > 0 > minus and plus + minus == pytest.approx(total, abs=1.6e-3)


def test_one_peak_two_peaks_weight_and_reset(widget_page):
    opened = widget_page(DensityExplorer(p_weights=[0.4, 0.6]))
    view = opened.view()
    view.locator("[data-value='1']").click()
    opened.page.wait_for_timeout(REST)
    assert opened.saved()[-1] == {"p_weights": [1], "p_means": [-2.5], "p_sds": [0.7]}
    assert (
        not view.locator("[data-handle=p2]").is_visible()
        and not view.locator("input[type=range]").is_visible()
    )
    assert _numbers(opened)[0] == pytest.approx(float(kl.gaussian(-2.5, 0.7, 0, 1.5)), abs=6e-4)
    view.locator("[data-value='2']").click()
    opened.page.wait_for_timeout(REST)
    assert opened.get("p_means") == [-2.5, 2.5] and opened.get("p_weights") == [0.4, 0.6]
    view.locator("input[type=range]").fill("0.8")
    opened.page.wait_for_timeout(REST)
    assert opened.get("p_weights") == pytest.approx([0.8, 0.2])
    view.locator("[data-action=reset]").click()
    opened.page.wait_for_timeout(REST)
    assert opened.get("p_weights") == [0.4, 0.6] and _now(opened).q_sd == 1.5


def test_densities_follow_python_without_an_echo(widget_page):
    opened = widget_page(DensityExplorer(), DensityExplorer())
    untouched = _readouts(opened, 1)
    for name, value in {"p_means": [1], "p_sds": [0.5], "p_weights": [1], "q_mean": 1, "q_sd": 0.5}.items():
        opened.receive(name, value)
    opened.page.wait_for_timeout(REST)
    assert _readouts(opened) == ["0.000", "0.000"] and _readouts(opened, 1) == untouched
    assert opened.saved() == [] and opened.errors == []


def test_far_tails_stay_finite_on_the_screen(widget_page):
    widget = DensityExplorer([-40, 40], [0.5, 0.5], q_mean=-40, q_sd=0.4)
    opened = widget_page(widget)
    opened.page.wait_for_timeout(100)
    assert _numbers(opened) == pytest.approx(widget.divergences(), abs=6e-4) and _numbers(opened)[0] > 9e3


# Bars


def test_a_dragged_bar_follows_and_the_others_keep_their_proportions(widget_page, bars):
    opened = widget_page(bars)
    grip = opened.view().locator("[data-handle=q0]")
    x, y = centre(grip)
    opened.page.mouse.move(x, y)
    opened.page.mouse.down()
    opened.page.mouse.move(x, y - 60, steps=10)
    assert centre(grip)[1] == pytest.approx(y - 60, abs=1.5)
    opened.page.mouse.up()
    opened.page.wait_for_timeout(REST)
    q = np.array(opened.get("q"))
    assert (
        q[0] > 0.15
        and q.sum() == pytest.approx(1)
        and q[1:] / q[1:].sum() == pytest.approx(np.array([2, 3, 4]) / 9)
    )
    assert list(opened.saved()[-1]) == ["q"] and opened.get("p") == bars.p
    assert _numbers(opened) == pytest.approx(
        [float(kl.categorical(bars.p, q)), float(kl.categorical(q, bars.p))], abs=6e-4
    )


def test_a_bar_dragged_to_zero_forbids_what_p_allows(widget_page, bars):
    opened = widget_page(bars)
    view = opened.view()
    drag(opened, view.locator("[data-handle=q1]"), 0, 400)
    opened.page.wait_for_timeout(REST)
    assert opened.get("q")[1] == 0 and _readouts(opened)[0] == "+∞" and np.isfinite(_numbers(opened)[1])
    status = view.locator("[role=status]").inner_text()
    assert "q forbids what p allows" in status and "“t”" in status
    drag(opened, view.locator("[data-handle=p1]"), 0, 400)
    opened.page.wait_for_timeout(REST)
    assert opened.get("p")[1] == 0 and np.isfinite(_numbers(opened)).all()
    assert "0·log 0 counts as 0" in view.locator("[role=status]").inner_text()


def test_a_bar_comes_back_from_the_floor_within_one_drag(widget_page, bars):
    opened = widget_page(bars)
    x, y = centre(opened.view().locator("[data-handle=p0]"))
    opened.page.mouse.move(x, y)
    opened.page.mouse.down()
    opened.page.mouse.move(x, y + 300, steps=8)
    opened.page.mouse.move(x, y, steps=8)
    opened.page.mouse.up()
    opened.page.wait_for_timeout(REST)
    assert opened.get("p") == pytest.approx(bars.p, abs=5e-3)


def test_the_keyboard_moves_bars_to_exact_values(widget_page, bars):
    opened = widget_page(bars)
    view = opened.view()
    view.locator("[data-handle=p0]").focus()
    opened.page.keyboard.press("Shift+ArrowUp")
    opened.page.keyboard.press("ArrowDown")
    opened.page.wait_for_timeout(REST)
    assert opened.get("p") == pytest.approx([0.49, *(0.51 * np.array([3, 2, 1]) / 6)])
    opened.page.keyboard.press("Home")
    opened.page.wait_for_timeout(REST)
    assert (
        opened.get("p")[0] == 0
        and view.locator("[data-handle=p0]").get_attribute("aria-valuetext") == "exactly 0"
    )
    assert view.locator("[data-handle=p0]").get_attribute("aria-label") == "p of e"
    opened.page.keyboard.press("End")
    opened.page.wait_for_timeout(REST)
    assert opened.get("p") == [1, 0, 0, 0]
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.dataset.handle") == "q0"


def test_bars_unit_equal_and_reset(widget_page, bars):
    opened = widget_page(bars)
    view = opened.view()
    view.locator("[data-value=bits]").click()
    opened.page.wait_for_timeout(REST)
    assert _numbers(opened) == pytest.approx([kl.bits(value) for value in bars.divergences()], abs=6e-4)
    view.locator("[data-action=equal]").click()
    opened.page.wait_for_timeout(REST)
    assert _readouts(opened) == ["0.000", "0.000"] and opened.get("q") == bars.p
    view.locator("[data-action=reset]").click()
    opened.page.wait_for_timeout(REST)
    assert opened.get("q") == bars.q and opened.get("unit") == "bits"


def test_bars_follow_python_also_to_another_number_of_outcomes(widget_page, bars):
    opened = widget_page(bars)
    for name, value in {"p": [0.5, 0.5], "q": [1, 0], "labels": ["heads", "tails"]}.items():
        opened.receive(name, value)
    opened.page.wait_for_timeout(REST)
    assert _readouts(opened) == ["+∞", "0.693"] and opened.view().locator("[role=slider]").count() == 4
    assert opened.saved() == [] and opened.errors == []


# Both


def test_what_a_screen_reader_is_told(widget_page, bars):
    opened = widget_page(DensityExplorer(), bars)
    opened.page.wait_for_timeout(100)
    for index in (0, 1):
        pictures = opened.view(index).locator("canvas[role=img]")
        assert pictures.count() == 2 and all(
            len(each.get_attribute("aria-label")) > 60 for each in pictures.all()
        )
        for slider in opened.view(index).locator("[role=slider]").all():
            least, value, most = (
                float(slider.get_attribute(f"aria-value{each}")) for each in ("min", "now", "max")
            )
            assert (
                least <= value <= most
                and slider.get_attribute("aria-label")
                and slider.get_attribute("aria-valuetext")
            )
        status = opened.view(index).locator("[role=status]")
        before = status.inner_text()
        opened.view(index).locator("[data-handle=q], [data-handle=q0]").focus()
        opened.page.keyboard.press("Shift+ArrowUp")
        opened.page.wait_for_timeout(REST)
        assert status.inner_text() != before


def test_cleaning_up_leaves_nothing_behind_even_in_the_middle_of_a_glide(widget_page, bars):
    opened = widget_page(DensityExplorer(), bars, DensityExplorer())
    opened.view(0).locator("[data-action=reverse]").click()
    opened.clean_up(0)
    opened.clean_up(1)
    opened.page.wait_for_timeout(REST)
    assert opened.saved(0) == [] and opened.view(0).count() == 0
    opened.view(2).locator("[data-handle=q]").focus()
    opened.page.keyboard.press("ArrowRight")
    opened.page.wait_for_timeout(REST)
    assert len(opened.saved(2)) == 1
    opened.clean_up(2)
    assert opened.listeners() == [] and opened.errors == []


@pytest.mark.parametrize("width", [1400, 900, 640])
def test_nothing_is_cut_or_laid_over_anything_else(widget_page, bars, width):
    long = BarExplorer(np.full(26, 1 / 26), np.full(26, 1 / 26), [chr(97 + i) * (1 + i) for i in range(26)])
    opened = widget_page(DensityExplorer(), bars, long, width=width)
    opened.page.wait_for_timeout(200)
    for index in range(3):
        cut = opened.view(index).evaluate(
            """view => { const root = view.querySelector(".vc"), edge = root.getBoundingClientRect();
            return [...root.querySelectorAll("canvas, button:not([hidden]), .vc-kl-number, p, label")].filter(e => {
              const r = e.getBoundingClientRect();
              return r.width && (r.right > edge.right + 1 || r.left < edge.left - 1 || e.scrollWidth > e.clientWidth + 1 && e.clientWidth);
            }).map(e => e.outerHTML.slice(0, 90)); }"""
        )
        assert cut == []
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth") and opened.errors == []


def test_a_number_keeps_its_place_when_its_digits_change(widget_page):
    opened = widget_page(DensityExplorer())
    number = opened.view().locator("[data-readout=pq]")
    places = set()
    for mean in (0.1, 1.1, 4.444, 7.77):
        opened.receive("q_mean", mean)
        opened.page.wait_for_timeout(100)
        places.add((number.bounding_box()["x"], number.bounding_box()["width"]))
    assert len(places) == 1


def test_in_a_real_notebook_the_kernel_hears_the_hand_and_the_view_hears_the_kernel(lab):
    cells = [
        "from vaecourse.widgets.kl_divergence import BarExplorer, DensityExplorer\nd = DensityExplorer()\nd",
        "b = BarExplorer([0.5, 0.3, 0.2], [0.2, 0.3, 0.5])\nb",
    ]
    with lab.open(cells) as page:
        views = page.locator(".jp-OutputArea-output .vc-kl")
        views.nth(1).wait_for()
        grip = views.nth(0).locator("[data-handle=q]")
        grip.scroll_into_view_if_needed()
        x, y = centre(grip)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 80, y, steps=8)
        page.mouse.up()
        page.wait_for_timeout(2 * REST)
        assert float(page.execute("print(d.q_mean)")) > 0.5
        grip.focus()
        page.keyboard.press("Shift+ArrowLeft")
        page.keyboard.press("ArrowDown")
        views.nth(0).locator("[data-value='1']").click()
        page.wait_for_timeout(2 * REST)
        assert page.execute("print(len(d.p_means), d.p_weights)") == "1 [1.0]\n"
        assert page.locator(".jp-Notebook .jp-Cell").count() == 2  # no key reached the notebook
        page.execute("d.q_mean, d.q_sd = -2.5, 0.7; b.set_outcomes([0.5, 0.5], [1.0, 0.0])")
        page.wait_for_timeout(2 * REST)
        assert views.nth(0).locator("[data-readout=pq]").inner_text() == "0.000"
        assert views.nth(1).locator("[data-readout=pq]").inner_text() == "+∞"
        assert page.execute("print(b.p, b.labels)") == "[0.5, 0.5] ['1', '2']\n" and page.errors == []
