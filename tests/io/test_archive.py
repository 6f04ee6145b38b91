import hashlib
import zipfile

import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo.io import archive

ARRAYS = {"a/0": np.arange(6.0).reshape(2, 3), "text": "some text", "n": 7}


def test_arrays_come_back_as_they_were(tmp_path):
    archive.write(tmp_path / "a.npz", ARRAYS)
    read = archive.read(tmp_path / "a.npz")
    assert read.keys() == ARRAYS.keys()
    assert np.array_equal(read["a/0"], ARRAYS["a/0"]) and read["n"] == 7
    assert str(read["text"]) == "some text"
    with np.load(tmp_path / "a.npz") as plain:  # an ordinary npz
        assert np.array_equal(plain["a/0"], ARRAYS["a/0"])
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_the_comment_is_the_digest_of_the_rest(tmp_path):
    archive.write(tmp_path / "a.npz", ARRAYS)
    content = (tmp_path / "a.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as file:
        assert file.comment.decode() == hashlib.sha256(content[:-64]).hexdigest()


def test_any_damage_is_found(tmp_path):
    archive.write(tmp_path / "a.npz", ARRAYS)
    content = (tmp_path / "a.npz").read_bytes()
    rng = np.random.RandomState(0)
    damaged = [content[:n] for n in (0, 10, 64, len(content) // 2, len(content) - 1)]
    damaged.append(content + b"0")
    for place in rng.randint(len(content), size=50):
        changed = bytearray(content)
        changed[place] ^= 1
        damaged.append(bytes(changed))
    for i, other in enumerate(damaged):
        path = tmp_path / f"{i}.npz"
        path.write_bytes(other)
        with pytest.raises(ValidationError, match=rf"{i}\.npz is damaged"):
            archive.read(path)


def test_other_files_are_refused(tmp_path):
    np.savez(tmp_path / "plain.npz", a=1)
    with pytest.raises(ValidationError, match="was not written by lmu_nengo"):
        archive.read(tmp_path / "plain.npz")
    with pytest.raises(ValidationError, match="cannot read"):
        archive.read(tmp_path / "absent.npz")


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(ValidationError, match="expected an array of numbers or text"):
        archive.write(tmp_path / "a.npz", {"a": print})
    with pytest.raises(ValidationError, match="there is no folder"):
        archive.write(tmp_path / "absent" / "a.npz", ARRAYS)
    assert not list(tmp_path.iterdir())


def test_the_previous_file_can_stay(tmp_path):
    for n in (1, 2, 3):
        archive.write(tmp_path / "a.npz", {"n": n}, previous=tmp_path / "b.npz")
    assert archive.read(tmp_path / "a.npz")["n"] == 3
    assert archive.read(tmp_path / "b.npz")["n"] == 2
