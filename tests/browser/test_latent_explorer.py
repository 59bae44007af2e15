"""The latent-space explorer under the hand: a real pointer, real keys, in a real browser."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vaecourse.widgets import dense
from vaecourse.widgets.latent_space import LatentExplorer, LatentModel

from .test_decoder import decoder

TESTS = Path(__file__).parents[1].as_posix()

SHOWN = """canvas => {  // the grey levels of a picture, one number a pixel
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: data.length / 4 }, (_, i) => data[4 * i]);
}"""
IMAGES = np.random.default_rng(1).uniform(size=(12, 64)).astype(np.float32)
CODES = np.random.default_rng(2).normal(size=(12, 3)) * [1.0, 0.8, 0.6]
LABELS = [3, 7, 7, 0] * 3


def explorer(latents=3, **options):
    """Return two models: A in the units of its codes (which lie around 5), B in those of its prior."""
    codes = np.resize(CODES, (12, latents))
    given = {
        "A": LatentModel(decoder(latents, 12, seed=1), 5 + 2 * codes, "codes"),
        "B": LatentModel(decoder(latents, 12, seed=2), codes, "prior"),
    }
    return LatentExplorer(given, IMAGES, LABELS, **{"start": None} | options)


class Hand:
    """What a person does with the explorer and sees of it."""

    def __init__(self, opened, index=0):
        self.opened, self.page, self.index = opened, opened.page, index
        self.box = opened.view(index)
        self.pad = {name: self.box.get_by_label(f"{name}: drag the code") for name in "AB"}

    def rest(self):
        """Wait in the page itself, whose timers keep their order: what rests for 120 ms has then been told."""
        self.page.evaluate(
            "new Promise(done => setTimeout(() => requestAnimationFrame(() => setTimeout(done)), 150))"
        )

    def z(self):
        return {name: np.array(code) for name, code in self.opened.get("z", self.index).items()}

    def picture(self, name):
        return np.array(self.box.locator(f"[data-picture={name}]").evaluate(SHOWN))

    def drag(self, name, *places):
        """Press at the first place, [0, 1] x [0, 1] with y upwards, move over the others, and release."""
        box = self.pad[name].bounding_box()
        at = [(box["x"] + x * box["width"], box["y"] + (1 - y) * box["height"]) for x, y in places]
        self.page.mouse.move(*at[0])
        self.page.mouse.down()
        for place in at[1:]:
            self.page.mouse.move(*place, steps=4)
        self.page.mouse.up()
        self.rest()

    def slider(self, k):
        return self.box.get_by_label(f"latent dimension {k + 1}", exact=True)

    def click(self, text):
        self.box.get_by_role("button", name=text).click()
        self.rest()


@pytest.fixture
def hand(widget_page):
    opened = widget_page(explorer())
    yield Hand(opened)
    assert opened.errors == []


def expected(view, name, code):
    """Return the grey levels that Python's decoder gives for `code`, dark where the picture is full."""
    one = next(one for one in view._prepared if one.name == name)
    return 255 - np.clip(255 * dense.forward(one.layers, code), 0, 255)


def test_the_pictures_are_what_python_decodes(hand):
    view = explorer()
    for name, code in view.z.items():
        assert np.abs(hand.picture(name) - expected(view, name, np.array(code))).max() <= 1


def test_dragging_the_pad_moves_every_model_in_its_own_units_and_changes_the_pictures(hand):
    view = explorer()
    before = {name: hand.picture(name) for name in "AB"}
    hand.drag("B", (0.5, 0.5), (0.75, 0.4))
    across, up = view.settings["axes"]
    reach = view.settings["reach"]
    u = np.zeros(3)
    u[across], u[up] = 0.5 * reach, -0.2 * reach
    z = hand.z()
    assert np.allclose(z["B"], u, atol=0.03)
    scale = view.models[0]
    assert np.allclose(z["A"], np.array(scale["centre"]) + np.array(scale["spread"]) * z["B"], atol=1e-4)
    for name in "AB":
        seen = hand.picture(name)
        assert np.abs(seen - before[name]).max() > 20
        assert np.abs(seen - expected(view, name, z[name])).max() <= 1


def test_python_hears_of_a_movement_once_it_rests_and_not_at_every_event(hand):
    events, early = hand.slider(
        1
    ).evaluate("""input => {  // in one task, so that no load on the machine parts them
      let events = 0;
      for (let value = -1; value < 1; value += 0.02, events++) {
        input.value = value;
        input.dispatchEvent(new Event("input", { bubbles: true }));
      }
      return [events, host.views[0].model.saved.length];
    }""")
    hand.rest()
    saved = hand.opened.saved()
    assert events == 100 and early == 0 and len(saved) == 1
    assert saved[0]["z"]["B"] == [0, pytest.approx(0.98), 0]


