// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace drywall {

/// Label keys and values of one resource.
using Labels = std::map<std::string, std::string, std::less<>>;

struct SelectorError {
  std::size_t offset = 0;  // bytes from the start of the text
  std::size_t length = 1;  // bytes to underline
  std::string message;     // what is wrong, quoting the text
  std::string help;        // what to write instead
  bool operator==(const SelectorError&) const = default;
};

/// A Calico selector expression. Immutable and cheap to copy; two selectors are equal if their canonical forms are.
/// Grammar and meaning: libcalico-go/lib/selector (parser/parser.go, parser/ast.go).
class Selector {
 public:
  struct Term;  // the syntax tree, private to selector.cpp

  /// all(): matches everything.
  Selector();

  [[nodiscard]] static tl::expected<Selector, SelectorError> parse(std::string_view text);

  // Ready-made terms.
  [[nodiscard]] static Selector has(std::string label);
  [[nodiscard]] static Selector equals(std::string label, std::string value);
  [[nodiscard]] static Selector in(std::string label, std::vector<std::string> values);
  [[nodiscard]] static Selector not_in(std::string label, std::vector<std::string> values);
  [[nodiscard]] static Selector all();
  [[nodiscard]] static Selector negation(const Selector& operand);
  [[nodiscard]] static Selector conjunction(const Selector& left, const Selector& right);

  [[nodiscard]] bool matches(const Labels& labels) const;
  /// The normalised text, as libcalico-go's String() writes it; parsing it gives an equal selector.
  [[nodiscard]] const std::string& canonical() const;
  /// The same expression with `prefix` before every label name.
  [[nodiscard]] Selector with_label_prefix(std::string_view prefix) const;
  /// The same expression with each all() replaced.
  [[nodiscard]] Selector with_all_replaced(const Selector& replacement) const;
  /// The same expression with each global() replaced.
  [[nodiscard]] Selector with_global_replaced(const Selector& replacement) const;
  [[nodiscard]] bool mentions_global() const;
  [[nodiscard]] bool is_global() const;  // exactly global()
  [[nodiscard]] bool is_all() const;     // exactly all()
  /// A (label, value) pair without which this cannot match, if one is evident: lets a set of selectors be indexed.
  [[nodiscard]] std::optional<std::pair<std::string, std::string>> required_equality() const;

  bool operator==(const Selector& other) const { return canonical() == other.canonical(); }

 private:
  explicit Selector(std::shared_ptr<const Term> term);
  std::shared_ptr<const Term> term_;
  std::shared_ptr<const std::string> canonical_;
};

}  // namespace drywall
