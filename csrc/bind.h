// What the files of the Python module share. Arrays come in by DLPack, so nothing here depends on a version of torch.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>

namespace pixelwise {

namespace nb = nanobind;

using Array = nb::ndarray<nb::c_contig, nb::device::cpu>;
using FloatArray = nb::ndarray<float, nb::c_contig, nb::device::cpu>;

inline bool is_bfloat16(const nb::dlpack::dtype& type) {
    return type.code == static_cast<uint8_t>(nb::dlpack::dtype_code::Bfloat) && type.bits == 16;
}

// The operators in Python check what users give; this guards the kernels against those operators.
inline void require(bool holds, const char* message) {
    if (!holds) throw std::invalid_argument(message);
}

void bind_depthwise(nb::module_& module);
void bind_masks(nb::module_& module);
void bind_regions(nb::module_& module);
void bind_tail(nb::module_& module);
void bind_winograd(nb::module_& module);

}  // namespace pixelwise
