"""What a student wrote, made harmless for the page on which a teacher reads it.

nbgrader's formgrader shows notebooks on the teacher's own address, and lets the HTML in a text cell act there with the
teacher's rights. So the text is changed before it is stored: a blank after `<`, after `]` and after a few backslashes
takes their power from markup, links and TeX commands, in every context that a Markdown parser can see in it, and leaves
`a < b`, code and formulas readable. Outputs are built anew from text and PNG pictures.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

_LINE_END = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029\u2424]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x1f\x7f]")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")  # only then does it begin markup
_LINK = re.compile(r"\](?=[(\[:])")  # [text](address), [text][name], [name]: address
_COMMAND = re.compile(
    r"\\(?=(?:href|url|require|class|cssId|style|data|html\w*|includegraphics)(?![A-Za-z]))"
)
_FENCE = re.compile(r"^([ \t\xa0>*+\-:.)\d]*)(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)
_NO_FENCE = str.maketrans("`~", "'-")
_LANGUAGE = re.compile(r"[ \t]*(?!mermaid)([A-Za-z][A-Za-z0-9+#_.-]{0,20})?[ \t]*", re.I)  # diagrams are run
_PICTURE = re.compile(r"!\[[^\]\n]{0,200}\]\([ <]{0,3}attachment:([^\s)>]{1,200})>?[^)\n]{0,200}\)")
_MAGIC = {
    "image/png": b"\x89PNG\r\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}
# Look-alikes of what ends an attribute, a string or a tag in nbgrader's pages.
_NAME = str.maketrans({'"': "”", "<": "‹", ">": "›", "&": "＆", "`": "ˋ", "\\": "＼", "{": "（", "}": "）"})


def text(given: str) -> str:
    """Plain text without half characters and control characters, lines ended by \\n."""
    given = given.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _CONTROL.sub("", _LINE_END.sub("\n", given))


def markdown(given: str) -> str:
    """Markdown that can show text, formulas, code, lists and tables, and do nothing."""
    given = _TAG.sub("< ", text(given))
    given = _LINK.sub("] ", given)
    given = _COMMAND.sub(r"\\ ", given)
    return _FENCE.sub(_fence, given)


def illustrated(given: str, attachments: Mapping[str, Mapping[str, str]]) -> tuple[str, dict]:
    """Markdown with the pictures pasted into it: its harmless form, and the attachments that it needs."""
    names, kept = {}, {}
    for name, kinds in attachments.items():
        for kind, data in kinds.items():
            if name not in names and (clean := picture(data, kind)):
                names[name] = f"picture-{len(names) + 1}.{kind.partition('/')[2]}"
                kept[names[name]] = {kind: clean}
    parts, end, given = [], 0, text(given)
    for match in _PICTURE.finditer(given):
        if name := names.get(match[1]) or names.get(unquote(match[1])):
            parts += [
                markdown(given[end : match.start()]),
                f" ![{name.partition('.')[0]}](attachment:{name}) ",
            ]
            end = match.end()
    return "".join([*parts, markdown(given[end:])]), kept


def raw(given: str) -> str:
    """A raw cell, which could be HTML, as Markdown that shows its text."""
    given = text(given)
    fence = "~" * max(4, 1 + max(map(len, re.findall("~+", given)), default=0))
    return f"{fence}\n{markdown(given)}\n{fence}"


def picture(data: str, kind: str = "image/png") -> str:
    """The base64 of a picture in its plain form; "" if it is none of that kind."""
    try:
        content = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return base64.b64encode(content).decode("ascii") if content.startswith(_MAGIC.get(kind, b"\0")) else ""


def outputs(given: Iterable[Mapping]) -> list[dict]:
    """Outputs of plain kinds, with nothing in them but text and PNG pictures."""
    return [made for output in given if isinstance(output, Mapping) and (made := _output(output))]


def name(given: str) -> str:
    """A student's name as the gradebook and nbgrader's pages can hold it: the same, but for a few look-alikes."""
    return text(given).replace("\n", " ").translate(_NAME)


def _fence(match: re.Match) -> str:
    """A line that may begin a block of code: what it says of the language goes to the next line, if it is odd.

    There it could begin another block, since this line may as well end one: its own backticks and tildes are changed.
    """
    before, fence, said = match.groups()
    if _LANGUAGE.fullmatch(said) or (fence[0] == "`" and "`" in said):
        return match[0]
    return f"{before}{fence}\n{said.translate(_NO_FENCE)}"


def _output(output: Mapping) -> dict | None:
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return {"output_type": "stream", "name": name, "text": _joined(output.get("text"))}
    if kind == "error":
        lines = output.get("traceback")
        lines = lines if isinstance(lines, list | tuple) else []
        said = {key: _joined(output.get(key)) for key in ("ename", "evalue")}
        return {"output_type": "error", **said, "traceback": [_joined(line) for line in lines]}
    data = output.get("data")
    if kind not in ("display_data", "execute_result") or not isinstance(data, Mapping):
        return None
    shown = {}
    if plain := _joined(data.get("text/plain")):
        shown["text/plain"] = plain
    if png := picture(_joined(data.get("image/png"))):
        shown["image/png"] = png
    return {"output_type": "display_data", "data": shown, "metadata": {}} if shown else None


def _joined(given: object) -> str:
    """The text of an output; the escape character stays, since colours are told with it."""
    if isinstance(given, list | tuple) and all(isinstance(line, str) for line in given):
        given = "".join(given)
    return "\x1b".join(map(text, given.split("\x1b"))) if isinstance(given, str) else ""
