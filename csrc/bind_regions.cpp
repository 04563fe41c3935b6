#include "bind.h"
#include "isa.h"
#include "regions.h"

namespace pixelwise {

PIXELWISE_DISPATCH(align_regions, RegionCall)

namespace {

using RoiArray = nb::ndarray<float, nb::shape<-1, 5>, nb::c_contig, nb::device::cpu>;
using PlaceArray = nb::ndarray<int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// The map is (N, h, w, C), the output (P, cells, cells, C).
void align(Array map, RoiArray rois, PlaceArray places, float scale, int64_t samples, bool half_pixel, Array output,
           int threads) {
    const bool half = is_bfloat16(map.dtype());
    require(half || map.dtype() == nb::dtype<float>(), "the map must be float32 or bfloat16");
    require(map.dtype() == output.dtype(), "types differ");
    require(map.ndim() == 4 && output.ndim() == 4 && map.shape(3) == output.shape(3) &&
                output.shape(1) == output.shape(2),
            "the map must be (N, h, w, C) and the output (P, cells, cells, C)");
    require(rois.shape(0) == places.shape(0), "every roi needs a place");
    require(samples > 0 && map.shape(1) > 0 && map.shape(2) > 0, "there must be samples and cells");
    for (size_t n = 0; n < rois.shape(0); ++n) {
        const float picture = rois.data()[5 * n];
        require(picture >= 0 && picture < static_cast<float>(map.shape(0)), "a roi is of no picture");
        require(places.data()[n] >= 0 && places.data()[n] < static_cast<int64_t>(output.shape(0)),
                "a place is outside of the output");
    }
    const RegionCall call{map.data(),
                          half,
                          static_cast<int64_t>(map.shape(0)),
                          static_cast<int64_t>(map.shape(1)),
                          static_cast<int64_t>(map.shape(2)),
                          static_cast<int64_t>(map.shape(3)),
                          rois.data(),
                          places.data(),
                          static_cast<int64_t>(rois.shape(0)),
                          scale,
                          static_cast<int64_t>(output.shape(1)),
                          samples,
                          half_pixel,
                          output.data(),
                          threads};
    nb::gil_scoped_release release;
    align_regions(call);
}

}  // namespace

void bind_regions(nb::module_& module) {
    module.def("align_regions", &align, nb::arg("map").noconvert(), nb::arg("rois").noconvert(),
               nb::arg("places").noconvert(), nb::arg("scale"), nb::arg("samples"), nb::arg("half_pixel"),
               nb::arg("output").noconvert(), nb::arg("threads"));
}

}  // namespace pixelwise
