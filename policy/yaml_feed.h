// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <ios>
#include <streambuf>
#include <string>

#include "policy/yaml_text.h"

namespace drywall::yaml {

/// What yaml-cpp is given to read, and how its positions map to the file.
struct Feed {
  std::string text;
  std::size_t begin = 0;   // offset in the file of the byte at `prefix`
  std::size_t prefix = 0;  // bytes at the beginning of `text` that are not in the file
};

/// Three things are done for yaml-cpp's sake. A document in brackets gets a `--- ` before it on its line: it cannot be
/// a key there, so its tokens need not be kept until its end. A `...` at the end keeps yaml-cpp 0.6 from reading beyond
/// its last token. Of a region that begins with `...`, these three bytes are left out: they would be an empty document.
/// And in a file named *.json, escaped surrogate pairs become the character that they stand for.
[[nodiscard]] Feed feed_for(const Text& text, const Region& region);

/// Thrown through yaml-cpp when it runs too far ahead of its own events.
struct RanAhead {};

/// Hands out a feed. Throws RanAhead.
class FeedBuffer final : public std::streambuf {
 public:
  /// `feed` is borrowed and must outlive this.
  explicit FeedBuffer(std::string& feed);

  /// An event at this byte of the feed arrived.
  void delivered(std::size_t offset);
  [[nodiscard]] bool ran_ahead() const { return ran_ahead_; }
  [[nodiscard]] bool consumed() const { return gptr() == egptr(); }

 protected:
  std::streamsize xsgetn(char* to, std::streamsize count) override;

 private:
  std::size_t delivered_ = 0;
  std::size_t counted_ = 0;       // before this byte, nothing is ahead
  std::size_t tokens_ahead_ = 0;  // bytes that may make a token, from counted_ to what was read
  bool ran_ahead_ = false;
};

}  // namespace drywall::yaml
