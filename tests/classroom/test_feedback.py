"""What students read: their points and hints, and not one byte of what they must not see."""

import base64
import json
import re

import pytest

from vaecourse.assignments import assignment
from vaecourse.classroom import batch, feedback, gradebook
from vaecourse.errors import CourseError
from vaecourse.exercises.core import cases

from . import class_of_three as three
from . import hostile_text, tiny


@pytest.fixture
def made(tiny_assignment, outside_home):
    return three.made(outside_home)


def words(html: str) -> str:
    """The text of a page, its styles and scripts left out."""
    body = re.sub(r"(?s)<(style|script|head).*?</\1>", " ", html)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


def page(folder, student):
    return (folder.feedback(student, "T1") / "T1.html").read_text("utf-8")


def person(folder, sql, *values):
    from vaecourse.classroom.database import opened

    with opened(folder) as book:
        assert book.execute(sql, values).rowcount > 0


def test_the_page_says_how_it_went(made):
    three.three(made)
    assert feedback.generate(made, "T1") == [
        made.feedback(s, "T1") / "T1.html" for s in ("ada", "bob", "cleo")
    ]  # fmt: skip
    ada, bob, cleo = (words(page(made, s)) for s in ("ada", "bob", "cleo"))
    assert "T1 (Score: 7.0 / 10.0)" in ada and "T1/spread: 3 of 3 points, passed" in ada
    assert "T1 (Score: 6.0 / 10.0)" in bob and "Score: 2.0 / 3.0" in bob
    assert "T1/spread: 2 of 3 points, property failed" in bob
    assert "✗ agrees with the definition" in bob and f"Hint: {three.HINT}" in bob
    assert "Hint" not in ada and "✗" not in ada
    assert "Comments: Nobody has graded this answer yet." in ada and "Nobody has graded" not in cleo
    assert "Because $\\sum_i d_i = 0$" in bob and "a &lt; b" in bob
    assert (
        "T1 (Score: 0.0 / 10.0)" in cleo and cleo.count("The file is empty.") == 2
    )  # on top, and as a comment


def test_points_and_comments_of_a_person_are_shown(made):
    three.three(made)
    person(made, "UPDATE grade SET manual_score = 2.5, needs_manual_grade = 0 WHERE auto_score IS NULL")
    person(made, "UPDATE grade SET extra_credit = 1 WHERE auto_score = 2")
    person(made, "UPDATE comment SET manual_comment = 'Well *said*, $x<1$.' WHERE auto_comment IS NULL")
    feedback.generate(made, "T1")
    bob = words(page(made, "bob"))
    assert "Nobody has graded" not in bob
    assert "T1 (Score: 9.5 / 10.0)" in bob and "Score: 2.5 / 3.0" in bob and "Score: 3.0 / 3.0" in bob
    assert "<em>said</em>" in page(made, "bob") and "Comments:" in bob


def test_nbgraders_own_feedback_says_the_same(made):
    """The same notebook through nbgrader's converter, step by step with its own database look-ups."""
    import logging

    from nbgrader.converters import GenerateFeedback
    from nbgrader.coursedir import CourseDirectory

    from vaecourse.classroom.database import configuration

    three.three(made)
    person(made, "UPDATE grade SET manual_score = 2.5 WHERE auto_score IS NULL")
    feedback.generate(made, "T1")
    ours = {s: page(made, s) for s in ("ada", "bob", "cleo")}
    config, log = configuration(made), logging.Logger("quiet")
    course = CourseDirectory(config=config, log=log)
    course.root, course.assignment_id = str(made.root), "T1"
    GenerateFeedback(course, config=config, log=log, force=True).start()
    assert {s: page(made, s) for s in ours} == ours
    assert {p.name for p in made.feedback("ada", "T1").iterdir()} == {
        "T1.html",
        "timestamp.txt",
        "submission_secret.txt",
    }


