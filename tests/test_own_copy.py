"""The learner's copy: what he changed is there after every update, and so is the new version."""

import json
import os
from pathlib import Path

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import v4

from vaecourse import own_copy
from vaecourse.errors import CourseError
from vaecourse.own_copy import MANIFEST, bring_up_to_date, fingerprint, lessons_folder

LESSON = "01_kl_divergence.ipynb"


def notebook(text: str, *, result: str = "2", **metadata) -> bytes:
    output = v4.new_output("execute_result", {"text/plain": result}, execution_count=1)
    cells = [
        v4.new_markdown_cell(text, id="words"),
        v4.new_code_cell("1 + 1\n2", outputs=[output], id="code"),
    ]
    return nbformat.writes(v4.new_notebook(cells=cells, metadata=metadata)).encode()


@pytest.fixture
def course(tmp_path):
    folder = tmp_path / "course"
    folder.mkdir()
    (folder / LESSON).write_bytes(notebook("# KL, first edition"))
    (folder / "00_start_here.ipynb").write_bytes(notebook("# Start"))
    return folder


@pytest.fixture
def copy(course, tmp_path):
    folder = tmp_path / "mine"
    bring_up_to_date(course, folder)
    return folder


def new_edition(course: Path, text: str = "# KL, second edition") -> bytes:
    content = notebook(text)
    (course / LESSON).write_bytes(content)
    return content


def edit(copy: Path, text: str = "my own words") -> bytes:
    """Do what JupyterLab does: read, change a cell, write."""
    mine = nbformat.read(copy / LESSON, as_version=4)
    mine.cells[0].source += f"\n\n{text}"
    nbformat.write(mine, copy / LESSON)
    return (copy / LESSON).read_bytes()


def test_the_first_time_every_lesson_is_delivered_as_it_is(course, tmp_path):
    update = bring_up_to_date(course, tmp_path / "mine")
    assert update.new == ("00_start_here.ipynb", LESSON) and update.first
    assert list(update.sentences()) == []
    for name in update.new:
        assert (tmp_path / "mine" / name).read_bytes() == (course / name).read_bytes()


def test_an_edited_lesson_and_its_new_version_are_both_there_after_an_update(course, copy):
    mine, theirs = edit(copy), new_edition(course)
    update = bring_up_to_date(course, copy)
    assert (copy / LESSON).read_bytes() == mine
    assert (copy / "01_kl_divergence.new.ipynb").read_bytes() == theirs
    assert update.beside == ((LESSON, "01_kl_divergence.new.ipynb"),)
    (sentence,) = update.sentences()
    assert LESSON in sentence and "01_kl_divergence.new.ipynb" in sentence and sentence.count(".") == 3 + 1


def test_the_new_version_is_offered_once(course, copy):
    mine, _ = edit(copy), new_edition(course)
    bring_up_to_date(course, copy)
    (copy / "01_kl_divergence.new.ipynb").unlink()
    assert bring_up_to_date(course, copy) == own_copy.Update()
    assert (copy / LESSON).read_bytes() == mine


def test_a_later_edition_replaces_an_untouched_offer_but_not_an_edited_one(course, copy):
    edit(copy), new_edition(course)
    bring_up_to_date(course, copy)
    third = new_edition(course, "# third")
    assert bring_up_to_date(course, copy).beside == ((LESSON, "01_kl_divergence.new.ipynb"),)
    assert (copy / "01_kl_divergence.new.ipynb").read_bytes() == third

    (copy / "01_kl_divergence.new.ipynb").write_bytes(notebook("I began to work here"))
    fourth = new_edition(course, "# fourth")
    assert bring_up_to_date(course, copy).beside == ((LESSON, "01_kl_divergence.new2.ipynb"),)
    assert (copy / "01_kl_divergence.new.ipynb").read_bytes() == notebook("I began to work here")
    assert (copy / "01_kl_divergence.new2.ipynb").read_bytes() == fourth


def test_an_untouched_lesson_is_updated_in_place(course, copy):
    theirs = new_edition(course)
    update = bring_up_to_date(course, copy)
    assert update == own_copy.Update(updated=(LESSON,))
    assert (copy / LESSON).read_bytes() == theirs
    assert "Updated" in next(update.sentences())


def test_what_jupyterlab_notes_down_by_itself_is_no_change(course, copy):
    mine = nbformat.read(copy / LESSON, as_version=4)
    mine.metadata["language_info"] = {"name": "python", "version": "3.12.1"}
    mine.cells[1].metadata["execution"] = {"iopub.execute_input": "2030-01-01T00:00:00Z"}
    mine.cells[1].execution_count = mine.cells[1].outputs[0].execution_count = 7
    (copy / LESSON).write_text(json.dumps(mine), encoding="utf-8")  # other line lists, other indents
    theirs = new_edition(course)
    assert bring_up_to_date(course, copy).updated == (LESSON,)
    assert (copy / LESSON).read_bytes() == theirs


def test_results_of_a_run_are_kept_like_written_words(course, copy):
    (copy / LESSON).write_bytes(notebook("# KL, first edition", result="trained for an hour"))
    new_edition(course)
    assert bring_up_to_date(course, copy).beside
    assert (copy / LESSON).read_bytes() == notebook("# KL, first edition", result="trained for an hour")


