// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import IdeficsTensor

/// How dense weights are stored; torch's names.
enum StorageDType: String, ExpressibleByArgument, CaseIterable {
    case bfloat16
    case float16
    case float32

    var dtype: DType {
        switch self {
        case .bfloat16: .bf16
        case .float16: .f16
        case .float32: .f32
        }
    }
}
