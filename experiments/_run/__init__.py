"""Commands that run other experiments: all of them, or sweeps."""
