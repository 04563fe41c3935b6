// Reading a coarse map at the pixels of a picture, a run of pixel rows and a tile of columns at a time.
//
// Pixel i of an axis reads the map at i * scale + offset, clamped to its cells, by linear interpolation. Pixel rows that
// lie between the same two coarse rows form a run. For a run, each class of both rows is spread along the columns once, so
// that a pixel costs one multiplication and addition a class: value = lower + share of the row * (upper - lower).
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

inline double position_of(const Axis& axis, int64_t pixel) {
    return std::min(std::max(pixel * axis.scale + axis.offset, 0.0), static_cast<double>(axis.cells - 1));
}

inline Tap tap_of(const Axis& axis, int64_t pixel) {
    const double position = position_of(axis, pixel);
    const auto lower = static_cast<int64_t>(position);
    return {lower, static_cast<float>(position - static_cast<double>(lower))};
}

// Pixel rows first .. last - 1 of one picture, which lie between coarse rows `lower` and `lower` + 1.
struct Run {
    int64_t first, last, lower;

    // Measured from `lower`, so that a position rounded differently here cannot miss by a whole cell.
    float share(const Axis& axis, int64_t pixel) const {
        return static_cast<float>(position_of(axis, pixel) - static_cast<double>(lower));
    }
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

// Neighbouring runs of one picture: what a thread takes at a time.
struct Piece {
    int64_t picture, first, last;
};

inline Vector<Piece> pieces_of(int64_t pictures, int64_t runs, int64_t runs_a_piece) {
    Vector<Piece> pieces;
    for (int64_t picture = 0; picture < pictures; ++picture) {
        for (int64_t first = 0; first < runs; first += runs_a_piece) {
            pieces.push_back({picture, first, std::min(first + runs_a_piece, runs)});
        }
    }
    return pieces;
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

// The two coarse rows of a run, spread over the columns of a tile: [class][stride] floats each.
class Spread {
public:
    Spread(const Logits& logits, int64_t tile_width)
        // A stride that is no power of two keeps the classes in different sets of the cache.
        : stride(padded(tile_width) + LANES),
          lower(logits.classes * stride),
          upper(logits.classes * stride),
          logits_(logits),
          cells_(logits.columns.cells + 2 * LANES) {}

    // The upper row of a run mostly is the lower row of the next, so one row is read if runs come in order.
    template <typename T>
    void fill(int64_t picture, const Run& run, const Tile& tile) {
        if (picture == picture_ && tile.first == tile_ && run.lower == upper_row_) {
            lower.swap(upper);
        } else {
            spread_row<T>(picture, run.lower, tile, lower);
        }
        picture_ = picture;
        tile_ = tile.first;
        upper_row_ = std::min(run.lower + 1, logits_.rows.cells - 1);
        spread_row<T>(picture, upper_row_, tile, upper);
    }

    const int64_t stride;
    Vector<float> lower, upper;

private:
    template <typename T>
    void spread_row(int64_t picture, int64_t row, const Tile& tile, Vector<float>& wide) {
        const T* cells = static_cast<const T*>(logits_.data) + picture * logits_.strides.picture +
                         row * logits_.strides.row + tile.first_cell * logits_.strides.column;
        for (int64_t k = 0; k < logits_.classes; ++k) {
            // The next classes are pages away, where the processor does not look ahead by itself.
            if (k + AHEAD < logits_.classes) prefetch(cells + (k + AHEAD) * logits_.strides.classes, tile.cells);
            take_cells(cells + k * logits_.strides.classes, tile);
            spread_cells(cells_.data(), tile, &wide[k * stride]);
        }
    }

    static constexpr int64_t AHEAD = 6;

    template <typename T>
    static void prefetch(const T* cells, int64_t count) {
        constexpr int64_t cache_line = 64;
        const auto* bytes = reinterpret_cast<const char*>(cells);
        for (size_t i = 0; i < count * sizeof(T); i += cache_line) __builtin_prefetch(bytes + i);
    }

    template <typename T>
    void take_cells(const T* cells, const Tile& tile) {
        const int64_t inside = std::min(tile.cells, logits_.columns.cells - tile.first_cell);
        const int64_t step = logits_.strides.column;
        float* to = cells_.data();
        if (step == 1) {
            for (int64_t i = 0; i < inside; ++i) to[i] = to_float(cells[i]);
        } else {
            for (int64_t i = 0; i < inside; ++i) to[i] = to_float(cells[i * step]);
        }
        for (int64_t i = inside; i < tile.cells; ++i) to[i] = to[inside - 1];
    }

    const Logits& logits_;
    Vector<float> cells_;
    int64_t picture_ = -1, tile_ = -1, upper_row_ = -1;
};

}  // namespace pixelwise::PIXELWISE_ISA
