"""NIR files: written atomically, and validated when they are read.

A file may come from anywhere. It is opened as HDF5 from memory. No link to another file is
followed, nothing is executed or unpickled, the amount of data is limited, and only the
parts of a flat graph are read.
"""

import io

import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_integer
from lmu_nengo.io import write_atomically
from lmu_nengo.targets.base import need
from lmu_nengo.targets.nir.reference import execution_plan

LARGEST = 2**30
TEXT_LIMIT = 200  # characters of a name
NODE_LIMIT = 1000
FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}  # HDF5's own
FIELDS = {
    "Input": ("shape",),
    "Output": ("shape",),
    "Affine": ("weight", "bias"),
    "Linear": ("weight",),
    "CubaLIF": ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in"),
}


def write_nir(path, graph):
    """
    Write a graph to a file; whatever happens, no half-written file has its name.

    Parameters
    ----------
    path : str or Path
        The file, which is replaced if it is there.
    graph : nir.NIRGraph
        Flat: Input, Output, Affine, Linear and CubaLIF nodes.

    Raises
    ------
    ValidationError
        If the graph is not valid, or the file cannot be written.
    """
    nir = need("nir", "norse")
    execution_plan(graph)
    buffer = io.BytesIO()
    nir.write(buffer, graph)
    write_atomically(path, buffer.getvalue())


def read_nir(path, largest=LARGEST):
    """
    Read a graph.

    Parameters
    ----------
    path : str or Path
        The file.
    largest : int
        Bytes that it, and all its arrays unpacked, may have.

    Returns
    -------
    graph : nir.NIRGraph
        A flat graph, checked.

    Raises
    ------
    ValidationError
        If the file cannot be read, is damaged, is no flat graph, or asks for more than it
        may.
    """
    nir, h5py = need("nir", "norse"), need("h5py", "norse")
    largest = check_integer(largest, "largest")
    try:
        with open(path, "rb") as file:
            content = file.read(largest + 1)
    except OSError as error:
        raise ValidationError(f"cannot read {path}: {error}.", attr="path") from error
    if len(content) > largest:
        raise ValidationError(
            f"{path} is larger than {largest} bytes. If you trust it, raise largest.",
            attr="path",
        )
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            nodes, edges, metadata = Reader(h5py, path, largest).graph(file)
    except ValidationError:
        raise
    # h5py has no error of its own: damage shows as any of these
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
        raise ValidationError(
            f"{path} is damaged, or no NIR file: {error}", attr="path"
        ) from error
    made = {}
    for name, (kind, fields) in nodes.items():
        if kind in ("Input", "Output"):
            fields = {f"{kind.lower()}_type": {kind.lower(): fields["shape"]}}
        try:
            made[name] = getattr(nir, kind)(**fields)
        except (AssertionError, ValueError, TypeError, IndexError) as error:
            raise ValidationError(f"{path}: {name!r}: {error}", attr="path") from error
    graph = nir.NIRGraph(made, edges, metadata=metadata, type_check=False)
    execution_plan(graph)
    return graph


