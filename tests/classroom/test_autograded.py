"""The graded notebook: what stands where, and that nothing in it acts on the page where a teacher reads it."""

import json
import logging
import os
import random
import re
import time
from html.parser import HTMLParser

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vaecourse.classroom import autograded, defuse, feedback
from vaecourse.classroom.records import CRASHED, LATE, CellRun, Run, Submission
from vaecourse.errors import CourseError

from . import class_of_three as three
from . import hostile_text, tiny


@pytest.fixture
def made(tiny_assignment, tmp_path):
    return three.made(tmp_path)


@pytest.fixture
def released(made):
    return json.loads(made.release("T1").read_text("utf-8"))


def text_output(output: str) -> dict:
    return {"output_type": "stream", "name": "stdout", "text": output}


def cell(notebook, name):
    return next(c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == name)


def names(notebook):
    return [c["metadata"].get("nbgrader", {}).get("grade_id") or c["source"] for c in notebook["cells"]]


def merged(released, notebook, grade=None, ran=None):
    handed = three.submission("ada", notebook)
    return autograded.notebook(released, handed, ran, grade or three.grade("ada"))


def test_answers_outputs_and_reports_stand_in_their_places(released):
    given = tiny.submission(**tiny.HALF)
    ran = three.run(
        given,
        (text_output("imported"),),
        (text_output("one"),),
        (text_output("checked!"),),
        (text_output("two"),),
    )
    shown = merged(released, given, three.grade("ada", 2), ran)
    nbformat.validate(shown)
    assert names(shown) == names(released)
    assert cell(shown, "centred")["source"] == tiny.HALF["centred"]
    assert cell(shown, "centred")["outputs"] == [text_output("one")]
    assert cell(shown, "spread")["outputs"] == [text_output("two")]
    assert shown["cells"][1]["outputs"] == [text_output("imported")]
    assert cell(shown, "why_squares")["source"] == tiny.HALF["why_squares"]
    (said,) = cell(shown, "check_spread")["outputs"]
    assert said["data"] == {"text/plain": (
        "T1/spread: 2 of 3 points, property failed\n"
        "  ✓ zero for equal numbers\n"
        "  ✓ never negative\n"
        "  ✗ agrees with the definition\n"
        "      Hint: Squares, not absolute values; and divide by how many there are."
    )}  # fmt: skip
    assert "4 of 4 points, passed" in cell(shown, "check_centred")["outputs"][0]["data"]["text/plain"]
    for mine, theirs in zip(shown["cells"], released["cells"], strict=True):
        assert (mine["metadata"], mine["id"], mine["cell_type"]) == (
            theirs["metadata"], theirs["id"], theirs["cell_type"],
        )  # fmt: skip


def test_code_cells_is_the_one_rule_by_which_cells_are_counted(released):
    given = tiny.submission()
    given["cells"].insert(0, {"cell_type": "raw", "id": "r", "metadata": {}, "source": "raw"})
    given["cells"].insert(1, {"cell_type": "code", "id": "x", "metadata": {}, "source": "0", "outputs": []})
    at = autograded.code_cells(given)
    assert [given["cells"][i]["source"] for i in at][:2] == ["0", given["cells"][3]["source"]]
    ran = three.run(given, *[(text_output(f"cell {i}"),) for i in at])
    shown = merged(released, given, ran=ran)
    assert cell(shown, "centred")["outputs"] == [text_output(f"cell {names(given).index('centred')}")]
    assert next(c for c in shown["cells"] if c["source"] == "0")["outputs"] == [text_output("cell 1")]


def test_own_cells_stay_where_they_were(released):
    given = tiny.submission(**tiny.SOLUTIONS)
    place = names(given).index("check_centred")
    mine = {"cell_type": "code", "id": "mine", "metadata": {}, "source": "print(1)", "outputs": []}
    given["cells"].insert(place + 1, mine)
    given["cells"].insert(0, {**mine, "id": "first", "cell_type": "markdown", "source": "My notes"})
    given["cells"].append({**mine, "id": "last", "source": "print(2)"})
    shown = merged(released, given)
    nbformat.validate(shown)
    want = names(released)
    at = want.index("check_centred")
    assert names(shown) == ["My notes", *want[: at + 1], "print(1)", *want[at + 1 :], "print(2)"]


