// SPDX-License-Identifier: GPL-2.0-or-later
// What it costs to bring rules into the kernel: our road (lower, encode, one batch) beside `nft -f` of the same
// ruleset's text. In a network namespace of its own; needs root, or unprivileged user namespaces for small rulesets.
#include <fmt/format.h>

#include <array>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "daemon/netlink.h"
#include "policy/compile.h"
#include "render/encode.h"
#include "render/lower.h"
#include "render/nft_text.h"
#include "tests/bench/measure.h"
#include "tests/render/kernel.h"
#include "tests/render/plan_builder.h"

namespace drywall::bench {
namespace {

constexpr int rounds = 3;
constexpr std::size_t rules_in_policy = 10;
constexpr std::size_t endpoints = 20;

/// Policies with blocks, ports and a few selectors, one in twenty for each endpoint; IPv4.
class RuleMaker {
 public:
  Inventory make(std::size_t rules) {
    Inventory inventory = test::empty_inventory();
    for (std::size_t i = 0; i < endpoints; ++i) {
      inventory.workload_endpoints.push_back(test::workload_endpoint(fmt::format("w{:02}", i), fmt::format("cali{}", i),
                                                                     {Family::v4, 0, 0x0a000001U + i}));
      inventory.workload_endpoints.back().labels["app"] = fmt::format("app-{}", i);
    }
    for (std::size_t i = 0; i < rules / rules_in_policy; ++i) inventory.policies.push_back(policy(i));
    return inventory;
  }

 private:
  std::size_t below(std::size_t bound) { return random_() % bound; }

  Policy policy(std::size_t number) {
    Policy made = test::global_policy(fmt::format("p{:05}", number), Action::allow);
    made.order = static_cast<double>(number);
    made.selector = Selector::equals("app", fmt::format("app-{}", number % endpoints));
    made.selector_text = made.selector.canonical();
    made.ingress.clear();
    for (std::size_t i = 0; i < rules_in_policy; ++i) made.ingress.push_back(rule());
    return made;
  }

  Rule rule() {
    Rule made = test::rule(below(4) == 0 ? Action::deny : Action::allow);
    made.family = Family::v4;
    made.protocol = below(3) == 0 ? protocol::udp : protocol::tcp;
    const auto port = static_cast<std::uint16_t>(1 + below(9000));
    made.destination.ports.ranges = {{port, static_cast<std::uint16_t>(below(8) == 0 ? port + 9 : port)}};
    if (below(10) == 0) {
      made.source.selector = Selector::equals("app", fmt::format("app-{}", below(endpoints)));
    } else {
      const std::uint64_t base = (10U << 24U) + (below(1U << 16U) << 8U);
      made.source.nets = {{{Family::v4, 0, base}, 24}};
    }
    return made;
  }

  std::mt19937 random_{1};
};

Ruleset ruleset_of(std::size_t rules) {
  const Inventory inventory = RuleMaker().make(rules);
  auto ruleset =
      lower(compile(inventory, test::here(), World::enforced), compile(inventory, test::here(), World::pending), {});
  if (!ruleset) throw std::runtime_error(to_string(ruleset.error().front()));
  return *std::move(ruleset);
}

void send(NftSocket& socket, const Transaction& transaction) {
  if (const auto applied = socket.apply(transaction, {}); !applied) {
    throw std::runtime_error(to_string(applied.error().failure));
  }
}

NftSocket open_socket() {
  Result<NftSocket> socket = NftSocket::open();
  if (!socket) throw std::runtime_error(to_string(socket.error()));
  return *std::move(socket);
}

EncodeOptions options_of(const NftSocket& socket) {
  EncodeOptions options;
  options.first_sequence = socket.next_sequence();
  options.acks_end = socket.acks_end();
  return options;
}

void empty_tables() {
  NftSocket socket = open_socket();
  send(socket, encode_replacement({}, options_of(socket)));
}

/// compile and lower, encode, send in ms; the batch in MiB
std::vector<double> our_road(std::size_t rules) {
  Ruleset ruleset;
  const Inventory inventory = RuleMaker().make(rules);
  Plan enforced;
  Plan pending;
  const double compiling = milliseconds([&] {
    enforced = compile(inventory, test::here(), World::enforced);
    pending = compile(inventory, test::here(), World::pending);
  });
  const double lowering = milliseconds([&] { ruleset = *lower(enforced, pending, {}); });
  NftSocket socket = open_socket();
  Transaction transaction;
  const double encoding = milliseconds([&] { transaction = encode_replacement(ruleset, options_of(socket)); });
  const double sending = milliseconds([&] { send(socket, transaction); });
  return {compiling, lowering, encoding, sending, static_cast<double>(transaction.bytes.size()) / (1 << 20)};
}

/// A file with the ruleset as text, for as long as this lives.
class TextFile {
 public:
  explicit TextFile(std::size_t rules) : path_(fmt::format("/tmp/drywall-bench-{}.nft", getpid())) {
    (void)in_child([&] {
      std::ofstream(path_) << nft_text(ruleset_of(rules));
      return std::vector<double>{};
    });
  }
  ~TextFile() { unlink(path_.c_str()); }
  TextFile(const TextFile&) = delete;
  TextFile& operator=(const TextFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Outcome run_nft(const std::string& path) {
  Outcome outcome;
  const double spent = milliseconds([&] {
    const pid_t child = fork();
    if (child == 0) {
      execlp("nft", "nft", "-f", path.c_str(), nullptr);
      _exit(127);
    }
    outcome.peak_mib = peak_mib_of(child);
  });
  outcome.numbers = {spent};
  return outcome;
}

void measure(std::size_t rules) {
  const Outcome ours = medians(rounds, [&] {
    empty_tables();
    return in_child([&] { return our_road(rules); });
  });
  const TextFile text(rules);
  const Outcome theirs = medians(rounds, [&] {
    empty_tables();
    return run_nft(text.path());
  });
  empty_tables();
  const auto& n = ours.numbers;
  const double loading = n[1] + n[2] + n[3];
  fmt::print("{} rules; medians of {}\n", rules, rounds);
  fmt::print("  {:<46} {:9.1f} ms\n", "compile both worlds (not counted below)", n[0]);
  fmt::print("  {:<46} {:9.1f} ms\n", "lower", n[1]);
  fmt::print("  {:<46} {:9.1f} ms {:9.1f} MiB batch\n", "encode", n[2], n[4]);
  fmt::print("  {:<46} {:9.1f} ms\n", "send, until the kernel has committed", n[3]);
  fmt::print("  {:<46} {:9.1f} ms {:9.0f} MiB peak, policies and plans included\n", "lower, encode and send", loading,
             ours.peak_mib);
  fmt::print("  {:<46} {:9.1f} ms {:9.0f} MiB peak\n", "peer: nft -f of the same ruleset's text", theirs.numbers[0],
             theirs.peak_mib);
  fmt::print("  ratio to the peer: {:.2f}x as fast, {:.2f} of its memory\n\n", theirs.numbers[0] / loading,
             ours.peak_mib / theirs.peak_mib);
}

}  // namespace
}  // namespace drywall::bench

int main() {
  try {
    drywall::test::enter_own_network();
    drywall::bench::print_load();
    for (const std::size_t rules : {1000U, 10'000U, 50'000U}) drywall::bench::measure(rules);
    drywall::bench::print_load();
  } catch (const std::exception& error) {
    fmt::print(stderr, "render_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
