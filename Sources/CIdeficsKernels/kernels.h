// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the kernel library share: the table of inner loops that each instruction set fills in, and scratch
// memory. Inner loops run on one thread; the public functions cut the work and call them through the table.

#pragma once

#include <math.h>
#include <string.h>

#include "idefics_kernels.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

// MARK: - Inner loops

/// The blocks and loops of a packed matrix product, and of one that streams the weight past a few rows.
typedef struct idf_linear_kernels {
    int64_t tile_rows;    ///< rows of x in a tile at most
    int64_t tile_columns; ///< output features in a tile
    int64_t block_columns; ///< output features a task packs at most: block × depth floats stay in the L2 cache
    int64_t stream_rows;  ///< up to so many rows of x the weight is streamed, not packed
    /// out [k][rows] = x [rows, k]; `rows` <= tile_rows.
    void (*pack_x)(float *out, const float *x, int64_t ldx, int64_t rows, int64_t k);
    /// out [k][tile_columns] = weight [rows, k] with `k_total` between rows; missing rows become 0.
    void (*pack_weight)(float *out, const void *weight, idf_dtype dtype, int64_t k_total, int64_t rows, int64_t k);
    /// c [rows, tile_columns] (+)= a [k][rows] · b [k][tile_columns].
    void (*tile)(float *c, int64_t ldc, const float *a, const float *b, int64_t rows, int64_t k, int accumulate);
    /// out [m, n] = x [m, k] · weight [n, k]ᵀ without packing. NF4, exactly: k is a multiple of 64, `absmax` begins at the
    /// weight.
    void (*stream)(float *out, int64_t ldo, const void *weight, const float *_Nullable absmax, idf_dtype dtype, int64_t n,
                   const float *x, int64_t ldx, int64_t m, int64_t k);
    /// x [m, k], k a multiple of 64, in the order that stream_nf4 reads.
    void (*split_x)(float *out, const float *x, int64_t ldx, int64_t m, int64_t k);
    /// As stream, NF4 and x from split_x: the scale of a group is applied to its sum.
    void (*stream_nf4)(float *out, int64_t ldo, const uint8_t *codes, const float *absmax, int64_t n, const float *x,
                       int64_t m, int64_t k);
    /// As pack_weight, from a quantized weight [·, k_total]: features from `column` on (a multiple of tile_columns),
    /// steps from `step` on (a multiple of 32).
    void (*pack_quantized)(float *out, const idf_linear_job *job, int64_t k_total, int64_t column, int64_t step,
                           int64_t k);
    /// Bias, activation, scale and residual for `columns` features from `column` on of row `row`; writes y.
    void (*finish)(const idf_linear_job *job, int64_t row, int64_t column, int64_t columns, const float *product);
} idf_linear_kernels;

/// Products of values rounded to bf16 with sums in f32, on panels that were packed as floats.
typedef struct idf_bf16_kernels {
    /// Rounds a panel [k][width] in place. Where the machine multiplies pairs, two steps then lie in each lane:
    /// [(k + 1) / 2][width], the step after an odd k being 0.
    void (*round)(float *panel, int64_t width, int64_t k);
    /// As pack_weight and round, from a bf16 weight; NULL: no faster than those.
    void (*_Nullable pack_weight)(float *out, const uint16_t *weight, int64_t k_total, int64_t rows, int64_t k);
    /// As pack_steps of the gradients and round, from a bf16 weight, one tile; NULL: no faster than those.
    void (*_Nullable pack_steps)(float *out, const uint16_t *weight, int64_t ld, int64_t steps, int64_t columns);
    /// As tile, over k steps of rounded panels.
    void (*tile)(float *c, int64_t ldc, const float *a, const float *b, int64_t rows, int64_t k, int accumulate);
    /// As limit_fma; NULL: the machine multiplies no pairs, so that is the limit.
    double (*_Nullable limit)(int64_t iterations);
} idf_bf16_kernels;

