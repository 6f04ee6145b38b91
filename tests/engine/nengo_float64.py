"""The compiled engine in 64 bits, the precision for which Nengo's tests were written."""

from lmu_nengo import engine


class Simulator(engine.Simulator):
    """The engine's simulator; ``precision`` is "float64" unless it is given."""

    def __init__(self, *args, precision="float64", **kwargs):
        super().__init__(*args, precision=precision, **kwargs)
