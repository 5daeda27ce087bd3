// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/selector.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace drywall {

/// One node of the syntax tree. Which members mean something depends on `kind`; the functions below build no others.
struct Selector::Term {
  enum class Kind : std::uint8_t {
    all,
    global,
    has,          // label
    equal,        // label, values[0]
    not_equal,    // likewise
    contains,     // likewise
    starts_with,  // likewise
    ends_with,    // likewise
    in,           // label, values: sorted, unique
    not_in,       // likewise
    negation,     // operands[0], which is not a negation
    conjunction,  // operands, at least two
    disjunction,  // likewise
  };
  Kind kind = Kind::all;
  std::string label;
  std::vector<std::string> values;
  std::vector<Term> operands;
};

namespace {

using Term = Selector::Term;
using Kind = Term::Kind;

constexpr std::size_t longest_text = 64U << 10U;  // bytes; far above the 1024 that the API accepts
constexpr std::size_t longest_label = 512;        // bytes
constexpr unsigned deepest_tree = 200;            // of && and || within each other
constexpr unsigned deepest_parentheses = 400;
constexpr std::size_t longest_quote = 40;  // bytes of the user's text that a message repeats

Term negated(Term operand) {
  if (operand.kind == Kind::negation) return Term(std::move(operand.operands.front()));
  Term term{Kind::negation, {}, {}, {}};
  term.operands.push_back(std::move(operand));
  return term;
}

/// `operands` joined; a single one stays as it is.
Term joined(Kind kind, std::vector<Term> operands) {
  if (operands.size() == 1) return std::move(operands.front());
  return {kind, {}, {}, std::move(operands)};
}

Term set_term(Kind kind, std::string label, std::vector<std::string> values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return {kind, std::move(label), std::move(values), {}};
}

unsigned depth_of(const Term& term) {
  unsigned deepest = 0;
  for (const Term& operand : term.operands) deepest = std::max(deepest, depth_of(operand));
  return term.operands.size() > 1 ? deepest + 1 : deepest;
}

bool evaluate(const Term& term, const Labels& labels) {
  const auto holds = [&](bool if_absent, auto&& of_value) {
    const auto label = labels.find(term.label);
    return label == labels.end() ? if_absent : of_value(std::string_view(label->second));
  };
  const auto is_member = [&](std::string_view value) {
    return std::binary_search(term.values.begin(), term.values.end(), value);
  };
  switch (term.kind) {
    case Kind::all:
    case Kind::global:
      return true;
    case Kind::has:
      return labels.find(term.label) != labels.end();
    case Kind::equal:
      return holds(false, [&](std::string_view value) { return value == term.values[0]; });
    case Kind::not_equal:
      return holds(true, [&](std::string_view value) { return value != term.values[0]; });
    case Kind::contains:
      return holds(false, [&](std::string_view value) { return value.find(term.values[0]) != value.npos; });
    case Kind::starts_with:
      return holds(false, [&](std::string_view value) { return value.starts_with(term.values[0]); });
    case Kind::ends_with:
      return holds(false, [&](std::string_view value) { return value.ends_with(term.values[0]); });
    case Kind::in:
      return holds(false, is_member);
    case Kind::not_in:
      return holds(true, [&](std::string_view value) { return !is_member(value); });
    case Kind::negation:
      return !evaluate(term.operands[0], labels);
    case Kind::conjunction:
      return std::all_of(term.operands.begin(), term.operands.end(),
                         [&](const Term& t) { return evaluate(t, labels); });
    case Kind::disjunction:
      return std::any_of(term.operands.begin(), term.operands.end(),
                         [&](const Term& t) { return evaluate(t, labels); });
  }
  return false;
}

void append_quoted(std::string& out, std::string_view value) {
  const char quote = value.find('"') == std::string_view::npos ? '"' : '\'';
  out += quote;
  out += value;
  out += quote;
}

void append_comparison(std::string& out, const Term& term, std::string_view operation) {
  out += term.label;
  out += operation;
  append_quoted(out, term.values[0]);
}

void append_membership(std::string& out, const Term& term, std::string_view operation) {
  out += term.label;
  out += operation;
  std::string_view separator = "{";
  for (const std::string& value : term.values) {
    out += separator;
    append_quoted(out, value);
    separator = ", ";
  }
  out += term.values.empty() ? "{}" : "}";
}

void append_canonical(std::string& out, const Term& term);

void append_group(std::string& out, const Term& term, std::string_view operation) {
  std::string_view separator = "(";
  for (const Term& operand : term.operands) {
    out += separator;
    append_canonical(out, operand);
    separator = operation;
  }
  out += ')';
}

void append_canonical(std::string& out, const Term& term) {
  switch (term.kind) {
    case Kind::all:
      out += "all()";
      return;
    case Kind::global:
      out += "global()";
      return;
    case Kind::has:
      out += "has(";
      out += term.label;
      out += ')';
      return;
    case Kind::equal:
      return append_comparison(out, term, " == ");
    case Kind::not_equal:
      return append_comparison(out, term, " != ");
    case Kind::contains:
      return append_comparison(out, term, " contains ");
    case Kind::starts_with:
      return append_comparison(out, term, " starts with ");
    case Kind::ends_with:
      return append_comparison(out, term, " ends with ");
    case Kind::in:
      return append_membership(out, term, " in ");
    case Kind::not_in:
      return append_membership(out, term, " not in ");
    case Kind::negation:
      out += '!';
      return append_canonical(out, term.operands[0]);
    case Kind::conjunction:
      return append_group(out, term, " && ");
    case Kind::disjunction:
      return append_group(out, term, " || ");
  }
}

std::string canonical_text(const Term& term) {
  std::string out;
  append_canonical(out, term);
  return out;
}

Term with_prefix(const Term& term, std::string_view prefix) {
  Term out{term.kind, {}, term.values, {}};
  if (!term.label.empty()) out.label = std::string(prefix) + term.label;
  for (const Term& operand : term.operands) out.operands.push_back(with_prefix(operand, prefix));
  return out;
}

/// Each term of kind `replaced` becomes `replacement`.
Term with_replaced(const Term& term, Kind replaced, const Term& replacement) {
  if (term.kind == replaced) return replacement;
  if (term.kind == Kind::negation) return negated(with_replaced(term.operands[0], replaced, replacement));
  Term out{term.kind, term.label, term.values, {}};
  for (const Term& operand : term.operands) out.operands.push_back(with_replaced(operand, replaced, replacement));
  return out;
}

bool mentions(const Term& term, Kind kind) {
  return term.kind == kind ||
         std::any_of(term.operands.begin(), term.operands.end(), [&](const Term& t) { return mentions(t, kind); });
}

const Term* find_required_equality(const Term& term) {
  switch (term.kind) {
    case Kind::equal:
      return &term;
    case Kind::in:
      return term.values.size() == 1 ? &term : nullptr;
    case Kind::conjunction:
      for (const Term& operand : term.operands) {
        if (const Term* found = find_required_equality(operand)) return found;
      }
      return nullptr;
    case Kind::all:
    case Kind::global:
    case Kind::has:
    case Kind::not_equal:
    case Kind::contains:
    case Kind::starts_with:
    case Kind::ends_with:
    case Kind::not_in:
    case Kind::negation:
    case Kind::disjunction:
      return nullptr;
  }
  return nullptr;
}

bool is_label_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == '/' || c == '-';
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view shortened(std::string_view text) {
  if (text.size() <= longest_quote) return text;
  std::size_t end = longest_quote;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

/// The characters that word processors put for a quote, and the backtick.
constexpr std::array<std::string_view, 9> wrong_quotes{"\xE2\x80\x98", "\xE2\x80\x99", "\xE2\x80\x9A",
                                                       "\xE2\x80\x9C", "\xE2\x80\x9D", "\xE2\x80\x9E",
                                                       "\xC2\xAB",     "\xC2\xBB",     "`"};
constexpr std::string_view no_break_space = "\xC2\xA0";
constexpr std::string_view operators = "the operators are ==, !=, in, not in, contains, starts with and ends with";

/// Recursive descent over the text; `at` is the next byte to read. A failed step leaves `error` set, and the steps
/// above return at once with a term that nobody uses.
class SelectorParser {
 public:
  explicit SelectorParser(std::string_view text) : text_(text) {}

  tl::expected<Term, SelectorError> parse() {
    if (text_.size() > longest_text) {
      fail(0, text_.size(),
           fmt::format("the selector is {} bytes long; at most {} are read", text_.size(), longest_text),
           "split the policy");
      return tl::unexpected(*error_);
    }
    skip_blanks();
    if (at_end()) return Term{};
    Term term = parse_or(0);
    if (!error_) expect_end();
    if (!error_ && depth_of(term) > deepest_tree) {
      fail(0, text_.size(), "the selector is nested too deeply", "simplify it");
    }
    if (error_) return tl::unexpected(*error_);
    return term;
  }

 private:
  [[nodiscard]] bool at_end() const { return at_ >= text_.size(); }
  [[nodiscard]] std::string_view rest() const { return text_.substr(at_); }
  [[nodiscard]] char peek() const { return at_end() ? '\0' : text_[at_]; }

  void skip_blanks() {
    while (!at_end() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }

  bool take(std::string_view word) {
    if (!rest().starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  [[nodiscard]] std::string_view word_at(std::size_t offset) const {
    std::size_t end = offset;
    while (end < text_.size() && is_label_character(text_[end])) ++end;
    return text_.substr(offset, end - offset);
  }

  /// The character at `offset`, whole if it is UTF-8.
  [[nodiscard]] std::string_view character_at(std::size_t offset) const {
    std::size_t end = offset + 1;
    while (end < text_.size() && end < offset + 4 && (static_cast<unsigned char>(text_[end]) & 0xC0U) == 0x80U) ++end;
    return text_.substr(offset, std::min(end, text_.size()) - offset);
  }

  Term fail(std::size_t offset, std::size_t length, std::string message, std::string help) {
    if (!error_) error_ = SelectorError{offset, std::max<std::size_t>(length, 1), std::move(message), std::move(help)};
    return {};
  }

  /// Fails if what comes next is a mistake wherever it stands.
  bool fail_on_odd_character() {
    if (at_end()) return false;
    if (peek() == '\n' || peek() == '\r') {
      fail(at_, 1, "a line break in the selector",
           "write the selector on one line; in YAML, fold long ones with `>-` (`>` and `|` keep a line break)");
      return true;
    }
    if (rest().starts_with(no_break_space)) {
      fail(at_, no_break_space.size(), "a no-break space (U+00A0) in the selector", "write an ordinary space");
      return true;
    }
    for (const std::string_view quote : wrong_quotes) {
      if (rest().starts_with(quote)) {
        fail(at_, quote.size(), fmt::format("{} is not a quote that selectors know", quote), "write ' or \"");
        return true;
      }
    }
    return false;
  }

  Term parse_or(unsigned parentheses) {
    std::vector<Term> operands;
    do {
      operands.push_back(parse_and(parentheses));
      if (error_) return {};
    } while (take("||"));
    return joined(Kind::disjunction, std::move(operands));
  }

  Term parse_and(unsigned parentheses) {
    std::vector<Term> operands;
    do {
      operands.push_back(parse_operation(parentheses));
      if (error_) return {};
      skip_blanks();
    } while (take("&&"));
    return joined(Kind::conjunction, std::move(operands));
  }

  Term parse_operation(unsigned parentheses) {
    skip_blanks();
    bool is_negated = false;
    while (peek() == '!' && !rest().starts_with("!=")) {
      is_negated = !is_negated;
      ++at_;
      skip_blanks();
    }
    Term term = parse_primary(parentheses);
    return is_negated && !error_ ? negated(std::move(term)) : term;
  }

  Term parse_primary(unsigned parentheses) {
    if (peek() == '(') return parse_parentheses(parentheses);
    if (rest().starts_with("has(")) return parse_has();
    if (rest().starts_with("all(")) return parse_constant(Kind::all, "all(");
    if (rest().starts_with("global(")) return parse_constant(Kind::global, "global(");
    if (!at_end() && is_label_character(peek())) return parse_comparison();
    return fail_without_operation();
  }

  Term parse_parentheses(unsigned parentheses) {
    const std::size_t open = at_++;
    if (parentheses >= deepest_parentheses) return fail(open, 1, "the selector is nested too deeply", "simplify it");
    Term term = parse_or(parentheses + 1);
    if (error_) return {};
    skip_blanks();
    if (take(")")) return term;
    if (at_end()) return fail(open, 1, "this `(` is never closed", "write `)` where it ends");
    fail_on_junk();
    return {};
  }

  Term parse_has() {
    const std::size_t begin = at_;
    at_ += 4;
    skip_blanks();
    const std::size_t label_begin = at_;
    const std::string_view label = word_at(at_);
    if (label.empty()) {
      if (fail_on_odd_character()) return {};
      if (peek() == '\'' || peek() == '"') {
        return fail(at_, 1, "a label name has no quotes", "write has(label), without quotes");
      }
      return fail(begin, at_ - begin, "has() needs the name of a label", "write has(label)");
    }
    if (!check_label(label_begin, label)) return {};
    at_ += label.size();
    skip_blanks();
    if (take(")")) return {Kind::has, std::string(label), {}, {}};
    if (fail_on_odd_character()) return {};
    return fail(begin, at_ - begin, fmt::format("expected `)` after the label \"{}\"", shortened(label)),
                fmt::format("write has({})", shortened(label)));
  }

  Term parse_constant(Kind kind, std::string_view opening) {
    const std::size_t begin = at_;
    at_ += opening.size();
    skip_blanks();
    if (take(")")) return {kind, {}, {}, {}};
    return fail(begin, opening.size(), fmt::format("expected `)` after `{}`", opening),
                fmt::format("write {})", opening));
  }

  bool check_label(std::size_t offset, std::string_view label) {
    if (label.size() <= longest_label) return true;
    fail(offset, label.size(), fmt::format("the label name is {} characters long", label.size()),
         fmt::format("at most {} are allowed", longest_label));
    return false;
  }

  Term parse_comparison() {
    const std::size_t begin = at_;
    const std::string label(word_at(at_));
    if (!check_label(begin, label)) return {};
    at_ += label.size();
    skip_blanks();
    const std::size_t operator_begin = at_;
    if (take("==")) return parse_value(Kind::equal, label, "==");
    if (take("!=")) return parse_value(Kind::not_equal, label, "!=");
    if (take_words("contains", "")) return parse_value(Kind::contains, label, "contains");
    if (take_words("starts", "with")) return parse_value(Kind::starts_with, label, "starts with");
    if (take_words("ends", "with")) return parse_value(Kind::ends_with, label, "ends with");
    if (take_words("not", "in")) return parse_set(Kind::not_in, label, "not in");
    if (take_words("in", "")) return parse_set(Kind::in, label, "in");
    return fail_without_operator(begin, operator_begin, label);
  }

  /// An operator of one or two words; blanks between them are optional, and no label character may follow.
  bool take_words(std::string_view first, std::string_view second) {
    const std::size_t begin = at_;
    if (take(first)) {
      if (!second.empty()) skip_blanks();
      if (take(second) && (at_end() || !is_label_character(peek()))) return true;
    }
    at_ = begin;
    return false;
  }

  Term parse_value(Kind kind, const std::string& label, std::string_view operation) {
    skip_blanks();
    if (peek() == '\'' || peek() == '"') {
      std::optional<std::string> value = parse_string();
      if (!value) return {};
      return {kind, label, {std::move(*value)}, {}};
    }
    const std::string_view name = shortened(label);
    if (fail_on_odd_character()) return {};
    if (peek() == '=') {
      return fail(at_, 1, "one `=` too many", fmt::format("write {} == 'value'", name));
    }
    if (peek() == '{') {
      return fail(at_, 1, fmt::format("`{}` compares with one value, not with a set", operation),
                  fmt::format("write {} in {{'a', 'b'}} or {} not in {{'a', 'b'}}", name, name));
    }
    const std::string_view word = word_at(at_);
    if (word.empty()) {
      return fail(at_, character_at(at_).size(), fmt::format("expected a value in quotes after `{}`", operation),
                  fmt::format("write {} {} 'value'", name, operation));
    }
    return fail(at_, word.size(), fmt::format("the value \"{}\" is not in quotes", shortened(word)),
                fmt::format("write {} {} '{}'", name, operation, shortened(word)));
  }

  /// A quote, anything but that quote, the quote. There are no escapes.
  std::optional<std::string> parse_string() {
    const std::size_t close = text_.find(text_[at_], at_ + 1);
    if (close == std::string_view::npos) {
      fail(at_, 1, fmt::format("the quote {} is never closed", text_[at_]),
           fmt::format("write {} at the end of the value", text_[at_]));
      return std::nullopt;
    }
    std::string value(text_.substr(at_ + 1, close - at_ - 1));
    at_ = close + 1;
    return value;
  }

  Term parse_set(Kind kind, const std::string& label, std::string_view operation) {
    const std::string example = fmt::format("write {} {} {{'a', 'b'}}", shortened(label), operation);
    skip_blanks();
    const std::size_t open = at_;
    if (!take("{")) {
      if (fail_on_odd_character()) return {};
      return fail(at_, character_at(at_).size(), fmt::format("expected `{{` after `{}`", operation), example);
    }
    std::vector<std::string> values;
    while (true) {
      skip_blanks();
      if (take("}")) return set_term(kind, label, std::move(values));
      if (at_end()) return fail(open, 1, "this `{` is never closed", example);
      if (peek() != '\'' && peek() != '"') return fail_in_set(example);
      std::optional<std::string> value = parse_string();
      if (!value) return {};
      values.push_back(std::move(*value));
      skip_blanks();
      if (!take(",") && peek() != '}')
        return at_end() ? fail(open, 1, "this `{` is never closed", example) : fail_after_member(example);
    }
  }

  Term fail_in_set(const std::string& example) {
    if (fail_on_odd_character()) return {};
    const std::string_view word = word_at(at_);
    if (word.empty()) {
      const std::string_view found = character_at(at_);
      return fail(at_, found.size(), fmt::format("expected a value in quotes or `}}`, found {}", found), example);
    }
    return fail(at_, word.size(), fmt::format("the value \"{}\" is not in quotes", shortened(word)),
                fmt::format("write '{}'", shortened(word)));
  }

  Term fail_after_member(const std::string& example) {
    if (fail_on_odd_character()) return {};
    const std::string_view found = character_at(at_);
    return fail(at_, found.size(), fmt::format("expected `,` or `}}` after a value of the set, found {}", found),
                example);
  }

  /// After a complete expression.
  void expect_end() {
    skip_blanks();
    if (!at_end()) fail_on_junk();
  }

  void fail_on_junk() {
    if (fail_on_odd_character()) return;
    const std::string_view word = word_at(at_);
    const std::string lower = lower_case(word);
    if (peek() == '&' || peek() == '|') {
      fail(at_, 1, fmt::format("one `{}` alone", peek()), fmt::format("write {0}{0}", peek()));
    } else if (peek() == ',' || lower == "and") {
      fail(at_, std::max<std::size_t>(word.size(), 1),
           fmt::format("`{}` does not join two conditions", peek() == ',' ? "," : word),
           "write && for \"and\", || for \"or\"");
    } else if (lower == "or") {
      fail(at_, word.size(), fmt::format("`{}` does not join two conditions", word), "write ||");
    } else if (peek() == ')') {
      fail(at_, 1, "this `)` closes nothing", "remove it, or write the `(` that it belongs to");
    } else if (peek() == '\'' || peek() == '"') {
      fail(at_, 1, "a quote after a complete condition",
           "a value that contains one kind of quote is written in the other kind; there are no escapes");
    } else {
      const std::string_view found = word.empty() ? character_at(at_) : shortened(word);
      fail(at_, std::max(word.size(), found.size()), fmt::format("unexpected \"{}\" after a complete condition", found),
           "join conditions with && or ||");
    }
  }

  /// Where a condition should begin.
  Term fail_without_operation() {
    if (fail_on_odd_character()) return {};
    constexpr std::string_view example = "write a condition such as has(label) or label == 'value'";
    if (at_end()) {
      return fail(text_.size(), 1, "the selector ends where a condition is expected", std::string(example));
    }
    if (peek() == '\'' || peek() == '"') {
      const std::size_t close = text_.find(text_[at_], at_ + 1);
      const std::size_t length = close == std::string_view::npos ? 1 : close + 1 - at_;
      return fail(at_, length, "a condition begins with the name of a label, which has no quotes",
                  std::string(example));
    }
    const std::string_view found = character_at(at_);
    if ((peek() == '&' || peek() == '|') && !rest().starts_with("&&") && !rest().starts_with("||")) {
      return fail(at_, 1, fmt::format("one `{}` alone", peek()), fmt::format("write {0}{0}", peek()));
    }
    return fail(at_, found.size(), fmt::format("expected a condition, found \"{}\"", found), std::string(example));
  }

  /// After a label that no operator follows.
  Term fail_without_operator(std::size_t begin, std::size_t operator_begin, const std::string& label) {
    const std::string_view name = shortened(label);
    const std::string lower = lower_case(label);
    if (fail_on_odd_character()) return {};
    if (peek() == '(') {
      if (lower == "has" || lower == "all" || lower == "global") {
        return fail(begin, at_ + 1 - begin,
                    fmt::format("`{}` is not the function `{}(`", text_.substr(begin, at_ + 1 - begin), lower),
                    fmt::format("write {}({}) in lower case and without a space before `(`", lower,
                                lower == "has" ? "label" : ""));
      }
      return fail(begin, label.size(), fmt::format("there is no function \"{}\"", name),
                  "the functions are has(label), all() and global()");
    }
    if (peek() == '=') {
      return fail(at_, 1, "a single `=` is not an operator", fmt::format("write {} == 'value'", name));
    }
    if (peek() == '!' || peek() == '~' || peek() == '<' || peek() == '>') {
      return fail(at_, 1, fmt::format("\"{}\" is not an operator", peek()), std::string(operators));
    }
    const std::string_view word = word_at(operator_begin);
    if (!word.empty() && lower == "not") {
      return fail(begin, label.size(), fmt::format("`{}` does not negate a condition", name), "write ! before it");
    }
    const std::string word_lower = lower_case(word);
    if (!word.empty() && word_lower != "and" && word_lower != "or") {
      return fail(at_, word.size(),
                  fmt::format("unknown operator \"{}\" after the label \"{}\"", shortened(word), name),
                  std::string(operators));
    }
    return fail(begin, label.size(), fmt::format("the label \"{}\" stands alone", name),
                fmt::format("write has({}) or {} == 'value'", name, name));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::optional<SelectorError> error_;
};

std::shared_ptr<const Term> shared(Term term) {
  return std::make_shared<const Term>(std::move(term));
}

}  // namespace

Selector::Selector() {
  static const std::shared_ptr<const Term> everything = shared({});
  static const auto text = std::make_shared<const std::string>("all()");
  term_ = everything;
  canonical_ = text;
}

Selector::Selector(std::shared_ptr<const Term> term)
    : term_(std::move(term)), canonical_(std::make_shared<const std::string>(canonical_text(*term_))) {}

tl::expected<Selector, SelectorError> Selector::parse(std::string_view text) {
  return SelectorParser(text).parse().map([](Term term) { return Selector(shared(std::move(term))); });
}

Selector Selector::has(std::string label) {
  return Selector(shared({Kind::has, std::move(label), {}, {}}));
}

Selector Selector::equals(std::string label, std::string value) {
  return Selector(shared({Kind::equal, std::move(label), {std::move(value)}, {}}));
}

Selector Selector::in(std::string label, std::vector<std::string> values) {
  return Selector(shared(set_term(Kind::in, std::move(label), std::move(values))));
}

Selector Selector::not_in(std::string label, std::vector<std::string> values) {
  return Selector(shared(set_term(Kind::not_in, std::move(label), std::move(values))));
}

Selector Selector::all() {
  return {};
}

Selector Selector::negation(const Selector& operand) {
  return Selector(shared(negated(*operand.term_)));
}

Selector Selector::conjunction(const Selector& left, const Selector& right) {
  return Selector(shared({Kind::conjunction, {}, {}, {*left.term_, *right.term_}}));
}

bool Selector::matches(const Labels& labels) const {
  return evaluate(*term_, labels);
}

const std::string& Selector::canonical() const {
  return *canonical_;
}

Selector Selector::with_label_prefix(std::string_view prefix) const {
  return Selector(shared(with_prefix(*term_, prefix)));
}

Selector Selector::with_all_replaced(const Selector& replacement) const {
  return Selector(shared(with_replaced(*term_, Kind::all, *replacement.term_)));
}

Selector Selector::with_global_replaced(const Selector& replacement) const {
  return Selector(shared(with_replaced(*term_, Kind::global, *replacement.term_)));
}

bool Selector::mentions_global() const {
  return mentions(*term_, Kind::global);
}
bool Selector::is_global() const {
  return term_->kind == Kind::global;
}
bool Selector::is_all() const {
  return term_->kind == Kind::all;
}

std::optional<std::pair<std::string, std::string>> Selector::required_equality() const {
  const Term* term = find_required_equality(*term_);
  if (term == nullptr) return std::nullopt;
  return std::pair{term->label, term->values[0]};
}

}  // namespace drywall
