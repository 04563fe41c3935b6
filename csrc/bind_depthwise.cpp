#include <nanobind/stl/array.h>

#include <array>

#include "bind.h"
#include "depthwise.h"
#include "isa.h"

namespace pixelwise {

PIXELWISE_DISPATCH(depthwise_backward, DepthwiseBackward)

namespace {

using Pair = std::array<int64_t, 2>;

// Pictures are (N, H, W, C), filters (taps, C).
void depthwise_conv2d_backward(Array input, FloatArray weight, Array output_gradient, Array input_gradient,
                               FloatArray weight_gradient, Pair kernel, Pair stride, Pair padding, Pair dilation,
                               int threads) {
    const bool half = is_bfloat16(input.dtype());
    require(half || input.dtype() == nb::dtype<float>(), "input must be float32 or bfloat16");
    require(input.dtype() == output_gradient.dtype() && input.dtype() == input_gradient.dtype(), "types differ");
    require(input.ndim() == 4 && output_gradient.ndim() == 4, "pictures must be (N, H, W, C)");
    require(output_gradient.shape(0) == input.shape(0) && output_gradient.shape(3) == input.shape(3) &&
                input_gradient.size() == input.size(),
            "pictures differ in shape");
    DepthwiseShape shape{};
    shape.batch = static_cast<int64_t>(input.shape(0));
    shape.in_height = static_cast<int64_t>(input.shape(1));
    shape.in_width = static_cast<int64_t>(input.shape(2));
    shape.channels = static_cast<int64_t>(input.shape(3));
    shape.out_height = static_cast<int64_t>(output_gradient.shape(1));
    shape.out_width = static_cast<int64_t>(output_gradient.shape(2));
    shape.kernel_height = kernel[0], shape.kernel_width = kernel[1];
    shape.stride_y = stride[0], shape.stride_x = stride[1];
    shape.padding_y = padding[0], shape.padding_x = padding[1];
    shape.dilation_y = dilation[0], shape.dilation_x = dilation[1];
    const auto weights = static_cast<size_t>(kernel[0] * kernel[1] * shape.channels);
    require(weight.size() == weights && weight_gradient.size() == weights, "filters must be (taps, C)");
    const DepthwiseBackward call{shape,
                                 half,
                                 input.data(),
                                 weight.data(),
                                 output_gradient.data(),
                                 input_gradient.data(),
                                 weight_gradient.data(),
                                 threads};
    nb::gil_scoped_release release;
    depthwise_backward(call);
}

}  // namespace

void bind_depthwise(nb::module_& module) {
    // noconvert: a silent copy of an argument that is written to would lose the result.
    module.def("depthwise_conv2d_backward", &depthwise_conv2d_backward, nb::arg("input").noconvert(),
               nb::arg("weight").noconvert(), nb::arg("output_gradient").noconvert(),
               nb::arg("input_gradient").noconvert(), nb::arg("weight_gradient").noconvert(), nb::arg("kernel"),
               nb::arg("stride"), nb::arg("padding"), nb::arg("dilation"), nb::arg("threads"));
}

}  // namespace pixelwise
