#include "coarse.h"
#include "labels.h"
#include "vecmath.h"

namespace pixelwise::PIXELWISE_ISA {
namespace {

// One vector of pixels as the loss sees them.
struct Pixels {
    int32_t label[LANES];    // 0 where the pixel does not count
    Floats importance;       // pixel weight, 0 where the pixel does not count
    Floats own_weight;       // weight of the class of the target
    Ints counted;            // all bits set where the pixel counts
    bool any;
};

class Worker {
public:
    Worker(const CrossEntropyCall& call, int64_t tile_width)
        : call_(call),
          classes_(call.logits.classes),
          spread_(classes_, tile_width, call.logits.columns),
          score_(classes_ * LANES),
          base_gradient_(call.gradient ? classes_ * spread_.stride : 0),
          step_gradient_(base_gradient_.size()) {
        for (int64_t k = 0; k < classes_; ++k) all_weights_ += call.class_weights[k];
    }

    // Add the loss of one run and one tile, and its gradient to the coarse rows: `lower` and `upper` point to class 0 of
    // the run's two rows, each class `class_stride` after the last. `upper` is null below the last row.
    template <typename T>
    void add(int64_t picture, const Run& run, const Tile& tile, float* lower, float* upper, int64_t lower_stride,
             int64_t upper_stride) {
        spread_.fill<T>(call_.logits, picture, run, tile);
        std::fill(base_gradient_.begin(), base_gradient_.end(), 0.0f);
        std::fill(step_gradient_.begin(), step_gradient_.end(), 0.0f);
        // Down the run first: what one vector of columns reads and writes stays in the level-1 cache.
        for (int64_t x = 0; x < tile.width; x += LANES) {
            for (int64_t y = run.first; y < run.last; ++y) {
                const int64_t row = (picture * call_.logits.rows.pixels + y) * call_.logits.columns.pixels;
                const float share = tap_of(call_.logits.rows, y).share;
                add_pixels(row + tile.first + x, x, std::min<int64_t>(LANES, tile.width - x), share);
            }
        }
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
        float importance[LANES], own_weight[LANES];
        int32_t counted[LANES];
        pixels.any = false;
        for (int k = 0; k < LANES; ++k) {
            int64_t value = target.ignore_index;
            if (k < count) {
                value = target.wide ? static_cast<const int64_t*>(target.data)[position + k]
                                    : static_cast<const uint8_t*>(target.data)[position + k];
            }
            const bool known = value >= 0 && value < classes_;
            const bool counts = known && value != target.ignore_index;
            bad_target = bad_target || (!known && value != target.ignore_index);
            pixels.any = pixels.any || counts;
            pixels.label[k] = counts ? static_cast<int32_t>(value) : 0;
            counted[k] = counts ? -1 : 0;
            importance[k] = !counts ? 0.0f : call_.pixel_weights ? call_.pixel_weights[position + k] : 1.0f;
            own_weight[k] = call_.class_weights[pixels.label[k]];
        }
        pixels.importance = load(importance);
        pixels.own_weight = load(own_weight);
        pixels.counted = load(counted);
        return pixels;
    }

    void add_pixels(int64_t position, int64_t x, int64_t count, float share) {
        const Pixels pixels = read_pixels(position, count);
        if (!pixels.any) {
            if (call_.losses) std::fill_n(call_.losses + position, count, 0.0f);
            return;
        }
        const float* base = &spread_.base[x];
        const float* step = &spread_.step[x];
        const int64_t stride = spread_.stride;
        Floats greatest = load(base) + share * load(step);
        for (int64_t k = 1; k < classes_; ++k) {
            const Floats score = load(base + k * stride) + share * load(step + k * stride);
            greatest = score > greatest ? score : greatest;
        }
        Floats sum = {};
        for (int64_t k = 0; k < classes_; ++k) {
            const Floats score = load(base + k * stride) + share * load(step + k * stride);
            const Floats exponential = exp_of_negative(score - greatest);
            store(&score_[k * LANES], exponential);
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
                const Floats score = load(base + k * stride) + share * load(step + k * stride);
                losses += even * call_.class_weights[k] * ((greatest - score) + log_sum);
            }
        }
        losses = pixels.counted ? losses * pixels.importance : Floats{};
        loss += sum_of(losses);
        weight += sum_of(pixels.own_weight * pixels.importance);
        if (call_.losses) {
            for (int64_t k = 0; k < count; ++k) call_.losses[position + k] = losses[k];
        }
        if (call_.gradient) add_gradient(pixels, x, share, sum, sharp, even);
    }

