// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "idefics_hash.h"

#include <string.h>

static inline uint32_t rotl(uint32_t x, int n) { return x << n | x >> (32 - n); }

static void block(uint32_t state[5], const uint8_t *p) {
    uint32_t w[80];
    for (int i = 0; i < 16; i++, p += 4) {
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    }
    for (int i = 16; i < 80; i++) w[i] = rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int i = 0; i < 80; i++) {
        uint32_t f, k;
        if (i < 20) {
            f = (b & c) | (~b & d), k = 0x5a827999;
        } else if (i < 40) {
            f = b ^ c ^ d, k = 0x6ed9eba1;
        } else if (i < 60) {
            f = (b & c) | (b & d) | (c & d), k = 0x8f1bbcdc;
        } else {
            f = b ^ c ^ d, k = 0xca62c1d6;
        }
        uint32_t t = rotl(a, 5) + f + e + k + w[i];
        e = d, d = c, c = rotl(b, 30), b = a, a = t;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

void idf_sha1_init(idf_sha1_context *context) {
    static const uint32_t initial[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    memset(context, 0, sizeof *context);
    memcpy(context->state, initial, sizeof initial);
}

void idf_sha1_update(idf_sha1_context *context, const void *bytes, size_t count) {
    const uint8_t *p = bytes;
    size_t used = context->length % 64;
    context->length += count;
    if (used) {
        size_t n = count < 64 - used ? count : 64 - used;
        memcpy(context->block + used, p, n);
        p += n, count -= n;
        if (used + n < 64) return;
        block(context->state, context->block);
    }
    for (; count >= 64; count -= 64, p += 64) block(context->state, p);
    if (count) memcpy(context->block, p, count);
}

void idf_sha1_final(idf_sha1_context *context, uint8_t digest[20]) {
    size_t used = context->length % 64;
    uint64_t bits = context->length * 8;
    context->block[used++] = 0x80;
    if (used > 56) {
        memset(context->block + used, 0, 64 - used);
        block(context->state, context->block);
        used = 0;
    }
    memset(context->block + used, 0, 56 - used);
    for (int i = 0; i < 8; i++) context->block[56 + i] = (uint8_t)(bits >> (56 - 8 * i));
    block(context->state, context->block);
    for (int i = 0; i < 20; i++) digest[i] = (uint8_t)(context->state[i / 4] >> (24 - 8 * (i % 4)));
}
