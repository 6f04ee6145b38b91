"""NIR files: written atomically, and validated on read."""

import os

import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo.targets.nir import read_nir, write_nir
from tests.targets.nir.nir_examples import DT, small_graph


def test_file_comes_back_as_it_was_written(tmp_path):
    graph = small_graph()
    path = tmp_path / "small.nir"
    write_nir(path, graph)
    write_nir(path, graph)  # replaces
    assert os.listdir(tmp_path) == ["small.nir"]
    read = read_nir(path)
    assert sorted(read.edges) == sorted(graph.edges)
    assert read.metadata == {"dt": DT}
    for name, node in graph.nodes.items():
        assert type(read.nodes[name]) is type(node)
        for field, value in vars(node).items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(getattr(read.nodes[name], field), value)
    nir = pytest.importorskip("nir")
    assert set(nir.read(path).nodes) == set(graph.nodes)  # anyone can read it


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "small.nir"
    write_nir(path, small_graph())
    before = path.read_bytes()
    bad = small_graph()
    bad.nodes["encode"].weight[0, 0] = np.nan
    with pytest.raises(ValidationError, match="weight of 'encode' must be finite"):
        write_nir(path, bad)
    with pytest.raises(ValidationError, match="folder .* does not exist"):
        write_nir(tmp_path / "none" / "small.nir", small_graph())
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValidationError, match="cannot write"):
        write_nir(tmp_path / "folder", small_graph())
    assert sorted(os.listdir(tmp_path)) == ["folder", "small.nir"]
    assert path.read_bytes() == before
    read_nir(path)


def change_nested(file, h5py):
    node = file["node/nodes/neurons"]
    del node["type"]
    node["type"] = "NIRGraph"


def change_unknown(file, h5py):
    node = file["node/nodes/neurons"]
    del node["type"]
    node["type"] = "Conv2d"


def change_missing(file, h5py):
    del file["node/nodes/neurons/tau_mem"]


def change_no_nodes(file, h5py):
    del file["node/nodes"]


def change_external_link(file, h5py):
    del file["node/nodes/encode/weight"]
    file["node/nodes/encode/weight"] = h5py.ExternalLink("other.h5", "/weight")


def change_soft_link(file, h5py):
    del file["node/nodes/encode/weight"]
    file["node/nodes/encode/weight"] = h5py.SoftLink("/node/nodes/recurrent/weight")


def change_external_storage(file, h5py):
    del file["node/nodes/encode/weight"]
    file.create_dataset(
        "node/nodes/encode/weight", (3, 2), "f4", external=[("/etc/passwd", 0, 24)]
    )


def change_virtual(file, h5py):
    del file["node/nodes/encode/weight"]
    layout = h5py.VirtualLayout((3, 2), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "weight", (3, 2))
    file.create_virtual_dataset("node/nodes/encode/weight", layout)


def change_huge(file, h5py):
    del file["node/nodes/encode/weight"]
    file.create_dataset("node/nodes/encode/weight", (2**40, 2**20), "f8", chunks=(1024, 2))


def change_text_weight(file, h5py):
    del file["node/nodes/encode/weight"]
    file["node/nodes/encode/weight"] = ["a", "b"]


def change_compound(file, h5py):
    del file["node/nodes/encode/weight"]
    file["node/nodes/encode/weight"] = np.zeros(3, dtype=[("a", "f4"), ("b", "i4")])


def change_complex(file, h5py):
    del file["node/nodes/encode/weight"]
    file["node/nodes/encode/weight"] = np.zeros((3, 2), dtype=complex)


def change_reference(file, h5py):
    del file["node/nodes/encode/weight"]
    file.create_dataset("node/nodes/encode/weight", (3, 2), h5py.ref_dtype)


def change_group(file, h5py):
    del file["node/nodes/encode/weight"]
    file.create_group("node/nodes/encode/weight")


def change_type_number(file, h5py):
    del file["node/nodes/encode/type"]
    file["node/nodes/encode/type"] = 3


def change_edges(edges):
    def change(file, h5py):
        found = [tuple(e.decode() for e in edge) for edge in file["node/edges"][()]]
        del file["node/edges"]
        file["node/edges"] = edges(found)

    return change


