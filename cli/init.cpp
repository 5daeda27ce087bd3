// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <set>

#include "cli/json.h"
#include "cli/policy_files.h"
#include "cli/terminal.h"
#include "cli/verb.h"
#include "directory/descriptor.h"
#include "directory/directory.h"
#include "machine/first_files.h"
#include "machine/host_name.h"
#include "machine/links.h"
#include "machine/programs.h"
#include "policy/auto_endpoint.h"
#include "policy/name.h"
#include "policy/parse.h"

namespace drywall::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* policy_name = "host-services.yaml";
constexpr std::size_t most_bytes = 1U << 20U;

struct InitOptions {
  std::string root = "/";
  std::vector<std::string> labels;  // KEY=VALUE
  std::vector<std::uint16_t> ssh_ports;
  bool yes = false;
  bool dry_run = false;
  Output output;
};

/// What is done about one file.
struct FilePlan {
  enum class Deed { write, append, leave } deed = Deed::leave;
  fs::path path;
  std::string text;    // to write, or to append
  std::string reason;  // why it is left as it is
};

struct InitPlan {
  std::string node;
  FirstChoices choices;
  std::vector<std::string> interfaces;
  std::vector<FilePlan> files;
  std::vector<std::string> objections;  // what the user has to settle first
};

// --- what is here

/// What `sshd -T` prints; empty if there is no sshd, or it may not say.
std::string ask_sshd() {
  using Pipe = std::unique_ptr<FILE, int (*)(FILE*)>;
  const Pipe pipe(popen("PATH=/usr/sbin:/usr/bin:/sbin:/bin exec sshd -T 2>/dev/null", "re"), &pclose);
  std::string text;
  std::array<char, 4096> block{};
  while (pipe != nullptr && text.size() < most_bytes) {
    const std::size_t got = std::fread(block.data(), 1, block.size(), pipe.get());
    if (got == 0) break;
    text.append(block.data(), got);
  }
  return text;
}

/// The port of the session that this runs in: `CLIENT PORT SERVER PORT`.
std::optional<std::uint16_t> port_of_this_session() {
  const char* const connection = std::getenv("SSH_CONNECTION");
  if (connection == nullptr) return std::nullopt;
  const std::string_view text = connection;
  const std::vector<std::uint16_t> ports = sshd_ports(fmt::format("port {}", text.substr(text.rfind(' ') + 1)));
  return ports.empty() ? std::nullopt : std::optional(ports.front());
}

std::vector<std::uint16_t> ssh_ports(const InitOptions& options, const std::vector<OpenPort>& open) {
  constexpr std::uint16_t usual = 22;
  std::set<std::uint16_t> ports(options.ssh_ports.begin(), options.ssh_ports.end());
  if (ports.empty()) {
    for (const std::uint16_t port : sshd_ports(ask_sshd())) ports.insert(port);
    for (const OpenPort& port : open) {
      if (port.program == "sshd") ports.insert(port.port);
    }
  }
  if (const auto own = port_of_this_session()) ports.insert(*own);
  if (ports.empty()) ports.insert(usual);
  return {ports.begin(), ports.end()};
}

std::uint16_t first_ephemeral() {
  std::uint16_t first = 32768;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> first;
  return first;
}

std::vector<OpenPort> read_open_ports() {
  const Result<SocketDump> dump = read_sockets();
  if (!dump) {
    say(fmt::format("{}: the first policy will allow no services", to_string(dump.error())));
    return {};
  }
  return open_ports(dump->sockets, read_socket_owners(), first_ephemeral());
}

/// `docker0 (Docker)`.
std::vector<std::string> read_interfaces() {
  std::vector<std::string> names;
  for (const Link& link : read_links().value_or(std::vector<Link>{})) {
    const std::string& name = link.interface.name;
    if (name == "lo" || !link.interface.bridge.empty()) continue;
    const Program* const program = program_of_interface(name);
    names.push_back(program == nullptr ? name : fmt::format("{} ({})", name, program->name));
  }
  return names;
}

std::optional<Labels> labels_of(const InitOptions& options) {
  Labels labels;
  for (const std::string& text : options.labels) {
    const std::size_t equals = text.find('=');
    const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
    const std::string key = text.substr(0, equals);
    if (equals == std::string::npos || !reading::is_qualified_name(key) || value.empty() ||
        !reading::is_label_value(value)) {
      say(fmt::format("--label {}: expected KEY=VALUE", text));
      return std::nullopt;
    }
    labels.insert_or_assign(key, value);
  }
  if (labels.empty()) labels.emplace("role", "host");
  return labels;
}

// --- what to do

/// True if a YAML text has nothing but comments and blank lines.
bool says_nothing(const std::string& text) {
  const yaml::Documents documents = yaml::load({"drywall.yaml", text});
  return documents.diagnostics.empty() &&
         std::ranges::all_of(documents.roots, [](const yaml::Node& root) { return root.type == yaml::Type::null; });
}

