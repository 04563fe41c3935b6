#include "coarse.h"
#include "masks.h"

namespace pixelwise::PIXELWISE_ISA {
namespace {

Axis stretched(int64_t cells, int64_t pixels) {
    const double scale = static_cast<double>(cells) / static_cast<double>(pixels);
    return {cells, pixels, scale, 0.5 * scale - 0.5};
}

void paste(const PasteCall& call, const float* mask, const PasteWindow& window) {
    if (window.height == 0 || window.width == 0) return;
    const Axis across = stretched(call.cells, window.box_width);
    const Tile down = tile_of(stretched(call.cells, window.box_height), window.top, window.height);
    Vector<float> cells(call.cells + 2 * LANES), column(padded(window.height));
    for (int64_t x = 0; x < window.width; ++x) {
        const Tap tap = tap_of(across, window.left + x);
        const int64_t right = std::min(tap.lower + 1, call.cells - 1);
        for (int64_t i = 0; i < down.cells; ++i) {
            const float* row = mask + std::min(down.first_cell + i, call.cells - 1) * call.cells;
            cells[i] = row[tap.lower] + tap.share * (row[right] - row[tap.lower]);
        }
        spread_cells(cells.data(), down, column.data());
        uint8_t* to = call.pixels + window.offset + x * window.height;
        for (int64_t y = 0; y < window.height; ++y) to[y] = column[y] > call.threshold;
    }
}

}  // namespace

void paste_masks(const PasteCall& call) {
#pragma omp parallel for num_threads(call.threads) schedule(dynamic, 1)
    for (int64_t n = 0; n < call.count; ++n) {
        paste(call, call.masks + n * call.cells * call.cells, call.windows[n]);
    }
}

}  // namespace pixelwise::PIXELWISE_ISA
