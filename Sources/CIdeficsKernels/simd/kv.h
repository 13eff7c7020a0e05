// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Template: reading rows of keys and values of every type, packing them for tiles, and making INT8 rows. `type` is a
// constant where these are inlined.

#include "pack.h"
#include "tile.h"

static int64_t padded(int64_t head_dim) { return idf_divide_up(head_dim, LANES) * LANES; }

/// The key and value head that a head of queries uses.
static int64_t kv_head_of(const idf_attention_shape *shape, int64_t head) {
    return head / (shape->heads / shape->kv_heads);
}

/// n <= LANES elements (codes, for INT8) of a row from element i on, as floats; whole vectors when n == LANES is known.
IDF_INLINE vf load_kv(const char *row, const idf_dtype type, int64_t i, int64_t n) {
    if (type != IDF_INT8) return load_weight(row, type, i, n);
    return n == LANES ? v_load_i8((const int8_t *)row + i) : v_load_i8_n((const int8_t *)row + i, n);
}

/// rows = the places of keys (or values) first..<first + count.
static void find_rows(const char **rows, const idf_attention_shape *shape, const idf_attention_segment *segment,
                      const void *const *blocks, int64_t first, int64_t count) {
    if (count <= 0) return; // blocks of no keys may be of no tokens
    int64_t block = first / segment->block_tokens, row = first % segment->block_tokens;
    for (int64_t i = 0; i < count; i++) {
        rows[i] = (const char *)blocks[block] + row * shape->kv_stride;
        if (++row == segment->block_tokens) {
            row = 0;
            block++;
        }
    }
}

IDF_INLINE int64_t kv_bytes(const idf_dtype type, int64_t elements) {
    return type == IDF_INT8 ? elements : elements * (int64_t)idf_dtype_size(type);
}

// MARK: - Packing

/// out [dim][TILE_COLUMNS] = LANES keys of one head.
IDF_INLINE void pack_panel(float *out, const idf_attention_shape *shape, const char *const *rows, const idf_dtype type,
                           int64_t kv_head) {
    const int64_t dim = shape->head_dim, offset = kv_head * dim;
    float scales[LANES];
    for (int64_t i = 0; i < LANES; i++) scales[i] = idf_kv_scale(rows[i], shape, kv_head);
    const vf scale = v_load(scales);
    // Neighbours move through the transposition together where a lane holds several.
    const int64_t group = type == IDF_INT8 ? 4 : type == IDF_BF16 ? 2 : 1;
    vf lanes[LANES];
    int64_t l = 0;
    for (; l + group * LANES <= dim; l += group * LANES) {
        for (int64_t i = 0; i < LANES; i++) {
            lanes[i] = v_load((const float *)(const void *)(rows[i] + kv_bytes(type, offset + l)));
        }
        v_transpose(lanes);
        float *p = out + l * TILE_COLUMNS;
        for (int64_t i = 0; i < LANES; i++, p += group * TILE_COLUMNS) {
            if (type == IDF_INT8) {
                v_store(p, v_mul(v_signed_byte(lanes[i], 0), scale));
                v_store(p + TILE_COLUMNS, v_mul(v_signed_byte(lanes[i], 1), scale));
                v_store(p + 2 * TILE_COLUMNS, v_mul(v_signed_byte(lanes[i], 2), scale));
                v_store(p + 3 * TILE_COLUMNS, v_mul(v_signed_byte(lanes[i], 3), scale));
            } else if (type == IDF_BF16) {
                v_store(p, v_low_bf16(lanes[i]));
                v_store(p + TILE_COLUMNS, v_high_bf16(lanes[i]));
            } else {
                v_store(p, lanes[i]);
            }
        }
    }
    for (; l < dim; l += LANES) {
        const int64_t n = idf_min(LANES, dim - l);
        for (int64_t i = 0; i < LANES; i++) {
            lanes[i] = n == LANES ? load_kv(rows[i], type, offset + l, LANES) : load_kv(rows[i], type, offset + l, n);
        }
        v_transpose(lanes);
        for (int64_t i = 0; i < n; i++) {
            v_store(out + (l + i) * TILE_COLUMNS, type == IDF_INT8 ? v_mul(lanes[i], scale) : lanes[i]);
        }
    }
}

