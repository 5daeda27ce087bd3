// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/daemon.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/bus.h"
#include "daemon/config.h"
#include "daemon/document.h"
#include "daemon/edit_watch.h"
#include "daemon/enforcer.h"
#include "daemon/event_loop.h"
#include "daemon/evidence_audit.h"
#include "daemon/host.h"
#include "daemon/journal.h"
#include "daemon/nflog.h"
#include "daemon/preview_document.h"
#include "daemon/previewer.h"
#include "daemon/rules_watch.h"
#include "daemon/state_owner.h"
#include "daemon/stream.h"
#include "daemon/watch.h"
#include "directory/directory.h"
#include "directory/edit_record.h"
#include "directory/writers.h"
#include "flow/flow_table.h"
#include "flow/trace_book.h"
#include "policy/overdue.h"
#include "render/lower.h"
#include "render/nft_text.h"

namespace drywall {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr const char* default_policy_dir = "/etc/drywall/policy.d";
constexpr const char* default_config_file = "/etc/drywall/drywall.yaml";
constexpr std::size_t most_config_bytes = 1U << 20U;
constexpr milliseconds tick_interval{250};
constexpr milliseconds retry_interval{5000};  // of what failed: the NFLOG group
constexpr milliseconds interfaces_wait{10};   // one change of an interface comes as several messages
constexpr milliseconds unread_interval{100};  // until the interfaces are read again that could not be read
constexpr milliseconds lost_interval{1000};   // between two restorations because events of nf_tables were lost
constexpr milliseconds shortest_cache{200};   // of what is dear to compute and anybody may ask for
constexpr milliseconds audit_interval{15'000};
constexpr milliseconds shortest_audit_interval{1000};
constexpr std::size_t most_rules_read_at_once = 4000;  // the counters of more are not read with each change, but soon
constexpr milliseconds mark_interval{1000};
constexpr milliseconds live_wait{100};  // after a generation, before live connections are judged by it
constexpr std::size_t most_mark_bytes = 256;
constexpr std::uint32_t default_page = 1000;
constexpr std::uint32_t longest_page = 10'000;
constexpr std::size_t most_told = 5;  // files named in a line of the journal
constexpr std::size_t most_field_bytes = 32U << 10U;

Timestamp utc_now() {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

std::optional<std::uint64_t> number_in(const char* path) {
  std::uint64_t number = 0;
  return std::ifstream(path) >> number ? std::optional(number) : std::nullopt;
}

/// The counters are there as soon as the module is loaded, whoever uses it.
std::optional<ConntrackUse> conntrack_use() {
  const auto entries = number_in("/proc/sys/net/netfilter/nf_conntrack_count");
  const auto limit = number_in("/proc/sys/net/netfilter/nf_conntrack_max");
  return entries && limit ? std::optional(ConntrackUse{*entries, *limit}) : std::nullopt;
}

bool is_nearly_full(const ConntrackUse& use) {
  return 20 * use.entries >= 19 * use.limit && use.limit > 0;
}

std::string mark_path(const std::string& runtime_dir) {
  return runtime_dir + "/heard";
}

std::string edit_socket(const std::string& runtime_dir) {
  return runtime_dir + "/edit.socket";
}

/// Locks out a second daemon for as long as it lives.
///   run  a daemon that is to stay waits for one that only puts the directory in force (`--once`): it ends soon
Result<Descriptor> take_lock(const std::string& runtime_dir, Options::Run run) {
  constexpr std::chrono::milliseconds pause{50};
  constexpr std::chrono::seconds patience{10};
  const std::string path = runtime_dir + "/drywalld.lock";
  Descriptor fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd) return tl::unexpected(Failure{"open", path, errno, {}});
  const auto until = std::chrono::steady_clock::now() + (run == Options::Run::on ? patience : std::chrono::seconds{0});
  while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return tl::unexpected(Failure{"lock", path, errno, {}});
    if (std::chrono::steady_clock::now() >= until) {
      return tl::unexpected(Failure{"lock", path, EWOULDBLOCK, "another drywalld is running"});
    }
    std::this_thread::sleep_for(pause);
  }
  const std::string pid = fmt::format("{}\n", getpid());
  if (ftruncate(fd.get(), 0) != 0 || pwrite(fd.get(), pid.data(), pid.size(), 0) < 0) {
    return tl::unexpected(Failure{"write", path, errno, {}});
  }
  return fd;
}

/// Logs come in batches, and reading one can wait for whoever is running: it must not stand between a packet and its
/// program. Refused to an ordinary user by some policies; then it is only less polite.
void yield_to_others() {
  const sched_param none{};
  std::ignore = sched_setscheduler(0, SCHED_BATCH, &none);
}

Result<void> make_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return tl::unexpected(Failure{"create", path, error.value(), {}});
  return {};
}

Diagnostic world_diagnostic(const Failure& failure, std::string file, std::string code, Severity severity,
                            std::string help) {
  return {{std::move(file), 0, 0}, 1, severity, std::move(code), to_string(failure), std::move(help), {}};
}

/// "web.yaml changed, db.yaml added and 3 more"
std::string summary(const std::vector<FileChange>& changes) {
  std::string out;
  for (std::size_t i = 0; i < std::min(changes.size(), most_told); ++i) {
    const FileChange& change = changes[i];
    const std::string_view what = !change.sha256_before ? "added" : !change.sha256_after ? "removed" : "changed";
    const std::string name = change.file.substr(change.file.rfind('/') + 1);
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", name, what);
  }
  if (changes.size() > most_told) out += fmt::format(" and {} more", changes.size() - most_told);
  return out.empty() ? "no file changed" : out;
}

/// The first error in one line.
std::string summary(const Diagnostics& diagnostics) {
  const auto first = std::ranges::find(diagnostics, Severity::error, &Diagnostic::severity);
  if (first == diagnostics.end()) return "no error";
  std::string text = to_string(*first);
  text.erase(std::min(text.find('\n'), text.size()));
  const auto errors = std::ranges::count(diagnostics, Severity::error, &Diagnostic::severity);
  return errors > 1 ? fmt::format("{} (and {} more)", text, errors - 1) : text;
}

