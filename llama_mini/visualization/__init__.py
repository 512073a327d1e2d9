"""Pictures: one style, and a text alternative for every figure."""
