#include "gradient.h"
#include "labels.h"
#include "vecmath.h"

namespace pixelwise::PIXELWISE_ISA {
namespace {

// One vector of pixels as the loss sees them.
struct Pixels {
    int32_t label[LANES];  // 0 where the pixel does not count
    Floats importance;     // pixel weight, 0 where the pixel does not count
    Floats own_weight;     // weight of the class of the target
    Ints counted;          // all bits set where the pixel counts
};

template <typename Value>
void read_labels(const Value* from, int64_t count, int64_t ignore_index, int64_t classes, Pixels& pixels, bool& bad) {
    int32_t counted[LANES], wrong = 0;
    for (int64_t k = 0; k < LANES; ++k) {
        const int64_t value = k < count ? static_cast<int64_t>(from[k]) : ignore_index;
        const bool known = value >= 0 && value < classes;
        wrong |= !known && value != ignore_index;
        counted[k] = known ? -1 : 0;  // the ignored value is no class
        pixels.label[k] = known ? static_cast<int32_t>(value) : 0;
    }
    pixels.counted = load(counted);
    bad = bad || wrong;
}

bool any(Ints bits) {
    int32_t all = 0;
    for (int k = 0; k < LANES; ++k) all |= bits[k];
    return all != 0;
}

// Works on one run and one tile at a time.
template <typename T>
class Worker {
public:
    Worker(const CrossEntropyCall& call, int64_t tile_width)
        : call_(call),
          classes_(call.logits.classes),
          spread_(call.logits, tile_width),
          step_(spread_.lower.size()),
          exponentials_(classes_ * LANES),
          lower_gradient_(call.gradient ? step_.size() : 0),
          upper_gradient_(lower_gradient_.size()) {
        for (int64_t k = 0; k < classes_; ++k) all_weights_ += call.class_weights[k];
    }

    // Add the losses of the pixels, and where `rows` are given their gradient.
    void add(int64_t picture, const Run& run, const Tile& tile, GradientRows<T>* rows) {
        spread_.template fill<T>(picture, run, tile);
        for (size_t i = 0; i < step_.size(); ++i) step_[i] = spread_.upper[i] - spread_.lower[i];
        std::fill(lower_gradient_.begin(), lower_gradient_.end(), 0.0f);
        std::fill(upper_gradient_.begin(), upper_gradient_.end(), 0.0f);
        loss_ = weight_ = Floats{};
        // Down the run first: what one vector of columns reads and writes stays in the level-1 cache.
        for (int64_t x = 0; x < tile.width; x += LANES) {
            for (int64_t y = run.first; y < run.last; ++y) {
                const int64_t row = (picture * call_.logits.rows.pixels + y) * call_.logits.columns.pixels;
                const float share = run.share(call_.logits.rows, y);
                add_pixels(row + tile.first + x, x, std::min<int64_t>(LANES, tile.width - x), share);
            }
        }
        loss += sum_of(loss_);
        weight += sum_of(weight_);
        if (rows) rows->add(run, lower_gradient_.data(), upper_gradient_.data(), spread_.stride);
    }

    double loss = 0.0, weight = 0.0;
    bool bad_target = false;

private:
    Pixels read_pixels(int64_t position, int64_t count) {
        Pixels pixels;
        const Target& target = call_.target;
        if (target.wide) {
            const auto* labels = static_cast<const int64_t*>(target.data) + position;
            read_labels(labels, count, target.ignore_index, classes_, pixels, bad_target);
        } else {
            const auto* labels = static_cast<const uint8_t*>(target.data) + position;
            read_labels(labels, count, target.ignore_index, classes_, pixels, bad_target);
        }
        float own_weight[LANES], importance[LANES];
        for (int k = 0; k < LANES; ++k) own_weight[k] = call_.class_weights[pixels.label[k]];
        pixels.own_weight = load(own_weight);
        pixels.importance = broadcast(1.0f);
        if (call_.pixel_weights) {
            for (int64_t k = 0; k < LANES; ++k) importance[k] = k < count ? call_.pixel_weights[position + k] : 0.0f;
            pixels.importance = load(importance);
        }
        pixels.importance = pixels.counted ? pixels.importance : Floats{};
        return pixels;
    }

    void add_pixels(int64_t position, int64_t x, int64_t count, float share) {
        const Pixels pixels = read_pixels(position, count);
        if (!any(pixels.counted)) {
            if (call_.losses) std::fill_n(call_.losses + position, count, 0.0f);
            return;
        }
        const float* base = &spread_.lower[x];
        const float* step = &step_[x];
        const int64_t stride = spread_.stride;
        const auto score = [=](int64_t k) { return load(base + k * stride) + share * load(step + k * stride); };
        Floats greatest = score(0);
        for (int64_t k = 1; k < classes_; ++k) {
            const Floats other = score(k);
            greatest = other > greatest ? other : greatest;
        }
        Floats sum = {};
        for (int64_t k = 0; k < classes_; ++k) {
            const Floats exponential = exp_of_negative(score(k) - greatest);
            store(&exponentials_[k * LANES], exponential);
            sum += exponential;
        }
        float own[LANES];
        for (int k = 0; k < LANES; ++k) {
            const int64_t at = pixels.label[k] * stride + k;
            own[k] = base[at] + share * step[at];
        }
        const float sharp = 1.0f - call_.label_smoothing, even = call_.label_smoothing / classes_;
        const Floats log_sum = log_of(sum);
        Floats losses = sharp * pixels.own_weight * ((greatest - load(own)) + log_sum);
        if (even != 0.0f) {
            for (int64_t k = 0; k < classes_; ++k) {
                losses += even * call_.class_weights[k] * ((greatest - score(k)) + log_sum);
            }
        }
        losses = pixels.counted ? losses * pixels.importance : Floats{};
        loss_ += losses;
        weight_ += pixels.own_weight * pixels.importance;
        if (call_.losses) {
            for (int64_t k = 0; k < count; ++k) call_.losses[position + k] = losses[k];
        }
        if (call_.gradient) add_gradient(pixels, x, share, sum, sharp, even);
    }

