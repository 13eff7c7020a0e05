// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include <stdatomic.h>

#include "kernels.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

static _Atomic(const idf_kernels *) current;

static const idf_kernels *table(idf_isa isa) {
    switch (isa) {
    case IDF_ISA_REFERENCE: return &idf_kernels_reference;
#if defined(__x86_64__)
    case IDF_ISA_AVX2:
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")
                   ? &idf_kernels_avx2
                   : NULL;
    case IDF_ISA_AVX512:
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                       table(IDF_ISA_AVX2) != NULL
                   ? &idf_kernels_avx512
                   : NULL;
#elif defined(__aarch64__)
    case IDF_ISA_NEON: return &idf_kernels_neon;
#endif
    default: return NULL;
    }
}

const idf_kernels *idf_kernels_best(void) {
    for (int isa = IDF_ISA_NEON; isa > IDF_ISA_REFERENCE; isa--) {
        const idf_kernels *kernels = table((idf_isa)isa);
        if (kernels != NULL) return kernels;
    }
    return &idf_kernels_reference;
}

#if defined(__aarch64__)
static int has_dotprod(void) {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
    return 1; // every Apple processor with a Mac around it
#endif
}
#endif

const idf_integer_kernels *idf_integer_kernels_for(const idf_kernels *kernels) {
    switch (kernels->isa) {
#if defined(__x86_64__)
    case IDF_ISA_AVX512: return __builtin_cpu_supports("avx512vnni") ? &idf_integer_vnni : &idf_integer_avx2;
    case IDF_ISA_AVX2: return &idf_integer_avx2;
#elif defined(__aarch64__)
    case IDF_ISA_NEON: return has_dotprod() ? &idf_integer_dotprod : &idf_integer_neon;
#endif
    default: return NULL;
    }
}

const idf_kernels *idf_kernels_current(void) {
    const idf_kernels *kernels = atomic_load_explicit(&current, memory_order_acquire);
    if (kernels == NULL) {
        kernels = idf_kernels_best();
        atomic_store_explicit(&current, kernels, memory_order_release);
    }
    return kernels;
}

idf_isa idf_isa_current(void) { return idf_kernels_current()->isa; }

int idf_isa_available(idf_isa isa) { return table(isa) != NULL; }

void idf_isa_select(idf_isa isa) {
    const idf_kernels *kernels = table(isa);
    if (kernels != NULL) atomic_store_explicit(&current, kernels, memory_order_release);
}

const char *idf_isa_name(idf_isa isa) {
    switch (isa) {
    case IDF_ISA_REFERENCE: return "reference";
    case IDF_ISA_AVX2: return "avx2";
    case IDF_ISA_AVX512: return "avx512";
    case IDF_ISA_NEON: return "neon";
    }
    return "unknown";
}
