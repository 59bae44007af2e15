"""The teacher's page shows what its commands really print."""

import pytest

from vaecourse.classroom import jail

from . import teachers_page

pytest.importorskip("nbgrader")


@pytest.mark.skipif(bool(jail.available()), reason=jail.available())
def test_every_command_prints_what_the_page_says(tmp_path):
    page = teachers_page.PAGE.read_text(encoding="utf-8")
    shown = teachers_page.commands(page)
    assert len(shown) >= 10
    printed = teachers_page.run(page, tmp_path)
    for (command, said), now in zip(shown, printed, strict=True):
        assert now == said, f"$ {command}\n{now}"
