"""What is handed in is read with care: every odd or hostile file gets one clear sentence, and nothing is ever raised."""

import copy
import hashlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vaecourse.classroom import careful, intake, names, notebook
from vaecourse.classroom.careful import Unreadable

from . import tiny

posix = pytest.mark.skipif(os.name == "nt", reason="the file system has no such things")
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def deep(levels: int) -> list:
    made: list = []
    for _ in range(levels):
        made = [made]
    return made


def good(**answers) -> dict:
    return tiny.submission(**{**{k: tiny.SOLUTIONS[k] for k in tiny.PARAMETERS}, **answers})


def read(made, student="anna"):
    return intake.read(made.folder, student, "T1")


def handed(made, content, student="anna"):
    made.hand_in(student, notebook=content)
    return read(made, student)


def refused(made, content) -> str:
    submission = handed(made, content)
    assert submission.notebook is None and submission.notes == ()
    return one_sentence(submission.refusal)


def graded(made, content) -> tuple[str, ...]:
    submission = handed(made, content)
    assert submission.refusal == "" and submission.notebook
    nbformat.validate(nbformat.from_dict(submission.notebook))
    for note in submission.notes:
        one_sentence(note)
    return submission.notes


def one_sentence(said: str) -> str:
    assert said.endswith(".") and "\n" not in said and 10 < len(said) < 260, said
    return said


# A notebook as it should be


def test_a_good_notebook_is_read_without_a_word(tiny_class):
    path = tiny_class.hand_in("anna", notebook=good())
    submission = read(tiny_class)
    assert (submission.student, submission.assignment, submission.refusal, submission.notes) == (
        "anna",
        "T1",
        "",
        (),
    )
    assert submission.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    nbformat.validate(nbformat.from_dict(submission.notebook))
    cells = submission.notebook["cells"]
    assert [c["source"] for c in cells] == [c["source"] for c in good()["cells"]]
    assert [c["cell_type"] for c in cells] == [c["cell_type"] for c in good()["cells"]]
    assert [c["id"] for c in cells] == [c["id"] for c in good()["cells"]]
    about = {c["metadata"]["nbgrader"]["grade_id"]: c["metadata"]["nbgrader"] for c in cells if c["metadata"]}
    assert about["check_centred"]["points"] == 4 and about["check_spread"]["points"] == 3
    assert (
        about["why_squares"]["grade"]
        and about["why_squares"]["solution"]
        and about["why_squares"]["points"] == 3
    )
    assert about["spread"]["solution"] and not about["spread"]["grade"]
    assert about["title"]["locked"] and not about["title"]["grade"]


def test_the_code_and_where_it_stands(tiny_class):
    handed(tiny_class, good())
    made = read(tiny_class).notebook
    found = intake.code_cells(made)
    assert [index for index, _ in found] == [1, 2, 3, 4, 5]
    assert all(made["cells"][index]["source"] == source for index, source in found)
    made["cells"][2]["source"] = " \n"
    assert [index for index, _ in intake.code_cells(made)] == [1, 3, 4, 5]


def test_cells_given_as_lines_are_the_same_as_cells_given_as_text(tiny_class):
    lines = good()
    for cell in lines["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)
    assert graded(tiny_class, lines) == ()
    assert intake.code_cells(read(tiny_class).notebook) == intake.code_cells(
        handed(tiny_class, good()).notebook
    )


def test_outputs_settings_and_forged_points_are_left_behind(tiny_class):
    forged = good()
    forged["metadata"]["widgets"] = {"state": "x" * 1000}
    for cell in forged["cells"]:
        cell["metadata"]["jupyter"] = {"outputs_hidden": True}
        if cell["metadata"].get("nbgrader"):
            cell["metadata"]["nbgrader"] |= {"points": 1000, "grade": True, "solution": True, "locked": False}
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "SECRET-OUTPUT"}]
    assert graded(tiny_class, forged) == ()
    made = read(tiny_class).notebook
    assert made == handed(tiny_class, good()).notebook
    assert "SECRET-OUTPUT" not in json.dumps(made) and "1000" not in json.dumps(made)


