// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "reference.h"

/// One row of the weight while it is rounded.
typedef struct row {
    float *target, *error, *codes, *scales;
    float low, high;
    idf_dtype format;
    int64_t k;
} row;

static float code_of(const row *row, float t, float scale) {
    if (!(fabsf(scale) > 0)) return 0;
    const float code = rintf(t * (1 / scale));
    return code > row->high ? row->high : code < row->low ? row->low : code;
}

static float bf16(float x) {
    uint16_t stored;
    idf_from_f32_reference(&stored, &x, IDF_BF16, 1);
    return idf_f32_of_bf16(stored);
}

/// Σ d·t·q and Σ d·q² of t = x · inverse and its nearest codes q.
static void fit(const row *row, const float *x, const float *d, float inverse, float *tq, float *qq) {
    *tq = *qq = 0;
    for (int l = 0; l < IDF_GROUP; l++) {
        const float t = x[l] * inverse, code = rintf(t);
        const float q = code > row->high ? row->high : code < row->low ? row->low : code, dq = d[l] * q;
        *tq = fmaf(t, dq, *tq);
        *qq = fmaf(q, dq, *qq);
    }
}

static float scale_of(const row *row, const float *x, const float *d) {
    static const float candidates4[] = IDF_INT4_CANDIDATES, candidates8[] = IDF_INT8_CANDIDATES;
    const float *candidates = row->format == IDF_INT4 ? candidates4 : candidates8;
    const int count = row->format == IDF_INT4 ? sizeof candidates4 / 4 : sizeof candidates8 / 4;
    float largest = 0, tq, qq, best = -1, scale = 1;
    for (int l = 0; l < IDF_GROUP; l++) {
        if (!isfinite(x[l])) return NAN;
        if (fabsf(x[l]) > fabsf(largest)) largest = x[l];
    }
    if (fabsf(largest) < 0x1p-100f) return 0;
    for (int i = 0; i < count; i++) {
        fit(row, x, d, -candidates[i] / largest, &tq, &qq);
        const float part = tq / candidates[i], score = part * part / qq;
        if (score > best) {
            best = score;
            scale = tq / qq * (largest / -candidates[i]);
        }
    }
    const float most = 0x1.fep127f / (float)idf_code_zero(row->format);
    for (int i = 0;; i++) {
        scale = bf16(scale > most ? most : scale < -most ? -most : scale);
        if (i == IDF_REFITS) return scale;
        fit(row, x, d, 1 / scale, &tq, &qq);
        scale = tq / qq * scale;
    }
}

/// target += drift · hessian⁻¹, the hessian being Uᵀ-wise factor: U · D · Uᵀ.
static void correct(const row *row, float *drift, const float *factor) {
    const int64_t k = row->k;
    for (int64_t j = k - 1; j >= 0; j--) {
        for (int64_t c = 0; c < j; c++) drift[c] = fmaf(-factor[j * k + c], drift[j], drift[c]);
    }
    for (int64_t c = 0; c < k; c++) {
        drift[c] /= factor[c * k + c];
        for (int64_t j = 0; j < c; j++) drift[c] = fmaf(-factor[c * k + j], drift[j], drift[c]);
    }
    for (int64_t c = 0; c < k; c++) row->target[c] += drift[c];
}

static void round_in_order(const row *row, const float *factor) {
    const int64_t k = row->k;
    for (int64_t first = 0; first < k; first += IDF_GROUP) {
        const int64_t steps = idf_min(IDF_GROUP, k - first);
        float x[IDF_GROUP] = {0}, d[IDF_GROUP] = {0}, largest = 0;
        for (int64_t l = 0; l < steps; l++) {
            x[l] = row->target[first + l];
            for (int64_t j = 0; j < first; j++) x[l] = fmaf(factor[(first + l) * k + j], row->error[j], x[l]);
            d[l] = factor[(first + l) * k + first + l];
            largest = d[l] > largest ? d[l] : largest;
        }
        for (int64_t l = 0; l < steps; l++) d[l] = d[l] / largest > 1e-6f ? d[l] / largest : 1e-6f;
        const float scale = row->scales[first / IDF_GROUP] = scale_of(row, x, d);
        for (int64_t l = 0; l < steps; l++) {
            const float code = code_of(row, x[l], scale);
            row->codes[first + l] = code;
            row->error[first + l] = fmaf(-code, scale, row->target[first + l]);
            for (int64_t i = l + 1; i < steps; i++) x[i] = fmaf(factor[(first + i) * k + first + l], row->error[first + l], x[i]);
        }
    }
}

