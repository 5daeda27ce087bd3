// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/bus.h"

#include <fmt/format.h>
#include <poll.h>
#include <sdbus-c++/sdbus-c++.h>
#include <sys/epoll.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "directory/user.h"

namespace drywall {
namespace {

using Json = nlohmann::json;

constexpr const char* bus_name = "org.drywall1";
constexpr const char* root_path = "/org/drywall1";
constexpr const char* manager = "org.drywall1.Manager";
constexpr const char* flows = "org.drywall1.Flows";
constexpr const char* policy_interface = "org.drywall1.Policy";
constexpr const char* reload_action = "org.drywall1.reload";
constexpr const char* edit_action = "org.drywall1.edit";

constexpr std::chrono::seconds bus_retry_interval{3};
constexpr std::chrono::seconds call_timeout{5};  // of our own calls, to the bus and to polkit
constexpr std::chrono::milliseconds turn{20};    // of processing messages, before others have theirs
constexpr std::size_t most_authorisations = 64;  // under way
constexpr std::size_t most_edits = 4;            // under way; all but one of them are told to wait
constexpr std::size_t most_named_policies = 10'000;
constexpr std::size_t most_filter_bytes = 64U << 10U;
constexpr std::size_t most_error_bytes = 1024;

// What sdbus-c++ 1.2 and 2.x say differently. 2.x has types for names, where 1.2 has plain text.
#if __has_include(<sdbus-c++/VTableItems.h>)

using ErrorName = sdbus::Error::Name;
using sdbus::InterfaceName;
using sdbus::MemberName;
using sdbus::ServiceName;

/// Registers what an object has; it is on the bus with `finish`.
class ObjectBuilder {
 public:
  using Names = std::vector<std::string>;
  explicit ObjectBuilder(sdbus::IObject& object) : object_(object) {}

  void registerMethod(const char* interface, const char* name, const char* in, Names in_names, const char* out,
                      Names out_names, sdbus::method_callback call) {
    interfaces_[interface].push_back(sdbus::MethodVTableItem{MemberName(name), sdbus::Signature(in),
                                                             std::move(in_names), sdbus::Signature(out),
                                                             std::move(out_names), std::move(call), sdbus::Flags()});
  }
  void registerProperty(const char* interface, const char* name, const char* type, sdbus::property_get_callback get,
                        sdbus::Flags flags = {}) {
    interfaces_[interface].push_back(
        sdbus::PropertyVTableItem{MemberName(name), sdbus::Signature(type), std::move(get), {}, flags});
  }
  void registerSignal(const char* interface, const char* name, const char* type, Names names) {
    interfaces_[interface].push_back(
        sdbus::SignalVTableItem{MemberName(name), sdbus::Signature(type), std::move(names), sdbus::Flags()});
  }
  void finish() {
    for (auto& [name, items] : interfaces_) object_.addVTable(InterfaceName(name), std::move(items));
    interfaces_.clear();
  }

 private:
  sdbus::IObject& object_;
  std::map<std::string, std::vector<sdbus::VTableItem>> interfaces_;
};

bool process_one(sdbus::IConnection& connection) {
  return connection.processPendingEvent();
}

void call_without_waiting(sdbus::IProxy& proxy, const sdbus::MethodCall& call, sdbus::async_reply_handler on_reply) {
  proxy.callMethodAsync(call, std::move(on_reply), call_timeout);
}

/// `handle(reply, error)`, with no error if there is none.
template <class Handle>
sdbus::async_reply_handler reply_callback(Handle handle) {
  return [handle = std::move(handle)](sdbus::MethodReply reply, std::optional<sdbus::Error> error) {
    handle(reply, error ? &*error : nullptr);
  };
}

#else

using ErrorName = std::string;
using InterfaceName = std::string;
using MemberName = std::string;
using ServiceName = std::string;

class ObjectBuilder {
 public:
  explicit ObjectBuilder(sdbus::IObject& object) : object_(object) {}

  using Names = std::vector<std::string>;
  void registerMethod(const char* interface, const char* name, const char* in, const Names& in_names, const char* out,
                      const Names& out_names, sdbus::method_callback call) {
    object_.registerMethod(interface, name, in, in_names, out, out_names, std::move(call));
  }
  void registerProperty(const char* interface, const char* name, const char* type, sdbus::property_get_callback get,
                        sdbus::Flags flags = {}) {
    object_.registerProperty(interface, name, type, std::move(get), flags);
  }
  void registerSignal(const char* interface, const char* name, const char* type, const Names& names) {
    object_.registerSignal(interface, name, type, names);
  }
  void finish() { object_.finishRegistration(); }