def test_the_hand_may_leave_the_pad_and_the_code_stays_at_its_edge(hand):
    hand.drag("B", (0.5, 0.5), (1.4, 0.5))
    across = explorer().settings["axes"][0]
    assert hand.z()["B"][across] == pytest.approx(explorer().settings["reach"], abs=1e-6)


def test_arrows_move_the_pad_and_shift_makes_them_five_times_as_long(hand):
    across, up = explorer().settings["axes"]
    hand.pad["B"].focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowLeft", "Shift+ArrowDown"):
        hand.page.keyboard.press(key)
    hand.rest()
    assert hand.z()["B"][across] == pytest.approx(-0.3) and hand.z()["B"][up] == pytest.approx(-0.4)
    before = hand.z()["B"]
    hand.page.keyboard.press("a")
    hand.page.keyboard.press("Control+ArrowRight")
    hand.rest()
    assert np.array_equal(hand.z()["B"], before)


def test_arrows_stop_at_the_edge(hand):
    hand.pad["B"].focus()
    for _ in range(12):
        hand.page.keyboard.press("Shift+ArrowLeft")
    hand.rest()
    settings = explorer().settings
    assert hand.z()["B"][settings["axes"][0]] == pytest.approx(-settings["reach"])


def test_keys_do_not_reach_the_notebook(hand):
    hand.page.evaluate("document.addEventListener('keydown', event => { window.heard = event.key; })")
    for target in (hand.pad["A"], hand.slider(0)):
        target.focus()
        hand.page.keyboard.press("ArrowDown")
    assert hand.page.evaluate("window.heard") is None
    assert (
        hand.box.locator("[data-lm-suppress-shortcuts]").count() == 1
    )  # what JupyterLab's own listener asks for


@pytest.mark.parametrize("k", range(3))
def test_every_slider_moves_its_dimension_with_pointer_and_keys(hand, k):
    view = explorer()
    box = hand.slider(k).bounding_box()
    hand.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    hand.page.mouse.down()
    hand.page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] / 2, steps=5)
    hand.page.mouse.up()
    hand.rest()
    z = hand.z()["B"]
    assert 0.3 * view.settings["reach"] < z[k] < 0.5 * view.settings["reach"]
    assert [value for i, value in enumerate(z) if i != k] == [0, 0]
    assert np.abs(hand.picture("B") - expected(view, "B", z)).max() <= 1
    hand.page.keyboard.press("Shift+ArrowRight")
    hand.page.keyboard.press("ArrowDown")
    hand.rest()
    assert hand.z()["B"][k] == pytest.approx(z[k] + 0.4, abs=0.011)
    label = hand.box.locator("label").nth(k).inner_text()
    assert label.split() == [f"z{'₁₂₃'[k]}", f"{hand.z()['B'][k]:.2f}"]


def test_the_sliders_show_the_model_in_hand(hand):
    hand.click("next real image")
    hand.click("previous real image")
    view = explorer(start=0)
    positions = {one.name: one.positions[0] for one in view._prepared}
    assert float(hand.slider(2).input_value()) == pytest.approx(positions["B"][2], abs=0.011)
    hand.pad["A"].press("ArrowRight")
    hand.rest()
    assert float(hand.slider(2).input_value()) == pytest.approx(positions["A"][2], abs=0.011)


def test_a_real_image_starts_each_model_at_its_own_code(hand):
    hand.box.get_by_label("which real images").select_option("7")
    hand.rest()
    assert hand.opened.get("image") == 1
    assert {name: code.tolist() for name, code in hand.z().items()} == explorer(start=1).z
    original = np.array(hand.box.get_by_label("real image 2, a 7").evaluate(SHOWN))
    assert np.abs(original - (255 - np.round(255 * IMAGES[1]))).max() <= 1
    for wanted in (2, 5, 6):
        hand.click("next real image")
        assert hand.opened.get("image") == wanted
    hand.click("previous real image")
    assert hand.opened.get("image") == 5 and hand.opened.saved()[-1]["image"] == 5


def test_a_drag_from_a_real_image_moves_both_by_the_same_amount(hand):
    hand.click("next real image")
    before = hand.z()
    hand.slider(1).focus()
    hand.page.keyboard.press("Shift+ArrowUp")
    hand.rest()
    spread = explorer().models[0]["spread"]
    moved = {name: hand.z()[name] - before[name] for name in "AB"}
    assert moved["B"][1] == pytest.approx(0.5, abs=0.011)
    assert np.allclose(moved["A"], np.array(spread) * moved["B"], atol=1e-5)


