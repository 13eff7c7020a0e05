# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0

# The two commands of the README: `make demo` and `make test`. Both install the Debian packages they need.

# A directory, ORG/NAME on the hub, or demo: real weights that the first `make demo` fetches.
MODEL ?= demo
PHOTO ?= docs/images/cat.jpg
# The question asked; empty for the demo's own.
PROMPT ?=
IDEFICS = .build/release/idefics

.PHONY: demo demo-model test build setup lint format bench bench-all clean

demo: build
	@Tools/demo.sh "$(IDEFICS)" "$(MODEL)" "$(PHOTO)" "$(PROMPT)"

demo-model: build
	@IDEFICS="$(abspath $(IDEFICS))" Tools/demo_model.sh

test: setup
	@Tools/test.sh

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
