// std::vector of its own type for each instruction set.
//
// The linker keeps one copy of std::vector<float>::push_back for the whole module. Had that copy been compiled for
// AVX-512, a processor without it would stop there. The allocator's namespace makes the copies different functions.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace pixelwise::PIXELWISE_ISA {

template <typename T>
struct Allocator {
    using value_type = T;
    static constexpr std::align_val_t cache_line{64};

    Allocator() = default;
    template <typename Other>
    Allocator(const Allocator<Other>&) {}

    T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), cache_line)); }
    void deallocate(T* pointer, std::size_t) { ::operator delete(pointer, cache_line); }

    friend bool operator==(const Allocator&, const Allocator&) { return true; }
    friend bool operator!=(const Allocator&, const Allocator&) { return false; }
};

template <typename T>
using Vector = std::vector<T, Allocator<T>>;

}  // namespace pixelwise::PIXELWISE_ISA
