// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