def test_pictures_pasted_into_a_written_answer_are_kept_and_nothing_else(tiny_class):
    pasted = good(why_squares="![photo](attachment:a.png)")
    pasted["cells"][-1]["attachments"] = {
        "a.png": {"image/png": "iVBORw0KGgo=", "text/html": "<script>"},
        "b.svg": {"image/svg+xml": "<svg onload='x()'/>"},
        "c": 7,
    }
    graded(tiny_class, pasted)
    assert read(tiny_class).notebook["cells"][-1]["attachments"] == {"a.png": {"image/png": "iVBORw0KGgo="}}


@pytest.mark.parametrize(
    "stamp, iso",
    [
        ("2026-11-22 15:00:00.123456 UTC", "2026-11-22T15:00:00.123456+00:00"),
        ("2026-11-22 15:00:00.000000 Europe/Berlin", "2026-11-22T14:00:00+00:00"),
        ("2026-11-22 15:00:00 +0100", "2026-11-22T14:00:00+00:00"),
        ("2026-11-22 15:00:00", "2026-11-22T15:00:00+00:00"),
        ("yesterday", ""),
        ("2026-11-22 15:00:00 /etc/passwd", ""),
        ("9999-99-99 99:99:99 UTC", ""),
        ("", ""),
        ("é" * 50, ""),
        ("2026-11-22 15:00:00" + " " * 1000, ""),
    ],
)
def test_when_it_was_handed_in(tiny_class, stamp, iso):
    path = tiny_class.hand_in("anna", notebook=good())
    (path.parent / "timestamp.txt").write_text(stamp, encoding="utf-8")
    assert (read(tiny_class).handed_in, read(tiny_class).refusal) == (iso, "")


# What is no notebook


def _cell(**changes) -> bytes:
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [], **changes}).encode()


@pytest.mark.parametrize(
    "content, says",
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"\0" * 5000, "empty"),
        (b"def centred(x): ...", "not JSON (line 1)"),
        (b"{]", "not JSON"),
        (b"[1, 2]", "JSON, but not a notebook"),
        (b'"text"', "JSON, but not a notebook"),
        (b"{}", "JSON, but not a notebook"),
        (b"null", "JSON, but not a notebook"),
        (_cell(nbformat=3), "an old format"),
        (_cell(nbformat=3, worksheets=[]), "an old format"),
        (_cell(nbformat=5), "a newer format"),
        (_cell(nbformat="4"), "not a notebook"),
        (_cell(nbformat=True), "not a notebook"),
        (_cell(nbformat=None), "not a notebook"),
        (_cell(nbformat=int("4" * 5000) if sys.get_int_max_str_digits() == 0 else 10**400), "not a notebook"),
        (_cell(cells={}), "not a notebook"),
        (_cell(cells=None), "not a notebook"),
        (_cell(), "None of the answers of T1"),
        (_cell(cells=[None, 1, "x", [], {}]), "None of the answers of T1"),
        (_cell(cells=[[]] * 2001), "2001 cells"),
        (json.dumps(good()).encode()[:-900], "ends in the middle"),
        (
            json.dumps(good(), ensure_ascii=False).encode().split("−".encode())[0] + b"\xe2\x88",
            "in the middle",
        ),
        (
            json.dumps(good(why_squares="é"), ensure_ascii=False).encode("latin-1", "replace"),
            "not UTF-8, byte",
        ),
        (json.dumps(good()).encode("utf-16-le"), "not"),
        (b"\xff\xfe\x00\xd8", "damaged"),
        (b"PK\x03\x04rest\xff\xff", "a zip"),
        (b"%PDF-1.7 ...", "a PDF"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"\x1f\x8b\x08rest", "a compressed archive"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"nbformat":4,"a":' * 200_000, "nested too deeply"),
        (b"[" * 1_000_000, "too many parts"),
        (b'{"nbformat":4,"cells":[' + b"[]," * 6_000_000 + b"[]]}", "too many parts"),
        (b"[" + b"0," * 4_000_000 + b"0]", "too many parts"),
        (b'{"nbformat":4,"cells":[' + b"[]," * 400_000 + b"[]]}", "400001 cells"),
        (b" " * (20 * 2**20 + 1), "20.0 MB"),
    ],
)
def test_what_is_no_notebook_is_refused(tiny_class, content, says):
    assert says in refused(tiny_class, content)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_does_no_harm(tiny_class, encoding):
    notes = graded(tiny_class, json.dumps(good(), ensure_ascii=False).encode(encoding))
    assert len(notes) == 1 and "byte order mark" in notes[0]


