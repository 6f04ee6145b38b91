import os

import pytest
from nengo.exceptions import ValidationError

from lmu_nengo.io import write_atomically


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "a.txt"
    for content in (b"old", b"new"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch, step):
    def interrupted(*_):
        raise KeyboardInterrupt

    path = tmp_path / "a.txt"
    write_atomically(path, b"old")
    monkeypatch.setattr(os, step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_the_previous_file_is_kept_on_request(tmp_path):
    path, previous = tmp_path / "a.txt", tmp_path / "b.txt"
    for content in (b"1", b"2", b"3"):
        write_atomically(path, content, previous)
    assert (path.read_bytes(), previous.read_bytes()) == (b"3", b"2")


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(ValidationError, match=r"the folder .* does not exist"):
        write_atomically(tmp_path / "absent" / "a.txt", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValidationError, match=r"cannot write .*folder"):
        write_atomically(tmp_path / "folder", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