FilePlan plan_configuration(const fs::path& path, InitPlan& plan) {
  const std::string keys = first_configuration(plan.choices);
  const Result<std::string> text = read_file(path.string(), most_bytes);
  if (!text && text.error().error == ENOENT) return {FilePlan::Deed::write, path, keys, {}};
  if (!text) {
    plan.objections.push_back(to_string(text.error()));
    return {FilePlan::Deed::leave, path, {}, "it cannot be read"};
  }
  if (says_nothing(*text)) return {FilePlan::Deed::append, path, "\n" + keys, {}};
  const yaml::Documents documents = yaml::load({path.string(), *text});
  const yaml::Node* const endpoint = documents.roots.empty() ? nullptr : documents.roots.front().find("host_endpoint");
  if (endpoint == nullptr) {
    plan.objections.push_back(fmt::format(
        "{} has keys of its own and is not changed: add \"host_endpoint: auto\", and labels that the policy "
        "selects, by hand",
        path.string()));
  }
  return {FilePlan::Deed::leave, path, {}, "it has keys of its own"};
}

/// The policy that there is already, if any; and what there is against an endpoint of all interfaces.
FilePlan plan_policy(const fs::path& directory, InitPlan& plan) {
  const fs::path path = directory / policy_name;
  std::error_code error;
  if (!fs::exists(directory, error)) return {FilePlan::Deed::write, path, first_policy(plan.choices), {}};
  const Result<PolicyFiles> read = read_policy_files({directory});
  if (!read) {
    plan.objections.push_back(to_string(read.error()));
    return {FilePlan::Deed::leave, path, {}, "the directory cannot be read"};
  }
  const Parsed parsed = parse(read->files);
  if (has_errors(parsed.diagnostics) || has_errors(read->diagnostics)) {
    plan.objections.push_back(fmt::format("{} has mistakes: see drywall check", directory.string()));
    return {FilePlan::Deed::leave, path, {}, "the directory has mistakes"};
  }
  for (const Diagnostic& clash : clashes(auto_endpoint(plan.node, {}, {"drywall.yaml", 0, 0}), parsed.inventory)) {
    plan.objections.push_back(fmt::format("{}: {}", to_string(clash.at), clash.message));
  }
  if (fs::exists(path, error)) return {FilePlan::Deed::leave, path, {}, "it is there already"};
  if (!parsed.inventory.policies.empty()) return {FilePlan::Deed::leave, path, {}, "there are policies already"};
  return {FilePlan::Deed::write, path, first_policy(plan.choices), {}};
}

InitPlan make_plan(const InitOptions& options, Labels labels) {
  InitPlan plan;
  const std::vector<OpenPort> open = read_open_ports();
  plan.choices = {std::move(labels), ssh_ports(options, open), open};
  plan.interfaces = read_interfaces();
  const fs::path root = options.root;
  const fs::path configuration = root / fs::path(configuration_file).relative_path();
  const Settings settings = settings_in(configuration);
  plan.node = settings.node.value_or(host_name());
  FilePlan config = plan_configuration(configuration, plan);
  plan.files.push_back(plan_policy(root / fs::path(settings.policy_dir).relative_path(), plan));
  plan.files.push_back(std::move(config));
  return plan;
}

// --- doing it

Result<void> write_all(int fd, std::string_view text, const std::string& name) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return tl::unexpected(Failure{"write", name, errno, {}});
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (fsync(fd) != 0) return tl::unexpected(Failure{"write", name, errno, {}});
  return {};
}

/// The whole text or nothing of it, and never over a file that somebody else made meanwhile.
Result<void> write_new(const FilePlan& file) {
  const std::string temporary = (file.path.parent_path() / ("." + file.path.filename().string() + ".init")).string();
  std::error_code error;
  fs::create_directories(file.path.parent_path(), error);
  if (error) return tl::unexpected(Failure{"make", file.path.parent_path().string(), error.value(), {}});
  const Descriptor fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd) return tl::unexpected(Failure{"write", temporary, errno, {}});
  Result<void> written = write_all(fd.get(), file.text, temporary);
  if (written && link(temporary.c_str(), file.path.c_str()) != 0) {
    written = tl::unexpected(Failure{"write", file.path.string(), errno, {}});
  }
  unlink(temporary.c_str());
  return written;
}

