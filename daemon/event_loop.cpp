// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/event_loop.h"

#include <signal.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <limits>
#include <utility>

namespace drywall {

/// Shared by the source and, while it runs, the dispatcher, so that a handler can drop its own source.
struct EventLoop::Source::Handler : std::enable_shared_from_this<Handler> {
  std::function<void(std::uint32_t)> handle;
  std::function<void()> prepare;
  std::chrono::microseconds interval{0};  // of a timer that repeats
  std::shared_ptr<Report> report;

  template <class Call>
  void run(const Call& call) {
    const std::shared_ptr<Handler> alive = shared_from_this();
    try {
      call();
    } catch (const std::exception& exception) {
      if (*report) (*report)(exception.what());
    }
  }
};

namespace {

/// sd-event fails only without memory or when misused.
void must(int result) {
  if (result < 0) std::abort();
}

}  // namespace

EventLoop::Source::Source(Source&& other) noexcept
    : source_(std::exchange(other.source_, nullptr)), handler_(std::move(other.handler_)) {}

EventLoop::Source& EventLoop::Source::operator=(Source&& other) noexcept {
  if (this != &other) {
    drop();
    source_ = std::exchange(other.source_, nullptr);
    handler_ = std::move(other.handler_);
  }
  return *this;
}

EventLoop::Source::~Source() {
  drop();
}

void EventLoop::Source::drop() {
  if (source_ != nullptr) sd_event_source_disable_unref(source_);
  source_ = nullptr;
  handler_.reset();
}

void EventLoop::Source::set_events(std::uint32_t events) {
  // Fails if a library has closed its descriptor already; its owner will find that out by itself.
  sd_event_source_set_io_events(source_, events);
}

void EventLoop::Source::restart(std::chrono::microseconds after) {
  must(
      sd_event_source_set_time_relative(source_, static_cast<std::uint64_t>(std::max(after.count(), std::int64_t{0}))));
  must(sd_event_source_set_enabled(source_, SD_EVENT_ONESHOT));
}

void EventLoop::Source::stop() {
  must(sd_event_source_set_enabled(source_, SD_EVENT_OFF));
}

void EventLoop::Source::before_wait(std::function<void()> prepare) {
  handler_->prepare = std::move(prepare);
  must(sd_event_source_set_prepare(source_, [](sd_event_source*, void* data) {
    auto* const handler = static_cast<Handler*>(data);
    handler->run([handler] { handler->prepare(); });
    return 0;
  }));
}

void EventLoop::Unreference::operator()(sd_event* event) const {
  sd_event_unref(event);
}

Result<EventLoop> EventLoop::open() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  if (sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) return tl::unexpected(Failure{"block", "signals", errno, {}});
  signal(SIGPIPE, SIG_IGN);  // a reader that went away is an error of the write
  sd_event* event = nullptr;
  const int result = sd_event_new(&event);
  if (result < 0) return tl::unexpected(Failure{"start", "the event loop", -result, {}});
  sd_event_set_watchdog(event, 1);
  return EventLoop(event);
}

std::shared_ptr<EventLoop::Source::Handler> EventLoop::handler() const {
  auto handler = std::make_shared<Source::Handler>();
  handler->report = report_;
  return handler;
}

EventLoop::Source EventLoop::on_io(int fd, std::uint32_t events, std::function<void(std::uint32_t)> handle) {
  Source source;
  source.handler_ = handler();
  source.handler_->handle = std::move(handle);
  must(sd_event_add_io(
      event_.get(), &source.source_, fd, events,
      [](sd_event_source*, int, std::uint32_t came, void* data) {
        auto* const handler = static_cast<Source::Handler*>(data);
        handler->run([&] { handler->handle(came); });
        return 0;
      },
      source.handler_.get()));
  return source;
}

EventLoop::Source EventLoop::on_readable(int fd, std::function<void()> handle) {
  return on_io(fd, EPOLLIN, [handle = std::move(handle)](std::uint32_t) { handle(); });
}

EventLoop::Source EventLoop::timer(std::function<void()> handle) {
  Source source;
  source.handler_ = handler();
  source.handler_->handle = [handle = std::move(handle)](std::uint32_t) { handle(); };
  must(sd_event_add_time(
      event_.get(), &source.source_, CLOCK_MONOTONIC, 0, 1000,
      [](sd_event_source* event_source, std::uint64_t, void* data) {
        auto* const handler = static_cast<Source::Handler*>(data);
        if (handler->interval.count() > 0) {
          must(sd_event_source_set_time_relative(event_source, static_cast<std::uint64_t>(handler->interval.count())));
          must(sd_event_source_set_enabled(event_source, SD_EVENT_ONESHOT));
        }
        handler->run([handler] { handler->handle(0); });
        return 0;
      },
      source.handler_.get()));
  source.stop();
  return source;
}

EventLoop::Source EventLoop::every(std::chrono::microseconds interval, std::function<void()> handle) {
  Source source = timer(std::move(handle));
  source.handler_->interval = interval;
  source.restart(interval);
  return source;
}

EventLoop::Source EventLoop::on_signal(int signal, std::function<void()> handle) {
  Source source;
  source.handler_ = handler();
  source.handler_->handle = [handle = std::move(handle)](std::uint32_t) { handle(); };
  must(sd_event_add_signal(
      event_.get(), &source.source_, signal,
      [](sd_event_source*, const signalfd_siginfo*, void* data) {
        auto* const handler = static_cast<Source::Handler*>(data);
        handler->run([handler] { handler->handle(0); });
        return 0;
      },
      source.handler_.get()));
  return source;
}

void EventLoop::run() {
  must(sd_event_loop(event_.get()));
}

void EventLoop::run_once() {
  must(sd_event_run(event_.get(), std::numeric_limits<std::uint64_t>::max()));
}

void EventLoop::stop() {
  must(sd_event_exit(event_.get(), 0));
}

}  // namespace drywall
