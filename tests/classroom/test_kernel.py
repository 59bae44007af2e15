"""A submission's run: what the cells gave, what the functions answered, and what it takes to lose one or the other."""

import hashlib
import hmac
import json
import math
import os
import signal
import socket
import tempfile
import threading
import time

import numpy as np
import psutil
import pytest

from vaecourse.assignments.core import Limits
from vaecourse.classroom import dialogue, kernel, replies, wire
from vaecourse.classroom.records import (
    CRASHED,
    ERROR,
    FINE,
    LATE,
    MEMORY,
    MISSING,
    OUTPUT,
    TAMPERED,
    Ask,
    AskRun,
    Task,
)
from vaecourse.exercises import core

from .conftest import children

SPREAD = "import numpy as np\ndef spread(x):\n    return float(np.mean((x - x.mean()) ** 2))"
ASKED = Ask("T/spread", "spread", ("x",), ((([1.0, 3.0],),), (([0.0, 0.0],), ([2.0],))))
GIVEN = ((1.0,), (0.0, 0.0))


def ask(function="f", parameters=("x",), cases=(((1.0,),),), seconds=1.0):
    return Ask(f"T/{function}", function, parameters, cases, seconds)


def run(*cells, asks=(), hidden=(), jailed=True, **limits):
    return kernel.run(Task(cells, asks, Limits(**limits), hidden, jailed))


def outputs(ran):
    return [a.outcomes and tuple(o.outputs for o in a.outcomes) for a in ran.asks]


@pytest.fixture(params=[True, False], ids=["jailed", "local"])
def jailed(request):
    if request.param:
        request.getfixturevalue("needs_jail")
    return request.param


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(dialogue, "GRACE", 0.5)


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch, tmp_path_factory):
    """After every run: no process, no open file and no folder of it is left."""
    tmp_path_factory.getbasetemp()  # pytest's own lies elsewhere
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        before = len(os.listdir("/proc/self/fd"))
        yield
        assert children() == []
        assert len(os.listdir("/proc/self/fd")) <= before
        assert os.listdir(folder) == []


