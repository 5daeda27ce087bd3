// SPDX-License-Identifier: GPL-2.0-or-later
// The dependency rule of docs/architecture.md, and the other rules of the tree that a machine can see.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

namespace drywall {
namespace {

namespace fs = std::filesystem;

struct Source {
  std::string path;  // from the top of the tree, with slashes: "policy/net.cpp"
  std::string text;
};

constexpr std::array<std::string_view, 7> folders{"policy", "render", "flow", "machine", "directory", "daemon", "cli"};

/// What a folder may include of ours.
bool may_include(std::string_view from, std::string_view to) {
  if (from == to || to == "policy") return true;
  if (from == "daemon" || from == "cli") return to == "render" || to == "flow" || to == "machine" || to == "directory";
  return false;
}

/// A third party's header and the only files that may include it.
struct Wrapped {
  std::string_view header;  // a prefix of what stands between the brackets
  std::vector<std::string_view> files;
};

const std::vector<Wrapped>& wrapped() {
  static const std::vector<Wrapped> list{
      {"yaml-cpp/", {"policy/yaml.cpp", "policy/yaml_events.cpp", "policy/yaml_feed.cpp", "policy/yaml_explain.cpp"}},
      {"libnftnl/", {"render/batch_writer.h", "render/expression_writer.h"}},
      {"sdbus-c++/", {"daemon/bus.cpp", "cli/bus.cpp"}},
      {"systemd/sd-bus", {}},
      {"CLI/", {"cli/", "daemon/main.cpp"}},
      {"nlohmann/", {"directory/", "daemon/", "cli/"}},
      {"libmnl/", {"render/batch_writer.h", "machine/", "daemon/"}},
      {"libnetfilter_log/", {"daemon/"}},
      {"libnetfilter_conntrack/", {"daemon/"}},
      {"systemd/", {"daemon/"}},
      {"sqlite3", {"daemon/"}},
  };
  return list;
}

std::string folder_of(const std::string& path) {
  return path.substr(0, path.find('/'));
}

std::vector<std::string> includes_of(const std::string& text) {
  static const std::regex include(R"(^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"])", std::regex::multiline);
  std::vector<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), include), end; match != end; ++match) {
    found.push_back((*match)[1]);
  }
  return found;
}

std::optional<std::string> broken_rule(const std::string& path, const std::string& header) {
  const std::string from = folder_of(path);
  const std::string to = folder_of(header);
  if (std::find(folders.begin(), folders.end(), to) != folders.end() && !may_include(from, to)) {
    return path + " includes " + header + ": " + from + " may not depend on " + to;
  }
  for (const Wrapped& library : wrapped()) {
    if (!header.starts_with(library.header)) continue;
    const bool allowed = std::any_of(library.files.begin(), library.files.end(),
                                     [&](std::string_view file) { return path.starts_with(file); });
    if (allowed) return {};
    return path + " includes " + header + ", which is wrapped elsewhere";
  }
  return {};
}

std::vector<std::string> broken_rules(const std::vector<Source>& sources) {
  std::vector<std::string> broken;
  for (const Source& source : sources) {
    for (const std::string& header : includes_of(source.text)) {
      if (const auto complaint = broken_rule(source.path, header)) broken.push_back(*complaint);
    }
  }
  return broken;
}

/// Within the first lines: below `#!`, or an XML document's declaration.
bool has_spdx_line(const std::string& text) {
  const std::size_t place = text.find("SPDX-License-Identifier: GPL-2.0-or-later");
  return place != std::string::npos && std::count(text.begin(), text.begin() + static_cast<long>(place), '\n') <= 4;
}

