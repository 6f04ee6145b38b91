"""Files that lie about what they contain are refused before anything is allocated."""

import resource
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo.io import DamagedFileError
from lmu_nengo.io.archive import read_archive, write_archive
from lmu_nengo.io.arrays import read_arrays

GIB = 2**30


def npy(shape, content, dtype="<f8"):
    """An array's file that declares a shape."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    header = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + content


def archive(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


@pytest.fixture
def few_gibibytes():
    """Allow one more GiB of address space than is used now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + GIB, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a.npy": npy((10**11,), b"\0" * 8)}, "declares 800,000,000,000 bytes, but"),
        ({"a.npy": npy((3,), b"\0" * 16)}, "declares 24 bytes, but holds 16"),
        ({"a.npy": npy((1,), b"\0" * 16)}, "declares 8 bytes, but holds 16"),
        ({"a.npy": npy((-1,), b"\0" * 8)}, "damaged"),
        ({"a.npy": npy((1,), b"\0" * 8, "|O")}, "Python objects"),
        ({"a.npy": b"text"}, "damaged"),
        ({"a.npy": b""}, "damaged"),
        ({"a.txt": b"text"}, "no array"),
    ],
    ids=str,
)
def test_arrays_that_declare_what_they_are_not(members, message, tmp_path, few_gibibytes):
    with pytest.raises(DamagedFileError, match=message):
        read_arrays(archive(tmp_path / "a.npz", members))


def test_a_file_that_is_compressed_a_thousandfold(tmp_path, few_gibibytes):
    path = tmp_path / "bomb.npz"
    header = npy((3 * GIB // 8,), b"")
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
        file.open(zipfile.ZipInfo("a.npy"), "w", force_zip64=True) as member,
    ):
        member.write(header)
        zeros = bytes(2**24)
        for _ in range(3 * 2**30 // len(zeros) // 16):  # it declares the rest only
            member.write(zeros)
    with pytest.raises(DamagedFileError, match=r"declares|allowed"):
        read_arrays(path)
    np.savez_compressed(tmp_path / "large.npz", a=np.zeros(2**20))
    with pytest.raises(DamagedFileError, match="at most .* are allowed, as many as the"):
        read_arrays(tmp_path / "large.npz")
    assert read_arrays(tmp_path / "large.npz", None, 2**23)["a"].shape == (2**20,)


def test_a_member_that_is_there_twice(tmp_path):
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(tmp_path / "a.npz", "w") as file,
    ):
        for _ in range(2):
            file.writestr("a.npy", npy((1,), b"\0" * 8))
    with pytest.raises(DamagedFileError, match=r"'a.npy' twice"):
        read_arrays(tmp_path / "a.npz")


def test_devices_and_folders_are_not_read(tmp_path):
    for path in ("/dev/zero", tmp_path):
        with pytest.raises(DamagedFileError, match="not a regular file"):
            read_arrays(path)


def test_a_list_of_arrays_must_be_that_of_the_arrays(tmp_path):
    path = tmp_path / "a.npz"
    write_archive(path, "test", {}, {"one": [1.0], "two": [2.0]})
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    fewer = {k: v for k, v in members.items() if k != "two.npy"}
    more = members | {"three.npy": npy((1,), b"\0" * 8)}
    for forged, message in ((fewer, r"missing: \['two'\]"), (more, r"listed: \['three'\]")):
        with pytest.raises(DamagedFileError, match=message):
            read_archive(archive(path, forged), "test")


@pytest.mark.parametrize("header", ["[]", "null", "3", '{"format": 1}', "[" * 100_000, ""])
def test_headers_that_are_something_else(header, tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, header=header)
    with pytest.raises(ValidationError, match="must contain .test. version 1"):
        read_archive(path, "test")


@pytest.mark.parametrize("n_files", [300, pytest.param(20_000, marks=pytest.mark.slow)])
def test_mutated_files_are_read_as_they_were_or_refused(n_files, tmp_path, few_gibibytes):
    rng = np.random.RandomState(0)
    good, path = tmp_path / "good.npz", tmp_path / "bad.npz"
    arrays = {"one": rng.rand(5), "two": rng.rand(3, 2)}
    write_archive(good, "test", {"epoch": 3}, arrays)
    content = good.read_bytes()
    n_refused = 0
    for _ in range(n_files):
        bad = bytearray(content)
        for _ in range(rng.randint(1, 4)):
            i, kind = rng.randint(len(bad)), rng.randint(4)
            if kind == 0:
                bad[i] = rng.randint(256)
            elif kind == 1:
                del bad[i : i + rng.randint(1, 50)]
            elif kind == 2:
                bad[i:i] = rng.bytes(rng.randint(1, 50))
            else:
                bad[i : i + 4] = struct.pack("<I", rng.randint(2**31))
        path.write_bytes(bad)
        try:
            header, found = read_archive(path, "test")
        except Exception as error:
            assert isinstance(error, ValidationError), repr(error)
            n_refused += 1
        else:
            assert header["epoch"] == 3
            for name, value in arrays.items():
                np.testing.assert_array_equal(found[name], value)
    assert n_refused > 0.8 * n_files