def test_doubled_deleted_and_changed_cells(released):
    given = tiny.submission(**tiny.SOLUTIONS)
    del given["cells"][names(given).index("centred")]
    del given["cells"][names(given).index("check_centred")]
    again = json.loads(json.dumps(cell(given, "spread")))
    again["source"], again["id"] = "def spread(x): return 'again'", "again"
    given["cells"].insert(names(given).index("check_spread"), again)
    cell(given, "check_spread")["source"] = "check = print"
    ran = three.run(given, *[(text_output(str(i)),) for i in autograded.code_cells(given)])
    shown = merged(released, given, ran=ran)
    nbformat.validate(shown)
    assert cell(shown, "centred")["source"] == cell(released, "centred")["source"]
    assert cell(shown, "centred")["outputs"] == []
    assert cell(shown, "spread")["source"] == tiny.SOLUTIONS["spread"]
    at = names(shown).index("spread")
    assert names(shown)[at : at + 4] == ["spread", again["source"], "check_spread", "check = print"]
    assert shown["cells"][at + 1]["metadata"] == {} and shown["cells"][at + 1]["outputs"]
    assert cell(shown, "check_spread")["source"] == 'check("T1/spread", spread)'
    assert "3 of 3" in cell(shown, "check_spread")["outputs"][0]["data"]["text/plain"]
    said = shown["cells"][0]["source"]
    assert said.startswith("#### Notes of the grading") and shown["cells"][0]["id"] == "grading-notes"
    assert "The cell centred is gone" in said and "more than one cell spread" in said
    assert "The cell check_spread was changed" in said and "check_centred" not in said


def test_an_answer_cell_turned_into_another_kind_is_an_own_cell(released):
    given = tiny.submission(**tiny.SOLUTIONS)
    cell(given, "centred")["cell_type"] = "markdown"
    shown = merged(released, given)
    assert cell(shown, "centred")["source"] == cell(released, "centred")["source"]
    assert tiny.SOLUTIONS["centred"] in [c["source"] for c in shown["cells"]]


def test_a_text_too_long_to_be_shown_is_cut_and_says_so(released):
    given = tiny.submission(**{**tiny.SOLUTIONS, "why_squares": "a" * 20_007})
    for i in range(4):
        own = {
            "cell_type": ("markdown", "raw")[i % 2],
            "id": f"own{i}",
            "metadata": {},
            "source": "q" * 15_000,
        }
        given["cells"].append(own)
    shown = merged(released, given)
    assert cell(shown, "why_squares")["source"].endswith(
        "a\n\n(Cut here: 7 more characters stand in the submitted notebook.)"
    )
    texts = [c["source"] for c in shown["cells"][-4:]]
    assert [t.count("q") for t in texts] == [15_000, 15_000, 10_000, 0]
    assert "(Cut here: 5000 more" in texts[2] and "(Cut here: 15000 more" in texts[3]


@pytest.mark.parametrize("text", ["\\\\[", "![", "\n", "](", "$ ", "~~~a\n", "\\begin{a}", "\x1b[31m", "<"])
def test_no_text_keeps_the_page_waiting(released, text):
    """The length at which a text is cut is short enough for patterns that cost the square of it."""
    started = time.process_time()
    given = tiny.submission(**{**tiny.SOLUTIONS, "why_squares": text * 1_000_000})
    shown = merged(released, given, ran=three.run(given, (text_output(text * 200_000),)))
    rendered(cell(shown, "why_squares")["source"])
    assert time.process_time() - started < 20


