// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// The engine's operations on plain memory. Every function is the whole operation over all its rows: it cuts the work
// into tasks and runs them on the shared pool (threads.c). Results never depend on the number of threads, bit for bit:
// the order of every sum is fixed by the sizes alone.
//
// Unless a comment says otherwise: activations are f32, row-major, any alignment; outputs do not overlap inputs; sizes
// are counts of elements and may be 0 (then nothing is read or written); no function allocates except scratch memory
// of its own, no function fails.
//
// Instruction sets are chosen at run time (dispatch.c). `reference/` holds the plain loops that define each operation.

#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__clang__)
#pragma clang assume_nonnull begin
#else
#define _Nullable
#define _Nonnull
#endif

// MARK: - Run time

/// Instruction sets in rising order; a machine that has one has those before it of its own family.
typedef enum idf_isa {
    IDF_ISA_REFERENCE = 0,  ///< plain C, every machine
    IDF_ISA_AVX2 = 1,       ///< x86-64: AVX2 + FMA + F16C
    IDF_ISA_AVX512 = 2,     ///< x86-64: AVX-512 F, BW, VL, DQ
    IDF_ISA_NEON = 3,       ///< arm64
} idf_isa;

/// The instruction set in use: the best the machine has, or what idf_isa_select chose.
idf_isa idf_isa_current(void);
/// Whether this machine can run `isa`.
int idf_isa_available(idf_isa isa);
/// Uses `isa` from now on (tests, benchmarks). Ignored when not available. Not while an operation runs.
void idf_isa_select(idf_isa isa);
/// "reference", "avx2", "avx512", "neon".
const char *idf_isa_name(idf_isa isa);

/// Threads that operations use, the caller included. Default: the machine's cores.
int idf_thread_count(void);
/// Sets the number of threads (1...256); growing starts workers, shrinking idles them. Not while an operation runs.
void idf_set_thread_count(int count);

typedef void (*idf_task)(void *_Nullable context, int64_t task, int thread);
/// Runs task 0..<count on the pool, the caller takes part; returns when all are done. `thread` < idf_thread_count().
/// When the pool is busy with another caller's region, or called from inside a task, runs all of them on the caller
/// (thread 0), so it never blocks and never nests.
void idf_parallel(int64_t count, idf_task task, void *_Nullable context);

// MARK: - Linear

/// How the elements of a weight are stored.
typedef enum idf_dtype { IDF_F32 = 0, IDF_BF16 = 1, IDF_F16 = 2 } idf_dtype;

typedef enum idf_activation {
    IDF_ACT_NONE = 0,
    IDF_ACT_RELU = 1,
    IDF_ACT_GELU = 2,
    IDF_ACT_SILU = 3,
    IDF_ACT_QUICK_GELU = 4, ///< x · σ(1.702 x)
} idf_activation;

/// One matrix product that shares its input with others: y = residual + scale ⊙ act(x · weightᵀ + bias).
typedef struct idf_linear_job {
    const void *weight;           ///< [n, k] row-major, of `dtype`, aligned to its element; may be a read-only map
    idf_dtype dtype;
    int64_t n;                    ///< output features
    const float *_Nullable bias;  ///< [n] or NULL
    idf_activation activation;    ///< applied to x·Wᵀ + bias
    const float *_Nullable scale; ///< NULL, or factors of the (activated) product
    int64_t scale_count;          ///< 1 (one for all) or n (one per output feature); ignored without scale
    const float *_Nullable residual; ///< [m, n] rows at ldy, added last; may be equal to y; NULL for none
    float *y;                     ///< [m, n], rows ldy apart
    int64_t ldy;
} idf_linear_job;

/// Runs `count` products of the same input x [m, k] (rows ldx apart) in one parallel region: x is packed once.
/// Weight rows of every alignment, every m, n and k are allowed. gelu is exact (erf), as everywhere in this file.
void idf_linear(const idf_linear_job *jobs, int64_t count, const float *x, int64_t ldx, int64_t m, int64_t k);

// MARK: - Attention