/// x as integer products read it, quantized row by row and group by group; points at the first group of a panel:
/// `rows` rows that lie together, [groups][rows].
typedef struct idf_integer_rows {
    int8_t *codes;   ///< 64 (INT4) or 128 (INT8) bytes a row and group, in the order the instruction set wants
    float *scales;
    int32_t *starts; ///< what a sum begins with: minus the zero of the weight's codes times the sum of the codes of x
    int64_t rows;
} idf_integer_rows;

/// Sixteen (or a few times sixteen) features of a weight for integer products, from some group on.
typedef struct idf_integer_weight {
    const uint8_t *codes;
    const uint16_t *scales;
    int64_t block_bytes, block_scales; ///< from one block of 16 features to the next
} idf_integer_weight;

/// How the codes of an integer weight lie in memory.
typedef enum idf_integer_form {
    IDF_INTEGER_INT8 = 0,     ///< units of IDF_INT8
    IDF_INTEGER_INT4 = 1,     ///< units of IDF_INT4
    IDF_INTEGER_UNPACKED = 2, ///< codes of IDF_INT4 in bytes, as `unpack` writes them
} idf_integer_form;

/// The loops of products of quantized weights with quantized x.
typedef struct idf_integer_kernels {
    int64_t tile_rows;     ///< rows of x in a tile at most
    int64_t single_blocks; ///< blocks of 16 features that pass one row of x together: one leaves memory waiting at pages
    int64_t pair_rows;     ///< up to so many rows of x take two blocks together
    int64_t block_columns; ///< output features a task takes at most when it has many rows
    int64_t stream_rows;   ///< up to so many rows of x INT4 is multiplied as it lies, not unpacked
    /// Quantizes x [rows, k] into a panel, for tiles of `form`.
    void (*quantize_x)(const idf_integer_rows *out, const float *x, int64_t ldx, int64_t k, idf_integer_form form);
    /// out: `units` units of 8 steps in bytes, twice their size, in the order the instruction set wants.
    void (*unpack)(uint8_t *out, const uint8_t *codes, int64_t units);
    /// c [x->rows, 16 · blocks] (+)= x · weight over `groups` groups; `blocks` is what
    /// idf_integer_blocks says, or half or a quarter of it.
    void (*tile)(float *c, int64_t ldc, const idf_integer_weight *weight, const idf_integer_rows *x, int64_t blocks,
                 int64_t groups, idf_integer_form form, int accumulate);
    double (*limit)(int64_t iterations);
} idf_integer_kernels;

/// Blocks of 16 features that a tile of `rows` rows takes.
static inline int64_t idf_integer_blocks(const idf_integer_kernels *kernels, int64_t rows) {
    return rows <= 1 ? kernels->single_blocks : rows <= kernels->pair_rows ? 2 : 1;
}

/// Conversions between floats and quantized formats, on one thread.
typedef struct idf_format_kernels {
    /// Quantizes `rows` <= 16 rows of weight, all of k, into one block.
    void (*quantize)(uint8_t *codes, uint16_t *scales, idf_dtype format, const void *weight, idf_dtype dtype, int64_t rows,
                     int64_t k);
    /// y [rows, k] with rows ldy apart = the first rows of a block.
    void (*dequantize)(float *y, int64_t ldy, const uint8_t *codes, const uint16_t *scales, idf_dtype format, int64_t rows,
                       int64_t k);
    /// Quantizes `count` <= 64 elements that share an absmax.
    void (*quantize_nf4)(uint8_t *codes, float *absmax, const float *x, int64_t count);
    /// y = elements first..<first + count of a flat NF4 weight.
    void (*dequantize_nf4)(float *y, const uint8_t *codes, const float *absmax, int64_t first, int64_t count);
} idf_format_kernels;

/// Rounding with calibration data, on one thread.
typedef struct idf_calibration_kernels {
    /// Scratch floats for steps of k.
    int64_t (*scratch)(int64_t k);
    /// Rows row..<row + rows, at most 16, of the weight, into one block.
    void (*quantize)(uint8_t *codes, uint16_t *scales, const idf_calibrated_weight *weight, int64_t row, int64_t rows,
                     float *memory);
    /// Takes finished rows first..<end of a factorization out of rows row..<row + rows before them.
    void (*eliminate)(double *matrix, int64_t k, int64_t first, int64_t end, int64_t row, int64_t rows);
} idf_calibration_kernels;

