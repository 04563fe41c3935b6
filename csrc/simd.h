// Vectors of floats as wide as the instruction set that the including file is compiled for.
//
// The vector extension of GCC and Clang turns one source into AVX-512, AVX2, SSE2 or NEON; a set without registers this
// wide gets several instructions. Everything lives in a namespace named after the set, so that the copies of a kernel
// do not meet in the linker.
#pragma once

#include <cstdint>
#include <cstring>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace pixelwise::PIXELWISE_ISA {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

using Floats = float __attribute__((vector_size(LANES * sizeof(float))));
using Ints = int32_t __attribute__((vector_size(LANES * sizeof(int32_t))));

inline Floats load(const float* from) {
    Floats value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

inline void store(float* to, Floats value) { std::memcpy(to, &value, sizeof value); }

inline Ints load(const int32_t* from) {
    Ints value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

inline void store(int32_t* to, Ints value) { std::memcpy(to, &value, sizeof value); }

inline Floats broadcast(float value) { return value - Floats{}; }

inline Ints broadcast(int32_t value) { return value + Ints{}; }

// {from[index[0]], from[index[1]], ...} for indices 0 .. LANES - 1; all LANES floats are read.
inline Floats permute(const float* from, const int32_t* index) {
#if defined(__AVX512F__)
    return (Floats)_mm512_permutexvar_ps((__m512i)load(index), (__m512)load(from));
#elif defined(__AVX2__)
    return (Floats)_mm256_permutevar8x32_ps((__m256)load(from), (__m256i)load(index));
#else
    Floats value;
    for (int k = 0; k < LANES; ++k) value[k] = from[index[k]];
    return value;
#endif
}

inline Floats as_floats(Ints bits) {
    Floats value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

inline Ints as_ints(Floats value) {
    Ints bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

inline float sum_of(Floats value) {
    float sum = 0.0f;
    for (int k = 0; k < LANES; ++k) sum += value[k];
    return sum;
}

// bfloat16 is the upper half of a float.
struct bfloat16 {
    uint16_t bits;
};

// IEEE half precision: 5 bits of exponent, 10 of mantissa.
struct float16 {
    uint16_t bits;
};

inline float to_float(float value) { return value; }

inline float to_float(float16 value) {
    // The exponent is rebased by a multiplication, which also takes care of numbers too small to be normal.
    const uint32_t magnitude = uint32_t{value.bits} << 13 & 0x0fffe000;
    float wide;
    std::memcpy(&wide, &magnitude, sizeof wide);
    wide *= 0x1p112f;
    uint32_t bits;
    std::memcpy(&bits, &wide, sizeof bits);
    const uint32_t special = magnitude >= 0x0f800000 ? 0x7f800000 : 0;  // infinity or NaN
    bits |= special | uint32_t{value.bits} << 16 & 0x80000000;
    std::memcpy(&wide, &bits, sizeof wide);
    return wide;
}

inline float to_float(bfloat16 value) {
    const uint32_t bits = uint32_t{value.bits} << 16;
    float wide;
    std::memcpy(&wide, &bits, sizeof wide);
    return wide;
}

inline void from_float(float value, float& to) { to = value; }

inline void from_float(float value, bfloat16& to) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);  // to nearest, ties to even
    const uint32_t quiet_nan = bits | 0x400000;                 // rounding could carry a NaN into infinity
    to.bits = static_cast<uint16_t>((value == value ? rounded : quiet_nan) >> 16);
}

inline void from_float(float value, float16& to) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000;
    bits &= 0x7fffffff;
    uint32_t half;
    if (bits >= 0x47800000) {  // 2^16 or more, or NaN
        half = bits > 0x7f800000 ? 0x7e00 : 0x7c00;
    } else if (bits < 0x38800000) {
        // Below 2^-14 the format has steps of 2^-24, which floats from 0.5 on have, too: their addition rounds.
        float shifted;
        std::memcpy(&shifted, &bits, sizeof shifted);
        shifted += 0.5f;
        std::memcpy(&half, &shifted, sizeof half);
        half -= 0x3f000000;
    } else {
        half = (bits - (112u << 23) + 0xfff + (bits >> 13 & 1)) >> 13;  // to nearest, ties to even
    }
    to.bits = static_cast<uint16_t>(sign | half);
}

}  // namespace pixelwise::PIXELWISE_ISA
