"""Files from a learning platform come to their places: safely, each with one clear verdict, and nothing is lost."""

import functools
import io
import json
import os
import stat
import struct
import subprocess
import sys
import time
import unicodedata
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vaecourse.classroom import collect as collecting
from vaecourse.classroom import handed_in, intake, names
from vaecourse.classroom.careful import Unreadable
from vaecourse.classroom.collect import COLLECTED, OLDER, REFUSED, REPLACED, SAME, Collected
from vaecourse.errors import CourseError

from . import tiny

posix = pytest.mark.skipif(os.name == "nt", reason="the file system has no such things")
pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning:zipfile")
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@functools.cache
def work(answer: str = "same") -> bytes:
    return json.dumps(tiny.submission(why_squares=answer)).encode()


def zipped(content: dict[str, bytes] | list[tuple[str, bytes]], when=(2026, 11, 22, 15, 0, 0)) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in content.items() if isinstance(content, dict) else content:
            info = zipfile.ZipInfo("x", when)
            info.filename = name  # as it is: ZipInfo would mend it
            info.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(info, data)
    return stream.getvalue()


class Desk:
    """A teacher's desk: a class, and a folder of downloads."""

    def __init__(self, made, downloads: Path):
        self.folder, self.root, self.downloads = made.folder, made.root, downloads

    def put(self, name: str, content: bytes, when: float | None = None) -> Path:
        path = self.downloads / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if when is not None:
            os.utime(path, (when, when))
        return path

    def collect(self, *paths, **options) -> list[Collected]:
        done = collecting.collect(self.folder, "T1", paths or [self.downloads], **options)
        for one in done:
            assert one.sentence.endswith(".") and "\n" not in one.sentence and len(one.sentence) < 400, one
            one.sentence.encode()
            one.where.encode()
        return done

    def one(self, *paths, **options) -> Collected:
        (done,) = self.collect(*paths, **options)
        return done

    def there(self, student: str) -> bytes:
        return (self.folder.submitted(student, "T1") / "T1.ipynb").read_bytes()

    def everything(self) -> set[str]:
        return {p.relative_to(self.root).as_posix() for p in self.root.rglob("*") if not p.is_dir()}

    def submitted(self) -> dict[str, bytes]:
        return {s: self.there(s) for s in self.folder.students("T1")}


@pytest.fixture
def desk(tiny_class, tmp_path) -> Desk:
    (tmp_path / "downloads").mkdir()
    return Desk(tiny_class, tmp_path / "downloads")


# What is collected, and from where


def test_a_notebook_comes_to_its_place_with_its_time(desk):
    path = desk.put("anna.ipynb", work(), when=1_700_000_000)
    assert desk.one(path) == Collected(str(path), "anna", COLLECTED, "Collected.")
    assert desk.there("anna") == work()
    submission = intake.read(desk.folder, "anna", "T1")
    assert (submission.refusal, submission.notes) == ("", ())
    assert submission.handed_in == datetime.fromtimestamp(1_700_000_000, UTC).isoformat()


def test_nbgrader_reads_the_time(desk):
    utils = pytest.importorskip("nbgrader.coursedir")
    desk.collect(desk.put("anna.ipynb", work(), when=1_700_000_000))
    place = str(desk.folder.submitted("anna", "T1"))
    read = utils.CourseDirectory(root=str(desk.root)).get_existing_timestamp(place)
    assert read == datetime.fromtimestamp(1_700_000_000, UTC).replace(tzinfo=None)


@pytest.mark.parametrize(
    "inside", ["T1.ipynb", "T1/T1.ipynb", "T1\\T1.ipynb", "deep/er/my own.ipynb", "./T1.ipynb"]
)
def test_a_students_zip(desk, inside):
    content = {
        inside: work(),
        "__MACOSX/T1/._T1.ipynb": b"x",
        "T1/.ipynb_checkpoints/T1.ipynb": b"y",
        "readme": b"z",
    }
    said = desk.one(desk.put("anna.zip", zipped(content)))
    assert said.verdict == COLLECTED and ('was called "my own.ipynb".' in said.sentence) == ("own" in inside)
    assert desk.submitted() == {"anna": work()}


