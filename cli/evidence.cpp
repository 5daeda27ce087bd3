// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/evidence.h"

#include <fmt/format.h>

#include <array>

#include "cli/terminal.h"

namespace drywall::cli {

void say_what_was_lost(const Json& evidence) {
  struct Loss {
    const char* key;
    const char* words;
  };
  static constexpr std::array losses{
      Loss{"lost", "log messages that never arrived"},
      Loss{"gaps", "times that the log had a gap"},
      Loss{"evicted", "records dropped for room"},
      Loss{"unheard", "hits that the kernel logged while nobody listened"},
      Loss{"limited", "hits not logged, over their flow's rate"},
      Loss{"full", "hits not logged, because there were too many flows"},
      Loss{"unassembled", "log messages that fit no rule in force"},
      Loss{"undecodable", "log messages that could not be read"},
  };
  std::string what;
  for (const Loss& loss : losses) {
    const std::uint64_t number = number_at(evidence, loss.key);
    if (number > 0) what += fmt::format("{}{} {}", what.empty() ? "" : ", ", number, loss.words);
  }
  if (what.empty()) return;
  const std::string since = text_at(evidence, "since");
  say(fmt::format("evidence is missing{}: {}; counts may be too low", since.empty() ? "" : " since " + since, what));
}

void say_what_was_lost(Daemon& daemon) {
  if (const Answer<Json> evidence = daemon.evidence()) say_what_was_lost(*evidence);
}

}  // namespace drywall::cli
