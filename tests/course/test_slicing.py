"""What is cut out of a file does what the file does, and holds nothing that has no part in it."""

import pytest

from llama_mini.course.learner.slicing import definition_with_needs

# Each file defines `answer`; "beside" marks what it can do without.
FILES = {
    "values are made and changed in several statements": """
table = {}
table["a"] = 1
table.update(b=2)
for key in "cd":
    table[key] = len(table)
numbers = [3, 1, 2]
import random, heapq
heapq.heapify(numbers)
beside = [table]
beside.append(1)

def answer():
    return table, numbers
""",
    "helpers need helpers": """
import math
import os.path as beside_path

class Base:
    factor = 2

class Half(Base):
    def of(self, x):
        return x / self.factor

def beside():
    return answer()

def twice(x, half=Half()):
    return 4 * half.of(x)

def answer(x=math.pi):
    return twice(x)
""",
    "a definition is wrapped later, and stands above what it needs": """
def answer():
    return [late, other]

def loudly(function):
    def wrapper():
        return ["loud", *function()]
    return wrapper

answer = loudly(answer)
late = 1; beside = 2; other = [
    3,
]
""",
    "imports may fail": """
try:
    import no_such_package_at_all as fast
except ImportError:
    fast = None
if fast is None:
    def power(x):
        return x**2
else:
    power = fast.power

def answer():
    return power(7)
""",
    "the last of two counts": """
def beside():
    return 1

def answer():
    return beside()

value = 5

def answer(n=3):
    return value * (answer(n - 1) if n else 1)
""",
    "names of a function are its own": """
beside = 1
late = 10

def answer(rest=None):
    global late
    beside = [late for late in range(3)]
    return beside, late, [x := 4], x
""",
    "an unpacking, a sum and a star": """
from math import *
first, (second, *rest) = 1, (2, 3, 4)
second += first
beside: int = 3

def answer():
    return first, second, rest, pi
""",
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_the_slice_does_what_the_file_does(text):
    def result_of(source):
        namespace = {}
        exec(compile(source, "<file>", "exec"), namespace)
        return namespace["answer"]()

    cut = definition_with_needs("answer", text)
    assert result_of(cut) == result_of(text)


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_what_has_no_part_in_the_answer_stays_behind(text):
    cut = definition_with_needs("answer", text)
    assert "beside" not in cut.partition("beside = [late")[0]


def test_what_runs_only_as_a_program_stays_behind():
    text = "def answer():\n    return 1\n\n\n"
    assert definition_with_needs(
        "answer", f"{text}if __name__ == '__main__':\n    answer = 2\n"
    ) == (text.rstrip("\n") + "\n")


def test_a_name_that_the_file_does_not_define_has_no_slice():
    assert definition_with_needs("answer", "from math import *\nquestion = 1\n") is None