def test_a_folder_of_everything_a_platform_gives_out(desk):
    desk.put("anna.ipynb", work("a"))
    desk.put("Bob Müller.ZIP", zipped({"T1.ipynb": work("b")}))
    desk.put("O'Brien/T1.ipynb", work("c"))
    desk.put("dora/handed in/T1.zip", zipped({"x.ipynb": work("d")}))
    desk.put("dora/report.pdf", b"%PDF")
    desk.put("emil/essay.docx", b"PK")
    desk.put("fritz.rar", b"Rar!")
    desk.put(".DS_Store", b"x")
    desk.put("__MACOSX/._anna.ipynb", b"x")
    done = {one.student: one.verdict for one in desk.collect()}
    assert done == {
        **dict.fromkeys(("anna", "Bob Müller", "O'Brien", "dora"), COLLECTED),
        **dict.fromkeys(("emil", "fritz"), REFUSED),
    }
    assert desk.submitted() == {
        "anna": work("a"),
        "Bob Müller": work("b"),
        "O'Brien": work("c"),
        "dora": work("d"),
    }


def test_one_big_zip_of_the_whole_class(desk):
    big = zipped(
        {
            "anna.ipynb": work("a"),
            "bob.zip": zipped({"T1.ipynb": work("b")}, when=(2030, 1, 1, 0, 0, 0)),
            "Zoë/T1.ipynb": work("c"),
            "dora/T1.zip": zipped({"T1/T1.ipynb": work("d")}),
            "emil.txt": b"x",
        }
    )
    path = desk.put("class.zip", big)
    done = {one.student: one for one in desk.collect(path, bundle=True)}
    assert {s: one.verdict for s, one in done.items()} == {
        **dict.fromkeys(("anna", "bob", "Zoë", "dora"), COLLECTED),
        "emil": REFUSED,
    }
    assert done["bob"].where == f"{path}: bob.zip"
    assert desk.submitted() == {"anna": work("a"), "bob": work("b"), "dora": work("d"), "Zoë": work("c")}
    there = intake.read(
        desk.folder, "bob", "T1"
    ).handed_in  # the platform's time, not the one in bob's own zip
    assert there == datetime(2026, 11, 22, 15).astimezone(UTC).isoformat()


def test_a_students_zip_cannot_hand_in_for_others(desk):
    """Without being told that it is the zip of a class, no zip names its students."""
    desk.collect(desk.put("bob.ipynb", work("bob's own")))
    forged = {
        "bob.ipynb": work("forged"),
        "carl.zip": zipped({"T1.ipynb": work("forged")}),
        "T1.ipynb": work("eve's"),
    }
    assert desk.one(desk.put("eve.zip", zipped(forged))).student == "eve"
    assert desk.submitted() == {"bob": work("bob's own"), "eve": work("eve's")}
    for content in ({"bob.ipynb": work("x"), "carl.ipynb": work("y")}, {"bob.zip": b"", "carl.zip": b""}):
        said = desk.one(desk.put("mallory.zip", zipped(content)))
        assert said.verdict == REFUSED and said.sentence.endswith("add --bundle.")
    desk.put("in/mallory/bob/T1.ipynb", work("forged"))  # a folder that a platform unpacked
    assert desk.one(desk.downloads / "in").student == "mallory"
    assert desk.there("bob") == work("bob's own")


@pytest.mark.parametrize(
    "name", ["T1.ipynb", "T1.zip", "t1 (1).zip", "T1-Copy1.ipynb", "T1_copy.ipynb", "T1 2.zip"]
)
def test_a_file_named_like_the_assignment_is_nobodys(desk, name):
    said = desk.one(desk.put(name, work()))
    assert said.verdict == REFUSED and said.sentence.startswith("Whose work this is cannot be told")


def test_a_pattern_says_who_it_is(desk):
    moodle = r"(?P<student>[^_]+)_\d+_assignsubmission_file_"
    desk.put("Anna Ångström_123_assignsubmission_file_/T1.ipynb", work("a"))
    desk.put("Bob_124_assignsubmission_file_x_Carl_1_assignsubmission_file_.ipynb", work("b"))
    desk.put("grades.csv", b"x")
    done = {one.student: one.verdict for one in desk.collect(pattern=moodle)}
    assert done == {"Anna Ångström": COLLECTED, "Bob": COLLECTED, "": REFUSED}
    assert desk.submitted() == {"Anna Ångström": work("a"), "Bob": work("b")}


