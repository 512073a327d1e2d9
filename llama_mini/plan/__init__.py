"""What a model will take where: memory, disk and time, planned before anything is allocated."""
