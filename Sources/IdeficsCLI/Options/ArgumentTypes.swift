// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// Types of the library that are typed as they are named. A conformance of public types is public, and so are its imports.
public import ArgumentParser
public import IdeficsTensor

extension QuantizedTensor.Format: ExpressibleByArgument {}
extension KeyValueType: ExpressibleByArgument {}
