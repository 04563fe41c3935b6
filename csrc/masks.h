// Masks of objects: small squares of probabilities pasted into their boxes, and run-length encoding.
#pragma once

#include <cstdint>
#include <string>

namespace pixelwise {

// Where one mask goes: it is stretched over a box of `box_height` x `box_width` pixels, of which rows top .. top +
// height - 1 and columns left .. left + width - 1 are wanted. They are written to `offset`, column by column.
struct PasteWindow {
    int64_t box_height, box_width, top, left, height, width, offset;
};

// Masks (N, cells, cells); `pixels` receives 1 where the interpolated probability is greater than the threshold, else 0.
struct PasteCall {
    const float* masks;
    int64_t count, cells;
    const PasteWindow* windows;
    float threshold;
    uint8_t* pixels;
    int threads;
};

// COCO's compressed run lengths of a mask (height, width) of zeros but for a box-local part of zeros and ones, which is
// stored column by column.
struct LocalMask {
    const uint8_t* columns;
    int64_t local_height, local_width, top, left, height, width;
};

std::string encode_runs(const LocalMask& mask);

}  // namespace pixelwise
