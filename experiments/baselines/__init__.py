"""Recurrent networks with searched settings beside an LMU, on short and on long tasks."""