def test_numbers_that_no_machine_likes_do_no_harm(tiny_class):
    text = json.dumps(good()).replace(
        '"nbformat_minor": ', '"x": %s, "y": NaN, "z": 1e9999, "nbformat_minor": ' % ("9" * 10_000)
    )
    assert graded(tiny_class, text.encode()) == ()


def test_reading_takes_little_memory_and_time(tiny_class, driver_environment):
    """The worst files of 20 MB that were found, read in a process of its own."""
    worst = {
        "objects": b'{"nbformat":4,"cells":[' + b'{"aa":0,"bb":1},' * 480_000 + b"{}]}",
        "numbers": b"[" + b"1.5," * 2_900_000 + b"1]",
        "wide": ('{"a":"' + "é😀" * 3_400_000 + '"}').encode(),
        "keys": b"{" + b",".join(b'"%d":1' % i for i in range(1_400_000)) + b"}",
    }
    for student, content in worst.items():
        tiny_class.hand_in(student, notebook=content)
    code = (
        "import resource, sys, pathlib, time; from classroom import tiny; tiny.register();"
        "from vaecourse.classroom import intake; from vaecourse.classroom.folder import ClassFolder;"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024; before = peak(); begun = time.process_time();"
        f"said = [intake.read(ClassFolder(pathlib.Path(sys.argv[1])), s, 'T1').refusal for s in {list(worst)}];"
        "print(int(peak() - before), int(time.process_time() - begun), all(said))"
    )
    pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny_class.root)],
        env=driver_environment,
        capture_output=True,
        text=True,
    )
    megabytes, seconds, all_refused = done.stdout.split()
    assert int(megabytes) < 500 and int(seconds) < 15 and all_refused == "True", done.stdout + done.stderr


# Which notebook, of which assignment


def test_a_renamed_notebook_is_read_with_a_note(tiny_class):
    path = tiny_class.hand_in("anna", notebook=good())
    path.rename(path.with_name("my solution (2).ipynb"))
    submission = read(tiny_class)
    assert submission.refusal == "" and submission.notes == (
        'The notebook was called "my solution (2).ipynb"; it was read as T1.ipynb.',
    )


def test_of_two_notebooks_the_one_with_the_right_name_counts(tiny_class):
    path = tiny_class.hand_in("anna", notebook=good())
    path.with_name("T1-Copy1.ipynb").write_bytes(b"rubbish")
    assert read(tiny_class).notes == ("There were 2 notebooks; T1.ipynb was read.",)


def test_of_two_other_notebooks_the_only_one_of_this_assignment_counts(tiny_class):
    path = tiny_class.hand_in("anna", notebook=good())
    path.rename(path.with_name("b.ipynb"))
    path.with_name("a.ipynb").write_bytes(b"rubbish")
    assert read(tiny_class).refusal == "" and len(read(tiny_class).notes) == 2
    path.with_name("c.ipynb").write_text(json.dumps(good()))
    assert "2 of them are one of T1" in one_sentence(read(tiny_class).refusal)
    for n in range(20):
        path.with_name(f"more{n}.ipynb").write_text("{}")
    assert "23 notebooks" in one_sentence(read(tiny_class).refusal)


def test_of_two_rubbish_notebooks_neither_counts(tiny_class):
    path = tiny_class.hand_in("anna", notebook=b"rubbish")
    path.rename(path.with_name("a.ipynb"))
    path.with_name("b.ipynb").write_bytes(b"")
    assert "none of them is one of T1" in one_sentence(read(tiny_class).refusal)


