// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Pages of mapped files: bringing them in, letting them go, and saying what happened when they cannot be read.
#ifndef IDEFICS_PAGES_H
#define IDEFICS_PAGES_H

#include <stddef.h>
#include <stdint.h>

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

/// Says that `descriptor` and maps of it are read in large parts, so that the system itself reads further ahead.
void idf_pages_read_on(int descriptor);

/// Brings the pages that hold `[start, start + length)` into memory and into the page table; returns when they are
/// there, or when they cannot be read (who touches them then gets SIGBUS).
void idf_pages_read(const void *start, size_t length);

/// Lets go of the pages that lie wholly inside `[start, start + length)`, a part of a private read-only map of
/// `descriptor` that begins at `offset` of the file: out of the page table and, if nobody else maps them, out of the
/// page cache. What is there is read again when touched.
void idf_pages_drop(const void *start, size_t length, int descriptor, int64_t offset);

/// Says that single pages of `[start, start + length)` will be touched here and there: nothing is to be read around them.
void idf_pages_scatter(const void *start, size_t length);

/// How many bytes of `[start, start + length)` lie in pages that are in memory, whoever brought them there.
size_t idf_pages_resident(const void *start, size_t length);

/// Notes that `[start, start + length)` maps the file `path`, for `idf_pages_report_failures`. Thread-safe.
void idf_pages_note_map(const void *start, size_t length, const char *path);
/// Forgets a map noted before, which is about to be unmapped. Thread-safe.
void idf_pages_forget_map(const void *start);

/// From now on a page of a noted map that cannot be read (the file was cut short, or its storage failed) ends the
/// process with exit status 74 (EX_IOERR) and a line on standard error that names the file, in place of SIGBUS alone.
/// Any other SIGBUS does what it did before.
void idf_pages_report_failures(void);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
#endif
