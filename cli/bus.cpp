// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/bus.h"

#include <fmt/core.h>
#include <sdbus-c++/sdbus-c++.h>

#include <array>
#include <chrono>
#include <fstream>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/terminal.h"
#include "directory/edit_record.h"

namespace drywall::cli {
namespace {

// sdbus-c++ 2.x has types for names, where 1.2 has plain text.
#if __has_include(<sdbus-c++/VTableItems.h>)
using sdbus::ServiceName;
#else
using ServiceName = std::string;
#endif

constexpr const char* bus_name = "org.drywall1";
constexpr const char* object_path = "/org/drywall1";
constexpr const char* manager = "org.drywall1.Manager";
constexpr const char* flows = "org.drywall1.Flows";

/// A reload of a hundred thousand rules takes longer than the bus's own 25 s.
constexpr std::chrono::minutes patience{5};

using Dictionary = std::map<std::string, sdbus::Variant>;

Json variant_json(const sdbus::Variant& value);

Json variant_json(const Dictionary& dictionary) {
  Json object = Json::object();
  for (const auto& [key, value] : dictionary) object[key] = variant_json(value);
  return object;
}

template <class T>
Json list_of(const sdbus::Variant& value) {
  Json list = Json::array();
  for (const auto& item : value.get<std::vector<T>>()) {
    if constexpr (std::is_same_v<T, Dictionary> || std::is_same_v<T, sdbus::Variant>) {
      list.push_back(variant_json(item));
    } else {
      list.push_back(item);
    }
  }
  return list;
}

template <class T>
Json plain(const sdbus::Variant& value) {
  return value.get<T>();
}

Json object_path_text(const sdbus::Variant& value) {
  return static_cast<std::string>(value.get<sdbus::ObjectPath>());
}

Json variant_json(const sdbus::Variant& value) {
  using Reader = Json (*)(const sdbus::Variant&);
  static constexpr std::array<std::pair<std::string_view, Reader>, 20> readers{{
      {"s", plain<std::string>},
      {"o", object_path_text},
      {"b", plain<bool>},
      {"y", plain<std::uint8_t>},
      {"n", plain<std::int16_t>},
      {"q", plain<std::uint16_t>},
      {"i", plain<std::int32_t>},
      {"u", plain<std::uint32_t>},
      {"x", plain<std::int64_t>},
      {"t", plain<std::uint64_t>},
      {"d", plain<double>},
      {"as", list_of<std::string>},
      {"aq", list_of<std::uint16_t>},
      {"au", list_of<std::uint32_t>},
      {"ax", list_of<std::int64_t>},
      {"at", list_of<std::uint64_t>},
      {"av", list_of<sdbus::Variant>},
      {"aa{sv}", list_of<Dictionary>},
      {"a{ss}", [](const sdbus::Variant& v) { return Json(v.get<std::map<std::string, std::string>>()); }},
      {"a{sv}", [](const sdbus::Variant& v) { return variant_json(v.get<Dictionary>()); }},
  }};
  const std::string signature = value.peekValueType();
  if (signature == "v") return variant_json(value.get<sdbus::Variant>());
  for (const auto& [type, read] : readers) {
    if (type == signature) return read(value);
  }
  return nullptr;  // a newer daemon's type: keys may be added, so an unknown one is no failure
}

Json variant_json(const std::vector<Dictionary>& list) {
  Json out = Json::array();
  for (const Dictionary& dictionary : list) out.push_back(variant_json(dictionary));
  return out;
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  for (const std::string_view candidate : names) {
    if (name == candidate) return true;
  }
  return false;
}

std::string unreachable(const std::string& error, const std::string& why) {
  const bool is_bus_gone =
      is_one_of(error, {"org.freedesktop.DBus.Error.FileNotFound", "org.freedesktop.DBus.Error.NoServer",
                        "org.freedesktop.DBus.Error.Disconnected", "System.Error.ENOENT", "System.Error.ECONNREFUSED",
                        "System.Error.ECONNRESET", "System.Error.ENOTCONN"});
  const std::string_view service = is_bus_gone ? "dbus" : "drywalld";
  return fmt::format("{}: {}\nhelp: what is in the kernel stays in force; sudo systemctl start {}",
                     is_bus_gone ? "there is no system bus" : "drywalld does not answer", why, service);
}

Refusal refusal(const sdbus::Error& error) {
  const std::string& name = error.getName();
  if (is_one_of(name, {"org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.AuthFailed",
                       "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", "System.Error.EACCES",
                       "System.Error.EPERM", "org.drywall1.Error.NotAuthorized"})) {
    return {Exit::unauthorised, fmt::format("not authorised: {} (try again with sudo)", error.getMessage())};
  }
  if (is_one_of(name, {"org.freedesktop.DBus.Error.InvalidArgs", "org.drywall1.Error.InvalidFilter"})) {
    return {Exit::usage, error.getMessage()};
  }
  if (is_one_of(name, {"org.drywall1.Error.KernelRefused"})) {
    return {Exit::kernel_refused, fmt::format("the kernel refused: {}", error.getMessage())};
  }
  if (name.starts_with("org.drywall1.Error.") ||
      is_one_of(name, {"org.freedesktop.DBus.Error.Failed", "org.freedesktop.DBus.Error.LimitsExceeded"})) {
    return {Exit::no, error.getMessage()};
  }
  return {Exit::unreachable, unreachable(name, error.getMessage())};
}

/// Runs a call; the bus library's exceptions end here.
template <class Call>
auto answer(Call&& call) -> Answer<decltype(call())> {
  try {
    return call();
  } catch (const sdbus::Error& error) {
    return tl::unexpected(refusal(error));
  }
}

}  // namespace

Exit report(const Refusal& refusal) {
  say(refusal.message);
  return refusal.exit;
}

struct Daemon::Link {
  std::unique_ptr<sdbus::IConnection> connection;
  std::unique_ptr<sdbus::IProxy> proxy;