def test_checkpoints_and_what_file_managers_hide_are_not_notebooks(tiny_class):
    path = tiny_class.hand_in("anna", notebook=good())
    for other in (".ipynb_checkpoints/T1-checkpoint.ipynb", "__MACOSX/T1.ipynb", "._T1.ipynb"):
        (path.parent / other).parent.mkdir(exist_ok=True)
        (path.parent / other).write_bytes(b"rubbish")
    assert (read(tiny_class).refusal, read(tiny_class).notes) == ("", ())


def test_a_folder_without_a_notebook(tiny_class):
    path = tiny_class.hand_in("anna", notebook=good())
    path.unlink()
    assert read(tiny_class).refusal == "There is no notebook: hand in T1.ipynb."
    (path.parent / "timestamp.txt").write_text("2026-11-22 15:00:00 UTC")
    (path.parent / "T1.ipynb.txt").write_text("x")
    said = read(tiny_class)
    assert said.refusal == "There is no notebook, only T1.ipynb.txt: hand in T1.ipynb."
    assert said.handed_in == "2026-11-22T15:00:00+00:00"
    shutil.rmtree(path.parent)
    assert "not there" in one_sentence(read(tiny_class).refusal)


@pytest.fixture
def other_assignment(monkeypatch):
    """A second assignment, T2, with a function of its own and one that T1 has too."""
    from vaecourse import assignments

    monkeypatch.setitem(assignments.MODULES, "T2", "tiny_for_tests")
    read_table = assignments.read_table
    monkeypatch.setattr(
        assignments,
        "read_table",
        lambda name: {"width": {}, "spread": {}} if name == "T2" else read_table(name),
    )
    notebook._functions.cache_clear()
    yield
    notebook._functions.cache_clear()


def as_T2(made: dict) -> dict:
    return json.loads(
        json.dumps(made).replace("centred", "width").replace('"T1', '"T2').replace("why_squares", "why")
    )


def test_the_notebook_of_another_assignment_is_refused(tiny_class, other_assignment):
    other = as_T2(good())
    assert refused(tiny_class, other) == "This is the notebook of T2, not of T1."
    del other["metadata"]["vaecourse"]
    assert refused(tiny_class, other) == "This is the notebook of T2, not of T1."
    for cell in other["cells"]:
        cell["metadata"] = {}
    other["metadata"]["vaecourse"] = {"assignment": "T2"}
    assert refused(tiny_class, other) == "This is the notebook of T2, not of T1."


def test_a_notebook_whose_metadata_is_gone_is_told_by_its_cells(tiny_class, other_assignment):
    for metadata in (
        {},
        None,
        {"vaecourse": {"assignment": "T9"}},
        {"vaecourse": "T1"},
        {"vaecourse": {"assignment": []}},
    ):
        notes = graded(tiny_class, {**good(), "metadata": metadata})
        assert notes == ("The notebook does not say that it is T1; its cells tell.",)
    claims_another = {**good(), "metadata": {"vaecourse": {"assignment": "T2"}}}
    claims_another["cells"] = [
        c for c in claims_another["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") != "spread"
    ]
    assert len(graded(tiny_class, claims_another)) == 2  # its cells are those of T1, and one is gone


def test_a_notebook_without_any_marks_is_told_by_what_it_defines(tiny_class):
    bare = good()
    for cell in bare["cells"]:
        cell["metadata"] = {}
    notes = graded(tiny_class, {**bare, "metadata": {}})
    assert "does not say" in notes[0] and "gone" in notes[1]
    bare["cells"] = bare["cells"][:2]
    assert refused(tiny_class, {**bare, "metadata": {}}) == "None of the answers of T1 is in this notebook."


# Cells that were deleted, copied, moved, changed


def without(made: dict, *gone: str) -> dict:
    return {
        **made,
        "cells": [c for c in made["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") not in gone],
    }


