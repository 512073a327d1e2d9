"""What a learner meets: their cell, the check, what they read, and what is kept."""
