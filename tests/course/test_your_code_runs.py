"""The promise of the course: passing answers, whoever wrote them, run the model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("your_code_runs.py")


@pytest.mark.parametrize("seed", range(4))
def test_the_model_runs_on_any_subset_of_other_answers(seed, tmp_path):
    environment = os.environ | {"LLAMA_MINI_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(seed)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    subsets = json.loads(done.stdout)
    assert len({tuple(sorted(names)) for names in subsets}) >= 4, "the subsets must differ"
