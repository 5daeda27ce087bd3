// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/os_release.h"

#include <fstream>

namespace drywall {

std::string read_os_release() {
  constexpr std::size_t most_bytes = 65536;
  for (const char* path : {"/etc/os-release", "/usr/lib/os-release"}) {
    std::ifstream file(path, std::ios::binary);
    if (!file) continue;
    std::string text(most_bytes, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
  }
  return {};
}

}  // namespace drywall