class Reader:
    """
    Reads the parts of a file that a flat graph has.

    Parameters
    ----------
    h5py : module
        Reads HDF5.
    path : str or Path
        Name of the file, for errors.
    left : int
        Bytes that may still be unpacked.
    """

    def __init__(self, h5py, path, left):
        self.h5py, self.path, self.left = h5py, path, left

    def refuse(self, message):
        """Raise ValidationError."""
        raise ValidationError(f"{self.path}: {message}", attr="path")

    def graph(self, file):
        """Kinds and arrays of the nodes; edges; metadata."""
        root = self.group(file, "node")
        kind = self.text(root, "type")
        if kind != "NIRGraph":
            self.refuse(f"holds a {kind}, expected a NIRGraph.")
        group = self.group(root, "nodes")
        if len(group) > NODE_LIMIT:
            self.refuse(f"has {len(group)} nodes, expected at most {NODE_LIMIT}.")
        nodes = {name: self.node(group, name) for name in group}
        edges = self.edges(root)
        metadata = {}
        if root.id.links.exists(b"metadata"):
            own = self.group(root, "metadata")
            metadata = {name: self.value(own, name) for name in own}
        return nodes, edges, metadata

    def member(self, group, name, what):
        """A member of a group which is in this file."""
        if len(name) > TEXT_LIMIT:
            self.refuse(f"has a name of {len(name)} characters.")
        links = group.id.links  # h5py's own `in` would open what a link names
        if not links.exists(name.encode()):
            self.refuse(f"{group.name} has no {name!r}; it is incomplete.")
        if links.get_info(name.encode()).type != self.h5py.h5l.TYPE_HARD:
            self.refuse(f"{group.name}/{name} is a link to elsewhere, which is refused.")
        found = group[name]
        if not isinstance(found, what):
            self.refuse(f"{group.name}/{name} is a {type(found).__name__}.")
        return found

    def group(self, group, name):
        """A group in a group."""
        return self.member(group, name, self.h5py.Group)

    def dataset(self, group, name):
        """A dataset that may be read."""
        found = self.member(group, name, self.h5py.Dataset)
        place = f"{group.name}/{name}"
        if found.external or found.is_virtual:
            self.refuse(f"{place} is stored in another file, which is refused.")
        if found.shape is None:
            self.refuse(f"{place} is empty.")
        properties = found.id.get_create_plist()
        for i in range(properties.get_nfilters()):
            code = properties.get_filter(i)[0]
            if code not in FILTERS:
                self.refuse(f"{place} is packed by filter {code}, expected gzip or lzf.")
        self.left -= int(np.prod(found.shape, dtype=object)) * found.dtype.itemsize
        if self.left < 0:
            self.refuse(
                f"{place} declares shape {found.shape}: too much to unpack. If you trust "
                "the file, raise largest."
            )
        return found

    def array(self, group, name):
        """An array of numbers."""
        found = self.dataset(group, name)
        if found.dtype.kind not in "fiu":
            self.refuse(f"{group.name}/{name} has type {found.dtype}, expected numbers.")
        return np.asarray(found[()])

    def text(self, group, name):
        """A string."""
        found = self.dataset(group, name)
        if found.shape != () or not self.h5py.check_string_dtype(found.dtype):
            self.refuse(f"{group.name}/{name} is no text.")
        return self.decoded(found[()])

    def value(self, group, name):
        """A string or an array."""
        found = self.member(group, name, self.h5py.Dataset)
        is_text = self.h5py.check_string_dtype(found.dtype)
        return self.text(group, name) if is_text else self.array(group, name)

    def decoded(self, text):
        """A string of modest length."""
        text = text.decode() if isinstance(text, bytes) else str(text)
        if len(text) > TEXT_LIMIT:
            self.refuse(f"has a text of {len(text)} characters.")
        return text

    def node(self, group, name):
        """Kind and fields of a node."""
        group = self.group(group, name)
        kind = self.text(group, "type")
        if kind not in FIELDS:
            what = "a nested graph" if kind == "NIRGraph" else f"a node of type {kind!r}"
            self.refuse(
                f"{name!r} is {what}, expected a flat graph of {', '.join(FIELDS)}."
            )
        optional = {"v_reset"} - set(group.keys())  # zero if left out
        fields = {
            field: self.array(group, field)
            for field in FIELDS[kind]
            if field not in optional
        }
        return kind, fields

    def edges(self, root):
        """Pairs of names."""
        found = self.dataset(root, "edges")
        is_pairs = len(found.shape) == 2 and found.shape[1] == 2
        if not is_pairs or not self.h5py.check_string_dtype(found.dtype):
            self.refuse(f"edges have shape {found.shape}, expected pairs of names.")
        return [tuple(self.decoded(end) for end in edge) for edge in found[()]]
