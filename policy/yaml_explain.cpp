// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/yaml_explain.h"

#include <fmt/format.h>
#include <yaml-cpp/exceptions.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace drywall::yaml {
namespace {

/// What yaml-cpp says, and what it means to the person who wrote the file.
struct KnownError {
  std::string_view message;  // how yaml-cpp's begins
  Mistake mistake;
};

const std::vector<KnownError>& known_errors() {
  static const std::vector<KnownError> errors{
      {YAML::ErrorMsg::BLOCK_ENTRY,
       {"yaml-syntax", "`- ` cannot stand here", "write each item of the list on its own line"}},
      {YAML::ErrorMsg::MAP_KEY, {"yaml-syntax", "`? ` cannot stand here", "put text that begins with ? in quotes"}},
      {YAML::ErrorMsg::UNKNOWN_ANCHOR,
       {"yaml-alias", "this alias names no anchor before it in the document", "put text that begins with * in quotes"}},
      {YAML::ErrorMsg::ALIAS_NOT_FOUND,
       {"yaml-alias", "`*` begins an alias, and has no name here", "if it is meant as text, put it in quotes: \"*\""}},
      {YAML::ErrorMsg::ANCHOR_NOT_FOUND,
       {"yaml-alias", "`&` begins an anchor, and has no name here", "put text that begins with & in quotes"}},
      {YAML::ErrorMsg::CHAR_IN_ALIAS,
       {"yaml-alias", "`*` begins an alias, and this cannot be in its name", "put text that begins with * in quotes"}},
      {YAML::ErrorMsg::CHAR_IN_ANCHOR,
       {"yaml-alias", "`&` begins an anchor, and this cannot be in its name", "put text that begins with & in quotes"}},
      {YAML::ErrorMsg::MULTIPLE_ANCHORS, {"yaml-alias", "a value with two anchors", "keep one of them"}},
      {YAML::ErrorMsg::MULTIPLE_TAGS, {"yaml-tag", "a value with two tags", "remove them"}},
      {YAML::ErrorMsg::ALIAS_CONTENT, {"yaml-alias", "an alias takes no tag and no anchor", "remove it"}},
      {YAML::ErrorMsg::TAG_WITH_NO_SUFFIX,
       {"yaml-tag", "`!` begins a tag here", "put text that begins with ! in quotes"}},
      {YAML::ErrorMsg::CHAR_IN_TAG_HANDLE,
       {"yaml-tag", "`!` begins a tag here", "put text that begins with ! in quotes"}},
      {YAML::ErrorMsg::END_OF_VERBATIM_TAG,
       {"yaml-tag", "`!<` begins a tag here", "put text that begins with ! in quotes"}},
      {YAML::ErrorMsg::INVALID_HEX,
       {"yaml-syntax", "an escape (\\x, \\u or \\U) without its hexadecimal digits",
        "write 2 digits after \\x, 4 after \\u, 8 after \\U; or use single quotes, where \\ is a plain character"}},
      {YAML::ErrorMsg::INVALID_UNICODE,
       {"yaml-syntax", "an escape that is no character by itself",
        "write the character itself, or \\U and 8 digits; half of a \\uD800 pair is no character"}},
      {YAML::ErrorMsg::INVALID_ESCAPE,
       {"yaml-syntax", "an unknown escape in double quotes",
        "write \\\\ for a backslash, or use single quotes, where \\ is a plain character"}},
      {YAML::ErrorMsg::CHAR_IN_BLOCK,
       {"yaml-syntax", "text after the | or > that begins a block of text", "begin the text on the next line"}},
      {YAML::ErrorMsg::ZERO_INDENT_IN_BLOCK,
       {"yaml-syntax", "a block of text cannot be indented by 0", "write | or > alone"}},
      {"plain value cannot start with flow indicator",  // yaml-cpp 0.9
       {"yaml-syntax", "a value cannot begin with this character", "put the value in quotes"}},
      {YAML::ErrorMsg::YAML_MAJOR_VERSION, {"yaml-syntax", "a version of YAML that is not 1.x", "remove the line"}},
      {YAML::ErrorMsg::YAML_VERSION, {"yaml-syntax", "a %YAML line without a version", "remove the line"}},
      {YAML::ErrorMsg::BAD_FILE,
       {"yaml-limit", "values are nested too deeply", "policies need a dozen levels; is this a policy file?"}},
  };
  return errors;
}

class Explanation {
 public:
  Explanation(const Text& text, const Region& region, const Progress& progress)
      : text_(text), region_(region), progress_(progress) {}

