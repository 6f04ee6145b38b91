"""Results of the parts of an experiment, and what identifies its data."""

import numpy as np
import pytest
from nengo.exceptions import ValidationError

from experiments._lib.results import checksum, load_part, save_part


def test_a_part_is_used_again_only_if_it_was_measured_like_this(tmp_path):
    path, asked = tmp_path / "part.json", {"seed": 1, "sizes": (2, 3)}
    assert load_part(path, asked, resume=True) is None
    save_part(path, {"asked": asked, "nrmse": 0.1})
    assert load_part(path, asked, resume=True)["nrmse"] == 0.1
    assert load_part(path, asked, resume=False) is None
    assert load_part(path, {**asked, "seed": 2}, resume=True) is None


@pytest.mark.parametrize("content", [b"", b'{"asked"', b"[1]", b"\xff", b"[" * 100_000])
def test_a_damaged_part_is_refused(tmp_path, content):
    path = tmp_path / "part.json"
    path.write_bytes(content)
    with pytest.raises(ValidationError, match=r"part.json is damaged. Delete it, or"):
        load_part(path, {}, resume=True)


def test_other_data_have_another_checksum():
    data = np.arange(6.0)
    others = [data[::-1], data.reshape(2, 3), data.astype(np.float32), data + 1e-15]
    found = {checksum(each) for each in (data, *others)}
    assert len(found) == 5
    assert checksum(data, others[0]) != checksum(others[0], data)
    assert checksum(data) == checksum(data.copy())
