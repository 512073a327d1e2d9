"""The curve of a run outlives whatever happens to its writer."""

import json
import os

import pytest

from llama_mini.training.run.metrics import MetricsLog, read_events, read_metrics


def line(step, **more):
    return json.dumps({"step": step, "loss": 1.0, **more}) + "\n"


@pytest.fixture
def curve(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(line(step) for step in range(1, 8)) + '{"step": 8, "lo')
    return path


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_kill_while_lines_are_dropped_loses_none_of_them(curve, monkeypatch, moment):
    before = curve.read_text()

    class PowerCut(BaseException):
        pass

    def cut(*arguments):
        raise PowerCut

    monkeypatch.setattr(os, moment, cut)
    with pytest.raises(PowerCut):
        MetricsLog(curve, after_step=5)
    monkeypatch.undo()
    assert curve.read_text() == before
    with MetricsLog(curve, after_step=5) as log:
        log.write({"step": 6, "loss": 2.0})
    assert [values["loss"] for values in read_metrics(curve)] == [1.0] * 5 + [2.0]


def test_nothing_is_written_where_nothing_is_dropped(curve, monkeypatch):
    curve.write_text("".join(line(step) for step in range(1, 4)))
    monkeypatch.setattr(os, "replace", lambda *arguments: pytest.fail("rewritten"))
    MetricsLog(curve, after_step=3).close()
    assert len(read_metrics(curve)) == 3


def test_readers_of_updates_skip_events_and_events_belong_to_the_update_after(curve):
    event = {"event": "code changed", "step": 2}
    curve.write_text(line(1) + line(2) + json.dumps(event) + "\n" + line(3))
    assert [values["step"] for values in read_metrics(curve)] == [1, 2, 3]
    assert read_events(curve) == [event]
    MetricsLog(curve, after_step=3).close()
    assert read_events(curve) == [event]
    MetricsLog(curve, after_step=2).close()
    assert read_events(curve) == [] and len(read_metrics(curve)) == 2