def test_random_codes_repeat_with_the_seed_and_the_origin_is_the_centre(widget_page):
    opened = widget_page(explorer(), explorer(), explorer(seed=5))
    hands = [Hand(opened, index) for index in range(3)]
    for one in hands:
        one.click("a random code")
    first, again, other = (one.z()["B"] for one in hands)
    assert np.array_equal(first, again) and not np.array_equal(first, other) and np.ptp(first) > 0
    hands[0].click("a random code")
    assert not np.array_equal(hands[0].z()["B"], first)
    scale = explorer().models[0]
    assert np.allclose(
        hands[1].z()["A"], np.array(scale["centre"]) + np.array(scale["spread"]) * first, atol=1e-5
    )
    hands[0].click("the origin")
    assert hands[0].z()["B"].tolist() == [0, 0, 0]
    assert np.allclose(hands[0].z()["A"], scale["centre"], atol=1e-6)
    assert opened.errors == []


def test_python_moves_the_code_and_no_echo_comes_back(hand):
    view = explorer()
    view.z = {"B": [0.5, -1.0, 0.25]}
    hand.opened.receive("z", view.z)
    hand.rest()
    assert np.abs(hand.picture("B") - expected(view, "B", np.array([0.5, -1.0, 0.25]))).max() <= 1
    assert hand.box.locator("label output").all_inner_texts() == ["0.50", "−1.00", "0.25"]
    assert hand.opened.saved() == []


def test_the_grid_of_pictures_is_what_python_decodes_and_follows_the_other_sliders(hand):
    view = explorer()
    hand.click("the pictures")
    grid = hand.box.locator("[data-picture=grid]").last

    def seen():
        canvas = np.array(grid.evaluate(SHOWN)).reshape(15 * 9 - 1, 15 * 9 - 1)
        return np.array([canvas[9 * row : 9 * row + 8, 9 * column : 9 * column + 8] for row, column in cells])

    def decoded(other):
        u = np.zeros((len(cells), 3))
        quantile = torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor((np.arange(15) + 0.5) / 15)).numpy()
        u[:, view.settings["axes"][0]] = [quantile[column] for _, column in cells]
        u[:, view.settings["axes"][1]] = [quantile[14 - row] for row, _ in cells]
        u[:, 3 - sum(view.settings["axes"])] = other
        return expected(view, "B", u).reshape(-1, 8, 8)

    cells = [(row, column) for row in range(15) for column in range(15)]
    assert np.abs(seen() - decoded(0)).max() <= 1
    before = seen()
    hand.slider(3 - sum(view.settings["axes"])).focus()
    hand.page.keyboard.press("Shift+ArrowUp")
    hand.page.keyboard.press("Shift+ArrowUp")
    hand.rest()
    assert np.abs(seen() - decoded(1)).max() <= 1 and np.abs(seen() - before).max() > 20


def test_a_touch_on_the_grid_goes_to_the_middle_of_its_cell(hand):
    hand.click("the pictures")
    hand.drag("B", ((3 + 0.2) / 15, (9 + 0.9) / 15))
    across, up = explorer().settings["axes"]
    quantiles = torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor([(3 + 0.5) / 15, (9 + 0.5) / 15]))
    assert hand.z()["B"][[across, up]] == pytest.approx(quantiles.numpy(), abs=1e-5)
    hand.click("the codes")
    assert hand.box.locator("[data-picture=grid]").count() == 0


def test_other_dimensions_can_be_put_on_the_pad_and_never_the_same_one_twice(hand):
    settings = explorer().settings
    other = 3 - sum(settings["axes"])
    choose = hand.box.get_by_label("latent dimension across")
    choose.select_option(str(other))
    hand.drag("B", (0.5, 0.5), (0.8, 0.5))
    assert hand.z()["B"][other] == pytest.approx(0.6 * settings["reach"], abs=0.03)
    upwards = hand.box.get_by_label("latent dimension upwards")
    upwards.select_option(str(other))
    assert choose.input_value() != upwards.input_value() == str(other)


def test_what_is_seen_is_also_said(hand):
    hand.rest()
    hand.click("next real image")
    status = hand.box.get_by_role("status")
    assert status.get_attribute("aria-live") == "polite"
    view = explorer()
    said = status.inner_text()
    for name in "AB":
        picture = hand.box.locator(f"[data-picture={name}]")
        seen = dense.forward(
            next(one for one in view._prepared if one.name == name).layers, np.array(hand.z()[name])
        )
        distances = np.linalg.norm(IMAGES - seen, axis=1)
        near = f"a real {LABELS[distances.argmin()]} at distance {distances.min():.2f}"
        assert picture.get_attribute("role") == "img"
        assert picture.get_attribute("aria-label").startswith(f"{name} decodes z")
        assert near in picture.get_attribute("aria-label") and f"{name}: nearest to {near}" in said
    assert (
        f"Real images lie {view.settings['apart']:.2f} from" in said and "Started from image 2, a 7" in said
    )


