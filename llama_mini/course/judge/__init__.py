"""Judging an answer: run it on the cases, compare with the reference, name the mistake."""