/// Sizes that all tasks of one attention share.
typedef struct idf_attention_shape {
    int64_t heads, kv_heads, head_dim;
    int64_t q_stride, out_stride;
    idf_dtype kv_type;
    int64_t kv_stride; ///< bytes
    float scale;
} idf_attention_shape;

enum {
    IDF_ATTENTION_QUERIES = 128,   ///< queries of a task in the tiled form
    IDF_ATTENTION_KEYS = 128,      ///< keys of a tile, and of a task in the streamed form
    IDF_ATTENTION_HEADS = 32,      ///< heads of a task in the streamed form
    IDF_ATTENTION_FEW_QUERIES = 2, ///< up to so many queries keys are streamed, not packed
};

/// Part of a segment that one task computes.
typedef struct idf_attention_part {
    const idf_attention_segment *segment;
    int64_t query, query_end;
    int64_t head, head_end;
    int64_t key, key_end;
    float *_Nullable partial; ///< streamed form: results of all heads for these keys; NULL: tiled form
} idf_attention_part;

/// The loops of attention over one part of a segment.
typedef struct idf_attention_kernels {
    /// Scratch floats that either form needs.
    int64_t (*scratch)(int64_t head_dim);
    /// Several queries of one head over all their keys.
    void (*tiled)(const idf_attention_shape *shape, const idf_attention_part *part, float *scratch);
    /// One query, several heads, at most IDF_ATTENTION_KEYS keys. For each head, idf_attention_partial floats apart: the
    /// output before division by the sum of weights (head_dim floats), the largest score, and that sum.
    void (*streamed)(const idf_attention_shape *shape, const idf_attention_part *part, float *scratch);
    /// codes [n] = round(x / scale) with the scale of idf_kv_write, which is returned.
    float (*quantize)(int8_t *codes, const float *x, int64_t n);
} idf_attention_kernels;

/// Floats between the partial results of two heads.
static inline int64_t idf_attention_partial(int64_t head_dim) { return (head_dim + 2 + 15) / 16 * 16; }

/// The loops of backward operations: gradients.h.
typedef struct idf_gradient_kernels idf_gradient_kernels;

/// Everything that exists once for each instruction set. NULL members of `linear` and `attention` mean: use the
/// reference loops.
typedef struct idf_kernels {
    const idf_linear_kernels *_Nullable linear;
    const idf_attention_kernels *_Nullable attention;
    const idf_format_kernels *formats;
    const idf_calibration_kernels *calibration;
    void (*rms_norm)(float *y, const float *x, const float *weight, float eps, int64_t rows, int64_t n);
    void (*layer_norm)(float *y, const float *x, const float *weight, const float *_Nullable bias, float eps,
                       int64_t rows, int64_t n);
    /// Rotates all heads of one row; cosine and sine hold head_dim / 2 values.
    void (*rotate)(float *x, const float *cosine, const float *sine, int64_t heads, int64_t head_dim);
    void (*swiglu)(float *y, const float *gate, const float *up, int64_t n);
    void (*activate)(float *y, const float *x, idf_activation activation, int64_t n);
    void (*add)(float *y, const float *a, const float *b, int64_t n);
    void (*to_f32)(float *y, const void *x, idf_dtype dtype, int64_t n);
    void (*from_f32)(void *y, const float *x, idf_dtype dtype, int64_t n);
    int64_t (*argmax)(const float *x, int64_t n);
    void (*log_softmax)(float *y, const float *x, int64_t n);
    uint64_t (*limit_read)(const void *p, size_t bytes);
    double (*limit_fma)(int64_t iterations);
    const idf_gradient_kernels *gradients;
} idf_kernels;