def change_array(name, make):
    def change(file, h5py):
        value = file[f"node/nodes/{name}"][()]
        del file[f"node/nodes/{name}"]
        file[f"node/nodes/{name}"] = make(value)

    return change


BAD_FILES = {
    "nested": (change_nested, "'neurons' is a nested graph"),
    "unknown": (change_unknown, "'neurons' is a node of type 'Conv2d'"),
    "missing": (change_missing, "neurons has no 'tau_mem'"),
    "no nodes": (change_no_nodes, "has no 'nodes'"),
    "external link": (change_external_link, "weight is a link"),
    "soft link": (change_soft_link, "weight is a link"),
    "external storage": (change_external_storage, "stored in another file"),
    "virtual": (change_virtual, "stored in another file"),
    "huge": (change_huge, "too large to unpack"),
    "text": (change_text_weight, "must be numbers"),
    "compound": (change_compound, "must be numbers"),
    "complex": (change_complex, "must be numbers"),
    "references": (change_reference, "must be numbers"),
    "group": (change_group, "must be a Dataset, not a Group"),
    "type": (change_type_number, "type must be a string"),
    "nonexistent edge": (
        change_edges(lambda edges: [*edges, ("encode", "nowhere")]),
        "'nowhere', but there is no such node",
    ),
    "double edge": (change_edges(lambda edges: [*edges, edges[0]]), "occurs twice"),
    "three ends": (
        change_edges(lambda edges: [(*edge, "x") for edge in edges]),
        "must be pairs of names",
    ),
    "into the input": (
        change_edges(lambda edges: [*edges, ("encode", "input")]),
        "leads to the Input",
    ),
    "disconnected": (change_edges(lambda edges: edges[1:]), "no edge leads"),
    "loop": (
        change_edges(lambda edges: [*edges, ("readout", "encode")]),
        "form a loop",
    ),
    "nan": (change_array("encode/weight", lambda w: w * np.nan), "must be finite"),
    "infinite": (change_array("neurons/tau_mem", lambda t: t / 0.0), "must be finite"),
    "negative time": (change_array("neurons/tau_mem", lambda t: -t), "must be positive"),
    "shape": (change_array("encode/weight", lambda w: w[:, :1]), "takes 1"),
    "bias": (change_array("encode/bias", lambda b: b[:2]), "the shape \\(3,\\)"),
    "lengths": (change_array("neurons/r", lambda r: r[:2]), "same shape"),
    "dimensions": (change_array("encode/weight", lambda w: w[None]), "the shape \\(out"),
    "input shape": (change_array("input/shape", lambda s: [2, 2]), "the shape \\(size"),
    "input size": (change_array("input/shape", lambda s: [-2]), "the shape \\(size"),
}


@pytest.mark.parametrize("change, message", BAD_FILES.values(), ids=BAD_FILES)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_bad_file_is_refused_with_what_is_wrong(change, message, tmp_path):
    h5py = pytest.importorskip("h5py")

    path = tmp_path / "bad.nir"
    write_nir(path, small_graph())
    with h5py.File(path, "r+") as file:
        change(file, h5py)
    with pytest.raises(ValidationError, match=message):
        read_nir(path)


def test_damaged_file_is_refused(tmp_path):
    path = tmp_path / "bad.nir"
    with pytest.raises(ValidationError, match="cannot read"):
        read_nir(path)
    path.write_bytes(b"")
    with pytest.raises(ValidationError, match="damaged"):
        read_nir(path)
    write_nir(path, small_graph())
    content = path.read_bytes()
    with pytest.raises(ValidationError, match="larger than 100 bytes"):
        read_nir(path, largest=100)
    for cut in (10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:cut])
        with pytest.raises(ValidationError, match="damaged"):
            read_nir(path)
    rng = np.random.RandomState(0)
    refused = 0
    for _ in range(60):  # every byte may be wrong; nothing but a refusal may come of it
        broken = np.frombuffer(content, dtype=np.uint8).copy()
        broken[rng.randint(len(broken), size=20)] = rng.randint(256, size=20)
        path.write_bytes(broken.tobytes())
        try:
            read_nir(path)
        except ValidationError:
            refused += 1
    assert refused > 30
