// The Python module, and the choice of the instruction set at run time.
#include <nanobind/stl/string.h>

#include <cstdlib>
#include <string>

#include "bind.h"
#include "isa.h"

namespace pixelwise {

Isa best_isa() {
#if defined(PIXELWISE_HAS_AVX2)
    static const Isa best = [] {
        __builtin_cpu_init();
        const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                            __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
        const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        // PIXELWISE_NATIVE=avx2 or =baseline sets a narrower limit, to test what other processors run.
        const char* setting = std::getenv("PIXELWISE_NATIVE");
        const std::string limit = setting ? setting : "";
        if (limit == "baseline" || !avx2) return Isa::baseline;
        return limit == "avx2" || !avx512 ? Isa::avx2 : Isa::avx512;
    }();
    return best;
#else
    return Isa::baseline;
#endif
}

namespace {

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
    pixelwise::bind_depthwise(module);
    pixelwise::bind_masks(module);
    pixelwise::bind_regions(module);
    pixelwise::bind_tail(module);
    pixelwise::bind_winograd(module);
}
