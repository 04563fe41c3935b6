// Writing the gradient of a coarse map: the reverse of coarse.h, from the pixel columns of a run and a tile to cells.
#pragma once

#include "coarse.h"

namespace pixelwise::PIXELWISE_ISA {

// One addition to a vector of cells: lane c takes weight[c] times column index[c].
struct Term {
    int32_t index[LANES];
    float weight[LANES];
};

// How the columns of a tile add up to its cells: the transpose of spread_cells.
class Fold {
public:
    explicit Fold(const Tile& tile) : tile_(&tile) {
        for (size_t v = 0; v < tile.start.size() && by_vectors_; ++v) add_terms(static_cast<int64_t>(v));
    }

    // Add the columns of every class, `column_stride` apart, to its cells, `cell_stride` apart. The LANES floats beyond
    // the last cell of a class are written, too, with what they are.
    void add(const float* columns, int64_t column_stride, int64_t classes, float* cells, int64_t cell_stride) const {
        if (!by_vectors_) {
            for (int64_t k = 0; k < classes; ++k) add_one_by_one(columns + k * column_stride, cells + k * cell_stride);
            return;
        }
        // Class by class within a vector: the next vector reads cells that this one writes, which by then are there.
        for (size_t v = 0; v < tile_->start.size(); ++v) {
            const float* from = columns + v * LANES;
            float* to = cells + tile_->start[v];
            int64_t k = 0;
            for (; k + TOGETHER <= classes; k += TOGETHER) {
                add_vector<TOGETHER>(v, from + k * column_stride, column_stride, to + k * cell_stride, cell_stride);
            }
            for (; k < classes; ++k) {
                add_vector<1>(v, from + k * column_stride, column_stride, to + k * cell_stride, cell_stride);
            }
        }
    }

private:
    static constexpr int TOGETHER = 4;  // classes whose chains of additions hide each other's latency

    template <int classes>
    void add_vector(size_t v, const float* from, int64_t column_stride, float* to, int64_t cell_stride) const {
        Floats sums[classes] = {};
        for (int32_t t = first_term_[v]; t < first_term_[v + 1]; ++t) {
            const Floats weight = load(terms_[t].weight);
            for (int k = 0; k < classes; ++k) {
                sums[k] += weight * permute(from + k * column_stride, terms_[t].index);
            }
        }
        const Ints used = load(&used_[v * LANES]);
        for (int k = 0; k < classes; ++k, to += cell_stride) {
            store(to, load(to) + as_floats(as_ints(sums[k]) & used));
        }
    }

    void add_terms(int64_t v) {
        int32_t used[LANES] = {};  // terms of each cell so far, then all bits where there are any
        const auto first = static_cast<int32_t>(terms_.size());
        const auto add_term = [&](int64_t cell, int64_t column, float weight) {
            const size_t number = first + used[cell]++;
            if (number == terms_.size()) terms_.push_back({});
            terms_[number].index[cell] = static_cast<int32_t>(column);
            terms_[number].weight[cell] = weight;
        };
        for (int64_t k = 0; k < std::min<int64_t>(LANES, tile_->width - v * LANES); ++k) {
            const int32_t cell = tile_->within[v * LANES + k];
            const float share = tile_->share[v * LANES + k];
            by_vectors_ = by_vectors_ && cell + 1 < LANES;
            if (!by_vectors_) return;
            add_term(cell, k, 1.0f - share);
            if (share != 0.0f) add_term(cell + 1, k, share);
        }
        for (int32_t& lane : used) used_.push_back(lane > 0 ? -1 : 0);
        if (first_term_.empty()) first_term_.push_back(0);
        first_term_.push_back(static_cast<int32_t>(terms_.size()));
    }

    void add_one_by_one(const float* columns, float* cells) const {
        for (int64_t x = 0; x < tile_->width;) {
            const int32_t cell = tile_->lower[x];
            float sum = 0.0f, right = 0.0f;
            for (; x < tile_->width && tile_->lower[x] == cell; ++x) {
                sum += columns[x];
                right += tile_->share[x] * columns[x];
            }
            cells[cell] += sum - right;
            cells[cell + 1] += right;
        }
    }

    const Tile* tile_;
    bool by_vectors_ = LANES >= 8;  // narrower vectors are permuted one lane at a time
    Vector<Term> terms_;
    Vector<int32_t> first_term_;  // of each vector, and the end
    Vector<int32_t> used_;        // of each vector: the lanes that belong to a cell
};

inline Vector<Fold> folds_of(const Vector<Tile>& tiles) {
    Vector<Fold> folds;
    for (const Tile& tile : tiles) folds.push_back(Fold(tile));
    return folds;
}

template <typename T>
void write_row(const float* cells, float factor, int64_t count, T* to, int64_t step) {
    if (step == 1) {
        for (int64_t i = 0; i < count; ++i) from_float(factor * cells[i], to[i]);
    } else {
        for (int64_t i = 0; i < count; ++i) from_float(factor * cells[i], to[i * step]);
    }
}

// A coarse row to which two pieces add: each keeps its sums here, (K, w), for the row to be rounded once.
struct Seam {
    Vector<float> above, below;
};

// Sums up the gradient of the coarse rows of one piece, tile by tile and run by run. A run adds to two rows; the lower
// one is then complete and is written, so that two rows of sums exist at a time.
template <typename T>
class GradientRows {
public:
    GradientRows(const CrossEntropyCall& call, const Vector<Tile>& tiles, const Vector<Fold>& folds)
        : call_(call), classes_(call.logits.classes), width_(call.logits.columns.cells), tiles_(tiles), folds_(folds) {
        for (const Tile& tile : tiles) stride_ = std::max(stride_, tile.cells + LANES);
        lower_.resize(classes_ * stride_);
        upper_.resize(classes_ * stride_);
    }

