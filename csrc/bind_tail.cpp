#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>

#include <array>
#include <optional>
#include <tuple>
#include <utility>

#include "bind.h"
#include "isa.h"
#include "tail.h"

namespace pixelwise {

PIXELWISE_DISPATCH(upsample_argmax, ArgmaxCall)
PIXELWISE_DISPATCH(upsample_confusion, UpsampleConfusionCall)
PIXELWISE_DISPATCH(upsample_cross_entropy, CrossEntropyCall)
PIXELWISE_DISPATCH(confusion_counts, ConfusionCall)

namespace {

using StridedArray = nb::ndarray<nb::device::cpu>;
using CountArray = nb::ndarray<int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
// Scale and offset of the rows, then of the columns.
using Grid = std::array<double, 4>;

Float float_type(const nb::dlpack::dtype& type) {
    if (is_bfloat16(type)) return Float::bfloat16;
    if (type == nb::dtype<float>()) return Float::float32;
    require(type.code == static_cast<uint8_t>(nb::dlpack::dtype_code::Float) && type.bits == 16,
            "logits must be float32, bfloat16 or float16");
    return Float::float16;
}

bool is_wide(const nb::dlpack::dtype& type) {
    const bool wide = type == nb::dtype<int64_t>();
    require(wide || type == nb::dtype<uint8_t>(), "labels must be uint8 or int64");
    return wide;
}

Strides strides_of(const StridedArray& array) {
    return {array.stride(0), array.stride(1), array.stride(2), array.stride(3)};
}

// `labels` gives the size of the pictures.
Logits logits_of(const StridedArray& array, const Array& labels, const Grid& grid) {
    require(array.ndim() == 4 && labels.ndim() == 3, "logits must be (N, K, h, w) and labels (N, H, W)");
    require(array.shape(0) == labels.shape(0), "logits and labels differ in the number of pictures");
    const auto size = [&](size_t axis) { return static_cast<int64_t>(array.shape(axis)); };
    const auto pixels = [&](size_t axis) { return static_cast<int64_t>(labels.shape(axis)); };
    return {array.data(),
            float_type(array.dtype()),
            size(0),
            size(1),
            strides_of(array),
            {size(2), pixels(1), grid[0], grid[1]},
            {size(3), pixels(2), grid[2], grid[3]}};
}

void argmax(StridedArray logits, Array labels, Grid grid, int threads) {
    const ArgmaxCall call{logits_of(logits, labels, grid), labels.data(), is_wide(labels.dtype()), threads};
    nb::gil_scoped_release release;
    upsample_argmax(call);
}

// Returns whether every target was a class or ignored.
bool confusion(StridedArray logits, Array target, CountArray counts, Grid grid, int64_t ignore_index, int threads) {
    const Target targets{target.data(), is_wide(target.dtype()), ignore_index};
    require(counts.shape(0) == logits.shape(1) && counts.shape(1) == logits.shape(1), "counts must be (K, K)");
    bool bad_target = false;
    const UpsampleConfusionCall call{logits_of(logits, target, grid), targets, counts.data(), &bad_target, threads};
    nb::gil_scoped_release release;
    upsample_confusion(call);
    return !bad_target;
}

// Returns the sum of losses, the sum of weights and whether every target was a class or ignored.
std::tuple<double, double, bool> cross_entropy(StridedArray logits, Array target, FloatArray class_weights,
                                        std::optional<FloatArray> pixel_weights, std::optional<StridedArray> gradient,
                                        double gradient_factor, std::optional<FloatArray> losses, Grid grid,
                                        int64_t ignore_index, double label_smoothing, int threads) {
    CrossEntropyCall call{};
    call.logits = logits_of(logits, target, grid);
    call.target = {target.data(), is_wide(target.dtype()), ignore_index};
    call.label_smoothing = static_cast<float>(label_smoothing);
    call.threads = threads;
    require(class_weights.size() == logits.shape(1), "class weights must be (K,)");
    call.class_weights = class_weights.data();
    if (pixel_weights) {
        require(pixel_weights->size() == target.size(), "pixel weights must be (N, H, W)");
        call.pixel_weights = pixel_weights->data();
    }
    if (gradient) {
        require(gradient->ndim() == 4 && gradient->dtype() == logits.dtype(), "the gradient must be like the logits");
        for (size_t axis = 0; axis < 4; ++axis) {
            require(gradient->shape(axis) == logits.shape(axis), "the gradient must be (N, K, h, w)");
        }
        call.gradient = gradient->data();
        call.gradient_strides = strides_of(*gradient);
        call.gradient_factor = static_cast<float>(gradient_factor);
    }
    if (losses) {
        require(losses->size() == target.size(), "losses must be (N, H, W)");
        call.losses = losses->data();
    }
    double loss_sum = 0.0, weight_sum = 0.0;
    bool bad_target = false;
    call.bad_target = &bad_target;
    call.loss_sum = &loss_sum;
    call.weight_sum = &weight_sum;
    {
        nb::gil_scoped_release release;
        upsample_cross_entropy(call);
    }
    return {loss_sum, weight_sum, !bad_target};
}

// Returns whether every counted target, and every counted prediction, was a class.
std::pair<bool, bool> counts_of(Array target, Array prediction, CountArray counts, int64_t ignore_index, int threads) {
    require(target.size() == prediction.size(), "target and prediction differ in size");
    require(counts.shape(0) == counts.shape(1), "counts must be (K, K)");
    bool bad_target = false, bad_prediction = false;
    const ConfusionCall call{{target.data(), is_wide(target.dtype()), ignore_index},
                             prediction.data(),
                             is_wide(prediction.dtype()),
                             static_cast<int64_t>(target.size()),
                             static_cast<int64_t>(counts.shape(0)),
                             counts.data(),
                             &bad_target,
                             &bad_prediction,
                             threads};
    {
        nb::gil_scoped_release release;
        confusion_counts(call);
    }
    return {!bad_target, !bad_prediction};
}

}  // namespace

void bind_tail(nb::module_& module) {
    // noconvert: a silent copy of an argument that is written to would lose the result.
    module.def("upsample_argmax", &argmax, nb::arg("logits").noconvert(), nb::arg("labels").noconvert(),
               nb::arg("grid"), nb::arg("threads"));
    module.def("upsample_confusion", &confusion, nb::arg("logits").noconvert(), nb::arg("target").noconvert(),
               nb::arg("counts").noconvert(), nb::arg("grid"), nb::arg("ignore_index"), nb::arg("threads"));
    module.def("upsample_cross_entropy", &cross_entropy, nb::arg("logits").noconvert(), nb::arg("target").noconvert(),
               nb::arg("class_weights").noconvert(), nb::arg("pixel_weights").noconvert().none(),
               nb::arg("gradient").noconvert().none(), nb::arg("gradient_factor"),
               nb::arg("losses").noconvert().none(), nb::arg("grid"), nb::arg("ignore_index"),
               nb::arg("label_smoothing"), nb::arg("threads"));
    module.def("confusion_counts", &counts_of, nb::arg("target").noconvert(), nb::arg("prediction").noconvert(),
               nb::arg("counts").noconvert(), nb::arg("ignore_index"), nb::arg("threads"));
}

}  // namespace pixelwise
