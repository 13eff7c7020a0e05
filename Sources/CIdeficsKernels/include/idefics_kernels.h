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
// What training needs beside these: idefics_gradients.h.

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

/// Instruction sets in rising order, those of a family together. A machine that has one has those before it of its
/// family, except that AVX-512 comes without VNNI or VNNI without AVX-512.
typedef enum idf_isa {
    IDF_ISA_REFERENCE = 0,   ///< plain C, every machine
    IDF_ISA_AVX2 = 1,        ///< x86-64: AVX2 + FMA + F16C
    IDF_ISA_AVX_VNNI = 2,    ///< and 8-bit dot products of 256 bits: AVX-VNNI, or AVX-512 VNNI with VL
    IDF_ISA_AVX512 = 3,      ///< x86-64: AVX-512 F, BW, VL, DQ
    IDF_ISA_AVX512_VNNI = 4, ///< and 8-bit dot products of 512 bits
    IDF_ISA_AVX512_BF16 = 5, ///< and dot products of bf16
    IDF_ISA_NEON = 6,        ///< arm64
    IDF_ISA_DOTPROD = 7,     ///< and 8-bit dot products
    IDF_ISA_I8MM = 8,        ///< and 8-bit products of small matrices
    IDF_ISA_COUNT = 9,
} idf_isa;

/// The instruction set in use: the best the machine has, or what idf_isa_select chose.
idf_isa idf_isa_current(void);
/// Whether this machine can run `isa`.
int idf_isa_available(idf_isa isa);
/// Uses `isa` from now on (tests, benchmarks). Ignored when not available. Not while an operation runs.
void idf_isa_select(idf_isa isa);
/// "reference", "avx2", "avx-vnni", "avx512", "avx512-vnni", "avx512-bf16", "neon", "dotprod", "i8mm".
const char *idf_isa_name(idf_isa isa);
/// Whether `isa`, which the machine has, adds nothing but products of INT8 and INT4 weights or of bf16 to one before it.
int idf_isa_is_products_only(idf_isa isa);

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

/// How the elements of a weight are stored. The last three are quantized: see "Quantized weights" below.
typedef enum idf_dtype {
    IDF_F32 = 0,
    IDF_BF16 = 1,
    IDF_F16 = 2,
    IDF_INT8 = 3,
    IDF_INT4 = 4,
    IDF_NF4 = 5,
} idf_dtype;

typedef enum idf_activation {
    IDF_ACT_NONE = 0,
    IDF_ACT_RELU = 1,
    IDF_ACT_GELU = 2,
    IDF_ACT_SILU = 3,
    IDF_ACT_QUICK_GELU = 4, ///< x · σ(1.702 x)
} idf_activation;

/// One matrix product that shares its input with others: y = residual + scale ⊙ act(x · weightᵀ + bias).
typedef struct idf_linear_job {
    const void *weight;           ///< [n, k] row-major, of `dtype`, aligned to its element, or quantized (any
                                  ///< alignment, 64 is fastest); may be a read-only map
    idf_dtype dtype;
    const void *_Nullable scales; ///< of a quantized weight, aligned to its element: bf16 (INT8, INT4), f32 absmax
                                  ///< (NF4); NULL otherwise
    int exact;                    ///< of a quantized weight: 0 is faster, and INT8 and INT4 quantize x; see idf_linear
    int bf16;                     ///< x and the weight, of any dtype, are rounded to bf16; sums are f32
    int64_t n;                    ///< output features
    const float *_Nullable bias;  ///< [n] or NULL
    idf_activation activation;    ///< applied to x·Wᵀ + bias
    const float *_Nullable scale; ///< NULL, or factors of the (activated) product
    int64_t scale_count;          ///< 1 (one for all) or n (one per output feature); ignored without scale
    const float *_Nullable residual; ///< [m, n] rows at ldy, added last; may be equal to y; NULL for none
    float *y;                     ///< [m, n], rows ldy apart
    int64_t ldy;
} idf_linear_job;

/// Runs `count` products of the same input x [m, k] (rows ldx apart) in one parallel region: x is packed once (once for
/// each run of jobs that want it in the same form: floats, 8 bits for INT4, 16 bits for INT8).
/// Weight rows of every alignment, every m, n and k are allowed. gelu is exact (erf), as everywhere in this file.
///
/// Quantized weights with `exact`: bit for bit the product with the f32 weights of idf_dequantize. Otherwise NF4 may apply
/// a scale to the sum of its group (the same but for rounding), and INT8 and INT4 quantize x too, for each row and group
/// of 64 steps: codes round(x / s) with s = max|x| / 127 for INT4, max|x| / 32512 for INT8. Sums of a group are exact
/// integers, groups are added in f32 in order of k, so the product (before bias and activation) is the same bits on every
/// instruction set. A group of x with an infinity or NaN makes its row NaN; one whose largest magnitude is below 2^-100
/// counts as 0.
void idf_linear(const idf_linear_job *jobs, int64_t count, const float *x, int64_t ldx, int64_t m, int64_t k);