std::string all_text(const Diagnostics& diagnostics) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics) {
    text += to_string(diagnostic);
    if (text.size() > most_field_bytes) break;
  }
  return text;
}

Json changes_document(const std::vector<FileChange>& changes) {
  const auto hash = [](const std::optional<std::string>& sha256) { return sha256 ? Json(*sha256) : Json(nullptr); };
  Json out = Json::array();
  for (const FileChange& change : changes) {
    out.push_back({{"file", change.file},
                   {"sha256_before", hash(change.sha256_before)},
                   {"sha256_after", hash(change.sha256_after)}});
  }
  return out;
}

PolicyObject policy_object(const Policy& policy) {
  return {std::string(file_kind(policy.id.kind)),
          policy.id.name,
          policy.id.ns,
          policy.tier,
          policy.order,
          is_staged(policy.id.kind),
          is_staged(policy.id.kind) ? std::string(to_string(policy.staged_action.value_or(StagedAction::set))) : "",
          policy.selector_text,
          policy.at.file,
          policy.at.line};
}

/// Why a load happens.
enum class Reason : std::uint8_t { start, directory, interfaces, signal, request, edit };

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::start:
      return "start";
    case Reason::directory:
      return "directory";
    case Reason::interfaces:
      return "interfaces";
    case Reason::signal:
      return "signal";
    case Reason::request:
      return "request";
    case Reason::edit:
      return "edit";
  }
  return {};
}

class Daemon {
 public:
  Daemon(const Options& options, EventLoop loop, Machine machine, std::optional<DirectoryWatch> directory_watch,
         std::optional<LinkWatch> link_watch);
  void run();
  /// Puts what counts into the kernel, and no more.
  Result<void> load_once();

 private:
  // Loading
  void read_config(Inputs& inputs);
  Inputs read_inputs(Reason reason);
  void start();
  Loaded load(Reason reason);
  Loaded enforce(Inputs inputs);
  void follow_host();
  void follow_edits();
  void note_generation(const Loaded& loaded, Reason reason, milliseconds took);
  void note_warm_up(const WarmUp& warm_up);
  void note_success(const Loaded& loaded, Reason reason, milliseconds took);
  void note_failure(const Loaded& loaded, Reason reason);
  void fall_back_to_last_good();
  void take_over_generation();
  void tell_service_manager();

  // Healing
  void watch_rules();
  void look_at_rules();
  void make_sure();
  void heal(const std::string& cause, Clock::time_point noticed);

  // Evidence
  void open_nflog();
  void note_nflog(std::optional<Failure> failure);
  void drain_nflog();
  void tick();
  void publish_flows();

  // Previewing
  void tell_would_deny(const FirstWouldDeny& first);
  void look_at_live();
  BusResult<Json> preview(const std::vector<std::string>& words, const BusCalls::Fields& caller);
  [[nodiscard]] Diagnostics overdue_policies() const;

  // What others see
  BusCalls bus_calls();
  [[nodiscard]] std::string policy_dir() const;
  [[nodiscard]] std::string node() const;
  [[nodiscard]] std::uint64_t number() const;
  [[nodiscard]] State state() const;
  [[nodiscard]] Diagnostics diagnostics() const;
  /// Reads the kernel's counters, but not more often than every second.
  void audit();
  void begin_audit();
  void leave_mark();
  Evidence evidence();
  Json status();
  Json policies();
  BusResult<std::string> render(const std::string& world);
  BusResult<Json> reload();
  BusResult<BusCalls::Page> list(const BusCalls::Fields& fields, std::uint32_t offset, std::uint32_t limit);
  BusResult<Descriptor> stream(const BusCalls::Fields& fields, bool follow);

  const Options options_;
  EventLoop loop_;
  Journal journal_;
  Config config_;  // of the last configuration file without errors
  Machine machine_;
  InterfaceNames interface_names_;
  Enforcer enforcer_;
  EditWatch edits_;
  const Generation* booked_ = nullptr;  // the generation that the flow table knows

  DirectoryMemo directory_memo_;
  std::optional<DirectoryWatch> directory_watch_;
  std::optional<Failure> directory_watch_failure_;
  Debounce directory_changes_;
  std::optional<LinkWatch> link_watch_;
  bool is_host_awaited_ = false;  // the timer for it runs

  std::optional<RulesWatch> rules_watch_;
  Clock::time_point sure_until_;  // for lost events; see make_sure()
  struct Unhealed {
    std::string cause;
    Clock::time_point since;  // when the kernel told
    Diagnostic refusal;
  };
  std::optional<Unhealed> unhealed_;  // our tables could not be put back
  std::uint64_t healed_ = 0;
  std::optional<Timestamp> last_heal_;
  std::optional<std::chrono::microseconds> last_open_;
  std::optional<std::chrono::microseconds> longest_open_;

  std::optional<NflogReader> nflog_;
  std::optional<Failure> nflog_failure_;
  std::uint16_t nflog_group_ = 0;
  Clock::time_point nflog_retry_;
  FlowTable table_;
  EvidenceAudit audit_;
  std::optional<EvidenceAudit::Mark> left_mark_;  // by the run before
  Clock::time_point audited_;
  EvidenceAudit::Mark mark_;  // as it was left last
  Clock::time_point marked_;
  FlowStreams streams_;
  Previewer previewer_;
  std::optional<LiveSummary> live_;
  std::optional<Failure> evidence_failure_;

  Diagnostics load_diagnostics_;  // of the last load
  std::optional<Timestamp> differs_since_;
  std::vector<std::string> notes_;
  std::optional<Failure> save_failure_;

  struct PoliciesCache {
    Json document;
    std::uint64_t generation = 0;
    Clock::time_point until;
  };
  std::optional<PoliciesCache> policies_cache_;
  struct PreviewCache {
    std::vector<std::string> policies;
    BusCalls::Fields caller;
    std::uint64_t generation = 0;
    Json document;
    Clock::time_point until;
  };
  std::optional<PreviewCache> preview_cache_;

