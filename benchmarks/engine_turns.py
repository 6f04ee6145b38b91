"""What every contestant's process of engine.py does: take its turn when it is asked."""

import json
import sys
import time
from importlib.metadata import version

import numpy as np

FIRST = 100  # steps of the first two runs
ROUND = 20  # a turn's steps are a multiple of it, for those who unroll the loop


def say(**facts):
    """Tell engine.py; other lines that a simulator prints do not begin like this."""
    print("\n@", json.dumps(facts), flush=True)


def serve(start, job):
    """
    Start a contestant, then time it once for each line of input.

    Parameters
    ----------
    start : callable
        Takes the job and returns the contestant. ``run(n_steps)`` simulates on from where
        it is and returns the seconds that a step took, ``recorded()`` returns what it has
        recorded since its beginning; ``about`` is a text, ``build_s`` a number, and so is
        ``compile_s``, or None if it is to be found by running it twice.
    job : dict
        ``record`` is the number of steps to record, ``steps`` the most steps of a turn,
        ``limit`` the most seconds of it, and ``path`` where to save the record.
    """
    try:
        contestant = start(job)
    except (ImportError, NotEnough) as error:
        say(missing=str(error))
        return
    first = FIRST * contestant.run(FIRST)
    step = contestant.run(FIRST)
    compile_s = contestant.compile_s
    if compile_s is None:
        compile_s = max(0.0, first - FIRST * step)
    recorded = job["record"] * step < 40 * job["limit"]
    if recorded and job["record"]:
        step = contestant.run(job["record"] - 2 * FIRST)
        np.save(job["path"], contestant.recorded())
    n_steps = ROUND * int(np.clip(job["limit"] / step, ROUND, job["steps"]) // ROUND)
    contestant.run(n_steps)
    say(
        about=contestant.about,
        version=version(job["distribution"]),
        build_s=contestant.build_s,
        compile_s=compile_s,
        n_steps=n_steps,
        recorded=bool(recorded and job["record"]),
    )
    for _ in sys.stdin:
        say(us=1e6 * contestant.run(n_steps))


class NotEnough(RuntimeError):
    """This machine has not enough of something."""


def seconds(function, *arguments, **options):
    """Call a function; return its result and how long it took."""
    started = time.perf_counter()
    result = function(*arguments, **options)
    return result, time.perf_counter() - started
