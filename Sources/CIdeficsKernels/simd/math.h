// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Template: exponential and activations over the vectors of one instruction set. Error bounds were measured over
// every 16th float; the conformance checks repeat a part of that.

#pragma once

/// exp(x) for x <= 0 or NaN, within 1 ulp; below -87.3 the result is 0, not subnormal.
IDF_INLINE vf v_exp_negative(vf x) {
    // x = n·ln2 + r, |r| <= ln2/2; exp(r) = 1 + r + r²·q(r), minimax, relative error 3e-9 before rounding.
    const vf n = v_round(v_mul(x, v_set(1.44269504f)));
    vf r = v_fma(n, v_set(-0.693145751953125f), x);
    r = v_fma(n, v_set(-1.42860677e-6f), r);
    vf q = v_fma(r, v_set(0.0013814607f), v_set(0.008368711f));
    q = v_fma(q, r, v_set(0.041668389f));
    q = v_fma(q, r, v_set(0.16666521f));
    q = v_fma(q, r, v_set(0.49999994f));
    const vf p = v_add(v_fma(v_mul(r, r), q, r), v_set(1.0f));
    return v_select(v_less(x, v_set(-87.3f)), v_zero(), v_scale_exponent(p, n));
}

/// x / (1 + exp(-z)) for z of the sign of x, from exp(-|z|) so that nothing overflows; 0 where z is below -87.3.
IDF_INLINE vf v_times_sigmoid(vf x, vf z) {
    const vf one = v_set(1.0f), e = v_exp_negative(v_sub(v_zero(), v_abs(z)));
    const vf numerator = v_select(v_less(x, v_zero()), v_mul(x, e), x);
    return v_div(numerator, v_add(one, e));
}

/// x · σ(x): within 4 ulp.
IDF_INLINE vf v_silu(vf x) {
    return v_times_sigmoid(x, x);
}

/// x · σ(1.702 x), the approximation of gelu that OpenAI's CLIP was trained with; the rounding of 1.702 x shows in the
/// lower tail: relative error up to 6e-6 there.
IDF_INLINE vf v_quick_gelu(vf x) {
    return v_times_sigmoid(x, v_mul(x, v_set(1.702f)));
}

/// x · Φ(x) with Φ(-t) = exp(-t²/2) · g(t): g is a minimax polynomial of u = (t − 3) / (t + 3), relative error 1e-8
/// before rounding, so the lower tail keeps its relative accuracy: within 8 ulp.
IDF_INLINE vf v_gelu(vf x) {
    const vf one = v_set(1.0f), t = v_abs(x);
    const vf end = v_set(14.5f), inside = v_select(v_less(t, end), t, end);
    const vf u = v_div(v_sub(inside, v_set(3.0f)), v_add(inside, v_set(3.0f)));
    vf g = v_fma(u, v_set(5.316146e-5f), v_set(1.1501439e-4f));
    g = v_fma(g, u, v_set(-3.3901245e-4f));
    g = v_fma(g, u, v_set(-9.832890e-4f));
    g = v_fma(g, u, v_set(2.9043874e-3f));
    g = v_fma(g, u, v_set(6.1319424e-3f));
    g = v_fma(g, u, v_set(-4.6213266e-2f));
    g = v_fma(g, u, v_set(0.12322504f));
    g = v_fma(g, u, v_set(-0.20640261f));
    g = v_fma(g, u, v_set(0.12151395f));
    // The rounding of t² would cost 90 ulp at its end: put it back as a factor 1 − rest/2.
    const vf square = v_mul(inside, inside), rest = v_fma(inside, inside, v_sub(v_zero(), square));
    const vf e = v_mul(g, v_exp_negative(v_mul(square, v_set(-0.5f))));
    const vf tail = v_fma(e, v_mul(rest, v_set(-0.5f)), e);
    return v_mul(x, v_select(v_less(x, v_zero()), tail, v_sub(one, tail)));
}

IDF_INLINE vf v_activate(vf x, idf_activation activation) {
    switch (activation) {
    case IDF_ACT_RELU: return v_max(v_zero(), x); // NaN stays
    case IDF_ACT_GELU: return v_gelu(x);
    case IDF_ACT_SILU: return v_silu(x);
    case IDF_ACT_QUICK_GELU: return v_quick_gelu(x);
    case IDF_ACT_NONE: break;
    }
    return x;
}
