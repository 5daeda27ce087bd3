// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/yaml_events.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "policy/result.h"
#include "policy/yaml_explain.h"
#include "policy/yaml_feed.h"

namespace drywall::yaml {
namespace {

/// Thrown through yaml-cpp, and caught here, to end its work on a document. The diagnostic is already written.
struct Stop {
  Outcome outcome;
};

constexpr std::size_t most_diagnostics = 100;  // of one file; who has more of them does not read them
constexpr std::size_t longest_quote = 40;      // bytes of the user's text that a message repeats

std::string shortly_quoted(std::string_view text) {
  std::size_t end = std::min(text.size(), longest_quote);
  while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return fmt::format("\"{}{}\"", text.substr(0, end), end < text.size() ? "..." : "");
}

/// `: ` and the text as a YAML string in quotes, if that is short and needs no escapes.
std::string in_quotes(std::string_view text) {
  if (text.empty() || text.size() > longest_quote) return {};
  if (text.find('\'') == std::string_view::npos) return fmt::format(": '{}'", text);
  if (text.find_first_of("\"\\") == std::string_view::npos) return fmt::format(": \"{}\"", text);
  return {};
}

/// Where a collection stands in its document: which child of each one above it. Nodes move while they grow; this holds.
using Path = std::vector<std::size_t>;
using Anchored = std::variant<Node, Path>;  // a scalar itself, or the place of a collection

struct Frame {
  Node node;  // a collection that is being filled
  std::size_t offset = 0;
  bool flow = false;
  bool has_key = false;  // of a mapping: `key` waits for its value
  bool key_usable = true;
  Node key;

  [[nodiscard]] std::size_t children() const {
    return node.type == Type::sequence ? node.items.size() : node.entries.size();
  }
};

class Builder final : public YAML::EventHandler {
 public:
  Builder(const Text& text, const Region& region, const Feed& feed, FeedBuffer& buffer, Budget& budget,
          Diagnostics& diagnostics)
      : text_(text),
        region_(region),
        feed_(feed),
        buffer_(buffer),
        budget_(budget),
        diagnostics_(diagnostics),
        last_offset_(region.begin) {}

  [[nodiscard]] std::optional<Node> take_root() { return std::move(root_); }
  [[nodiscard]] std::size_t last_offset() const { return last_offset_; }
  [[nodiscard]] Progress progress() const {
    if (frames_.empty()) return {last_offset_, std::nullopt};
    const Frame& frame = frames_.back();
    return {last_offset_, OpenCollection{frame.node.type, frame.flow, frame.offset}};
  }

  /// The byte of the file that yaml-cpp means.
  [[nodiscard]] std::size_t offset_of(const YAML::Mark& mark) const {
    if (mark.pos < 0) return last_offset_;
    const auto in_feed = static_cast<std::size_t>(mark.pos);
    if (in_feed < feed_.prefix) return feed_.begin;
    return std::min(feed_.begin + in_feed - feed_.prefix, region_.end);
  }

  void report(std::size_t begin, std::size_t end, Mistake mistake) {
    report(text_.diagnostic(begin, end, std::move(mistake)));
  }

