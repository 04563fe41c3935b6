#include "labels.h"

namespace pixelwise::PIXELWISE_ISA {
namespace {

// Counts of one thread: (K + 2, K + 1), where row K takes ignored targets, row K + 1 takes targets and column K takes
// predictions that are no class. Neighbouring pixels mostly are the same pair, so consecutive pixels add to different
// copies of the table: an addition need not wait for the last one to be stored.
class Table {
public:
    static constexpr int COPIES = 4;

    explicit Table(int64_t classes)
        : classes_(classes), size_((classes + 2) * (classes + 1)), cells_(COPIES * size_) {}

    int64_t row_of(int64_t target, int64_t ignore_index) const {
        const bool known = target >= 0 && target < classes_;
        return (known ? target : target == ignore_index ? classes_ : classes_ + 1) * (classes_ + 1);
    }

    int64_t column_of(int64_t prediction) const {
        return prediction >= 0 && prediction < classes_ ? prediction : classes_;
    }

    // `cell` is a row plus a column.
    void add(int64_t cell, int64_t pixels, int copy = 0) { cells_[copy * size_ + cell] += pixels; }

    void merge_into(int64_t* counts, bool& bad_target, bool& bad_prediction) const {
        for (int64_t row = 0; row < classes_ + 2; ++row) {
            for (int64_t column = 0; column <= classes_; ++column) {
                int64_t sum = 0;
                for (int copy = 0; copy < COPIES; ++copy) sum += cells_[copy * size_ + row * (classes_ + 1) + column];
                if (sum == 0 || row == classes_) continue;
                if (row > classes_) {
                    bad_target = true;
                } else if (column == classes_) {
                    bad_prediction = true;
                } else {
                    counts[row * classes_ + column] += sum;
                }
            }
        }
    }

private:
    int64_t classes_, size_;
    Vector<int64_t> cells_;
};

// A byte each: blocks in which both sides are constant, most of a mask, are counted in one step.
void count_bytes(const uint8_t* target, const uint8_t* prediction, int64_t count, int64_t ignore_index, Table& table) {
    constexpr int64_t BLOCK = 32;
    int64_t row[256], column[256];
    for (int64_t value = 0; value < 256; ++value) {
        row[value] = table.row_of(value, ignore_index);
        column[value] = table.column_of(value);
    }
    int64_t i = 0;
    for (; i + BLOCK <= count; i += BLOCK) {
        const uint8_t t = target[i], p = prediction[i];
        uint8_t differs = 0;
        for (int64_t k = 0; k < BLOCK; ++k) differs |= (target[i + k] ^ t) | (prediction[i + k] ^ p);
        if (differs == 0) {
            table.add(row[t] + column[p], BLOCK);
            continue;
        }
        for (int64_t k = 0; k < BLOCK; ++k) {
            table.add(row[target[i + k]] + column[prediction[i + k]], 1, k % Table::COPIES);
        }
    }
    for (; i < count; ++i) table.add(row[target[i]] + column[prediction[i]], 1);
}

template <typename TargetValue, typename Prediction>
void count_values(const TargetValue* target, const Prediction* prediction, int64_t count, int64_t ignore_index,
                  Table& table) {
    for (int64_t i = 0; i < count; ++i) {
        table.add(table.row_of(target[i], ignore_index) + table.column_of(prediction[i]), 1, i % Table::COPIES);
    }
}

template <typename Prediction>
void count_any(const Target& target, int64_t first, const Prediction* prediction, int64_t count, Table& table) {
    if (target.wide) {
        count_values(static_cast<const int64_t*>(target.data) + first, prediction, count, target.ignore_index, table);
    } else {
        count_values(static_cast<const uint8_t*>(target.data) + first, prediction, count, target.ignore_index, table);
    }
}

}  // namespace

void confusion_counts(const ConfusionCall& call) {
    constexpr int64_t CHUNK = 1 << 16;  // pixels that a thread takes at a time
    const auto* target_bytes = static_cast<const uint8_t*>(call.target.data);
    const auto* bytes = static_cast<const uint8_t*>(call.predictions);
    const auto* wide = static_cast<const int64_t*>(call.predictions);
#pragma omp parallel num_threads(call.threads)
    {
        Table table(call.classes);
#pragma omp for schedule(static)
        for (int64_t first = 0; first < call.count; first += CHUNK) {
            const int64_t count = std::min(CHUNK, call.count - first);
            if (call.wide_predictions) {
                count_any(call.target, first, wide + first, count, table);
            } else if (call.target.wide) {
                count_any(call.target, first, bytes + first, count, table);
            } else {
                count_bytes(target_bytes + first, bytes + first, count, call.target.ignore_index, table);
            }
        }
#pragma omp critical(pixelwise_confusion)
        table.merge_into(call.counts, *call.bad_target, *call.bad_prediction);
    }
}

void upsample_confusion(const UpsampleConfusionCall& call) {
    const Axis& rows = call.logits.rows;
    const Axis& columns = call.logits.columns;
    Vector<Table> tables(call.threads, Table(call.logits.classes));
    auto counter = [&](int thread) {
        return [&, thread](int64_t picture, int64_t y, int64_t x, int64_t count, const int32_t* labels) {
            const int64_t first = (picture * rows.pixels + y) * columns.pixels + x;
            count_any(call.target, first, labels, count, tables[thread]);
        };
    };
    with_type(call.logits.type,
              [&](auto type) { for_each_label_row<decltype(type)>(call.logits, call.threads, counter); });
    bool unused = false;
    for (const Table& table : tables) table.merge_into(call.counts, *call.bad_target, unused);
}

}  // namespace pixelwise::PIXELWISE_ISA
