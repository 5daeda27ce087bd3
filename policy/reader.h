// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "policy/report.h"
#include "policy/selector.h"
#include "policy/yaml.h"

namespace drywall::reading {

/// Each distinct selector text of a directory is parsed once.
class SelectorTable {
 public:
  [[nodiscard]] tl::expected<Selector, SelectorError> parse(std::string_view text);

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, Selector, Hash, std::equal_to<>> known_;
};

/// What a plain scalar stands for in YAML's core schema.
enum class Meaning { text, integer, number, boolean };
[[nodiscard]] Meaning meaning_of(const yaml::Node& scalar);

/// A plain number that is octal to some readers of YAML and decimal to others: 010.
[[nodiscard]] bool is_ambiguous(const yaml::Node& scalar);

/// `"text"`, `the number 80`, `a list`, ...: what stands at the node, for messages.
[[nodiscard]] std::string found(const yaml::Node& node);

struct Range {
  std::int64_t least = std::numeric_limits<std::int64_t>::min();
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
};

/// Reads the values of one file. A value that is wrong is reported, and nothing comes back for it.
/// `what` names the value in messages: "order", "a port".
class Reader {
 public:
  Reader(Report& report, SelectorTable& selectors, std::uint32_t file)
      : report_(&report), selectors_(&selectors), file_(file) {}

  [[nodiscard]] Place place(const yaml::Node& node) const { return {file_, node.line, node.column, node.length}; }
  [[nodiscard]] SourceLocation location(const yaml::Node& node) const { return report_->location(place(node)); }
  [[nodiscard]] SourceLocation location(const Place& at) const { return report_->location(at); }
  void error(const yaml::Node& at, std::string_view code, std::string message, std::string help = {});
  void error(const Place& at, std::string_view code, std::string message, std::string help = {});
  void warning(const yaml::Node& at, std::string_view code, std::string message, std::string help = {});
  /// Reports a number that is_ambiguous().
  void report_ambiguous(const yaml::Node& node);

  [[nodiscard]] std::optional<std::string_view> text(const yaml::Node& node, std::string_view what);
  [[nodiscard]] std::optional<std::int64_t> integer(const yaml::Node& node, std::string_view what, Range range = {});
  [[nodiscard]] std::optional<double> number(const yaml::Node& node, std::string_view what);
  [[nodiscard]] std::optional<bool> boolean(const yaml::Node& node, std::string_view what);
  /// Index of the text in `words`.
  [[nodiscard]] std::optional<std::size_t> word(const yaml::Node& node, std::string_view what, std::string_view code,
                                                std::initializer_list<std::string_view> words);
  /// The elements of a list of at most `most`; none if it is something else.
  [[nodiscard]] std::span<const yaml::Node> items(const yaml::Node& node, std::string_view what, std::size_t most);
  /// A Calico selector; nothing, and no mistake, if it is empty.
  [[nodiscard]] std::optional<Selector> selector(const yaml::Node& node, std::string_view what);
  /// A selector that we wrote ourselves and that therefore parses.
  [[nodiscard]] Selector known_selector(std::string_view text);

 private:
  /// Where in the file the byte `offset` of a scalar's text stands, as far as that can be told.
  [[nodiscard]] Place place_within(const yaml::Node& scalar, std::size_t offset, std::size_t length);

  Report* report_;
  SelectorTable* selectors_;
  std::uint32_t file_;
};

/// The fields of one mapping. Asking for a field makes it known; done() refuses the others.
class Fields {
 public:
  /// nullptr: no fields, no mistake. Anything but a mapping: a mistake.
  ///   where  what has these fields, for messages: "spec", "a rule"
  Fields(Reader& reader, const yaml::Node* node, std::string_view where);

  [[nodiscard]] Reader& reader() const { return *reader_; }
  [[nodiscard]] std::string_view where() const { return where_; }
  /// A mapping stands there: its missing fields can be missed.
  [[nodiscard]] bool present() const { return node_ != nullptr; }
  [[nodiscard]] const yaml::Node& node() const { return *node_; }

  /// Nothing for a field that is absent or null; so for all that follow.
  [[nodiscard]] const yaml::Node* find(std::string_view key);
  /// The key of a field that is there: where to show a mistake of a value of several lines.
  [[nodiscard]] const yaml::Node& key(std::string_view key) const;
  /// Also nothing for an empty text: as in Go, that is a field that is not set.
  [[nodiscard]] std::optional<std::string_view> text(std::string_view key);
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key, Range range = {});
  [[nodiscard]] std::optional<double> number(std::string_view key);
  [[nodiscard]] std::optional<bool> boolean(std::string_view key);
  [[nodiscard]] std::optional<Selector> selector(std::string_view key);
  [[nodiscard]] std::span<const yaml::Node> items(std::string_view key, std::size_t most);

  /// Fields that are known and left out.
  void accept(std::initializer_list<std::string_view> keys);
  /// What to say of a field that does not belong here.
  void hint(std::initializer_list<std::string_view> keys, std::string_view help);
  /// Reports a field that is missing, if there is a mapping that it is missing from.
  void missing(std::string_view key, std::string help);
  void done();

 private:
  [[nodiscard]] bool knows(std::string_view key) const;
  [[nodiscard]] std::string help_for(std::string_view key) const;

  Reader* reader_;
  const yaml::Node* node_ = nullptr;
  std::string_view where_;
  std::vector<std::string_view> known_;     // asked for
  std::vector<std::string_view> accepted_;  // left out
  std::vector<std::pair<std::string_view, std::string_view>> hints_;
};

/// A mapping of text to text, such as labels; each entry's nodes are passed on for checking.
using Entry = std::pair<yaml::Node, yaml::Node>;
[[nodiscard]] std::span<const Entry> entries(Reader& reader, const yaml::Node& node, std::string_view what);

}  // namespace drywall::reading