    // `first` and `last` receive the rows that the pieces above and below also add to; null where there are none.
    void start_piece(const Piece& piece, float* first, float* last) {
        gradient_ = static_cast<T*>(call_.gradient) + piece.picture * call_.gradient_strides.picture;
        first_ = first;
        last_ = last;
        // A run opens two rows at most.
        carried_.assign(2 * (piece.last - piece.first) * classes_ * SHARED, 0.0f);
    }

    void start_tile(size_t number) {
        tile_ = number;
        slot_ = 0;
        upper_row_ = NONE;
    }

    // Columns are those of the tile for every class, `column_stride` apart: the gradient with respect to the lower and
    // the upper row of the run.
    void add(const Run& run, const float* lower, const float* upper, int64_t column_stride) {
        if (run.lower == upper_row_) {
            lower_.swap(upper_);
        } else {
            if (upper_row_ != NONE) close(upper_row_, upper_, false);
            open(lower_, slot_);
        }
        folds_[tile_].add(lower, column_stride, classes_, lower_.data(), stride_);
        // Below the last row nothing is read.
        upper_row_ = run.lower + 1 < call_.logits.rows.cells ? run.lower + 1 : NONE;
        if (upper_row_ != NONE) {
            open(upper_, slot_ + 1);
            folds_[tile_].add(upper, column_stride, classes_, upper_.data(), stride_);
        }
        close(run.lower, lower_, false);
    }

    void finish_tile() {
        if (upper_row_ != NONE) close(upper_row_, upper_, true);
    }

private:
    static constexpr int64_t NONE = -1;
    static constexpr int64_t SHARED = 2;  // most cells that two neighbouring tiles read

    // Cells of a tile that the next one does not read; the others are carried over to it.
    int64_t own_cells(size_t tile) const {
        const int64_t end = tile + 1 < tiles_.size() ? tiles_[tile + 1].first_cell : width_;
        return std::min(tiles_[tile].cells, end - tiles_[tile].first_cell);
    }

    float* carried(int64_t slot, int64_t k) { return &carried_[(slot * classes_ + k) * SHARED]; }

    void open(Vector<float>& cells, int64_t slot) {
        std::fill(cells.begin(), cells.end(), 0.0f);
        if (tile_ == 0) return;
        const int64_t shared = tiles_[tile_ - 1].cells - own_cells(tile_ - 1);
        for (int64_t k = 0; k < classes_; ++k) std::copy_n(carried(slot, k), shared, &cells[k * stride_]);
    }

    void close(int64_t row, const Vector<float>& cells, bool last) {
        const Tile& tile = tiles_[tile_];
        const int64_t own = own_cells(tile_), shared = tile_ + 1 < tiles_.size() ? tile.cells - own : 0;
        for (int64_t k = 0; k < classes_ && shared > 0; ++k) {
            std::copy_n(&cells[k * stride_ + own], shared, carried(slot_, k));
        }
        float* seam = slot_ == 0 ? first_ : last ? last_ : nullptr;
        ++slot_;
        if (seam) {
            for (int64_t k = 0; k < classes_; ++k) {
                std::copy_n(&cells[k * stride_], own, seam + k * width_ + tile.first_cell);
            }
            return;
        }
        const Strides& strides = call_.gradient_strides;
        T* to = gradient_ + row * strides.row + tile.first_cell * strides.column;
        for (int64_t k = 0; k < classes_; ++k, to += strides.classes) {
            write_row(&cells[k * stride_], call_.gradient_factor, own, to, strides.column);
        }
    }

    const CrossEntropyCall& call_;
    const int64_t classes_, width_;
    const Vector<Tile>& tiles_;
    const Vector<Fold>& folds_;
    int64_t stride_ = 0;           // from one class to the next
    Vector<float> lower_, upper_;  // sums of the two open rows, [class][stride]
    Vector<float> carried_;        // what the last tile left for this one, [row of the piece][class][SHARED]
    T* gradient_ = nullptr;
    float* first_ = nullptr;
    float* last_ = nullptr;
    size_t tile_ = 0;
    int64_t slot_ = 0;  // rows of the piece that are complete
    int64_t upper_row_ = NONE;
};

}  // namespace pixelwise::PIXELWISE_ISA
