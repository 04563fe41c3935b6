#include <nanobind/stl/string.h>

#include <string>
#include <vector>

#include "bind.h"
#include "isa.h"
#include "masks.h"

namespace pixelwise {

PIXELWISE_DISPATCH(paste_masks, PasteCall)

namespace {

using ByteArray = nb::ndarray<uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using MaskArray = nb::ndarray<float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using WindowArray = nb::ndarray<int64_t, nb::shape<-1, 6>, nb::c_contig, nb::device::cpu>;

constexpr int64_t MOST_PIXELS = int64_t{1} << 48;

// Windows hold box height and width, top, left, height and width; their pixels follow each other.
void paste(MaskArray masks, WindowArray windows, float threshold, ByteArray pixels, int threads) {
    require(masks.shape(0) == windows.shape(0) && masks.shape(1) == masks.shape(2), "masks must be (N, M, M)");
    std::vector<PasteWindow> places;
    int64_t offset = 0;
    for (size_t n = 0; n < windows.shape(0); ++n) {
        const int64_t* at = windows.data() + n * 6;
        for (int i = 0; i < 6; ++i) require(at[i] >= 0, "windows must hold numbers of at least 0");
        require(at[4] <= at[0] - at[2] && at[5] <= at[1] - at[3], "a window reaches beyond its box");
        require(at[4] == 0 || at[5] <= (MOST_PIXELS - offset) / at[4], "there are too many pixels");
        places.push_back({at[0], at[1], at[2], at[3], at[4], at[5], offset});
        offset += at[4] * at[5];
    }
    require(pixels.size() == static_cast<size_t>(offset), "pixels must hold every window");
    const PasteCall call{masks.data(), static_cast<int64_t>(masks.shape(0)), static_cast<int64_t>(masks.shape(1)),
                         places.data(), threshold, pixels.data(), threads};
    nb::gil_scoped_release release;
    paste_masks(call);
}

using ColumnArray = nb::ndarray<uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// `columns` is (local width, local height), zeros and ones.
std::string encode(ColumnArray columns, int64_t top, int64_t left, int64_t height, int64_t width) {
    const LocalMask mask{columns.data(), static_cast<int64_t>(columns.shape(1)),
                         static_cast<int64_t>(columns.shape(0)), top, left, height, width};
    // Written so that no sum and no product of what comes in can wrap around.
    require(height >= 0 && width >= 0 && top >= 0 && left >= 0 && top <= height - mask.local_height &&
                left <= width - mask.local_width,
            "the mask reaches beyond the picture");
    require(height == 0 || width <= MOST_PIXELS / height, "the picture has too many pixels");
    nb::gil_scoped_release release;
    return encode_runs(mask);
}

}  // namespace

void bind_masks(nb::module_& module) {
    module.def("paste_masks", &paste, nb::arg("masks").noconvert(), nb::arg("windows").noconvert(),
               nb::arg("threshold"), nb::arg("pixels").noconvert(), nb::arg("threads"));
    module.def("encode_runs", &encode, nb::arg("columns").noconvert(), nb::arg("top"), nb::arg("left"),
               nb::arg("height"), nb::arg("width"));
}

}  // namespace pixelwise
