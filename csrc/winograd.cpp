// Matrices of Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.3.
#include "winograd.h"

#include <algorithm>

#include "simd.h"

namespace pixelwise::PIXELWISE_ISA {
namespace {

constexpr int64_t OUTPUTS = 4;  // along a side of a tile
constexpr int64_t READS = 6;    // likewise, of the map that it reads

// Six neighbouring values of a map into six points, along one axis.
inline void to_points(const Floats* values, Floats* points) {
    const Floats even = values[4] - 4.0f * values[2], odd = values[3] - 4.0f * values[1];
    const Floats near = values[4] - values[2], twice = 2.0f * (values[3] - values[1]);
    points[0] = 4.0f * values[0] - 5.0f * values[2] + values[4];
    points[1] = even + odd;
    points[2] = even - odd;
    points[3] = near + twice;
    points[4] = near - twice;
    points[5] = 4.0f * values[1] - 5.0f * values[3] + values[5];
}

// Six points into four neighbouring outputs, along one axis.
inline void to_outputs(const Floats* points, Floats* outputs) {
    const Floats sum = points[1] + points[2], difference = points[1] - points[2];
    const Floats far_sum = points[3] + points[4], far_difference = points[3] - points[4];
    outputs[0] = points[0] + sum + far_sum;
    outputs[1] = difference + 2.0f * far_difference;
    outputs[2] = sum + 4.0f * far_sum;
    outputs[3] = difference + 8.0f * far_difference + points[5];
}

struct Place {
    int64_t picture, row, column;  // the first output of a tile
};

// Calls `visit(number, place)` for each tile, `number` counted from the first.
template <typename Visit>
void for_each_tile(const WinogradShape& shape, Visit visit) {
    const int64_t across = (shape.width + OUTPUTS - 1) / OUTPUTS, down = (shape.height + OUTPUTS - 1) / OUTPUTS;
#pragma omp parallel for num_threads(shape.threads) schedule(static)
    for (int64_t number = 0; number < shape.count; ++number) {
        const int64_t tile = shape.first + number;
        visit(number, Place{tile / (across * down), tile / across % down * OUTPUTS, tile % across * OUTPUTS});
    }
}

}  // namespace

void winograd_input(const WinogradInput& call) {
    const WinogradShape& shape = call.shape;
    const int64_t channels = shape.channels, from_point = shape.count * channels;
    for_each_tile(shape, [&](int64_t number, Place place) {
        const float* picture = call.map + place.picture * shape.height * shape.width * channels;
        float* to = call.points + number * channels;
        for (int64_t channel = 0; channel < channels; channel += LANES, to += LANES) {
            Floats half[READS][READS];  // points along the rows, by column
            for (int64_t c = 0; c < READS; ++c) {
                Floats values[READS];
                const int64_t column = place.column + c - 1;
                for (int64_t r = 0; r < READS; ++r) {
                    const int64_t row = place.row + r - 1;
                    const bool inside = row >= 0 && row < shape.height && column >= 0 && column < shape.width;
                    values[r] = inside ? load(picture + (row * shape.width + column) * channels + channel) : Floats{};
                }
                to_points(values, half[c]);
            }
            for (int64_t r = 0; r < READS; ++r) {
                Floats values[READS], points[READS];
                for (int64_t c = 0; c < READS; ++c) values[c] = half[c][r];
                to_points(values, points);
                for (int64_t c = 0; c < READS; ++c) store(to + (r * READS + c) * from_point, points[c]);
            }
        }
    });
}

void winograd_output(const WinogradOutput& call) {
    const WinogradShape& shape = call.shape;
    const int64_t channels = shape.channels, from_point = shape.count * channels;
    for_each_tile(shape, [&](int64_t number, Place place) {
        float* picture = call.map + place.picture * shape.height * shape.width * channels;
        const float* from = call.points + number * channels;
        const int64_t rows = std::min(OUTPUTS, shape.height - place.row);
        const int64_t columns = std::min(OUTPUTS, shape.width - place.column);
        for (int64_t channel = 0; channel < channels; channel += LANES, from += LANES) {
            Floats half[READS][OUTPUTS];  // outputs along the rows, by column of points
            for (int64_t c = 0; c < READS; ++c) {
                Floats points[READS];
                for (int64_t r = 0; r < READS; ++r) points[r] = load(from + (r * READS + c) * from_point);
                to_outputs(points, half[c]);
            }
            const Floats bias = load(call.bias + channel);
            for (int64_t r = 0; r < rows; ++r) {
                Floats points[READS], outputs[OUTPUTS];
                for (int64_t c = 0; c < READS; ++c) points[c] = half[c][r];
                to_outputs(points, outputs);
                float* to = picture + ((place.row + r) * shape.width + place.column) * channels + channel;
                for (int64_t c = 0; c < columns; ++c) store(to + c * channels, outputs[c] + bias);
            }
        }
    });
}

}  // namespace pixelwise::PIXELWISE_ISA
