"""`vaecourse build`: good lessons are stored in one form, broken ones are left as they were and named."""

import json
import os
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from vaecourse import build, cli, stored_form
from vaecourse.errors import CourseError
from vaecourse.stored_form import KERNEL, WIDGET, complaints, settled

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

GOOD = """
import os, time
from pathlib import Path
from IPython.display import display
from tqdm import tqdm
for step in tqdm(range(3), desc="training"):
    time.sleep(0.01)
print("first", end=" ")
print("line")
"""
WIDGETS = """
import ipywidgets
from vaecourse.widgets.base import BrowserWidget
import matplotlib.pyplot as plt

class Square(BrowserWidget):
    _esm = "export default { render() {} }"
    def picture(self):
        figure = plt.figure(figsize=(1, 1))
        plt.close(figure)
        return figure
    def sentence(self):
        return "An empty square."

from tqdm.notebook import tqdm as bar
for step in bar(range(2)):
    pass
Square()
"""
HOME = "print(os.environ['OMP_NUM_THREADS'], len(list(Path(os.environ['VAECOURSE_HOME']).iterdir())))"


def write(path: Path, *sources: str, **metadata) -> Path:
    """Write a notebook as somebody might hand it in: old format, no ids, foreign metadata, stale outputs."""
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# A lesson\n", "in two lines"]},
        *(
            {
                "cell_type": "code",
                "execution_count": 17,
                "metadata": {"execution": {"iopub.status.busy": "2030"}, "tags": ["kept"]},
                "outputs": [{"name": "stdout", "output_type": "stream", "text": "stale"}],
                "source": source.strip(),
            }
            for source in sources
        ),
    ]
    kernel = {"name": "my-env", "display_name": "mine", "language": "python"}
    raw = {"cells": cells, "metadata": {"kernelspec": kernel, **metadata}, "nbformat": 4, "nbformat_minor": 4}
    path.write_text(json.dumps(raw), encoding="utf-8")
    return path


def build_one(path: Path, capsys) -> tuple[int, str, str]:
    status = cli.main(["build", str(path)])
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    path = write(
        tmp_path_factory.mktemp("build") / "01_good.ipynb", GOOD, WIDGETS, "", HOME, "6 * 7", widgets={}
    )
    assert build.run([path]) == 0
    return path


def test_a_good_lesson_is_run_and_stored_in_one_form(built):
    notebook = nbformat.read(built, as_version=4)
    assert dict(notebook.metadata.kernelspec) == KERNEL
    assert "version" not in notebook.metadata.language_info and "widgets" not in notebook.metadata
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, None, 3, 4]
    assert all(dict(cell.metadata) == {"tags": ["kept"]} for cell in code)
    first, widget, _, home, answer = (cell.outputs for cell in code)
    assert [(output.name, output.text) for output in first] == [
        ("stdout", "first line\n")
    ]  # no bar, no stale text
    assert len(widget) == 1 and set(widget[0].data) == {"image/png", "text/plain"}
    assert widget[0].metadata["image/png"] == {"alt": "An empty square."}
    assert home[0].text == f"{os.environ['OMP_NUM_THREADS']} 0\n"
    assert answer[0].data["text/plain"] == "42" and answer[0].execution_count == 4
    assert WIDGET not in built.read_text(encoding="utf-8")


def test_building_again_changes_nothing(built):
    before = built.read_bytes()
    assert build.run([built]) == 0
    assert built.read_bytes() == before


def test_ids_missing_come_from_the_content_and_are_kept_from_then_on(tmp_path):
    first = build.read(write(tmp_path / "a.ipynb", "1", "1", "2"))
    again = build.read(write(tmp_path / "b.ipynb", "1", "1", "2"))
    ids = [cell.id for cell in first.cells]
    assert ids == [cell.id for cell in again.cells] and len(set(ids)) == 4
    first.cells[1].source = "changed"
    build.store(build.written(first), tmp_path / "a.ipynb")
    assert [cell.id for cell in build.read(tmp_path / "a.ipynb").cells] == ids


def test_the_stored_form_passes_the_check_and_the_check_runs_nothing(built, capsys, monkeypatch):
    monkeypatch.setattr(build, "execute", lambda *_: pytest.fail("--check must not run anything"))
    before = built.stat().st_mtime_ns
    assert cli.main(["build", "--check", str(built)]) == 0
    assert built.stat().st_mtime_ns == before
    assert "as it should be" in capsys.readouterr().out


BROKEN = {
    "1 / 0": "cell 2 ends in an error, ZeroDivisionError: division by zero",
    "import warnings; warnings.warn('old')": "cell 2 writes to stderr",
    "object()": "cell 2 prints '<object at 0x",
    "import sys; print(sys.prefix)": "a path of this machine",
    f"from IPython.display import Image; import base64\nImage(base64.b64decode('{PIXEL}'))": "(image/png) without alt",
    "from IPython.display import HTML; HTML('<img src=\"x.png\">')": "an <img> without alternative text",
}


@pytest.mark.parametrize("source, expected", BROKEN.items(), ids=[name[:24] for name in BROKEN])
def test_a_broken_lesson_is_named_and_left_as_it_was(tmp_path, capsys, source, expected):
    path = write(tmp_path / "01_bad.ipynb", source, "print('after')")
    before = path.read_bytes()
    status, out, err = build_one(path, capsys)
    assert (status, out) == (1, "")
    assert expected in err
    assert all(line.startswith("01_bad.ipynb: ") for line in err.splitlines())
    assert path.read_bytes() == before


