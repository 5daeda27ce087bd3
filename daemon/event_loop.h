// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "policy/result.h"

struct sd_event;
struct sd_event_source;

namespace drywall {

/// One thread's event loop (sd-event). Handlers may add and drop sources, their own included; what they throw is handed
/// to `on_exception` and ends there.
class EventLoop {
 public:
  /// Keeps its handler registered for as long as it lives.
  class Source {
   public:
    Source() = default;
    Source(Source&&) noexcept;
    Source& operator=(Source&&) noexcept;
    ~Source();
    [[nodiscard]] explicit operator bool() const { return source_ != nullptr; }
    /// Of an io source: EPOLLIN, EPOLLOUT or none; errors and hang-ups come always.
    void set_events(std::uint32_t events);
    /// Of a timer: once more, so long from now.
    void restart(std::chrono::microseconds after);
    void stop();
    /// Called each time before the loop waits.
    void before_wait(std::function<void()> prepare);

   private:
    friend class EventLoop;
    struct Handler;
    void drop();
    sd_event_source* source_ = nullptr;
    std::shared_ptr<Handler> handler_;
  };

  /// Blocks the signals that `on_signal` will be asked for and lets the service manager's watchdog, if any, be fed.
  [[nodiscard]] static Result<EventLoop> open();
  EventLoop(EventLoop&&) noexcept = default;
  EventLoop& operator=(EventLoop&&) noexcept = default;
  ~EventLoop() = default;

  void on_exception(std::function<void(const char*)> report) { *report_ = std::move(report); }

  /// `fd` must outlive the source.
  [[nodiscard]] Source on_io(int fd, std::uint32_t events, std::function<void(std::uint32_t)> handle);
  [[nodiscard]] Source on_readable(int fd, std::function<void()> handle);
  /// Does nothing until `restart`; then once.
  [[nodiscard]] Source timer(std::function<void()> handle);
  [[nodiscard]] Source every(std::chrono::microseconds interval, std::function<void()> handle);
  [[nodiscard]] Source on_signal(int signal, std::function<void()> handle);

  /// Until `stop`.
  void run();
  /// Waits for something and handles it.
  void run_once();
  void stop();

 private:
  struct Unreference {
    void operator()(sd_event* event) const;
  };
  using Report = std::function<void(const char*)>;
  explicit EventLoop(sd_event* event) : event_(event), report_(std::make_shared<Report>()) {}
  std::shared_ptr<Source::Handler> handler() const;

  std::unique_ptr<sd_event, Unreference> event_;
  std::shared_ptr<Report> report_;
};

}  // namespace drywall
