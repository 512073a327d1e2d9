"""Fill the learner's workspace with what a first start needs."""

from pathlib import Path

from llama_mini import files, paths


def exercises_dir() -> Path:
    """The learner's own copies of the exercise notebooks."""
    return paths.workspace() / "exercises"


def prepare() -> list[Path]:
    """Copy each exercise notebook into the workspace unless it is there; return the new copies.

    A copy is the learner's from then on and is never written again, whatever becomes of the
    original. Raises FileNotFoundError outside a checkout, where there are no originals.
    """
    root = paths.project_root()
    if root is None:
        raise FileNotFoundError(
            "The exercise notebooks are part of the llama_mini repository, and this package is "
            "installed without it. Clone the repository and run `make lab` there."
        )
    target = exercises_dir()
    target.mkdir(parents=True, exist_ok=True)
    copied = []
    for source in sorted((root / "exercises").glob("*.ipynb")):
        copy = target / source.name
        if not copy.exists():
            with files.atomic_write(copy) as file:
                file.write(source.read_bytes())
            copied.append(copy)
    return copied