  EventLoop::Source directory_timer_;
  EventLoop::Source live_timer_;
  EventLoop::Source interface_timer_;
  EventLoop::Source nflog_source_;
  EventLoop::Source rules_source_;
  EventLoop::Source rules_timer_;
  std::vector<EventLoop::Source> sources_;
  std::unique_ptr<Bus> bus_;  // last: it calls the rest
};

Daemon::Daemon(const Options& options, EventLoop loop, Machine machine, std::optional<DirectoryWatch> directory_watch,
               std::optional<LinkWatch> link_watch)
    : options_(options),
      loop_(std::move(loop)),
      machine_(std::move(machine)),
      enforcer_(options.state_dir),
      edits_(options.state_dir),
      directory_watch_(std::move(directory_watch)),
      link_watch_(std::move(link_watch)),
      table_(utc_now()),
      streams_(loop_),
      previewer_(options.state_dir, [this](const FirstWouldDeny& first) { tell_would_deny(first); }) {
  loop_.on_exception([this](const char* what) {
    journal_.write(LogLevel::error, message_id::internal, fmt::format("internal error: {}", what));
  });
  interface_names_.update(machine_);
  table_.on_connection([this](const JudgedConnection& connection) { previewer_.see(connection); });
}

// Loading

void Daemon::read_config(Inputs& inputs) {
  const std::string path = options_.config_file.value_or(default_config_file);
  Result<std::string> text = read_file(path, most_config_bytes);
  if (text) {
    inputs.config_file = yaml::SourceFile{path, std::move(*text)};
    LoadedConfig loaded = load_config(*inputs.config_file);
    if (!has_errors(loaded.diagnostics)) config_ = std::move(loaded.config);
    inputs.diagnostics = std::move(loaded.diagnostics);
  } else if (text.error().error == ENOENT && !options_.config_file) {
    config_ = {};
  } else {
    inputs.diagnostics.push_back(world_diagnostic(text.error(), path, "unreadable-file", Severity::error,
                                                  "mend it, or remove it: each key has a default"));
  }
  journal_.set_level(config_.log_level);
  inputs.config = config_;
  inputs.config.node = options_.node.value_or(config_.node);
}

Inputs Daemon::read_inputs(Reason reason) {
  Inputs inputs;
  read_config(inputs);
  if (directory_watch_ && config_.watch) {
    directory_watch_failure_ = directory_watch_->refresh(policy_dir());
    std::ignore = directory_watch_->drain();  // what is read next has all that came before
  }
  directory_changes_.reset();
  if (reason != Reason::directory) directory_memo_ = {};  // whoever asks for a reload gets everything read
  DirectoryContents contents = read_effective_directory(policy_dir(), options_.state_dir, directory_memo_).contents;
  inputs.files = std::move(contents.files);
  Diagnostics found = std::move(contents.diagnostics);
  if (!has_errors(found)) found = foreign_writers(policy_dir());
  inputs.diagnostics.insert(inputs.diagnostics.end(), found.begin(), found.end());

  if (Result<Machine> machine = read_machine()) {
    machine_ = std::move(*machine);
    interface_names_.update(machine_);
  } else {
    inputs.diagnostics.push_back(world_diagnostic(machine.error(), policy_dir(), "host", Severity::warning,
                                                  "drywall reload tries again; what is in force goes by what this "
                                                  "host was before"));
  }
  inputs.machine = machine_;
  return inputs;
}

Loaded Daemon::load(Reason reason) {
  const Clock::time_point began = Clock::now();
  Loaded loaded = enforce(read_inputs(reason));
  if (loaded.ok()) {
    note_success(loaded, reason, std::chrono::duration_cast<milliseconds>(Clock::now() - began));
  } else {
    note_failure(loaded, reason);
  }
  tell_service_manager();
  return loaded;
}

/// What is wrong with no file in particular is the directory's.
Loaded Daemon::enforce(Inputs inputs) {
  Loaded loaded = enforcer_.load(std::move(inputs), utc_now());
  for (Diagnostic& diagnostic : loaded.diagnostics) {
    if (diagnostic.at.file.empty()) diagnostic.at.file = policy_dir();
  }
  if (loaded.warm_up) note_warm_up(*loaded.warm_up);
  return loaded;
}

/// Interfaces or addresses have changed: the policies in force are compiled for the host as it is now. The directory is
/// not read, whatever may be going on there. What fails is tried again: no event may come any more.
void Daemon::follow_host() {
  const Clock::time_point began = Clock::now();
  Result<Machine> machine = read_machine();
  if (!machine) return interface_timer_.restart(unread_interval);
  machine_ = std::move(*machine);
  interface_names_.update(machine_);
  const InForce* const in_force = enforcer_.in_force();
  if (in_force == nullptr || in_force->inputs->machine == machine_) return;
  Inputs inputs = *in_force->inputs;
  inputs.machine = machine_;
  const bool is_directory_in_force = !differs_since_;
  const Loaded loaded = enforce(std::move(inputs));
  if (!loaded.ok()) {
    interface_timer_.restart(retry_interval);
    return note_failure(loaded, Reason::interfaces);
  }
  if (is_directory_in_force) load_diagnostics_ = loaded.diagnostics;
  take_over_generation();
  if (loaded.result != Loaded::Result::in_force) return;
  note_generation(loaded, Reason::interfaces, std::chrono::duration_cast<milliseconds>(Clock::now() - began));
  if (bus_) bus_->tell_properties();
}

/// Somebody edits the directory with `drywall`, or the time to confirm such an edit is over: then what was in force
/// before it comes back at once, whoever may write the files back, and when.
void Daemon::follow_edits() {
  const std::optional<EditWatch::News> news = edits_.look();
  if (!news) return;
  if (const std::string told = edit_text(*news); !told.empty()) {
    const bool is_back = news->stage == EditWatch::Stage::back;
    journal_.write(is_back ? LogLevel::warning : LogLevel::info,
                   is_back ? message_id::rolled_back : message_id::confirmation, told,
                   {{"DRYWALL_VERB", news->verb}, {"DRYWALL_BY", news->by}});
  }
  if (news->asks_for_load() && !news->is_first) load(Reason::edit);
  if (!bus_) return;
  if (news->stage == EditWatch::Stage::back && !news->is_first) bus_->tell_rolled_back(news->verb, news->by, number());
  bus_->tell_properties();
}

