"""Commands whose results cannot be written: one sentence, and what was there stays."""

import contextlib
import resource
import subprocess
import sys

import pytest

from tests.experiments.commands import invoke
from tests.io.test_atomic import tmpfs


@contextlib.contextmanager
def full(folder):
    """Fill a disk up to its last bytes."""
    (folder / "filler").write_bytes(b"\0" * 250_000)
    try:
        yield
    finally:
        (folder / "filler").unlink()


@contextlib.contextmanager
def read_only(folder):
    """Let nothing be written any more."""
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    yield


@contextlib.contextmanager
def limited(folder):
    """Set a limit of the size of files, as `ulimit -f` does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
@pytest.mark.parametrize("fault", [full, read_only, limited])
def test_what_cannot_be_written_is_said_in_one_sentence(fault, tmp_path):
    with tmpfs(tmp_path, "256k"):
        (tmp_path / "tradeoff.png").write_bytes(b"old picture")
        before = {path.name for path in tmp_path.iterdir()}
        with fault(tmp_path):
            result = invoke("tradeoff", "--quick", "--out", tmp_path)
        assert result.exit_code == 1
        error = " ".join(result.output.partition("Error: ")[2].split())
        assert "cannot write" in error or "cannot be written" in error
        assert error.endswith(("choose a folder that can be written.", "another --out."))
        assert (tmp_path / "tradeoff.png").read_bytes() == b"old picture"
        # what was complete before the fault stays, and the lock, which is empty
        after = {path.name for path in tmp_path.iterdir()}
        assert after - before <= {"tradeoff.json", ".tradeoff.lock"}
