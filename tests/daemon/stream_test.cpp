// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>

namespace drywall {
namespace {

using std::chrono::milliseconds;

FlowRecord record(std::uint16_t port) {
  FlowRecord out;
  out.protocol = protocol::tcp;
  out.destination_port = port;
  return out;
}

std::string line(std::uint16_t port) {
  return to_json(record(port)) + "\n";
}

/// What is in the pipe now; the loop runs meanwhile.
class Streams : public ::testing::Test {
 protected:
  Streams() : loop_(EventLoop::open().value()), streams_(loop_) {}

  void run_for(milliseconds time) {
    EventLoop::Source timer = loop_.timer([this] { finished_ = true; });
    timer.restart(time);
    finished_ = false;
    while (!finished_) loop_.run_once();
  }
  struct Read {
    std::string text;
    bool ended = false;
  };
  Read read_all(const Descriptor& fd) {
    fcntl(fd.get(), F_SETFL, O_RDONLY | O_NONBLOCK);
    Read out;
    std::array<char, 65536> buffer;
    for (int idle = 0; idle < 3 && !out.ended;) {
      const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
      if (got > 0) out.text.append(buffer.data(), static_cast<std::size_t>(got));
      if (got == 0) out.ended = true;
      if (got > 0) {
        idle = 0;
        continue;
      }
      run_for(milliseconds(5));
      ++idle;
    }
    return out;
  }
  Descriptor open(std::vector<FlowRecord> backlog, Follow follow, FlowFilter filter = {}) {
    auto opened = streams_.open(std::move(backlog), std::move(filter), follow);
    if (!opened) ADD_FAILURE() << opened.error();
    return opened ? std::move(*opened) : Descriptor();
  }

  EventLoop loop_;
  FlowStreams streams_;
  bool finished_ = false;
};

TEST_F(Streams, GiveTheBacklogAndEnd) {
  const Descriptor fd = open({record(1), record(2)}, Follow::no);
  const Read read = read_all(fd);
  EXPECT_EQ(read.text, line(1) + line(2));
  EXPECT_TRUE(read.ended);
  EXPECT_FALSE(streams_.has_followers());
}

TEST_F(Streams, GoOnWithWhatFitsTheFilter) {
  FlowFilter filter;
  filter.ports = {2};
  const Descriptor fd = open({record(2)}, Follow::yes, filter);
  streams_.publish({record(1), record(2)});
  const Read read = read_all(fd);
  EXPECT_EQ(read.text, line(2) + line(2));
  EXPECT_FALSE(read.ended);
  EXPECT_TRUE(streams_.has_followers());
}

TEST_F(Streams, EndWithTheirReader) {
  { const Descriptor fd = open({}, Follow::yes); }
  run_for(milliseconds(20));
  EXPECT_FALSE(streams_.has_followers());
}

TEST_F(Streams, CutOffAReaderThatDoesNotReadAndTellItSo) {
  const Descriptor fd = open({}, Follow::yes);
  const std::vector<FlowRecord> many(5000, record(1));
  for (int i = 0; i < 10; ++i) {
    streams_.publish(many);
    run_for(milliseconds(1));
  }
  const Read read = read_all(fd);
  EXPECT_TRUE(read.ended);
  EXPECT_NE(read.text.find("\"lost\":"), std::string::npos);
  EXPECT_TRUE(read.text.ends_with("}\n"));
  const auto lines = std::ranges::count(read.text, '\n');
  EXPECT_GT(lines, 1000);
  EXPECT_LT(lines, 50'000);
}

TEST_F(Streams, AreNotWithoutNumber) {
  std::vector<Descriptor> readers;
  for (int i = 0; i < 32; ++i) readers.push_back(open({}, Follow::yes));
  EXPECT_FALSE(streams_.open({}, {}, Follow::yes));
  readers.pop_back();
  run_for(milliseconds(20));
  EXPECT_TRUE(streams_.open({}, {}, Follow::yes));
}

TEST_F(Streams, DoNotWaitForOneThatIsSlow) {
  const Descriptor slow = open(std::vector<FlowRecord>(20'000, record(1)), Follow::no);
  const Descriptor quick = open({record(2)}, Follow::no);
  run_for(milliseconds(50));
  EXPECT_EQ(read_all(quick).text, line(2));
}

}  // namespace
}  // namespace drywall