  void report(Diagnostic diagnostic) {
    diagnostics_.push_back(std::move(diagnostic));
    if (diagnostics_.size() >= most_diagnostics) throw Stop{Outcome::exhausted};
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    const std::size_t offset = arrive(mark);
    if (++documents_ == 1) return;
    const std::size_t column = offset - text_.line_begin(text_.line_at(offset));
    const bool dedented = root_ && column + 1 < root_->column;
    report(offset, end_of_line(offset),
           {"yaml-syntax", "the document has ended before this",
            dedented ? "indent this line like the first line of the document"
                     : "check the indentation and the quotes; two documents need a line `---` between them"});
    throw Stop{Outcome::broken};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const std::size_t offset = after_properties(arrive(mark));
    if (text_.bytes().substr(offset, 1) == "!" && !text_.bytes().substr(offset).starts_with("!!null"))
      refuse_tag(offset);
    Node node;
    const std::size_t length = plain_length(offset);
    if (length > 0 && is_null_text(text_.bytes().substr(offset, length))) {
      place(node, offset, length);
    } else if (!frames_.empty() && frames_.back().has_key) {
      const Node& key = frames_.back().key;
      node.line = key.line;
      node.column = key.column;
      node.length = key.length;
    } else {
      const bool at_colon = text_.bytes().substr(offset, 1) == ":";  // of a missing key
      place(node, at_colon ? offset : before_spaces(offset), 1);
    }
    complete(std::move(node), anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const std::size_t offset = after_properties(arrive(mark));
    Node node;
    node.type = Type::scalar;
    node.style = tag == "!" || tag == "tag:yaml.org,2002:str" ? Style::quoted : Style::plain;
    node.text = value;
    place(node, offset, scalar_length(offset, value));
    check_scalar(node, offset);
    if (tag == "tag:yaml.org,2002:null" && is_null_text(value)) {
      node.type = Type::null;
      node.text.clear();
    } else if (tag != "?" && tag != "!" && !tag.empty() && tag != "tag:yaml.org,2002:str" &&
               tag != "tag:yaml.org,2002:int" && tag != "tag:yaml.org,2002:float" && tag != "tag:yaml.org,2002:bool") {
      refuse_tag(offset_of(mark));
    }
    complete(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const std::size_t offset = arrive(mark);
    const Node* const original = find_anchored(anchor);
    if (original == nullptr) {
      report(offset, end_of_word(offset),
             {"yaml-alias", "this alias stands within the value that it names", "write the value out"});
      Node nothing;
      place(nothing, offset, end_of_word(offset) - offset);
      complete(std::move(nothing), 0);
      return;
    }
    Node copy = copied(*original, frames_.size(), offset);
    ++budget_.nodes;  // complete() counts it again
    complete(std::move(copy), 0);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    open(mark, Type::sequence, tag, anchor, style == YAML::EmitterStyle::Flow);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    open(mark, Type::mapping, tag, anchor, style == YAML::EmitterStyle::Flow);
  }
  void OnMapEnd() override {
    check_duplicates(frames_.back().node);
    close();
  }

 private:
  std::size_t arrive(const YAML::Mark& mark) {
    if (mark.pos >= 0) buffer_.delivered(static_cast<std::size_t>(mark.pos));
    const std::size_t offset = offset_of(mark);
    last_offset_ = std::max(last_offset_, offset);
    if (text_.has_tabs() && (frames_.empty() || !frames_.back().flow)) check_tab(offset);
    return offset;
  }

  /// yaml-cpp takes a tab before a value for indentation of one column.
  void check_tab(std::size_t offset) {
    const std::uint32_t line = text_.line_at(offset);
    const std::string_view before = text_.bytes().substr(text_.line_begin(line), offset - text_.line_begin(line));
    const std::size_t tab = before.find('\t');
    if (line == line_of_tab_ || tab == std::string_view::npos || before.find_first_not_of(" \t") < tab) return;
    if (before.find_first_not_of(" \t") != std::string_view::npos) return;  // what follows on a line is no indentation
    line_of_tab_ = line;
    report(text_.line_begin(line) + tab, text_.line_begin(line) + tab + 1, tab_mistake());
  }

  void place(Node& node, std::size_t offset, std::size_t length) const {
    node.line = text_.line_at(offset);
    node.column = 1 + text_.code_points(text_.line_begin(node.line), offset);
    node.length = std::max<std::uint32_t>(1, text_.code_points(offset, offset + length));
  }

  [[nodiscard]] std::size_t end_of_line(std::size_t offset) const { return text_.line_end(text_.line_at(offset)); }

  [[nodiscard]] std::size_t end_of_word(std::size_t offset) const {
    const std::string_view bytes = text_.bytes().substr(0, region_.end);
    std::size_t end = offset;
    while (end < bytes.size() && !is_space(bytes[end]) &&
           std::string_view(",]}").find(bytes[end]) == std::string_view::npos)
      ++end;
    return std::max(end, offset + 1);
  }

  /// Anchors and tags stand before the value; tags of no use to us are refused elsewhere.
  [[nodiscard]] std::size_t after_properties(std::size_t offset) const {
    const std::string_view bytes = text_.bytes().substr(0, region_.end);
    std::size_t at = offset;
    while (at < bytes.size() && (bytes[at] == '&' || bytes[at] == '!')) {
      std::size_t next = end_of_word(at);
      while (next < bytes.size() && is_blank(bytes[next])) ++next;
      if (next >= bytes.size() || is_space(bytes[next]) || bytes[next] == '#' || bytes[next] == ',') return offset;
      at = next;
    }
    return at;
  }

  /// The character before `offset` and before the spaces there.
  [[nodiscard]] std::size_t before_spaces(std::size_t offset) const {
    std::size_t at = offset;
    while (at > region_.begin && (at >= region_.end || is_space(text_.bytes()[at - 1]))) --at;
    return at > region_.begin ? at - 1 : at;
  }

  /// Bytes of the word at `offset`, as far as a null goes.
  [[nodiscard]] std::size_t plain_length(std::size_t offset) const {
    const std::string_view rest = text_.bytes().substr(offset, std::min<std::size_t>(region_.end - offset, 6));
    const std::size_t end = rest.find_first_of(" \t\r\n,:]}");
    return end == std::string_view::npos ? rest.size() : end;
  }

  [[nodiscard]] std::size_t scalar_length(std::size_t offset, std::string_view value) const {
    const std::string_view rest = text_.bytes().substr(offset, region_.end - offset);
    if (rest.starts_with(value) && !value.empty()) return value.size();
    if (rest.starts_with('"') || rest.starts_with('\'')) {
      if (const std::size_t length = quoted_length(rest); length > 0) return length;
    }
    std::size_t end = end_of_line(offset);
    while (end > offset && is_space(text_.bytes()[end - 1])) --end;
    return end - offset;
  }

  void refuse_tag(std::size_t offset) {
    const std::size_t end = end_of_word(offset);
    const std::string_view tag = text_.bytes().substr(offset, end - offset);
    const std::string_view line = text_.bytes().substr(offset, end_of_line(offset) - offset);
    report(offset, end,
           {"yaml-tag", fmt::format("{} is a YAML tag, which policies do not have", shortly_quoted(tag)),
            fmt::format("if it is meant as text, put the whole value in quotes{}", in_quotes(line))});
  }

  void check_scalar(const Node& node, std::size_t offset) {
    if (node.text.find('\0') != std::string::npos) {
      report(text_.diagnostic(node, {"yaml-nul", "the text contains a NUL character", "remove it"}));
    }
    // yaml-cpp writes the escapes \N and \_ as single bytes.
    if (text_.bytes().substr(offset, 1) == "\"" && !is_utf8(node.text)) {
      report(text_.diagnostic(
          node, {"yaml-utf8", "the escapes \\N and \\_ are not read", "write \\u0085 for \\N, \\u00A0 for \\_"}));
    }
  }

  void open(const YAML::Mark& mark, Type type, const std::string& tag, YAML::anchor_t anchor, bool flow) {
    const std::size_t start = arrive(mark);
    const std::size_t offset = after_properties(start);
    if (frames_.size() >= budget_.depth) {
      report(offset, offset + 1,
             {"yaml-limit", fmt::format("values are nested more than {} deep", budget_.depth),
              "policies need a dozen levels; is this a policy file?"});
      throw Stop{Outcome::exhausted};
    }
    const std::string_view expected = type == Type::sequence ? "tag:yaml.org,2002:seq" : "tag:yaml.org,2002:map";
    if (tag != "?" && tag != "!" && !tag.empty() && tag != expected) refuse_tag(start);
    if (anchor != 0) anchors_[anchor] = path();
    Frame frame;
    frame.node.type = type;
    frame.offset = offset;
    frame.flow = flow;
    place(frame.node, offset, 1);
    if (flow) frame.node.length = static_cast<std::uint32_t>(bracket_code_points(offset));
    frames_.push_back(std::move(frame));
  }

  [[nodiscard]] std::size_t bracket_code_points(std::size_t offset) const {
    const std::string_view rest = text_.bytes().substr(offset, region_.end - offset);
    if (!rest.starts_with('[') && !rest.starts_with('{')) return 1;  // `[a: b]` holds a mapping without braces
    return text_.code_points(offset, offset + bracketed_length(rest));
  }

  void close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    // A block mapping is shown by its first key.
    if (!frame.flow && !frame.node.entries.empty()) frame.node.length = frame.node.entries.front().first.length;
    attach(std::move(frame.node));
  }

  void complete(Node node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = node;
    attach(std::move(node));
  }

  void spend_node(std::size_t offset) {
    if (budget_.nodes == 0) {
      report(offset, offset + 1,
             {"yaml-limit", "the file holds too many values", "split it into several files; aliases count as copies"});
      throw Stop{Outcome::exhausted};
    }
    --budget_.nodes;
  }

  void attach(Node node) {
    spend_node(last_offset_);
    if (frames_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.node.type == Type::sequence) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.has_key) {
      frame.key_usable = check_key(node, frame.flow);
      frame.has_key = true;
      frame.key = std::move(node);
    } else {
      frame.has_key = false;
      if (frame.key_usable) frame.node.entries.emplace_back(std::move(frame.key), std::move(node));
    }
  }

