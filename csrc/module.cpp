// The Python module: checks what it is given, lets go of the interpreter lock and calls the kernels.
//
// Arrays come in by DLPack, so neither this file nor the kernels depend on a version of torch.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>

#include <array>
#include <stdexcept>

#include "depthwise.h"
#include "isa.h"

namespace nb = nanobind;

namespace pixelwise {

PIXELWISE_DISPATCH(depthwise_backward, DepthwiseBackward)

Isa best_isa() {
#if defined(PIXELWISE_HAS_AVX2)
    static const Isa best = [] {
        __builtin_cpu_init();
        const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                            __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
        const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        return avx512 ? Isa::avx512 : avx2 ? Isa::avx2 : Isa::baseline;
    }();
    return best;
#else
    return Isa::baseline;
#endif
}

namespace {

using Array = nb::ndarray<nb::c_contig, nb::device::cpu>;
using FloatArray = nb::ndarray<float, nb::c_contig, nb::device::cpu>;
using Pair = std::array<int64_t, 2>;

void require(bool holds, const char* message) {
    if (!holds) throw std::invalid_argument(message);
}

bool is_bfloat16(const Array& array) {
    const nb::dlpack::dtype type = array.dtype();
    return type.code == static_cast<uint8_t>(nb::dlpack::dtype_code::Bfloat) && type.bits == 16;
}

void depthwise_conv2d_backward(Array input, FloatArray weight, Array output_gradient, Array input_gradient,
                               FloatArray weight_gradient, Pair kernel, Pair stride, Pair padding, Pair dilation,
                               int threads) {
    const bool half = is_bfloat16(input);
    require(half || input.dtype() == nb::dtype<float>(), "input must be float32 or bfloat16");
    require(input.dtype() == output_gradient.dtype() && input.dtype() == input_gradient.dtype(), "types differ");
    require(input.ndim() == 4 && output_gradient.ndim() == 4 && input_gradient.ndim() == 4, "maps must be (N, H, W, C)");
    const DepthwiseShape shape{
        static_cast<int64_t>(input.shape(0)),           static_cast<int64_t>(input.shape(3)),
        static_cast<int64_t>(input.shape(1)),           static_cast<int64_t>(input.shape(2)),
        static_cast<int64_t>(output_gradient.shape(1)), static_cast<int64_t>(output_gradient.shape(2)),
        kernel[0], kernel[1], stride[0], stride[1], padding[0], padding[1], dilation[0], dilation[1]};
    require(output_gradient.shape(0) == input.shape(0) && output_gradient.shape(3) == input.shape(3) &&
                input_gradient.size() == input.size(),
            "maps differ in shape");
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

std::string isa_name() {
    switch (best_isa()) {
        case Isa::avx512:
            return "avx512";
        case Isa::avx2:
            return "avx2";
        default:
            return "baseline";
    }
}

}  // namespace
}  // namespace pixelwise

NB_MODULE(_native, module) {
    module.doc() = "CPU kernels of pixelwise.ops; call those functions instead.";
    module.def("isa", &pixelwise::isa_name, "Name the instruction set in use.");
    module.def("depthwise_conv2d_backward", &pixelwise::depthwise_conv2d_backward);
}
