// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/in_force.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <thread>

#include "cli/this_host.h"
#include "directory/snapshot.h"

namespace drywall::cli {
namespace {

constexpr int most_attempts = 100;  // drywalld saves what is in force in the background
constexpr std::chrono::milliseconds pause{30};

/// Nothing: it is not that of the generation in force.
std::optional<Snapshot> snapshot_in_force(const EditPlace& place) {
  for (int attempt = 0; attempt < most_attempts; ++attempt) {
    Result<std::optional<Snapshot>> saved = load_snapshot(place.state_dir);
    const bool is_current =
        saved && *saved && (!place.daemon || (*saved)->generation == number_at(place.status, "generation"));
    if (is_current) return std::move(*saved);
    if (saved && !*saved && number_at(place.status, "generation") == 0) return Snapshot{};
    std::this_thread::sleep_for(pause);
  }
  return std::nullopt;
}

std::vector<FileEdit> differences(const std::vector<yaml::SourceFile>& before,
                                  const std::vector<yaml::SourceFile>& after) {
  std::map<std::string, FileEdit> edits;
  for (const yaml::SourceFile& file : before) edits[file.name] = {file.name, file.text, {}};
  for (const yaml::SourceFile& file : after) {
    FileEdit& edit = edits[file.name];
    edit.file = file.name;
    edit.after = file.text;
  }
  std::vector<FileEdit> out;
  for (auto& [name, edit] : edits) {
    if (edit.before != edit.after) out.push_back(std::move(edit));
  }
  return out;
}

/// "tcp:22", "udp:10.0.0.0/8:68" or "udp:[fd00::]/8:546", as `status` shows failsafe ports.
std::optional<FailsafePort> failsafe_port(const std::string& word) {
  const std::size_t first = word.find(':');
  const std::size_t last = word.rfind(':');
  const std::optional<Protocol> protocol = parse_protocol(word.substr(0, first));
  FailsafePort found;
  const char* const end = word.data() + word.size();
  if (first == std::string::npos || !protocol || std::from_chars(word.data() + last + 1, end, found.port).ptr != end) {
    return std::nullopt;
  }
  found.protocol = *protocol;
  if (first == last) return found;
  std::string net = word.substr(first + 1, last - first - 1);
  std::erase_if(net, [](char c) { return c == '[' || c == ']'; });
  found.net = parse_prefix(net);
  return found.net ? std::optional(found) : std::nullopt;
}

}  // namespace

std::optional<std::vector<FileEdit>> differences_from_force(const EditPlace& place,
                                                            const std::vector<yaml::SourceFile>& files) {
  const std::optional<Snapshot> snapshot = snapshot_in_force(place);
  if (!snapshot) return std::nullopt;
  return differences({snapshot->files.begin(), snapshot->files.end()}, files);
}

std::optional<std::vector<FileEdit>> edits_to_previous(const EditPlace& place,
                                                       const std::vector<yaml::SourceFile>& files) {
  std::ignore = snapshot_in_force(place);
  // Only then is the one before put in its place, from this name.
  const std::string on_its_way = place.state_dir + "/last-good.new";
  for (int attempt = 0; attempt < most_attempts && access(on_its_way.c_str(), F_OK) == 0; ++attempt) {
    std::this_thread::sleep_for(pause);
  }
  const Result<std::optional<Snapshot>> previous = load_snapshot(place.state_dir, Saved::previous);
  if (!previous || !*previous) return std::nullopt;
  return differences(files, {(*previous)->files.begin(), (*previous)->files.end()});
}

Host host_in_force(const Json& status) {
  Host host = this_host(text_at(status, "node"));
  const auto ports = [](const Json& words) {
    std::vector<FailsafePort> out;
    for (const Json& word : words) {
      if (const auto port = word.is_string() ? failsafe_port(word.get<std::string>()) : std::nullopt) {
        out.push_back(*port);
      }
    }
    return out;
  };
  host.failsafe_inbound = ports(at(at(status, "failsafe"), "inbound"));
  host.failsafe_outbound = ports(at(at(status, "failsafe"), "outbound"));
  return host;
}

}  // namespace drywall::cli
