// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Template: rounding a weight so that its products with calibration data change least, over the vectors of one
// instruction set. Lanes are rows of the weight, which do not depend on each other; every sum runs in the order of the
// reference loops.

#include "math.h"
#include "pack.h"

enum { SUMS = 8 }; ///< steps whose sums run together: as many chains as hide the latency of an addition

/// What LANES rows of the weight need while they are rounded; each [k][LANES], steps that are no multiple of 64 as 0.
typedef struct lanes {
    float *target, *error, *codes; ///< codes are IDF_BLOCK_ROWS apart
    float *scales;                 ///< [groups][LANES]
    vf low, high;
    int64_t k;
} lanes;

/// out [steps][LANES] = start + Σ matrix[first + i][j] · x[j] over j < count.
IDF_INLINE void sums(float *out, const float *start, const float *matrix, int64_t ld, int64_t steps, const float *x,
                     int64_t count) {
    for (int64_t i = 0; i < steps; i += SUMS) {
        vf sum[SUMS];
        const float *rows[SUMS];
        const int64_t last = steps - 1 - i;
        for (int s = 0; s < SUMS; s++) {
            rows[s] = matrix + (i + idf_min(s, last)) * ld;
            sum[s] = start != NULL ? v_load(start + (i + idf_min(s, last)) * LANES) : v_zero();
        }
        for (int64_t j = 0; j < count; j++) {
            const vf value = v_load(x + j * LANES);
            for (int s = 0; s < SUMS; s++) sum[s] = v_fma(v_set(rows[s][j]), value, sum[s]);
        }
        for (int s = 0; s <= idf_min(SUMS - 1, last); s++) v_store(out + (i + s) * LANES, sum[s]);
    }
}

/// Σ d·t·q and Σ d·q² of t = x · inverse and its nearest codes q.
IDF_INLINE void weighted_fit(const float *x, const float *d, vf inverse, vf low, vf high, vf *tq, vf *qq) {
    vf products = v_zero(), squares = v_zero();
    for (int64_t l = 0; l < IDF_GROUP; l++) {
        const vf t = v_mul(v_load(x + l * LANES), inverse), q = v_max(v_min(v_round(t), high), low);
        const vf dq = v_mul(v_set(d[l]), q);
        products = v_fma(t, dq, products);
        squares = v_fma(q, dq, squares);
    }
    *tq = products;
    *qq = squares;
}

/// The scales of x [64][LANES] of least squared error weighted by d; 0 for tiny groups, NaN for broken ones.
IDF_INLINE vf weighted_scales(const float *x, const float *d, idf_dtype format, vf low, vf high) {
    static const float candidates4[] = IDF_INT4_CANDIDATES, candidates8[] = IDF_INT8_CANDIDATES;
    const float *candidates = format == IDF_INT4 ? candidates4 : candidates8;
    const int count = format == IDF_INT4 ? sizeof candidates4 / 4 : sizeof candidates8 / 4;
    vf largest = v_zero(), broken = v_zero();
    for (int64_t l = 0; l < IDF_GROUP; l++) {
        const vf value = v_load(x + l * LANES);
        broken = v_fma(value, v_zero(), broken);
        largest = v_select(v_less(v_abs(largest), v_abs(value)), value, largest);
    }
    const vf one = v_set(1);
    const vm finite = v_less(v_abs(broken), one), tiny = v_less(v_abs(largest), v_set(0x1p-100f));
    largest = v_select(tiny, one, v_select(finite, largest, one));
    vf best = v_set(-1), scale = one, tq, qq;
    for (int i = 0; i < count; i++) {
        const vf candidate = v_set(-candidates[i]);
        weighted_fit(x, d, v_div(candidate, largest), low, high, &tq, &qq);
        const vf part = v_div(tq, v_set(candidates[i])), score = v_div(v_mul(part, part), qq);
        const vm better = v_less(best, score);
        best = v_select(better, score, best);
        scale = v_select(better, v_mul(v_div(tq, qq), v_div(largest, candidate)), scale);
    }
    uint16_t stored[LANES];
    const float zero = (float)idf_code_zero(format);
    for (int i = 0;; i++) {
        scale = v_max(v_min(scale, v_set(0x1.fep127f / zero)), v_set(-0x1.fep127f / zero));
        v_store_bf16(stored, scale);
        scale = v_load_bf16(stored);
        if (i == IDF_REFITS) break;
        weighted_fit(x, d, v_div(one, scale), low, high, &tq, &qq);
        scale = v_mul(v_div(tq, qq), scale);
    }
    return v_select(finite, v_select(tiny, v_zero(), scale), v_set(NAN));
}