bool is_source(const fs::path& path) {
  static const std::array<std::string_view, 8> extensions{".cpp",   ".h",   ".sh",      ".py",
                                                          ".cmake", ".xml", ".service", ".in"};
  const std::string extension = path.extension();
  return path.filename() == "CMakeLists.txt" ||
         std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const fs::path& top() {
  static const fs::path directory = DRYWALL_SOURCE_DIR;
  return directory;
}

std::vector<Source> sources_below(std::string_view folder) {
  std::vector<Source> sources;
  for (const auto& entry : fs::recursive_directory_iterator(top() / folder)) {
    if (!entry.is_regular_file()) continue;
    const std::string text = read(entry.path());
    if (is_source(entry.path()) || text.starts_with("#!")) {
      sources.push_back({fs::relative(entry.path(), top()).generic_string(), text});
    }
  }
  return sources;
}

TEST(IncludeRule, HoldsInTheTree) {
  for (const std::string_view folder : folders) {
    const std::vector<Source> sources = sources_below(folder);
    EXPECT_GT(sources.size(), 1U) << folder << " has no sources: is the test looking in the right place?";
    for (const std::string& complaint : broken_rules(sources)) ADD_FAILURE() << complaint;
  }
}

TEST(IncludeRule, NoticesEachKindOfBreach) {
  const std::vector<Source> breaches{
      {"policy/a.cpp", "#include \"render/lower.h\"\n"},
      {"policy/b.h", "#pragma once\n#include \"flow/flow_record.h\"\n"},
      {"render/c.cpp", "#include <vector>\n#include \"flow/flow_record.h\"\n"},
      {"flow/d.cpp", "  #  include \"render/ruleset.h\"\n"},
      {"render/e.cpp", "#include \"daemon/store.h\"\n"},
      {"daemon/f.cpp", "#include \"cli/verb.h\"\n"},
      {"cli/g.cpp", "#include \"daemon/store.h\"\n"},
      {"policy/parse.cpp", "#include <yaml-cpp/yaml.h>\n"},
      {"render/lower.cpp", "#include <libnftnl/rule.h>\n"},
      {"daemon/main.cpp", "#include <sdbus-c++/sdbus-c++.h>\n"},
      {"cli/main.cpp", "#include <sdbus-c++/sdbus-c++.h>\n"},
      {"policy/h.cpp", "#include <nlohmann/json.hpp>\n"},
      {"flow/i.cpp", "#include <libnetfilter_log/libnetfilter_log.h>\n"},
  };
  for (const Source& breach : breaches) {
    EXPECT_EQ(broken_rules({breach}).size(), 1U) << breach.path << ": " << breach.text;
  }
}

TEST(IncludeRule, LetsPassWhatIsAllowed) {
  const std::vector<Source> fine{
      {"policy/yaml_events.cpp", "#include <yaml-cpp/yaml.h>\n#include \"policy/yaml.h\"\n"},
      {"render/batch_writer.h", "#include <libnftnl/rule.h>\n#include \"policy/net.h\"\n"},
      {"daemon/bus.cpp", "#include <sdbus-c++/sdbus-c++.h>\n#include \"flow/flow_table.h\"\n"},
      {"cli/bus.cpp", "#include <sdbus-c++/sdbus-c++.h>\n#include <nlohmann/json.hpp>\n"},
      {"daemon/a.cpp", "#include <systemd/sd-event.h>\n#include \"render/lower.h\"\n"},
      {"flow/b.cpp", "// not #include \"render/lower.h\"\n"},
  };
  EXPECT_EQ(broken_rules(fine), std::vector<std::string>{});
}

TEST(HouseRule, NoFolderIsCalledCommonUtilOrCore) {
  for (const std::string_view folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(top() / folder)) {
      const std::string name = entry.path().stem();
      EXPECT_FALSE(name == "common" || name == "util" || name == "utils" || name == "core" || name == "helpers")
          << entry.path() << ": a helper lives beside its first user";
    }
  }
  for (const char* name : {"common", "util", "utils", "core", "lib"}) EXPECT_FALSE(fs::exists(top() / name)) << name;
}

TEST(HouseRule, EverySourceNamesItsLicence) {
  for (const char* folder : {"policy", "render", "flow", "machine", "directory", "daemon", "cli", "tests",
                             "integration", "packaging", ".ci"}) {
    if (!fs::exists(top() / folder)) continue;
    for (const Source& source : sources_below(folder)) {
      EXPECT_TRUE(has_spdx_line(source.text)) << source.path << " has no SPDX line at its head";
    }
  }
}

TEST(HouseRule, NoticesAMissingLicenceLine) {
  EXPECT_FALSE(has_spdx_line("#pragma once\n"));
  EXPECT_FALSE(has_spdx_line("// SPDX-License-Identifier: MIT\n"));
  EXPECT_FALSE(has_spdx_line("1\n2\n3\n4\n5\n6\n// SPDX-License-Identifier: GPL-2.0-or-later\n"));
  EXPECT_TRUE(has_spdx_line("#!/bin/bash\n# SPDX-License-Identifier: GPL-2.0-or-later\n"));
}

}  // namespace
}  // namespace drywall
