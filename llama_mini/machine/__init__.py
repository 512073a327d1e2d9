"""The machines that models run on: this one and some that people have, their memory and speed."""
