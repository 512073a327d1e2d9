"""Training beyond one process and one number format: what has to be the same, and what is cut."""