  bool check_key(const Node& key, bool flow) {
    if (key.type == Type::scalar) {
      if (key.style != Style::plain || key.text != "<<") return true;
      report(text_.diagnostic(
          key, {"yaml-merge-key", "merge keys (<<) are not read", "write the merged keys out in this mapping"}));
      return false;
    }
    const bool template_braces = flow && key.type == Type::mapping;
    const std::string_view what = key.type == Type::null      ? "a key is missing"
                                  : key.type == Type::mapping ? "a mapping cannot be a key"
                                                              : "a list cannot be a key";
    report(text_.diagnostic(
        key, {"yaml-key", std::string(what),
              template_braces ? "is this a template ({{ ... }})? fill it in first; otherwise write a name as the key"
                              : "write a name as the key"}));
    return false;
  }

  void check_duplicates(Node& mapping) {
    auto& entries = mapping.entries;
    std::vector<std::size_t> order(entries.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      const int compared = entries[a].first.text.compare(entries[b].first.text);
      return compared != 0 ? compared < 0 : a < b;
    });
    std::vector<std::size_t> repeated;
    for (std::size_t i = 1, first = 0; i < order.size(); ++i) {
      if (entries[order[i]].first.text == entries[order[first]].first.text) {
        report_duplicate(entries[order[i]].first, entries[order[first]].first);
        repeated.push_back(order[i]);
      } else {
        first = i;
      }
    }
    std::sort(repeated.rbegin(), repeated.rend());
    for (const std::size_t i : repeated) entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(i));
  }