Result<void> Daemon::load_once() {
  Inputs for_group;
  read_config(for_group);
  follow_edits();
  Loaded loaded = load(Reason::start);
  if (!loaded.ok()) fall_back_to_last_good();
  if (loaded.ok() || enforcer_.in_force() != nullptr) return {};
  return tl::unexpected(Failure{"load", policy_dir(), 0, summary(loaded.diagnostics)});
}

void Daemon::note_generation(const Loaded& loaded, Reason reason, milliseconds took) {
  const std::size_t rules = count_rules(enforcer_.in_force()->generation->ruleset);
  journal_.write(LogLevel::info, message_id::generation,
                 fmt::format("generation {} is in force ({}): {}; {} rules, {} ms", number(), to_string(reason),
                             summary(loaded.changed), rules, took.count()),
                 {{"DRYWALL_GENERATION", fmt::format("{}", number())},
                  {"DRYWALL_REASON", std::string(to_string(reason))},
                  {"DRYWALL_RULES", fmt::format("{}", rules)},
                  {"DRYWALL_MS", fmt::format("{}", took.count())}});
  if (bus_) bus_->tell_generation(number());
}

void Daemon::note_warm_up(const WarmUp& warm_up) {
  const std::string text =
      fmt::format("before the first rules, {} live connections were entered into connection tracking, in {} us",
                  warm_up.entered.fresh, warm_up.took.count());
  journal_.write(LogLevel::info, message_id::first_load, text,
                 {{"DRYWALL_CONNECTIONS", fmt::format("{}", warm_up.entered.fresh)},
                  {"DRYWALL_US", fmt::format("{}", warm_up.took.count())}});
  for (const std::string& warning : warm_up.warnings) {
    journal_.write(LogLevel::warning, message_id::first_load, warning);
  }
}

void Daemon::note_success(const Loaded& loaded, Reason reason, milliseconds took) {
  load_diagnostics_ = loaded.diagnostics;
  const bool was_different = differs_since_.has_value();
  differs_since_.reset();
  notes_.clear();
  take_over_generation();
  if (loaded.result == Loaded::Result::in_force) {
    note_generation(loaded, reason, took);
  } else if (reason == Reason::start) {
    journal_.write(LogLevel::info, message_id::generation,
                   fmt::format("generation {} is in the kernel already: nothing changed", number()),
                   {{"DRYWALL_GENERATION", fmt::format("{}", number())}});
  } else if (was_different) {
    journal_.write(LogLevel::info, message_id::generation,
                   fmt::format("the policy directory is again what is in force: generation {}", number()),
                   {{"DRYWALL_GENERATION", fmt::format("{}", number())}});
  }
  if (bus_) bus_->tell_properties();
}

void Daemon::note_failure(const Loaded& loaded, Reason reason) {
  const bool is_repeated = reason == Reason::directory || reason == Reason::interfaces;
  const bool is_news = load_diagnostics_ != loaded.diagnostics || !is_repeated;
  load_diagnostics_ = loaded.diagnostics;
  if (!differs_since_) differs_since_ = utc_now();
  if (!is_news) return;
  const std::string stays = enforcer_.in_force() == nullptr ? "nothing of it is in force"
                                                            : fmt::format("generation {} stays in force", number());
  const std::string_view who = loaded.result == Loaded::Result::refused ? "the kernel refused it" : "it has errors";
  journal_.write(
      LogLevel::error, message_id::load_failed,
      fmt::format("the policy directory was not loaded, {}; {}: {}", who, stays, summary(loaded.diagnostics)),
      {{"DRYWALL_GENERATION", fmt::format("{}", number())},
       {"DRYWALL_REASON", std::string(to_string(reason))},
       {"DRYWALL_DIAGNOSTICS", all_text(loaded.diagnostics)}});
  if (!bus_) return;
  bus_->tell_reload_failed(diagnostics_document(loaded.diagnostics));
  bus_->tell_properties();
}

void Daemon::fall_back_to_last_good() {
  const std::optional<Loaded> loaded = enforcer_.load_last_good(machine_, options_.node, utc_now());
  if (!loaded) return;
  if (!loaded->ok()) {
    load_diagnostics_.insert(load_diagnostics_.end(), loaded->diagnostics.begin(), loaded->diagnostics.end());
    journal_.write(
        LogLevel::error, message_id::last_good,
        fmt::format("the last good generation cannot be put in force either: {}", summary(loaded->diagnostics)));
    return;
  }
  take_over_generation();
  notes_ = {fmt::format("the policy directory cannot be loaded: the last good generation {} is in force", number())};
  journal_.write(LogLevel::warning, message_id::last_good, notes_.front(),
                 {{"DRYWALL_GENERATION", fmt::format("{}", number())}});
}

/// The flow table and the bus learn what is in force now.
void Daemon::take_over_generation() {
  if (options_.run == Options::Run::once) return;  // it observes nothing
  const InForce* const in_force = enforcer_.in_force();
  if (in_force == nullptr || booked_ == in_force->generation.get()) return;
  const Generation& generation = *in_force->generation;
  booked_ = &generation;
  policies_cache_.reset();
  const auto book = std::make_shared<const TraceBook>(in_force->number, generation.enforced, generation.pending,
                                                      generation.inventory, generation.host.interfaces);
  table_.add_book(book);
  previewer_.follow(*in_force, *book, utc_now());
  live_.reset();
  if (!promotable(generation.inventory).empty()) live_timer_.restart(live_wait);
  if (in_force->inputs->config.nflog_group != nflog_group_) open_nflog();
  if (!bus_) return;
  std::vector<PolicyObject> objects;
  for (const Policy& policy : generation.inventory.policies) objects.push_back(policy_object(policy));
  bus_->show_policies(std::move(objects));
}