CHANGES = ("delete", "double", "move", "retype", "rewrite", "rename", "unname", "add", "empty", "new id")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 99), st.integers(0, 99)), max_size=8)
)
def test_whatever_was_done_to_the_cells_nothing_is_lost(released, changes):
    given = tiny.submission(**tiny.SOLUTIONS)
    cells = given["cells"]
    for number, (what, one, other) in enumerate(changes):
        at = one % max(1, len(cells))
        new = {
            "cell_type": "code",
            "metadata": {},
            "source": f"# own {number}",
            "outputs": [],
            "id": f"new-{number}",
        }
        if what == "add" or not cells:
            cells.insert(at, new)
        elif what == "delete":
            del cells[at]
        elif what == "double":
            cells.insert(other % len(cells), {**json.loads(json.dumps(cells[at])), "id": f"again-{number}"})
        elif what == "move":
            cells.insert(other % len(cells), cells.pop(at))
        elif what == "retype":
            cells[at]["cell_type"] = ("code", "markdown", "raw")[other % 3]
        elif what == "rewrite":
            cells[at]["source"] = f"rewritten {number}"
        elif what == "rename":
            cells[at]["metadata"] = json.loads(json.dumps(cells[other % len(cells)]["metadata"]))
        elif what == "unname":
            cells[at]["metadata"] = {}
        elif what == "empty":
            cells[at]["source"] = ""
        elif what == "new id":
            cells[at]["id"] = f"id-{number}"
    ran = three.run(
        given, *[(text_output(f"printed by {i}"),) for i in range(len(autograded.code_cells(given)))]
    )
    shown = merged(released, given, ran=ran)
    nbformat.validate(shown)
    from nbgrader.nbgraderformat.v3 import MetadataValidatorV3

    MetadataValidatorV3().validate_nb(nbformat.from_dict(shown))
    assert len({c["id"] for c in shown["cells"]}) == len(shown["cells"])
    marked = [c for c in shown["cells"] if c["metadata"].get("nbgrader")]
    wanted = [c for c in released["cells"] if c["metadata"].get("nbgrader")]
    assert [c["metadata"] for c in marked] == [c["metadata"] for c in wanted]
    locked = ("title", "check_centred", "check_spread", "question_why_squares")
    assert all(cell(shown, name)["source"] == cell(released, name)["source"] for name in locked)
    everything = "\n".join(c["source"] for c in shown["cells"])
    for mine in cells:  # every text of the student's is there to be read
        assert mine["source"].strip() in everything
    for name, points in (("check_centred", "4 of 4"), ("check_spread", "3 of 3")):
        (said,) = cell(shown, name)["outputs"]
        assert points in said["data"]["text/plain"]


def test_a_refused_submission_says_why_on_top(released):
    handed = three.submission("cleo", refusal="The file is empty.")
    shown = autograded.notebook(released, handed, None, three.grade("cleo", refusal="The file is empty."))
    nbformat.validate(shown)
    assert shown["cells"][0]["source"] == "#### Notes of the grading\n\n**Not graded.** The file is empty."
    assert names(shown)[1:] == names(released)
    assert "0 of 3 points" in cell(shown, "check_spread")["outputs"][0]["data"]["text/plain"]


def test_a_stopped_cell_says_so_in_our_words(released):
    given = tiny.submission(**tiny.SOLUTIONS)
    ran = Run((CellRun((text_output("a"),), LATE), CellRun((), CRASHED)), ())
    shown = merged(released, given, ran=ran)
    assert [o["text"] for o in shown["cells"][1]["outputs"]] == [
        "a",
        "This cell was stopped: it took too long.\n",
    ]
    assert "brought the kernel down" in cell(shown, "centred")["outputs"][0]["text"]


def test_the_same_makes_the_same_bytes(made):
    handed, ran = (
        three.submission("ada", **tiny.SOLUTIONS),
        three.run(tiny.submission(), (text_output("é\n"),)),
    )
    path = autograded.write(made, handed, ran, three.grade("ada"))
    assert path == made.root / "autograded" / "ada" / "T1" / "T1.ipynb"
    before = {p.name: p.read_bytes() for p in path.parent.iterdir()}
    autograded.write(made, handed, ran, three.grade("ada"))
    assert {p.name: p.read_bytes() for p in path.parent.iterdir()} == before
    assert set(before) == {"T1.ipynb", "timestamp.txt", "submission_secret.txt"}
    assert before["timestamp.txt"].decode() == three.TIME
    assert made.secret().hex().encode() not in before["submission_secret.txt"]
    from nbgrader.nbgraderformat import read

    with open(path, encoding="utf-8") as stream:
        read(stream, as_version=4)  # nbgrader's own validation