  [[nodiscard]] Diagnostic of(std::string_view message, std::size_t offset) const {
    if (const auto tab = tab_near(offset)) return text_.diagnostic(*tab, *tab + 1, tab_mistake());
    if (message == YAML::ErrorMsg::MAP_VALUE) return of_colon(offset);
    if (message == "unexpected scalar") return of_block(message, offset);  // yaml-cpp 0.9
    if (message == YAML::ErrorMsg::END_OF_MAP || message == YAML::ErrorMsg::END_OF_SEQ)
      return of_block(message, offset);
    if (message == YAML::ErrorMsg::END_OF_MAP_FLOW || message == YAML::ErrorMsg::END_OF_SEQ_FLOW)
      return of_flow(offset);
    if (message == YAML::ErrorMsg::FLOW_END) return of_closing_bracket(offset);
    if (message == YAML::ErrorMsg::EOF_IN_SCALAR || message == YAML::ErrorMsg::DOC_IN_SCALAR)
      return of_open_quote(offset);
    if (message == YAML::ErrorMsg::UNKNOWN_TOKEN) return of_unknown_character(offset);
    if (message.starts_with(YAML::ErrorMsg::INVALID_HEX) || message.starts_with(YAML::ErrorMsg::INVALID_UNICODE) ||
        message.starts_with(YAML::ErrorMsg::INVALID_ESCAPE)) {
      offset = escape_before(offset);
    }
    for (const KnownError& known : known_errors()) {
      if (message.starts_with(known.message)) return at(offset, word_end(offset), known.mistake);
    }
    return at(offset, word_end(offset),
              {"yaml-syntax", fmt::format("this is not YAML: {}", message),
               "check the quotes, brackets and indentation of this line"});
  }

 private:
  [[nodiscard]] Diagnostic at(std::size_t begin, std::size_t end, Mistake mistake) const {
    const std::size_t visible = std::min(begin, text_end());
    return text_.diagnostic(visible, std::max(end, visible), std::move(mistake));
  }

  struct Place {
    std::uint32_t line;
    std::uint32_t column;
  };
  [[nodiscard]] Place place_of(std::size_t offset) const {
    const std::uint32_t line = text_.line_at(offset);
    return {line, 1 + text_.code_points(text_.line_begin(line), offset)};
  }

  /// After the last character of the document that is no space.
  [[nodiscard]] std::size_t text_end() const {
    std::size_t end = region_.end;
    while (end > region_.begin && is_space(text_.bytes()[end - 1])) --end;
    return end;
  }

  [[nodiscard]] std::size_t word_end(std::size_t offset) const {
    std::size_t end = offset;
    while (end < region_.end && !is_space(text_.bytes()[end])) ++end;
    return std::max(end, offset + 1);
  }

  [[nodiscard]] std::string_view before_on_line(std::size_t offset) const {
    const std::size_t begin = text_.line_begin(text_.line_at(offset));
    return text_.bytes().substr(begin, offset - begin);
  }

  /// yaml-cpp has read the escape when it complains.
  [[nodiscard]] std::size_t escape_before(std::size_t offset) const {
    const std::string_view before = before_on_line(offset);
    const std::size_t backslash = before.substr(0, before.size() - std::min<std::size_t>(before.size(), 1)).rfind('\\');
    return backslash == std::string_view::npos ? offset : offset - before.size() + backslash;
  }

  /// A tab in the indentation from the last value that was understood to the mistake.
  [[nodiscard]] std::optional<std::size_t> tab_near(std::size_t offset) const {
    const std::optional<OpenCollection>& innermost = progress_.innermost;
    if (!text_.has_tabs() || (innermost && innermost->flow)) return std::nullopt;
    const std::uint32_t first = text_.line_at(progress_.offset);
    for (std::uint32_t line = text_.line_at(offset); line >= first && line > 0; --line) {
      const std::string_view content = text_.line(line);
      const std::size_t indented = content.find_first_not_of(" \t-?:");
      const std::size_t tab = content.substr(0, indented).find('\t');
      if (tab != std::string_view::npos && indented != std::string_view::npos) return text_.line_begin(line) + tab;
    }
    return std::nullopt;
  }

  [[nodiscard]] Diagnostic of_colon(std::size_t offset) const {
    const std::string_view before = before_on_line(offset);
    const bool first_on_line = before.find(": ") == std::string_view::npos;
    if (first_on_line && text_.line_at(progress_.offset) < text_.line_at(offset)) {
      const std::size_t begin = offset - before.size() + std::min(before.find_first_not_of(' '), before.size());
      return at(begin, offset,
                {"yaml-syntax", "a key where the text of the line above goes on",
                 "align it with the keys that it belongs to; it is indented more than they are"});
    }
    return at(offset, offset + 1,
              {"yaml-syntax", "a second `: ` in one line",
               "put a value that contains `: ` in quotes, or write the inner mapping on lines of its own"});
  }