def test_a_pattern_reaches_below_a_folder(desk):
    path = desk.put("class.zip", zipped({"T1/anna.ipynb": work("a"), "T1/bob.ipynb": work("b")}))
    (said,) = desk.collect(path, bundle=True)
    assert said.verdict == REFUSED and said.student == ""
    desk.collect(path, bundle=True, pattern=r"T1/(?P<student>\w+)")
    assert desk.submitted() == {"anna": work("a"), "bob": work("b")}


@pytest.mark.parametrize("pattern", ["(", "no group", r"(?P<name>\w+)"])
def test_a_pattern_without_sense_is_an_error(desk, pattern):
    with pytest.raises(CourseError, match="pattern"):
        desk.collect(pattern=pattern)


def test_an_unknown_assignment_is_an_error(desk):
    with pytest.raises(CourseError, match="no assignment T9"):
        collecting.collect(desk.folder, "T9", [])


def test_stars_are_spelled_out_where_the_shell_does_not(desk):
    desk.put("anna.ipynb", work())
    desk.put("bob.ipynb", work())
    assert [one.student for one in desk.collect(desk.downloads / "*.ipynb")] == ["anna", "bob"]


# Two submissions of one student


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_later_of_two_counts_whatever_their_order(desk, order):
    paths = desk.put("1/anna.ipynb", work("early"), 1e9), desk.put("2/anna.ipynb", work("late"), 2e9)
    early, late = desk.collect(*(paths[n] for n in order))
    assert (early.where, early.verdict, late.where, late.verdict) == (
        str(paths[0]),
        OLDER,
        str(paths[1]),
        REPLACED,
    )
    assert (
        early.sentence
        == f"A later one of the same student counts, {paths[1]}; this one is kept in replaced/."
    )
    assert desk.there("anna") == work("late")
    kept = [p.read_bytes() for p in (desk.root / "replaced" / "anna" / "T1").rglob("T1.ipynb")]
    assert kept == [work("early")]
    again = desk.collect(*paths)
    assert [one.verdict for one in again] == [OLDER, SAME]


def test_an_older_one_does_not_replace_what_is_there(desk):
    desk.collect(desk.put("anna.ipynb", work("late"), 2e9))
    before = desk.everything()
    said = desk.one(desk.put("old/anna.ipynb", work("early"), 1e9))
    assert said.verdict == OLDER and desk.there("anna") == work("late") and desk.everything() == before


def test_the_same_again_changes_nothing(desk):
    path = desk.put("anna.ipynb", work())
    desk.collect(path)
    before = desk.everything()
    assert [one.verdict for one in desk.collect(path, path)] == [SAME, SAME]
    assert desk.everything() == before


def test_whatever_was_there_before_is_kept(desk):
    place = desk.folder.submitted("anna", "T1")
    place.mkdir(parents=True)
    (place / "T1.ipynb").write_bytes(work("by hand"))
    (place / "data.csv").write_bytes(b"1,2")
    said = desk.one(desk.put("anna.ipynb", work()))
    assert said.verdict == REPLACED and "replaced/anna/T1/" in said.sentence
    assert sorted(p.name for p in place.iterdir()) == ["T1.ipynb", "timestamp.txt"]
    (kept,) = (desk.root / "replaced" / "anna" / "T1").iterdir()
    assert (kept / "data.csv").read_bytes() == b"1,2" and (kept / "T1.ipynb").read_bytes() == work("by hand")


def test_many_replacements_in_one_second_are_all_kept(desk):
    for n in range(4):
        desk.collect(desk.put("anna.ipynb", work(f"{n}"), 1e9 + n))
    assert len(list((desk.root / "replaced" / "anna" / "T1").iterdir())) == 3


def test_what_cannot_be_stored_leaves_the_earlier_one(desk, monkeypatch):
    desk.collect(desk.put("anna.ipynb", work("early"), 1e9))
    before, rename = desk.everything(), os.rename

    def full(source, target):
        if ".draft-" in str(source):
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", full)
    said = desk.collect(desk.put("anna.ipynb", work("late"), 2e9), desk.put("bob.ipynb", work(), 2e9))
    assert [one.sentence for one in said] == ["It cannot be stored: No space left on device."] * 2
    assert desk.everything() == before and desk.there("anna") == work("early")
    assert sorted(os.listdir(desk.root / "submitted")) == ["anna"]


