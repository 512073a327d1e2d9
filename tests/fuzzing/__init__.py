"""Damaged and hostile files by the thousand, for the readers of weights."""
