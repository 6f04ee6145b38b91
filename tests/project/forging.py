"""Files with a few bytes changed, and files that are forged with right checksums."""

import io
import json
import pickle
import struct
import zipfile

import numpy as np


def changed_bytes(content, rng):
    """Change, delete or insert some bytes."""
    bad = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        i, kind = rng.randint(max(len(bad), 1)), rng.randint(5)
        if kind == 0:
            bad[i : i + 1] = bytes([rng.randint(256)])
        elif kind == 1:
            del bad[i : i + rng.randint(1, 50)]
        elif kind == 2:
            bad[i:i] = rng.bytes(rng.randint(1, 50))
        elif kind == 3:
            bad[i : i + 4] = struct.pack("<I", rng.randint(2**31))
        elif not rng.randint(5):
            del bad[i:]
    return bytes(bad)


def any_json(rng):
    """A value that JSON can represent."""
    values = [None, True, "text", -1, 0, 7, 0.5, 10**6, 10**30, [], {}, [1, [2]], {"a": 1}]
    values += [float("nan"), float("inf"), "x" * 1000, [[[]]], 1e300, 3, 2]
    return values[rng.randint(len(values))]


class Evil:
    """An object whose pickle creates a file when it is read."""

    path = "executed"

    def __reduce__(self):
        return open, (self.path, "w")


def npy(value):
    """The file of an array; objects are pickled."""
    buffer = io.BytesIO()
    np.save(buffer, value, allow_pickle=True)
    return buffer.getvalue()


def declaring(content, rng):
    """The file of an array that declares another shape."""
    shape = [(10**11,), (-1,), (2**62, 4), (3, 10**8), (10**9, 0)][rng.randint(5)]
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    header = header.ljust(117) + "\n"
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    return start + content[128:]


def replaced(content, rng):
    """The file of another array in the place of one."""
    value = np.load(io.BytesIO(content))
    kind = rng.randint(7)
    if kind == 0 and value.dtype.kind == "f" and value.size:
        value = np.array(value)
        value.flat[rng.randint(value.size)] = [np.nan, np.inf][rng.randint(2)]
        return npy(value)
    if kind == 1:
        return npy(np.resize(value, (*value.shape, 2)))
    if kind == 2:
        return npy(np.full(value.shape, 1j))
    if kind == 3:
        return npy(np.full(value.shape, "text"))
    if kind == 4:
        return declaring(content, rng)
    if kind == 5:
        return npy(np.array([Evil()], dtype=object))
    return [pickle.dumps(Evil()), b"", content[:-3], content + b"\0"][rng.randint(4)]


def unpacked(content):
    """Members of a zip file."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def packed(members, compression=zipfile.ZIP_STORED):
    """A zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression, compresslevel=1) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def forge_npz(content, rng):
    """Forge a file of arrays; it cannot be valid, unless the array is not needed."""
    members = unpacked(content)
    name = sorted(members)[rng.randint(len(members))]
    kind = rng.randint(20)
    if kind < 5:
        del members[name]
    elif kind == 5:
        zeros = npy(np.zeros(2**24 + rng.randint(2**20)))  # 128 MiB
        return packed(members | {name: zeros}, zipfile.ZIP_DEFLATED), False
    elif kind < 10:
        members["more.txt"] = rng.bytes(20)
    else:
        members[name] = replaced(members[name], rng)
        return packed(members), may_be_needless(name)
    return packed(members), False


def may_be_needless(name):
    """What to ask of a file with another array of this name."""
    # a function that builds the network makes the recipe needless
    return "same" if name.startswith("recipe/") else False


def with_list(members):
    """Members of a file with a header whose list of arrays is that of the members."""
    header = json.loads(str(np.load(io.BytesIO(members["header.npy"]))))
    names = [name.removesuffix(".npy") for name in members]
    header["arrays"] = [name for name in names if name != "header"]
    return members | {"header.npy": npy(np.array(json.dumps(header)))}


def forge_archive(content, rng):
    """Forge a file with a header, whose list of arrays is made to fit."""
    members = unpacked(content)
    if not rng.randint(10):
        return forge_npz(content, rng)
    names = sorted(members.keys() - {"header.npy"})
    name, kind, may_be_valid = names[rng.randint(len(names))], rng.randint(5), False
    if kind == 0:
        del members[name]
    elif kind == 1:
        members[f"{name[:-4]}x{rng.randint(10)}.npy"] = members[name]
    elif kind == 2:
        members[name] = replaced(members[name], rng)
        may_be_valid = may_be_needless(name)
    else:
        may_be_valid = True
        header = json.loads(str(np.load(io.BytesIO(members["header.npy"]))))
        forge_json(header, rng)
        members["header.npy"] = npy(np.array(json.dumps(header)))
    if not may_be_valid:
        members = with_list(members)
    return packed(members), may_be_valid


def forge_json(value, rng):
    """Change something somewhere in lists and dictionaries."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = keys[rng.randint(len(keys))]
        if isinstance(value[key], dict | list) and rng.randint(8):
            value = value[key]
        elif rng.randint(3):
            value[key] = any_json(rng)
            return
        else:
            del value[key]
            return


def forge_hdf5(content, rng, start):
    """Forge a file of HDF5 that cannot be valid, in the group whose name is given."""
    import h5py

    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        names = []

        def visit(name, item):
            if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
                names.append(name)

        file[start].visititems(visit)
        name = f"{start}/{names[rng.randint(len(names))]}"
        value, kind = file[name][()], rng.randint(10)
        is_optional = name.endswith("v_reset") and kind == 0
        del file[name]
        if kind == 1:
            value = np.array(value, dtype=float)
            value[..., -1:] = [np.nan, np.inf, -np.inf][rng.randint(3)]
            file[name] = value
        elif kind == 2:
            file[name] = np.zeros((*value.shape, 3))
        elif kind == 3:
            file[name] = ["a", "b"]
        elif kind == 4:
            chunks = (1024, 1024)
            file.create_dataset(name, (2**20, 2**20), "f8", chunks=chunks)
        elif kind == 5:
            file[name] = h5py.ExternalLink("/etc/passwd", "/a")
        elif kind == 6:
            file[name] = h5py.SoftLink("/")
        elif kind == 7:
            external = [("/etc/passwd", 0, 8 * value.size)]
            file.create_dataset(name, value.shape, "f8", external=external)
        elif kind == 8:
            zeros = {"chunks": (2**20,), "compression": "gzip", "fillvalue": 0.0}
            file.create_dataset(name, (2**26,), "f8", **zeros)
        elif kind == 9:
            file.create_group(name)
    return buffer.getvalue(), is_optional
