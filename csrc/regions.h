// Regions of a fixed size read off a feature map in channels-last memory (RoIAlign), and the gradient of that.
#pragma once

#include <cstdint>

namespace pixelwise {

// Maps are (N, height, width, channels), regions (P, cells, cells, channels). Each of `count` rois is the number of its
// picture, then left, top, right and bottom in pixels; `places` says which of the P regions it is.
struct RegionShape {
    int64_t pictures, height, width, channels;
    const float* rois;
    const int64_t* places;
    int64_t count;
    float scale;  // cells of the map a pixel
    int64_t cells, samples;
    bool half_pixel;
    bool half;  // whether maps and regions are bfloat16, else float
    int threads;
};

struct RegionCall {
    RegionShape shape;
    const void* map;
    void* output;
};

// What each cell of the map has done to the regions is added to its gradient.
struct RegionBackward {
    RegionShape shape;
    const void* output_gradient;
    float* map_gradient;
};

}  // namespace pixelwise
