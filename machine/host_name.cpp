// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/host_name.h"

#include <limits.h>
#include <unistd.h>

#include <array>

namespace drywall {

std::string host_name() {
  std::array<char, HOST_NAME_MAX + 1> text{};
  if (gethostname(text.data(), text.size() - 1) != 0) return "localhost";
  std::string name(text.data());
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return name;
}

}  // namespace drywall
