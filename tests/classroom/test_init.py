"""A class folder: whole, private, and never taking away what a teacher made of it."""

import json
import os
import re
import stat

import pytest

from vaecourse.classroom.folder import CONFIG, SECRET, find
from vaecourse.classroom.init import FOLDERS, init
from vaecourse.errors import CourseError

from . import tiny


@pytest.fixture
def sources(tiny_assignment, tmp_path):
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "T1.ipynb").write_text(json.dumps(tiny.source()), encoding="utf-8")
    (folder / "other.ipynb").write_text("{}", encoding="utf-8")
    return folder


def test_a_class_is_whole_and_private(sources, tmp_path):
    said = []
    made = init(tmp_path / "class of 26", sources, say=said.append)
    assert said == [] and find(made.root / "source") == made
    assert re.fullmatch(r"[0-9a-f]{64}\n", (made.root / SECRET).read_text("ascii"))
    assert len(made.secret()) == 32
    assert {p.name for p in (made.root / "source").iterdir()} == {"T1"}
    assert json.loads(made.source("T1").read_text("utf-8")) == tiny.source()
    assert all((made.root / name).is_dir() for name in FOLDERS)
    if os.name == "posix":
        assert stat.S_IMODE(made.root.stat().st_mode) == 0o700
        assert stat.S_IMODE((made.root / SECRET).stat().st_mode) == 0o600
    readme = (made.root / "README.md").read_text("utf-8")
    assert "class of 26" in readme and all(f"`{name}/`" in readme for name in FOLDERS)


def test_the_repository_has_sources(tmp_path):
    made = init(tmp_path / "class", say=lambda sentence: None)
    assert made.source("A1").is_file()


def test_nbgrader_reads_its_settings_wherever_the_folder_stands(sources, tmp_path):
    from vaecourse.classroom.database import configuration, course_id

    made = init(tmp_path / "class of 26", sources)
    assert course_id(made) == "class-of-26"
    moved = made.root.rename(tmp_path / "elsewhere")
    found = find(moved)
    assert configuration(found).CourseDirectory.root == str(moved)
    assert course_id(found) == "class-of-26"  # the exchange knows the class by this name


def test_two_classes_have_two_secrets(sources, tmp_path):
    assert init(tmp_path / "a", sources).secret() != init(tmp_path / "b", sources).secret()


def test_again_brings_what_is_missing_and_keeps_what_you_changed(sources, tmp_path):
    made = init(tmp_path / "class", sources)
    before = {p: p.read_bytes() for p in made.root.rglob("*") if p.is_file()}
    said = []
    init(made.root, sources, say=said.append)
    assert said == [] and {p: p.read_bytes() for p in made.root.rglob("*") if p.is_file()} == before
    with open(made.root / CONFIG, "a", encoding="utf-8") as stream:
        stream.write("c.Exchange.timezone = 'UTC'\n")
    (made.root / "README.md").unlink()
    changed = json.dumps(tiny.source()).replace("Two small functions", "Three small functions")
    (sources / "T1.ipynb").write_text(changed, encoding="utf-8")
    init(made.root, sources, say=said.append)
    assert said == [
        f"You have changed {CONFIG}, so it stays as it is.",
        "Updated, since you had not changed it: source/T1/T1.ipynb.",
    ]
    assert (made.root / CONFIG).read_text("utf-8").endswith("'UTC'\n")
    assert (made.root / "README.md").is_file() and made.source("T1").read_text("utf-8") == changed
    assert (made.root / SECRET).read_bytes() == before[made.root / SECRET]


def test_a_released_or_changed_source_stays(sources, tmp_path):
    made = init(tmp_path / "class", sources)
    mine = made.source("T1").read_bytes()
    (sources / "T1.ipynb").write_text(json.dumps(tiny.source(), indent=2), encoding="utf-8")
    made.release("T1").parent.mkdir(parents=True)
    said = []
    init(made.root, sources, say=said.append)
    assert said == [
        "There is a new version of source/T1/T1.ipynb, but T1 is released already, so it stays as it is."
    ]
    made.source("T1").write_bytes(mine + b"\n")
    init(made.root, sources, say=said.append)
    assert said[1:] == ["You have changed source/T1/T1.ipynb, so it stays as it is."]
    assert made.source("T1").read_bytes() == mine + b"\n"


def test_a_secret_is_never_made_anew_where_grades_depend_on_it(sources, tmp_path):
    made = init(tmp_path / "class", sources)
    for damaged in (b"", b"not hex"):
        (made.root / SECRET).write_bytes(damaged)
        with pytest.raises(CourseError, match="is damaged: bring it back from a backup, or delete it"):
            init(made.root, sources)
        assert (made.root / SECRET).read_bytes() == damaged
    (made.root / SECRET).unlink()
    made.database.write_bytes(b"")
    with pytest.raises(CourseError, match="is gone, though this class has grades"):
        init(made.root, sources)
    made.database.unlink()
    assert len(init(made.root, sources).secret()) == 32


def test_what_cannot_be_a_class_is_refused(sources, tmp_path):
    with pytest.raises(CourseError, match=r"run this from a clone .* or name the folder .* `--from FOLDER`"):
        init(tmp_path / "class", tmp_path / "nowhere")
    assert not (tmp_path / "class").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("...", encoding="utf-8")
    with pytest.raises(CourseError, match="is not empty, and is no class"):
        init(tmp_path / "full", sources)
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["thesis.tex"]
    with pytest.raises(CourseError, match="nbgrader cannot work in"):
        init(tmp_path / "class [1]", sources)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(CourseError, match="name another folder for the class"):
        init(tmp_path / "file" / "class", sources)


def test_installed_from_a_wheel_it_says_where_the_sources_are(tmp_path, monkeypatch):
    from vaecourse.classroom import init as module

    monkeypatch.setattr(
        module, "__file__", str(tmp_path / "site-packages" / "vaecourse" / "classroom" / "init.py")
    )
    with pytest.raises(CourseError, match="not part of the installed package: run this from a clone"):
        init(tmp_path / "class")


def test_an_interrupted_init_is_completed(sources, tmp_path, monkeypatch):
    from vaecourse.classroom import journal

    replace, count = journal.replace, [0]
    for stop in range(1, 6):

        def breaks(path, content, stop=stop):
            count[0] += 1
            if count[0] == stop:
                raise KeyboardInterrupt
            replace(path, content)

        count[0] = 0
        root = tmp_path / f"class{stop}"
        monkeypatch.setattr(journal, "replace", breaks)
        with pytest.raises(KeyboardInterrupt):
            init(root, sources)
        monkeypatch.setattr(journal, "replace", replace)
        said = []
        made = init(root, sources, say=said.append)
        assert said == [] and made.source("T1").is_file() and made.secret() and find(root) == made
