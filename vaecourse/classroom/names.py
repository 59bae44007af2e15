"""Names of students: which ones a folder, the gradebook and a web page can all hold, and how strange text is shown."""

import os
import re
import unicodedata

LONGEST = 128  # characters, in nbgrader's database
LONGEST_BYTES = 240  # of a name on most file systems, with room for an ending
_UNHOLDABLE = "/\\:*?#%|<>"  # folders on some systems, wildcards of nbgrader, addresses of its pages
_HIDDEN = {
    "Cc",
    "Cf",
    "Cs",
    "Zl",
    "Zp",
}  # control characters, invisible marks, halves of characters, line ends
_JOINERS = "\u200c\u200d"  # invisible, but part of how names are written in several languages


def tidy(name: str) -> str:
    """The name as it is stored: in Unicode's composed form (NFC), with single spaces and none at the ends."""
    return unicodedata.normalize("NFC", re.sub(" +", " ", name).strip())


def unsafe(name: str) -> str:
    """Why a folder of this name must not be opened, in one sentence; "" if it may. The least that is asked."""
    if not name or name in (".", "..") or any(c in name for c in "/\\\0"):
        return f"{shown(name)} cannot be the name of a student's folder."
    if any(unicodedata.category(c) == "Cs" for c in name):
        return f"The name of the folder {shown(name)} is not text that the gradebook can hold: rename it."
    return ""


def trouble(name: str) -> str:
    """Why a student cannot have this name here, in one sentence; "" if all is well."""
    if not name.strip():
        return "The name of the student is empty."
    if bad := next((c for c in name if c in _UNHOLDABLE), ""):
        return (
            f"The name of the student, {shown(name)}, contains {bad}, which a folder or a page cannot hold."
        )
    if any(unicodedata.category(c) in _HIDDEN and c not in _JOINERS for c in name):
        return f"The name of the student, {shown(name)}, contains a character that cannot be seen."
    if name[0] in ".-" or name[-1] == ".":
        return f"The name of the student, {shown(name)}, begins with a dot or a dash, or ends with a dot."
    if len(name) > LONGEST or len(name.encode()) > LONGEST_BYTES:
        return (
            f"The name of the student, {shown(name)}, is too long: at most {LONGEST} characters are possible."
        )
    return unsafe(name)


def same_folder(one: str, other: str) -> bool:
    """Would the two names be one folder on a system that ignores case, or writes accents its own way?"""
    return _folded(one) == _folded(other)


def shown(text: object, longest: int = 60) -> str:
    """Text that came from outside, as a sentence may hold it: one line, printable, short; quoted if it is not plain."""
    if re.fullmatch(r"[\w.-]{1,60}", str(text)):
        return str(text)
    text = printable(str(text)[: longest + 1]).replace('"', "?")
    return f'"{text}"' if len(text) <= longest else f'"{text[:longest]}…"'


def printable(text: object) -> str:
    """Text that a terminal may be sent: in one line, and without commands to it."""
    return "".join(c if c.isprintable() else "?" for c in str(text))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", os.path.normpath(name)).casefold())
