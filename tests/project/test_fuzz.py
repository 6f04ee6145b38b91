"""Damaged and forged files are refused by name, or read as they were."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo.io.arrays import DamagedFileError
from tests.project import forging, fuzz

QUICK = [name for name in fuzz.CASES if name not in ("checkpoint", "trainer")]
ARCHIVES = "network", "built_network", "stream", "mnist"


@pytest.mark.parametrize("name", QUICK)
def test_thirty_files_are_refused_or_read_as_they_were(name, tmp_path):
    tried = list(fuzz.run(name, 30, folder=tmp_path))
    assert len(tried) == 30
    assert [each for each in tried if each[1] in fuzz.BAD] == []
    assert sum(how == "refused" for _, how, _ in tried) > 15


@pytest.mark.slow
def test_twenty_thousand_files_are_refused_or_read_as_they_were(capsys):
    n_bad = fuzz.main(["20000"])
    assert n_bad == 0, capsys.readouterr().out


@pytest.mark.parametrize("name", ARCHIVES)
def test_nothing_is_unpickled(name, tmp_path):
    case = fuzz.CASES[name](tmp_path)
    forging.Evil.path = str(tmp_path / "executed")
    path = tmp_path / "forged.npz"
    for member, content in (members := forging.unpacked(case.content)).items():
        shape = np.load(io.BytesIO(content)).shape
        evil = np.empty(shape, dtype=object)
        evil[...] = forging.Evil()
        path.write_bytes(forging.packed(members | {member: forging.npy(evil)}))
        with pytest.raises(DamagedFileError, match=r"contains Python objects"):
            case.read(path)
    path.write_bytes(pickle.dumps(forging.Evil()))
    with pytest.raises(ValidationError):
        case.read(path)
    assert not Path(forging.Evil.path).exists()
    with pytest.raises(AttributeError):  # it would be there if it were unpickled
        np.load(path, allow_pickle=True).no_such_attribute  # noqa: B018
    assert Path(forging.Evil.path).exists()


@pytest.mark.parametrize("name", ["network", "built_network", "stream"])
def test_every_member_is_needed_and_nothing_more(name, tmp_path):
    case = fuzz.CASES[name](tmp_path)
    path = tmp_path / "forged.npz"
    members = forging.unpacked(case.content)
    for member in members:
        if member != "header.npy":
            forged = {k: v for k, v in members.items() if k != member}
            path.write_bytes(forging.packed(forging.with_list(forged)))
            # an array of the recipe is missed where it is needed
            message = f"{member.removesuffix('.npy')} is missing|does not say how to build"
            message = message.replace("[", r"\[").replace("]", r"\]")
            with pytest.raises(ValidationError, match=message):
                case.read(path)
    path.write_bytes(
        forging.packed(forging.with_list(members | {"x.npy": forging.npy(1.0)}))
    )
    with pytest.raises(DamagedFileError, match="x does not belong there"):
        case.read(path)