  void report_duplicate(const Node& key, const Node& first) {
    const bool top = frames_.size() == 1;
    const bool begins_document = top && (key.text == "apiVersion" || key.text == "kind");
    report(text_.diagnostic(
        key, {"duplicate-key",
              fmt::format("key {} is given twice in one mapping, first at {}:{}", shortly_quoted(key.text), first.line,
                          first.column),
              begins_document ? "two documents need a line `---` between them" : "remove one of the two"}));
  }

  [[nodiscard]] Path path() const {
    Path path;
    for (const Frame& frame : frames_) path.push_back(frame.children());
    return path;
  }

  /// nullptr if what is anchored is not complete, or was left out for a mistake.
  [[nodiscard]] const Node* find_anchored(YAML::anchor_t anchor) const {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) return nullptr;
    return std::visit(
        overloaded{[](const Node& scalar) { return &scalar; }, [&](const Path& path) { return find_collection(path); }},
        found->second);
  }

  [[nodiscard]] const Node* find_collection(const Path& path) const {
    if (frames_.empty() || path.empty()) return nullptr;
    std::size_t open = 1;  // frames_[open - 1] is where the walk stands, while it follows open frames
    while (open <= path.size() && open < frames_.size() && frames_[open - 1].children() == path[open - 1]) ++open;
    if (open > path.size()) return nullptr;  // still open itself
    const Node* node = &frames_[open - 1].node;
    for (std::size_t i = open - 1; i < path.size(); ++i) {
      if (node->type == Type::sequence && path[i] < node->items.size()) {
        node = &node->items[path[i]];
      } else if (node->type == Type::mapping && path[i] < node->entries.size()) {
        node = &node->entries[path[i]].second;
      } else {
        return nullptr;
      }
    }
    return node;
  }

  Node copied(const Node& original, std::size_t depth, std::size_t alias_offset) {
    spend_node(alias_offset);
    if (original.text.size() > budget_.copied_bytes || depth > budget_.depth) {
      report(alias_offset, end_of_word(alias_offset),
             {"yaml-limit", "aliases expand to too much text or too many levels", "write the values out"});
      throw Stop{Outcome::exhausted};
    }
    budget_.copied_bytes -= original.text.size();
    Node copy;
    copy.type = original.type;
    copy.style = original.style;
    copy.text = original.text;
    copy.line = original.line;
    copy.column = original.column;
    copy.length = original.length;
    copy.items.reserve(original.items.size());
    for (const Node& item : original.items) copy.items.push_back(copied(item, depth + 1, alias_offset));
    copy.entries.reserve(original.entries.size());
    for (const auto& [key, value] : original.entries) {
      Node key_copy = copied(key, depth + 1, alias_offset);
      copy.entries.emplace_back(std::move(key_copy), copied(value, depth + 1, alias_offset));
    }
    return copy;
  }

  const Text& text_;
  const Region& region_;
  const Feed& feed_;
  FeedBuffer& buffer_;
  Budget& budget_;
  Diagnostics& diagnostics_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  std::optional<Node> root_;
  std::size_t documents_ = 0;
  std::size_t last_offset_;
  std::uint32_t line_of_tab_ = 0;
};

