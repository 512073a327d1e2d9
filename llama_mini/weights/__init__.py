"""Weights on disk: look at what a path holds, and read it with the reader that knows it."""

from llama_mini.weights.loading import load

__all__ = ["load"]
