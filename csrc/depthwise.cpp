#include "depthwise.h"

#include <algorithm>

#include "simd.h"
#include "vector.h"

namespace pixelwise::PIXELWISE_ISA {
namespace {

// Channels that are worked on together: one cache line of bfloat16.
constexpr int64_t BLOCK = 32;

// Copy one picture row of a block of channels to floats [width][BLOCK]; channels beyond `count` become 0.
template <typename T>
void widen_row(const T* row, int64_t width, int64_t pixel_stride, int64_t count, float* wide) {
    for (int64_t x = 0; x < width; ++x, row += pixel_stride, wide += BLOCK) {
        if (count == BLOCK) {
            for (int64_t c = 0; c < BLOCK; ++c) wide[c] = to_float(row[c]);
        } else {
            for (int64_t c = 0; c < BLOCK; ++c) wide[c] = c < count ? to_float(row[c]) : 0.0f;
        }
    }
}

template <typename T>
void narrow_row(const float* wide, int64_t width, int64_t pixel_stride, int64_t count, T* row) {
    for (int64_t x = 0; x < width; ++x, row += pixel_stride, wide += BLOCK) {
        if (count == BLOCK) {
            for (int64_t c = 0; c < BLOCK; ++c) from_float(wide[c], row[c]);
        } else {
            for (int64_t c = 0; c < count; ++c) from_float(wide[c], row[c]);
        }
    }
}

// What one tap of the filter does to one row: each output pixel meets the input pixel `step` floats after the last.
//   input_gradient += weight * output_gradient,   weight_gradient += sum over pixels of input * output_gradient
void accumulate_tap(const float* output_gradient, const float* input, float* input_gradient, int64_t pixels,
                    int64_t step, const float* weight, float* weight_gradient) {
    for (int64_t c = 0; c < BLOCK; c += LANES) {
        const Floats tap = load(weight + c);
        Floats sums[4] = {};  // four chains of additions hide the latency of one
        const float* g = output_gradient + c;
        const float* x = input + c;
        float* dx = input_gradient + c;
        int64_t pixel = 0;
        for (; pixel + 4 <= pixels; pixel += 4) {
            for (int k = 0; k < 4; ++k, g += BLOCK, x += step, dx += step) {
                const Floats gradient = load(g);
                store(dx, load(dx) + tap * gradient);
                sums[k] += load(x) * gradient;
            }
        }
        for (; pixel < pixels; ++pixel, g += BLOCK, x += step, dx += step) {
            const Floats gradient = load(g);
            store(dx, load(dx) + tap * gradient);
            sums[0] += load(x) * gradient;
        }
        store(weight_gradient + c, load(weight_gradient + c) + ((sums[0] + sums[1]) + (sums[2] + sums[3])));
    }
}

// Output positions whose input position `out * stride + shift` lies in 0 .. length - 1.
struct Range {
    int64_t first, last;
};

Range outputs_within(int64_t shift, int64_t stride, int64_t length, int64_t outputs) {
    const int64_t first = shift < 0 ? (-shift + stride - 1) / stride : 0;
    const int64_t last = shift < length ? (length - 1 - shift) / stride + 1 : 0;
    return {first, std::min(last, outputs)};
}

// Scratch of one thread.
struct Rows {
    Vector<float> input, input_gradient, output_gradient;
};

// The gradient of one input row of a block of channels, and what the row adds to the gradient of the filters.
template <typename T>
void backward_row(const DepthwiseBackward& call, int64_t picture, int64_t y, int64_t channel, const float* weight,
                  float* weight_gradient, Rows& rows) {
    const DepthwiseShape& s = call.shape;
    const int64_t count = std::min(BLOCK, s.channels - channel);
    const int64_t row_start = (picture * s.in_height + y) * s.in_width * s.channels + channel;
    widen_row(static_cast<const T*>(call.input) + row_start, s.in_width, s.channels, count, rows.input.data());
    std::fill(rows.input_gradient.begin(), rows.input_gradient.end(), 0.0f);
    for (int64_t i = 0; i < s.kernel_height; ++i) {
        const int64_t reach = y + s.padding_y - i * s.dilation_y;
        if (reach < 0 || reach % s.stride_y != 0 || reach / s.stride_y >= s.out_height) continue;
        const int64_t out_row = picture * s.out_height + reach / s.stride_y;
        widen_row(static_cast<const T*>(call.output_gradient) + out_row * s.out_width * s.channels + channel,
                  s.out_width, s.channels, count, rows.output_gradient.data());
        for (int64_t j = 0; j < s.kernel_width; ++j) {
            const int64_t shift = j * s.dilation_x - s.padding_x;
            const Range range = outputs_within(shift, s.stride_x, s.in_width, s.out_width);
            if (range.first >= range.last) continue;
            const int64_t x = range.first * s.stride_x + shift;
            const int64_t tap = (i * s.kernel_width + j) * BLOCK;
            accumulate_tap(&rows.output_gradient[range.first * BLOCK], &rows.input[x * BLOCK],
                           &rows.input_gradient[x * BLOCK], range.last - range.first, s.stride_x * BLOCK,
                           weight + tap, weight_gradient + tap);
        }
    }
    narrow_row(rows.input_gradient.data(), s.in_width, s.channels, count,
               static_cast<T*>(call.input_gradient) + row_start);
}

template <typename T>
void backward(const DepthwiseBackward& call) {
    const DepthwiseShape& s = call.shape;
    const int64_t taps = s.kernel_height * s.kernel_width;
    const int64_t blocks = (s.channels + BLOCK - 1) / BLOCK;
    const int64_t rows_per_block = s.batch * s.in_height;
    const int64_t rows = blocks * rows_per_block;
    const int64_t threads = std::max<int64_t>(1, std::min<int64_t>(call.threads, rows));
    // A share of rows for each thread that depends on nothing but their number: the same sums in every run.
    Vector<float> partial(threads * blocks * taps * BLOCK, 0.0f);
#pragma omp parallel for num_threads(static_cast<int>(threads)) schedule(static, 1)
    for (int64_t thread = 0; thread < threads; ++thread) {
        Rows scratch{Vector<float>(s.in_width * BLOCK), Vector<float>(s.in_width * BLOCK),
                     Vector<float>(s.out_width * BLOCK)};
        Vector<float> weight(taps * BLOCK);
        int64_t loaded = -1;
        for (int64_t row = rows * thread / threads; row < rows * (thread + 1) / threads; ++row) {
            const int64_t block = row / rows_per_block;
            const int64_t channel = block * BLOCK;
            if (block != loaded) {
                loaded = block;
                for (int64_t tap = 0; tap < taps; ++tap) {
                    for (int64_t c = 0; c < std::min(BLOCK, s.channels - channel); ++c) {
                        weight[tap * BLOCK + c] = call.weight[tap * s.channels + channel + c];
                    }
                }
            }
            backward_row<T>(call, row % rows_per_block / s.in_height, row % s.in_height, channel, weight.data(),
                            &partial[(thread * blocks + block) * taps * BLOCK], scratch);
        }
    }
    for (int64_t tap = 0; tap < taps; ++tap) {
        for (int64_t channel = 0; channel < s.channels; ++channel) {
            float sum = 0.0f;
            for (int64_t thread = 0; thread < threads; ++thread) {
                sum += partial[((thread * blocks + channel / BLOCK) * taps + tap) * BLOCK + channel % BLOCK];
            }
            call.weight_gradient[tap * s.channels + channel] = sum;
        }
    }
}

}  // namespace

void depthwise_backward(const DepthwiseBackward& call) {
    if (call.half) {
        backward<bfloat16>(call);
    } else {
        backward<float>(call);
    }
}

}  // namespace pixelwise::PIXELWISE_ISA
