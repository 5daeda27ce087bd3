// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <tuple>

#include "directory/descriptor.h"

namespace drywall::cli {
namespace {

/// A file in memory: whoever writes to it never waits for a reader.
Descriptor memory() {
  return Descriptor(memfd_create("output", MFD_CLOEXEC));
}

std::string contents(const Descriptor& file) {
  std::string text;
  std::array<char, 4096> piece{};
  for (;;) {
    const ssize_t got = pread(file.get(), piece.data(), piece.size(), static_cast<off_t>(text.size()));
    if (got <= 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

std::optional<Ran> run_program(std::vector<std::string> words, const std::string& input) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return std::nullopt;
  Descriptor reading(ends[0]);
  Descriptor writing(ends[1]);
  const Descriptor out = memory();
  const Descriptor err = memory();
  if (!out || !err) return std::nullopt;
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions{};
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, reading.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.get(), STDERR_FILENO);
  pid_t pid = 0;
  const int failed = posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return std::nullopt;
  reading = Descriptor();
  std::ignore = write(writing.get(), input.data(), input.size());
  writing = Descriptor();
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return std::nullopt;
  }
  if (!WIFEXITED(status)) return std::nullopt;
  return Ran{WEXITSTATUS(status), contents(out), contents(err)};
}

}  // namespace drywall::cli
