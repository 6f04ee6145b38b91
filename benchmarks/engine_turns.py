"""What every contestant's process of engine.py does: take its turn when it is asked."""

import json
import sys
import time
from importlib.metadata import version

import numpy as np

FIRST = 100  # steps of the first run
GROWTH = 4  # at most, from one run to the next until they are long enough to judge
ENOUGH = 1.3  # a run that would grow by less is long enough
ROUND = 20  # a run's steps are a multiple of it, for those who unroll the loop
PATIENCE = 45  # turns that the record may take


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
        it is and returns the seconds that a step took; ``recorded()`` returns what it has
        recorded since its beginning, of shape (n_steps, 1); ``about`` is a text,
        ``build_s`` a number, and so is ``compile_s``, or None if its first run includes
        compiling; ``length`` is the number of steps that it runs whatever ``n_steps`` is,
        or None.
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
    n_steps, step, done = find_length(contestant, job["steps"], job["limit"])
    rest = job["record"] - done - (0 if contestant.length else FIRST)
    is_recorded = job["record"] > 0 and rest * step < PATIENCE * job["limit"]
    if is_recorded:
        while rest > 0:
            contestant.run(n_steps)
            rest -= n_steps
        np.save(job["path"], contestant.recorded()[: job["record"]])
    compile_s = contestant.compile_s
    if compile_s is None:
        compile_s = max(0.0, first - FIRST * step)
    say(
        about=contestant.about,
        version=version(job["distribution"]),
        build_s=contestant.build_s,
        compile_s=compile_s,
        n_steps=n_steps,
        recorded=is_recorded,
    )
    for _ in sys.stdin:
        say(us=1e6 * contestant.run(n_steps))


def find_length(contestant, most, limit):
    """
    Run more and more steps until they take as long as a turn may.

    Returns
    -------
    n_steps : int
        Steps of a turn.
    step : float
        Seconds that one takes.
    done : int
        Steps that were run.
    """
    if contestant.length:
        return contestant.length, contestant.run(contestant.length), contestant.length
    n_steps, done = FIRST, 0
    while True:
        # some compile again for another number of steps
        step = min(contestant.run(n_steps) for _ in range(2))
        done += 2 * n_steps
        longest = min(most, max(limit / step, ROUND), GROWTH * n_steps)
        longest = ROUND * max(1, int(longest / ROUND))
        if longest < ENOUGH * n_steps:
            return longest, step, done
        n_steps = longest


class NotEnough(RuntimeError):
    """This machine has not enough of something."""


def seconds(function, *arguments, **options):
    """Call a function; return its result and how long it took."""
    started = time.perf_counter()
    result = function(*arguments, **options)
    return result, time.perf_counter() - started
