// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <vector>

// What the bench programs measure with: wall time, and the peak of memory of one piece of work.

namespace drywall::bench {

inline double milliseconds(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

inline double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values.at(values.size() / 2);
}

/// Others' work makes numbers worse: said with them.
inline void print_load() {
  double load = 0;
  if (getloadavg(&load, 1) == 1)
    fmt::print("load average {:.1f}, {} processors\n", load, sysconf(_SC_NPROCESSORS_ONLN));
}

/// What one process did.
struct Outcome {
  std::vector<double> numbers;  // as the work returned them
  double peak_mib = 0;          // ru_maxrss
};

/// Waits for `child`; throws if it did not end well.
inline double peak_mib_of(pid_t child) {
  int status = 0;
  rusage usage{};
  if (wait4(child, &status, 0, &usage) != child) throw std::runtime_error("wait4 failed");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw std::runtime_error("a measured process failed");
  return static_cast<double>(usage.ru_maxrss) / 1024;  // from KiB
}

/// Does the work in a process of its own, so that its peak of memory is its own. The caller should be small: what it
/// holds counts too.
inline Outcome in_child(const std::function<std::vector<double>()>& work) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("pipe failed");
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    close(ends[0]);
    int failed = 0;
    try {
      for (const double number : work()) {
        if (write(ends[1], &number, sizeof number) != sizeof number) failed = 1;
      }
    } catch (const std::exception& error) {
      fmt::print(stderr, "{}\n", error.what());
      failed = 1;
    }
    _exit(failed);
  }
  close(ends[1]);
  Outcome outcome;
  for (double number = 0; read(ends[0], &number, sizeof number) == sizeof number;) outcome.numbers.push_back(number);
  close(ends[0]);
  outcome.peak_mib = peak_mib_of(child);
  return outcome;
}

/// The medians, number by number, of several processes that do the same.
inline Outcome medians(int rounds, const std::function<Outcome()>& round) {
  std::vector<Outcome> outcomes;
  for (int i = 0; i < rounds; ++i) outcomes.push_back(round());
  const auto median_of = [&](const std::function<double(const Outcome&)>& number) {
    std::vector<double> values;
    for (const Outcome& outcome : outcomes) values.push_back(number(outcome));
    return median(values);
  };
  Outcome result;
  for (std::size_t i = 0; i < outcomes.front().numbers.size(); ++i) {
    result.numbers.push_back(median_of([&](const Outcome& outcome) { return outcome.numbers.at(i); }));
  }
  result.peak_mib = median_of([](const Outcome& outcome) { return outcome.peak_mib; });
  return result;
}

}  // namespace drywall::bench