def test_two_explorers_on_one_page_do_not_interfere_and_leave_nothing_behind(widget_page):
    opened = widget_page(explorer(), explorer())
    first, second = Hand(opened, 0), Hand(opened, 1)
    untouched = second.picture("A"), second.z()["A"]
    first.drag("A", (0.5, 0.5), (0.9, 0.1))
    first.click("the pictures")
    assert np.array_equal(second.picture("A"), untouched[0]) and np.array_equal(second.z()["A"], untouched[1])
    before = len(opened.saved(0))
    first.pad["A"].evaluate("""pad => {  // the clean-up comes while a change still waits for its rest
      pad.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
      return host.cleanUp(0);
    }""")
    second.rest()
    assert len(opened.saved(0)) == before
    second.drag("B", (0.5, 0.5), (0.2, 0.2))
    assert opened.saved(1)
    opened.clean_up(1)
    assert opened.listeners() == [] and opened.errors == []


def test_a_model_may_be_alone_and_its_images_without_classes(widget_page):
    view = LatentExplorer({"only": LatentModel(decoder(2, 12), CODES[:, :2])}, IMAGES)
    opened = widget_page(view)
    hand = Hand(opened)
    hand.rest()
    assert "only: nearest to a real image at distance" in hand.box.get_by_role("status").inner_text()
    hand.click("next real image")
    assert opened.get("image") == 1 and opened.errors == []


@pytest.mark.parametrize("latents", [1, 50])
def test_one_dimension_and_fifty(widget_page, latents):
    opened = widget_page(explorer(latents))
    hand = Hand(opened)
    assert hand.box.locator("input[type=range]").count() == latents
    hand.drag("B", (0.5, 0.5), (0.7, 0.9))
    hand.click("the pictures")
    moved = np.flatnonzero(hand.z()["B"])
    assert len(moved) == min(latents, 2)
    assert hand.z()["B"][explorer(latents).settings["axes"][0]] == pytest.approx(
        0.4 * explorer(latents).settings["reach"], abs=0.03
    )
    assert opened.errors == []


@pytest.mark.parametrize("width", [1400, 900, 640, 400])
def test_nothing_is_cut_at_any_width(widget_page, width):
    opened = widget_page(explorer(8), width=width)
    opened.page.wait_for_timeout(100)
    inside = opened.page.evaluate("""() => {
      const frame = document.querySelector(".vc").getBoundingClientRect();
      const parts = [...document.querySelectorAll(".vc *")].map(part => part.getBoundingClientRect())
        .filter(part => part.width);
      return { page: document.documentElement.scrollWidth <= innerWidth,
        parts: parts.every(part => part.left >= frame.left - 1 && part.right <= frame.right + 1) };
    }""")
    assert inside == {"page": True, "parts": True}


def test_in_a_real_notebook_the_code_reaches_python_and_back_and_the_keys_stay(lab):
    cells = [
        "import sys; sys.path.insert(0, TESTS)\n"
        "from browser.test_latent_explorer import explorer\nview = explorer()".replace("TESTS", repr(TESTS)),
        "view",
        "1 + 1",
    ]
    with lab.open(cells) as page:
        pad = page.get_by_label("B: drag the code")
        pad.scroll_into_view_if_needed()
        box = pad.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2, steps=8)
        page.mouse.up()
        active = "jupyterapp.shell.currentWidget.content.activeCellIndex"
        before = page.evaluate(active)
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("ArrowDown")
        asked = "k, j = view.settings['axes']; print(view.z['B'][k] / view.settings['reach'], view.z['B'][j])"
        for _ in range(40):  # the kernel hears it in its own time
            told = page.execute(asked)
            if float(told.split()[1]) < -0.05:
                break
            page.wait_for_timeout(250)
        across, up = map(float, told.split())
        assert across == pytest.approx(0.5 + 0.5 / explorer().settings["reach"], abs=0.02)
        assert up == pytest.approx(-0.1, abs=0.02)
        assert page.evaluate(active) == before and page.locator(".jp-Cell").count() == 3
        page.execute("view.encode(4)")
        page.get_by_text("Started from image 5, a 3").wait_for()
        assert page.errors == []
