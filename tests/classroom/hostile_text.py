"""What a student may write to act in a teacher's browser; each tries to run `stolen(n)` there."""

import base64
import re
from html.parser import HTMLParser

PNG = base64.b64encode(
    base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
).decode()
SVG = '<svg xmlns="http://www.w3.org/2000/svg" onload="stolen(0)"><script>stolen(0)</script></svg>'

MARKDOWN = (
    "<script>stolen(1)</script>",
    "<img src=x onerror=stolen(2)>",
    "<svg/onload=stolen(3)>",
    "[a link](javascript:stolen(4))",
    "[a link]( javascript:stolen(4))",
    "[a link](java&#115;cript:stolen(5))",
    "[a link][there]\n\n[there]: javascript:stolen(6)",
    "[there]\n\n[there]: javascript:stolen(6) 'title'",
    '![a picture](x" onerror="stolen(7))',
    '![a picture](x "title\\" onerror=stolen(7) ")',
    f"![a picture](data:image/svg+xml;base64,{base64.b64encode(SVG.encode()).decode()})",
    "<javascript:stolen(8)>",
    "<div\nonmouseover='stolen(9)'\nstyle='position:fixed;inset:0'>over everything</div>",
    "<!-- --><script>stolen(10)</script>",
    "<![CDATA[<script>stolen(11)</script>]]>",
    "<?php ?><script>stolen(12)</script>",
    "`` `<script>stolen(13)</script>` ``",
    "```html\n<script>stolen(14)</script>\n```",
    "```mermaid\ngraph LR\nA[<img src=x onerror=stolen(15)>]\nclick A javascript:stolen(15)\n```",
    "~~~ &#109;ermaid\ngraph LR\nclick A call stolen(15)\n~~~",
    '```x" onmouseover="stolen(16)\ntext\n```',
    "$\\href{javascript:stolen(17)}{click}$ and $$\\style{background:url(javascript:stolen(17))}{x}$$",
    "$\\require{html}\\class{x}{y}\\cssId{notebook}{z}$",
    "$<script>stolen(18)</script>$",
    "\\begin{a}<script>stolen(19)</script>\\end{a}",
    "# <img src=x onerror=stolen(20)> heading",
    "| <script>stolen(21)</script> | b |\n|---|---|\n| <img src=x onerror=stolen(21)> | d |",
    'https://example.org/"onmouseover=stolen(22)',
    '<a@b.c"onmouseover=stolen(23)>',
    "- [ ] <script>stolen(24)</script>",
    "term\n: <script>stolen(25)</script>",
    "<scr\x00ipt>stolen(26)</scr\x00ipt>",
    "<scr\u2028ipt>stolen(27)</script>",
    "\\<script>stolen(28)\\</script>",
    "&lt;script&gt;stolen(29)&lt;/script&gt;",
    "</textarea></pre></div></body><script>stolen(30)</script>",
    "<iframe srcdoc='<script>parent.stolen(31)</script>'></iframe>",
    "<meta http-equiv=refresh content='0;url=javascript:stolen(32)'>",
    "<base href=//evil.example/><link rel=stylesheet href=//evil.example/x.css>",
    "<form action=javascript:stolen(33)><button id=full-credit>Full credit</button></form>",
    "<style>body { display: none }</style>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=stolen(34)>",
    "![](attachment:x.svg)",
    "{{ 7*7 }}{% raw %}<script>stolen(35)</script>{% endraw %}",
)
OUTPUTS = (
    {"output_type": "display_data", "data": {"text/html": "<script>stolen(40)</script>"}, "metadata": {}},
    {"output_type": "display_data", "data": {"application/javascript": "stolen(41)"}, "metadata": {}},
    {"output_type": "display_data", "data": {"image/svg+xml": SVG}, "metadata": {}},
    {"output_type": "display_data", "data": {"text/markdown": "<script>stolen(42)</script>"}, "metadata": {}},
    {"output_type": "display_data", "data": {"text/latex": "$\\href{javascript:stolen(43)}{x}$"}, "metadata": {}},
    {"output_type": "display_data", "data": {"image/png": f'{PNG}" onerror="stolen(44)'}, "metadata": {}},
    {
        "output_type": "display_data", "data": {"image/png": PNG, "text/plain": "<script>stolen(45)</script>"},
        "metadata": {"image/png": {"width": "1 onload=stolen(45)", "alt": '"><script>stolen(45)</script>'}},
    },
    {"output_type": "display_data", "data": {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}}, "metadata": {}},
    {"output_type": "execute_result", "execution_count": "<script>stolen(46)</script>", "data": {"text/plain": "</pre><script>stolen(46)</script>"}, "metadata": {}},
    {"output_type": "stream", "name": "<script>stolen(47)</script>", "text": "</pre><script>stolen(47)</script>\n\x1b[31;1m<img src=x onerror=stolen(47)>\x1b[0m"},
    {"output_type": "error", "ename": "<script>stolen(48)</script>", "evalue": "x", "traceback": ["</pre><img src=x onerror=stolen(48)>"]},
    {"output_type": "<script>stolen(49)</script>", "text": "x"},
    {"output_type": "stream", "text": 7}, {"output_type": "display_data", "data": 7}, "no output", {},
)  # fmt: skip
METADATA = {
    "tags": ['"><script>stolen(50)</script>'],
    "raw_mimetype": "text/html",
    "jupyter": {"source_hidden": True},
    "alt": '"><script>stolen(51)</script>',
    "nbgrader": {
        "grade_id": '"><script>stolen(52)</script>',
        "comment": "<script>stolen(53)</script>",
        "score": "<b>",
    },
}
NOTEBOOK = {
    "title": "</title><script>stolen(60)</script>",
    "language_info": {"name": "<script>stolen(61)</script>", "pygments_lexer": "html"},
    "kernelspec": {"name": "x", "language": "<script>stolen(62)</script>"},
    "widgets": {"application/vnd.jupyter.widget-state+json": {"x": "</script><script>stolen(63)</script>"}},
}
NAMES = (
    '"><img src=x onerror=stolen(70)>',
    '" onmouseover="stolen(71)',
    '";stolen(72);"',
    "O'Brien & Söhne",
)


