// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CIdeficsKernels

/// The one pool of threads and the instruction set that every operation of the process uses.
public enum Engine {
    /// Threads operations use, the caller included; results do not depend on it, bit for bit.
    ///
    /// Not to be changed while an operation runs. Values are clamped to 1...256; the default is ``defaultThreadCount``.
    public static var threadCount: Int {
        get {
            _ = defaultThreadCount
            return Int(idf_thread_count())
        }
        set {
            _ = defaultThreadCount
            idf_set_thread_count(Int32(clamping: min(max(newValue, 1), 256)))
        }
    }

    /// The cores this process may run on, or fewer, where a control group grants less than their time (`docker run
    /// --cpus`, CPU limits of Kubernetes).
    ///
    /// The first use of it, or of any operation, sets the pool to this size.
    public static let defaultThreadCount: Int = {
        let cores = Int(idf_thread_count())
        let count = min(cores, SystemProcessors().grantedCount ?? cores)
        if count < cores { idf_set_thread_count(Int32(count)) }
        return count
    }()

    /// The instruction set in use: `reference`, `avx2`, `avx512-bf16` or another name of `idf_isa_name`.
    public static var instructionSet: String {
        String(cString: idf_isa_name(idf_isa_current()))
    }
}
