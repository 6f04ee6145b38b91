import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo.io.archive import read_archive, write_archive

HEADER = {"settings": {"rates": [0.1, 1e300, -0.0]}, "epoch": 7}
ARRAYS = {"a/0": np.arange(6.0).reshape(2, 3), "text": np.array("some text")}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.npz"
    write_archive(path, "example", HEADER, ARRAYS)
    return path


def test_header_and_arrays_are_read_as_written(path):
    header, arrays = read_archive(path, "example")
    assert header == {"format": "example", "version": 1, **HEADER}
    assert arrays.keys() == ARRAYS.keys()
    for name, value in ARRAYS.items():
        assert np.array_equal(arrays[name], value) and arrays[name].dtype == value.dtype
    with np.load(path, allow_pickle=False) as plain:  # an ordinary npz
        assert np.array_equal(plain["a/0"], ARRAYS["a/0"])
    assert list(path.parent.iterdir()) == [path]


def test_a_truncated_file_is_refused(path):
    content = path.read_bytes()
    for n in (0, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:n])
        with pytest.raises(ValidationError, match=r"a\.npz is damaged"):
            read_archive(path, "example")


def test_no_flipped_bit_changes_what_is_read(path):
    # some bits are without meaning, such as those of the time at which it was written
    content = path.read_bytes()
    expected = read_archive(path, "example")
    n_refused = 0
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        try:
            header, arrays = read_archive(path, "example")
        except ValidationError as error:
            assert "a.npz" in str(error)
            n_refused += 1
        else:
            assert header == expected[0] and arrays.keys() == expected[1].keys()
            for name, value in arrays.items():
                assert np.array_equal(value, expected[1][name])
    assert n_refused > 0.7 * len(content)


def test_other_files_are_refused(path):
    with pytest.raises(ValidationError, match="must contain 'network' version 1, got ex"):
        read_archive(path, "network")
    np.savez(path, a=1)
    with pytest.raises(ValidationError, match="must contain 'network' .* got no header"):
        read_archive(path, "network")
    np.savez(path, a=np.array(print))  # pickled
    with pytest.raises(ValidationError, match="damaged or not a file of this kind"):
        read_archive(path, "network")
    with pytest.raises(ValidationError, match=r"cannot read .*absent\.npz: No such file"):
        read_archive(path.with_name("absent.npz"), "network")


def test_objects_are_refused(tmp_path):
    with pytest.raises(ValidationError, match="a: must be an array of numbers or text"):
        write_archive(tmp_path / "a.npz", "example", {}, {"a": print})
    assert not list(tmp_path.iterdir())