extern const idf_kernels idf_kernels_reference;
#if defined(__x86_64__)
extern const idf_kernels idf_kernels_avx2;
extern const idf_kernels idf_kernels_avx512;
extern const idf_bf16_kernels idf_bf16_avx2;
extern const idf_bf16_kernels idf_bf16_avx512;
extern const idf_bf16_kernels idf_bf16_avx512_native;
extern const idf_integer_kernels idf_integer_avx2;
extern const idf_integer_kernels idf_integer_avxvnni;
extern const idf_integer_kernels idf_integer_vnni256;
extern const idf_integer_kernels idf_integer_vnni;
#elif defined(__aarch64__)
extern const idf_kernels idf_kernels_neon;
extern const idf_bf16_kernels idf_bf16_neon;
extern const idf_integer_kernels idf_integer_neon;
extern const idf_integer_kernels idf_integer_dotprod;
extern const idf_integer_kernels idf_integer_i8mm;
#endif

/// The table in use.
const idf_kernels *idf_kernels_current(void);
/// The table of the best instruction set the machine has, whatever is in use.
const idf_kernels *idf_kernels_best(void);
/// The loops of integer products of the instruction set in use; NULL: reference.
const idf_integer_kernels *_Nullable idf_integer_kernels_current(void);
/// The loops of bf16 products of the instruction set in use; where its `linear` is NULL: reference.
const idf_bf16_kernels *_Nullable idf_bf16_kernels_current(void);
/// Those of the best instruction set the machine has, whatever is in use.
const idf_bf16_kernels *_Nullable idf_bf16_kernels_best(void);
/// Those of the best instruction set the machine has, whatever is in use.
const idf_integer_kernels *_Nullable idf_integer_kernels_best(void);

void idf_linear_reference(const idf_linear_job *jobs, int64_t count, const float *x, int64_t ldx, int64_t m, int64_t k);
/// y [rows, k] = rows row..<row + rows of a quantized weight; `row` is a multiple of 16 unless it is NF4, rows <= 16.
void idf_dequantize_rows(const idf_format_kernels *kernels, float *y, const void *codes, const void *scales,
                         idf_dtype format, int64_t row, int64_t rows, int64_t k);
/// One job with INT8 or INT4, x quantized.
void idf_linear_integer_reference(const idf_linear_job *job, const float *x, int64_t ldx, int64_t m, int64_t k);
/// All jobs with INT8 or all with INT4, x quantized; m, k and the features of every job > 0.
void idf_linear_integer(const idf_linear_job *jobs, int64_t count, const float *x, int64_t ldx, int64_t m, int64_t k);
void idf_attention_reference(const idf_attention_shape *shape, const idf_attention_segment *segments, int64_t count);
float idf_kv_quantize_reference(int8_t *codes, const float *x, int64_t n);

// MARK: - Scratch memory

typedef enum idf_scratch_slot {
    IDF_SCRATCH_SHARED = 0, ///< of the calling thread, read by the tasks it starts
    IDF_SCRATCH_TASK = 1,   ///< of the thread that runs a task
} idf_scratch_slot;

/// `count` floats for the current thread, 64-byte aligned, contents undefined; kept until the thread ends.
float *idf_scratch(idf_scratch_slot slot, int64_t count);

// MARK: - Small things

