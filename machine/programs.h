// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "machine/base_chains.h"

namespace drywall {

/// A program that is known to write rules, or to make interfaces, of its own.
struct Program {
  std::string_view name;      // "Docker"
  std::string_view word;      // "docker": for codes and JSON
  std::string_view to_allow;  // how its own rules let a connection in
};

/// Those that the names of a base chain, or of the chains behind it, belong to; empty: nobody known.
[[nodiscard]] std::set<const Program*> programs_of(const BaseChain& chain);
/// The one that names its interfaces so; null: nobody known.
[[nodiscard]] const Program* program_of_interface(std::string_view name);

/// `Docker, ufw`; empty if nobody.
[[nodiscard]] std::string names_of(const std::set<const Program*>& programs);

}  // namespace drywall
