"""The exercises of lesson 5."""