/// Moves the target to where the drift of the inputs is made good: target += drift · hessian⁻¹.
IDF_INLINE void correct(const lanes *lanes, float *drift, const float *factor) {
    const int64_t k = lanes->k;
    for (int64_t j = k - 1; j >= 0; j--) {
        const float *row = factor + j * k;
        const vf z = v_load(drift + j * LANES);
        for (int64_t c = 0; c < j; c++) {
            v_store(drift + c * LANES, v_fma(v_set(-row[c]), z, v_load(drift + c * LANES)));
        }
    }
    for (int64_t c = 0; c < k; c++) {
        const float *row = factor + c * k;
        vf y = v_div(v_load(drift + c * LANES), v_set(row[c]));
        for (int64_t j = 0; j < c; j++) y = v_fma(v_set(-row[j]), v_load(drift + j * LANES), y);
        v_store(drift + c * LANES, y);
    }
    for (int64_t c = 0; c < k; c++) {
        v_store(lanes->target + c * LANES, v_add(v_load(lanes->target + c * LANES), v_load(drift + c * LANES)));
    }
}

/// The codes of t for a scale; 0 where there is none.
IDF_INLINE vf code_of(vf t, vf scale, vf inverse, vf low, vf high) {
    const vf code = v_max(v_min(v_round(v_mul(t, inverse)), high), low);
    return v_select(v_less(v_zero(), v_abs(scale)), code, v_zero());
}

/// Rounds step by step; what a step loses, those after it make good.
IDF_INLINE void round_in_order(const lanes *lanes, const float *factor, idf_dtype format) {
    const int64_t k = lanes->k;
    for (int64_t first = 0; first < k; first += IDF_GROUP) {
        const int64_t steps = idf_min(IDF_GROUP, k - first);
        float x[IDF_GROUP * LANES] = {0}, d[IDF_GROUP] = {0}, largest = 0;
        const float *rows = factor + first * k;
        sums(x, lanes->target + first * LANES, rows, k, steps, lanes->error, first);
        for (int64_t l = 0; l < steps; l++) {
            d[l] = rows[l * k + first + l];
            largest = d[l] > largest ? d[l] : largest;
        }
        for (int64_t l = 0; l < steps; l++) d[l] = d[l] / largest > 1e-6f ? d[l] / largest : 1e-6f;
        const vf scale = weighted_scales(x, d, format, lanes->low, lanes->high), inverse = v_div(v_set(1), scale);
        v_store(lanes->scales + first / IDF_GROUP * LANES, scale);
        for (int64_t l = 0; l < steps; l++) {
            const vf code = code_of(v_load(x + l * LANES), scale, inverse, lanes->low, lanes->high);
            const vf error = v_fma(v_sub(v_zero(), code), scale, v_load(lanes->target + (first + l) * LANES));
            v_store(lanes->codes + (first + l) * IDF_BLOCK_ROWS, code);
            v_store(lanes->error + (first + l) * LANES, error);
            for (int64_t i = l + 1; i < steps; i++) {
                v_store(x + i * LANES, v_fma(v_set(rows[i * k + first + l]), error, v_load(x + i * LANES)));
            }
        }
    }
}

/// The best scale of a group for its codes; r is what the errors of all steps weigh on each step of the group.
IDF_INLINE vf refit(const lanes *lanes, float *r, const float *block, int64_t first, int64_t steps, vf scale) {
    const int64_t k = lanes->k;
    float *codes = lanes->codes + first * IDF_BLOCK_ROWS, change[IDF_GROUP * LANES], weight[IDF_GROUP * LANES];
    for (int64_t l = 0; l < steps; l++) v_store(change + l * LANES, v_load(codes + l * IDF_BLOCK_ROWS));
    sums(weight, NULL, block, k, steps, change, steps);
    vf numerator = v_zero(), denominator = v_zero();
    for (int64_t l = 0; l < steps; l++) {
        const vf code = v_load(change + l * LANES);
        numerator = v_fma(v_load(r + l * LANES), code, numerator);
        denominator = v_fma(v_load(weight + l * LANES), code, denominator);
    }
    uint16_t stored[LANES];
    const float zero = (float)idf_code_zero(IDF_INT8);
    vf wanted = v_add(scale, v_div(numerator, denominator));
    v_store_bf16(stored, wanted);
    wanted = v_load_bf16(stored);
    // Neither NaN nor 0 nor beyond what codes can multiply.
    const vm usable = v_less(v_abs(wanted), v_set(0x1.fep127f / zero));
    wanted = v_select(usable, wanted, scale);
    wanted = v_select(v_less(v_zero(), v_abs(wanted)), wanted, scale);
    wanted = v_select(v_less(v_zero(), v_abs(scale)), wanted, scale);
    for (int64_t l = 0; l < steps; l++) {
        float *error = lanes->error + (first + l) * LANES;
        const vf before = v_load(error);
        const vf after = v_fma(v_sub(v_zero(), v_load(codes + l * IDF_BLOCK_ROWS)), wanted,
                               v_load(lanes->target + (first + l) * LANES));
        v_store(error, after);
        v_store(change + l * LANES, v_sub(after, before));
    }
    sums(r, r, block, k, steps, change, steps);
    return wanted;
}

