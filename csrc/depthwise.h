// The gradient of a depthwise convolution (one filter a channel) in channels-last memory.
#pragma once

#include <cstdint>

namespace pixelwise {

struct DepthwiseShape {
    int64_t batch, channels;
    int64_t in_height, in_width, out_height, out_width;
    int64_t kernel_height, kernel_width;
    int64_t stride_y, stride_x, padding_y, padding_x, dilation_y, dilation_x;
};

// Pointers of one call. Pictures are (N, H, W, C), of float or, where `half` is set, bfloat16; filters are
// (kernel height * kernel width, C) floats. The gradients are overwritten.
struct DepthwiseBackward {
    DepthwiseShape shape;
    bool half;
    const void* input;
    const float* weight;
    const void* output_gradient;
    void* input_gradient;
    float* weight_gradient;
    int threads;
};

}  // namespace pixelwise
