"""A class in which everything odd is handed in at once: one verdict each, the batch never stops, no other grade changes."""

import dataclasses
import json
import os
import socket

import pytest

from vaecourse.classroom import batch, feedback
from vaecourse.classroom.collect import collect
from vaecourse.classroom.export import export

from . import tiny

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="the file system has no such things"),
    pytest.mark.usefixtures("needs_jail"),
]


def without(made: dict, *gone: str) -> dict:
    kept = [c for c in made["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") not in gone]
    return {**made, "cells": kept}


def untimed(grade):
    return dataclasses.replace(grade, seconds=0, cpu_seconds=0)


def right() -> dict:
    return tiny.submission(**tiny.SOLUTIONS)


GRADED = {  # what is odd but can be read, and the points it has truly earned
    "Zoë Müller": (right(), 7),
    "O'Brien": (tiny.submission(**tiny.HALF), 6),
    "a b  c": (right(), 7),
    "=1+2": (right(), 7),
    "李明": (right(), 7),
    "byte-order-mark": (b"\xef\xbb\xbf" + json.dumps(right()).encode(), 7),
    "utf-16": (json.dumps(right()).encode("utf-16"), 7),
    "no-metadata": ({**right(), "metadata": {}}, 7),
    "kernel-R": ({**right(), "metadata": {"kernelspec": {"name": "ir", "language": "R"}}}, 7),
    "deleted": (without(right(), "spread"), 4),
    "no-checks": (without(right(), "check_spread", "check_centred", "why_squares"), 7),
    "doubled": ({**right(), "cells": right()["cells"] * 2}, 7),
    "wrong-points": (json.dumps(right()).replace('"points": 4', '"points": 4000').encode(), 7),
    "half-character": (json.dumps(right()).replace("balance", "\\ud800").encode(), 7),
}
REFUSED = {
    "empty": b"",
    "zeros": b"\0" * 1000,
    "not-json": b"x = 1",
    "a-list": b"[]",
    "cut": json.dumps(right()).encode()[:-500],
    "latin-1": json.dumps(tiny.submission(why_squares="é"), ensure_ascii=False).encode("latin-1", "replace"),
    "old": {**right(), "nbformat": 3},
    "new": {**right(), "nbformat": 5},
    "other": {
        **without(right(), "spread", "centred", "why_squares", "check_spread", "check_centred"),
        "cells": [],
    },
    "deep": b"[" * 100_000,
    "crowded": {**right(), "cells": right()["cells"] * 500},
    "zipped": b"PK\x03\x04\xff",
}


def put_strange_files(made) -> set[str]:
    def place(student):
        path = made.hand_in(student, notebook=right())
        path.unlink()
        return path

    place("link").symlink_to(made.folder.submitted("anna", "T1") / "T1.ipynb")
    place("to-the-gradebook").symlink_to(made.folder.database)
    place("dangling").symlink_to("nowhere")
    os.mkfifo(place("pipe"))
    place("folder").mkdir()
    os.truncate(made.hand_in("sparse", notebook=b"{"), 10 * 2**30)
    path = place("socket")
    here = os.getcwd()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as made_socket:
        made_socket.bind(path.name)
    os.chdir(here)
    place("two").with_name("a.ipynb").write_text("{}")
    (made.folder.submitted("two", "T1") / "b.ipynb").write_text("{}")
    (made.root / "submitted" / "linked-folder").mkdir()
    (made.root / "submitted" / "linked-folder" / "T1").symlink_to(made.folder.submitted("anna", "T1"))
    (made.root / "submitted" / "linked-student").symlink_to("anna")
    place("nothing")
    return {"link", "to-the-gradebook", "dangling", "pipe", "folder", "sparse", "socket", "two", "linked-folder",
            "linked-student", "nothing"}  # fmt: skip


def test_everything_odd_at_once(tiny_class, tmp_path):
    pytest.importorskip("nbgrader")
    from vaecourse.classroom.release import release

    release(tiny_class.folder, "T1")
    tiny_class.hand_in("anna", notebook=right())
    tiny_class.hand_in("bob", notebook=tiny.submission(**tiny.HALF))
    alone = batch.grade(tiny_class.folder, "T1", jobs=2, progress=False)
    assert {g.student: g.points for g in alone.grades} == {"anna": 7, "bob": 6}

    for student, (content, _) in GRADED.items():
        tiny_class.hand_in(student, notebook=content)
    for student, content in REFUSED.items():
        tiny_class.hand_in(
            student, notebook=content if isinstance(content, bytes) else json.dumps(content).encode()
        )
    refused = {*REFUSED, *put_strange_files(tiny_class)}
    report = batch.grade(tiny_class.folder, "T1", jobs=2, progress=False)

    assert report.complete and report.failed == {} and report.changes == ()
    grades = {g.student: g for g in report.grades}
    assert {g for g in grades if grades[g].refusal} == refused
    assert {s: grades[s].points for s in GRADED} == {s: points for s, (_, points) in GRADED.items()}
    assert tuple(map(untimed, (grades["anna"], grades["bob"]))) == tuple(map(untimed, alone.grades))
    assert "anna" not in report.graded and "bob" not in report.graded  # not run again
    for student in refused:
        said = grades[student].refusal
        assert (
            grades[student].points == 0
            and said.endswith(".")
            and "\n" not in said
            and str(tiny_class.root) not in said
        )

    pages = {page.parent.parent.name for page in feedback.generate(tiny_class.folder, "T1")}
    table = export(tiny_class.folder).read_text("utf-8")
    assert len(pages) == len(grades) == len(table.splitlines()) - 1
    again = batch.grade(tiny_class.folder, "T1", jobs=2, progress=False)
    assert again.graded == () and tuple(map(untimed, again.grades)) == tuple(map(untimed, report.grades))


def test_a_second_hand_in_changes_one_grade_only(tiny_class, tmp_path):
    """Files with names of every kind are collected; the later of two counts; the others stay as they were."""
    pytest.importorskip("nbgrader")
    from vaecourse.classroom.release import release

    release(tiny_class.folder, "T1")
    names = ["anna", "Zoë Müller", "O'Brien", 'Robert "Bob"']
    for student in names:
        (tmp_path / f"{student}.ipynb").write_text(json.dumps(tiny.submission(**tiny.HALF)), encoding="utf-8")
        os.utime(tmp_path / f"{student}.ipynb", (1e9, 1e9))
    assert all(one.ok for one in collect(tiny_class.folder, "T1", [tmp_path]))
    before = batch.grade(tiny_class.folder, "T1", jobs=2, progress=False)
    assert {g.student: g.points for g in before.grades} == dict.fromkeys(names, 6)

    (tmp_path / "O'Brien.ipynb").write_text(json.dumps(right()), encoding="utf-8")  # later
    assert (
        sum("earlier one now is" in one.sentence for one in collect(tiny_class.folder, "T1", [tmp_path])) == 1
    )
    after = batch.grade(tiny_class.folder, "T1", jobs=2, progress=False)
    assert {g.student: g.points for g in after.grades} == {**dict.fromkeys(names, 6), "O'Brien": 7}
    assert [(c.student, c.after - c.before, c.why) for c in after.changes] == [
        ("O'Brien", 1, "new submission")
    ]
    assert after.graded == ("O'Brien",)
