// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "cli/json.h"
#include "cli/verb.h"
#include "directory/descriptor.h"

namespace drywall::cli {

/// Why drywalld gave no answer, in words for the user, and what the program then ends with.
struct Refusal {
  Exit exit;
  std::string message;
};
template <class T>
using Answer = tl::expected<T, Refusal>;

/// Prints the message and hands on the exit code: `return report(refusal);`.
Exit report(const Refusal& refusal);

using FilterFields = std::map<std::string, std::string>;
enum class Follow { no, yes };

/// A login session of systemd-logind that a process belongs to.
struct LoginSession {
  std::string remote_host;            // empty: of this machine
  std::chrono::microseconds began{};  // since boot
};

/// drywalld, over the system bus (or the one in DBUS_SYSTEM_BUS_ADDRESS); interfaces: packaging/org.drywall1.xml.
/// The values of a{sv} become objects; what is absent there stays absent (cli/json.h, arranged).
class Daemon {
 public:
  [[nodiscard]] static Answer<Daemon> connect();
  Daemon(Daemon&&) noexcept;
  ~Daemon();

  [[nodiscard]] Answer<Json> status();
  [[nodiscard]] Answer<Json> policies();
  [[nodiscard]] Answer<Json> reload();
  /// What promoting the policies would do.
  ///   policies  full names (cli/policy_name.h); none: all that is staged
  ///   caller    the caller's own connection: protocol, here, port_here, there, port_there; empty: there is none
  [[nodiscard]] Answer<Json> preview(const std::vector<std::string>& policies,
                                     const std::map<std::string, std::string>& caller);
  [[nodiscard]] Answer<std::string> render(const std::string& world);
  [[nodiscard]] Answer<Descriptor> stream(const FilterFields& filter, Follow follow);
  [[nodiscard]] Answer<Json> evidence();
  /// Its command line; empty if that cannot be told.
  [[nodiscard]] std::vector<std::string> command_line();
  /// Nothing: there is none, or nobody to ask.
  [[nodiscard]] std::optional<LoginSession> login_session(int pid);

 private:
  struct Link;
  explicit Daemon(std::unique_ptr<Link> link);
  std::unique_ptr<Link> link_;
};

}  // namespace drywall::cli