def test_the_key_of_the_exchange_is_taken_over_and_nothing_else(made):
    folder = made.submitted("ada", "T1")
    folder.mkdir(parents=True)
    handed = three.submission("ada", **tiny.SOLUTIONS)

    def key():
        autograded.write(made, handed, None, three.grade("ada"))
        return (made.autograded("ada", "T1") / autograded.KEY).read_text("utf-8")

    made_up = key()
    assert re.fullmatch("[0-9a-f]{64}", made_up)
    (folder / autograded.KEY).write_text("4a5b6c7d8e9f\n", encoding="ascii")
    assert key() == "4a5b6c7d8e9f"
    (folder / autograded.KEY).write_text("<script>stolen(1)</script>", encoding="ascii")
    assert key() == made_up
    (folder / autograded.KEY).write_text("a" * 5000, encoding="ascii")
    assert key() == made_up
    (folder / autograded.KEY).unlink()
    if os.name == "posix":
        (folder / autograded.KEY).symlink_to(made.root / "secret.txt")
        assert key() == made_up
        (folder / autograded.KEY).unlink()
        os.link(made.root / "secret.txt", folder / autograded.KEY)
        assert key() == made_up
    (made.root / "evil.html").write_text("<script>", encoding="utf-8")
    assert {p.name for p in made.autograded("ada", "T1").iterdir()} == {
        "T1.ipynb",
        autograded.KEY,
        autograded.TIMESTAMP,
    }


def test_without_a_release_it_says_so(made):
    made.release("T1").write_text("{", encoding="utf-8")
    with pytest.raises(CourseError, match="T1 is not released, or damaged"):
        autograded.write(made, three.submission("ada"), None, three.grade("ada"))


# What a browser makes of it: the real renderers, and then every element and attribute in their pages.

SAFE = {
    "p": "", "h1": "id", "h2": "id", "h3": "id", "h4": "id", "h5": "id", "h6": "id", "a": "class href",
    "code": "class", "pre": "", "div": "class", "span": "class style", "em": "", "strong": "", "del": "", "ul": "",
    "ol": "start", "li": "class", "blockquote": "", "table": "", "thead": "", "tbody": "", "tr": "", "th": "style",
    "td": "style", "hr": "", "br": "", "dl": "", "dt": "", "dd": "", "input": "class type disabled checked",
    "img": "src alt",
}  # fmt: skip
STYLE = re.compile(r"(text-align: ?(left|center|right)|(background-)?color: rgb\(\d+,\d+,\d+\)|; )*")


class Page(HTMLParser):
    """All that a page holds and that could act: `bad` lists it."""

    def __init__(self, html: str):
        super().__init__()
        self.bad: list = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        if tag not in SAFE:
            self.bad.append((tag, attributes))
        for name, value in attributes:
            value = value or ""
            if name not in SAFE.get(tag, "").split():
                self.bad.append((tag, name, value))
            if name == "href" and not re.match(r"#|https?://", value):
                self.bad.append((tag, name, value))
            if name == "src" and not re.match(
                r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]*$", value
            ):
                self.bad.append((tag, name, value))
            if name == "style" and not STYLE.fullmatch(value):
                self.bad.append((tag, name, value))
            if (name, tag) == ("type", "input") and value != "checkbox":
                self.bad.append((tag, name, value))
            if name == "class" and value.split() and "mermaid" in value.lower().split():
                self.bad.append((tag, name, value))

    def handle_decl(self, declaration):
        self.bad.append(declaration)

    handle_pi = unknown_decl = handle_comment = handle_decl


def rendered(markdown: str, attachments: dict | None = None) -> str:
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    return MarkdownWithMath(renderer=IPythonRenderer(escape=False, attachments=attachments or {})).render(
        markdown
    )


ATOMS = [
    *hostile_text.MARKDOWN, "](javascript:stolen(1))", "[a](", "![a](", "[a]: javascript:stolen(1)", "[a]", "[a][b]",
    "<", ">", "!", "/", "--", "script", "\\", "`", "``", "```", "~~~", "mermaid\n", "&#109;ermaid", "&lt;", "$", "$$",
    "\\(", "\\)", "\\\\(", "\\\\[", "\\\\]", "\\begin{a}", "\\end{a}", "\n", "\n\n", "    ", "\t", "> ", "- ", "1. ",
    "# ", "| a | b |\n|---|---|\n", "|", ":", "\r", "\u2028", "\x0b", "\x0c", "\u2424", '"', "'", "=", "onerror=",
    "<!--", "-->", "attachment:x", "attachment:p.png", "(", ")", "[", "]", "[x]", "~~", "**", "__", "\x00", "\ud800",
    "\u00a0", "(javascript:x)",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(ATOMS), min_size=1, max_size=12).map("".join))
