// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include <stdatomic.h>

#include "kernels.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

/// What one instruction set computes with.
typedef struct instruction_set {
    idf_isa isa;
    int (*is_available)(void);
    const idf_kernels *kernels;
    const idf_integer_kernels *integers; ///< NULL: reference
    const idf_bf16_kernels *bf16;        ///< NULL: reference
} instruction_set;

// MARK: - What the machine has

static int always(void) { return 1; }

#if defined(__x86_64__)

static int has_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
static int has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}
static int has_avxvnni(void) { return has_avx2() && __builtin_cpu_supports("avxvnni"); }
static int has_avx512vnni(void) { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
static int has_avx512bf16(void) { return has_avx512vnni() && __builtin_cpu_supports("avx512bf16"); }

#elif defined(__aarch64__) && defined(__linux__)

static int has_dotprod(void) { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }
static int has_i8mm(void) { return has_dotprod() && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0; }

#elif defined(__aarch64__)

static int has_dotprod(void) { return 1; } // every Apple processor with a Mac around it
static int has_i8mm(void) { return 0; }    // not the first of them

#endif

/// Rising; of two with the same name the first that the machine has.
static const instruction_set sets[] = {
    {IDF_ISA_REFERENCE, always, &idf_kernels_reference, NULL, NULL},
#if defined(__x86_64__)
    {IDF_ISA_AVX2, has_avx2, &idf_kernels_avx2, &idf_integer_avx2, &idf_bf16_avx2},
    {IDF_ISA_AVX_VNNI, has_avxvnni, &idf_kernels_avx2, &idf_integer_avxvnni, &idf_bf16_avx2},
    {IDF_ISA_AVX_VNNI, has_avx512vnni, &idf_kernels_avx2, &idf_integer_vnni256, &idf_bf16_avx2},
    {IDF_ISA_AVX512, has_avx512, &idf_kernels_avx512, &idf_integer_avx2, &idf_bf16_avx512},
    {IDF_ISA_AVX512_VNNI, has_avx512vnni, &idf_kernels_avx512, &idf_integer_vnni, &idf_bf16_avx512},
    {IDF_ISA_AVX512_BF16, has_avx512bf16, &idf_kernels_avx512, &idf_integer_vnni, &idf_bf16_avx512_native},
#elif defined(__aarch64__)
    {IDF_ISA_NEON, always, &idf_kernels_neon, &idf_integer_neon, &idf_bf16_neon},
    {IDF_ISA_DOTPROD, has_dotprod, &idf_kernels_neon, &idf_integer_dotprod, &idf_bf16_neon},
    {IDF_ISA_I8MM, has_i8mm, &idf_kernels_neon, &idf_integer_i8mm, &idf_bf16_neon},
#endif
};
enum { SETS = sizeof sets / sizeof sets[0] };

/// The set of a name, NULL when the machine has none.
static const instruction_set *set_of(idf_isa isa) {
    for (int i = 0; i < SETS; i++) {
        if (sets[i].isa == isa && sets[i].is_available()) return &sets[i];
    }
    return NULL;
}

static const instruction_set *best(void) {
    int i = SETS - 1;
    while (!sets[i].is_available()) i--;
    return &sets[i];
}

// MARK: - What is in use

static _Atomic(const instruction_set *) chosen;

static const instruction_set *current(void) {
    const instruction_set *set = atomic_load_explicit(&chosen, memory_order_acquire);
    if (set == NULL) {
        set = best();
        atomic_store_explicit(&chosen, set, memory_order_release);
    }
    return set;
}

const idf_kernels *idf_kernels_current(void) { return current()->kernels; }
const idf_kernels *idf_kernels_best(void) { return best()->kernels; }
const idf_integer_kernels *idf_integer_kernels_current(void) { return current()->integers; }
const idf_bf16_kernels *idf_bf16_kernels_current(void) { return current()->bf16; }
const idf_bf16_kernels *idf_bf16_kernels_best(void) { return best()->bf16; }
const idf_integer_kernels *idf_integer_kernels_best(void) { return best()->integers; }

idf_isa idf_isa_current(void) { return current()->isa; }

int idf_isa_available(idf_isa isa) { return set_of(isa) != NULL; }

void idf_isa_select(idf_isa isa) {
    const instruction_set *set = set_of(isa);
    if (set != NULL) atomic_store_explicit(&chosen, set, memory_order_release);
}

int idf_isa_is_products_only(idf_isa isa) {
    const instruction_set *set = set_of(isa);
    for (int i = 0; i < SETS && sets[i].isa < isa; i++) {
        if (set != NULL && sets[i].kernels == set->kernels) return 1;
    }
    return 0;
}

const char *idf_isa_name(idf_isa isa) {
    static const char *const names[IDF_ISA_COUNT] = {"reference",   "avx2", "avx-vnni", "avx512",
                                                     "avx512-vnni", "avx512-bf16", "neon", "dotprod", "i8mm"};
    return isa < IDF_ISA_COUNT ? names[isa] : "unknown";
}
