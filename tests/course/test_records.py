"""The learner's progress, written by several processes of one learner at a time."""

import json
import subprocess
import sys

CHECKS = """
from llama_mini.course.learner import records
print("ready", flush=True)
input()
for _ in range(50):
    assert records.note_check("silu", "not yet", 1) == []
    assert records.note_help("silu", hints=2) == []
"""


def test_no_attempt_is_lost_between_processes(home):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CHECKS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    record = json.loads((home / "progress.json").read_text())["exercises"]["silu"]
    assert record["attempts"] == 150
    assert record["hints"] == 2
