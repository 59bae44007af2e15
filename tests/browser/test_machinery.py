"""The machinery itself: the stub of the widget model, the real JupyterLab, node, and what `base` promises."""

from pathlib import Path

import nbformat
import traitlets

from vaecourse.widgets.base import BrowserWidget

TESTS = Path(__file__).parents[1].as_posix()
COUNTER = """
export default { render({ model, el }) {
  const button = document.createElement("button");
  const [, total] = new Float32Array(model.get("data").buffer);
  const show = () => { button.textContent = `${model.get("count")} of ${total}`; };
  const press = () => { model.set("count", model.get("count") + 1); model.save_changes(); };
  button.addEventListener("click", press);
  window.addEventListener("resize", show);
  model.on("change:count", show);
  show();
  el.append(button);
  return () => { window.removeEventListener("resize", show); model.off("change:count", show); };
} };
"""


class Counter(BrowserWidget):
    _esm = COUNTER
    count = traitlets.Int(2).tag(sync=True)
    data = traitlets.Bytes(b"\0\0\x80\x3f\0\0\xe0\x40").tag(sync=True)  # the float32 numbers 1 and 7

    def picture(self):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(1, 1))
        figure.add_subplot().plot([0, 1])
        return figure

    def sentence(self):
        return "A rising line, which stands for a counter."


def test_a_page_runs_widgets_apart_and_counts_what_they_leave_behind(widget_page):
    opened = widget_page(Counter(), Counter(count=5))
    first, second = opened.view(0), opened.view(1)
    assert (first.inner_text(), second.inner_text()) == ("2 of 7", "5 of 7")
    first.locator("button").click()
    assert first.inner_text() == "3 of 7" and opened.saved() == [{"count": 3}] and opened.saved(1) == []
    opened.receive("count", 9, 1)
    assert second.inner_text() == "9 of 7" and opened.get("count", 0) == 3
    assert sorted(opened.listeners()) == ["model change:count"] * 2 + ["window resize"] * 2
    opened.clean_up(0)
    opened.clean_up(1)
    assert opened.listeners() == [] and opened.errors == []


def test_a_notebook_runs_and_its_kernel_hears_the_widget(lab):
    path = f"import sys; sys.path.insert(0, {TESTS!r})"
    with lab.open([path, "from browser.test_machinery import Counter\ncounter = Counter()\ncounter"]) as page:
        page.locator(".jp-OutputArea-output button").click()
        page.get_by_text("3 of 7").wait_for()
        assert (
            page.execute("print(counter.count)") == "3\n"
        )  # asked after the change, and so answered after it
        assert page.errors == []


def test_a_notebook_that_has_not_been_run_shows_the_picture_and_not_a_broken_widget(lab, tmp_path):
    data, metadata = Counter()._repr_mimebundle_()
    output = nbformat.v4.new_output("display_data", data=data, metadata=metadata)
    cell = nbformat.v4.new_code_cell("counter", outputs=[output])
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), tmp_path / "saved.ipynb")
    with lab.open(tmp_path / "saved.ipynb", run=False) as page:
        picture = page.locator(".jp-OutputArea-output img")
        picture.wait_for()
        assert picture.evaluate("image => image.naturalWidth") > 10
        assert "model not found" not in page.locator(".jp-OutputArea").inner_text()


def test_node_imports_a_module_beside_the_widgets(node):
    assert node("answer({ n: data.n + 1, list: new Float32Array([1, 2]) })", {"n": 1}) == {
        "n": 2,
        "list": [1, 2],
    }
