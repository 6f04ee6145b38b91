"""Reads damaged and forged files with every reader, and tells how it ends.

    python -m tests.project.fuzz [--seed SEED] [N_FILES [READER ...]]

Half of the files are valid ones with a few bytes changed, which checksums do not notice
everywhere. The others are forged: members are deleted, added, replaced by something else,
and the file is written again, with right checksums. A file may be refused by the error
that users are to see, or be read; what is forged so that it cannot be valid must be
refused. Each reader has a process of its own, which ends when it takes more than twenty
seconds for a file, or a GiB of memory more than for the valid one.
"""

import argparse
import collections
import contextlib
import faulthandler
import io
import json
import resource
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from nengo.exceptions import ValidationError

from tests.project.forging import Evil, changed_bytes
from tests.project.fuzz_cases import CASES, ENDINGS

SECONDS = 20
GIB = 2**30
BAD = "accepted wrongly", "foreign"


def outcome(case, path, expected, content, may_be_valid):
    """How the reading of a file ends, and what the error says."""
    path.write_bytes(content)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            found = case.read(path)
    except ValidationError as error:
        return "refused", str(error)
    except Exception as error:
        return "foreign", repr(error)
    is_same = len(found) == len(expected) and all(map(np.array_equal, found, expected))
    finite = all(np.all(np.isfinite(x)) for x in found if x.dtype.kind in "fc")
    if is_same:
        return "as it was" if may_be_valid else "accepted wrongly", ""
    return "valid" if may_be_valid is True and finite else "accepted wrongly", ""


def run(name, n_files, seed=0, folder=None):
    """
    Read files with one reader.

    Parameters
    ----------
    name : str
        The reader.
    n_files : int
        How many files.
    seed : int
        Seed of the first file; the others count up.
    folder : pathlib.Path
        Where files are written.

    Yields
    ------
    seed : int
        Seed of the file.
    how, message : str
        As `outcome` gives them.
    """
    case = CASES[name](folder)
    path = folder / f"file{ENDINGS.get(name, '.npz')}"
    path.write_bytes(case.content)
    expected = [np.array(value) for value in case.read(path)]
    Evil.path = str(folder / "executed")
    for i in range(seed, seed + n_files):
        rng = np.random.RandomState(i)
        if rng.randint(2):
            content = changed_bytes(case.content, rng)
            # "same": what is read must be what was written
            may_be_valid = "same" if case.is_checked else True
        else:
            content, may_be_valid = case.forge(case.content, rng)
        yield (i, *outcome(case, path, expected, content, may_be_valid))
    if Path(Evil.path).exists():
        yield seed, "foreign", "a pickle was executed"


def run_alone(name, n_files, seed):
    """Run one reader in this process, which may end; print counts as JSON."""
    counts, messages = collections.Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        tries = run(name, n_files, seed, Path(folder))
        counts[next(tries)[1]] += 1
        status = Path("/proc/self/statm").read_text().split()
        in_use, limit = int(status[0]) * 4096, resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (in_use + GIB, limit))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        number = seed
        while True:
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            print(f"file {number + 1}", file=sys.stderr, flush=True)
            try:
                number, how, message = next(tries)
            except StopIteration:
                break
            counts[how] += 1
            if how in BAD:
                messages.append(f"{name} --seed {number}: {how}: {message[:200]}")
        faulthandler.cancel_dump_traceback_later()
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"counts": counts, "bad": messages, "MiB": (after - before) >> 10}))


def main(arguments=None):
    """Run readers, each in a process of its own; return whether all went well."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("n_files", type=int, nargs="?", default=20_000)
    parser.add_argument("reader", nargs="*", help=", ".join(CASES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    names = options.reader or list(CASES)
    if options.alone:
        return run_alone(names[0], options.n_files, options.seed)
    total, n_bad = collections.Counter(), 0
    for i, name in enumerate(names):
        share = options.n_files // len(names) + (i < options.n_files % len(names))
        command = sys.executable, "-m", "tests.project.fuzz", "--alone", str(share), name
        done = subprocess.run(
            [*command, "--seed", str(options.seed)], capture_output=True, text=True
        )
        if done.returncode:
            lines = done.stderr.splitlines()
            print(f"{name} ended with {done.returncode}:", *lines[-25:], sep="\n")
            total["crashed or hung"] += 1
            n_bad += 1
            continue
        result = json.loads(done.stdout.splitlines()[-1])
        print(name, result["counts"], f"{result['MiB']} MiB", *result["bad"], sep="\n  ")
        total.update(result["counts"])
        n_bad += len(result["bad"])
    print(dict(total), "of", total.total())
    return n_bad


if __name__ == "__main__":
    sys.exit(bool(main()))