/// Goes over all groups once more: refits each scale, then moves each code to its best place, all others as they are.
IDF_INLINE void sweep(const lanes *lanes, const float *hessian) {
    const int64_t k = lanes->k;
    for (int64_t first = 0; first < k; first += IDF_GROUP) {
        const int64_t steps = idf_min(IDF_GROUP, k - first);
        const float *block = hessian + first * k + first;
        float r[IDF_GROUP * LANES], *scales = lanes->scales + first / IDF_GROUP * LANES;
        sums(r, NULL, hessian + first * k, k, steps, lanes->error, k);
        const vf scale = refit(lanes, r, block, first, steps, v_load(scales)), inverse = v_div(v_set(1), scale);
        v_store(scales, scale);
        for (int64_t l = 0; l < steps; l++) {
            float *place = lanes->codes + (first + l) * IDF_BLOCK_ROWS, *error = lanes->error + (first + l) * LANES;
            const vf wish = v_div(v_load(r + l * LANES), v_set(block[l * k + l]));
            const vf code = code_of(v_fma(v_load(place), scale, wish), scale, inverse, lanes->low, lanes->high);
            const vf before = v_load(error);
            const vf after = v_fma(v_sub(v_zero(), code), scale, v_load(lanes->target + (first + l) * LANES));
            const vf change = v_sub(after, before);
            v_store(place, code);
            v_store(error, after);
            for (int64_t i = 0; i < steps; i++) {
                v_store(r + i * LANES, v_fma(v_set(block[i * k + l]), change, v_load(r + i * LANES)));
            }
        }
    }
}

/// Codes [64][16], as floats, to the units of a group.
IDF_INLINE void store_group(uint8_t *out, const float *codes, int64_t steps, idf_dtype format) {
    const int zero = idf_code_zero(format);
    memset(out, 0, (size_t)idf_group_bytes(format));
    for (int64_t l = 0; l < IDF_GROUP; l++) {
        int64_t unit;
        const int shift = idf_code_shift(format, l, &unit);
        for (int r = 0; r < IDF_BLOCK_ROWS; r++) {
            const int code = l < steps ? (int)codes[l * IDF_BLOCK_ROWS + r] : 0;
            out[unit * IDF_UNIT + r * 4 + shift / 8] |= (uint8_t)((code + zero) << shift % 8);
        }
    }
}

static int64_t scratch(int64_t k) {
    return k * (3 * LANES + IDF_BLOCK_ROWS) + idf_groups(k) * LANES;
}

static void quantize_calibrated(uint8_t *codes, uint16_t *scales, const idf_calibrated_weight *job, int64_t row,
                                int64_t rows, float *memory) {
    const int64_t k = job->k, groups = idf_groups(k);
    const float zero = (float)idf_code_zero(job->format);
    float *drift = memory + k * (2 * LANES + IDF_BLOCK_ROWS);
    for (int64_t lane = 0; lane < IDF_BLOCK_ROWS; lane += LANES) {
        const lanes lanes = {
            .target = memory + k * IDF_BLOCK_ROWS,
            .error = memory + k * (LANES + IDF_BLOCK_ROWS),
            .codes = memory + lane,
            .scales = drift + k * LANES,
            .low = v_set(-zero),
            .high = v_set(zero - 1),
            .k = k,
        };
        const int64_t rest = idf_min(LANES, idf_max(0, rows - lane)), at = (row + lane) * k;
        pack_lanes(lanes.target, LANES, (const char *)job->weight + (size_t)at * idf_dtype_size(job->dtype), job->dtype, k,
                   rest, k);
        if (job->drift != NULL) {
            pack_lanes(drift, LANES, (const char *)(job->drift + at), IDF_F32, k, rest, k);
            correct(&lanes, drift, job->factor);
        }
        round_in_order(&lanes, job->factor, job->format);
        for (int64_t i = 0; i < job->sweeps; i++) sweep(&lanes, job->hessian);
        for (int64_t g = 0; g < groups; g++) {
            v_store_bf16(scales + g * IDF_BLOCK_ROWS + lane, v_load(lanes.scales + g * LANES));
        }
    }
    for (int64_t g = 0; g < groups; g++) {
        store_group(codes + g * idf_group_bytes(job->format), memory + g * IDF_GROUP * IDF_BLOCK_ROWS,
                    idf_min(IDF_GROUP, k - g * IDF_GROUP), job->format);
    }
}

/// Rows row..<row + rows of a matrix [·, k], up to their diagonal, minus what the finished rows first..<end take from
/// them, the last of those first.
static void eliminate(double *matrix, int64_t k, int64_t first, int64_t end, int64_t row, int64_t rows) {
    enum { CHUNK = 1024 }; // of a row: 8 KiB stay in the L1 cache
    for (int64_t start = 0; start < row + rows; start += CHUNK) {
        for (int64_t i = idf_max(row, start); i < row + rows; i++) {
            double *out = matrix + i * k;
            const int64_t stop = idf_min(i + 1, start + CHUNK);
            for (int64_t j = end - 1; j >= first; j--) {
                const double *in = matrix + j * k, share = -(in[i] * in[j]);
                for (int64_t c = start; c < stop; c++) out[c] = __builtin_fma(share, in[c], out[c]);
            }
        }
    }
}

const idf_calibration_kernels IDF_NAME(idf_calibration) = {
    .scratch = scratch,
    .quantize = quantize_calibrated,
    .eliminate = eliminate,
};
