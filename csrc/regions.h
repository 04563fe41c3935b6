// Regions of a fixed size read off a feature map in channels-last memory (RoIAlign).
#pragma once

#include <cstdint>

namespace pixelwise {

// Pointers of one call. The map is (N, height, width, channels), the output (P, cells, cells, channels), both of float
// or, where `half` is set, bfloat16. Each of `count` rois is the number of its picture, then left, top, right and bottom
// in pixels; `places` says which of the P regions it is.
struct RegionCall {
    const void* map;
    bool half;
    int64_t pictures, height, width, channels;
    const float* rois;
    const int64_t* places;
    int64_t count;
    float scale;  // cells of the map a pixel
    int64_t cells, samples;
    bool half_pixel;
    void* output;
    int threads;
};

}  // namespace pixelwise
