"""A run: its settings, its folder, its checkpoints and its loop, and no mathematics."""
