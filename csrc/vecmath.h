// exp and log of vectors, for the ranges that a softmax needs.
#pragma once

#include "simd.h"

namespace pixelwise::PIXELWISE_ISA {

// e^x for x <= 0, to about one unit in the last place; anything below -87 gives e^-87. NaN stays NaN.
inline Floats exp_of_negative(Floats x) {
    x = x < -87.0f ? broadcast(-87.0f) : x;
    // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
    const Floats shifted = x * 1.44269504f + 12582912.0f;
    const Floats n = shifted - 12582912.0f;
    const Floats power = as_floats(((as_ints(shifted) - 0x4b400000) + 127) << 23);  // 2^n
    // x - n ln 2, with ln 2 in two parts so that the difference loses nothing; then the Taylor series, |r| < 0.35.
    const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    Floats sum = r * (1.0f / 5040) + 1.0f / 720;
    sum = sum * r + 1.0f / 120;
    sum = sum * r + 1.0f / 24;
    sum = sum * r + 1.0f / 6;
    sum = sum * r + 0.5f;
    sum = sum * r + 1.0f;
    sum = sum * r + 1.0f;
    return sum * power;
}

// ln x for normal x > 0, to a few units in the last place. NaN stays NaN.
inline Floats log_of(Floats x) {
    // x = 2^n m with m in sqrt(1/2) .. sqrt(2)
    const Ints bits = as_ints(x);
    const Ints n = (bits - 0x3f3504f3) >> 23;
    const Floats m = as_floats(bits - (n << 23));
    // ln m = 2 artanh(s) with s = (m - 1) / (m + 1), |s| < 0.172
    const Floats s = (m - 1.0f) / (m + 1.0f);
    const Floats square = s * s;
    Floats sum = square * (1.0f / 9) + 1.0f / 7;
    sum = sum * square + 1.0f / 5;
    sum = sum * square + 1.0f / 3;
    const Floats log_m = 2.0f * s + 2.0f * s * square * sum;
    const Floats result = __builtin_convertvector(n, Floats) * 0.693147181f + log_m;
    return x == x ? result : x;
}

}  // namespace pixelwise::PIXELWISE_ISA
