"""The built-in digits, and the downloader against a small server of our own on this machine."""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from vaecourse import data
from vaecourse.data import DataUnavailable


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("VAECOURSE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("VAECOURSE_DATA", raising=False)


@pytest.fixture
def server(tmp_path):
    """A folder, served on the loopback interface; `server.asked` lists the paths that were asked for."""
    folder, asked = tmp_path / "served", []
    folder.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=folder)

        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *arguments):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.folder, http.asked, http.url = folder, asked, f"http://127.0.0.1:{http.server_port}/"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield http
    http.shutdown()
    http.server_close()
    thread.join()


FAITHFUL = "rownames,eruptions,waiting\n" + "".join(
    f"{i},{1 + i / 100},{40 + i % 50}\n" for i in range(1, 273)
)


@pytest.fixture
def geyser(server, monkeypatch):
    """Old Faithful, served by `one/` and `two/` on this machine instead of the real mirrors."""
    for mirror in ("one", "two"):
        (server.folder / mirror).mkdir()
        (server.folder / mirror / "faithful.csv").write_text(FAITHFUL, encoding="utf-8", newline="")
    wanted = data.DOWNLOADS["old_faithful"]._replace(
        files={"faithful.csv": hashlib.sha256(FAITHFUL.encode()).hexdigest()},
        mirrors=(f"{server.url}one/", f"{server.url}two/"),
    )
    monkeypatch.setitem(data.DOWNLOADS, "old_faithful", wanted)
    return server


# --- built in -------------------------------------------------------------------------------------------------------


def test_digits_are_whole_scaled_and_split_without_overlap():
    images = data.digits()
    assert (
        images.train.shape == (1438, 64) and images.test.shape == (359, 64) and images.image_shape == (8, 8)
    )
    assert images.train.dtype == np.float32 and images.train.min() == 0 and images.train.max() == 1
    from sklearn.datasets import load_digits

    bunch = load_digits()
    rows = np.concatenate([images.train, images.test]) * 16
    labels = np.concatenate([images.train_labels, images.test_labels])
    ours = sorted((*row, label) for row, label in zip(rows.tolist(), labels.tolist(), strict=True))
    assert ours == sorted(
        (*row, label) for row, label in zip(bunch.data.tolist(), bunch.target.tolist(), strict=True)
    )
    assert set(images.test_labels) == set(range(10))


def test_the_split_is_the_one_that_the_lessons_printed():
    images = data.digits()
    assert images.test_labels[:10].tolist() == [6, 6, 6, 2, 5, 6, 6, 2, 2, 1]
    assert not np.array_equal(images.test, data.digits(seed=1).test)


def test_data_comes_without_torch():
    code = "import sys; from vaecourse import data; data.digits(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- downloaded -----------------------------------------------------------------------------------------------------


def test_a_good_file_is_fetched_once_and_then_comes_from_the_cache(geyser):
    first = data.old_faithful()
    assert first.shape == (272, 2) and first[0].tolist() == [1.01, 41.0]
    assert geyser.asked == ["/one/faithful.csv"]
    np.testing.assert_array_equal(data.old_faithful(), first)
    assert len(geyser.asked) == 1


def test_a_damaged_mirror_is_passed_over(geyser):
    (geyser.folder / "one" / "faithful.csv").write_text("404? no: a login page", encoding="utf-8")
    assert data.old_faithful().shape == (272, 2)
    assert geyser.asked == ["/one/faithful.csv", "/two/faithful.csv"]


def test_a_mirror_that_has_moved_is_passed_over(geyser):
    (geyser.folder / "one" / "faithful.csv").unlink()
    assert data.old_faithful().shape == (272, 2)


