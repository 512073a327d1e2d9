"""Layers that keep their weights in 8 or 4 bits, and what that costs in precision."""
