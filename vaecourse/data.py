"""Data sets as plain NumPy arrays: built in, provided in the folder VAECOURSE_DATA, or downloaded once and checked.

What is built in comes with scikit-learn and needs no network. What is not is looked for in VAECOURSE_DATA first,
then in the cache, then at each mirror in turn, twice; nothing enters the cache unless its SHA-256 sum is right.
"""

import csv
import gzip
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .errors import CourseError
from .home import home


class DataUnavailable(CourseError):
    """A data set is not here and could not be brought, or its file is damaged; the message says what to do."""


class Images(NamedTuple):
    """Pictures as rows of numbers in [0, 1], float32, shapes (n, height · width); labels int64, shapes (n,)."""

    name: str
    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    image_shape: tuple[int, int]


class Download(NamedTuple):
    """Where a data set lives: file names with their SHA-256 sums, and addresses that all serve the same bytes."""

    title: str
    files: dict[str, str]
    mirrors: tuple[str, ...]
    advice: str


# LeCun, Cortes and Burges: four files, the same bytes wherever they are served; and Azzalini and Bowman (1990),
# "A look at some data on the Old Faithful geyser", at a fixed commit, since that table once changed its header.
MNIST_PARTS = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
_RDATASETS = "cc03c29690889dbe83089f5206e2422db8c3f71f"
DOWNLOADS = {
    "mnist": Download(
        "MNIST",
        {
            f"{MNIST_PARTS[0]}-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            f"{MNIST_PARTS[1]}-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            f"{MNIST_PARTS[2]}-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            f"{MNIST_PARTS[3]}-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://raw.githubusercontent.com/fgnt/mnist/ae608a02b796c9ee908c082585a5f006fe05258e/",
        ),
        "mnist.npz",
    ),
    "old_faithful": Download(
        "Old Faithful",
        {"faithful.csv": "5043db1e2c51c8e8fd67e0868c768ae589770cc76ad0ac0c5b7afd1fca31fc57"},
        (
            f"https://raw.githubusercontent.com/vincentarelbundock/Rdatasets/{_RDATASETS}/csv/datasets/",
            f"https://cdn.jsdelivr.net/gh/vincentarelbundock/Rdatasets@{_RDATASETS}/csv/datasets/",
        ),
        "old_faithful.csv",
    ),
}


