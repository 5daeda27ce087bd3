// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/watchdog.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>

#include "cli/program.h"
#include "cli/terminal.h"

namespace drywall::cli {
namespace {

constexpr int consoles = 6;                      // /dev/tty1 and on
constexpr std::chrono::milliseconds pause{200};  // between two looks at the record: its deadline can move

std::vector<char*> arguments(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

/// To a terminal whose owner takes messages: its group may write to it (mesg(1)). One that does not take them now gets
/// none.
void say_at(const std::string& terminal, const std::string& text) {
  struct stat status {};
  const Descriptor fd(open(terminal.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd || isatty(fd.get()) == 0 || fstat(fd.get(), &status) != 0 || (status.st_mode & S_IWGRP) == 0) return;
  std::ignore = write(fd.get(), text.data(), text.size());
}

/// Whether it did what it was to do.
bool run(std::vector<std::string> words) {
  const std::optional<Ran> ran = run_program(std::move(words));
  return ran && ran->status == 0;
}

std::vector<std::string> watch_command(const EditPlace& place, const EditRecord& record) {
  return {"/proc/self/exe", "rollback",      "--when-due",  record.id,
          "--policy-dir",   place.directory, "--state-dir", place.state_dir};
}

bool start_unit(std::vector<std::string> command, const std::string& id) {
  if (access("/run/systemd/system", F_OK) != 0) return false;
  std::array<char, 4096> path{};
  if (readlink("/proc/self/exe", path.data(), path.size() - 1) <= 0) return false;
  command[0] = path.data();
  std::vector<std::string> words{"systemd-run",
                                 "--quiet",
                                 "--collect",
                                 "--no-ask-password",
                                 "--description=Rolls back the firewall policy unless it is confirmed",
                                 "--unit=drywall-rollback-" + id.substr(0, 8)};
  if (const char* const bus = std::getenv("DBUS_SYSTEM_BUS_ADDRESS")) {
    words.push_back(std::string("--setenv=DBUS_SYSTEM_BUS_ADDRESS=") + bus);
  }
  words.insert(words.end(), command.begin(), command.end());
  return run(std::move(words));
}

///   follows  the kernel does
std::string rolled_back_text(const EditRecord& record, bool follows) {
  return fmt::format("drywall: {} by {} was not confirmed in time and is rolled back: {}.", record.verb, record.by,
                     follows ? "the policy is what it was before"
                             : "the files are what they were before, but nothing could put them in force");
}

/// Not ended with the session, the terminal or the caller.
Result<void> start_process(std::vector<std::string> command) {
  const auto words = arguments(command);
  const pid_t child = fork();
  if (child < 0) return tl::unexpected(Failure{"start", "the process that rolls back", errno, {}});
  if (child == 0) {
    setsid();
    if (fork() != 0) _exit(0);
    const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(nowhere, fd);
    std::signal(SIGHUP, SIG_IGN);
    if (chdir("/") != 0) _exit(1);
    execv(words[0], words.data());
    _exit(1);
  }
  waitpid(child, nullptr, 0);
  return {};
}

}  // namespace

Result<void> start_watchdog(const EditPlace& place, const EditRecord& record) {
  if (start_unit(watch_command(place, record), record.id)) return {};
  return start_process(watch_command(place, record));
}

Exit watch_edit(const std::string& id, const EditOptions& options) {
  const std::string& state_dir = options.state_dir;
  for (;;) {
    const Result<std::optional<EditRecord>> record = read_edit_record(state_dir);
    const bool is_there = record && *record && (*record)->id == id;
    if (record && (!is_there || (*record)->phase == EditPhase::done)) return Exit::yes;
    if (!record || is_due(**record, boot_time())) break;
    std::this_thread::sleep_for(pause);
  }
  const Result<Descriptor> lock = lock_edits(state_dir, Patience::endless);
  if (!lock) return Exit::no;
  const Result<Recovery> recovery = recover_edit(state_dir);
  if (!recovery || recovery->outcome == Recovery::Outcome::nothing) return Exit::yes;
  say_recovery(*recovery);
  Answer<EditPlace> place = find_place(options, NeedsDaemon::no);
  const bool follows = place && make_kernel_follow(*place, recovery->record);
  if (!follows) say("nothing could put them in force: see journalctl -u drywalld");
  if (recovery->outcome == Recovery::Outcome::rolled_back) tell_everybody(rolled_back_text(recovery->record, follows));
  return follows ? Exit::yes : Exit::no;
}

bool load_once(std::vector<std::string> daemon) {
  if (daemon.empty()) return false;
  daemon.emplace_back("--once");
  return run(std::move(daemon));
}

// Not by wall(1): since util-linux 2.40 it asks logind for terminals, which knows none of a login by ssh.
void tell_everybody(const std::string& text) {
  const std::string said = fmt::format("\r\n\a{}\r\n", harmless(text));
  for (int i = 1; i <= consoles; ++i) say_at("/dev/tty" + std::to_string(i), said);
  std::error_code unreadable;
  for (std::filesystem::directory_iterator at("/dev/pts", unreadable), end; !unreadable && at != end;
       at.increment(unreadable)) {
    if (at->path().filename() != "ptmx") say_at(at->path(), said);
  }
}

}  // namespace drywall::cli
