// Calls of the fused tail: what is computed from coarse logits without building full-size ones.
#pragma once

#include <cstdint>

namespace pixelwise {

// Pixel i reads the coarse map at i * scale + offset, clamped to its cells.
struct Axis {
    int64_t cells, pixels;
    double scale, offset;
};

enum class Float { float32, bfloat16, float16 };

// Elements from one picture, class, row and column of (N, K, h, w) to the next.
struct Strides {
    int64_t picture, classes, row, column;
};

// (N, K, h, w) scores of any memory layout.
struct Logits {
    const void* data;
    Float type;
    int64_t pictures, classes;
    Strides strides;
    Axis rows, columns;
};

// (N, H, W) classes, one byte or eight bytes a pixel.
struct Target {
    const void* data;
    bool wide;
    int64_t ignore_index;
};

// The class of the greatest score at each pixel, (N, H, W); `wide` labels take eight bytes, others one.
struct ArgmaxCall {
    Logits logits;
    void* labels;
    bool wide;
    int threads;
};

// Pixels of each pair (target, prediction): `counts` (K, K) is added to. `bad_target` turns true where a
// target is neither a class nor the ignored value.
struct UpsampleConfusionCall {
    Logits logits;
    Target target;
    int64_t* counts;
    bool* bad_target;
    int threads;
};

// The same from labels that are there already; `count` pixels of one or eight bytes. A prediction counts only where its
// target does. `bad_target` and `bad_prediction` turn true where a counted value is no class.
struct ConfusionCall {
    Target target;
    const void* predictions;
    bool wide_predictions;
    int64_t count, classes;
    int64_t* counts;
    bool* bad_target;
    bool* bad_prediction;
    int threads;
};

// Weighted cross-entropy. `pixel_weights` (N, H, W), `gradient` (N, K, h, w; of the type of the logits) and `losses`
// (N, H, W) may be null. The gradient is that of `loss_sum`, the sum of the losses of counted pixels, times
// `gradient_factor`: it is summed up in float32 and rounded to its type after that factor alone, so that half precision
// neither overflows nor loses what the factor would bring back. `weight_sum` adds up the class weight times the pixel
// weight of counted pixels. Cells that no pixel reads must be zeros in `gradient`, others are overwritten. `bad_target`
// turns true where a target is neither a class nor the ignored value.
struct CrossEntropyCall {
    Logits logits;
    Target target;
    const float* class_weights;
    const float* pixel_weights;
    float label_smoothing;
    void* gradient;
    Strides gradient_strides;
    float gradient_factor;
    float* losses;
    double* loss_sum;
    double* weight_sum;
    bool* bad_target;
    int threads;
};

}  // namespace pixelwise