def test_again_changes_nothing_and_writes_nothing(made):
    three.three(made)
    paths = feedback.generate(made, "T1")
    before = [(p.stat().st_mtime_ns, p.read_bytes()) for p in paths]
    feedback.generate(made, "T1")
    assert [(p.stat().st_mtime_ns, p.read_bytes()) for p in paths] == before


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # nbgrader reads timestamp.txt so
def test_the_exchange_lays_it_out_and_the_student_fetches_it(made, tmp_path, monkeypatch):
    """nbgrader's own release_feedback and fetch_feedback; whoever handed in otherwise does not stop the others."""
    import logging

    from nbgrader.auth import Authenticator
    from nbgrader.coursedir import CourseDirectory
    from nbgrader.exchange.default import ExchangeFetchFeedback, ExchangeReleaseFeedback

    from vaecourse.classroom.database import configuration

    three.three(made)
    key, stamp = "5d41402abc4b2a76b9719d911017c592", "2026-11-20 10:00:00.000000 UTC"
    submitted = made.submitted("bob", "T1")
    submitted.mkdir(parents=True)
    (submitted / "submission_secret.txt").write_text(key, encoding="ascii")
    three.write(made, three.submission("bob", **tiny.HALF), three.grade("bob", 2))
    feedback.generate(made, "T1")
    config, log = configuration(made), logging.Logger("quiet")
    config.Exchange.root = str(tmp_path / "exchange")
    config.Exchange.cache = str(tmp_path / "cache")
    config.ExchangeFetchFeedback.assignment_dir = str(tmp_path / "home")
    (tmp_path / "exchange" / "class").mkdir(parents=True)
    (tmp_path / "exchange").chmod(0o777)
    (tmp_path / "home").mkdir()
    kept = tmp_path / "cache" / "class" / f"bob+T1+{stamp}"
    kept.mkdir(parents=True)
    (kept / "T1.ipynb").write_text(json.dumps(tiny.submission(**tiny.HALF)), encoding="utf-8")
    (kept / "submission_secret.txt").write_text(key, encoding="ascii")

    def do(step, student):
        course = CourseDirectory(config=config, log=log)
        course.root, course.assignment_id, course.student_id = str(made.root), "T1", student
        step(coursedir=course, authenticator=Authenticator(config=config), config=config, log=log).start()

    do(ExchangeReleaseFeedback, "*")
    laid_out = list((tmp_path / "exchange" / "class" / "feedback").glob("*.html"))
    assert len(laid_out) == 3
    monkeypatch.chdir(tmp_path / "home")
    do(ExchangeFetchFeedback, "bob")
    (fetched,) = (tmp_path / "home").rglob("*.html")
    assert fetched.read_text("utf-8") == page(made, "bob")


CARRY = """
import json, os, sys
def centred(x):
    x = np.asarray(x, dtype=float)
    print("CENTRED", list(x)); print(repr(x), file=sys.stderr)
    open("seen.txt", "a").write(repr(list(x)) + "\\n")
    centred.__doc__ = repr(list(x)); globals()[f"seen_{len(x)}"] = list(x)
    return x - x.mean()
"""
RAISE = """
def spread(x):
    class Seen(Exception): pass
    Seen.__name__ = Seen.__qualname__ = repr(list(x))
    raise Seen(f"I was asked about {list(x)}") from ValueError(repr(list(x)))
"""
RETURN = """
def spread(x):
    return "I was asked about " + ", ".join(map(repr, x))
"""


def hidden(folder) -> set[str]:
    """Every number that students must not see, as it could be written; small whole ones say nothing."""
    found = set()

    def numbers(value):
        if isinstance(value, list | tuple):
            for part in value:
                numbers(part)
        elif isinstance(value, float) and value != round(value, 1):
            found.update(f"{abs(value):.{digits}g}" for digits in (4, 6, 8, 17))

    for exercise in assignment("T1", tiny.solved()).exercises:
        numbers(cases(exercise, folder.generator(exercise.name)))
    return found


def said(numbers: set[str], content: str) -> set[str]:
    """The hidden numbers that stand in a page, or in a graded notebook; its style sheets say many numbers."""
    content = re.sub(r"(?s)<style.*?</style>", " ", content)
    return numbers & set(re.findall(r"\d+\.\d+(?:e[-+]?\d+)?", content))


