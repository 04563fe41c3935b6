#include "bind.h"
#include "isa.h"
#include "winograd.h"

namespace pixelwise {

PIXELWISE_DISPATCH(winograd_input, WinogradInput)
PIXELWISE_DISPATCH(winograd_output, WinogradOutput)

namespace {

constexpr int64_t BLOCK = 16, OUTPUTS = 4, POINTS = 36;

// Maps are (N, h, w, C), points (36, T, C).
WinogradShape shape_of(const FloatArray& map, const FloatArray& points, int64_t first, int threads) {
    require(map.ndim() == 4 && points.ndim() == 3 && points.shape(0) == POINTS && map.shape(3) == points.shape(2),
            "maps must be (N, h, w, C) and points (36, T, C)");
    const auto side = [&](size_t axis) { return static_cast<int64_t>(map.shape(axis)); };
    const int64_t tiles = side(0) * ((side(1) + OUTPUTS - 1) / OUTPUTS) * ((side(2) + OUTPUTS - 1) / OUTPUTS);
    const auto count = static_cast<int64_t>(points.shape(1));
    require(side(3) % BLOCK == 0, "channels must come in blocks of 16");
    require(first >= 0 && first + count <= tiles, "there are fewer tiles");
    return {side(0), side(1), side(2), side(3), first, count, threads};
}

void input(FloatArray map, int64_t first, FloatArray points, int threads) {
    const WinogradInput call{shape_of(map, points, first, threads), map.data(), points.data()};
    nb::gil_scoped_release release;
    winograd_input(call);
}

void output(FloatArray points, FloatArray bias, int64_t first, FloatArray map, int threads) {
    const WinogradOutput call{shape_of(map, points, first, threads), points.data(), bias.data(), map.data()};
    require(bias.ndim() == 1 && bias.shape(0) == map.shape(3), "there must be a bias for each channel");
    nb::gil_scoped_release release;
    winograd_output(call);
}

}  // namespace

void bind_winograd(nb::module_& module) {
    // noconvert: a silent copy of an argument that is written to would lose the result.
    module.def("winograd_input", &input, nb::arg("map").noconvert(), nb::arg("first"), nb::arg("points").noconvert(),
               nb::arg("threads"));
    module.def("winograd_output", &output, nb::arg("points").noconvert(), nb::arg("bias").noconvert(),
               nb::arg("first"), nb::arg("map").noconvert(), nb::arg("threads"));
}

}  // namespace pixelwise
