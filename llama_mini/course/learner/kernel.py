"""What a kernel knows before a notebook's first line ran: to say which line that is.

An IPython extension. The lab's kernel loads it with
`--IPKernelApp.extra_extensions=llama_mini.course.learner.kernel`; in any other, `%load_ext
llama_mini.course.learner.kernel` does. It costs a kernel's start nothing: torch is not imported.
"""

from typing import Any

from llama_mini.course import SETUP_LINE

_NAMES = frozenset({"check", "hint", "solution", "progress", "overlay", "EXERCISES"})


def load_ipython_extension(shell: Any) -> None:
    """After a NameError for one of the course's own names, say which line has not run."""
    shell.set_custom_exc((NameError,), _explain_missing_setup)


def unload_ipython_extension(shell: Any) -> None:
    """Take the explanation out again."""
    shell.set_custom_exc((), None)


def _explain_missing_setup(
    shell: Any,
    kind: type[NameError],
    error: NameError,
    traceback: Any,
    tb_offset: int | None = None,
) -> None:
    shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)
    if error.name in _NAMES and error.name not in shell.user_ns:
        print("The notebook's first cell has not run in this kernel. Run it, or this line:\n")
        print(SETUP_LINE)