/// out [panel][dim][TILE_COLUMNS] = `count` keys of one head; those missing in the last vector are copies of another,
/// whose scores nobody reads.
IDF_INLINE void pack_keys_of(float *out, const idf_attention_shape *shape, const char *const *rows, const idf_dtype type,
                             int64_t kv_head, int64_t count) {
    for (int64_t begin = 0; begin < count; begin += LANES) {
        float *panel = out + begin / TILE_COLUMNS * TILE_COLUMNS * shape->head_dim + begin % TILE_COLUMNS;
        const char *lane_rows[LANES];
        for (int64_t i = 0; i < LANES; i++) lane_rows[i] = rows[idf_min(begin + i, count - 1)];
        pack_panel(panel, shape, lane_rows, type, kv_head);
    }
}

/// out [count][padded(dim)] = `count` values of one head, padded with 0.
IDF_INLINE void pack_values_of(float *out, const idf_attention_shape *shape, const char *const *rows,
                               const idf_dtype type, int64_t kv_head, int64_t count) {
    const int64_t dim = shape->head_dim, offset = kv_head * dim;
    for (int64_t i = 0; i < count; i++, out += padded(dim)) {
        const vf scale = v_set(idf_kv_scale(rows[i], shape, kv_head));
        int64_t l = 0;
        for (; l + LANES <= dim; l += LANES) {
            const vf x = load_kv(rows[i], type, offset + l, LANES);
            v_store(out + l, type == IDF_INT8 ? v_mul(x, scale) : x);
        }
        if (l < dim) {
            const vf x = load_kv(rows[i], type, offset + l, dim - l);
            v_store(out + l, type == IDF_INT8 ? v_mul(x, scale) : x);
        }
    }
}

static void pack_keys(float *out, const idf_attention_shape *shape, const char *const *rows, int64_t kv_head, int64_t count) {
    switch (shape->kv_type) {
    case IDF_BF16: pack_keys_of(out, shape, rows, IDF_BF16, kv_head, count); break;
    case IDF_INT8: pack_keys_of(out, shape, rows, IDF_INT8, kv_head, count); break;
    default: pack_keys_of(out, shape, rows, IDF_F32, kv_head, count); break;
    }
}

static void pack_values(float *out, const idf_attention_shape *shape, const char *const *rows, int64_t kv_head, int64_t count) {
    switch (shape->kv_type) {
    case IDF_BF16: pack_values_of(out, shape, rows, IDF_BF16, kv_head, count); break;
    case IDF_INT8: pack_values_of(out, shape, rows, IDF_INT8, kv_head, count); break;
    default: pack_values_of(out, shape, rows, IDF_F32, kv_head, count); break;
    }
}

/// Asks for one head of rows that are packed next: they come while tiles are multiplied.
static void fetch_rows(const idf_attention_shape *shape, const char *const *rows, int64_t kv_head, int64_t count) {
    const int64_t bytes = kv_bytes(shape->kv_type, shape->head_dim);
    for (int64_t i = 0; i < count; i++) {
        const char *p = rows[i] + kv_head * bytes;
        for (int64_t byte = 0; byte < bytes; byte += 64) __builtin_prefetch(p + byte, 0, 2);
    }
}

// MARK: - Making rows

static float quantize_head(int8_t *codes, const float *x, int64_t n) {
    // The bits of magnitudes are ordered as integers are, infinities and NaN above all numbers.
    uint32_t largest = 0;
    for (int64_t l = 0; l < n; l++) {
        uint32_t bits;
        memcpy(&bits, x + l, sizeof bits);
        bits &= 0x7fffffff;
        largest = bits > largest ? bits : largest;
    }
    float size;
    memcpy(&size, &largest, sizeof size);
    if (largest >= 0x7f800000 || size < 0x1p-100f) {
        memset(codes, 0, (size_t)n);
        return largest >= 0x7f800000 ? NAN : 0;
    }
    const vf inverse = v_set(127 / size);
    int64_t l = 0;
    for (; l + LANES <= n; l += LANES) v_store_i8(codes + l, v_mul(v_load(x + l), inverse));
    if (l < n) {
        int8_t rest[16];
        v_store_i8(rest, v_mul(v_load_n(x + l, n - l), inverse));
        memcpy(codes + l, rest, (size_t)(n - l));
    }
    return size / 127;
}