/// yaml-cpp at work. Throws what yaml-cpp throws, Stop and RanAhead.
void parse(Feed& feed, FeedBuffer& buffer, Builder& builder) {
  std::istream stream(&buffer);
  YAML::Parser parser(stream);
  while (parser.HandleNextDocument(builder)) {
  }
  if (buffer.ran_ahead()) throw RanAhead{};
  if (!buffer.consumed()) throw std::runtime_error(fmt::format("yaml-cpp left {} bytes unread", feed.text.size()));
}

}  // namespace

Outcome read_events(const Text& text, const Region& region, Budget& budget, std::optional<Node>& root,
                    Diagnostics& diagnostics) {
  Feed feed = feed_for(text, region);
  FeedBuffer buffer(feed.text);
  Builder builder(text, region, feed, buffer, budget, diagnostics);
  Outcome outcome = Outcome::complete;
  try {
    parse(feed, buffer, builder);
  } catch (const Stop& stop) {
    outcome = stop.outcome;
  } catch (const RanAhead&) {
    outcome = Outcome::exhausted;
    const std::size_t at = builder.last_offset();
    diagnostics.push_back(text.diagnostic(at, at + 1,
                                          {"yaml-limit", "what begins here is too long to be held as one value",
                                           "write long lists on lines of their own, each item after `- `"}));
  } catch (const YAML::Exception& error) {
    outcome = Outcome::broken;
    diagnostics.push_back(explain(text, region, builder.progress(), error.msg, builder.offset_of(error.mark)));
  } catch (const std::runtime_error& error) {
    outcome = Outcome::broken;
    diagnostics.push_back(explain(text, region, builder.progress(), error.what(), builder.last_offset()));
  }
  if (diagnostics.size() >= most_diagnostics) outcome = Outcome::exhausted;
  root = builder.take_root();
  if (root && root->type == Type::null) root.reset();
  return outcome;
}

}  // namespace drywall::yaml
