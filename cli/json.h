// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>

#include "policy/diagnostic.h"

namespace drywall::cli {

/// Keys stay in the order in which they are documented.
using Json = nlohmann::ordered_json;

/// A key of a documented object. The bus leaves out what has no value; in JSON it is there, as null.
struct Key {
  const char* name;
  enum Presence { always, null_if_absent } presence = always;
};

/// `object` with `keys` first and in this order, what else it has behind them.
[[nodiscard]] Json arranged(const Json& object, std::initializer_list<Key> keys);

/// The value of `key`, or null: for an object that came over the bus and may lack it.
[[nodiscard]] const Json& at(const Json& object, const char* key);
[[nodiscard]] std::string text_at(const Json& object, const char* key);
[[nodiscard]] std::uint64_t number_at(const Json& object, const char* key);

[[nodiscard]] Json to_json(const Diagnostic& diagnostic);
[[nodiscard]] Json to_json(const Diagnostics& diagnostics);
/// A diagnostic that came over the bus, for printing; it has no excerpt.
[[nodiscard]] Diagnostic diagnostic_from(const Json& object);
[[nodiscard]] Json arranged_diagnostics(const Json& list);

/// One document on stdout, indented, with a newline.
void print(const Json& document);

}  // namespace drywall::cli