def test_a_mirror_that_recovers_is_tried_again(geyser, monkeypatch):
    shutil.rmtree(geyser.folder / "one")
    shutil.rmtree(geyser.folder / "two")
    real = data.DOWNLOADS["old_faithful"].mirrors

    class Waking(str):
        """The second mirror, whose file appears only when it is asked a second time."""

        tried = 0

        def __add__(self, file):
            Waking.tried += 1
            if Waking.tried == 2:
                (geyser.folder / "two").mkdir()
                (geyser.folder / "two" / file).write_text(FAITHFUL, encoding="utf-8", newline="")
            return str(self) + file

    monkeypatch.setitem(
        data.DOWNLOADS,
        "old_faithful",
        data.DOWNLOADS["old_faithful"]._replace(mirrors=(real[0], Waking(real[1]))),
    )
    assert data.old_faithful().shape == (272, 2)
    assert len(geyser.asked) == 4


def test_a_damaged_cache_is_brought_again(geyser):
    path = data.fetch("old_faithful")[0]
    path.write_text("half a fi", encoding="utf-8")
    assert data.old_faithful().shape == (272, 2)
    assert path.read_text(encoding="utf-8").replace("\r", "") == FAITHFUL and len(geyser.asked) == 2


def test_with_every_mirror_down_one_sentence_says_so_and_nothing_is_lost(geyser):
    path = data.fetch("old_faithful")[0]
    path.write_text("half a fi", encoding="utf-8")
    (geyser.folder / "one" / "faithful.csv").unlink()
    (geyser.folder / "two" / "faithful.csv").write_text("a login page", encoding="utf-8")
    with pytest.raises(DataUnavailable) as caught:
        data.old_faithful()
    sentence = str(caught.value)
    assert "answered 404" in sentence and "sent a damaged file" in sentence
    assert "put old_faithful.csv into a folder and set VAECOURSE_DATA" in sentence and "\n" not in sentence
    assert [file.read_text(encoding="utf-8") for file in path.parent.iterdir()] == ["half a fi"]


def test_without_a_network_one_sentence_says_so(monkeypatch):
    wanted = data.DOWNLOADS["mnist"]._replace(mirrors=("http://127.0.0.1:9/",))
    monkeypatch.setitem(data.DOWNLOADS, "mnist", wanted)
    with pytest.raises(
        DataUnavailable, match=r"MNIST is not on this machine .*127\.0\.0\.1:9 cannot be reached"
    ):
        data.mnist()


def test_the_lesson_goes_on_with_what_is_built_in(monkeypatch, capsys):
    monkeypatch.setitem(
        data.DOWNLOADS, "mnist", data.DOWNLOADS["mnist"]._replace(mirrors=("http://127.0.0.1:9/",))
    )
    assert data.first_available(data.mnist, data.digits).name == "digits"
    assert "Going on with digits." in capsys.readouterr().out


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    return gzip.compress(header + array.astype(np.uint8).tobytes())


def small_mnist() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        "train": random.integers(0, 256, (30, 28, 28), dtype=np.uint8),
        "train_labels": random.integers(0, 10, 30, dtype=np.uint8),
        "test": random.integers(0, 256, (9, 28, 28), dtype=np.uint8),
        "test_labels": random.integers(0, 10, 9, dtype=np.uint8),
    }


def test_mnist_is_read_from_its_four_files(server, monkeypatch):
    arrays = small_mnist()
    files = dict(zip(data.DOWNLOADS["mnist"].files, map(idx, arrays.values()), strict=True))
    for name, content in files.items():
        (server.folder / name).write_bytes(content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    monkeypatch.setitem(
        data.DOWNLOADS, "mnist", data.DOWNLOADS["mnist"]._replace(files=digests, mirrors=(server.url,))
    )
    images = data.mnist()
    np.testing.assert_array_equal(images.train * 255, arrays["train"].reshape(30, 784))
    np.testing.assert_array_equal(images.test_labels, arrays["test_labels"])
    assert images.train.dtype == np.float32 and images.train_labels.dtype == np.int64
    assert sorted(server.asked) == sorted(f"/{name}" for name in files)


# --- provided -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", ["ours", "keras"])
def test_a_provided_mnist_is_taken_first(tmp_path, monkeypatch, names):
    arrays = small_mnist()
    if names == "keras":
        arrays = dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays.values(), strict=True))
    np.savez(tmp_path / "mnist.npz", **arrays)
    monkeypatch.setenv("VAECOURSE_DATA", str(tmp_path))
    images = data.mnist()
    assert images.name == "MNIST" and images.train.shape == (30, 784) and images.image_shape == (28, 28)
    assert images.test_labels.tolist() == next(reversed(arrays.values())).tolist()