def test_the_numbers_would_be_found(made):
    numbers = hidden(made)
    assert len(numbers) > 40 and "0.1" not in numbers
    for number in numbers:
        assert said(numbers, f"<p>array([-{number}, 1.0])</p>") == {number}


def test_no_byte_of_it_is_hidden_input_seed_or_another_student(made, needs_jail):
    """Graded for real, with submissions that do all they can to carry their inputs out."""
    given = {
        "anna-quill": {**tiny.SOLUTIONS, "centred": CARRY},
        "bert-ostrich": {**tiny.SOLUTIONS, "centred": CARRY, "spread": RAISE},
        "carl-yonder": {**tiny.HALF, "centred": CARRY, "spread": RETURN},
        "dora-zephyr": dict(tiny.SOLUTIONS),
        "emil-vortex": {**tiny.WRONG, "why_squares": "print(open('seen.txt').read())"},
    }
    for student, answers in given.items():
        place = made.submitted(student, "T1")
        place.mkdir(parents=True)
        (place / "T1.ipynb").write_text(json.dumps(tiny.submission(**answers)), encoding="utf-8")
    report = batch.grade(made, "T1", jobs=1, progress=False)
    assert not report.failed and len(report.grades) == 5
    earned = {g.student: g.points for g in report.grades}
    assert earned["anna-quill"] == 7 and earned["bert-ostrich"] == 4 and earned["emil-vortex"] == 0
    pages = feedback.generate(made, "T1")
    numbers, secret = hidden(made), made.secret()
    forms = (secret.hex(), secret.hex().upper(), base64.b64encode(secret).decode(), repr(secret))
    for path, student in zip(pages, sorted(given), strict=True):
        for file in path.parent.iterdir():
            content = file.read_text("utf-8")
            assert not said(numbers, content), (student, file.name)
            assert not [form for form in forms if form in content] and secret not in file.read_bytes()
            assert not [other for other in given if other != student and other in content]
    graded = {s: (made.autograded(s, "T1") / "T1.ipynb").read_text("utf-8") for s in given}
    assert not [found for content in graded.values() if (found := said(numbers, content))]


def test_hostile_work_does_not_act_on_the_page(made):
    plain = three.submission("ada", **tiny.SOLUTIONS)
    hostile = three.submission("bob", hostile_text.notebook(tiny.submission(**tiny.SOLUTIONS)))
    for handed in (plain, hostile):
        ran = three.run(handed.notebook, *[hostile_text.OUTPUTS] * 6) if handed is hostile else None
        three.write(made, handed, three.grade(handed.student), ran)
    feedback.generate(made, "T1")
    ada, bob = page(made, "ada"), page(made, "bob")
    assert "stolen(" in bob
    (wanted, nothing), (count, acting) = hostile_text.tags(ada), hostile_text.tags(bob)
    assert acting == nothing
    assert {t: count.get(t, 0) for t in hostile_text.ACTING} == {
        t: wanted.get(t, 0) for t in hostile_text.ACTING
    }


def test_what_is_missing_gets_one_sentence(made):
    with pytest.raises(CourseError, match="No T1 is graded yet: `vaecourse class grade T1`"):
        feedback.generate(made, "T1")
    three.three(made)
    (made.autograded("bob", "T1") / "T1.ipynb").write_text("{", encoding="utf-8")
    with pytest.raises(CourseError, match="is damaged: delete it, and grade T1 again"):
        feedback.generate(made, "T1")
    three.three(made)
    (made.autograded("bob", "T1") / "timestamp.txt").unlink()
    with pytest.raises(CourseError, match=r"timestamp.txt is missing"):
        feedback.generate(made, "T1")
    three.three(made)
    made.database.unlink()
    with pytest.raises(CourseError, match="The gradebook has no grades of ada for T1: grade again"):
        feedback.generate(made, "T1")
    assert gradebook.by_hand(made, "T1") == 0
