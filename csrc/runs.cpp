#include <cstring>
#include <utility>
#include <vector>

#include "masks.h"

namespace pixelwise {
namespace {

// Run lengths of alternating zeros and ones, zeros first.
class Runs {
public:
    void add(uint8_t value, int64_t pixels) {
        if (pixels == 0) return;
        if (value != value_) {
            lengths_.push_back(length_);
            length_ = 0;
            value_ = value;
        }
        length_ += pixels;
    }

    std::vector<int64_t> finish() {
        lengths_.push_back(length_);
        return std::move(lengths_);
    }

private:
    std::vector<int64_t> lengths_;
    int64_t length_ = 0;
    uint8_t value_ = 0;
};

// From the fourth on, a length is stored as the difference to that of the run two before, in groups of five bits, the
// lowest first, each in a character from '0' on; 32 says that more follow, and the last group carries the sign.
std::string compress(const std::vector<int64_t>& lengths) {
    std::string text;
    for (size_t i = 0; i < lengths.size(); ++i) {
        int64_t rest = i > 2 ? lengths[i] - lengths[i - 2] : lengths[i];
        bool more = true;
        while (more) {
            const int64_t group = rest & 31;
            rest >>= 5;
            more = group & 16 ? rest != -1 : rest != 0;
            text.push_back(static_cast<char>('0' + (more ? group | 32 : group)));
        }
    }
    return text;
}

}  // namespace

std::string encode_runs(const LocalMask& mask) {
    Runs runs;
    runs.add(0, mask.left * mask.height);
    for (int64_t x = 0; x < mask.local_width; ++x) {
        const uint8_t* at = mask.columns + x * mask.local_height;
        const uint8_t* const end = at + mask.local_height;
        runs.add(0, mask.top);
        while (at < end) {
            const uint8_t value = *at;
            const void* found = std::memchr(at, value ^ 1, static_cast<size_t>(end - at));
            const uint8_t* const change = found ? static_cast<const uint8_t*>(found) : end;
            runs.add(value, change - at);
            at = change;
        }
        runs.add(0, mask.height - mask.top - mask.local_height);
    }
    runs.add(0, (mask.width - mask.left - mask.local_width) * mask.height);
    return compress(runs.finish());
}

}  // namespace pixelwise
