# Every target is one line of tools/make.py, which works without make too (Windows).
# Choices: make lab TORCH_INDEX_URL=… PYTHON=python3.12 ARGS="--port 9000"
PYTHON ?= python3
export TORCH_INDEX_URL

.PHONY: help lab test setup notebooks doctor ablations prove bench-decode full-weights

help:
	@$(PYTHON) tools/make.py --help

lab:
	@$(PYTHON) tools/make.py lab $(ARGS)

test:
	@$(PYTHON) tools/make.py test $(ARGS)

setup:
	@$(PYTHON) tools/make.py setup $(ARGS)

notebooks:
	@$(PYTHON) tools/make.py notebooks $(ARGS)

doctor:
	@$(PYTHON) tools/make.py doctor $(ARGS)

ablations:
	@$(PYTHON) tools/make.py ablations $(ARGS)

bench-decode:
	@$(PYTHON) tools/make.py bench-decode $(ARGS)

prove:
	@$(PYTHON) tools/make.py prove $(ARGS)

full-weights:
	@$(PYTHON) tools/make.py full-weights $(ARGS)
