"""The folder of the learner's progress: named by the environment, made on demand, refused in one sentence."""

import os
from pathlib import Path

import pytest

from vaecourse.errors import CourseError
from vaecourse.home import home


def test_the_environment_names_the_folder_and_it_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("VAECOURSE_HOME", str(tmp_path / "deep" / "er"))
    assert home(create=False) == tmp_path / "deep" / "er"
    assert not (tmp_path / "deep").exists()
    assert home().is_dir()


def test_without_the_variable_it_is_the_platforms_folder_for_data(monkeypatch):
    monkeypatch.delenv("VAECOURSE_HOME", raising=False)
    assert home(create=False).name == "vaecourse"
    assert home(create=False).is_absolute()


def test_a_tilde_is_the_home_of_the_learner(monkeypatch):
    monkeypatch.setenv("VAECOURSE_HOME", os.path.join("~", "somewhere"))
    assert home(create=False) == Path.home() / "somewhere"


@pytest.mark.parametrize("inside", ["", "deeper"])
def test_a_file_in_the_way_is_one_sentence_and_stays(tmp_path, monkeypatch, inside):
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    monkeypatch.setenv("VAECOURSE_HOME", str(tmp_path / "taken" / inside))
    with pytest.raises(
        CourseError, match=r"cannot be used .*: set VAECOURSE_HOME to a folder that you can write\.$"
    ):
        home()
    assert (tmp_path / "taken").read_text(encoding="utf-8") == "mine"


def test_a_folder_without_permission_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("VAECOURSE_HOME", str(tmp_path))
    monkeypatch.setattr(
        os, "access", lambda *_: False
    )  # the root user may write anything, so the answer is given
    with pytest.raises(CourseError, match="not yours to write"):
        home()