def test_an_error_of_our_own_does_not_stop_the_others(desk, monkeypatch):
    put = collecting._put

    def stumble(folder, student, *rest):
        if student == "anna":
            raise ZeroDivisionError
        return put(folder, student, *rest)

    monkeypatch.setattr(collecting, "_put", stumble)
    desk.put("anna.ipynb", work(), 1e9)
    desk.put("bob.ipynb", work(), 2e9)
    assert [one.verdict for one in desk.collect()] == [REFUSED, COLLECTED]


@posix
def test_places_that_are_links_are_not_written_through(desk, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (desk.root / "submitted" / "anna").symlink_to(tmp_path / "elsewhere")
    assert "symbolic link" in desk.one(desk.put("anna.ipynb", work())).sentence
    (desk.root / "submitted" / "bob").mkdir()
    (desk.root / "submitted" / "bob" / "T1").symlink_to(tmp_path / "elsewhere")
    assert desk.one(desk.put("bob.ipynb", work())).verdict == REPLACED
    assert list((tmp_path / "elsewhere").iterdir()) == [] and desk.there("bob") == work()


# Zips that are traps


def test_no_name_in_a_zip_leads_out_of_it(desk):
    for n, name in enumerate(
        [
            "../T1.ipynb",
            "a/../../T1.ipynb",
            "/etc/T1.ipynb",
            "..\\T1.ipynb",
            "\\T1.ipynb",
            "C:\\T1.ipynb",
            "C:/T1.ipynb",
        ]
    ):
        said = desk.one(desk.put(f"s{n}.zip", zipped({name: work(), "T1.ipynb": work()})))
        assert said.verdict == REFUSED and "outside of itself" in said.sentence, name
    big = zipped(
        {"../bob.ipynb": work("x"), "/anna.ipynb": work("x"), "bob.ipynb": work("b"), "..": b"", "../": b""}
    )
    done = desk.collect(desk.put("class.zip", big), bundle=True)
    assert sorted(one.verdict for one in done) == [COLLECTED, REFUSED, REFUSED, REFUSED]
    assert desk.submitted() == {"bob": work("b")}
    with_pattern = desk.collect(
        desk.put("class.zip", big), bundle=True, pattern=r".*?(?P<student>\w+)\.ipynb"
    )
    assert {one.verdict for one in with_pattern} == {SAME, REFUSED}
    assert all("outside" in one.sentence for one in with_pattern if one.student and not one.ok)


def test_a_link_in_a_zip_is_not_followed(desk):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        info = zipfile.ZipInfo("T1.ipynb")
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        made.writestr(info, "../../../gradebook.db")
    assert "symbolic link" in desk.one(desk.put("anna.zip", stream.getvalue())).sentence
    assert (
        "symbolic link"
        in desk.one(desk.put("c.zip", zipped({"bob.zip": stream.getvalue()})), bundle=True).sentence
    )


def test_an_encrypted_zip_is_refused(desk):
    data = bytearray(zipped({"T1.ipynb": work()}))
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(mark) + at] |= 1
    assert "without a password" in desk.one(desk.put("anna.zip", bytes(data))).sentence


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 97])
def test_what_unpacks_without_a_limit_is_refused(desk, kind):
    data = bytearray(zipped({"T1.ipynb": work()}))
    for mark, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        data[data.index(mark) + at] = kind
    assert "unusual way" in desk.one(desk.put("anna.zip", bytes(data))).sentence


def test_a_bomb_is_not_unpacked(desk):
    bomb = zipped({"T1.ipynb": b" " * (21 * 2**20)})
    assert "larger than 20 MB" in desk.one(desk.put("anna.zip", bomb)).sentence
    lying = bytearray(bomb)  # the table of contents says 1000 bytes
    for mark, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", lying, lying.index(mark) + at, 1000)
    assert "damaged" in desk.one(desk.put("bob.zip", bytes(lying))).sentence
    nested = zipped({"T1.zip": zipped({"T1.zip": bomb})})
    assert "no notebook in the zip" in desk.one(desk.put("carl.zip", nested)).sentence
    many = zipped([(f"{n}.ipynb", b" ") for n in range(5000)])
    assert "5000 notebooks" in desk.one(desk.put("dora.zip", many)).sentence
    crowd = zipped([(f"{n}", b"") for n in range(30_000)])
    assert "too many files" in desk.one(desk.put("emil.zip", crowd)).sentence
    assert desk.submitted() == {}