 private:
  sdbus::IObject& object_;
};

bool process_one(sdbus::IConnection& connection) {
  return connection.processPendingRequest();
}

void call_without_waiting(sdbus::IProxy& proxy, const sdbus::MethodCall& call, sdbus::async_reply_handler on_reply) {
  proxy.callMethod(call, std::move(on_reply), call_timeout);
}

template <class Handle>
sdbus::async_reply_handler reply_callback(Handle handle) {
  return handle;
}

#endif

/// The bus takes no string that is not UTF-8: file names may be anything.
bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto lead = static_cast<unsigned char>(text[0]);
    const std::size_t size = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if ((lead >= 0x80 && lead < 0xC2) || lead > 0xF4 || text.size() < size) return false;
    char32_t value = size == 1 ? lead : lead & (0xFFU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      if ((byte & 0xC0U) != 0x80U) return false;
      value = value << 6U | (byte & 0x3FU);
    }
    const bool overlong = (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
    if (overlong || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string sendable(const std::string& text) {
  if (is_utf8(text)) return text;
  std::string out;
  for (const char c : text) out += static_cast<unsigned char>(c) < 0x80 ? std::string(1, c) : "\xEF\xBF\xBD";
  return out;
}

/// What a caller sent comes back in messages: not all of it.
std::string shortened(const std::string& text) {
  if (text.size() <= most_error_bytes) return text;
  std::size_t end = most_error_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;  // not within a character
  return text.substr(0, end) + "...";
}

void put_dictionary(sdbus::Message& message, const Json& object);

void put_dictionaries(sdbus::Message& message, const Json& list) {
  message.openContainer("a{sv}");
  for (const Json& item : list) put_dictionary(message, item);
  message.closeContainer();
}

void put_words(sdbus::Message& message, const Json& list) {
  message.openContainer("s");
  for (const Json& item : list) {
    message << sendable(item.is_string() ? item.get<std::string>() : item.dump());
  }
  message.closeContainer();
}

template <class Put>
void put_variant(sdbus::Message& message, const char* signature, const Put& put) {
  message.openVariant(signature);
  put();
  message.closeVariant();
}

void put_value(sdbus::Message& message, const std::string& key, const Json& value) {
  const bool is_signed = key == "rule" || value.type() == Json::value_t::number_integer;  // a rule can be -1
  if (value.is_object()) {
    put_variant(message, "a{sv}", [&] { put_dictionary(message, value); });
  } else if (value.is_array() && !value.empty() && value[0].is_object()) {
    put_variant(message, "aa{sv}", [&] { put_dictionaries(message, value); });
  } else if (value.is_array()) {
    put_variant(message, "as", [&] { put_words(message, value); });
  } else if (value.is_boolean()) {
    put_variant(message, "b", [&] { message << value.get<bool>(); });
  } else if (value.is_number_float()) {
    put_variant(message, "d", [&] { message << value.get<double>(); });
  } else if (value.is_number() && is_signed) {
    put_variant(message, "x", [&] { message << value.get<std::int64_t>(); });
  } else if (value.is_number()) {
    put_variant(message, "t", [&] { message << value.get<std::uint64_t>(); });
  } else {
    put_variant(message, "s", [&] { message << sendable(value.get<std::string>()); });
  }
}

/// What is null is left out.
void put_dictionary(sdbus::Message& message, const Json& object) {
  message.openContainer("{sv}");
  for (const auto& [key, value] : object.items()) {
    if (value.is_null()) continue;
    message.openDictEntry("sv");
    message << sendable(key);
    put_value(message, key, value);
    message.closeDictEntry();
  }
  message.closeContainer();
}

const char* name_of(BusError::Kind kind) {
  switch (kind) {
    case BusError::Kind::invalid_arguments:
      return "org.freedesktop.DBus.Error.InvalidArgs";
    case BusError::Kind::access_denied:
      return "org.freedesktop.DBus.Error.AccessDenied";
    case BusError::Kind::limit:
      return "org.freedesktop.DBus.Error.LimitsExceeded";
    case BusError::Kind::refused:
      return "org.drywall1.Error.Refused";
    case BusError::Kind::kernel_refused:
      return "org.drywall1.Error.KernelRefused";
    case BusError::Kind::failed:
      return "org.freedesktop.DBus.Error.Failed";
  }
  return "org.freedesktop.DBus.Error.Failed";
}

sdbus::Error error_of(const BusError& error) {
  return {ErrorName(name_of(error.kind)), sendable(error.message)};
}

void refuse(const sdbus::MethodCall& call, const BusError& error) {
  call.createErrorReply(error_of({error.kind, shortened(error.message)})).send();
}

template <class Put>
void answer(const sdbus::MethodCall& call, const Put& put) {
  sdbus::MethodReply reply = call.createReply();
  put(reply);
  reply.send();
}

void answer_dictionary(const sdbus::MethodCall& call, const Json& object) {
  answer(call, [&](sdbus::Message& reply) { put_dictionary(reply, object); });
}

/// A method's handler: whatever it throws becomes an error reply.
template <class Handle>
sdbus::method_callback handler(Handle handle) {
  return [handle = std::move(handle)](sdbus::MethodCall call) {
    try {
      handle(call);
    } catch (const sdbus::Error&) {
      throw;  // the library makes it the reply
    } catch (const std::exception& exception) {
      throw error_of({BusError::Kind::failed, exception.what()});
    }
  };
}

template <class Value>
sdbus::property_get_callback getter(Value value) {
  return [value = std::move(value)](sdbus::PropertyGetReply& reply) {
    try {
      value(static_cast<sdbus::Message&>(reply));
    } catch (const sdbus::Error&) {
      throw;
    } catch (const std::exception& exception) {
      throw error_of({BusError::Kind::failed, exception.what()});
    }
  };
}

/// Several values of one key are separated by commas.
BusCalls::Fields fields_of(const std::map<std::string, std::string>& filter) {
  std::size_t bytes = 0;
  BusCalls::Fields fields;
  for (const auto& [key, values] : filter) {
    bytes += key.size() + values.size();
    if (bytes > most_filter_bytes) {
      throw error_of(
          {BusError::Kind::invalid_arguments, fmt::format("the filter has more than {} bytes", most_filter_bytes)});
    }
    std::string_view left = values;
    for (;;) {
      const std::size_t comma = left.find(',');
      fields.emplace_back(key, left.substr(0, comma));
      if (comma == left.npos) break;
      left.remove_prefix(comma + 1);
    }
  }
  return fields;
}

sdbus::Flags without_signal() {
  sdbus::Flags flags;
  flags.set(sdbus::Flags::EMITS_NO_SIGNAL);
  return flags;
}

sdbus::Flags constant() {
  sdbus::Flags flags;
  flags.set(sdbus::Flags::CONST_PROPERTY_VALUE);
  return flags;
}

std::unique_ptr<sdbus::IProxy> proxy(sdbus::IConnection& connection, const char* service, const char* path) {
  return sdbus::createProxy(connection, ServiceName(service), sdbus::ObjectPath(path));
}

sdbus::MethodCall question_to(sdbus::IProxy& proxy, const char* interface, const char* method) {
  return proxy.createMethodCall(InterfaceName(interface), MemberName(method));
}

sdbus::Signal signal_of(sdbus::IObject& object, const char* name) {
  return object.createSignal(InterfaceName(manager), MemberName(name));
}

std::string sender_of(const sdbus::MethodCall& call) {
  return call.getSender();
}

std::string path_of(const PolicyObject& policy) {
  const std::string_view slash = policy.ns.empty() ? "" : "/";
  return fmt::format("{}/policy/{}", root_path,
                     path_element(fmt::format("{}/{}{}{}", policy.kind, policy.ns, slash, policy.name)));
}

}  // namespace

std::string path_element(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    out += plain ? std::string(1, c) : fmt::format("_{:02x}", static_cast<unsigned char>(c));
  }
  return out.empty() ? "_" : out;
}

/// The connection, while there is one, and what is needed to have another.
class Bus::Connection {
 public:
  Connection(EventLoop& loop, BusCalls calls) : loop_(loop), calls_(std::move(calls)) {
    retry_ = loop_.timer([this] { connect(); });
    wake_ = loop_.timer([this] { process(); });
  }
  ~Connection() { drop(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void connect();
  [[nodiscard]] bool is_connected() const { return link_ != nullptr; }
  void show_policies(std::vector<PolicyObject> policies);
  /// Sends something; a failure means that the bus is gone.
  template <class Send>
  void with_root(const Send& send) {
    if (!link_ || !broken_.empty()) return;
    try {
      send(*link_->root);
    } catch (const sdbus::Error& error) {
      broke(error.getMessage());
    }
  }

 private:
  struct ShownPolicy {
    std::shared_ptr<const PolicyObject> values;
    std::unique_ptr<sdbus::IObject> object;
  };
  /// Destroyed from the bottom up: what uses the connection first.
  struct Link {
    std::unique_ptr<sdbus::IConnection> connection;
    std::unique_ptr<sdbus::IObject> root;
    std::map<std::string, ShownPolicy> policies;  // by path
    std::unique_ptr<sdbus::IProxy> bus;
    std::unique_ptr<sdbus::IProxy> polkit;
    std::uint32_t events = 0;
    EventLoop::Source io;
    std::uint64_t last_edit = 0;
    std::map<std::uint64_t, std::unique_ptr<EditExchange>> edits;  // their answers need the connection
  };

  void attach();
  void prepare();
  void process();
  void drop();
  /// Notes that the bus is gone; whoever is using the connection further up may finish first.
  void broke(const std::string& why);
  void lost(const std::string& why);
  void add_manager(ObjectBuilder& object);
  void add_flows(ObjectBuilder& object);
  void show(const PolicyObject& policy);
  /// Who calls, as the bus knows them.
  struct Peer {
    std::uint32_t uid = std::numeric_limits<std::uint32_t>::max();
    std::uint32_t pid = 0;
  };
  using Then = std::function<void(const sdbus::MethodCall& call, const Peer& peer)>;
  /// Goes on with `then` if the caller is root or polkit grants the action; else the call is refused.
  void authorise(const sdbus::MethodCall& call, const char* action, Then then);
  void ask_polkit(const sdbus::MethodCall& call, const Peer& peer, const char* action, Then then);
  void reload(const sdbus::MethodCall& call);
  void add_edits(ObjectBuilder& object);
  void edit(const sdbus::MethodCall& call, const Peer& peer, Json request);
  /// A handler of an answer to one of our calls; counts those under way.
  template <class Handle>
  sdbus::async_reply_handler reply_handler(const sdbus::MethodCall& call, Handle handle);

  EventLoop& loop_;
  BusCalls calls_;
  EventLoop::Source retry_;
  EventLoop::Source wake_;
  std::vector<PolicyObject> policies_;
  std::unique_ptr<Link> link_;
  std::size_t authorisations_ = 0;
  std::string broken_;  // why, until the connection is dropped
  bool told_missing_ = false;
};

void Bus::Connection::connect() {
  auto link = std::make_unique<Link>();
  try {
    link->connection = sdbus::createSystemBusConnection();
    link->connection->setMethodCallTimeout(call_timeout);
    link->root = sdbus::createObject(*link->connection, sdbus::ObjectPath(root_path));
    ObjectBuilder root(*link->root);
    add_manager(root);
    add_flows(root);
    link->root->addObjectManager();
    root.finish();
    link->bus = proxy(*link->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus");
    link->polkit = proxy(*link->connection, "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority");
    link_ = std::move(link);
    for (const PolicyObject& policy : policies_) show(policy);
    link_->connection->requestName(ServiceName(bus_name));
    attach();
  } catch (const sdbus::Error& error) {
    link.reset();
    drop();
    if (!told_missing_)
      calls_.report(
          fmt::format("no D-Bus: {}; looking for it every {} s", error.getMessage(), bus_retry_interval.count()));
    told_missing_ = true;
    retry_.restart(bus_retry_interval);
    return;
  }
  if (told_missing_) calls_.report("on D-Bus as org.drywall1");
  told_missing_ = false;
}

void Bus::Connection::drop() {
  if (!link_) return;
  wake_.stop();
  link_->io = {};
  link_.reset();
  broken_.clear();
  authorisations_ = 0;
}

void Bus::Connection::broke(const std::string& why) {
  broken_ = why.empty() ? "unknown error" : why;
  wake_.restart(std::chrono::microseconds(0));
}

void Bus::Connection::lost(const std::string& why) {
  if (!link_) return;
  drop();
  calls_.report(fmt::format("D-Bus lost: {}; looking for it every {} s", why, bus_retry_interval.count()));
  told_missing_ = true;
  retry_.restart(bus_retry_interval);
}

void Bus::Connection::attach() {
  const auto poll = link_->connection->getEventLoopPollData();
  link_->events = EPOLLIN;
  link_->io = loop_.on_io(poll.fd, link_->events, [this](std::uint32_t) { process(); });
  link_->io.before_wait([this] { prepare(); });
}

/// What to wait for changes with every message: asked anew each time.
void Bus::Connection::prepare() {
  if (!link_ || !broken_.empty()) return;
  try {
    const auto poll = link_->connection->getEventLoopPollData();
    std::uint32_t events = 0;
    if ((poll.events & POLLIN) != 0) events |= EPOLLIN;
    if ((poll.events & POLLOUT) != 0) events |= EPOLLOUT;
    if (events != link_->events) link_->io.set_events(events);
    link_->events = events;
    const int timeout = poll.getPollTimeout();
    if (timeout < 0) {
      wake_.stop();
    } else {
      wake_.restart(std::chrono::milliseconds(timeout));
    }
  } catch (const sdbus::Error&) {
    wake_.restart(std::chrono::microseconds(0));  // process() will say what it is
  }
}

void Bus::Connection::process() {
  if (!link_) return;
  try {
    const auto end = std::chrono::steady_clock::now() + turn;
    do {
      if (!broken_.empty() || !process_one(*link_->connection)) break;
    } while (std::chrono::steady_clock::now() < end);
    std::ignore = link_->connection->getEventLoopPollData();  // throws if the bus hung up
  } catch (const sdbus::Error& error) {
    broken_ = error.getMessage().empty() ? "unknown error" : error.getMessage();
  }
  if (!broken_.empty()) lost(std::string(broken_));
}

void Bus::Connection::add_manager(ObjectBuilder& object) {
  object.registerProperty(manager, "Version", "s", getter([](sdbus::Message& m) { m << std::string(DRYWALL_VERSION); }),
                          constant());
  object.registerProperty(manager, "Generation", "t", getter([this](sdbus::Message& m) { m << calls_.generation(); }));
  object.registerProperty(manager, "State", "s", getter([this](sdbus::Message& m) { m << calls_.state(); }));
  object.registerProperty(manager, "PolicyDirectory", "s",
                          getter([this](sdbus::Message& m) { m << sendable(calls_.policy_directory()); }));
  object.registerProperty(manager, "Diagnostics", "aa{sv}",
                          getter([this](sdbus::Message& m) { put_dictionaries(m, calls_.diagnostics()); }));
  object.registerProperty(manager, "PendingConfirmation", "a{sv}", getter([this](sdbus::Message& m) {
                            const Json waits = calls_.pending_confirmation();
                            put_dictionary(m, waits.is_null() ? Json::object() : waits);
                          }));
  object.registerProperty(manager, "Statistics", "a{sv}",
                          getter([this](sdbus::Message& m) { put_dictionary(m, calls_.evidence()); }),
                          without_signal());
  object.registerMethod(manager, "Reload", "", {}, "a{sv}", {"result"}, handler([this](const sdbus::MethodCall& call) {
                          authorise(call, reload_action,
                                    [this](const sdbus::MethodCall& asked, const Peer&) { reload(asked); });
                        }));
  object.registerMethod(manager, "Status", "", {}, "a{sv}", {"status"},
                        handler([this](const sdbus::MethodCall& call) { answer_dictionary(call, calls_.status()); }));
  object.registerMethod(manager, "Policies", "", {}, "aa{sv}", {"policies"},
                        handler([this](const sdbus::MethodCall& call) {
                          const Json policies = calls_.policies();
                          answer(call, [&](sdbus::Message& reply) { put_dictionaries(reply, policies); });
                        }));
  object.registerMethod(manager, "Render", "s", {"world"}, "s", {"text"}, handler([this](sdbus::MethodCall& call) {
                          std::string world;
                          call >> world;
                          const BusResult<std::string> text = calls_.render(world);
                          if (!text) return refuse(call, text.error());
                          answer(call, [&](sdbus::Message& reply) { reply << sendable(*text); });
                        }));
  object.registerMethod(manager, "Preview", "asa{ss}", {"policies", "caller"}, "a{sv}", {"report"},
                        handler([this](sdbus::MethodCall& call) {
                          std::vector<std::string> policies;
                          std::map<std::string, std::string> caller;
                          call >> policies >> caller;
                          if (policies.size() > most_named_policies) {
                            return refuse(call, {BusError::Kind::invalid_arguments,
                                                 fmt::format("more than {} policies", most_named_policies)});
                          }
                          const BusResult<Json> report = calls_.preview(policies, {caller.begin(), caller.end()});
                          if (!report) return refuse(call, report.error());
                          answer_dictionary(call, *report);
                        }));
  add_edits(object);
  object.registerSignal(manager, "GenerationChanged", "t", {"generation"});
  object.registerSignal(manager, "ReloadFailed", "aa{sv}", {"diagnostics"});
  object.registerSignal(manager, "WouldDeny", "a{sv}", {"kind"});
  object.registerSignal(manager, "RolledBack", "sst", {"verb", "by", "generation"});
}

void Bus::Connection::add_flows(ObjectBuilder& object) {
  object.registerMethod(flows, "List", "a{ss}uu", {"filter", "offset", "limit"}, "aa{sv}a{sv}", {"records", "evidence"},
                        handler([this](sdbus::MethodCall& call) {
                          std::map<std::string, std::string> filter;
                          std::uint32_t offset = 0;
                          std::uint32_t limit = 0;
                          call >> filter >> offset >> limit;
                          const BusResult<BusCalls::Page> page = calls_.list(fields_of(filter), offset, limit);
                          if (!page) return refuse(call, page.error());
                          answer(call, [&](sdbus::Message& reply) {
                            put_dictionaries(reply, page->records);
                            put_dictionary(reply, page->evidence);
                          });
                        }));
  object.registerMethod(flows, "Stream", "a{ss}b", {"filter", "follow"}, "h", {"stream"},
                        handler([this](sdbus::MethodCall& call) {
                          std::map<std::string, std::string> filter;
                          bool follow = false;
                          call >> filter >> follow;
                          BusResult<Descriptor> stream = calls_.stream(fields_of(filter), follow);
                          if (!stream) return refuse(call, stream.error());
                          const sdbus::UnixFd fd(stream->release(), sdbus::adopt_fd);
                          answer(call, [&](sdbus::Message& reply) { reply << fd; });
                        }));
  object.registerMethod(flows, "Statistics", "", {}, "a{sv}", {"evidence"},
                        handler([this](const sdbus::MethodCall& call) { answer_dictionary(call, calls_.evidence()); }));
}

template <class Handle>
sdbus::async_reply_handler Bus::Connection::reply_handler(const sdbus::MethodCall& call, Handle handle) {
  ++authorisations_;
  return reply_callback([this, call, handle = std::move(handle)](sdbus::MethodReply& reply, const sdbus::Error* error) {
    authorisations_ -= std::min<std::size_t>(authorisations_, 1);
    try {
      handle(call, reply, error);
    } catch (const std::exception& exception) {
      refuse(call, {BusError::Kind::failed, exception.what()});
    }
  });
}

/// Root may; others if polkit says so. The bus is asked who calls: what the caller says of itself counts for nothing.
void Bus::Connection::authorise(const sdbus::MethodCall& call, const char* action, Then then) {
  if (authorisations_ >= most_authorisations) {
    return refuse(call, {BusError::Kind::limit, "too many requests wait for authorisation"});
  }
  sdbus::MethodCall question = question_to(*link_->bus, "org.freedesktop.DBus", "GetConnectionCredentials");
  question << sender_of(call);
  const auto on_reply = [this, action, then = std::move(then)](const sdbus::MethodCall& asked,
                                                               sdbus::MethodReply& reply, const sdbus::Error* error) {
    if (error != nullptr) return refuse(asked, {BusError::Kind::access_denied, "the bus does not know the caller"});
    std::map<std::string, sdbus::Variant> credentials;
    reply >> credentials;
    Peer peer;
    const auto uid = credentials.find("UnixUserID");
    const auto pid = credentials.find("ProcessID");
    if (uid != credentials.end()) peer.uid = uid->second.get<std::uint32_t>();
    if (pid != credentials.end()) peer.pid = pid->second.get<std::uint32_t>();
    if (peer.uid == 0) return then(asked, peer);
    ask_polkit(asked, peer, action, then);
  };
  call_without_waiting(*link_->bus, question, reply_handler(call, on_reply));
}

void Bus::Connection::ask_polkit(const sdbus::MethodCall& call, const Peer& peer, const char* action, Then then) {
  using Words = std::map<std::string, std::string>;
  const std::map<std::string, sdbus::Variant> who{{"name", sdbus::Variant(sender_of(call))}};
  const std::uint32_t without_interaction = 0;
  sdbus::MethodCall question =
      question_to(*link_->polkit, "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");
  question << sdbus::make_struct(std::string("system-bus-name"), who) << std::string(action) << Words{}
           << without_interaction << std::string();
  const auto on_reply = [peer, action, then = std::move(then)](const sdbus::MethodCall& asked,
                                                               sdbus::MethodReply& reply, const sdbus::Error* error) {
    if (error != nullptr) {
      return refuse(asked, {BusError::Kind::access_denied,
                            fmt::format("only root may do this: polkit does not answer ({})", error->getMessage())});
    }
    sdbus::Struct<bool, bool, Words> result;
    reply >> result;
    if (std::get<0>(result)) return then(asked, peer);
    refuse(asked, {BusError::Kind::access_denied, fmt::format("polkit action {} is not granted", action)});
  };
  call_without_waiting(*link_->polkit, question, reply_handler(call, on_reply));
}

void Bus::Connection::add_edits(ObjectBuilder& object) {
  const auto ask = [this](const sdbus::MethodCall& call, Json request) {
    authorise(call, edit_action,
              [this, request = std::move(request)](const sdbus::MethodCall& asked, const Peer& peer) {
                edit(asked, peer, request);
              });
  };
  for (const auto& [method, verb] : {std::pair("Promote", "promote"), std::pair("Demote", "demote")}) {
    object.registerMethod(manager, method, "asa{ss}", {"policies", "options"}, "a{sv}", {"result"},
                          handler([ask, verb = verb](sdbus::MethodCall& call) {
                            std::vector<std::string> policies;
                            std::map<std::string, std::string> options;
                            call >> policies >> options;
                            ask(call, {{"verb", verb}, {"policies", policies}, {"options", options}});
                          }));
  }
  for (const auto& [method, verb] : {std::pair("Rollback", "rollback"), std::pair("Confirm", "confirm")}) {
    object.registerMethod(manager, method, "a{ss}", {"options"}, "a{sv}", {"result"},
                          handler([ask, verb = verb](sdbus::MethodCall& call) {
                            std::map<std::string, std::string> options;
                            call >> options;
                            ask(call, {{"verb", verb}, {"options", options}});
                          }));
  }
}

void Bus::Connection::edit(const sdbus::MethodCall& call, const Peer& peer, Json request) {
  if (link_->edits.size() >= most_edits) return refuse(call, {BusError::Kind::limit, "too many edits are under way"});
  request["by"] = fmt::format("{} over D-Bus", local_user_name(peer.uid).value_or(fmt::format("uid {}", peer.uid)));
  request["pid"] = peer.pid;
  const std::uint64_t number = ++link_->last_edit;
  const auto done = [this, call, number](const BusResult<Json>& result) {
    try {
      if (result) {
        answer_dictionary(call, *result);
      } else {
        refuse(call, result.error());
      }
    } catch (const sdbus::Error& error) {
      broke(error.getMessage());
    }
    link_->edits.erase(number);
  };
  BusResult<std::unique_ptr<EditExchange>> begun = calls_.edit(request, done);
  if (!begun) return refuse(call, begun.error());
  link_->edits.emplace(number, std::move(*begun));
}

void Bus::Connection::reload(const sdbus::MethodCall& call) {
  const BusResult<Json> result = calls_.reload();
  if (!result) return refuse(call, result.error());
  answer_dictionary(call, *result);
}

void Bus::Connection::show(const PolicyObject& policy) {
  const std::string path = path_of(policy);
  ShownPolicy& shown = link_->policies[path];
  shown.values = std::make_shared<const PolicyObject>(policy);
  if (shown.object) {  // what it shows is read from `values` when asked for
    shown.object->emitPropertiesChangedSignal(policy_interface);
    return;
  }
  const auto values = [this, path]() -> const PolicyObject& { return *link_->policies.at(path).values; };
  shown.object = sdbus::createObject(*link_->connection, sdbus::ObjectPath(path));
  ObjectBuilder object(*shown.object);
  const auto text = [&](const char* name, std::string PolicyObject::*field) {
    object.registerProperty(policy_interface, name, "s",
                            getter([values, field](sdbus::Message& m) { m << sendable(values().*field); }));
  };
  text("Kind", &PolicyObject::kind);
  text("Name", &PolicyObject::name);
  text("Namespace", &PolicyObject::ns);
  text("Tier", &PolicyObject::tier);
  object.registerProperty(policy_interface, "Order", "d", getter([values](sdbus::Message& m) {
                            m << values().order.value_or(std::numeric_limits<double>::quiet_NaN());
                          }));
  object.registerProperty(policy_interface, "Staged", "b",
                          getter([values](sdbus::Message& m) { m << values().staged; }));
  text("StagedAction", &PolicyObject::staged_action);
  text("Selector", &PolicyObject::selector);
  text("File", &PolicyObject::file);
  object.registerProperty(policy_interface, "Line", "u", getter([values](sdbus::Message& m) { m << values().line; }));
  object.finish();
  shown.object->emitInterfacesAddedSignal({InterfaceName(policy_interface)});
}

void Bus::Connection::show_policies(std::vector<PolicyObject> policies) {
  policies_ = std::move(policies);
  if (!link_ || !broken_.empty()) return;
  try {
    std::map<std::string, const PolicyObject*> wanted;
    for (const PolicyObject& policy : policies_) wanted[path_of(policy)] = &policy;
    for (auto shown = link_->policies.begin(); shown != link_->policies.end();) {
      if (wanted.contains(shown->first)) {
        ++shown;
        continue;
      }
      shown->second.object->emitInterfacesRemovedSignal({InterfaceName(policy_interface)});
      shown = link_->policies.erase(shown);
    }
    for (const auto& [path, policy] : wanted) {
      const auto shown = link_->policies.find(path);
      if (shown == link_->policies.end() || *shown->second.values != *policy) show(*policy);
    }
  } catch (const sdbus::Error& error) {
    broke(error.getMessage());
  }
}

Bus::Bus(EventLoop& loop, BusCalls calls) : connection_(std::make_unique<Connection>(loop, std::move(calls))) {
  connection_->connect();
}

Bus::~Bus() = default;

bool Bus::is_connected() const {
  return connection_->is_connected();
}

void Bus::show_policies(std::vector<PolicyObject> policies) {
  connection_->show_policies(std::move(policies));
}

void Bus::tell_generation(std::uint64_t generation) {
  connection_->with_root([&](sdbus::IObject& root) {
    sdbus::Signal signal = signal_of(root, "GenerationChanged");
    signal << generation;
    root.emitSignal(signal);
  });
}

void Bus::tell_reload_failed(const Json& diagnostics) {
  connection_->with_root([&](sdbus::IObject& root) {
    sdbus::Signal signal = signal_of(root, "ReloadFailed");
    put_dictionaries(signal, diagnostics);
    root.emitSignal(signal);
  });
}

void Bus::tell_would_deny(const Json& kind) {
  connection_->with_root([&](sdbus::IObject& root) {
    sdbus::Signal signal = signal_of(root, "WouldDeny");
    put_dictionary(signal, kind);
    root.emitSignal(signal);
  });
}

void Bus::tell_rolled_back(const std::string& verb, const std::string& by, std::uint64_t generation) {
  connection_->with_root([&](sdbus::IObject& root) {
    sdbus::Signal signal = signal_of(root, "RolledBack");
    signal << sendable(verb) << sendable(by) << generation;
    root.emitSignal(signal);
  });
}

void Bus::tell_properties() {
  connection_->with_root([](sdbus::IObject& root) {
    root.emitPropertiesChangedSignal(manager, {MemberName("Generation"), MemberName("State"), MemberName("Diagnostics"),
                                               MemberName("PendingConfirmation")});
  });
}

}  // namespace drywall