def test_a_notebook_that_is_too_large_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(stored_form, "LARGEST", 2_000)
    status, _, err = build_one(write(tmp_path / "01_big.ipynb", "print('x' * 3_000)"), capsys)
    assert status == 1 and "are allowed" in err


def test_a_silent_cell_and_a_bare_widget_are_remarked_upon(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(build, "SILENT", 0.05)
    path = write(
        tmp_path / "01_slow.ipynb",
        "import time; time.sleep(0.2)",
        "import ipywidgets; ipywidgets.IntSlider()",
    )
    status, out, err = build_one(path, capsys)
    assert status == 0 and "built in" in out
    assert "cell 2 is silent for" in err and "cell 3 shows a widget without a picture" in err


def stored(*cells, **metadata) -> nbformat.NotebookNode:
    return v4.new_notebook(
        cells=list(cells),
        metadata={"kernelspec": dict(KERNEL), "language_info": {"name": "python"}, **metadata},
    )


def code(count: int | None = 1, *outputs, **metadata):
    return v4.new_code_cell("x", execution_count=count, outputs=list(outputs), metadata=metadata)


def show(data: dict, **metadata):
    return v4.new_output("display_data", data, metadata=metadata)


@pytest.mark.parametrize(
    "notebook, expected",
    [
        (stored(code(2)), "cell 1 was not run as number 1"),
        (stored(code(1), code(None), code(None)), "cell 2 was not run as number 2"),
        (stored(code(1, execution={"a": "b"})), "stores the times"),
        (stored(widgets={"state": {}}), "stores the state of widgets"),
        (stored(code(1, show({WIDGET: {}, "text/plain": "x"}))), "stores the id of a widget"),
        (
            stored(code(1, show({"image/png": PIXEL}, **{"image/png": {"alt": " "}}))),
            "without alternative text",
        ),
        (stored(v4.new_markdown_cell("![](map.png)")), "cell 1 has a picture without alternative text"),
        (stored(v4.new_markdown_cell('<img src="map.png" alt="">')), "cell 1 has a picture without"),
        (stored(kernelspec={"name": "my-env", "display_name": "m"}), "its metadata is not that of"),
        (stored(language_info={"name": "python", "version": "3.11.7"}), "its metadata is not that of"),
    ],
)
def test_the_check_names_every_rule_that_is_broken(notebook, expected):
    (sentence,) = complaints(notebook)
    assert expected in sentence


def test_a_picture_with_its_sentence_is_welcome():
    picture = show({"image/png": PIXEL}, **{"image/png": {"alt": "one grey pixel"}})
    words = v4.new_markdown_cell('![a map](map.png) <img src="x" alt="a map">')
    assert list(complaints(stored(words, code(1, picture)))) == []


def test_settled_outputs_have_no_bars_and_one_stream_of_each_name():
    def stream(name, text):
        return v4.new_output("stream", name=name, text=text)

    outputs = [
        stream("stdout", "a"),
        stream("stderr", "\r 10%|█   | 1/10 [00:00<00:01]"),
        show({WIDGET: {"model_id": "1"}, "text/plain": "  0%|          | 0/3 [00:00<?, ?it/s]"}),
        stream("stdout", "b\roverwritten\n"),
        stream("stderr", "\r100%|████| 10/10 [00:01<00:00, 9.9it/s, loss=24.0]\n"),
        show({WIDGET: {"model_id": "2"}, "text/plain": "a sentence"}),
        show({WIDGET: {"model_id": "3"}}),
    ]
    before = json.dumps(outputs)
    stdout, widget = settled(outputs)
    assert stdout.text == "overwritten\n"
    assert dict(widget.data) == {"text/plain": "a sentence"}
    assert json.dumps(outputs) == before
    assert settled(settled(outputs)) == settled(outputs)


def test_a_warning_among_the_bars_is_not_lost():
    text = "\r 10%|█   | 1/10 [00:00<00:01]\nUserWarning: this is old\n\r100%|██| 2/2 [00:01<00:00]"
    (output,) = settled([v4.new_output("stream", name="stderr", text=text)])
    assert output.text == "UserWarning: this is old\n"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"cells": []}', '{"nbformat": 3, "worksheets": []}'])
def test_a_file_that_is_no_notebook_is_one_sentence(tmp_path, content):
    (tmp_path / "x.ipynb").write_text(content, encoding="utf-8")
    with pytest.raises(
        CourseError, match=r"^The file .*x\.ipynb is not a notebook \(.*\): restore or repair it\.$"
    ):
        build.read(tmp_path / "x.ipynb")


def test_a_missing_notebook_is_one_sentence(tmp_path, capsys):
    status, out, err = build_one(tmp_path / "none.ipynb", capsys)
    assert (status, out) == (2, "")
    assert err.startswith("vaecourse: The notebook ") and err.count("\n") == 1


def test_every_lesson_of_the_course_is_stored_as_it_should_be(capsys):
    assert cli.main(["build", "--check"]) == 0, capsys.readouterr().err