def test_deleted_cells_are_named(tiny_class):
    assert graded(tiny_class, without(good(), "spread")) == (
        "The answer cell of spread is gone: a function defined elsewhere in the notebook counts, an answer written elsewhere does not.",
    )
    assert (
        "of centred, why_squares are gone" in graded(tiny_class, without(good(), "centred", "why_squares"))[0]
    )
    assert graded(tiny_class, without(good(), "check_spread", "check_centred", "title")) == ()


def test_the_first_of_copied_cells_keeps_its_place_and_all_code_is_run(tiny_class):
    copied = good()
    again = copy.deepcopy(copied["cells"][4])
    again["source"] = "def spread(x):\n    return 1.0"
    copied["cells"].insert(5, again)
    answer = copy.deepcopy(copied["cells"][-1])
    answer["source"] = "a second answer"
    copied["cells"].append(answer)
    notes = graded(tiny_class, copied)
    assert len(notes) == 1 and "of spread, why_squares are there more than once" in notes[0]
    made = read(tiny_class).notebook
    named = [c["metadata"].get("nbgrader", {}).get("grade_id") for c in made["cells"]]
    assert named.count("spread") == named.count("why_squares") == 1
    assert named.index("spread") == 4 and made["cells"][5]["source"] == again["source"]
    assert made["cells"][-1]["metadata"] == {} and len({c["id"] for c in made["cells"]}) == len(made["cells"])


def test_moved_cells_are_run_as_they_stand(tiny_class):
    moved = good()
    moved["cells"] = [moved["cells"][i] for i in (0, 1, 4, 5, 2, 3, 6, 7)]
    notes = graded(tiny_class, moved)
    assert len(notes) == 1 and "another order" in notes[0]
    assert [s.split("(")[0] for _, s in intake.code_cells(read(tiny_class).notebook)][1] == "def spread"


def test_cells_of_another_type_are_turned_back(tiny_class):
    turned = good()
    turned["cells"][2] |= {"cell_type": "markdown", "attachments": {"a.png": {"image/png": "x"}}}
    turned["cells"][-1] |= {"cell_type": "code", "outputs": [], "execution_count": 3}
    notes = graded(tiny_class, turned)
    assert len(notes) == 1 and "of centred, why_squares are of another type" in notes[0]
    cells = read(tiny_class).notebook["cells"]
    assert (cells[2]["cell_type"], cells[-1]["cell_type"]) == ("code", "markdown")
    assert "attachments" not in cells[2] and "outputs" not in cells[-1]


def test_damaged_cells_are_left_out(tiny_class):
    damaged = good()
    damaged["cells"][1:1] = [None, {"cell_type": "code", "source": 7}, {"cell_type": "new", "source": ""}]
    damaged["cells"] += [{"cell_type": "code", "source": ["a", 1]}, [], "x"]
    notes = graded(tiny_class, damaged)
    assert notes == ("Damaged cells were left out: 6, the first of them number 2.",)
    assert len(read(tiny_class).notebook["cells"]) == len(good()["cells"])


def test_ids_of_cells_are_made_good(tiny_class):
    odd = good()
    for cell, identity in zip(
        odd["cells"], ["a b", "x" * 65, None, 7, "same", "same", "", "cell-1-0"], strict=True
    ):
        cell["id"] = identity
    assert graded(tiny_class, odd) == ()


def test_halves_of_characters_become_something_that_can_be_stored(tiny_class):
    text = json.dumps(good(why_squares="half \\ud800")).replace("\\\\ud800", "\\ud800")
    assert graded(tiny_class, text.encode()) == ()
    assert read(tiny_class).notebook["cells"][-1]["source"] == "half \ufffd"