void Daemon::tell_service_manager() {
  sd_notify(0, fmt::format("STATUS={}, generation {}", to_string(state()), number()).c_str());
}

void Daemon::start() {
  directory_timer_ = loop_.timer([this] { load(Reason::directory); });
  live_timer_ = loop_.timer([this] { look_at_live(); });
  interface_timer_ = loop_.timer([this] {
    is_host_awaited_ = false;
    follow_host();
  });
  if (directory_watch_) {
    sources_.push_back(loop_.on_readable(directory_watch_->descriptor(), [this] {
      if (!directory_watch_->drain() || !config_.watch) return;
      directory_changes_.change(Clock::now());
      directory_timer_.restart(
          std::chrono::duration_cast<std::chrono::microseconds>(*directory_changes_.due(config_.quiet) - Clock::now()));
    }));
  }
  if (link_watch_) {
    sources_.push_back(loop_.on_readable(link_watch_->descriptor(), [this] {
      if (!link_watch_->drain() || std::exchange(is_host_awaited_, true)) return;
      interface_timer_.restart(interfaces_wait);
    }));
  }
  const auto end = [this] {
    sd_notify(0, "STOPPING=1\nSTATUS=ending; the rules stay in force");
    loop_.stop();
  };
  sources_.push_back(loop_.on_signal(SIGTERM, end));
  sources_.push_back(loop_.on_signal(SIGINT, end));
  sources_.push_back(loop_.on_signal(SIGHUP, [this] { load(Reason::signal); }));
  sources_.push_back(loop_.every(tick_interval, [this] { tick(); }));
}

void Daemon::run() {
  Inputs for_group;
  read_config(for_group);
  open_nflog();  // before anything logs
  begin_audit();
  watch_rules();
  start();
  follow_edits();
  const Loaded loaded = load(Reason::start);
  if (!loaded.ok()) fall_back_to_last_good();
  bus_ = std::make_unique<Bus>(loop_, bus_calls());
  booked_ = nullptr;  // the bus has not seen it yet
  take_over_generation();
  sd_notify(0, fmt::format("READY=1\nSTATUS={}, generation {}", to_string(state()), number()).c_str());
  loop_.run();
  leave_mark();
  journal_.write(LogLevel::info, message_id::life, "ended; the rules stay in force");
}

// Healing

/// From before the first look at the tables, so that no change falls between.
void Daemon::watch_rules() {
  const std::optional<std::uint32_t> port = enforcer_.port();
  if (!port) return;
  Result<RulesWatch> opened = RulesWatch::open(*port);
  if (!opened) {
    journal_.write(LogLevel::error, message_id::healed, to_string(opened.error()));
    return;
  }
  rules_watch_ = std::move(*opened);
  rules_source_ = loop_.on_readable(rules_watch_->descriptor(), [this] { look_at_rules(); });
  rules_timer_ = loop_.timer([this] { make_sure(); });
}

void Daemon::look_at_rules() {
  const Clock::time_point noticed = Clock::now();
  const RulesWatch::Seen seen = rules_watch_->drain();
  if (enforcer_.in_force() == nullptr) return;
  if (seen.changed) return heal((seen.by.empty() ? "somebody" : seen.by) + " changed our tables", noticed);
  if (seen.lost) make_sure();
}

/// Nobody knows what the lost events told: all is sent again. Seldom, for what floods us may go on.
void Daemon::make_sure() {
  const Clock::time_point now = Clock::now();
  if (now < sure_until_) {
    return rules_timer_.restart(std::chrono::ceil<std::chrono::microseconds>(sure_until_ - now));
  }
  sure_until_ = now + lost_interval;
  heal("events of nf_tables were lost, our tables may have been changed", now);
}

void Daemon::heal(const std::string& cause, Clock::time_point noticed) {
  const bool is_news = !unhealed_;
  unhealed_.reset();
  if (std::optional<Diagnostic> refusal = enforcer_.restore()) {
    refusal->message = fmt::format("{}, and they could not be put back: {}", cause, refusal->message);
    if (refusal->at.file.empty()) refusal->at.file = policy_dir();
    unhealed_ = Unhealed{cause, noticed, *refusal};
    if (!is_news) return;  // each tick tries again
    journal_.write(LogLevel::error, message_id::healed, refusal->message);
    if (bus_) bus_->tell_properties();
    return;
  }
  const auto open = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - noticed);
  last_open_ = open;
  longest_open_ = std::max(open, longest_open_.value_or(open));
  ++healed_;
  last_heal_ = utc_now();
  journal_.write(
      LogLevel::warning, message_id::healed,
      fmt::format("{}: generation {} was put back {} us after the kernel had told", cause, number(), open.count()),
      {{"DRYWALL_GENERATION", fmt::format("{}", number())}, {"DRYWALL_US", fmt::format("{}", open.count())}});
  if (bus_) bus_->tell_properties();
}

// Evidence

void Daemon::open_nflog() {
  const InForce* const in_force = enforcer_.in_force();
  nflog_source_ = {};
  nflog_.reset();
  nflog_group_ = in_force == nullptr ? config_.nflog_group : in_force->inputs->config.nflog_group;
  nflog_retry_ = Clock::now() + retry_interval;
  Result<NflogReader> opened = NflogReader::open(nflog_group_);
  note_nflog(opened ? std::nullopt : std::optional(opened.error()));
  if (!opened) return;
  nflog_ = std::move(*opened);
  nflog_source_ = loop_.on_readable(nflog_->descriptor(), [this] { drain_nflog(); });
}

/// Tells of a failure, or of its end, once.
void Daemon::note_nflog(std::optional<Failure> failure) {
  if (failure == nflog_failure_) return;
  if (failure) {
    journal_.write(LogLevel::error, message_id::nflog, to_string(*failure));
  } else {
    journal_.write(LogLevel::info, message_id::nflog, fmt::format("NFLOG group {} is bound now", nflog_group_));
  }
  nflog_failure_ = std::move(failure);
  tell_service_manager();
  if (bus_) bus_->tell_properties();
}

