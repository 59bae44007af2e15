"""The one error about your machine, not about mathematics: one sentence, shown without a traceback."""


class CourseError(Exception):
    """A folder, a port, a file or a download is in the way; the message says what is wrong and what helps."""