@pytest.mark.parametrize(
    "metadata, says",
    [
        ({"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}}, "the language R;"),
        ({"language_info": {"name": "julia"}}, "the language julia;"),
        ({"kernelspec": {"name": "steal-everything", "language": "python"}}, "the kernel steal-everything;"),
        ({"kernelspec": {"name": "a\nb<script>" + "x" * 900, "language": "python"}}, 'kernel "a?b<script>xx'),
        ({"kernelspec": {"name": ["x"]}}, "the kernel"),
        ({"kernelspec": {"language": 3}}, "the language"),
        ({"kernelspec": {"name": deep(600)}}, "the kernel"),
    ],
)
def test_the_kernel_it_names_is_of_no_account(tiny_class, metadata, says):
    notes = graded(tiny_class, {**good(), "metadata": {"vaecourse": {"assignment": "T1"}, **metadata}})
    assert len(notes) == 1 and says in notes[0]
    kept = read(tiny_class).notebook["metadata"]
    assert kept["kernelspec"]["name"] == "python3" and kept["language_info"]["name"] == "python"


def test_what_is_nested_where_nobody_looks_does_no_harm(tiny_class):
    nested = good()
    nested["metadata"]["x"] = nested["cells"][0]["metadata"]["nbgrader"]["grade_id"] = deep(600)
    nested["cells"][1]["outputs"] = nested["cells"][2]["id"] = nested["cells"][7]["attachments"] = deep(600)
    nested["metadata"]["vaecourse"]["more"] = deep(600)
    assert graded(tiny_class, nested) == ()


def test_too_much_code_is_refused(tiny_class):
    assert "characters of code" in refused(tiny_class, good(spread="x = 1\n" * 200_000))


# Files that are none


@posix
@pytest.mark.parametrize(
    "target", ["gradebook.db", "submitted/bob/T1/T1.ipynb", "nowhere", ".", "/etc/passwd"]
)
def test_a_link_is_not_followed(tiny_class, target):
    tiny_class.hand_in("bob", notebook=good())
    (tiny_class.root / "gradebook.db").write_bytes(b"secret")
    path = tiny_class.hand_in("anna", notebook=good())
    path.unlink()
    path.symlink_to(tiny_class.root / target)
    submission = read(tiny_class)
    assert submission.refusal == "T1.ipynb is a symbolic link, not a file." and submission.digest == ""


@posix
def test_a_link_among_several_notebooks_is_not_followed(tiny_class):
    tiny_class.hand_in("bob", notebook=good())
    path = tiny_class.hand_in("anna", notebook=b"rubbish")
    path.rename(path.with_name("a.ipynb"))
    path.with_name("b.ipynb").symlink_to(tiny_class.folder.submitted("bob", "T1") / "T1.ipynb")
    assert read(tiny_class).notebook is None


@posix
@pytest.mark.parametrize("level", ["student", "assignment"])
@pytest.mark.parametrize("what", ["link", "dangling", "file"])
def test_a_folder_that_is_none(tiny_class, level, what):
    tiny_class.hand_in("bob", notebook=good())
    bob = tiny_class.folder.submitted("bob", "T1")
    here = tiny_class.folder.submitted("anna", "T1")
    here = here if level == "assignment" else here.parent
    here.parent.mkdir(exist_ok=True)
    if what == "file":
        here.write_text("x")
    else:
        here.symlink_to((bob if level == "assignment" else bob.parent) if what == "link" else "nowhere")
    said = one_sentence(read(tiny_class).refusal)
    assert ("is a file, not a folder" if what == "file" else "is a symbolic link, not a folder") in said


@posix
def test_the_time_is_not_read_through_a_link(tiny_class):
    path = tiny_class.hand_in("anna", notebook=good())
    (tiny_class.root / "time").write_text("2026-11-22 15:00:00 UTC")
    (path.parent / "timestamp.txt").symlink_to(tiny_class.root / "time")
    assert read(tiny_class).handed_in == ""


@posix
@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "folder"])
@pytest.mark.parametrize("name", ["T1.ipynb", "timestamp.txt"])
def test_what_is_no_file_is_not_opened(tiny_class, monkeypatch, kind, name):
    path = tiny_class.hand_in("anna", notebook=good()).parent / name
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        try:
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero
        except PermissionError:
            pytest.skip("only the administrator can make a device")
    else:
        monkeypatch.chdir(path.parent)  # the name of a socket is short
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(name)
    begun = time.monotonic()
    submission = read(tiny_class)
    assert time.monotonic() - begun < 2
    if name == "T1.ipynb":
        words = {"pipe": "a named pipe", "socket": "a socket", "device": "a device", "folder": "a folder"}
        assert submission.refusal == f"T1.ipynb is {words[kind]}, not a file."
    else:
        assert (submission.refusal, submission.handed_in) == ("", "")


