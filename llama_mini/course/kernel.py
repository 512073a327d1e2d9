"""What a kernel knows before a notebook's first line ran: to say which line that is.

    python -m llama_mini.course.kernel

writes a setting into this virtual environment, and nowhere else, that loads this extension into
every IPython kernel of it. `load_ipython_extension` is IPython's name for the way in.
"""

import sys
from pathlib import Path
from typing import Any

from llama_mini.course import SETUP_LINE

_NAMES = frozenset({"check", "hint", "solution", "progress", "overlay", "EXERCISES"})
_FILE = Path("etc", "ipython", "ipython_config.py")
_SETTING = 'c.InteractiveShellApp.extensions.append("llama_mini.course.kernel")'


def load_ipython_extension(shell: Any) -> None:
    """After a NameError for one of the course's own names, say which line has not run."""
    shell.set_custom_exc((NameError,), _explain_missing_setup)


def unload_ipython_extension(shell: Any) -> None:
    """Take the explanation out again."""
    shell.set_custom_exc((), None)


def enable(prefix: Path | None = None) -> Path:
    """Load the extension in all kernels of one virtual environment, by default the running one.

    Returns the file that says so. Raises ValueError outside a virtual environment, where the
    setting would meet other people's kernels, and if the file has other settings already.
    """
    if prefix is None and sys.prefix == sys.base_prefix:
        raise ValueError(
            f"{sys.prefix} is not a virtual environment. Run this with the Python of .venv."
        )
    path = (prefix or Path(sys.prefix)) / _FILE
    why = "# Written by llama_mini: says which line is missing when a notebook's first cell has not run."
    if path.exists() and _SETTING in path.read_text(encoding="utf-8"):
        return path
    if path.exists():
        raise ValueError(f"{path} has settings already. Add this line to it: {_SETTING}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{why}\n{_SETTING}\n", encoding="utf-8")
    return path


def _explain_missing_setup(
    shell: Any,
    kind: type[NameError],
    error: NameError,
    traceback: Any,
    tb_offset: int | None = None,
) -> None:
    shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)
    if error.name in _NAMES and error.name not in shell.user_ns:
        print(
            f"The notebook's first cell has not run in this kernel. Run it, or this line:\n\n{SETUP_LINE}"
        )


if __name__ == "__main__":
    print(enable())
