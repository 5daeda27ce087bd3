// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/core.h>

#include <memory>

#include "cli/json.h"
#include "cli/verb.h"

namespace drywall::cli {

Run declare_version(Arguments& arguments) {
  auto output = std::make_shared<Output>();
  add_output_options(arguments, *output, Wide::no);
  return [output] {
    if (output->format == Format::json) {
      print(Json{{"version", DRYWALL_VERSION}});
    } else {
      fmt::print("drywall {}\n", DRYWALL_VERSION);
    }
    return Exit::yes;
  };
}

}  // namespace drywall::cli
