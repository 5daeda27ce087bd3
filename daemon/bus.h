// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "daemon/bus_result.h"
#include "daemon/edit_helper.h"
#include "daemon/event_loop.h"
#include "directory/descriptor.h"

namespace drywall {

/// One policy as an object below /org/drywall1/policy.
struct PolicyObject {
  std::string kind;
  std::string name;
  std::string ns;
  std::string tier;
  std::optional<double> order;
  bool staged = false;
  std::string staged_action;  // empty if it is not staged
  std::string selector;
  std::string file;
  std::uint32_t line = 0;
  bool operator==(const PolicyObject&) const = default;
};

/// What the bus asks the daemon. All of it runs in the loop and, but for `edit`, answers at once.
struct BusCalls {
  using Fields = std::vector<std::pair<std::string, std::string>>;  // as parse_flow_filter takes them
  struct Page {
    nlohmann::json records;
    nlohmann::json evidence;
  };
  std::function<std::uint64_t()> generation;
  std::function<std::string()> state;
  std::function<std::string()> policy_directory;
  std::function<nlohmann::json()> diagnostics;
  std::function<nlohmann::json()> pending_confirmation;  // null: nothing waits
  std::function<nlohmann::json()> evidence;
  std::function<nlohmann::json()> status;
  std::function<nlohmann::json()> policies;
  std::function<BusResult<std::string>(const std::string& world)> render;
  std::function<BusResult<nlohmann::json>()> reload;
  ///   policies  each `KIND/[NAMESPACE/]NAME`; none: all that is staged
  ///   caller    here, port_here, there, port_there, protocol of the caller's own connection; empty: it has none
  std::function<BusResult<nlohmann::json>(const std::vector<std::string>& policies, const Fields& caller)> preview;
  ///   request  as cli/edit_request.h says
  std::function<BusResult<std::unique_ptr<EditExchange>>(const nlohmann::json& request, EditExchange::Done done)> edit;
  std::function<BusResult<Page>(const Fields& filter, std::uint32_t offset, std::uint32_t limit)> list;
  std::function<BusResult<Descriptor>(const Fields& filter, bool follow)> stream;
  std::function<void(const std::string& event)> report;  // found, lost or not found: once each time
};

/// org.drywall1 on the system bus, as packaging/org.drywall1.xml says. Without a bus the daemon works on; every few
/// seconds it is looked for again. The only file that knows sdbus-c++.
class Bus {
 public:
  Bus(EventLoop& loop, BusCalls calls);
  ~Bus();
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;

  [[nodiscard]] bool is_connected() const;
  void show_policies(std::vector<PolicyObject> policies);
  void tell_generation(std::uint64_t generation);
  void tell_reload_failed(const nlohmann::json& diagnostics);
  void tell_would_deny(const nlohmann::json& kind);
  void tell_rolled_back(const std::string& verb, const std::string& by, std::uint64_t generation);
  /// State, Generation or Diagnostics may have other values now.
  void tell_properties();

 private:
  class Connection;
  std::unique_ptr<Connection> connection_;
};

/// `text` with every byte but letters and digits as _XX: one element of an object path.
[[nodiscard]] std::string path_element(std::string_view text);

}  // namespace drywall
