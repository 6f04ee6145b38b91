"""Networks that get their samples as they come, and keep their state between calls."""

from lmu_nengo.streaming.stream import Stream

__all__ = ["Stream"]
