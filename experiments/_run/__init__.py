"""All experiments at once, and sweeps."""
