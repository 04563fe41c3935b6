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
void fill(Taps& result, const RegionCall& call, float first, float last, int64_t side) {
    const float offset = call.half_pixel ? 0.5f : 0.0f;
    const float start = first * call.scale - offset;
    float length = last * call.scale - offset - start;
    if (!call.half_pixel) length = std::max(length, 1.0f);
    const float bin = length / static_cast<float>(call.cells);
    const float share = 1.0f / static_cast<float>(call.samples);
    result.taps.clear();
    result.starts.assign(1, 0);
    for (int64_t i = 0; i < call.cells; ++i) {
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
        for (int64_t k = 0; k < call.samples; ++k) {
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

template <typename T>
void read_bin(const RegionCall& call, const T* picture, const Taps& rows, const Taps& columns, int64_t row,
              int64_t column, T* output) {
    const auto over = [&](int64_t channel, int64_t count, float* sums) {
        for (int64_t r = rows.starts[row]; r < rows.starts[row + 1]; ++r) {
            for (int64_t c = columns.starts[column]; c < columns.starts[column + 1]; ++c) {
                const float weight = rows.taps[r].weight * columns.taps[c].weight;
                const T* from =
                    picture + (rows.taps[r].cell * call.width + columns.taps[c].cell) * call.channels + channel;
                for (int64_t k = 0; k < count; ++k) sums[k] += weight * to_float(from[k]);
            }
        }
        for (int64_t k = 0; k < count; ++k) from_float(sums[k], output[channel + k]);
    };
    int64_t channel = 0;
    for (; channel + BLOCK <= call.channels; channel += BLOCK) {
        float sums[BLOCK] = {};
        over(channel, BLOCK, sums);
    }
    if (channel < call.channels) {
        float sums[BLOCK] = {};
        over(channel, call.channels - channel, sums);
    }
}

template <typename T>
void read(const RegionCall& call) {
#pragma omp parallel num_threads(call.threads)
    {
        Taps rows, columns;
#pragma omp for schedule(dynamic, 4)
        for (int64_t n = 0; n < call.count; ++n) {
            const float* roi = call.rois + 5 * n;
            fill(rows, call, roi[2], roi[4], call.height);
            fill(columns, call, roi[1], roi[3], call.width);
            const auto picture = static_cast<int64_t>(roi[0]);
            const T* map = static_cast<const T*>(call.map) + picture * call.height * call.width * call.channels;
            T* output = static_cast<T*>(call.output) + call.places[n] * call.cells * call.cells * call.channels;
            for (int64_t row = 0; row < call.cells; ++row) {
                for (int64_t column = 0; column < call.cells; ++column, output += call.channels) {
                    read_bin(call, map, rows, columns, row, column, output);
                }
            }
        }
    }
}

}  // namespace

void align_regions(const RegionCall& call) { call.half ? read<bfloat16>(call) : read<float>(call); }

}  // namespace pixelwise::PIXELWISE_ISA