void Daemon::drain_nflog() {
  const Timestamp now = utc_now();
  const std::function<std::string_view(std::uint32_t)> interface_name = [this](std::uint32_t index) {
    return interface_names_.name(index);
  };
  const Result<void> drained = nflog_->drain(now, [&](const NflogReader::Event& event) {
    std::visit(overloaded{
                   [&](const LoggedPacket& packet) {
                     audit_.hear(packet.tag);
                     table_.add(packet, interface_name);
                   },
                   [&](const NflogReader::Lost& lost) { table_.count_lost(lost.messages, now); },
                   [&](const NflogReader::Overrun&) { table_.count_overrun(now); },
                   [&](const NflogReader::Undecodable&) { table_.count_undecodable(); },
               },
               event);
  });
  if (drained) return;
  nflog_source_ = {};
  nflog_.reset();
  note_nflog(drained.error());
}

void Daemon::begin_audit() {
  const Result<std::string> mark = read_file(mark_path(options_.runtime_dir), most_mark_bytes);
  if (mark) left_mark_ = parse_mark(*mark);
  enforcer_.on_change([this](const Generation& generation, Enforcer::Extent extent) {
    const bool is_quick = count_rules(generation.ruleset) <= most_rules_read_at_once;
    if (extent == Enforcer::Extent::all) {
      audit_.replace(generation.rendering);
    } else if (is_quick) {
      audit_.change(generation.rendering, enforcer_.read_counts().value_or(KernelCounts{}));
    } else {
      audit_.change_unread(generation.rendering, enforcer_.read_unlogged(generation).value_or(KernelCounts{}));
    }
    audited_ = is_quick ? Clock::now() : Clock::now() - audit_interval + shortest_audit_interval;
    leave_mark();
  });
}

void Daemon::audit() {
  const InForce* const in_force = enforcer_.in_force();
  if (in_force == nullptr || Clock::now() - audited_ < shortest_audit_interval) return;
  const Result<KernelCounts> counts = enforcer_.read_counts();
  audited_ = Clock::now();
  audit_.configure(in_force->inputs->config.log_enforced);
  if (counts) audit_.read(*counts, in_force->generation->rendering, left_mark_);
}

/// So that the next run can tell what was logged while nobody listened. Lost with the kernel's rules at a reboot.
void Daemon::leave_mark() {
  marked_ = Clock::now();
  if (std::exchange(mark_, audit_.mark()) == audit_.mark()) return;
  std::ofstream(mark_path(options_.runtime_dir)) << to_string(mark_);
}

Evidence Daemon::evidence() {
  audit();
  return {table_.counters(), audit_.findings(), nflog_ ? nflog_->receive_buffer() : 0};
}

void Daemon::tick() {
  follow_edits();
  table_.tick(utc_now());
  if (unhealed_) heal(std::string(unhealed_->cause), unhealed_->since);
  if (Clock::now() - audited_ >= audit_interval) audit();
  if (Clock::now() - marked_ >= mark_interval) leave_mark();
  previewer_.tick(utc_now(), table_.counters().lost + audit_.findings().unheard);
  publish_flows();
  streams_.drop_stalled();
  if (!nflog_ && Clock::now() >= nflog_retry_) open_nflog();
  const std::optional<Failure> failure = enforcer_.save_failure();
  if (failure && failure != save_failure_) {
    journal_.write(
        LogLevel::warning, message_id::store,
        fmt::format("the generation in force could not be saved for the next start: {}", to_string(*failure)));
  }
  save_failure_ = failure;
  const std::optional<Failure> unkept = previewer_.failure();
  if (unkept && unkept != evidence_failure_) {
    journal_.write(LogLevel::warning, message_id::store,
                   fmt::format("evidence is not kept over a restart: {}", to_string(*unkept)));
  }
  evidence_failure_ = unkept;
}

void Daemon::publish_flows() {
  if (streams_.has_followers()) streams_.publish(table_.drain_changes());
}

// Previewing

void Daemon::tell_would_deny(const FirstWouldDeny& first) {
  journal_.write(LogLevel::info, message_id::would_deny, to_string(first),
                 {{"DRYWALL_SOURCE", to_string(first.packet.source)},
                  {"DRYWALL_DESTINATION", to_string(first.packet.destination)},
                  {"DRYWALL_PROTOCOL", to_string(first.packet.protocol)},
                  {"DRYWALL_PORT", fmt::format("{}", first.packet.destination_port)}});
  if (bus_) bus_->tell_would_deny(first_would_deny_document(first));
}

/// Connections that are idle log nothing: they are judged when policy changes.
void Daemon::look_at_live() {
  const InForce* const in_force = enforcer_.in_force();
  if (in_force == nullptr) return;
  const Result<LiveSummary> live = previewer_.look_at_live(*in_force, machine_, utc_now());
  if (!live) {
    journal_.write(LogLevel::warning, message_id::live_would_deny,
                   fmt::format("the live connections cannot be judged: {}", to_string(live.error())));
    return;
  }
  live_ = *live;
  if (live->would_deny == 0) return;
  journal_.write(LogLevel::info, message_id::live_would_deny,
                 fmt::format("{} of {} live connections would be denied by what is staged if they began anew: see "
                             "drywall preview",
                             live->would_deny, live->connections),
                 {{"DRYWALL_GENERATION", fmt::format("{}", number())}});
}

/// Nothing: no such policy is there.
std::optional<PolicyId> policy_named(const Inventory& inventory, const std::string& word) {
  const auto found =
      std::ranges::find_if(inventory.policies, [&](const Policy& policy) { return full_name(policy.id) == word; });
  return found == inventory.policies.end() ? std::nullopt : std::optional(found->id);
}

