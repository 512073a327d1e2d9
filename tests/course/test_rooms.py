"""The course's own rooms, from the ground up: what judges an answer knows no notebook."""

import ast
from pathlib import Path

import pytest

from llama_mini import course

FOLDER = Path(course.__file__).parent
MAY_KNOW = {
    "derive": set(),
    "judge": set(),
    "casebook": {"judge"},
    "learner": {"casebook", "derive", "judge"},
}


@pytest.mark.parametrize("room", MAY_KNOW)
def test_a_room_of_the_course_knows_only_those_below_it(room):
    known = set()
    for path in (FOLDER / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(course.__name__):
                below = node.module.split(".")[2:3]
                known |= set(below or [alias.name for alias in node.names])
    assert known - {room, "SETUP_LINE"} <= MAY_KNOW[room]


def test_every_folder_of_the_course_is_one_of_its_rooms():
    assert {path.parent.name for path in FOLDER.glob("*/__init__.py")} == set(MAY_KNOW)