// MARK: - Quantized weights

// INT8 and INT4, of a weight [n, k]: groups of 64 steps along k with one bf16 scale each, value = scale · code, code
// -128...127 or -8...7, stored as code + 128 or code + 8. Sixteen rows lie interleaved in units of 64 bytes:
//   INT8 unit, 4 steps from l on: byte 4·r + i = row r, step l + i.
//   INT4 unit, 8 steps from l on: byte 4·r + i = row r, step l + i in the low nibble, step l + 4 + i in the high one.
//   order: [ceil(n / 16)] blocks of rows, [ceil(k / 64)] groups, units of the group (16 or 8).
//   scales: bf16 [ceil(n / 16)][ceil(k / 64)][16].
// Rows past n and steps past k hold the code of zero; rows past n have scale 0. Every byte is a valid code.
//
// NF4 is the layout of bitsandbytes: elements of [n, k] in order, two codes a byte, the first in the high nibble; each
// 64 elements in a row (across rows of the matrix, if k is not a multiple of 64) share an f32 absmax, and
// value = absmax · table[code].

enum {
    IDF_GROUP = 64,      ///< steps (INT8, INT4) or elements (NF4) that share a scale
    IDF_BLOCK_ROWS = 16, ///< interleaved rows
};

/// Bytes of the codes of a weight [n, k].
int64_t idf_quantized_bytes(idf_dtype format, int64_t n, int64_t k);
/// Number of scales: bf16 for INT8 and INT4, f32 for NF4.
int64_t idf_scale_count(idf_dtype format, int64_t n, int64_t k);

/// Quantizes weight [n, k] of `dtype` (f32, bf16, f16). INT8 and INT4: of each group, scales are tried around the one
/// that spreads the largest magnitude over all codes, the one of least squared error is refitted; the codes are nearest
/// for the scale as stored. A group with an infinity or NaN gets scale NaN and codes 0, one whose largest magnitude is
/// below 2^-100 gets zeros. NF4: nearest, as bitsandbytes does it; NaN elements do not count.
void idf_quantize(void *codes, void *scales, idf_dtype format, const void *weight, idf_dtype dtype, int64_t n, int64_t k);

/// A weight that is rounded so that its products with inputs it will see change least, as far as INT8 or INT4 allow.
typedef struct idf_calibrated_weight {
    idf_dtype format;             ///< IDF_INT8 or IDF_INT4
    idf_dtype dtype;              ///< of `weight`: f32, bf16, f16
    const void *weight;           ///< [n, k]
    const float *_Nullable drift; ///< [n, k]: Σ (wanted output − weight · x) xᵀ over the inputs x; NULL: none
    const float *hessian;         ///< [k, k]: Σ x xᵀ, damped; see idf_factor_hessian
    const float *factor;          ///< [k, k]: its factorization
    int64_t k;
    int64_t sweeps;               ///< how often all codes are gone over again
} idf_calibrated_weight;

/// Prepares hessian [k, k], symmetric: adds `damping` times the mean of its diagonal to the diagonal, then writes the
/// factors of hessian = U · D · Uᵀ, U unit upper triangular: element (i, j) of `factor`, read as floats [k, k], is U[j][i]
/// for j < i and D[i] for j = i. The memory of `factor` is k · k doubles. Returns 0, with nothing usable in `factor`, when
/// the damped hessian is not positive definite or holds infinities or NaN.
int idf_factor_hessian(double *factor, float *hessian, int64_t k, double damping);

/// Quantizes a weight of n rows as idf_quantize does, but for the least Σ |(wanted output) − (quantized weight) · x|² over
/// inputs x: with E the error of a row, E · hessian · Eᵀ. Steps are rounded in order, each with what those before it lost
/// (LDLQ: Chee et al., arXiv:2307.13304; the same as GPTQ, arXiv:2210.17323); the scale of a group is searched when its
/// turn comes, its errors weighted by D. `sweeps` times all scales are then refitted and every code moved to its best
/// place, all others held. With `drift` the row that is rounded is weight + drift · hessian⁻¹.
void idf_quantize_calibrated(void *codes, void *scales, const idf_calibrated_weight *weight, int64_t n);

