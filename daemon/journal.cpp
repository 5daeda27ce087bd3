// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/journal.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

// Without this the header's macros add the place in this file to each line.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

namespace drywall {
namespace {

/// True if stderr is the stream that systemd connected to the journal (systemd.exec(5), JOURNAL_STREAM).
bool stderr_is_the_journal() {
  const char* const stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  if (stream == nullptr || fstat(STDERR_FILENO, &status) != 0) return false;
  return fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

int priority_of(LogLevel level) {
  switch (level) {
    case LogLevel::error:
      return LOG_ERR;
    case LogLevel::warning:
      return LOG_WARNING;
    case LogLevel::info:
      return LOG_INFO;
    case LogLevel::debug:
      return LOG_DEBUG;
  }
  return LOG_INFO;
}

}  // namespace

Journal::Journal() : to_journal_(stderr_is_the_journal()) {}

void Journal::write(LogLevel level, std::string_view id, const std::string& message, const Fields& fields) const {
  if (level > level_) return;
  if (!to_journal_) {
    const std::string line = fmt::format("drywalld: {}\n", message);
    std::fwrite(line.data(), 1, line.size(), stderr);  // a closed stderr is nobody's concern
    return;
  }
  std::vector<std::string> texts{fmt::format("MESSAGE={}", message), fmt::format("MESSAGE_ID={}", id),
                                 fmt::format("PRIORITY={}", priority_of(level))};
  for (const auto& [name, value] : fields) texts.push_back(fmt::format("{}={}", name, value));
  std::vector<iovec> parts;
  for (std::string& text : texts) parts.push_back({text.data(), text.size()});
  sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
}

}  // namespace drywall