static float refit(const row *row, float *r, const float *block, int64_t first, int64_t steps, float scale) {
    float change[IDF_GROUP], numerator = 0, denominator = 0;
    for (int64_t l = 0; l < steps; l++) {
        const float *codes = row->codes + first;
        float weight = 0;
        for (int64_t j = 0; j < steps; j++) weight = fmaf(block[l * row->k + j], codes[j], weight);
        numerator = fmaf(r[l], codes[l], numerator);
        denominator = fmaf(weight, codes[l], denominator);
    }
    float wanted = bf16(scale + numerator / denominator);
    if (!(fabsf(wanted) < 0x1.fep127f / 128) || wanted == 0 || !(fabsf(scale) > 0)) wanted = scale;
    for (int64_t l = 0; l < steps; l++) {
        const float after = fmaf(-row->codes[first + l], wanted, row->target[first + l]);
        change[l] = after - row->error[first + l];
        row->error[first + l] = after;
    }
    for (int64_t l = 0; l < steps; l++) {
        for (int64_t j = 0; j < steps; j++) r[l] = fmaf(block[l * row->k + j], change[j], r[l]);
    }
    return wanted;
}

static void sweep(const row *row, const float *hessian) {
    const int64_t k = row->k;
    for (int64_t first = 0; first < k; first += IDF_GROUP) {
        const int64_t steps = idf_min(IDF_GROUP, k - first);
        const float *block = hessian + first * k + first;
        float r[IDF_GROUP] = {0};
        for (int64_t l = 0; l < steps; l++) {
            for (int64_t j = 0; j < k; j++) r[l] = fmaf(hessian[(first + l) * k + j], row->error[j], r[l]);
        }
        float *scale = &row->scales[first / IDF_GROUP];
        *scale = refit(row, r, block, first, steps, *scale);
        for (int64_t l = 0; l < steps; l++) {
            const float wish = r[l] / block[l * k + l];
            const float code = code_of(row, fmaf(row->codes[first + l], *scale, wish), *scale);
            const float after = fmaf(-code, *scale, row->target[first + l]), change = after - row->error[first + l];
            row->codes[first + l] = code;
            row->error[first + l] = after;
            for (int64_t i = 0; i < steps; i++) r[i] = fmaf(block[i * k + l], change, r[i]);
        }
    }
}

static int64_t scratch(int64_t k) { return 4 * k + idf_groups(k); }

static void quantize(uint8_t *codes, uint16_t *scales, const idf_calibrated_weight *job, int64_t first, int64_t rows,
                     float *memory) {
    const int64_t k = job->k, groups = idf_groups(k);
    const int zero = idf_code_zero(job->format);
    memset(codes, 0, (size_t)(groups * idf_group_bytes(job->format)));
    for (int64_t r = 0; r < IDF_BLOCK_ROWS; r++) {
        float *drift = memory + 3 * k;
        const row row = {.target = memory, .error = memory + k, .codes = memory + 2 * k, .scales = memory + 4 * k,
                         .low = (float)-zero, .high = (float)(zero - 1), .format = job->format, .k = k};
        for (int64_t l = 0; l < k; l++) {
            const int64_t at = (first + r) * k + l;
            row.target[l] = r < rows ? idf_element_reference(job->weight, job->dtype, at) : 0;
            drift[l] = r < rows && job->drift != NULL ? job->drift[at] : 0;
        }
        if (job->drift != NULL) correct(&row, drift, job->factor);
        round_in_order(&row, job->factor);
        for (int64_t i = 0; i < job->sweeps; i++) sweep(&row, job->hessian);
        for (int64_t g = 0; g < groups; g++) {
            idf_from_f32_reference(scales + g * IDF_BLOCK_ROWS + r, row.scales + g, IDF_BF16, 1);
            for (int64_t l = 0; l < IDF_GROUP; l++) {
                const int64_t at = g * IDF_GROUP + l;
                int64_t unit;
                const int shift = idf_code_shift(job->format, l, &unit), code = at < k ? (int)row.codes[at] : 0;
                codes[g * idf_group_bytes(job->format) + unit * IDF_UNIT + r * 4 + shift / 8] |=
                    (uint8_t)((code + zero) << shift % 8);
            }
        }
    }
}

static void eliminate(double *matrix, int64_t k, int64_t first, int64_t end, int64_t row, int64_t rows) {
    for (int64_t i = row; i < row + rows; i++) {
        for (int64_t j = end - 1; j >= first; j--) {
            const double share = -(matrix[j * k + i] * matrix[j * k + j]);
            for (int64_t c = 0; c <= i; c++) matrix[i * k + c] = fma(share, matrix[j * k + c], matrix[i * k + c]);
        }
    }
}

const idf_calibration_kernels idf_calibration_reference = {
    .scratch = scratch,
    .quantize = quantize,
    .eliminate = eliminate,
};
