#include "labels.h"

namespace pixelwise::PIXELWISE_ISA {
namespace {

template <typename Label>
void write_labels(const ArgmaxCall& call) {
    const Axis& rows = call.logits.rows;
    const Axis& columns = call.logits.columns;
    auto writer = [&](int /*thread*/) {
        return [&](int64_t picture, int64_t y, int64_t x, int64_t count, const int32_t* labels) {
            Label* to = static_cast<Label*>(call.labels) + (picture * rows.pixels + y) * columns.pixels + x;
            for (int64_t k = 0; k < count; ++k) to[k] = static_cast<Label>(labels[k]);
        };
    };
    with_type(call.logits.type,
              [&](auto type) { for_each_label_row<decltype(type)>(call.logits, call.threads, writer); });
}

}  // namespace

void upsample_argmax(const ArgmaxCall& call) {
    if (call.wide) {
        write_labels<int64_t>(call);
    } else {
        write_labels<uint8_t>(call);
    }
}

}  // namespace pixelwise::PIXELWISE_ISA