class TestCells:
    def test_outputs_are_text_pictures_and_errors_and_nothing_else(self, jailed):
        ran = run(
            "print('one'); print('two')\nimport sys; print('oh', file=sys.stderr)\n40 + 2",
            "from IPython.display import display, HTML, Javascript, Markdown\ndisplay(HTML('<b>h</b>'), Markdown('*m*'))",
            "import base64\npng = base64.b64decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==')\n"
            "display({'image/png': base64.b64encode(png).decode(), 'image/svg+xml': '<svg/>', 'application/json': {}}, raw=True)\n"
            "display({'image/png': base64.b64encode(b'GIF89a').decode()}, raw=True)",
            "def f(:",
            "undefined",
            "print('bad \\ud800 text')",
            "from IPython.display import clear_output\nprint('gone')\nclear_output()\nprint('kept')",
            "",
            jailed=jailed,
        )
        one, rich, picture, syntax, name, odd, cleared, empty = ran.cells
        assert [(o["output_type"], o.get("name"), o.get("text")) for o in one.outputs[:2]] == [
            ("stream", "stdout", "one\ntwo\n"),
            ("stream", "stderr", "oh\n"),
        ]
        assert one.outputs[2]["data"] == {"text/plain": "42"} and one.outputs[2]["execution_count"] == 1
        kinds = {k for o in (*rich.outputs, *picture.outputs) for k in o["data"]}
        assert kinds == {"text/plain", "image/png"} and len(picture.outputs) == 1
        assert [c.outputs[0]["ename"] for c in (syntax, name)] == ["SyntaxError", "NameError"]
        assert syntax.trouble == name.trouble == ERROR and name.outputs[0]["traceback"]
        odd.outputs[0]["text"].encode()
        assert [o["text"] for o in cleared.outputs] == ["kept\n"]
        assert empty.outputs == () and empty.trouble == FINE
        assert json.dumps([c.outputs for c in ran.cells]) and ran.restarts == 0

    def test_the_lessons_calls_do_nothing_and_answers_are_not_there(self, jailed):
        ran = run(
            "from vaecourse.lesson import check, predict, reveal, progress\ncheck('A1/x', 3); predict('01/x'); reveal('01/x'); progress()",
            "import vaecourse.exercises",
            "from vaecourse import kl_divergence",
            jailed=jailed,
            hidden=("vaecourse.kl_divergence",),
        )
        assert ran.cells[0].trouble == FINE and ran.cells[0].outputs == ()
        assert ["is not available in graded work" in c.outputs[0]["evalue"] for c in ran.cells[1:]] == [
            True,
            True,
        ]

    def test_a_cell_that_ends_the_kernel_costs_itself_alone(self, jailed):
        ran = run(
            SPREAD,
            "print('before', flush=True)\nimport os, time; time.sleep(0.3); os._exit(0)",
            "import ctypes; ctypes.string_at(0)",
            "exit()",
            "print(spread(np.array([1.0, 3.0])))",
            asks=(ASKED,),
            jailed=jailed,
        )
        assert [c.trouble for c in ran.cells] == [FINE, CRASHED, CRASHED, CRASHED, FINE]
        assert ran.cells[1].outputs[0]["text"] == "before\n" and ran.cells[4].outputs[0]["text"] == "1.0\n"
        assert outputs(ran) == [GIVEN] and ran.restarts == 3

    def test_a_slow_cell_is_interrupted_and_what_it_defined_before_stays(self, needs_jail):
        ran = run(
            SPREAD + "\nfirst = True\nwhile True: pass",
            "print(first)",
            asks=(ASKED,),
            cell_seconds=0.6,
        )
        assert [c.trouble for c in ran.cells] == [LATE, FINE]
        assert (
            ran.cells[0].outputs[-1]["ename"] == "KeyboardInterrupt"
            and ran.cells[1].outputs[0]["text"] == "True\n"
        )
        assert outputs(ran) == [GIVEN] and ran.restarts == 0

    def test_a_loop_that_ignores_the_interrupt_is_ended(self, jailed):
        stubborn = "import time\nwhile True:\n    try:\n        time.sleep(0.01)\n    except BaseException:\n        pass"
        ran = run(SPREAD, stubborn, "print(1)", asks=(ASKED,), cell_seconds=0.5, jailed=jailed)
        assert [c.trouble for c in ran.cells] == [FINE, LATE, FINE] and outputs(ran) == [GIVEN]

    def test_processor_time_has_an_end_too(self, needs_jail):
        busy = "import os\nfor _ in range(2): os.fork()\nwhile True:\n    try:\n        sum(range(1000))\n    except BaseException:\n        pass"
        ran = run(SPREAD, busy, asks=(ASKED,), cpu_seconds=1.0, cell_seconds=20.0)
        assert [c.trouble for c in ran.cells] == [FINE, LATE] and outputs(ran) == [GIVEN]
        assert 1.0 <= ran.cpu_seconds < 8.0

    def test_all_together_have_an_end(self, needs_jail):
        began = time.monotonic()
        ran = run("import time\ntime.sleep(0.5)", "time.sleep(30)", "print(1)", asks=(ASKED,), seconds=2.5)
        assert time.monotonic() - began < 6.0
        assert [c.trouble for c in ran.cells] == [FINE, LATE, LATE] and ran.asks[0].trouble == LATE

    def test_fresh_kernels_have_an_end(self, needs_jail):
        ran = run(*["import os; os._exit(1)"] * 4, asks=(ASKED,), restarts=2)
        assert [c.trouble for c in ran.cells[:3]] == [CRASHED] * 3 and ran.asks[0].trouble == CRASHED
        assert ran.restarts == 2

    def test_a_flood_of_output_is_dropped_and_costs_no_memory_here(self, needs_jail):
        before = psutil.Process().memory_info().rss
        ran = run(
            SPREAD,
            "print('kept')",
            "for _ in range(200): print('x' * 1_000_000)",
            "print('late')",
            asks=(ASKED,),
        )
        assert [c.trouble for c in ran.cells[:3]] == [FINE, FINE, OUTPUT] and outputs(ran) == [GIVEN]
        assert ran.cells[1].outputs[0]["text"] == "kept\n"
        assert sum(len(json.dumps(c.outputs)) for c in ran.cells) <= Limits.output + 1000
        assert psutil.Process().memory_info().rss - before < 64 * 2**20

    def test_one_huge_text_is_dropped(self, needs_jail):
        ran = run(SPREAD, "'x' * 30_000_000", asks=(ASKED,))
        assert ran.cells[1].trouble == OUTPUT and ran.cells[1].outputs == () and outputs(ran) == [GIVEN]

    def test_a_fresh_kernel_finds_a_fresh_folder(self, needs_jail):
        counting = "import os\nopen('runs', 'a').write('x')\nprint(open('runs').read(), os.listdir())"
        ran = run(counting, "os._exit(0)", "print(open('runs').read())")
        assert [c.outputs and c.outputs[0]["text"] for c in ran.cells] == ["x ['runs']\n", (), "x\n"]

    def test_an_interrupt_here_leaves_nothing_behind(self, needs_jail):
        def ring(*_):
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, ring)
        for after in (0.05, 0.3, 1.2):
            signal.setitimer(signal.ITIMER_REAL, after)
            with pytest.raises(KeyboardInterrupt):
                run("import time\ntime.sleep(30)")
            assert children() == []
        signal.signal(signal.SIGALRM, before)