    // The gradient with respect to the lower and the upper row, of one vector of pixels.
    void add_gradient(const Pixels& pixels, int64_t x, float share, Floats sum, float sharp, float even) {
        float* to_lower = &lower_gradient_[x];
        float* to_upper = &upper_gradient_[x];
        const int64_t stride = spread_.stride;
        const Floats own = sharp * pixels.own_weight * pixels.importance;
        const Floats factor = (own + even * all_weights_ * pixels.importance) / sum;
        const Floats spread = even * pixels.importance;
        for (int64_t k = 0; k < classes_; ++k) {
            const Floats slope = factor * load(&exponentials_[k * LANES]) - spread * call_.class_weights[k];
            const Floats gradient = as_floats(as_ints(slope) & pixels.counted);
            store(to_lower + k * stride, load(to_lower + k * stride) + (1.0f - share) * gradient);
            store(to_upper + k * stride, load(to_upper + k * stride) + share * gradient);
        }
        for (int k = 0; k < LANES; ++k) {
            const int64_t at = pixels.label[k] * stride + k;
            to_lower[at] -= (1.0f - share) * own[k];
            to_upper[at] -= share * own[k];
        }
    }

    const CrossEntropyCall& call_;
    const int64_t classes_;
    Spread spread_;
    Vector<float> step_;          // from the lower to the upper row, laid out as they are
    Vector<float> exponentials_;  // of one vector of pixels, [class][LANES]
    Vector<float> lower_gradient_, upper_gradient_;
    Floats loss_ = {}, weight_ = {};  // of one run and one tile: few enough to add up as floats
    float all_weights_ = 0.0f;
};

// Pieces of a call, and where the sums of each go, which makes them the same for any number of threads.
struct Sums {
    Vector<double> losses, weights;
    Vector<char> bad_targets;
    Vector<Seam> seams;  // between a piece and the next

    explicit Sums(size_t pieces) : losses(pieces), weights(pieces), bad_targets(pieces), seams(pieces) {}
};

template <typename T>
void cross_entropy(const CrossEntropyCall& call) {
    const Logits& logits = call.logits;
    const Vector<Run> runs = runs_of(logits.rows);
    const int64_t tile_width = tile_width_for(logits.classes, call.gradient ? 5 : 3);
    const Vector<Tile> tiles = tiles_of(logits.columns, tile_width);
    const Vector<Fold> folds = call.gradient ? folds_of(tiles) : Vector<Fold>();
    const auto run_count = static_cast<int64_t>(runs.size());
    const Vector<Piece> pieces = pieces_of(logits.pictures, run_count, std::max<int64_t>(8, (run_count + 7) / 8));
    const auto count = static_cast<int64_t>(pieces.size());
    const int64_t width = logits.columns.cells;
    Sums sums(count);
    for (int64_t p = 0; call.gradient && p < count; ++p) {
        const int64_t end = pieces[p].last;
        if (end == run_count || runs[end].lower != runs[end - 1].lower + 1) continue;
        sums.seams[p].above.resize(logits.classes * width);
        sums.seams[p].below.resize(logits.classes * width);
    }
#pragma omp parallel num_threads(call.threads)
    {
        Worker<T> worker(call, tile_width);
        GradientRows<T> rows(call, tiles, folds);
#pragma omp for schedule(dynamic, 1)
        for (int64_t p = 0; p < count; ++p) {
            const Piece& piece = pieces[p];
            worker.loss = worker.weight = 0.0;
            if (call.gradient) {
                const bool joins = piece.first > 0 && !sums.seams[p - 1].below.empty();
                const bool joined = !sums.seams[p].above.empty();
                rows.start_piece(piece, joins ? sums.seams[p - 1].below.data() : nullptr,
                                 joined ? sums.seams[p].above.data() : nullptr);
            }
            for (size_t t = 0; t < tiles.size(); ++t) {
                if (call.gradient) rows.start_tile(t);
                for (int64_t i = piece.first; i < piece.last; ++i) {
                    worker.add(piece.picture, runs[i], tiles[t], call.gradient ? &rows : nullptr);
                }
                if (call.gradient) rows.finish_tile();
            }
            sums.losses[p] = worker.loss;
            sums.weights[p] = worker.weight;
            sums.bad_targets[p] = worker.bad_target;
        }
    }
    *call.loss_sum = *call.weight_sum = 0.0;
    for (int64_t p = 0; p < count; ++p) {
        *call.loss_sum += sums.losses[p];
        *call.weight_sum += sums.weights[p];
        *call.bad_target = *call.bad_target || sums.bad_targets[p];
        if (sums.seams[p].above.empty()) continue;
        Seam& seam = sums.seams[p];
        for (size_t i = 0; i < seam.above.size(); ++i) seam.above[i] += seam.below[i];
        const Strides& strides = call.gradient_strides;
        T* to = static_cast<T*>(call.gradient) + pieces[p].picture * strides.picture +
                runs[pieces[p].last].lower * strides.row;
        for (int64_t k = 0; k < logits.classes; ++k) {
            write_row(&seam.above[k * width], call.gradient_factor, width, to + k * strides.classes, strides.column);
        }
    }
}

}  // namespace

void upsample_cross_entropy(const CrossEntropyCall& call) {
    with_type(call.logits.type, [&](auto type) { cross_entropy<decltype(type)>(call); });
}

}  // namespace pixelwise::PIXELWISE_ISA
