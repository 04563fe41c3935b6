// The instruction sets that this build carries, and the choice of one at run time.
#pragma once

namespace pixelwise {

enum class Isa { baseline, avx2, avx512 };

// The widest set that was compiled in, that the processor has and that the environment allows.
Isa best_isa();

}  // namespace pixelwise

// Declares `void name(const Call&)` in the namespace of every set, and `pixelwise::name`, which calls the best.
#define PIXELWISE_DECLARE(isa, name, Call) \
    namespace isa {                        \
    void name(const Call&);                \
    }
#if defined(PIXELWISE_HAS_AVX2)
#define PIXELWISE_DISPATCH(name, Call)           \
    PIXELWISE_DECLARE(baseline, name, Call)      \
    PIXELWISE_DECLARE(avx2, name, Call)          \
    PIXELWISE_DECLARE(avx512, name, Call)        \
    inline void name(const Call& call) {         \
        switch (best_isa()) {                    \
            case Isa::avx512:                    \
                return avx512::name(call);       \
            case Isa::avx2:                      \
                return avx2::name(call);         \
            case Isa::baseline:                  \
                return baseline::name(call);     \
        }                                        \
    }
#else
#define PIXELWISE_DISPATCH(name, Call)      \
    PIXELWISE_DECLARE(baseline, name, Call) \
    inline void name(const Call& call) { baseline::name(call); }
#endif
