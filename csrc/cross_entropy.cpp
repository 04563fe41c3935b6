#include "coarse.h"
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
class Worker {
public:
    Worker(const CrossEntropyCall& call, int64_t tile_width)
        : call_(call),
          classes_(call.logits.classes),
          spread_(call.logits, tile_width),
          step_(spread_.lower.size()),
          exponentials_(classes_ * LANES),
          base_gradient_(call.gradient ? step_.size() : 0),
          step_gradient_(base_gradient_.size()) {
        for (int64_t k = 0; k < classes_; ++k) all_weights_ += call.class_weights[k];
    }

    // Add the loss, and its gradient to the two coarse rows: `lower` and `upper` point to class 0, each class
    // `lower_stride` or `upper_stride` after the last. `upper` is null below the last row.
    template <typename T>
    void add(int64_t picture, const Run& run, const Tile& tile, float* lower, float* upper, int64_t lower_stride,
             int64_t upper_stride) {
        spread_.fill<T>(picture, run, tile);
        for (size_t i = 0; i < step_.size(); ++i) step_[i] = spread_.upper[i] - spread_.lower[i];
        std::fill(base_gradient_.begin(), base_gradient_.end(), 0.0f);
        std::fill(step_gradient_.begin(), step_gradient_.end(), 0.0f);
        loss_ = weight_ = Floats{};
        // Down the run first: what one vector of columns reads and writes stays in the level-1 cache.
        for (int64_t x = 0; x < tile.width; x += LANES) {
            for (int64_t y = run.first; y < run.last; ++y) {
                const int64_t row = (picture * call_.logits.rows.pixels + y) * call_.logits.columns.pixels;
                const float share = tap_of(call_.logits.rows, y).share;
                add_pixels(row + tile.first + x, x, std::min<int64_t>(LANES, tile.width - x), share);
            }
        }
        loss += sum_of(loss_);
        weight += sum_of(weight_);
        if (!call_.gradient) return;
        for (int64_t k = 0; k < classes_; ++k) {
            gather_gradient(k, tile, lower + k * lower_stride, upper ? upper + k * upper_stride : nullptr);
        }
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

    // The gradient with respect to the lower row and to the step to the upper one, of one vector of pixels.
    void add_gradient(const Pixels& pixels, int64_t x, float share, Floats sum, float sharp, float even) {
        float* to_base = &base_gradient_[x];
        float* to_step = &step_gradient_[x];
        const int64_t stride = spread_.stride;
        const Floats own = sharp * pixels.own_weight * pixels.importance;
        const Floats factor = (own + even * all_weights_ * pixels.importance) / sum;
        const Floats spread = even * pixels.importance;
        for (int64_t k = 0; k < classes_; ++k) {
            const Floats slope = factor * load(&exponentials_[k * LANES]) - spread * call_.class_weights[k];
            const Floats gradient = as_floats(as_ints(slope) & pixels.counted);
            store(to_base + k * stride, load(to_base + k * stride) + gradient);
            store(to_step + k * stride, load(to_step + k * stride) + share * gradient);
        }
        for (int k = 0; k < LANES; ++k) {
            const int64_t at = pixels.label[k] * stride + k;
            to_base[at] -= own[k];
            to_step[at] -= share * own[k];
        }
    }

    // The gradient of the cells of one class from that of the columns. Columns between the same two cells are summed
    // first, so that each cell is written once for each neighbour.
    void gather_gradient(int64_t k, const Tile& tile, float* lower, float* upper) const {
        const float* base = &base_gradient_[k * spread_.stride];
        const float* step = &step_gradient_[k * spread_.stride];
        const int64_t last_cell = call_.logits.columns.cells - 1;
        for (int64_t x = 0; x < tile.width;) {
            const int32_t cell = tile.lower[x];
            float base_sum = 0.0f, base_right = 0.0f, step_sum = 0.0f, step_right = 0.0f;
            for (; x < tile.width && tile.lower[x] == cell; ++x) {
                base_sum += base[x];
                base_right += tile.share[x] * base[x];
                step_sum += step[x];
                step_right += tile.share[x] * step[x];
            }
            const int64_t left = tile.first_cell + cell, right = std::min(left + 1, last_cell);
            lower[left] += (base_sum - base_right) - (step_sum - step_right);
            lower[right] += base_right - step_right;
            if (!upper) continue;
            upper[left] += step_sum - step_right;
            upper[right] += step_right;
        }
    }

    const CrossEntropyCall& call_;
    const int64_t classes_;
    Spread spread_;
    Vector<float> step_;          // from the lower to the upper row, laid out as they are
    Vector<float> exponentials_;  // of one vector of pixels, [class][LANES]
    Vector<float> base_gradient_, step_gradient_;
    Floats loss_ = {}, weight_ = {};  // of one run and one tile: few enough to add up as floats
    float all_weights_ = 0.0f;
};

template <typename T>
void cross_entropy(const CrossEntropyCall& call) {
    const Logits& logits = call.logits;
    const Vector<Run> runs = runs_of(logits.rows);
    const int64_t tile_width = tile_width_for(logits.classes, call.gradient ? 5 : 3);
    const Vector<Tile> tiles = tiles_of(logits.columns, tile_width);
    // Pieces do not depend on the number of threads, and neither do the sums.
    const auto run_count = static_cast<int64_t>(runs.size());
    const Vector<Piece> pieces = pieces_of(logits.pictures, run_count, std::max<int64_t>(8, (run_count + 7) / 8));
    const auto count = static_cast<int64_t>(pieces.size());
    const int64_t width = logits.columns.cells, plane = logits.rows.cells * width;
    // The last run of a piece may add to a coarse row that belongs to the next: that row is kept aside and added in the
    // end, so that nothing is written by two threads.
    Vector<Vector<float>> aside(count);
    Vector<double> losses(count), weights(count);
    Vector<char> bad_targets(count);
#pragma omp parallel num_threads(call.threads)
    {
        Worker worker(call, tile_width);
#pragma omp for schedule(dynamic, 1)
        for (int64_t p = 0; p < count; ++p) {
            const Piece& piece = pieces[p];
            worker.loss = worker.weight = 0.0;
            for (const Tile& tile : tiles) {
                for (int64_t i = piece.first; i < piece.last; ++i) {
                    float* lower = nullptr;
                    float* upper = nullptr;
                    int64_t upper_stride = plane;
                    if (call.gradient) {
                        lower = call.gradient + piece.picture * logits.classes * plane + runs[i].lower * width;
                        if (runs[i].lower + 1 < logits.rows.cells) upper = lower + width;
                    }
                    if (upper && i + 1 == piece.last && piece.last < run_count) {
                        if (aside[p].empty()) aside[p].assign(logits.classes * width, 0.0f);
                        upper = aside[p].data();
                        upper_stride = width;
                    }
                    worker.template add<T>(piece.picture, runs[i], tile, lower, upper, plane, upper_stride);
                }
            }
            losses[p] = worker.loss;
            weights[p] = worker.weight;
            bad_targets[p] = worker.bad_target;
        }
    }
    *call.loss_sum = *call.weight_sum = 0.0;
    for (int64_t p = 0; p < count; ++p) {
        *call.loss_sum += losses[p];
        *call.weight_sum += weights[p];
        *call.bad_target = *call.bad_target || bad_targets[p];
        if (aside[p].empty()) continue;
        const int64_t row = runs[pieces[p].last - 1].lower + 1;
        float* gradient = call.gradient + pieces[p].picture * logits.classes * plane + row * width;
        for (int64_t k = 0; k < logits.classes; ++k) {
            for (int64_t x = 0; x < width; ++x) gradient[k * plane + x] += aside[p][k * width + x];
        }
    }
}

}  // namespace

void upsample_cross_entropy(const CrossEntropyCall& call) {
    with_type(call.logits.type, [&](auto type) { cross_entropy<decltype(type)>(call); });
}

}  // namespace pixelwise::PIXELWISE_ISA