class TestAsks:
    def test_what_comes_back_is_plain(self, jailed):
        code = """
import numpy as np, fractions
def number(x): return np.float32(x)
def whole(x): return 10 ** 5000
def below(x): return -10 ** 5000
def array(x): return np.arange(3.0) + x
def nested(x): return [(x, np.int64(2)), {"no": 1}]
def fraction(x): return [fractions.Fraction(1, 2), True, None, "text", ...]
def nan(x): return [float("nan"), float("inf"), -np.inf]
def itself(x):
    loop = []; loop.append(loop); return loop
def deep(x):
    made = []
    for _ in range(5000): made = [made]
    return made
def complicated(x): return 1 + 2j
def nothing(x): pass
def kind(x): return type(x).__name__, getattr(x, "dtype", None) == float
def waiting(x): ...
def dots(x): return ...
later = ...
none = None
value = [1, 2]
def called(): return 7
list = int = print = len = tuple = isinstance = __name__ = None
"""
        names = "number whole below array nested fraction nan itself deep complicated nothing dots later none value absent".split()
        asks = [ask(n) for n in names] + [
            ask("value", (), (((),),)),
            ask("called", (), (((),),)),
            ask("number", ("x", "y"), (((1.0, 2.0),),)),
        ]
        ran = run(code, asks=(*asks, ask("number", cases=(((2.5,), (0.5,)),))), jailed=jailed)
        got = dict(zip(names, ran.asks, strict=False))
        one = {n: a.outcomes[0] for n, a in got.items() if a.outcomes}
        assert one["number"].outputs == (1.0,) and one["array"].outputs == ([1.0, 2.0, 3.0],)
        assert one["whole"].outputs == (math.inf,) and one["below"].outputs == (-math.inf,)
        assert one["fraction"].outputs == ([0.5, True, None, "text", ...],)
        assert math.isnan(one["nan"].outputs[0][0]) and one["nan"].outputs[0][1:] == [math.inf, -math.inf]
        assert [one[n].trouble for n in ("nested", "itself", "deep", "complicated")] == ["form"] * 4
        assert one["nothing"].outputs == (None,)
        assert [one[n].outputs for n in ("dots", "later", "none")] == [(...,)] * 3
        assert got["value"].trouble == got["absent"].trouble == MISSING
        value, called, arity, twice = ran.asks[len(names) :]
        assert value.outcomes[0].outputs == ([1, 2],) and called.outcomes[0].outputs == (7,)
        assert arity.outcomes[0].trouble == "form" and "arguments" in arity.outcomes[0].sentence
        assert twice.outcomes[0].outputs == (2.5, 0.5)

    def test_as_in_a_lesson(self, needs_jail):
        """The runner and vaecourse.exercises.core.run give the same outcomes, sentences apart."""
        code = """
import numpy as np
def f(p, k):
    if k == 0: return p * 2
    if k == 1: p[0] = 5.0; return p.sum()
    if k == 2: return [type(p).__name__, str(p.dtype), type(k).__name__]
    if k == 3: raise KeyError(p)
    if k == 4: return np.log(np.array([0.0, -1.0]))
    if k == 5: return f
    if k == 6: raise SystemExit(3)
    if k == 7: return None
    return {"a": 1}
def g(x, y, z): return x
"""

        def said(outcome):
            return json.dumps([outcome.outputs, outcome.trouble, outcome.changed])

        cases = (
            *((([1.0, 2.0], k),) for k in range(9)),
            ((3.5, 0), ([1, 2], 2)),
            (([[1.0], [2.0]], 1), ([1.0], 3)),
        )
        space = {}
        exec(code, space)
        ran = run(code, asks=(Ask("T/f", "f", ("p", "k"), cases), Ask("T/g", "g", ("p", "k"), cases[:1])))
        for function, came, asked in (("f", ran.asks[0], cases), ("g", ran.asks[1], cases[:1])):
            for case, outcome in zip(asked, came.outcomes, strict=True):
                here = core.run(space[function], case, ("p", "k"))
                assert said(outcome) == said(here), case

    def test_no_word_of_the_students_is_in_a_sentence(self, needs_jail):
        code = """
class Secret_1234(Exception): pass
ValueError_ = type("ValueError", (Exception,), {})
def f(x):
    if x == 0: raise Secret_1234("secret 1234")
    if x == 1: raise ValueError("secret 1234")
    if x == 2: return Secret_1234()
    if x == 3: raise type("x" * 1000, (Exception,), {})
"""
        ran = run(code, asks=(ask(cases=(((0,),), ((1,),), ((2,),), ((3,),))),))
        sentences = [o.sentence for o in ran.asks[0].outcomes]
        assert sentences[:2] == ["stopped with an error of its own.", "stopped with ValueError."]
        assert not any("1234" in s or "xxx" in s for s in sentences) and all(sentences)

    def test_arguments_are_fresh_arrays_and_a_changed_one_is_named(self, needs_jail):
        ran = run(
            "def f(p, q):\n    q[0] = 9.0\n    return [p.sum(), q.sum()]",
            asks=(ask("f", ("p", "q"), ((([1, 2], [3, 4]), ([1, 2], [3, 4])),)),),
        )
        (outcome,) = ran.asks[0].outcomes
        assert outcome.outputs == ([3.0, 13.0], [3.0, 13.0]) and outcome.changed == "q"

    def test_limits_are_processor_time_and_longer_by_the_clock(self, needs_jail):
        idle = run("def f(x):\n    import time; time.sleep(0.9)\n    return 1.0", asks=(ask(seconds=0.5),))
        busy = run("def f(x):\n    while True: pass", asks=(ask(seconds=0.5),))
        asleep = run("def f(x):\n    import time; time.sleep(60)", asks=(ask(seconds=0.5),))
        assert outputs(idle) == [((1.0,),)]
        assert [r.asks[0].outcomes[0].trouble for r in (busy, asleep)] == ["late", "late"]
        slept = run("import time; time.sleep(1.2)", "while True: pass", "time.sleep(60)", cell_seconds=0.6)
        assert [c.trouble for c in slept.cells] == [FINE, LATE, LATE]

    @pytest.mark.parametrize(
        "body, trouble",
        [
            ("import os; os._exit(0)", CRASHED),
            ("import ctypes; ctypes.string_at(0)", CRASHED),
            ("kept = []\n    while True: kept.append(b'x' * 2**24)", MEMORY),
            ("return 'x' * 20_000_000", OUTPUT),
            ("import json; json.dumps = lambda *a, **k: '[[[['\n    return 1", TAMPERED),  # all that the kernel says
            ("import signal\n    for n in (signal.SIGALRM, signal.SIGPROF): signal.signal(n, signal.SIG_IGN)\n    while True: pass", LATE),
            ("lie('[[[[')\n    return 1", TAMPERED),
        ],
        ids=["exit", "segfault", "memory", "output", "everything", "late", "lie"],
    )  # fmt: skip
    def test_what_one_function_does_costs_the_others_nothing(self, needs_jail, body, trouble):
        lie = "import sys\ndef lie(text):\n    runner = sys.modules['vaecourse_runner']\n    shown = runner.Text\n    runner.Text = lambda _: shown(text)\n"
        ran = run(SPREAD, f"{lie}def f(x):\n    {body}", asks=(ask(), ASKED), memory=400 * 2**20)
        assert (
            ran.asks[0].trouble == trouble
            and outputs(ran)[1] == GIVEN
            and ran.restarts == (trouble != OUTPUT)
        )

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[[[[",
            "[" * 100_000,
            "[]",
            "3",
            '{"outcomes": 3}',
            '{"outcomes": [1]}',
            '{"outcomes": [{}, {}]}',
            '{"outcomes": [{}]}',
            '{"outcomes": [{"outputs": [1, 2]}]}',
            '{"outcomes": [{"outputs": 1}]}',
            '{"outcomes": [{"outputs": [{"a": 1}]}]}',
            '{"outcomes": [{"outputs": [' + "1" * 5000 + "]}]}",
            '{"outcomes": [{"outputs": [' + "[" * 5000 + "]" * 5000 + "]}]}",
            '{"outcomes": [{"outputs": [1], "changed": "seed"}]}',
            '{"outcomes": [{"outputs": [1], "changed": ["x"]}]}',
            '{"outcomes": [{"trouble": "seed"}]}',
            '{"outcomes": [{"trouble": ["error"]}]}',
            '{"outcomes": [{"trouble": "form", "why": ["type"]}]}',
            '{"outcomes": [{"trouble": "error", "why": {"a": 1}}]}',
            '{"trouble": "passed"}',
            '{"trouble": ["memory"]}',
        ],
    )
    def test_an_answer_that_is_none_is_tampered(self, text):
        reply = {"user_expressions": {"it": {"status": "ok", "data": {"text/plain": text}}}}
        assert replies.read(ask(), reply) == AskRun("T/f", (), TAMPERED)
        for odd in (
            {},
            {"user_expressions": None},
            {"user_expressions": {"it": 3}},
            {"user_expressions": {"it": {"data": {}}}},
        ):
            assert replies.read(ask(), odd).trouble == TAMPERED

    def test_a_late_call_ends_its_exercise_only(self, jailed):
        code = SPREAD + "\ndef f(x):\n    while x > 1: pass\n    return x"
        ran = run(code, asks=(ask(cases=(((1,),), ((2,),), ((0,),)), seconds=0.3), ASKED), jailed=jailed)
        assert [o.trouble for o in ran.asks[0].outcomes] == ["", "late", "skipped"]
        assert outputs(ran)[1] == GIVEN and ran.restarts == 0

    def test_what_catches_everything_is_late_all_the_same(self, needs_jail):
        code = (
            SPREAD
            + "\ndef f(x):\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass"
        )
        began = time.monotonic()
        ran = run(code, asks=(ask(seconds=0.3), ASKED))
        assert ran.asks[0].trouble == LATE or ran.asks[0].outcomes[0].trouble == "late"
        assert outputs(ran)[1] == GIVEN and time.monotonic() - began < 12

    def test_handlers_threads_and_prints_are_no_matter(self, needs_jail):
        code = (
            SPREAD
            + """
import signal, threading, time, sys, warnings
signal.signal(signal.SIGALRM, lambda *_: None); signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
def noise():
    while True: print("noise" * 100); time.sleep(0.001)
threading.Thread(target=noise, daemon=True).start()
def f(x):
    print("secret", x, flush=True); print("secret", x, file=sys.stderr); warnings.warn("secret")
    return x"""
        )
        ran = run(code, "print('next')", asks=(ask(cases=(((123456.5,),),)), ASKED))
        assert outputs(ran) == [((123456.5,),), GIVEN]
        assert "123456" not in json.dumps([c.outputs for c in ran.cells])

    def test_hidden_inputs_do_not_come_out_through_cells_of_a_fresh_kernel(self, needs_jail):
        code = "import os\nprint(sorted(os.listdir('/tmp')), os.path.exists('/dev/shm/x'))\ndef f(x):\n    open('/tmp/x', 'w').write(str(x)); open('/dev/shm/x', 'w').write(str(x)); os._exit(0)"
        ran = run(code, "print(open('/tmp/x').read())", asks=(ask(cases=(((123456.5,),),)), ask("f")))
        assert [a.trouble for a in ran.asks] == [CRASHED, CRASHED] and ran.restarts >= 1
        assert "123456" not in json.dumps([c.outputs for c in ran.cells])

    def test_a_flood_of_messages_ends_the_kernel_not_this_side(self, needs_jail):
        code = (
            SPREAD
            + """
def f(x):
    kernel = get_ipython().kernel
    ident = kernel._shell_parent_ident.get() if hasattr(kernel, "_shell_parent_ident") else kernel._parent_ident["shell"]
    while True:
        kernel.session.send(kernel.shell_stream.socket, "execute_reply", {"x": "y" * 100_000}, ident=ident)"""
        )
        before = psutil.Process().memory_info().rss
        ran = run(code, asks=(ask(seconds=3.0), ASKED))
        assert ran.asks[0].trouble in (OUTPUT, LATE) and outputs(ran)[1] == GIVEN
        assert psutil.Process().memory_info().rss - before < 64 * 2**20

    def test_without_files_for_sockets(self, monkeypatch):
        """As on Windows: ports of this machine, and no word from the runner between the calls."""
        monkeypatch.setattr(dialogue, "POSIX", False)
        ran = run(SPREAD, "print(1)", asks=(ASKED,), jailed=False)
        assert ran.cells[1].outputs[0]["text"] == "1\n" and outputs(ran) == [GIVEN]


KEY = b"key"


class TestWire:
    """A kernel that speaks as it likes: `Channel` counts, checks and gives up."""

    @pytest.fixture
    def peer(self, tmp_path):
        """Connect a channel to a peer that sends these bytes after the handshake."""
        made = []

        def connect(sent, allowed=100_000, greeting=wire.GREETING, ready=b"\x04\x06\x05READY"):
            place = str(tmp_path / f"k{len(made)}")
            server = socket.socket(socket.AF_UNIX)
            server.bind(place)
            server.listen()

            def serve():
                with server, server.accept()[0] as one:
                    try:
                        one.sendall(greeting + ready)
                        while sent is not None:
                            one.sendall(sent() if callable(sent) else sent)
                            if not callable(sent):
                                one.recv(10_000)
                                break
                        one.recv(10_000)
                        time.sleep(0.05)
                    except OSError:
                        pass

            thread = threading.Thread(target=serve)
            thread.start()
            made.append(thread)
            channel = wire.Channel(place, "DEALER", allowed, KEY, patience=2.0)
            made.append(channel)
            return channel

        yield connect
        for one in made[1::2]:
            one.close()
        for thread in made[::2]:
            thread.join()

    def received(self, channel, seconds=2.0):
        got, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            for message in channel.receive():
                got.append(message)
            if got:
                return got
            time.sleep(0.01)
        return got

    def packed(self, content=b"{}", header=None, key=KEY):
        parts = [json.dumps(header or {"msg_type": "x"}).encode(), b"{}", b"{}", content]
        signature = hmac.new(key, b"".join(parts), hashlib.sha256).hexdigest().encode()
        frames = [b"id", wire.DELIMITER, signature, *parts]
        return b"".join(wire._frame(f, more=i + 1 < len(frames)) for i, f in enumerate(frames))

    def test_a_message(self, peer):
        (message,) = self.received(peer(self.packed(b'{"a": [1, NaN]}')))
        assert message.kind == "x" and message.content["a"][0] == 1

    @pytest.mark.parametrize(
        "sent, error",
        [
            (b"\x03" + (10**12).to_bytes(8, "big"), wire.Flood),  # a part of a terabyte
            (b"\x03" + (2**64 - 1).to_bytes(8, "big"), wire.Flood),
            (b"\x01\x00" * 65, wire.Flood),  # parts without end
            (b"\x00\x02no", wire.Garbled),  # no message of Jupyter's
            (b"\xf0\x02no", wire.Garbled),  # no frame
            (b"\x00\x00" * 5, wire.Garbled),
        ],
        ids=["huge", "endless", "parts", "short", "flags", "empty"],
    )
    def test_what_no_kernel_sends(self, peer, sent, error):
        with pytest.raises(error):
            self.received(peer(sent))

    def test_a_wrong_signature(self, peer):
        with pytest.raises(wire.Garbled):
            self.received(peer(self.packed(key=b"other")))

    def test_more_bytes_than_allowed(self, peer):
        packed = self.packed(b'{"a": "' + b"x" * 10_000 + b'"}')
        channel = peer(lambda: packed)
        with pytest.raises(wire.Flood):
            for _ in range(1000):
                list(channel.receive())
                time.sleep(0.001)
        assert len(channel._buffer) < 400_000

    @pytest.mark.parametrize(
        "content", [b"[" * 100_000, b"{", b'{"a": ' + b"1" * 1000 + b"}", b"[]", b"\xff"]
    )
    def test_content_that_cannot_be_read_says_nothing(self, peer, content):
        channel = peer(self.packed(content) + self.packed(b'{"after": 1}'), allowed=10**6)
        got = self.received(channel)
        while len(got) < 2:
            got += self.received(channel)
        assert [m.content for m in got] == [{}, {"after": 1}]

    @pytest.mark.parametrize(
        "greeting",
        [b"HTTP/1.1 200 OK\r\n".ljust(64), bytes(64), b"\xff" + bytes(8) + b"\x7f\x01" + bytes(53)],
        ids=["http", "zeros", "version 1"],
    )
    def test_who_does_not_speak_the_protocol(self, peer, greeting):
        with pytest.raises(wire.Closed):
            peer(None, greeting=greeting)

    def test_only_a_socket_is_opened_and_never_through_a_link(self, tmp_path):
        place = tmp_path / "real"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(place))
            server.listen()
            server.settimeout(0.05)
            os.symlink(place, tmp_path / "link")
            (tmp_path / "file").write_text("")
            for name in ("link", "file", "missing"):
                with pytest.raises(wire.Closed):
                    wire.Channel(str(tmp_path / name), "DEALER", 100, KEY, patience=0.2)
            with pytest.raises(TimeoutError):
                server.accept()


def test_small_numbers_are_the_same_on_both_sides(needs_jail):
    rng = np.random.default_rng(5)
    values = tuple(float(x) for x in rng.standard_normal(50) * 10.0 ** rng.integers(-300, 300, 50))
    ran = run("def f(x): return x", asks=(ask(cases=tuple(((v,),) for v in values)),))
    assert tuple(o.outputs[0] for o in ran.asks[0].outcomes) == values
