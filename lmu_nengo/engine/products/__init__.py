"""Products with constant matrices: merged, and computed by their structure."""
