#include "regions.h"

#include <algorithm>

#include "simd.h"
#include "vector.h"

namespace pixelwise::PIXELWISE_ISA {
namespace {

constexpr int64_t BLOCK = 4 * LANES;  // channels whose sums stay in registers

struct Tap {
    int64_t cell;
    float weight;
};

// What the bins along one axis read: bin i the taps from starts[i] to starts[i + 1].
struct Taps {
    Vector<Tap> taps;
    Vector<int64_t> starts;
};

// The mean of `samples` points a bin, each between two cells of the map. Neighbouring points share cells, which are
// read once. Points from one cell outside of the map on read nothing.
void fill(Taps& result, const RegionShape& shape, float first, float last, int64_t side) {
    const float offset = shape.half_pixel ? 0.5f : 0.0f;
    const float start = first * shape.scale - offset;
    float length = last * shape.scale - offset - start;
    if (!shape.half_pixel) length = std::max(length, 1.0f);
    const float bin = length / static_cast<float>(shape.cells);
    const float share = 1.0f / static_cast<float>(shape.samples);
    result.taps.clear();
    result.starts.assign(1, 0);
    for (int64_t i = 0; i < shape.cells; ++i) {
        const auto begin = static_cast<size_t>(result.starts.back());
        const auto add = [&](int64_t cell, float weight) {
            for (size_t k = begin; k < result.taps.size(); ++k) {
                if (result.taps[k].cell == cell) {
                    result.taps[k].weight += weight;
                    return;
                }
            }
            result.taps.push_back({cell, weight});
        };
        for (int64_t k = 0; k < shape.samples; ++k) {
            float at = start + static_cast<float>(i) * bin + (static_cast<float>(k) + 0.5f) * bin * share;
            if (!(at >= -1.0f && at <= static_cast<float>(side))) continue;
            at = std::max(at, 0.0f);
            const auto low = std::min(static_cast<int64_t>(at), side - 1);
            const float part = low == side - 1 ? 0.0f : at - static_cast<float>(low);
            add(low, (1.0f - part) * share);
            if (part > 0.0f) add(low + 1, part * share);
        }
        result.starts.push_back(static_cast<int64_t>(result.taps.size()));
    }
}

// Calls `visit(cell, weight)` for each cell of the map that a bin reads.
template <typename Visit>
void for_each_cell(const Taps& rows, const Taps& columns, int64_t width, int64_t row, int64_t column, Visit visit) {
    for (int64_t r = rows.starts[row]; r < rows.starts[row + 1]; ++r) {
        for (int64_t c = columns.starts[column]; c < columns.starts[column + 1]; ++c) {
            visit(rows.taps[r].cell * width + columns.taps[c].cell, rows.taps[r].weight * columns.taps[c].weight);
        }
    }
}

// Fills in what a region reads and calls `visit(row, column, bin)` for its bins, of which `bin` is the number.
template <typename Visit>
void for_each_bin(const RegionShape& shape, int64_t n, Taps& rows, Taps& columns, Visit visit) {
    const float* roi = shape.rois + 5 * n;
    fill(rows, shape, roi[2], roi[4], shape.height);
    fill(columns, shape, roi[1], roi[3], shape.width);
    int64_t bin = shape.places[n] * shape.cells * shape.cells;
    for (int64_t row = 0; row < shape.cells; ++row) {
        for (int64_t column = 0; column < shape.cells; ++column, ++bin) visit(row, column, bin);
    }
}

template <typename T>
void read_bin(const RegionShape& shape, const T* picture, const Taps& rows, const Taps& columns, int64_t row,
              int64_t column, T* output) {
    const auto over = [&](int64_t channel, int64_t count, float* sums) {
        for_each_cell(rows, columns, shape.width, row, column, [&](int64_t cell, float weight) {
            const T* from = picture + cell * shape.channels + channel;
            for (int64_t k = 0; k < count; ++k) sums[k] += weight * to_float(from[k]);
        });
        for (int64_t k = 0; k < count; ++k) from_float(sums[k], output[channel + k]);
    };
    int64_t channel = 0;
    for (; channel + BLOCK <= shape.channels; channel += BLOCK) {
        float sums[BLOCK] = {};
        over(channel, BLOCK, sums);
    }
    if (channel < shape.channels) {
        float sums[BLOCK] = {};
        over(channel, shape.channels - channel, sums);
    }
}

template <typename T>
void read(const RegionCall& call) {
    const RegionShape& shape = call.shape;
#pragma omp parallel num_threads(shape.threads)
    {
        Taps rows, columns;
#pragma omp for schedule(dynamic, 4)
        for (int64_t n = 0; n < shape.count; ++n) {
            const auto picture = static_cast<int64_t>(shape.rois[5 * n]);
            const T* map = static_cast<const T*>(call.map) + picture * shape.height * shape.width * shape.channels;
            T* output = static_cast<T*>(call.output);
            for_each_bin(shape, n, rows, columns, [&](int64_t row, int64_t column, int64_t bin) {
                read_bin(shape, map, rows, columns, row, column, output + bin * shape.channels);
            });
        }
    }
}

template <typename T>
void spread_bin(const RegionShape& shape, const T* gradient, const Taps& rows, const Taps& columns, int64_t row,
                int64_t column, int64_t count, float* map) {
    float values[BLOCK];
    for (int64_t k = 0; k < count; ++k) values[k] = to_float(gradient[k]);
    for_each_cell(rows, columns, shape.width, row, column, [&](int64_t cell, float weight) {
        float* to = map + cell * shape.channels;
        for (int64_t k = 0; k < count; ++k) to[k] += weight * values[k];
    });
}

// Regions share cells, so threads share out the pictures and the channels instead.
template <typename T>
void spread(const RegionBackward& call) {
    const RegionShape& shape = call.shape;
    const int64_t blocks = (shape.channels + BLOCK - 1) / BLOCK;
#pragma omp parallel num_threads(shape.threads)
    {
        Taps rows, columns;
#pragma omp for schedule(dynamic)
        for (int64_t part = 0; part < shape.pictures * blocks; ++part) {
            const int64_t picture = part / blocks, channel = part % blocks * BLOCK;
            const int64_t count = std::min(BLOCK, shape.channels - channel);
            const T* gradient = static_cast<const T*>(call.output_gradient) + channel;
            float* map = call.map_gradient + picture * shape.height * shape.width * shape.channels + channel;
            for (int64_t n = 0; n < shape.count; ++n) {
                if (static_cast<int64_t>(shape.rois[5 * n]) != picture) continue;
                for_each_bin(shape, n, rows, columns, [&](int64_t row, int64_t column, int64_t bin) {
                    const T* own = gradient + bin * shape.channels;
                    if (count == BLOCK) {
                        spread_bin(shape, own, rows, columns, row, column, BLOCK, map);
                    } else {
                        spread_bin(shape, own, rows, columns, row, column, count, map);
                    }
                });
            }
        }
    }
}

}  // namespace

void align_regions(const RegionCall& call) { call.shape.half ? read<bfloat16>(call) : read<float>(call); }

void align_regions_backward(const RegionBackward& call) {
    call.shape.half ? spread<bfloat16>(call) : spread<float>(call);
}

}  // namespace pixelwise::PIXELWISE_ISA
