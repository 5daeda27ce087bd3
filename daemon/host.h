// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/config.h"
#include "directory/descriptor.h"
#include "policy/compile.h"
#include "policy/model.h"
#include "policy/result.h"

namespace drywall {

/// What the running system says about itself.
struct Machine {
  std::string host_name;                                       // lower case
  std::vector<Interface> interfaces;                           // sorted by name, addresses sorted
  std::vector<std::pair<std::uint32_t, std::string>> indexes;  // index and name of each, sorted
  Labels os = {};                                              // of its operating system (policy/auto_endpoint.h)
  bool operator==(const Machine&) const = default;
};

[[nodiscard]] Result<Machine> read_machine();

/// What `host_endpoint: auto` makes; nothing: it is not set.
[[nodiscard]] std::optional<HostEndpoint> auto_endpoint(const Config& config, const Machine& machine);

/// The host that a policy directory is compiled for.
[[nodiscard]] Host host_for(const Config& config, const Machine& machine);

/// Interface names by index, also of interfaces that are gone: logs of their last packets come later. Bounded.
class InterfaceNames {
 public:
  void update(const Machine& machine);
  /// "" if never known.
  [[nodiscard]] std::string_view name(std::uint32_t index) const;

 private:
  static constexpr std::size_t most = 8192;
  std::unordered_map<std::uint32_t, std::string> names_;
  std::deque<std::uint32_t> oldest_first_;
};

/// Notices changes of links and addresses (rtnetlink).
class LinkWatch {
 public:
  [[nodiscard]] static Result<LinkWatch> open();
  [[nodiscard]] int descriptor() const { return fd_.get(); }
  /// True if anything came, or if some of it was lost.
  [[nodiscard]] bool drain();

 private:
  explicit LinkWatch(Descriptor fd) : fd_(std::move(fd)) {}
  Descriptor fd_;
};

}  // namespace drywall
