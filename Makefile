# Copyright 2026 the idefics-swift authors
# SPDX-License-Identifier: Apache-2.0

# The two commands of the README: `make demo` and `make test`. Both install the Debian packages they need.

MODEL ?= Tests/Fixtures/f7-e2e
PHOTO ?= docs/images/cat.jpg
PROMPT ?= What is in this picture?
IDEFICS = .build/release/idefics

.PHONY: demo test build setup lint format bench clean

demo: build
	@Tools/demo.sh "$(IDEFICS)" "$(MODEL)" "$(PHOTO)" "$(PROMPT)"

test: setup
	@Tools/test.sh

build: setup
	@swift build -c release --product idefics

setup:
	@Tools/setup.sh

lint:
	@swift format lint --strict --recursive Package.swift Sources Tests Snippets

format:
	@swift format --in-place --recursive Package.swift Sources Tests Snippets

bench: build
	@$(IDEFICS) bench

clean:
	@swift package clean
