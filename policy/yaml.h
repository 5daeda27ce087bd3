// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/diagnostic.h"

namespace drywall::yaml {

enum class Type { null, scalar, sequence, mapping };
enum class Style { plain, quoted };

/// One value of a YAML (1.2 core, so also JSON) document, with its place in the file.
/// A plain scalar keeps its text ("0x1F", "true"); its reader decides what it means. Aliases are expanded.
struct Node {
  Type type = Type::null;
  Style style = Style::plain;                  // of a scalar: quoted text is never a number, a boolean or null
  std::string text;                            // of a scalar, as YAML means it (escapes undone)
  std::vector<Node> items;                     // of a sequence
  std::vector<std::pair<Node, Node>> entries;  // of a mapping, in file order; keys are scalars and unique
  std::uint32_t line = 0;                      // of its first character, from 1
  std::uint32_t column = 0;                    // likewise, in code points
  std::uint32_t length = 1;                    // code points to underline, on its first line

  // Defined below, or clang 14 asks about pairs of Node before Node is complete.
  Node();
  ~Node();
  Node(const Node& other);
  Node(Node&& other) noexcept;
  Node& operator=(const Node& other);
  Node& operator=(Node&& other) noexcept;

  /// The value of `key` in a mapping, or nullptr.
  [[nodiscard]] const Node* find(std::string_view key) const;
  bool operator==(const Node& other) const;
};

inline Node::Node() = default;
inline Node::~Node() = default;
inline Node::Node(const Node& other) = default;
inline Node::Node(Node&& other) noexcept = default;
inline Node& Node::operator=(const Node& other) = default;
inline Node& Node::operator=(Node&& other) noexcept = default;

struct Limits {
  std::size_t bytes = 16U << 20U;   // of one file
  std::size_t depth = 64;           // of nesting
  std::size_t nodes = 4'000'000;    // of one file, aliases counted each time they are expanded
  std::size_t documents = 100'000;  // of one file
};

/// One file, as read from disk. `name` is what diagnostics call it.
struct SourceFile {
  std::string name;
  std::string text;
  bool operator==(const SourceFile&) const = default;
};

struct Documents {
  std::vector<Node> roots;  // one for each document that is not empty
  Diagnostics diagnostics;  // errors make `roots` incomplete
};

/// Reads every document of one file.
///   file    untrusted: any bytes. Bounded by `limits` in time and memory.
///   errors  as Diagnostics, one for each mistake that can be told apart: syntax, tab in indentation, invalid UTF-8,
///           NUL, duplicate key, key that is not a scalar, unknown alias, custom tag, merge key, a limit exceeded.
[[nodiscard]] Documents load(const SourceFile& file, const Limits& limits = {});

/// The text of line `line` (from 1) of `text`, without its line ending; empty if there is none.
[[nodiscard]] std::string_view line_of(std::string_view text, std::uint32_t line);

}  // namespace drywall::yaml
