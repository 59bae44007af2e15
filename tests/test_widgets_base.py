"""The bundle of JavaScript modules: one text, in which no name at the top is taken twice."""

import collections
import re

import pytest

from vaecourse.widgets.base import JS, bundle

VIEWS = sorted(path.name for path in JS.glob("*.js") if "export default" in path.read_text(encoding="utf-8"))
_TOP = re.compile(r"^(?:async )?(?:function|const|let|class) (\w+)", re.MULTILINE)


def test_there_is_a_view_for_every_widget():
    assert {
        "bayesian_inference.js",
        "derivation.js",
        "latent_space.js",
        "prediction.js",
        "start_here.js",
        "gaussian_mixture.js",
    } < set(VIEWS)


@pytest.mark.parametrize("view", VIEWS)
def test_modules_that_meet_in_a_bundle_share_no_name(view):
    text = bundle(view)
    taken = [name for name, count in collections.Counter(_TOP.findall(text)).items() if count > 1]
    assert taken == []
    assert not re.search(r"^import ", text, re.MULTILINE) and text.count("export default") == 1
