# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0

# The two commands of the README: `make demo` and `make test`. Both install the Debian packages they need.

# A directory, ORG/NAME on the hub, or demo: real weights that the first `make demo` fetches.
MODEL ?= demo
PHOTO ?= docs/images/cat.jpg
# The question asked; empty for the demo's own.
PROMPT ?=
IDEFICS = .build/release/idefics

# The stages of `make test`, in its order: `make test-lint` runs the first alone.
STAGES = lint unit large snippets docs arm64 asan tsan

.PHONY: help demo demo-model test $(STAGES:%=test-%) docs build setup lint format bench bench-all clean

help:
	@echo 'make demo        build, fetch the demo model, ask it about a photograph (MODEL=… PHOTO=… PROMPT=…)'
	@echo 'make build       build the program, $(IDEFICS)'
	@echo 'make test        all tests; one stage alone: $(STAGES:%=test-%)'
	@echo 'make docs        API documentation, into .build/docs'
	@echo 'make format      format all Swift files'
	@echo 'make bench       measure this machine; bench-all: everything, with other programs beside it'
	@echo 'make clean       remove what was built'

demo: build
	@Tools/demo.sh "$(IDEFICS)" "$(MODEL)" "$(PHOTO)" "$(PROMPT)"

demo-model: build
	@IDEFICS="$(abspath $(IDEFICS))" Tools/demo_model.sh

test: setup
	@Tools/test.sh

$(STAGES:%=test-%): setup
	@Tools/test.sh $(@:test-%=%)

docs: setup
	@Tools/docs.sh

build: setup
	@swift build -c release --product idefics

setup:
	@Tools/setup.sh

lint:
	@Tools/lint.sh

format:
	@swift format --in-place --recursive Package.swift Sources Tests Snippets

bench: build
	@$(IDEFICS) bench kernels
	@$(IDEFICS) bench model --config idefics-9b --layers 8 --format int4

# Everything, with other programs beside it; see Benchmarks/run_all.sh --help.
bench-all: build
	@Benchmarks/run_all.sh

clean:
	@swift package clean
