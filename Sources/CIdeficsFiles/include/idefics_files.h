// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// Calls of the system that Swift does not see.

#ifndef IDEFICS_FILES_H
#define IDEFICS_FILES_H

/// Lets two files or folders change places in one instant. Returns 0, or -1 with `errno` set: EINVAL, ENOSYS or ENOTSUP
/// where the file system or the kernel cannot do that.
int idf_exchange(const char *_Nonnull first, const char *_Nonnull second);

#endif
