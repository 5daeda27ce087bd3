// SPDX-License-Identifier: GPL-2.0-or-later
// Runs a fuzz target without a fuzzer: every file of a corpus, and mutations of each that follow from a seed. What CI
// can do with any compiler, under the sanitizers; libFuzzer itself is `tests/run --fuzz SECONDS`.
//   NAME_replay CORPUS [MUTATIONS_A_FILE [SEED]]
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Up to four bytes changed, left out, doubled or put in.
Bytes mutated(Bytes bytes, std::mt19937_64& random) {
  const auto below = [&](std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
  };
  for (std::size_t changes = 1 + below(4); changes > 0 && !bytes.empty(); --changes) {
    const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size()));
    switch (below(4)) {
      case 0:
        *at = static_cast<std::uint8_t>(below(256));
        break;
      case 1:
        bytes.erase(at);
        break;
      case 2:
        bytes.insert(at, *at);
        break;
      default:
        bytes.insert(at, static_cast<std::uint8_t>(below(256)));
    }
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const long mutations = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 100;
  std::mt19937_64 random(argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1);
  std::size_t inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    const Bytes bytes = read(entry.path());
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    for (long i = 0; i < mutations; ++i) {
      const Bytes changed = mutated(bytes, random);
      LLVMFuzzerTestOneInput(changed.data(), changed.size());
    }
    inputs += 1 + static_cast<std::size_t>(mutations);
  }
  std::printf("%zu inputs\n", inputs);
  return inputs > 0 ? 0 : 1;  // an empty corpus proves nothing
}