Result<void> append(const FilePlan& file) {
  const Descriptor fd(open(file.path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  if (!fd) return tl::unexpected(Failure{"write", file.path.string(), errno, {}});
  return write_all(fd.get(), file.text, file.path.string());
}

Exit carry_out(const InitPlan& plan) {
  for (const FilePlan& file : plan.files) {
    if (file.deed == FilePlan::Deed::leave) continue;
    const Result<void> done = file.deed == FilePlan::Deed::write ? write_new(file) : append(file);
    if (done) continue;
    say(to_string(done.error()));
    return done.error().error == EACCES || done.error().error == EPERM ? Exit::unauthorised : Exit::no;
  }
  return Exit::yes;
}

// --- telling

const char* word_of(FilePlan::Deed deed) {
  switch (deed) {
    case FilePlan::Deed::write:
      return "write";
    case FilePlan::Deed::append:
      return "append";
    case FilePlan::Deed::leave:
      break;
  }
  return "leave";
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out.empty() ? "none" : out;
}

Json document_of(const InitPlan& plan, bool done) {
  Json files = Json::array();
  for (const FilePlan& file : plan.files) {
    files.push_back({{"file", file.path.string()},
                     {"action", word_of(file.deed)},
                     {"reason", file.reason.empty() ? Json() : Json(file.reason)}});
  }
  Json ports = Json::array();
  for (const OpenPort& port : plan.choices.ports) {
    ports.push_back({{"protocol", to_string(port.protocol)},
                     {"port", port.port},
                     {"program", port.program.empty() ? Json() : Json(port.program)}});
  }
  return Json{
      {"endpoint", plan.node + "-auto"},
      {"interfaces", plan.interfaces},
      {"failsafe", {{"inbound", first_failsafe_inbound(plan.choices)}, {"outbound", first_failsafe_outbound()}}},
      {"ports", ports},
      {"files", files},
      {"objections", plan.objections},
      {"done", done}};
}

void print_plan(const InitPlan& plan) {
  std::vector<std::string> ports;
  for (const OpenPort& port : plan.choices.ports) {
    ports.push_back(fmt::format("{}:{}{}", to_string(port.protocol), port.port,
                                port.program.empty() ? "" : fmt::format(" ({})", port.program)));
  }
  const auto row = [](std::string_view name, const std::string& text) {
    fmt::print("{:<12} {}\n", name, harmless(text));
  };
  row("endpoint", fmt::format("HostEndpoint {}-auto, of {}", plan.node, joined(plan.interfaces)));
  row("failsafe in", joined(first_failsafe_inbound(plan.choices)));
  row("failsafe out", joined(first_failsafe_outbound()));
  row("open ports", joined(ports));
  for (const FilePlan& file : plan.files) {
    row(word_of(file.deed),
        file.reason.empty() ? file.path.string() : fmt::format("{}: {}", file.path.string(), file.reason));
  }
}

bool has_work(const InitPlan& plan) {
  return std::ranges::any_of(plan.files, [](const FilePlan& file) { return file.deed != FilePlan::Deed::leave; });
}

bool confirmed() {
  fmt::print(stderr, "Write this? [y/N] ");
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

Exit finish(const InitPlan& plan, const InitOptions& options, Exit exit, bool done) {
  if (options.output.format == Format::json) print(document_of(plan, done));
  return exit;
}

Exit init(const InitOptions& options) {
  const std::optional<Labels> labels = labels_of(options);
  if (!labels) return Exit::usage;
  const InitPlan plan = make_plan(options, *labels);
  if (options.output.format == Format::table) print_plan(plan);
  if (!plan.objections.empty()) {
    for (const std::string& objection : plan.objections) say(objection);
    say("nothing was written");
    return finish(plan, options, Exit::no, false);
  }
  if (!has_work(plan)) {
    say("nothing to do");
    return finish(plan, options, Exit::yes, false);
  }
  if (options.dry_run) return finish(plan, options, Exit::yes, false);
  const bool may_ask = isatty(STDIN_FILENO) == 1;
  if (!options.yes && !(may_ask && confirmed())) {
    say(may_ask ? "nothing was written" : "nothing was written: --yes writes it");
    return finish(plan, options, may_ask ? Exit::no : Exit::usage, false);
  }
  const Exit exit = carry_out(plan);
  if (exit == Exit::yes) say("written; drywall reload puts it in force, and drywall flows shows what it would deny");
  return finish(plan, options, exit, exit == Exit::yes);
}

}  // namespace

Run declare_init(Arguments& arguments) {
  auto options = std::make_shared<InitOptions>();
  arguments.add("--label", options->labels, "A label of this host's endpoint, KEY=VALUE (role=host); may be repeated")
      .takes("LABEL");
  arguments
      .add("--ssh-port", options->ssh_ports, "A port of sshd, instead of those that it says it has; may be repeated")
      .within(1, 65535)
      .takes("NUMBER");
  arguments.add("--root", options->root, "Write below this directory instead of /").takes("DIR");
  arguments.add_flag("--yes", options->yes, "Write without asking");
  arguments.add_flag("--dry-run", options->dry_run, "Only say what would be written");
  add_output_options(arguments, options->output, Wide::no);
  return [options] { return init(*options); };
}

}  // namespace drywall::cli
