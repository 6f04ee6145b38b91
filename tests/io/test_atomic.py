import contextlib
import os
import resource
import subprocess
import sys

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


@contextlib.contextmanager
def tmpfs(folder, size):
    """A small file system of its own; only the system's administrator can mount one."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("cannot mount a tmpfs")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_full_or_read_only_disk_leaves_what_was_there(tmp_path):
    path, previous = tmp_path / "a.bin", tmp_path / "b.bin"
    with tmpfs(tmp_path, "256k"):
        write_atomically(path, b"1" * 100_000)
        write_atomically(path, b"2" * 100_000, previous)
        refused = r"cannot write .*: {}. What was there before stays .* Free some space, or"
        with pytest.raises(
            ValidationError, match=refused.format("No space left on device")
        ):
            write_atomically(path, b"3" * 100_000, previous)
        assert sorted(tmp_path.iterdir()) == [path, previous]
        assert path.read_bytes() == b"2" * 100_000
        assert previous.read_bytes() == b"1" * 100_000
        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        with pytest.raises(ValidationError, match=refused.format("Read-only file system")):
            write_atomically(path, b"")
        assert sorted(tmp_path.iterdir()) == [path, previous]
        assert path.read_bytes() == b"2" * 100_000


def test_a_limit_of_the_size_of_files_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    code = "import sys, lmu_nengo.io as io; io.write_atomically(sys.argv[1], b'1' * 9999)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "File too large. What was there before stays as it was." in done.stderr
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_there_is_a_file_at_every_moment(tmp_path, monkeypatch):
    path, previous = tmp_path / "a.txt", tmp_path / "b.txt"
    write_atomically(path, b"1")
    write_atomically(path, b"2", previous)
    replace = os.replace

    def interrupted(source, target):
        if target == path:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        for _ in range(2):  # the second time, both names are of one file
            with pytest.raises(KeyboardInterrupt):
                write_atomically(path, b"3", previous)
            assert path.read_bytes() == previous.read_bytes() == b"2"
    write_atomically(path, b"3", previous)
    assert (path.read_bytes(), previous.read_bytes()) == (b"3", b"2")
    assert sorted(tmp_path.iterdir()) == [path, previous]


def test_what_killed_writers_left_is_removed_and_no_link_is_followed(tmp_path):
    path, victim = tmp_path / "a.txt", tmp_path / "victim"
    victim.write_bytes(b"precious")
    old, link, present = (tmp_path / f".a.txt.tmp{name}" for name in ("old", "link", "new"))
    for each in (old, present):
        each.write_bytes(b"part")
    os.utime(old, (0, 0))
    link.symlink_to(victim)
    os.utime(link, (0, 0), follow_symlinks=False)
    path.symlink_to(victim)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new" and not path.is_symlink()
    assert victim.read_bytes() == b"precious"
    assert sorted(tmp_path.iterdir()) == sorted([path, victim, present])
