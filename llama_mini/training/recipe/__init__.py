"""The mathematics of training, a file an idea: torch alone, and nothing that reads or writes."""
