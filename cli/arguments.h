// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace drywall::cli {

/// One option or word of a verb: what it takes and how help shows it.
class Argument {
 public:
  explicit Argument(CLI::Option& option) : option_(&option) {}

  Argument& takes(const std::string& what);                 // what help calls its value: "DIR"
  Argument& one_of(const std::vector<std::string>& words);  // and help lists them
  Argument& within(int least, int most);                    // a number
  Argument& required();
  Argument& list();  // values separated by commas, one word each time
  Argument& shows_default();
  Argument& hidden();  // not for people

 private:
  CLI::Option* option_;
};

/// What a verb takes: the one door to CLI11, whose headers cost ten seconds in each file that reads them.
/// What an argument is written to must live as long as the App.
///   name  "--long", "-s,--long", or "WORD" for one that stands by itself
class Arguments {
 public:
  explicit Arguments(CLI::App& app) : app_(&app) {}

  Argument add(const std::string& name, std::string& value, const std::string& help);
  Argument add(const std::string& name, std::vector<std::string>& values, const std::string& help);
  Argument add(const std::string& name, std::vector<std::filesystem::path>& values, const std::string& help);
  Argument add(const std::string& name, int& value, const std::string& help);
  Argument add(const std::string& name, std::optional<std::uint8_t>& value, const std::string& help);
  Argument add(const std::string& name, std::optional<std::uint16_t>& value, const std::string& help);
  Argument add(const std::string& name, std::vector<std::uint16_t>& values, const std::string& help);
  Argument add(const std::string& name, std::function<void(const std::string&)> take, const std::string& help);
  void add_flag(const std::string& name, bool& value, const std::string& help);
  void add_flag(const std::string& name, std::function<void()> take, const std::string& help);

 private:
  CLI::App* app_;
};

}  // namespace drywall::cli
