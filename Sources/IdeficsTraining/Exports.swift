// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// A program that trains needs this import alone.
@_exported public import Idefics
