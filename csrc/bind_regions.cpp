#include "bind.h"
#include "isa.h"
#include "regions.h"

namespace pixelwise {

PIXELWISE_DISPATCH(align_regions, RegionCall)
PIXELWISE_DISPATCH(align_regions_backward, RegionBackward)

namespace {

using RoiArray = nb::ndarray<float, nb::shape<-1, 5>, nb::c_contig, nb::device::cpu>;
using PlaceArray = nb::ndarray<int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// Maps are (N, h, w, C), regions (P, cells, cells, C).
template <typename Maps, typename Regions>
RegionShape shape_of(const Maps& maps, const Regions& regions, const RoiArray& rois, const PlaceArray& places,
                     float scale, int64_t samples, bool half_pixel, int threads) {
    const bool half = is_bfloat16(regions.dtype());
    require(half || regions.dtype() == nb::dtype<float>(), "regions must be float32 or bfloat16");
    require(maps.ndim() == 4 && regions.ndim() == 4 && maps.shape(3) == regions.shape(3) &&
                regions.shape(1) == regions.shape(2),
            "maps must be (N, h, w, C) and regions (P, cells, cells, C)");
    require(rois.shape(0) == places.shape(0), "every roi needs a place");
    require(samples > 0 && maps.shape(1) > 0 && maps.shape(2) > 0, "there must be samples and cells");
    for (size_t n = 0; n < rois.shape(0); ++n) {
        const float picture = rois.data()[5 * n];
        require(picture >= 0 && picture < static_cast<float>(maps.shape(0)), "a roi is of no picture");
        require(places.data()[n] >= 0 && places.data()[n] < static_cast<int64_t>(regions.shape(0)),
                "a place is outside of the regions");
    }
    return {static_cast<int64_t>(maps.shape(0)),
            static_cast<int64_t>(maps.shape(1)),
            static_cast<int64_t>(maps.shape(2)),
            static_cast<int64_t>(maps.shape(3)),
            rois.data(),
            places.data(),
            static_cast<int64_t>(rois.shape(0)),
            scale,
            static_cast<int64_t>(regions.shape(1)),
            samples,
            half_pixel,
            half,
            threads};
}

void align(Array map, RoiArray rois, PlaceArray places, float scale, int64_t samples, bool half_pixel, Array output,
           int threads) {
    require(map.dtype() == output.dtype(), "types differ");
    const RegionShape shape = shape_of(map, output, rois, places, scale, samples, half_pixel, threads);
    const RegionCall call{shape, map.data(), output.data()};
    nb::gil_scoped_release release;
    align_regions(call);
}

void align_backward(Array output_gradient, RoiArray rois, PlaceArray places, float scale, int64_t samples,
                    bool half_pixel, FloatArray map_gradient, int threads) {
    const RegionShape shape =
        shape_of(map_gradient, output_gradient, rois, places, scale, samples, half_pixel, threads);
    const RegionBackward call{shape, output_gradient.data(), map_gradient.data()};
    nb::gil_scoped_release release;
    align_regions_backward(call);
}

}  // namespace

void bind_regions(nb::module_& module) {
    // noconvert: a silent copy of an argument that is written to would lose the result.
    module.def("align_regions", &align, nb::arg("map").noconvert(), nb::arg("rois").noconvert(),
               nb::arg("places").noconvert(), nb::arg("scale"), nb::arg("samples"), nb::arg("half_pixel"),
               nb::arg("output").noconvert(), nb::arg("threads"));
    module.def("align_regions_backward", &align_backward, nb::arg("output_gradient").noconvert(),
               nb::arg("rois").noconvert(), nb::arg("places").noconvert(), nb::arg("scale"), nb::arg("samples"),
               nb::arg("half_pixel"), nb::arg("map_gradient").noconvert(), nb::arg("threads"));
}

}  // namespace pixelwise