def test_a_hidden_table_of_contents_is_not_read(desk):
    """A second end record, or the one for huge zips, that states another size than the first."""
    crowd = zipped([(f"{n}", b"") for n in range(30_000)])
    at = crowd.rindex(b"PK\5\6")
    size, start = struct.unpack_from("<II", crowd, at + 12)
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 30_000, 30_000, size, start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, at, 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 100, 0xFFFFFFFF, 0)
    huge = crowd[:at] + record + locator + end
    assert len(zipfile.ZipFile(io.BytesIO(huge)).infolist()) == 30_000  # so it would have been
    assert "too many files" in desk.one(desk.put("anna.zip", huge)).sentence


def test_a_bomb_takes_little_memory(desk, driver_environment):
    pytest.importorskip("resource")
    desk.put("anna.zip", zipped({"T1.ipynb": b"0" * (150 * 2**20)}))
    desk.put("bob.zip", zipped([(f"{n}", b"") for n in range(40_000)]))
    code = (
        "import resource, sys, pathlib; from classroom import tiny; tiny.register();"
        "from vaecourse.classroom.collect import collect; from vaecourse.classroom.folder import ClassFolder;"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024; before = peak();"
        "done = collect(ClassFolder(pathlib.Path(sys.argv[1])), 'T1', [sys.argv[2]]);"
        "print(int(peak() - before), *[one.verdict for one in done])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(desk.root), str(desk.downloads)],
        env=driver_environment,
        capture_output=True,
        text=True,
    )
    megabytes, *verdicts = done.stdout.split()
    assert int(megabytes) < 100 and verdicts == [REFUSED, REFUSED], done.stdout + done.stderr


@pytest.mark.parametrize("cut", [0, 1, 10, 100, -1, -22, -60])
def test_a_damaged_zip_is_refused(desk, cut):
    assert desk.one(desk.put("anna.zip", zipped({"T1.ipynb": work()})[:cut])).verdict == REFUSED


@SLOW
@given(st.data())
def test_no_damage_to_a_zip_raises(desk, data):
    whole = bytearray(zipped({"anna.zip": zipped({"T1.ipynb": b"{}"}), "bob.ipynb": b"{}"}))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    path = desk.put("class.zip", bytes(whole))
    before = {p for p in desk.downloads.parent.rglob("*") if desk.root not in p.parents}
    desk.collect(path, bundle=True)
    desk.collect(path)
    assert {p for p in desk.downloads.parent.rglob("*") if desk.root not in p.parents} == before


def test_the_same_name_twice_in_a_zip(desk):
    twice = [("T1.ipynb", work("a")), ("T1.ipynb", work("a"))]
    assert desk.one(desk.put("anna.zip", zipped(twice))).verdict == COLLECTED
    twice = [("T1.ipynb", work("a")), ("T1.ipynb", work("b"))]
    assert "2 different notebooks called T1.ipynb" in desk.one(desk.put("bob.zip", zipped(twice))).sentence
    class_twice = zipped([("carl.ipynb", work("a")), ("carl.ipynb", work("b"))])
    assert [o.verdict for o in desk.collect(desk.put("c.zip", class_twice), bundle=True)] == [OLDER, REPLACED]


def test_a_second_notebook_in_a_zip(desk):
    near = {"T1.ipynb": work("a"), "backup/T1.ipynb": work("b"), "scratch.ipynb": b"{}"}
    assert desk.one(desk.put("anna.zip", zipped(near))).verdict == COLLECTED
    assert (
        desk.one(desk.put("bob.zip", zipped({"mine.ipynb": work("a"), "scratch.ipynb": b"{}"}))).verdict
        == COLLECTED
    )
    assert desk.submitted() == {"anna": work("a"), "bob": work("a")}
    both = desk.one(desk.put("carl.zip", zipped({"a.ipynb": work("a"), "b.ipynb": work("b")})))
    assert both.verdict == REFUSED and "2 of them are one of T1" in both.sentence


def test_letters_of_names_in_a_zip(desk):
    plain = zipped({"Zoë.ipynb": work("a")})
    unmarked = bytearray(plain)  # UTF-8 without saying so, as some platforms write it
    for mark, at in ((b"PK\3\4", 7), (b"PK\1\2", 9)):
        unmarked[unmarked.index(mark) + at] &= ~0x08
    dos = bytearray(zipped({"Zo@.ipynb": work("a")}).replace(b"Zo@", b"Zo\x89"))  # ë in code page 437
    for student, data in (("utf", plain), ("unmarked", bytes(unmarked)), ("dos", bytes(dos))):
        (said,) = desk.collect(desk.put(f"{student}.zip", data), bundle=True)
        assert said.student == "Zoë", student


