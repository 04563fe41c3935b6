// Vectors of floats as wide as the instruction set that the including file is compiled for.
//
// The vector extension of GCC and Clang turns one source into AVX-512, AVX2, SSE2 or NEON; a set without registers this
// wide gets several instructions. Everything lives in a namespace named after the set, so that the copies of a kernel
// do not meet in the linker.
#pragma once

#include <cstdint>
#include <cstring>

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

inline Floats broadcast(float value) { return value - Floats{}; }

// bfloat16 is the upper half of a float.
struct bfloat16 {
    uint16_t bits;
};

inline float to_float(float value) { return value; }

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

}  // namespace pixelwise::PIXELWISE_ISA
