// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/arguments.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <utility>

namespace drywall::cli {

Argument& Argument::takes(const std::string& what) {
  option_->type_name(what);
  return *this;
}

Argument& Argument::one_of(const std::vector<std::string>& words) {
  option_->check(CLI::IsMember(words).description(""));
  return takes(fmt::format("{}", fmt::join(words, "|")));
}

Argument& Argument::within(int least, int most) {
  option_->check(CLI::Range(least, most).description(""));
  return *this;
}

Argument& Argument::required() {
  option_->required();
  return *this;
}

Argument& Argument::list() {
  option_->allow_extra_args(false)->delimiter(',');
  return *this;
}

Argument& Argument::shows_default() {
  option_->capture_default_str();
  return *this;
}

Argument& Argument::hidden() {
  option_->group("");
  return *this;
}

Argument Arguments::add(const std::string& name, std::string& value, const std::string& help) {
  return Argument(*app_->add_option(name, value, help));
}

Argument Arguments::add(const std::string& name, std::vector<std::string>& values, const std::string& help) {
  return Argument(*app_->add_option(name, values, help));
}

Argument Arguments::add(const std::string& name, std::vector<std::filesystem::path>& values, const std::string& help) {
  return Argument(*app_->add_option(name, values, help));
}

Argument Arguments::add(const std::string& name, int& value, const std::string& help) {
  return Argument(*app_->add_option(name, value, help));
}

Argument Arguments::add(const std::string& name, std::optional<std::uint8_t>& value, const std::string& help) {
  return Argument(*app_->add_option(name, value, help));
}

Argument Arguments::add(const std::string& name, std::optional<std::uint16_t>& value, const std::string& help) {
  return Argument(*app_->add_option(name, value, help));
}

Argument Arguments::add(const std::string& name, std::vector<std::uint16_t>& values, const std::string& help) {
  return Argument(*app_->add_option(name, values, help));
}

Argument Arguments::add(const std::string& name, std::function<void(const std::string&)> take,
                        const std::string& help) {
  return Argument(*app_->add_option_function<std::string>(name, std::move(take), help));
}

void Arguments::add_flag(const std::string& name, bool& value, const std::string& help) {
  app_->add_flag(name, value, help);
}

void Arguments::add_flag(const std::string& name, std::function<void()> take, const std::string& help) {
  app_->add_flag_callback(name, std::move(take), help);
}

}  // namespace drywall::cli