def notebook(begun: dict) -> dict:
    """A submission (its answers as in `begun`) in which everything that a student can write is hostile."""
    cells = []
    for cell in begun["cells"]:
        if cell["cell_type"] == "markdown" and cell["metadata"]["nbgrader"].get("solution"):
            cell["source"] += "\n\n" + "\n\n".join(MARKDOWN)
            cell["attachments"] = {
                "x.svg": {"image/svg+xml": base64.b64encode(SVG.encode()).decode()},
                'a" onerror="stolen(80).png': {"image/png": PNG, "text/html": "<script>stolen(81)</script>"},
            }
        cells.append(cell)
    for i, text in enumerate(MARKDOWN):
        own = {"id": f'o{i}"><script>stolen(54)</script>', "metadata": dict(METADATA), "source": text}
        cells.append({**own, "cell_type": "markdown"})
        cells.append({**own, "cell_type": "raw", "id": f"r{i}"})
    code = "%%html\n<script>stolen(55)</script>\nprint('</pre><script>stolen(55)</script>')"
    cells.append({
        "cell_type": "code", "id": "c", "metadata": dict(METADATA), "source": code, "outputs": list(OUTPUTS),
        "execution_count": "<script>stolen(56)</script>",
    })  # fmt: skip
    return {**begun, "cells": cells, "metadata": {**begun["metadata"], **NOTEBOOK}}


ACTING = (
    "script",
    "style",
    "iframe",
    "svg",
    "form",
    "link",
    "meta",
    "base",
    "object",
    "embed",
    "button",
    "math",
)


def tags(html: str) -> dict:
    """How often each element stands in a page, and every attribute that could act."""

    class Count(HTMLParser):
        def __init__(self):
            super().__init__()
            self.count, self.acting = {}, []
            self.feed(html)
            self.close()

        def handle_starttag(self, tag, attributes):
            self.count[tag] = self.count.get(tag, 0) + 1
            for name, value in attributes:
                if name.startswith("on") or re.match(
                    r"\s*(javascript|data:text|vbscript)", value or "", re.I
                ):
                    self.acting.append((tag, name, value))

    found = Count()
    return found.count, found.acting