static inline int64_t idf_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t idf_max(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t idf_divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
/// Bytes of an element; not for quantized formats.
static inline size_t idf_dtype_size(idf_dtype dtype) { return dtype == IDF_F32 ? 4 : 2; }
static inline int idf_is_quantized(idf_dtype dtype) { return dtype >= IDF_INT8; }

// MARK: - Quantized formats

enum {
    IDF_UNIT = 64,         ///< bytes of a unit of interleaved codes
    IDF_INT8_GROUP = 1024, ///< bytes of a group of 16 rows
    IDF_INT4_GROUP = 512,
};

static inline int64_t idf_groups(int64_t k) { return (k + IDF_GROUP - 1) / IDF_GROUP; }
static inline int64_t idf_group_bytes(idf_dtype format) { return format == IDF_INT8 ? IDF_INT8_GROUP : IDF_INT4_GROUP; }
/// What is added to a code to store it.
static inline int idf_code_zero(idf_dtype format) { return format == IDF_INT8 ? 128 : 8; }
static inline float idf_f32_of_bf16(uint16_t half) {
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
/// Where step l of a group lies: the byte among the four of a row in unit *unit, and how far to shift it.
static inline int idf_code_shift(idf_dtype format, int64_t l, int64_t *unit) {
    *unit = format == IDF_INT8 ? l / 4 : l / 8;
    return (int)(l % 4 * 8) + (format == IDF_INT8 ? 0 : (int)(l / 4 % 2 * 4));
}
/// The code of row r (of 16), step l (of 64) in a group.
static inline int idf_code(const uint8_t *group, idf_dtype format, int64_t r, int64_t l) {
    int64_t unit;
    const int shift = idf_code_shift(format, l, &unit);
    const int byte = group[unit * IDF_UNIT + r * 4 + shift / 8];
    return (format == IDF_INT8 ? byte : (byte >> shift % 8 & 15)) - idf_code_zero(format);
}

/// What separates the codes of NF4: a value has as many of these below it as its code says. Between the values of the
/// table, as bitsandbytes writes them.
#define IDF_NF4_BOUNDARIES                                                                                             \
    {-0.8480964004993439f, -0.6106329262256622f, -0.4599952697753906f, -0.33967943489551544f, -0.23460740596055984f,    \
     -0.13791173323988914f, -0.045525018125772476f, 0.03979014977812767f, 0.1202552504837513f, 0.2035212516784668f,      \
     0.2920137718319893f, 0.3893125355243683f, 0.5016634166240692f, 0.6427869200706482f, 0.8614784181118011f}

/// The scales that are tried, as the code (not rounded) that the largest magnitude gets: the first is plain nearest.
/// Beyond the range of codes the largest magnitude is cut, which pays when it stands alone.
#define IDF_INT4_CANDIDATES {8, 7.75f, 7.5f, 7.25f, 8.25f, 8.5f, 8.75f, 9}
#define IDF_INT8_CANDIDATES {128, 127.75f, 127.5f, 127.25f, 127, -127}
enum { IDF_REFITS = 2 }; ///< least-squares fits after the best of them

/// Address of row j of a block table, rows `stride` bytes apart.
static inline const char *idf_block_row(const void *_Nonnull const *_Nullable blocks, int64_t block_tokens, int64_t j,
                                        int64_t stride) {
    return (const char *)blocks[j / block_tokens] + (j % block_tokens) * stride;
}

/// The scale of a head in a row of keys or values.
static inline float idf_kv_scale(const char *row, const idf_attention_shape *shape, int64_t kv_head) {
    if (shape->kv_type != IDF_INT8) return 1;
    float scale;
    memcpy(&scale, row + shape->kv_heads * shape->head_dim + kv_head * (int64_t)sizeof scale, sizeof scale);
    return scale;
}

/// SplitMix64's mixing of a counter: every bit of the result depends on every bit of the place and the seed.
static inline uint64_t idf_mixed(uint64_t seed, uint64_t place) {
    uint64_t z = seed + (place + 1) * 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/// factors [count] = what dropout multiplies the weights of query `query` with, for keys from `first` on.
static inline void idf_attention_keep(float *factors, const idf_attention_segment *segment, const idf_attention_shape *shape,
                                      int64_t head, int64_t query, int64_t first, int64_t count) {
    const idf_attention_dropout *d = &segment->dropout;
    const uint64_t seed = idf_mixed(d->seed, (uint64_t)((d->row + query) * shape->heads + head));
    for (int64_t j = 0; j < count; j++) {
        factors[j] = idf_mixed(seed, (uint64_t)(first + j)) >> 32 < d->limit ? 0 : d->keep;
    }
}

/// Keys that query i of a segment sees.
static inline int64_t idf_visible_keys(const idf_attention_segment *segment, int64_t query) {
    if (segment->causal_past < 0) return segment->key_count;
    return idf_min(segment->key_count, segment->causal_past + query + 1);
}

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