BusResult<Json> Daemon::preview(const std::vector<std::string>& words, const BusCalls::Fields& caller) {
  const auto wrong = [](std::string why) {
    return tl::unexpected(BusError{BusError::Kind::invalid_arguments, std::move(why)});
  };
  const InForce* const in_force = enforcer_.in_force();
  if (in_force == nullptr) return tl::unexpected(BusError{BusError::Kind::failed, "no policy is in force"});
  const Clock::time_point began = Clock::now();
  const bool is_known = preview_cache_ && preview_cache_->policies == words && preview_cache_->caller == caller &&
                        preview_cache_->generation == in_force->number && began < preview_cache_->until;
  if (is_known) return preview_cache_->document;
  std::vector<PolicyId> policies;
  for (const std::string& word : words) {
    const std::optional<PolicyId> id = policy_named(in_force->generation->inventory, word);
    if (!id) return wrong(fmt::format("there is no policy {}", word));
    policies.push_back(*id);
  }
  const tl::expected<std::optional<Ends>, std::string> yours = parse_ends(caller);
  if (!yours) return wrong(yours.error());
  const auto report =
      previewer_.report(*in_force, machine_, std::move(policies), *yours, differs_since_.has_value(), utc_now());
  if (!report) return wrong(fmt::format("{} is not staged", to_string(report.error())));
  Json document = preview_document(*report);
  const Clock::time_point ended = Clock::now();
  const Clock::duration kept = std::max<Clock::duration>(shortest_cache, 4 * (ended - began));
  preview_cache_ = PreviewCache{words, caller, in_force->number, document, ended + kept};
  return document;
}

/// Staged policies that nobody came back to.
Diagnostics Daemon::overdue_policies() const {
  const InForce* const in_force = enforcer_.in_force();
  if (in_force == nullptr) return {};
  using std::chrono::floor;
  using std::chrono::seconds;
  return overdue(in_force->generation->inventory, floor<seconds>(utc_now()),
                 [this](const PolicyId& policy) -> std::optional<std::chrono::sys_seconds> {
                   const std::optional<Timestamp> since = previewer_.since(policy);
                   return since ? std::optional(floor<seconds>(*since)) : std::nullopt;
                 });
}

// What others see

std::string Daemon::policy_dir() const {
  if (options_.policy_dir) return *options_.policy_dir;
  return config_.policy_dir.empty() ? default_policy_dir : config_.policy_dir;
}

std::string Daemon::node() const {
  const InForce* const in_force = enforcer_.in_force();
  if (in_force != nullptr) return in_force->generation->host.node;
  const std::string& configured = options_.node ? *options_.node : config_.node;
  return configured.empty() ? machine_.host_name : configured;
}

std::uint64_t Daemon::number() const {
  return enforcer_.in_force() == nullptr ? 0 : enforcer_.in_force()->number;
}

Diagnostics Daemon::diagnostics() const {
  Diagnostics all = load_diagnostics_;
  const std::string config_file = options_.config_file.value_or(default_config_file);
  if (nflog_failure_) {
    all.push_back(world_diagnostic(*nflog_failure_, config_file, "nflog", Severity::error,
                                   "policy is enforced all the same, but there are no flow records: end the other "
                                   "program (drywall doctor names it), or set nflog_group to a free group"));
  }
  if (save_failure_) {
    all.push_back(world_diagnostic(*save_failure_, options_.state_dir, "last-good", Severity::warning,
                                   "policy is enforced all the same, but a start with a broken directory would fall "
                                   "back to the generation before: make room there, then: drywall reload"));
  } else if (evidence_failure_) {  // mostly for the same reason
    all.push_back(world_diagnostic(*evidence_failure_, options_.state_dir, "evidence", Severity::warning,
                                   "policy is enforced all the same, but previews forget at a restart what was seen: "
                                   "make room there, and if this stays, "
                                   "systemctl restart drywalld (rules stay in force)"));
  }
  if (const std::optional<ConntrackUse> use = conntrack_use(); use && is_nearly_full(*use)) {
    all.push_back({{"/proc/sys/net/netfilter/nf_conntrack_max", 0, 0},
                   1,
                   Severity::warning,
                   "conntrack-full",
                   fmt::format("the connection tracking table has {} of {} entries: the kernel drops new connections "
                               "when it is full",
                               use->entries, use->limit),
                   "raise it: sysctl net.netfilter.nf_conntrack_max, and the same in /etc/sysctl.d",
                   {}});
  }
  const Diagnostics staged = overdue_policies();
  all.insert(all.end(), staged.begin(), staged.end());
  if (unhealed_) all.push_back(unhealed_->refusal);
  if (directory_watch_failure_) {
    all.push_back(world_diagnostic(*directory_watch_failure_, policy_dir(), "watch", Severity::warning,
                                   "changes are not noticed: drywall reload after each, or raise the limit: sysctl "
                                   "fs.inotify.max_user_watches"));
  }
  return all;
}

State Daemon::state() const {
  if (has_errors(diagnostics())) return State::degraded;
  const InForce* const in_force = enforcer_.in_force();
  return in_force == nullptr || in_force->generation->ruleset.tables.empty() ? State::inert : State::enforcing;
}

Json Daemon::status() {
  follow_edits();
  const InForce* const in_force = enforcer_.in_force();
  Status status;
  status.state = state();
  status.node = node();
  status.generation = number();
  if (in_force != nullptr) status.applied_at = in_force->applied_at;
  status.policy_dir = policy_dir();
  status.state_dir = options_.state_dir;
  status.confirm = confirmation_document(edits_.armed());
  status.diagnostics = diagnostics();
  status.differs_since = differs_since_;
  status.in_force = in_force == nullptr ? nullptr : in_force->generation.get();
  status.interfaces = machine_.interfaces;
  status.in_sync = enforcer_.in_sync();
  status.healed = healed_;
  status.last_heal = last_heal_;
  status.last_open = last_open_;
  status.longest_open = longest_open_;
  status.owned = enforcer_.owns_tables();
  status.evidence = evidence();
  status.nflog_group = nflog_group_;
  status.conntrack = conntrack_use();
  status.live = live_;
  status.notes = notes_;
  return status_document(status);
}

