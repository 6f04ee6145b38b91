import hashlib
import io
import os
import pickle
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo.datasets import digits as digits_module
from lmu_nengo.datasets import load_mnist, load_small_digits, permuted_sequences
from lmu_nengo.io import DamagedFileError

needs_mnist = pytest.mark.skipif(
    "LMU_NENGO_DATA" not in os.environ,
    reason="set LMU_NENGO_DATA to MNIST's mnist.npz or its folder",
)


def test_small_digits_are_split_without_overlap():
    digits = load_small_digits()
    assert digits.x_train.shape == (1438, 64) and digits.x_test.shape == (359, 64)
    assert digits.x_train.max() == digits.x_test.max() == 1
    assert set(digits.y_test) == set(range(10))


@needs_mnist
def test_mnist_is_whole():
    digits = load_mnist()
    assert digits.x_train.shape == (60_000, 784) and digits.x_test.shape == (
        10_000,
        784,
    )
    # class counts as published with the set
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(digits.y_test).tolist() == counts
    assert digits.x_train.min() == 0 and digits.x_train.max() == 1


ARRAYS = dict(
    x_train=np.full((3, 28, 28), 255, np.uint8),
    y_train=np.array([1, 2, 3], np.uint8),
    x_test=np.zeros((2, 28, 28), np.uint8),
    y_test=np.array([4, 5], np.uint8),
)


def test_mnist_is_loaded_from_a_file_or_its_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("LMU_NENGO_DATA", raising=False)
    assert load_mnist() is None
    np.savez(tmp_path / "mnist.npz", **ARRAYS)
    for path in (tmp_path, tmp_path / "mnist.npz"):
        assert np.all(load_mnist(path).x_train == 1)
    monkeypatch.setenv("LMU_NENGO_DATA", str(tmp_path))
    assert load_mnist().y_test.tolist() == [4, 5]


def test_missing_wrong_and_pickled_files_are_refused(tmp_path):
    with pytest.raises(ValidationError, match=r"does not exist.*path=.*download=True"):
        load_mnist(tmp_path / "nothing.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(ValidationError, match=r"must contain the arrays .*; got x"):
        load_mnist(tmp_path / "other.npz")
    keys = ("x_train", "y_train", "x_test", "y_test")
    evil = {key: np.array([Path("x")], dtype=object) for key in keys}
    np.savez(tmp_path / "evil.npz", **evil)
    with pytest.raises(DamagedFileError, match="contains Python objects"):
        load_mnist(tmp_path / "evil.npz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            dict(x_test=np.zeros((2, 27, 28), np.uint8)),
            "x_test must hold images of 28 x 28",
        ),
        (dict(x_train=np.zeros((3, 28, 28))), "x_train must hold images of 28 x 28 bytes"),
        (dict(y_train=np.array([1, 2])), "y_train must hold 3 labels"),
        (dict(y_test=np.array([4, 10])), "labels from 0 to 9, got 4 to 10"),
        (dict(y_test=np.array([0.5, 1.0])), "y_test must hold 2 labels"),
    ],
)
def test_other_images_and_labels_are_refused(changes, message, tmp_path):
    np.savez(tmp_path / "mnist.npz", **ARRAYS | changes)
    with pytest.raises(DamagedFileError, match=message):
        load_mnist(tmp_path)


@pytest.mark.parametrize("content", [b"", b"text", pickle.dumps([1, 2]), b"PK\3\4"])
def test_files_that_are_no_archives_are_refused(content, tmp_path):
    path = tmp_path / "mnist.npz"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="damaged or not a file of this kind"):
        load_mnist(path)


def test_an_empty_variable_means_no_path(monkeypatch):
    monkeypatch.setenv("LMU_NENGO_DATA", "")
    assert load_mnist() is None


def test_errors_name_arguments_of_the_library_not_options_of_a_command(tmp_path):
    with pytest.raises(ValidationError) as caught:
        load_mnist(tmp_path / "nothing.npz")
    assert "--" not in str(caught.value)


@pytest.fixture
def download(tmp_path, monkeypatch):
    """Let MNIST's address serve a small file, and count how often it is asked."""
    monkeypatch.delenv("LMU_NENGO_DATA", raising=False)
    monkeypatch.setattr(digits_module, "CACHE", tmp_path / "cache" / "mnist.npz")
    file = io.BytesIO()
    np.savez(file, **ARRAYS)
    asked = []

    def urlopen(url, timeout):
        asked.append(url)
        return io.BytesIO(file.getvalue())

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    checksum = hashlib.sha256(file.getvalue()).hexdigest()
    monkeypatch.setattr(digits_module, "MNIST_SHA256", checksum)
    return asked


def test_mnist_is_downloaded_once(download):
    for _ in range(2):
        assert load_mnist(download=True).y_train.tolist() == [1, 2, 3]
    assert download == [digits_module.MNIST_URL]


def test_a_corrupt_download_is_refused_and_not_kept(download, monkeypatch):
    monkeypatch.setattr(digits_module, "MNIST_SHA256", "0" * 64)
    with pytest.raises(ValidationError, match="checksum must be 0000"):
        load_mnist(download=True)
    assert not digits_module.CACHE.exists()


def test_a_failed_download_says_what_to_do(download, monkeypatch):
    def urlopen(url, timeout):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    with pytest.raises(ValidationError, match=r"no route to host.*pass path="):
        load_mnist(download=True)


def test_permutation_wants_images(tmp_path):
    with pytest.raises(ValidationError, match=r"x: .* of shape \(n_images, n_pixels\)"):
        permuted_sequences(np.zeros(4), seed=0)


def test_permutation_is_one_for_all_and_seeded():
    x = np.arange(20.0).reshape(2, 10)
    sequences = permuted_sequences(x, seed=1)
    assert sequences.shape == (2, 10, 1)
    assert np.array_equal(sequences[1, :, 0] - sequences[0, :, 0], np.full(10, 10.0))
    assert sorted(sequences[0, :, 0]) == list(range(10))
    assert np.array_equal(sequences, permuted_sequences(x, seed=1))
    assert not np.array_equal(sequences, permuted_sequences(x, seed=2))