@posix
def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(tiny_class, monkeypatch):
    """Between the look and the opening a file is exchanged: for a pipe, for a link, for another file."""
    path = tiny_class.hand_in("anna", notebook=good())
    other = tiny_class.hand_in("bob", notebook=good())
    look = careful.Folder._look

    for exchange in (
        lambda: os.mkfifo(path),
        lambda: path.symlink_to(other),
        lambda: shutil.copy(other, path),
    ):

        def looks(self, name, exchange=exchange):
            status = look(self, name)
            if name == path.name:
                aside = path.with_name("was here")
                path.rename(aside)  # kept, or its number would be given to the next file
                exchange()
            return status

        monkeypatch.setattr(careful.Folder, "_look", looks)
        assert read(tiny_class).notebook is None and read(tiny_class).refusal
        monkeypatch.setattr(careful.Folder, "_look", look)
        path.unlink()
        tiny_class.hand_in("anna", notebook=good())


def test_a_file_that_changes_while_it_is_read_is_refused(tiny_class, monkeypatch):
    path = tiny_class.hand_in("anna", notebook=good())
    read_some = careful._at_most

    def slowly(stream, most):
        data = read_some(stream, most)
        path.write_bytes(data + b" ")
        return data

    monkeypatch.setattr(careful, "_at_most", slowly)
    assert read(tiny_class).refusal == "T1.ipynb changed while it was read."


@posix
def test_an_enormous_file_is_not_read(tiny_class):
    path = tiny_class.hand_in("anna", notebook=b"{")
    os.truncate(path, 10 * 2**30)  # sparse: it takes no room
    assert read(tiny_class).refusal == "T1.ipynb has 10.0 GB; at most 20.0 MB are read."


@posix
def test_a_hard_link_is_read_and_noted(tiny_class):
    path = tiny_class.hand_in("anna", notebook=good())
    os.link(path, tiny_class.root / "backup")
    assert len(read(tiny_class).notes) == 1 and "hard link" in read(tiny_class).notes[0]


@posix
def test_a_file_without_permission_is_refused(tiny_class):
    """As a normal user: the administrator may read everything."""
    path = tiny_class.hand_in("anna", notebook=good())
    tiny_class.hand_in("bob", notebook=good())
    path.chmod(0)
    tiny_class.folder.submitted("bob", "T1").chmod(0)
    try:
        if ROOT:
            os.seteuid(65534)
        said = [read(tiny_class, student).refusal for student in ("anna", "bob")]
    finally:
        if ROOT:
            os.seteuid(0)
    assert said == [
        "T1.ipynb may not be read: its permissions forbid it.",
        "The folder T1 may not be read: its permissions forbid it.",
    ]
    tiny_class.folder.submitted("bob", "T1").chmod(0o755)


def test_without_handles_of_folders_the_same_is_refused(tiny_class, monkeypatch):
    """What Windows gets: every step looked at by its path."""
    monkeypatch.setattr(careful, "_HANDLES", False)
    path = tiny_class.hand_in("anna", notebook=good())
    assert read(tiny_class).refusal == ""
    assert "not there" in read(tiny_class, "bob").refusal
    if os.name != "nt":
        path.rename(path.with_name("real"))
        path.symlink_to(path.with_name("real"))
        assert "symbolic link" in read(tiny_class).refusal
        os.symlink("anna", tiny_class.root / "submitted" / "eve")
        assert "symbolic link" in read(tiny_class, "eve").refusal


def test_a_folder_with_too_many_files_is_refused(tiny_class, monkeypatch):
    monkeypatch.setattr(careful, "MOST_ENTRIES", 3)
    path = tiny_class.hand_in("anna", notebook=good())
    for n in range(3):
        (path.parent / f"{n}").touch()
    assert read(tiny_class).refusal == "There are more than 3 files in the folder."