def test_times_in_a_zip(desk):
    info = zipfile.ZipInfo("anna.ipynb", (2026, 11, 22, 15, 0, 0))
    info.extra = struct.pack("<HHBi", 0x5455, 5, 1, 1_700_000_000)
    assert handed_in._moment(info) == datetime.fromtimestamp(1_700_000_000, UTC)
    for extra in (b"\x55\x54\x05\x00", b"\x55\x54\xff\xff\x01", b"\x01", b"\x01\x00\x00\x00" * 5):
        info.extra = extra
        assert handed_in._moment(info) == datetime(2026, 11, 22, 15).astimezone(UTC)
    info.date_time = (1980, 0, 0, 31, 63, 62)
    assert handed_in._moment(info).year == 1980


# Files that are traps


@posix
def test_what_is_no_file_is_refused(desk):
    secret = desk.put("../secret.ipynb", work("secret"))
    (desk.downloads / "anna.ipynb").symlink_to(secret)
    (desk.downloads / "bob").symlink_to(secret.parent)
    os.mkfifo(desk.downloads / "carl.zip")
    (desk.downloads / "dora.ipynb").mkdir()
    (desk.downloads / "emil.zip").symlink_to("nowhere")
    begun = time.monotonic()
    done = {one.where.rpartition(" ")[2]: one for one in desk.collect()}
    assert time.monotonic() - begun < 2
    assert set(done) == {"anna.ipynb", "bob", "carl.zip", "emil.zip"}  # an empty folder holds nothing
    assert {one.verdict for one in done.values()} == {REFUSED} and desk.submitted() == {}
    assert "symbolic link" in done["anna.ipynb"].sentence and "named pipe" in done["carl.zip"].sentence
    assert done["bob"].sentence == "bob is a symbolic link, not a file."


@posix
def test_a_folder_that_cannot_be_read_stops_nobody_else(desk):
    desk.put("anna/T1.ipynb", work("a"))
    desk.put("bob/T1.ipynb", work("b"))
    desk.put("carl/" + "x/" * 9 + "T1.ipynb", work("c"))
    (desk.downloads / "bob").chmod(0)
    user = os.geteuid() if hasattr(os, "geteuid") else None
    opened = handed_in.opened

    def forbidden(root, *below):  # the administrator may open everything
        if below == ("bob",) and user == 0:
            raise Unreadable("The folder bob may not be read: its permissions forbid it.")
        return opened(root, *below)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handed_in, "opened", forbidden)
        done = {one.student: one.sentence for one in desk.collect()}
    (desk.downloads / "bob").chmod(0o755)
    assert done == {
        "anna": "Collected.",
        "bob": "The folder bob may not be read: its permissions forbid it.",
        "carl": "There are too many folders in folders.",
    }


def test_paths_that_are_not_there(desk):
    desk.put("empty/x", b"").unlink()
    done = desk.collect("nowhere", desk.downloads / "empty", desk.put("anna.ipynb", work()), "x" * 5000)
    assert [one.verdict for one in done] == [REFUSED, REFUSED, REFUSED, COLLECTED]
    assert done[0].sentence == "There is no such file or folder."


@posix
def test_an_enormous_file_is_not_read(desk):
    os.truncate(desk.put("anna.zip", b"PK"), 10 * 2**30)
    os.truncate(desk.put("bob.ipynb", b"{"), 10 * 2**30)
    assert ["10.0 GB" in one.sentence for one in desk.collect()] == [True, True]


def test_rubbish_is_collected_for_the_grading_to_refuse(desk):
    assert desk.one(desk.put("anna.ipynb", b"rubbish")).verdict == COLLECTED
    assert "not JSON" in intake.read(desk.folder, "anna", "T1").refusal


# Names of students


@pytest.mark.parametrize(
    "student",
    [
        "Zoë Müller",
        "O'Brien",
        "李明",
        "Łukasz-Jan",
        "s1234567",
        "anna+1@uni.example",
        "Robert (Bob) Smith",
        "a & b",
        "{0}",
    ],
)
def test_usual_names_are_kept(desk, student):
    assert desk.one(desk.put(f"{student}.ipynb", work())).student == student
    assert desk.submitted() == {student: work()}
    assert intake.read(desk.folder, student, "T1").refusal == ""


