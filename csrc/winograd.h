// 3x3 convolutions by Winograd's algorithm F(4x4, 3x3), on float maps in channels-last memory.
//
// A map is cut into tiles of 4x4 outputs. What a tile reads, 6x6 values, is turned into 36 points, so that a point of the
// output is the product of the same point of the input and of the kernel: 36 multiplications in place of 144. The
// products, one matrix a point, are not in here.
#pragma once

#include <cstdint>

namespace pixelwise {

// Tiles are numbered by picture, row and column; `count` of them from `first` on are worked on. Maps are (pictures,
// height, width, channels), points (36, count, channels). Channels come in whole blocks of 16.
struct WinogradShape {
    int64_t pictures, height, width, channels;
    int64_t first, count;
    int threads;
};

// Beyond the border the map reads 0.
struct WinogradInput {
    WinogradShape shape;
    const float* map;
    float* points;
};

struct WinogradOutput {
    WinogradShape shape;
    const float* points;
    const float* bias;  // of each channel
    float* map;
};

}  // namespace pixelwise