Json Daemon::policies() {
  const InForce* const in_force = enforcer_.in_force();
  if (in_force == nullptr) return Json::array();
  const Clock::time_point began = Clock::now();
  if (policies_cache_ && policies_cache_->generation == in_force->number && began < policies_cache_->until) {
    return policies_cache_->document;
  }
  const KernelCounts counts = enforcer_.read_counts().value_or(KernelCounts{});
  Json document = policies_document(*in_force->generation, counts.rules, table_.records({}));
  const Clock::time_point ended = Clock::now();
  const Clock::duration kept = std::max<Clock::duration>(shortest_cache, 4 * (ended - began));
  policies_cache_ = PoliciesCache{document, in_force->number, ended + kept};
  return document;
}

BusResult<std::string> Daemon::render(const std::string& world) {
  const InForce* const in_force = enforcer_.in_force();
  if (in_force == nullptr) return std::string();
  const Generation& generation = *in_force->generation;
  if (world.empty()) return nft_text(generation.ruleset);
  if (world != "enforced" && world != "pending") {
    return tl::unexpected(
        BusError{BusError::Kind::invalid_arguments,
                 fmt::format("\"{}\" is no world: write enforced, pending, or nothing for both", world)});
  }
  // One world alone is that world enforced, with nothing beside it to observe.
  const Plan& plan = world == "enforced" ? *generation.enforced : *generation.pending;
  const auto ruleset = lower(plan, plan, render_options(in_force->inputs->config));
  if (!ruleset) return tl::unexpected(BusError{BusError::Kind::failed, summary(ruleset.error())});
  return nft_text(*ruleset);
}

BusResult<Json> Daemon::reload() {
  const Loaded loaded = load(Reason::request);
  if (loaded.result == Loaded::Result::refused) {
    return tl::unexpected(BusError{BusError::Kind::kernel_refused, summary(loaded.diagnostics)});
  }
  return Json{{"generation", number()},
              {"changed", loaded.result == Loaded::Result::in_force ? changes_document(loaded.changed) : Json::array()},
              {"diagnostics", diagnostics_document(loaded.diagnostics)}};
}

BusResult<BusCalls::Page> Daemon::list(const BusCalls::Fields& fields, std::uint32_t offset, std::uint32_t limit) {
  const auto filter = parse_flow_filter(fields, utc_now());
  if (!filter) return tl::unexpected(BusError{BusError::Kind::invalid_arguments, filter.error()});
  const std::vector<FlowRecord> records = table_.records(*filter);
  const std::size_t wanted = limit == 0 ? default_page : std::min(limit, longest_page);
  Json page = Json::array();
  for (std::size_t i = offset; i < records.size() && page.size() < wanted; ++i) {
    page.push_back(Json::parse(to_json(records[i])));
  }
  return BusCalls::Page{std::move(page), evidence_document(evidence())};
}

BusResult<Descriptor> Daemon::stream(const BusCalls::Fields& fields, bool follow) {
  auto filter = parse_flow_filter(fields, utc_now());
  if (!filter) return tl::unexpected(BusError{BusError::Kind::invalid_arguments, filter.error()});
  if (!streams_.has_room(0)) return tl::unexpected(BusError{BusError::Kind::limit, "too many streams"});
  const std::vector<FlowRecord> changes = table_.drain_changes();  // the backlog has these already
  streams_.publish(changes);
  std::vector<FlowRecord> backlog = table_.records(*filter);
  auto opened = streams_.open(std::move(backlog), std::move(*filter), follow ? Follow::yes : Follow::no);
  if (!opened) return tl::unexpected(BusError{BusError::Kind::limit, opened.error()});
  return std::move(*opened);
}

BusCalls Daemon::bus_calls() {
  return {.generation = [this] { return number(); },
          .state = [this] { return std::string(to_string(state())); },
          .policy_directory = [this] { return policy_dir(); },
          .diagnostics = [this] { return diagnostics_document(diagnostics()); },
          .pending_confirmation = [this] { return confirmation_document(edits_.armed()); },
          .evidence = [this] { return evidence_document(evidence()); },
          .status = [this] { return status(); },
          .policies = [this] { return policies(); },
          .render = [this](const std::string& world) { return render(world); },
          .reload = [this] { return reload(); },
          .preview = [this](const std::vector<std::string>& policies,
                            const BusCalls::Fields& caller) { return preview(policies, caller); },
          .edit =
              [this](const Json& request, EditExchange::Done done) {
                return EditExchange::begin(loop_, edit_socket(options_.runtime_dir), request, std::move(done));
              },
          .list = [this](const BusCalls::Fields& filter, std::uint32_t offset,
                         std::uint32_t limit) { return list(filter, offset, limit); },
          .stream = [this](const BusCalls::Fields& filter, bool follow) { return stream(filter, follow); },
          .report = [this](const std::string& event) { journal_.write(LogLevel::warning, message_id::bus, event); }};
}

}  // namespace

Result<void> run_daemon(const Options& options) {
  for (const std::string& directory : {options.state_dir, options.runtime_dir}) {
    if (Result<void> made = make_directories(directory); !made) return made;
  }
  if (Result<void> became = become_owner_of(options.state_dir, options.runtime_dir); !became) return became;
  const Result<Descriptor> lock = take_lock(options.runtime_dir, options.run);
  if (!lock) return tl::unexpected(lock.error());
  yield_to_others();
  Result<EventLoop> loop = EventLoop::open();
  if (!loop) return tl::unexpected(loop.error());
  Result<Machine> machine = read_machine();
  if (!machine) return tl::unexpected(machine.error());
  // Without one of these the daemon still works; what then takes a reload is said once.
  const auto optional = [](auto result) {
    if (!result) Journal().write(LogLevel::warning, message_id::life, to_string(result.error()));
    using Value = typename decltype(result)::value_type;
    return result ? std::optional<Value>(std::move(*result)) : std::nullopt;
  };
  Daemon daemon(options, std::move(*loop), std::move(*machine), optional(DirectoryWatch::open()),
                optional(LinkWatch::open()));
  if (options.run == Options::Run::once) return daemon.load_once();
  daemon.run();
  return {};
}

}  // namespace drywall
