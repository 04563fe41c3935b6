// Labels of one run of pixel rows and one tile of columns.
#pragma once

#include <omp.h>

#include "coarse.h"

namespace pixelwise::PIXELWISE_ISA {

// Pixel rows that are compared together: their best scores and labels fit the registers.
constexpr int ROWS = 4;

// labels[row][stride of spread] = the class of the greatest score; the lower class wins a tie.
template <int rows>
void label_rows(const Spread& spread, int64_t classes, int64_t vectors, const float* shares, int32_t* labels) {
    for (int64_t v = 0; v < vectors; ++v) {
        const float* lower = &spread.lower[v * LANES];
        const float* upper = &spread.upper[v * LANES];
        Floats best[rows];
        Ints label[rows] = {};
        for (int r = 0; r < rows; ++r) best[r] = load(lower) + shares[r] * (load(upper) - load(lower));
        for (int64_t k = 1; k < classes; ++k) {
            lower += spread.stride;
            upper += spread.stride;
            const Floats base = load(lower), step = load(upper) - base;
            const Ints self = broadcast(static_cast<int32_t>(k));
            for (int r = 0; r < rows; ++r) {
                const Floats score = base + shares[r] * step;
                const Ints better = score > best[r];
                best[r] = better ? score : best[r];
                label[r] = better ? self : label[r];
            }
        }
        for (int r = 0; r < rows; ++r) store(labels + r * spread.stride + v * LANES, label[r]);
    }
}

// Find the labels of all pictures, a share of the runs for each thread. `sink(thread)` is asked once a thread for a
// function (picture, row, first column, count, labels), which is given every piece of a pixel row once.
template <typename T, typename Sink>
void for_each_label_row(const Logits& logits, int threads, Sink&& sink) {
    const Vector<Run> runs = runs_of(logits.rows);
    const int64_t tile_width = tile_width_for(logits.classes, 2);
    const Vector<Tile> tiles = tiles_of(logits.columns, tile_width);
    const Vector<Piece> pieces = pieces_of(logits.pictures, static_cast<int64_t>(runs.size()), 8);
#pragma omp parallel num_threads(threads)
    {
        auto take = sink(omp_get_thread_num());
        Spread spread(logits, tile_width);
        Vector<int32_t> labels(ROWS * spread.stride);
#pragma omp for schedule(dynamic, 1)
        for (size_t p = 0; p < pieces.size(); ++p) {
            const Piece& piece = pieces[p];
            for (const Tile& tile : tiles) {
                const auto vectors = static_cast<int64_t>(tile.start.size());
                for (int64_t i = piece.first; i < piece.last; ++i) {
                    spread.fill<T>(piece.picture, runs[i], tile);
                    for (int64_t y = runs[i].first; y < runs[i].last; y += ROWS) {
                        const int64_t rows = std::min<int64_t>(ROWS, runs[i].last - y);
                        float shares[ROWS] = {};
                        for (int64_t r = 0; r < rows; ++r) shares[r] = runs[i].share(logits.rows, y + r);
                        if (rows == 1) {
                            label_rows<1>(spread, logits.classes, vectors, shares, labels.data());
                        } else {
                            label_rows<ROWS>(spread, logits.classes, vectors, shares, labels.data());
                        }
                        for (int64_t r = 0; r < rows; ++r) {
                            take(piece.picture, y + r, tile.first, tile.width, &labels[r * spread.stride]);
                        }
                    }
                }
            }
        }
    }
}

// Call `work` with a value of the C++ type of the logits.
template <typename Work>
void with_type(Float type, Work&& work) {
    switch (type) {
        case Float::float32:
            return work(float{});
        case Float::bfloat16:
            return work(bfloat16{});
        case Float::float16:
            return work(float16{});
    }
}

}  // namespace pixelwise::PIXELWISE_ISA
