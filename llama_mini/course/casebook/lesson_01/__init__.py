"""The exercises of lesson 1."""