def test_no_markdown_acts(text):
    shown, attachments = defuse.illustrated(text, {"p.png": {"image/png": hostile_text.PNG}})
    assert Page(rendered(shown, attachments)).bad == []
    assert Page(rendered(defuse.raw(text))).bad == []
    assert defuse.markdown(shown) == shown or attachments


@pytest.mark.parametrize(
    "end", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\u2424"]
)
@pytest.mark.parametrize("before", ["", "a", "> ", "- ", "1. ", "   ", "> - "])
def test_no_diagram_begins_wherever_a_line_may_end(end, before):
    for fence in ("```", "~~~~"):
        text = f"a{end}{end}{before}{fence}mermaid{end}click A call stolen(1){end}{before}{fence}{end}"
        assert Page(rendered(defuse.markdown(text))).bad == []
    if end in ("\n", "\r", "\r\n") and before != "a":
        assert Page(rendered(text)).bad, "this one does begin a diagram"


@pytest.mark.parametrize(
    "second", ["```mermaid", "1. ```mermaid", "> ~~~mermaid", "- - ```mermaid", "~~~```mermaid"]
)
def test_no_diagram_begins_behind_the_end_of_a_block(second):
    """A line of `~~~` and more may end a block, or begin one whose language is odd."""
    for first in ("~~~\n", "~~~ &#109;ermaid\nx\n", ""):
        text = f"{first}~~~{second}\nclick A call stolen(1)\n```\n\n~~~\n"
        assert Page(rendered(defuse.markdown(text))).bad == []
    assert Page(rendered(f"x\n\n{second.removeprefix('~~~')}\nclick A call stolen(1)\n")).bad


def test_the_page_finder_finds():
    """The same texts as they were handed in: the test above can fail."""
    acting = [t for t in hostile_text.MARKDOWN if "attachment" not in t and Page(rendered(t)).bad]
    assert len(acting) >= 27


@pytest.mark.parametrize("text", [
    "If $a<b$ and $b<c$ then $a<c$; a < b, 1<2, a<=b, x<-1.",
    "$$\\sum_{i<j} \\frac{p_i}{q_i} \\ge 0 \\quad \\text{for } p, q \\in [0, 1]$$",
    "\\begin{align} a &< b \\\\ c &> d \\end{align}",
    "`if a < b: print(x[0])` and **bold**, *it*, ~~gone~~",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "1. one\n2. two\n   - three\n\n> said",
    "```python\nx = a[0](b) if a < b else c\n```",
    "# Heading\n\nsee https://example.org/x",
])  # fmt: skip
def test_mathematics_and_plain_text_survive(text):
    """Read as a person reads it, spaces aside, the page says the same."""

    class Words(HTMLParser):
        def __init__(self, html):
            super().__init__()
            self.said = ""
            self.feed(html)
            self.close()

        def handle_data(self, data):
            self.said += data

    read = lambda markdown: re.sub(r"\s", "", Words(rendered(markdown)).said)  # noqa: E731
    assert read(defuse.markdown(text)) == read(text)
    found = lambda markdown: set(re.findall(r"<(\w+)", rendered(markdown)))  # noqa: E731
    assert found(defuse.markdown(text)) == found(text)


@pytest.mark.parametrize(
    "command", ["href", "url", "require", "class", "cssId", "style", "data", "htmlStyle", "html"]
)
def test_no_formula_can_link_or_style(command):
    """MathJax would run these; what begins like them, `\\displaystyle` and `\\classical`, is left alone."""
    shown = defuse.markdown(f"$\\{command}{{javascript:stolen(1)}}{{x}} + \\displaystyle y + \\classical z$")
    assert not re.search(rf"\\{command}(?![A-Za-z])", shown) and f"\\ {command}{{" in shown
    assert "\\displaystyle y + \\classical z" in shown