def test_without_a_new_edition_an_edited_lesson_is_left_in_peace(course, copy):
    mine = edit(copy)
    assert bring_up_to_date(course, copy) == own_copy.Update()
    assert (copy / LESSON).read_bytes() == mine


def test_a_deleted_lesson_comes_back_and_files_of_his_own_stay(course, copy):
    (copy / "notes.ipynb").write_bytes(notebook("mine"))
    (copy / LESSON).unlink()
    update = bring_up_to_date(course, copy)
    assert update == own_copy.Update(new=(LESSON,))
    assert LESSON in next(update.sentences())
    assert (copy / "notes.ipynb").read_bytes() == notebook("mine")


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"offered": 3, "written": {}}', b"\xff\xfe"])
def test_a_damaged_record_loses_nothing(course, copy, damage):
    mine, theirs = edit(copy), new_edition(course)
    (copy / MANIFEST).write_bytes(damage)
    update = bring_up_to_date(course, copy)
    assert update.record_damaged and "could not be read" in next(update.sentences())
    assert (copy / LESSON).read_bytes() == mine
    assert (copy / "01_kl_divergence.new.ipynb").read_bytes() == theirs
    assert bring_up_to_date(course, copy) == own_copy.Update()  # the record is whole again


def test_a_folder_that_was_his_before_keeps_its_files(course, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / LESSON).write_bytes(b"not even a notebook")
    update = bring_up_to_date(course, folder)
    assert (folder / LESSON).read_bytes() == b"not even a notebook"
    assert update.beside == ((LESSON, "01_kl_divergence.new.ipynb"),)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["edit", "edition", "update", "lose record", "delete offers"]), max_size=12))
def test_whatever_happens_in_whatever_order_the_words_he_wrote_are_somewhere(tmp_path_factory, steps):
    base = tmp_path_factory.mktemp("walk")
    course, copy = base / "course", base / "mine"
    course.mkdir()
    (course / LESSON).write_bytes(notebook("# KL"))
    bring_up_to_date(course, copy)
    words = []
    for count, step in enumerate(steps):
        if step == "edit":
            words.append(f"thought {count}")
            edit(copy, words[-1])
        elif step == "edition":
            new_edition(course, f"# KL, edition {count}")
        elif step == "update":
            bring_up_to_date(course, copy)
        elif step == "lose record":
            (copy / MANIFEST).unlink(missing_ok=True)
        else:
            for offer in copy.glob("*.new*.ipynb"):
                offer.unlink()
    bring_up_to_date(course, copy)
    text = (copy / LESSON).read_text(encoding="utf-8")
    assert all(thought in text for thought in words)
    if not words and "lose record" not in steps:
        assert (copy / LESSON).read_bytes() == (course / LESSON).read_bytes()


def test_the_lessons_themselves_may_be_opened_without_a_copy(course):
    before = sorted(course.iterdir())
    assert bring_up_to_date(course, course) == own_copy.Update()
    assert sorted(course.iterdir()) == before


def test_hidden_files_are_not_delivered(course, tmp_path):
    (course / ".ipynb_checkpoints").mkdir()
    (course / ".ipynb_checkpoints" / "01-checkpoint.ipynb").write_bytes(b"{}")
    (course / "pictures").mkdir()
    (course / "pictures" / "map.svg").write_bytes(b"<svg/>")
    assert "pictures/map.svg" in bring_up_to_date(course, tmp_path / "mine").new
    assert not (tmp_path / "mine" / ".ipynb_checkpoints").exists()


def test_a_file_in_place_of_the_folder_is_one_sentence(course, tmp_path):
    (tmp_path / "mine").write_text("a letter", encoding="utf-8")
    with pytest.raises(
        CourseError, match=r"^The folder .*mine cannot be used .*: name another one, `vaecourse lab"
    ):
        bring_up_to_date(course, tmp_path / "mine")
    assert (tmp_path / "mine").read_text(encoding="utf-8") == "a letter"


def test_a_full_disk_is_one_sentence_and_leaves_everything_as_it_was(course, copy, monkeypatch):
    mine = edit(copy)
    new_edition(course)
    before = {path: path.read_bytes() for path in copy.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(CourseError, match=r"No space left on device.*your files there are as they were"):
        bring_up_to_date(course, copy)
    assert {path: path.read_bytes() for path in copy.iterdir()} == before
    assert before[copy / LESSON] == mine


def test_missing_lessons_are_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(own_copy, "__file__", str(tmp_path / "vaecourse" / "own_copy.py"))
    with pytest.raises(CourseError, match="lessons are missing"):
        lessons_folder()
    (tmp_path / "vaecourse" / "notebooks").mkdir(parents=True)  # as in a wheel
    (tmp_path / "vaecourse" / "notebooks" / LESSON).write_bytes(notebook("# KL"))
    assert lessons_folder() == tmp_path / "vaecourse" / "notebooks"


def test_fingerprints_of_other_files_count_every_byte():
    assert fingerprint(b"a") != fingerprint(b"b")
    assert fingerprint(b'{"cells": 3}') != fingerprint(b'{"cells":  3}')