/// y [n, rows] = x [rows, n] transposed.
void idf_transpose(float *y, const float *x, int64_t rows, int64_t n);

/// y [n, k] row-major = the values of a quantized weight.
void idf_dequantize(float *y, const void *codes, const void *scales, idf_dtype format, int64_t n, int64_t k);

/// The 16 values of NF4 codes.
extern const float idf_nf4_table[16];

/// Undoes the second quantization of NF4 scales: out[i] = table[codes[i]] · nested_absmax[i / 256] + offset.
void idf_nf4_absmax(float *out, const uint8_t *codes, const float *table256, const float *nested_absmax, float offset,
                    int64_t blocks);

// MARK: - Attention

// Rows of keys or values (one token each), of a cache or of an image, are stored as
//   IDF_F32, IDF_BF16: [kv_heads][head_dim], aligned to the element.
//   IDF_INT8: codes, int8 [kv_heads][head_dim], then scales, f32 [kv_heads]; any alignment. value = scale · code.

/// Bytes of a row of keys (or values) of `type`.
int64_t idf_kv_row_bytes(idf_dtype type, int64_t kv_heads, int64_t head_dim);

/// Writes x [count, kv_heads, head_dim], rows ldx floats apart, as rows of `type`, kv_stride bytes apart. bf16 rounds to
/// nearest even. INT8, for each head of a row: codes round(x · 127 / largest magnitude), to nearest even; one with an
/// infinity or NaN gets scale NaN and codes 0, one whose largest magnitude is below 2^-100 gets zeros. The same bits on
/// every instruction set.
void idf_kv_write(void *rows, idf_dtype type, const float *x, int64_t count, int64_t kv_heads, int64_t head_dim,
                  int64_t kv_stride, int64_t ldx);

/// Which weights of attention are dropped in training, and what the others are multiplied with; all 0 for none. A weight
/// is dropped when a hash of seed, row, head and key says so: forward and backward drop the same without storing it.
typedef struct idf_attention_dropout {
    uint64_t seed;
    uint32_t limit; ///< of the upper 32 bits of the hash
    float keep;     ///< 1 / (1 − p); 0: nothing is dropped
    int64_t row;    ///< number of the first query, of its own among all segments
} idf_attention_dropout;

/// Drops each weight with probability p, in 0..<1; places that are to differ have other offsets.
idf_attention_dropout idf_attention_dropout_of(double p, uint64_t seed, uint64_t offset, int64_t row);

/// Queries of one sequence and the keys and values they see. Keys lie in blocks (pages of a cache, or images):
/// key j is row j % block_tokens of block j / block_tokens. Query and output rows hold [heads, head_dim] (`q_stride`,
/// `out_stride` floats apart).
typedef struct idf_attention_segment {
    const float *q;
    float *out;
    int64_t query_count;
    const void *_Nonnull const *_Nullable k_blocks;
    const void *_Nonnull const *_Nullable v_blocks;
    int64_t block_tokens;
    int64_t key_count;   ///< keys in all; 0 gives output rows of zeros
    int64_t causal_past; ///< < 0: every query sees every key. Otherwise query i sees keys j <= causal_past + i.
    idf_attention_dropout dropout; ///< of weights after the softmax
} idf_attention_segment;

/// out = softmax(scale · q kᵀ) v, for each segment and head; scores are never stored beyond a tile.
/// `kv_heads` divides `heads` (equal without grouped queries). Key and value rows are of `kv_type` (F32, BF16 or INT8),
/// `kv_stride` bytes apart; they are widened to f32 as they are read.
void idf_attention(const idf_attention_segment *segments, int64_t count, int64_t heads, int64_t kv_heads,
                   int64_t head_dim, int64_t q_stride, int64_t out_stride, idf_dtype kv_type, int64_t kv_stride,
                   float scale);

// MARK: - Normalization, rotation, element-wise

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

/// As idf_embedding, from a quantized table [·, n].
void idf_embedding_quantized(float *y, const void *codes, const void *scales, idf_dtype format, const int32_t *ids,
                             int64_t rows, int64_t n);

/// Converts n elements to f32. Not for quantized formats, as idf_from_f32. bf16 and f16 convert exactly (subnormals, infinities and NaN included).
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
/// As idf_limit_fma with what the machine has for products of bf16.
double idf_limit_bf16(int64_t iterations);
/// As idf_limit_fma with the best integer products of the machine (as INT4 products use them): operations on 8 bits.
double idf_limit_int8(int64_t iterations);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