  [[nodiscard]] Diagnostic of_block(std::string_view message, std::size_t offset) const {
    const std::optional<OpenCollection>& innermost = progress_.innermost;
    const bool begins_line = before_on_line(offset).find_first_not_of(' ') == std::string_view::npos;
    if (!begins_line) {
      return at(offset, word_end(offset),
                {"yaml-syntax", "more text after a complete value",
                 "put the whole value in one pair of quotes, or begin a new line"});
    }
    const bool sequence = message == YAML::ErrorMsg::END_OF_SEQ;
    const std::string what = sequence ? "list" : "mapping";
    if (!innermost) return at(offset, word_end(offset), {"yaml-syntax", "unexpected text", "check the indentation"});
    const Place begin = place_of(innermost->offset);
    return at(offset, word_end(offset),
              {"yaml-syntax",
               fmt::format("this line does not belong to the {} that begins at {}:{}", what, begin.line, begin.column),
               fmt::format("begin it in column {} like the other {} there, or indent it like what it belongs to",
                           begin.column, sequence ? "items (`- `)" : "keys")});
  }

  [[nodiscard]] Diagnostic of_flow(std::size_t offset) const {
    const std::optional<OpenCollection>& innermost = progress_.innermost;
    if (!innermost) return at(offset, word_end(offset), {"yaml-syntax", "unexpected text", ""});
    const bool sequence = innermost->type == Type::sequence;
    if (offset >= text_end()) {
      return at(innermost->offset, innermost->offset + 1,
                {"yaml-syntax", fmt::format("this `{}` is never closed", sequence ? '[' : '{'),
                 fmt::format("write `{}` where it ends", sequence ? ']' : '}')});
    }
    const Place begin = place_of(innermost->offset);
    return at(offset, word_end(offset),
              {"yaml-syntax", fmt::format("expected `,` or `{}` here", sequence ? ']' : '}'),
               fmt::format("the `{}` at {}:{} is still open; text that contains any of [ ] {{ }} , goes in quotes",
                           sequence ? '[' : '{', begin.line, begin.column)});
  }

  [[nodiscard]] Diagnostic of_closing_bracket(std::size_t offset) const {
    const std::optional<OpenCollection>& innermost = progress_.innermost;
    if (!innermost || !innermost->flow) {
      return at(
          offset, offset + 1,
          {"yaml-syntax", "this bracket closes nothing", "remove it, or put the text that it belongs to in quotes"});
    }
    const Place begin = place_of(innermost->offset);
    return at(offset, offset + 1,
              {"yaml-syntax", fmt::format("this bracket does not close the one at {}:{}", begin.line, begin.column),
               "close them in the reverse order, [ with ] and { with }"});
  }

  /// yaml-cpp notices at the end of the document; the quote is the first one after the last value.
  [[nodiscard]] Diagnostic of_open_quote(std::size_t offset) const {
    const Mistake mistake{"yaml-syntax", "this quote is never closed",
                          "close it; inside single quotes write '' for one, inside double quotes \\\""};
    std::size_t at_quote = progress_.offset;
    while (at_quote < region_.end) {
      const char c = text_.bytes()[at_quote];
      const bool begins = at_quote == region_.begin || is_space(text_.bytes()[at_quote - 1]) ||
                          std::string_view(",[{:").find(text_.bytes()[at_quote - 1]) != std::string_view::npos;
      if ((c == '"' || c == '\'') && begins) {
        const std::size_t length = quoted_length(text_.bytes().substr(at_quote, region_.end - at_quote));
        if (length == 0) return at(at_quote, at_quote + 1, mistake);
        at_quote += length;
      } else {
        ++at_quote;
      }
    }
    return at(offset, offset + 1, {"yaml-syntax", "a quote is not closed before this", mistake.help});
  }

  [[nodiscard]] Diagnostic of_unknown_character(std::size_t offset) const {
    const std::string_view character = text_.bytes().substr(offset, offset < region_.end ? 1 : 0);
    return at(offset, offset + 1,
              {"yaml-syntax", fmt::format("\"{}\" cannot begin a value", character), "put the value in quotes"});
  }

  const Text& text_;
  const Region& region_;
  const Progress& progress_;
};

}  // namespace

Diagnostic explain(const Text& text, const Region& region, const Progress& progress, std::string_view message,
                   std::size_t offset) {
  return Explanation(text, region, progress).of(message, offset);
}

Mistake tab_mistake() {
  return {"yaml-tab", "a tab in the indentation", "YAML is indented with spaces: replace each tab by spaces"};
}

}  // namespace drywall::yaml