@posix
def test_a_name_with_double_quotes_is_kept(desk):
    assert desk.one(desk.put('Robert "Bob".ipynb', work())).student == 'Robert "Bob"'
    assert desk.submitted() == {'Robert "Bob"': work()}


@pytest.mark.parametrize(
    "student",
    ["", " ", "..", ".", ".hidden", "-rf", "a/b", "a\\b", "a:b", "a*b", "a?b", "a|b", "<b>", "50%", "a#b", "a\nb", "a\x1b[2Jb",
     "a\0b", "x" * 300, "ö" * 121, "bob\u202e", "a\u200bb", "ends.", "caf\udce9", "\u2028"],
)  # fmt: skip
def test_names_that_cannot_be_kept_are_refused(desk, student):
    entry = handed_in.Entry(("x.ipynb",), datetime.now(UTC), lambda most: work())
    said = collecting._collect(desk.folder, "T1", handed_in.HandIn("here", student, (entry,)), None)
    assert said.verdict == REFUSED and said.sentence.endswith(".") and said.sentence.isprintable()
    assert desk.everything() & {"secret.txt"} and desk.submitted() == {}


@pytest.mark.parametrize("one, other", [("Anna", "anna"), ("STRASSE", "straße"), ("a & b", "a ＆ b")])
def test_names_that_are_too_much_alike_are_not_mixed_up(desk, one, other):
    """Some file systems ignore capitals, and on nbgrader's pages a few characters are shown by their look-alikes."""
    desk.collect(desk.put(f"{one}.ipynb", work(one)))
    said = desk.one(desk.put(f"2/{other}.ipynb", work(other)))
    assert said.verdict == REFUSED and "too much like this one" in said.sentence
    assert desk.submitted() == {one: work(one)}


def test_one_name_in_two_spellings_is_one_student(desk):
    for n, form in enumerate(("NFC", "NFD")):
        desk.put(f"{n}/{unicodedata.normalize(form, 'Zoë')}.ipynb", work(form), 1e9 + n)
    done = desk.collect(desk.downloads / "0", desk.downloads / "1")
    assert [one.verdict for one in done] == [OLDER, REPLACED] and desk.submitted() == {"Zoë": work("NFD")}


@posix
def test_a_folder_that_spells_an_accent_its_own_way_is_the_same(desk):
    apart = unicodedata.normalize("NFD", "Zoë")
    desk.folder.submitted(apart, "T1").mkdir(parents=True)
    assert desk.one(desk.put("Zoë.ipynb", work())).student == apart
    assert desk.folder.students("T1") == [apart]


@SLOW
@given(student=st.text(max_size=300), inner=st.text(max_size=40))
def test_no_name_raises_or_leads_elsewhere(desk, student, inner):
    """Neither on the way in, nor later: what is stored is stored in its own folder, and can be read."""
    outside = {p for p in desk.downloads.parent.parent.iterdir()}
    entry = handed_in.Entry(("x.ipynb",), datetime.now(UTC), lambda most: work())
    said = collecting._collect(desk.folder, "T1", handed_in.HandIn("here", student, (entry,)), None)
    assert said.sentence.isprintable()
    if said.ok:
        assert names.trouble(said.student) == "" and desk.there(said.student) == work()
        assert intake.read(desk.folder, said.student, "T1").refusal == ""
        assert desk.folder.submitted(said.student, "T1").parent.parent == desk.root / "submitted"
    try:
        made = zipped({(inner + ".ipynb").encode("utf-8", "replace").decode(): work()})
    except (ValueError, struct.error):
        return
    for bundle in (False, True):
        desk.collect(desk.put("x.zip", made), bundle=bundle)
    assert {p for p in desk.downloads.parent.parent.iterdir()} == outside
    assert {p.relative_to(desk.root).parts[0] for p in desk.root.iterdir()} <= {
        "source", "release", "submitted", "replaced", "secret.txt", "nbgrader_config.py",
    }  # fmt: skip


def test_a_hand_in_without_a_notebook_says_so():
    entry = handed_in.Entry(("x.docx",), datetime.now(UTC), lambda most: b"")
    with pytest.raises(Unreadable, match=r"x\.docx is neither a notebook"):
        handed_in.notebook_of(handed_in.HandIn("here", "anna", (entry,)), "T1")