    // The gradient with respect to `base` and `step` of one vector of pixels.
    void add_gradient(const Pixels& pixels, int64_t x, float share, Floats sum, float sharp, float even) {
        float* to_base = &base_gradient_[x];
        float* to_step = &step_gradient_[x];
        const int64_t stride = spread_.stride;
        const Floats own = sharp * pixels.own_weight * pixels.importance;
        const Floats factor = (own + even * all_weights_ * pixels.importance) / sum;
        const Floats spread = even * pixels.importance;
        for (int64_t k = 0; k < classes_; ++k) {
            const Floats slope = factor * load(&score_[k * LANES]) - spread * call_.class_weights[k];
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
    Vector<float> score_;
    Vector<float> base_gradient_, step_gradient_;
    float all_weights_ = 0.0f;
};

template <typename T>
void cross_entropy(const CrossEntropyCall& call) {
    const Logits& logits = call.logits;
    const Vector<Run> runs = runs_of(logits.rows);
    const int64_t tile_width = tile_width_for(logits.classes, call.gradient ? 4 : 2);
    const Vector<Tile> tiles = tiles_of(logits.columns, tile_width);
    const int64_t runs_per_picture = static_cast<int64_t>(runs.size());
    const int64_t work = logits.pictures * runs_per_picture;
    const int64_t threads = std::max<int64_t>(1, std::min<int64_t>(call.threads, work));
    const int64_t width = logits.columns.cells, plane = logits.rows.cells * width;
    // Each thread has its own share of the runs. The last run of a share may add to a coarse row that belongs to the
    // next: that row is kept aside and added in the end, so nothing is written by two threads.
    Vector<Vector<float>> aside(threads);
    Vector<double> losses(threads), weights(threads);
    Vector<char> bad_targets(threads);
#pragma omp parallel for num_threads(static_cast<int>(threads)) schedule(static, 1)
    for (int64_t thread = 0; thread < threads; ++thread) {
        Worker worker(call, tile_width);
        const int64_t last = work * (thread + 1) / threads;
        for (int64_t item = work * thread / threads; item < last; ++item) {
            const int64_t picture = item / runs_per_picture;
            const Run& run = runs[item % runs_per_picture];
            float* lower = nullptr;
            float* upper = nullptr;
            int64_t upper_stride = plane;
            if (call.gradient) {
                lower = call.gradient + picture * logits.classes * plane + run.lower * width;
                if (run.lower + 1 < logits.rows.cells) {
                    upper = lower + width;
                    if (item + 1 == last) {
                        aside[thread].assign(logits.classes * width, 0.0f);
                        upper = aside[thread].data();
                        upper_stride = width;
                    }
                }
            }
            for (const Tile& tile : tiles) worker.add<T>(picture, run, tile, lower, upper, plane, upper_stride);
        }
        losses[thread] = worker.loss;
        weights[thread] = worker.weight;
        bad_targets[thread] = worker.bad_target;
    }
    *call.loss_sum = *call.weight_sum = 0.0;
    for (int64_t thread = 0; thread < threads; ++thread) {
        *call.loss_sum += losses[thread];
        *call.weight_sum += weights[thread];
        *call.bad_target = *call.bad_target || bad_targets[thread];
        if (aside[thread].empty()) continue;
        const int64_t item = work * (thread + 1) / threads - 1;
        const int64_t row = runs[item % runs_per_picture].lower + 1;
        float* gradient = call.gradient + item / runs_per_picture * logits.classes * plane + row * width;
        for (int64_t k = 0; k < logits.classes; ++k) {
            for (int64_t x = 0; x < width; ++x) gradient[k * plane + x] += aside[thread][k * width + x];
        }
    }
}

}  // namespace

void upsample_cross_entropy(const CrossEntropyCall& call) {
    with_type(call.logits.type, [&](auto type) { cross_entropy<decltype(type)>(call); });
}

}  // namespace pixelwise::PIXELWISE_ISA