def test_pictures_pasted_into_an_answer_are_shown():
    kept = {"image.png": {"image/png": hostile_text.PNG}, "b c.jpg": {"image/jpeg": "/9j/4AAQ"}}
    shown, attachments = defuse.illustrated(
        "See ![my <b> drawing](attachment:image.png) and ![](attachment:b%20c.jpg)!", kept
    )
    assert (
        shown == "See  ![picture-1](attachment:picture-1.png)  and  ![picture-2](attachment:picture-2.jpeg) !"
    )
    html = rendered(shown, attachments)
    assert (
        html.count("<img") == 2
        and f"data:image/png;base64,{hostile_text.PNG}" in html
        and Page(html).bad == []
    )
    for bad in (
        {"image/svg+xml": "PHN2Zz4="},
        {"image/png": "PHN2Zz4="},
        {"text/html": hostile_text.PNG},
        {"image/png": "no"},
    ):
        shown, attachments = defuse.illustrated("![x](attachment:image.png)", {"image.png": bad})
        assert attachments == {} and "<img" not in rendered(shown)


def test_outputs_keep_text_and_pictures_only():
    kept = defuse.outputs(hostile_text.OUTPUTS)
    assert {o["output_type"] for o in kept} == {"display_data", "stream", "error"}
    assert all(set(o.get("data", {})) <= {"text/plain", "image/png"} and not o.get("metadata") for o in kept)
    assert sum("image/png" in o.get("data", {}) for o in kept) == 1
    assert {o["name"] for o in kept if o["output_type"] == "stream"} == {"stdout"}
    assert any("\x1b[31;1m<img" in o.get("text", "") for o in kept)  # a traceback keeps its colours


@pytest.fixture
def formgrader():
    """nbgrader's own exporter for the page on which a teacher grades."""
    from nbconvert.exporters import HTMLExporter
    from nbgrader.server_extensions.formgrader import handlers
    from traitlets.config import Config

    config = Config()
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    return HTMLExporter(config=config, log=logging.Logger("quiet"))


def shown_to_a_teacher(exporter, notebook, student):
    resources = {
        "assignment_id": "T1", "notebook_id": "T1", "submission_id": "0", "index": 0, "total": 1, "base_url": "",
        "student": student, "last_name": None, "first_name": None, "metadata": {"name": "T1"},
        "notebook_path": f"autograded/{student}/T1/T1.ipynb",
    }  # fmt: skip
    return exporter.from_notebook_node(nbformat.from_dict(notebook), resources)[0]


def test_nothing_acts_on_the_pages_of_nbgrader(made, released, formgrader):
    """The whole hostile notebook, through formgrader's template and the feedback's: not one element more that acts."""
    plain = merged(released, tiny.submission(**tiny.SOLUTIONS))
    hostile = hostile_text.notebook(tiny.submission(**tiny.SOLUTIONS))
    shown = merged(released, hostile, ran=three.run(hostile, *[hostile_text.OUTPUTS] * 6))
    nbformat.validate(shown)
    assert "stolen(" in json.dumps(shown)
    want, acting = hostile_text.tags(shown_to_a_teacher(formgrader, plain, "ada"))
    for student in ("ada", *map(defuse.name, hostile_text.NAMES)):
        count, now = hostile_text.tags(shown_to_a_teacher(formgrader, shown, student))
        assert now == acting
        for tag in hostile_text.ACTING:
            assert count.get(tag, 0) == want.get(tag, 0), (student, tag)
    exporter = feedback._exporter(made)
    three.write(made, Submission("ada", "T1", tiny.submission(), "x"), three.grade("ada"))
    pages = []
    for notebook in (plain, shown):
        path = made.autograded("ada", "T1") / "T1.ipynb"
        path.write_text(json.dumps(notebook), encoding="utf-8")
        pages.append(hostile_text.tags(feedback._page(exporter, path, "T1", {}, {})))
    assert pages[0][1] == pages[1][1]
    for tag in hostile_text.ACTING:
        assert pages[0][0].get(tag, 0) == pages[1][0].get(tag, 0), tag


def test_names_cannot_leave_an_attribute_or_a_string():
    for name in hostile_text.NAMES:
        made = defuse.name(name)
        assert not set(made) & set('"<>&`\\{}\n') and len(made) == len(name)
    assert defuse.name("Zoë O'Brien-李 (2)") == "Zoë O'Brien-李 (2)"


def test_fences_longer_than_any_in_the_text():
    rng = random.Random(1)
    for _ in range(200):
        text = "".join(rng.choice("~`\n a<b") for _ in range(40))
        html = rendered(defuse.raw(text))
        assert html.startswith("<pre>") and html.rstrip().endswith("</pre>") and html.count("<pre>") == 1
