// Reading a coarse map at the pixels of a picture, a run of pixel rows and a tile of columns at a time.
//
// Pixel i of an axis reads the map at i * scale + offset, clamped to its cells, by linear interpolation. Pixel rows that
// lie between the same two coarse rows form a run. For a run, each class is spread along the columns once: `base` holds
// the values on the lower coarse row and `step` the way to the upper one, so that a pixel costs one multiplication and
// addition a class: value = base + share of the row * step.
#pragma once

#include <algorithm>

#include "simd.h"
#include "tail.h"
#include "vector.h"

namespace pixelwise::PIXELWISE_ISA {

struct Tap {
    int64_t lower;
    float share;  // of the upper cell, 0 to 1
};

inline Tap tap_of(const Axis& axis, int64_t pixel) {
    const double position =
        std::min(std::max(pixel * axis.scale + axis.offset, 0.0), static_cast<double>(axis.cells - 1));
    const auto lower = static_cast<int64_t>(position);
    return {lower, static_cast<float>(position - static_cast<double>(lower))};
}

// Pixel rows first .. last - 1 of one picture, which lie between coarse rows `lower` and `lower` + 1.
struct Run {
    int64_t first, last, lower;
};

inline Vector<Run> runs_of(const Axis& axis) {
    Vector<Run> runs;
    for (int64_t pixel = 0; pixel < axis.pixels; ++pixel) {
        const int64_t lower = tap_of(axis, pixel).lower;
        if (runs.empty() || runs.back().lower != lower) runs.push_back({pixel, pixel, lower});
        runs.back().last = pixel + 1;
    }
    return runs;
}

// Columns first .. first + width - 1 of a picture; arrays are padded to whole vectors by repeating the last column.
struct Tile {
    int64_t first, width;
    int64_t first_cell, cells;     // cells that the tile reads; the last may lie one beyond the map, as its edge again
    Vector<int32_t> lower;    // counted from first_cell
    Vector<float> share;
    Vector<int32_t> start;    // of each vector: its lowest `lower`
    Vector<int32_t> within;   // lower - start of its vector
    bool dense;                    // all `within` fit in one vector: true wherever the picture is not smaller
};

inline int64_t padded(int64_t width) { return (width + LANES - 1) / LANES * LANES; }

inline Tile tile_of(const Axis& axis, int64_t first, int64_t width) {
    Tile tile{};
    tile.first = first;
    tile.width = width;
    tile.first_cell = tap_of(axis, first).lower;
    tile.dense = true;
    for (int64_t k = 0; k < padded(width); ++k) {
        const Tap tap = tap_of(axis, first + std::min(k, width - 1));
        const auto lower = static_cast<int32_t>(tap.lower - tile.first_cell);
        if (k % LANES == 0) tile.start.push_back(lower);
        tile.lower.push_back(lower);
        tile.share.push_back(tap.share);
        tile.within.push_back(lower - tile.start.back());
        tile.dense = tile.dense && tile.within.back() < LANES;
    }
    tile.cells = tile.lower.back() + 2;
    return tile;
}

inline Vector<Tile> tiles_of(const Axis& axis, int64_t tile_width) {
    Vector<Tile> tiles;
    for (int64_t first = 0; first < axis.pixels; first += tile_width) {
        tiles.push_back(tile_of(axis, first, std::min(tile_width, axis.pixels - first)));
    }
    return tiles;
}

// Interpolate between cells, which start with the tile's first: `wide` receives whole vectors. LANES floats beyond the
// last cell are read, and not used.
inline void spread_cells(const float* cells, const Tile& tile, float* wide) {
    if (!tile.dense) {
        for (size_t x = 0; x < tile.lower.size(); ++x) {
            const float* cell = cells + tile.lower[x];
            wide[x] = cell[0] + tile.share[x] * (cell[1] - cell[0]);
        }
        return;
    }
    for (size_t v = 0; v < tile.start.size(); ++v) {
        const size_t x = v * LANES;
        const Floats left = permute(cells + tile.start[v], &tile.within[x]);
        const Floats right = permute(cells + tile.start[v] + 1, &tile.within[x]);
        store(wide + x, left + load(&tile.share[x]) * (right - left));
    }
}

// Columns to work on together so that `arrays` floats of every class at each stay in the level-2 cache.
inline int64_t tile_width_for(int64_t classes, int64_t arrays) {
    constexpr int64_t budget = 1 << 18;  // bytes
    const int64_t width = budget / (classes * arrays * static_cast<int64_t>(sizeof(float)));
    return std::min<int64_t>(512, std::max<int64_t>(4 * LANES, width / LANES * LANES));
}

// All classes over one tile and one run: [class][stride] floats each.
class Spread {
public:
    Spread(int64_t classes, int64_t tile_width, const Axis& columns)
        // A stride that is no power of two keeps the classes in different sets of the cache.
        : stride(padded(tile_width) + LANES),
          base(classes * stride),
          step(classes * stride),
          lower_cells_(columns.cells + 2 * LANES),
          difference_(columns.cells + 2 * LANES) {}

    template <typename T>
    void fill(const Logits& logits, int64_t picture, const Run& run, const Tile& tile) {
        const int64_t upper = std::min(run.lower + 1, logits.rows.cells - 1);
        const T* data = static_cast<const T*>(logits.data) + picture * logits.picture_stride;
        for (int64_t k = 0; k < logits.classes; ++k) {
            const T* plane = data + k * logits.class_stride;
            take_cells(plane + run.lower * logits.row_stride, plane + upper * logits.row_stride, logits, tile);
            spread_cells(lower_cells_.data(), tile, &base[k * stride]);
            spread_cells(difference_.data(), tile, &step[k * stride]);
        }
    }

    const int64_t stride;
    Vector<float> base, step;

private:
    template <typename T>
    void take_cells(const T* lower, const T* upper, const Logits& logits, const Tile& tile) {
        const int64_t inside = std::min(tile.cells, logits.columns.cells - tile.first_cell);
        const int64_t stride = logits.column_stride;
        lower += tile.first_cell * stride;
        upper += tile.first_cell * stride;
        if (stride == 1) {
            for (int64_t i = 0; i < inside; ++i) {
                lower_cells_[i] = to_float(lower[i]);
                difference_[i] = to_float(upper[i]) - to_float(lower[i]);
            }
        } else {
            for (int64_t i = 0; i < inside; ++i) {
                lower_cells_[i] = to_float(lower[i * stride]);
                difference_[i] = to_float(upper[i * stride]) - to_float(lower[i * stride]);
            }
        }
        for (int64_t i = inside; i < tile.cells; ++i) {
            lower_cells_[i] = lower_cells_[inside - 1];
            difference_[i] = difference_[inside - 1];
        }
    }

    Vector<float> lower_cells_, difference_;
};

}  // namespace pixelwise::PIXELWISE_ISA