  /// One call without arguments, or with those given.
  template <class Result, class... Arguments>
  Result call(const char* interface, const char* method, const Arguments&... arguments) {
    Result result;
    proxy->callMethod(method)
        .onInterface(interface)
        .withTimeout(std::chrono::microseconds(patience))
        .withArguments(arguments...)
        .storeResultsTo(result);
    return result;
  }
};

Daemon::Daemon(std::unique_ptr<Link> link) : link_(std::move(link)) {}
Daemon::Daemon(Daemon&&) noexcept = default;
Daemon::~Daemon() = default;

Answer<Daemon> Daemon::connect() {
  return answer([] {
    auto link = std::make_unique<Link>();
    link->connection = sdbus::createSystemBusConnection();
    link->proxy = sdbus::createProxy(*link->connection, ServiceName(bus_name), sdbus::ObjectPath(object_path));
    return Daemon(std::move(link));
  });
}

Answer<Json> Daemon::status() {
  return answer([this] { return variant_json(link_->call<Dictionary>(manager, "Status")); });
}

Answer<Json> Daemon::policies() {
  return answer([this] { return variant_json(link_->call<std::vector<Dictionary>>(manager, "Policies")); });
}

Answer<Json> Daemon::reload() {
  return answer([this] { return variant_json(link_->call<Dictionary>(manager, "Reload")); });
}

Answer<Json> Daemon::preview(const std::vector<std::string>& policies,
                             const std::map<std::string, std::string>& caller) {
  return answer([&] { return variant_json(link_->call<Dictionary>(manager, "Preview", policies, caller)); });
}

Answer<std::string> Daemon::render(const std::string& world) {
  return answer([&] { return link_->call<std::string>(manager, "Render", world); });
}

Answer<Descriptor> Daemon::stream(const FilterFields& filter, Follow follow) {
  return answer([&] {
    auto fd = link_->call<sdbus::UnixFd>(flows, "Stream", filter, follow == Follow::yes);
    return Descriptor(fd.release());
  });
}

Answer<Json> Daemon::evidence() {
  return answer([this] { return variant_json(link_->call<Dictionary>(flows, "Statistics")); });
}

std::vector<std::string> Daemon::command_line() {
  std::uint32_t pid = 0;
  try {
    auto bus = sdbus::createProxy(*link_->connection, ServiceName("org.freedesktop.DBus"),
                                  sdbus::ObjectPath("/org/freedesktop/DBus"));
    bus->callMethod("GetConnectionUnixProcessID")
        .onInterface("org.freedesktop.DBus")
        .withArguments(std::string(bus_name))
        .storeResultsTo(pid);
  } catch (const sdbus::Error&) {
    return {};
  }
  std::ifstream file(fmt::format("/proc/{}/cmdline", pid));
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
  return words;
}

std::optional<LoginSession> Daemon::login_session(int pid) {
  constexpr const char* login = "org.freedesktop.login1";
  constexpr const char* session_interface = "org.freedesktop.login1.Session";
  try {
    auto manager_proxy =
        sdbus::createProxy(*link_->connection, ServiceName(login), sdbus::ObjectPath("/org/freedesktop/login1"));
    sdbus::ObjectPath path;
    manager_proxy->callMethod("GetSessionByPID")
        .onInterface("org.freedesktop.login1.Manager")
        .withArguments(static_cast<std::uint32_t>(pid))
        .storeResultsTo(path);
    auto session = sdbus::createProxy(*link_->connection, ServiceName(login), path);
    const sdbus::Variant began = session->getProperty("Timestamp").onInterface(session_interface);
    const sdbus::Variant remote_host = session->getProperty("RemoteHost").onInterface(session_interface);
    const auto utc =
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch());
    return LoginSession{remote_host.get<std::string>(),
                        boot_time().at - (utc - std::chrono::microseconds(began.get<std::uint64_t>()))};
  } catch (const sdbus::Error&) {
    return std::nullopt;
  }
}

}  // namespace drywall::cli
