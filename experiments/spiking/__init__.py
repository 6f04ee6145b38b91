"""Memories in spiking neurons."""