@posix
def test_reading_leaves_no_handle_open(tiny_class):
    tiny_class.hand_in("anna", notebook=good())
    tiny_class.hand_in("eve", notebook=b"x").unlink()
    (tiny_class.root / "submitted" / "mallory").symlink_to("anna")
    before = sorted(os.listdir("/dev/fd"))
    for student in ("anna", "eve", "mallory", "nobody", "..", "a/b") * 5:
        read(tiny_class, student)
    assert sorted(os.listdir("/dev/fd")) == before


# Names, and whatever else


@pytest.mark.parametrize(
    "student", ["", ".", "..", "../anna", "a/../anna", "a\\b", "/etc", "a\0b", "caf\udce9"]
)
def test_a_name_that_leads_elsewhere_is_refused(tiny_class, student):
    tiny_class.hand_in("anna", notebook=good())
    submission = read(tiny_class, student)
    assert submission.notebook is None
    one_sentence(submission.refusal).encode("utf-8")


@pytest.mark.parametrize(
    "student", ["Zoë Müller", "O'Brien", "李明", "a b  c", "anna+1@uni.example", "{0}", "%s"]
)
def test_students_with_usual_names_are_read(tiny_class, student):
    assert handed(tiny_class, good(), student).refusal == ""


def test_an_error_of_our_own_is_one_sentence_too(tiny_class, monkeypatch):
    monkeypatch.setattr(intake, "parse", lambda data: 1 / 0)
    tiny_class.hand_in("anna", notebook=good())
    assert read(tiny_class).refusal == "What was handed in cannot be read (ZeroDivisionError)."


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(student=st.text(max_size=300))
def test_no_name_of_a_student_raises(tiny_class, student):
    assert read(tiny_class, student).notebook is None
    one_sentence(read(tiny_class, student).refusal)
    names.trouble(student)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside, max_size=3),
    max_leaves=6,
)


def places(value, here=()) -> list[tuple]:
    """The way to every value in a JSON tree, the root's included."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(place for key, inner in items for place in places(inner, (*here, key)))]


def mutate(data, made):
    """Delete, copy, move or replace something, somewhere."""
    *way, last = data.draw(st.sampled_from([place for place in places(made) if place]))
    holder = made
    for key in way:
        holder = holder[key]
    do = data.draw(st.sampled_from(["replace", "delete", "copy", "reverse"]))
    if do == "delete":
        del holder[last]
    elif do == "copy" and isinstance(holder, list):
        holder.insert(data.draw(st.integers(0, len(holder))), copy.deepcopy(holder[last]))
    elif do == "reverse" and isinstance(holder, list):
        holder.reverse()
    else:
        holder[last] = data.draw(JUNK)
    return made


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_mutated_notebook_raises(data):
    """Anything in the JSON may be of any type: a notebook in the one known form comes out, or a sentence."""
    tiny.register()
    try:
        made = good()
        for _ in range(data.draw(st.integers(1, 6))):
            made = mutate(data, made)
        try:
            raw, _ = notebook.parse(json.dumps(made).encode())
            out, notes = notebook.checked(raw, "T1")
        except Unreadable as error:
            one_sentence(str(error))
            return
        nbformat.validate(nbformat.from_dict(out))
        out_again, _ = notebook.checked(notebook.parse(json.dumps(out).encode())[0], "T1")
        assert out_again == out  # what was made good stays as it is
        assert len(intake.code_cells(out)) <= len(made["cells"])
        for note in notes:
            one_sentence(note)
    finally:
        tiny.forget()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_damaged_bytes_raise(data):
    whole = bytearray(json.dumps(good(), indent=1).encode())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=10))
    tiny.register()
    try:
        raw, _ = notebook.parse(bytes(whole))
        notebook.checked(raw, "T1")
    except Unreadable as error:
        one_sentence(str(error))
    finally:
        tiny.forget()
