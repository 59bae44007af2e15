"""What nbgrader's own `autograde` meets in a class of ours, from its command line and from the formgrader's button."""

from nbconvert.exporters import NotebookExporter
from nbgrader.converters.base import NbGraderException


class NoAutograde(NotebookExporter):
    """nbgrader makes its exporter before it touches anything: this one cannot be made, and says what to do instead."""

    def __init__(self, *given, **named):
        raise NbGraderException(
            "Nothing was run, and nothing was changed.\n"
            "nbgrader's own grading would run the students' code as you. Grade with\n"
            "    vaecourse class grade ASSIGNMENT\n"
            "in a terminal, in the folder of the class."
        )
