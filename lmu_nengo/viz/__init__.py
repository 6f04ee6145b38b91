"""Figures with Matplotlib, and a live view of the window in Nengo GUI."""
