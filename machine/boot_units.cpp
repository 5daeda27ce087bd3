// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/boot_units.h"

#include <glob.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <regex>
#include <set>
#include <string_view>

namespace drywall {
namespace {

namespace fs = std::filesystem;

constexpr std::array unit_directories{"etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system",
                                      "usr/lib/systemd/system", "lib/systemd/system"};
constexpr std::array firewalls{"nftables.service",  "netfilter-persistent.service",
                               "iptables.service",  "ip6tables.service",
                               "firewalld.service", "ufw.service"};
constexpr std::array own_units{"drywalld.service", "drywall-boot.service"};
constexpr std::array nftables_files{"etc/nftables.conf", "etc/sysconfig/nftables.conf"};
constexpr std::size_t most_unit_bytes = 1U << 20U;
constexpr std::size_t most_files = 1000;  // that files include

std::optional<std::string> read_file(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return std::nullopt;
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string text(most_unit_bytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

/// A link to /dev/null, or an empty file, in the place of a unit.
bool is_masked(const fs::path& root, const char* unit) {
  const fs::path file = root / "etc/systemd/system" / unit;
  std::error_code error;
  return fs::is_symlink(file, error) && fs::read_symlink(file, error) == "/dev/null";
}

bool is_enabled(const fs::path& root, const char* unit) {
  if (is_masked(root, unit)) return false;
  for (const char* directory : unit_directories) {
    std::error_code error;
    for (fs::directory_iterator entry(root / directory, error), end; !error && entry != end; entry.increment(error)) {
      const std::string name = entry->path().filename();
      if (!name.ends_with(".wants") && !name.ends_with(".requires")) continue;
      std::error_code ignored;
      if (fs::exists(fs::symlink_status(entry->path() / unit, ignored))) return true;
    }
  }
  return false;
}

/// Whether the unit's own configuration lets it do anything.
bool is_switched_on(const fs::path& root, std::string_view unit) {
  if (unit != "ufw.service") return true;
  const std::optional<std::string> text = read_file(root / "etc/ufw/ufw.conf");
  static const std::regex on("(^|\n)[ \t]*ENABLED=[\"']?[yY][eE][sS]");
  return text && std::regex_search(*text, on);
}

/// Searches nft's files for a flush of everything, with the files that they include.
class FlushSearch {
 public:
  explicit FlushSearch(fs::path root) : root_(std::move(root)) {}

  void search(const std::string& name) {  // without the root
    if (seen_.size() >= most_files || !seen_.insert(name).second) return;
    const std::optional<std::string> text = read_file(root_ / name);
    if (!text) return;
    std::size_t number = 0;
    for (std::size_t at = 0; at < text->size(); ++number) {
      const std::size_t end = std::min(text->find('\n', at), text->size());
      line(name, number + 1, std::string_view(*text).substr(at, end - at));
      at = end + 1;
    }
  }
  [[nodiscard]] std::vector<std::string> places() const { return places_; }

 private:
  void line(const std::string& name, std::size_t number, std::string_view text) {
    static const std::regex flush(R"((^|;)\s*flush\s+ruleset\b)");
    static const std::regex include(R"re(^\s*include\s+["']([^"']+)["'])re");
    const std::string code(text.substr(0, text.find('#')));
    std::smatch match;
    if (std::regex_search(code, flush)) places_.push_back("/" + name + ":" + std::to_string(number));
    if (std::regex_search(code, match, include)) follow(match[1]);
  }

  void follow(const std::string& pattern) {
    const fs::path path =
        fs::path(pattern).is_absolute() ? fs::path(pattern).relative_path() : fs::path("etc") / pattern;
    glob_t found{};
    const std::string under = (root_ / path).string();
    if (glob(under.c_str(), 0, nullptr, &found) == 0) {
      for (std::size_t i = 0; i < found.gl_pathc && i < most_files; ++i) {
        search(fs::path(found.gl_pathv[i]).lexically_relative(root_).string());
      }
    }
    globfree(&found);
  }

  fs::path root_;
  std::set<std::string> seen_;
  std::vector<std::string> places_;
};

/// The units that one of ours waits for; nothing: it is not installed.
std::optional<std::set<std::string>> waits_for(const fs::path& root, const char* unit) {
  for (const char* directory : unit_directories) {
    const std::optional<std::string> text = read_file(root / directory / unit);
    if (!text) continue;
    static const std::regex after("(^|\n)[ \t]*After[ \t]*=([^\n]*)");
    static const std::regex word("[^ \t]+");
    std::set<std::string> found;
    for (std::sregex_iterator line(text->begin(), text->end(), after), end; line != end; ++line) {
      const std::string names = (*line)[2];
      for (std::sregex_iterator name(names.begin(), names.end(), word); name != end; ++name) found.insert(name->str());
    }
    return found;
  }
  return std::nullopt;
}

/// True if Drywall is installed and every unit of it begins after this one.
bool is_before_drywall(const fs::path& root, const std::string& unit) {
  bool installed = false;
  for (const char* own : own_units) {
    const auto after = waits_for(root, own);
    installed |= after.has_value();
    if (after && !after->contains(unit)) return false;
  }
  return installed;
}

}  // namespace

std::vector<BootUnit> read_boot_units(const fs::path& root) {
  std::vector<BootUnit> units;
  for (const char* name : firewalls) {
    if (!is_enabled(root, name) || !is_switched_on(root, name)) continue;
    BootUnit unit{name, {}, is_before_drywall(root, name)};
    if (unit.name == "nftables.service") {
      FlushSearch search(root);
      for (const char* file : nftables_files) search.search(file);
      unit.flushes = search.places();
    }
    units.push_back(std::move(unit));
  }
  return units;
}

}  // namespace drywall