/// Queries of one sequence and the keys and values they see. Keys lie in blocks (pages of a cache, or images):
/// key j is row j % block_tokens of block j / block_tokens; rows are `kv_stride` floats apart and hold
/// [heads, head_dim], as do the query and output rows (`q_stride`, `out_stride` apart).
typedef struct idf_attention_segment {
    const float *q;
    float *out;
    int64_t query_count;
    const float *_Nonnull const *_Nullable k_blocks;
    const float *_Nonnull const *_Nullable v_blocks;
    int64_t block_tokens;
    int64_t key_count;   ///< keys in all; 0 gives output rows of zeros
    int64_t causal_past; ///< < 0: every query sees every key. Otherwise query i sees keys j <= causal_past + i.
} idf_attention_segment;

/// out = softmax(scale · q kᵀ) v, for each segment and head; scores are never stored beyond a tile.
/// `kv_heads` divides `heads` (equal without grouped queries); key rows hold [kv_heads, head_dim].
void idf_attention(const idf_attention_segment *segments, int64_t count, int64_t heads, int64_t kv_heads,
                   int64_t head_dim, int64_t q_stride, int64_t out_stride, int64_t kv_stride, float scale);

// MARK: - Normalisation, rotation, element-wise

/// y[r] = weight ⊙ x[r] · rsqrt(mean(x[r]²) + eps), rows of `n` floats; y may be x. weight [n] f32.
void idf_rms_norm(float *y, const float *x, const float *weight, float eps, int64_t rows, int64_t n);

/// y[r] = weight ⊙ (x[r] − mean) · rsqrt(var + eps) + bias, biased variance (two passes); y may be x.
void idf_layer_norm(float *y, const float *x, const float *weight, const float *_Nullable bias, float eps, int64_t rows,
                    int64_t n);

/// Rotates pairs (j, j + head_dim/2) of each head by positions[r] · inv_freq[j] (half-split convention), in place.
/// x [rows, heads, head_dim] with rows `stride` apart; inv_freq [head_dim/2]. The angle is the f32 product; sine and
/// cosine are correctly rounded to within 2 ulp for angles up to 1e6.
void idf_rope(float *x, const int32_t *positions, const float *inv_freq, int64_t rows, int64_t heads, int64_t head_dim,
              int64_t stride);

/// y = silu(gate) · up, n elements; y may be gate or up.
void idf_swiglu(float *y, const float *gate, const float *up, int64_t n);
/// y = act(x), n elements; y may be x.
void idf_activate(float *y, const float *x, idf_activation activation, int64_t n);
/// y = a + b, n elements; y may be a or b.
void idf_add(float *y, const float *a, const float *b, int64_t n);

// MARK: - Rows, casts, reductions

/// y[r] = table[ids[r]] as f32; every id must be inside the table (the caller has checked). table [·, n] of `dtype`.
void idf_embedding(float *y, const void *table, idf_dtype dtype, const int32_t *ids, int64_t rows, int64_t n);

/// Converts n elements to f32. bf16 and f16 convert exactly (subnormals, infinities and NaN included).
void idf_to_f32(float *y, const void *x, idf_dtype dtype, int64_t n);
/// Converts n f32 to `dtype`, rounding to nearest even; NaN stays NaN.
void idf_from_f32(void *y, const float *x, idf_dtype dtype, int64_t n);

/// Index of the largest element (the first of equals); NaN is never the largest; -1 when n is 0 or all are NaN.
int64_t idf_argmax(const float *x, int64_t n);
/// y = log_softmax(x) over n elements, sums in f64; y may be x. -inf inputs give -inf.
void idf_log_softmax(float *y, const float *x, int64_t n);

/// Cuts images [count, channels, height, width] into non-overlapping patches and writes rows
/// [count · (height/patch) · (width/patch), channels · patch · patch], each in the order of a convolution weight
/// (channel, y, x): the patch embedding is then one linear. height and width are multiples of patch or the rest is cut.
void idf_patchify(float *y, const float *x, int64_t count, int64_t channels, int64_t height, int64_t width,
                  int64_t patch);

// MARK: - Limits of the machine (for `idefics bench`)

/// Reads `bytes` bytes at `p` on all threads once, as fast as memory allows; returns a value that depends on them.
uint64_t idf_limit_read(const void *p, size_t bytes);
/// Runs fused multiply-adds on registers only, the widest the machine has, on all threads; returns the f32 operations
/// done in all (a multiply and an add count 2). `iterations` per thread.
double idf_limit_fma(int64_t iterations);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