def digits(seed: int = 0) -> Images:
    """Return the 1,797 handwritten digits of scikit-learn, 8 × 8 pixels; a fifth, drawn by `seed`, is held out.

    Source: Alpaydin and Kaynak (1998), UCI Optical Recognition of Handwritten Digits (its test part).
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x, labels = (bunch.data / 16).astype(np.float32), bunch.target.astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(x))
    held_out, rest = np.split(order, [len(x) // 5])
    return Images("digits", x[rest], labels[rest], x[held_out], labels[held_out], (8, 8))


def mnist() -> Images:
    """Return MNIST: 60,000 + 10,000 handwritten digits, 28 × 28 pixels. Raises DataUnavailable.

    A folder VAECOURSE_DATA may hold `mnist.npz` (arrays train, train_labels, test, test_labels, or the names that
    Keras uses), or the four original files.
    """
    folder = _provided()
    if folder and (folder / "mnist.npz").exists():
        arrays = _readable(folder / "mnist.npz", _read_npz)
    else:
        arrays = [_readable(path, _read_idx) for path in fetch("mnist")]
    for kind, images, labels in (("training", *arrays[:2]), ("test", *arrays[2:])):
        if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28) or not len(images):
            raise DataUnavailable(
                f"The MNIST {kind} images have shape {images.shape} and type {images.dtype}; "
                "right would be (n, 28, 28) and uint8: replace the file."
            )
        if labels.shape != images.shape[:1] or labels.min() < 0 or labels.max() > 9:
            raise DataUnavailable(
                f"The MNIST {kind} labels have shape {labels.shape}; "
                f"right would be {images.shape[:1]}, one digit 0 to 9 per image: replace the file."
            )
    train, train_labels, test, test_labels = arrays
    flat = [images.reshape(len(images), -1) / np.float32(255) for images in (train, test)]
    return Images(
        "MNIST", flat[0], train_labels.astype(np.int64), flat[1], test_labels.astype(np.int64), (28, 28)
    )


def old_faithful() -> np.ndarray:
    """Return 272 eruptions of the geyser, float64, shape (272, 2): duration and waiting time, both in minutes.

    Raises DataUnavailable. A folder VAECOURSE_DATA may hold it as `old_faithful.csv`.
    """
    folder = _provided()
    provided = folder and folder / "old_faithful.csv"
    path = provided if provided and provided.exists() else fetch("old_faithful")[0]
    table = _readable(path, _read_faithful)
    if table.shape != (272, 2) or not np.isfinite(table).all():
        raise DataUnavailable(
            f"The file {path} holds {len(table)} usable rows; Old Faithful has 272 with the columns "
            "eruptions and waiting: replace the file."
        )
    return table


def first_available(*loaders: Callable):
    """Return what the first of `loaders` that has its data gives; each that has not says why, in one sentence.

    `first_available(mnist, digits)` goes on with the built-in digits on a machine without a network.
    """
    for loader in loaders[:-1]:
        try:
            return loader()
        except DataUnavailable as reason:
            print(f"{reason} Going on with {loaders[-1].__name__}.")
    return loaders[-1]()


def fetch(name: str) -> list[Path]:
    """Return the files of the data set `name` ("mnist", "old_faithful"), downloading what is not here yet.

    Files that you provide in VAECOURSE_DATA are taken as they are; a cached file is compared with its SHA-256 sum
    at every use and brought again if it is damaged. Raises DataUnavailable if no mirror serves it.
    """
    if name not in DOWNLOADS:
        raise ValueError(f"name is {name!r}; there is {' and '.join(map(repr, DOWNLOADS))}.")
    wanted, folder = DOWNLOADS[name], _provided()
    if folder and all((folder / file).exists() for file in wanted.files):
        return [folder / file for file in wanted.files]
    cache = home() / "data"
    return [_bring(wanted, file, digest, cache) for file, digest in wanted.files.items()]


def _bring(wanted: Download, file: str, digest: str, cache: Path) -> Path:
    import pooch

    pooch.get_logger().setLevel(
        "WARNING"
    )  # the progress bar tells enough, and a failure gets its own sentence

    reasons = {}
    for mirror in (
        2 * wanted.mirrors
    ):  # each mirror once, then each once more: most failures are gone a moment later
        try:
            downloader = pooch.HTTPDownloader(progressbar=True, timeout=20)
            return Path(pooch.retrieve(mirror + file, f"sha256:{digest}", file, cache, downloader=downloader))
        except ValueError:
            reasons[mirror] = "sent a damaged file"
        except OSError as error:  # includes every failure of the network, and a full disk
            response = getattr(error, "response", None)
            if response is None:
                reasons[mirror] = "cannot be reached"
            else:
                reasons[mirror] = f"answered {response.status_code} ({response.reason})"
                response.close()
    tried = "; ".join(f"{mirror.split('/')[2]} {reason}" for mirror, reason in reasons.items())
    raise DataUnavailable(
        f"{wanted.title} is not on this machine and could not be downloaded ({tried}): try again with a "
        f"network, or put {wanted.advice} into a folder and set VAECOURSE_DATA to that folder."
    )


def _provided() -> Path | None:
    folder = os.environ.get("VAECOURSE_DATA")
    if not folder:
        return None
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise DataUnavailable(
            f"VAECOURSE_DATA is {folder}, which is not a folder: set it to one, or unset it."
        )
    return path


def _readable(path: Path, read: Callable):
    try:
        return read(path)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        reason = f"{error.args[0]!r} is missing in it" if isinstance(error, KeyError) else "it is damaged"
        raise DataUnavailable(
            f"The file {path} cannot be read ({reason}): replace it, or remove it."
        ) from error


def _read_npz(path: Path) -> list[np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        keras = "x_train" in file
        names = (
            ("x_train", "y_train", "x_test", "y_test")
            if keras
            else ("train", "train_labels", "test", "test_labels")
        )
        return [file[name] for name in names]


def _read_idx(path: Path) -> np.ndarray:
    content = gzip.decompress(path.read_bytes())
    # two zero bytes, a type (8 = unsigned byte), the number of axes, each length as a big-endian 32-bit number
    if content[:3] != b"\0\0\x08":
        raise ValueError("no IDX file of bytes")
    axes = content[3]
    shape = np.frombuffer(content, ">i4", count=axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def _read_faithful(path: Path) -> np.ndarray:
    with path.open(encoding="utf-8", newline="") as file:
        return np.array(
            [[float(row["eruptions"]), float(row["waiting"])] for row in csv.DictReader(file)]
        ).reshape(-1, 2)