def test_provided_original_files_are_taken_too(tmp_path, monkeypatch):
    for name, array in zip(data.DOWNLOADS["mnist"].files, small_mnist().values(), strict=True):
        (tmp_path / name).write_bytes(idx(array))
    monkeypatch.setenv("VAECOURSE_DATA", str(tmp_path))
    assert data.mnist().test.shape == (9, 784)


def test_a_provided_old_faithful_is_taken_first(tmp_path, monkeypatch, geyser):
    (tmp_path / "old_faithful.csv").write_text(FAITHFUL.replace("1.01", "2.5"), encoding="utf-8")
    monkeypatch.setenv("VAECOURSE_DATA", str(tmp_path))
    assert data.old_faithful()[0].tolist() == [2.5, 41.0] and geyser.asked == []


def test_what_is_not_provided_is_downloaded(tmp_path, monkeypatch, geyser):
    monkeypatch.setenv("VAECOURSE_DATA", str(tmp_path))
    assert data.old_faithful().shape == (272, 2) and len(geyser.asked) == 1


def broken_mnist(**changes) -> dict[str, np.ndarray]:
    return {name: array for name, array in {**small_mnist(), **changes}.items() if array is not None}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"half a fi", r"mnist\.npz cannot be read \(it is damaged\): replace it, or remove it"),
        (b"", "it is damaged"),
        (broken_mnist(test=None), "'test.*' is missing in it"),
        (broken_mnist(train=np.zeros((30, 28, 28))), "type float64; right would be .* uint8"),
        (broken_mnist(test=np.zeros((9, 784), np.uint8)), r"test images have shape \(9, 784\)"),
        (broken_mnist(train_labels=np.zeros(29, np.uint8)), r"training labels have shape \(29,\)"),
        (broken_mnist(train_labels=np.full(30, 12, np.uint8)), "one digit 0 to 9"),
    ],
)
def test_a_damaged_provided_mnist_is_named_not_replaced(tmp_path, monkeypatch, content, sentence):
    path = tmp_path / "mnist.npz"
    path.write_bytes(content) if isinstance(content, bytes) else np.savez(path, **content)
    before = path.read_bytes()
    monkeypatch.setenv("VAECOURSE_DATA", str(tmp_path))
    with pytest.raises(DataUnavailable, match=sentence):
        data.mnist()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        "eruptions,waiting\n3.6,79\n",
        FAITHFUL.replace("waiting", "wait"),
        FAITHFUL.replace("1.01", "n/a"),
        "",
        "\0\1",
    ],
)
def test_a_damaged_provided_old_faithful_is_named(tmp_path, monkeypatch, content):
    (tmp_path / "old_faithful.csv").write_text(content, encoding="utf-8")
    monkeypatch.setenv("VAECOURSE_DATA", str(tmp_path))
    with pytest.raises(DataUnavailable, match=r"old_faithful\.csv .*replace"):
        data.old_faithful()


def test_a_provided_archive_cannot_run_code(tmp_path, monkeypatch):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    np.savez(
        tmp_path / "mnist.npz", train=np.array(Harm(), dtype=object), train_labels=[], test=[], test_labels=[]
    )
    monkeypatch.setenv("VAECOURSE_DATA", str(tmp_path))
    with pytest.raises(DataUnavailable, match="damaged"):
        data.mnist()
    assert not (tmp_path / "harm").exists()


def test_a_data_folder_that_is_none_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("VAECOURSE_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataUnavailable, match=r"VAECOURSE_DATA is .*nowhere, which is not a folder"):
        data.mnist()
    with pytest.raises(ValueError, match="name is 'minst'; there is 'mnist' and 'old_faithful'"):
        data.fetch("minst")
