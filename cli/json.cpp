// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/json.h"

#include <fmt/core.h>

#include <algorithm>

namespace drywall::cli {

Json arranged(const Json& object, std::initializer_list<Key> keys) {
  Json out = Json::object();
  for (const Key& key : keys) {
    if (object.contains(key.name)) {
      out[key.name] = object.at(key.name);
    } else if (key.presence == Key::null_if_absent) {
      out[key.name] = nullptr;
    }
  }
  for (const auto& [name, value] : object.items()) {
    if (!out.contains(name)) out[name] = value;
  }
  return out;
}

const Json& at(const Json& object, const char* key) {
  static const Json nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(key);
  return found == object.end() ? nothing : *found;
}

std::string text_at(const Json& object, const char* key) {
  const Json& value = at(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::uint64_t number_at(const Json& object, const char* key) {
  const Json& value = at(object, key);
  return value.is_number_integer() ? value.get<std::uint64_t>() : 0;
}

Json to_json(const Diagnostic& diagnostic) {
  return Json{
      {"file", diagnostic.at.file},     {"line", diagnostic.at.line},
      {"column", diagnostic.at.column}, {"severity", diagnostic.severity == Severity::error ? "error" : "warning"},
      {"code", diagnostic.code},        {"message", diagnostic.message},
      {"help", diagnostic.help}};
}

Json to_json(const Diagnostics& diagnostics) {
  Json list = Json::array();
  for (const Diagnostic& diagnostic : diagnostics) list.push_back(to_json(diagnostic));
  return list;
}

Diagnostic diagnostic_from(const Json& object) {
  Diagnostic diagnostic;
  diagnostic.at = {text_at(object, "file"), static_cast<std::uint32_t>(number_at(object, "line")),
                   static_cast<std::uint32_t>(number_at(object, "column"))};
  diagnostic.severity = text_at(object, "severity") == "warning" ? Severity::warning : Severity::error;
  diagnostic.code = text_at(object, "code");
  diagnostic.message = text_at(object, "message");
  diagnostic.help = text_at(object, "help");
  diagnostic.excerpt = text_at(object, "excerpt");
  diagnostic.length = std::max(1U, static_cast<std::uint32_t>(number_at(object, "length")));
  return diagnostic;
}

Json arranged_diagnostics(const Json& list) {
  Json out = Json::array();
  for (const Json& entry : list) {
    out.push_back(arranged(entry, {{"file"}, {"line"}, {"column"}, {"severity"}, {"code"}, {"message"}, {"help"}}));
  }
  return out;
}

void print(const Json& document) {
  // Names of interfaces may hold any byte: what is not UTF-8 is replaced, never an exception.
  fmt::print("{}\n", document.dump(2, ' ', false, Json::error_handler_t::replace));
}

}  // namespace drywall::cli
