// SPDX-License-Identifier: GPL-2.0-or-later
// What a change costs: one policy of 1000 edited, stage by stage, beside the same from nothing; one member of a set of
// 100,000, and 50,000 rules at once, beside `nft`. In a network namespace of its own; needs root.

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "daemon/generation.h"
#include "daemon/netlink.h"
#include "daemon/rendering.h"
#include "flow/trace_book.h"
#include "policy/parse.h"
#include "render/encode.h"
#include "render/nft_text.h"
#include "tests/bench/measure.h"
#include "tests/render/kernel.h"

namespace drywall::bench {
namespace {

constexpr int policies = 1000;
constexpr int endpoints = 12;
constexpr int rules = 10;

std::string policy_text(int number, int edit) {
  std::string text = fmt::format(
      "---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata:\n  name: policy-{0}\nspec:\n"
      "  order: {0}\n  selector: role in {{'r{1}', 'r{2}'}}\n  types: [Ingress, Egress]\n  ingress:\n",
      number, number % endpoints, (number + 5) % endpoints);
  for (int rule = 0; rule < rules; ++rule) {
    const int port = 1000 + (number * 7 + rule * 13) % 200 + (rule == 2 ? edit : 0);
    const char* action = rule % 5 == 4 ? "Deny" : "Allow";
    if (rule == 5) text += "  egress:\n";
    if (rule % 3 == 0) {
      text += fmt::format(
          "  - action: {}\n    protocol: TCP\n    source:\n      selector: group == 'g{}'\n"
          "    destination:\n      ports: [{}]\n",
          action, (number + rule) % 20, port);
    } else if (rule % 3 == 1) {
      text += fmt::format(
          "  - action: {}\n    protocol: UDP\n    source:\n      nets: [10.{}.{}.0/24]\n"
          "    destination:\n      ports: [{}, {}:{}]\n",
          action, number % 200, rule, port, port + 10, port + 20);
    } else {
      text += fmt::format(
          "  - action: {}\n    protocol: TCP\n    source:\n      nets: [10.{}.{}.0/24, 192.168.{}.0/24]\n"
          "    destination:\n      ports: [{}]\n",
          action, number % 200, rule, number % 250, port);
    }
  }
  return text;
}

std::string hosts_text() {
  std::string text;
  for (int i = 0; i < endpoints; ++i) {
    text += fmt::format(
        "---\napiVersion: projectcalico.org/v3\nkind: HostEndpoint\nmetadata: {{name: host-{0}, labels: {{role: "
        "r{0}}}}}\n"
        "spec: {{node: node1, interfaceName: eth{0}, expectedIPs: [10.250.0.{0}]}}\n",
        i);
  }
  for (int i = 0; i < 20; ++i) {
    text += fmt::format(
        "---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\nmetadata: {{name: set-{0}, labels: {{group: "
        "g{0}}}}}\n"
        "spec: {{nets: [172.16.{0}.1, 172.16.{0}.2, 172.17.{0}.0/24]}}\n",
        i);
  }
  return text;
}

/// 1000 policies in so many files, and endpoints and sets, that are edited one policy after the other.
class Directory {
 public:
  explicit Directory(int files) : files_(files) {
    list_.push_back(yaml::SourceFile{"p/endpoints.yaml", hosts_text()});
    for (int file = 0; file < files; ++file) list_.push_back(file_of(file));
  }
  [[nodiscard]] const SharedList<yaml::SourceFile>& list() const { return list_; }
  /// Only the file of that policy is another object afterwards.
  void edit(int policy) {
    ++edits_[policy];
    const int file = policy * files_ / policies;
    list_.edit(static_cast<std::size_t>(file) + 1, [&](yaml::SourceFile& text) { text = file_of(file); });
  }

 private:
  [[nodiscard]] yaml::SourceFile file_of(int file) const {
    std::string text;
    for (int i = policies * file / files_; i < policies * (file + 1) / files_; ++i) {
      const auto edited = edits_.find(i);
      text += policy_text(i, edited == edits_.end() ? 0 : edited->second);
    }
    return {fmt::format("p/policy-{:04}.yaml", file), std::move(text)};
  }

  int files_;
  SharedList<yaml::SourceFile> list_;
  std::map<int, int> edits_;
};

constexpr int edits = 15;

/// The processor time of one piece of work, the kernel's for it included: on a machine that does nothing else, the time
/// that it takes.
double processor_ms(const std::function<void()>& work) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
  };
  const double begin = now();
  work();
  return now() - begin;
}

Machine machine() {
  Machine made{"node1", {}, {}};
  for (int i = 0; i < endpoints; ++i) made.interfaces.push_back({fmt::format("eth{}", i), {}, {}});
  return made;
}

NftSocket open_socket() {
  Result<NftSocket> socket = NftSocket::open();
  if (!socket) throw std::runtime_error(to_string(socket.error()));
  return *std::move(socket);
}

void send(NftSocket& socket, const Transaction& transaction) {
  if (const auto applied = socket.apply(transaction, {}); !applied)
    throw std::runtime_error(to_string(applied.error().failure));
}

EncodeOptions options_of(const NftSocket& socket) {
  EncodeOptions options;
  options.first_sequence = socket.next_sequence();
  options.acks_end = socket.acks_end();
  options.generation = "bench";
  return options;
}

/// The stages of build(), and what follows, each timed.
struct Stages {
  std::vector<double> parse, compile, lower, rendering, encode, send, book, all;

  void run(const SharedList<yaml::SourceFile>& files, BuildMemo& memo, NftSocket& socket, Ruleset& in_kernel) {
    const Config config;
    Parsed parsed;
    std::shared_ptr<const Plan> enforced;
    std::shared_ptr<const Plan> pending;
    tl::expected<Ruleset, Diagnostics> ruleset;
    Transaction transaction;
    const Host host = host_for(config, machine());
    parse.push_back(processor_ms([&] { parsed = drywall::parse(files, memo.parse); }));
    compile.push_back(processor_ms([&] {
      const auto plan = [&](World world) {
        return std::make_shared<const Plan>(drywall::compile(parsed.inventory, host, world, memo.compile));
      };
      enforced = plan(World::enforced);
      pending = plan(World::pending);
      memo.compile.sweep();
    }));
    lower.push_back(
        processor_ms([&] { ruleset = drywall::lower(*enforced, *pending, render_options(config), memo.lower); }));
    rendering.push_back(processor_ms([&] {
      memo.rendering.replace(memo.ruleset, *ruleset);
      memo.ruleset = *ruleset;
    }));
    encode.push_back(processor_ms([&] { transaction = encode_change(in_kernel, *ruleset, options_of(socket)); }));
    send.push_back(processor_ms([&] { bench::send(socket, transaction); }));
    in_kernel = *ruleset;
    book.push_back(processor_ms([&] { const TraceBook book(1, enforced, pending, parsed.inventory, {}); }));
    all.push_back(parse.back() + compile.back() + lower.back() + rendering.back() + encode.back() + send.back());
  }
};

void print(const char* what, const std::vector<double>& nothing, const std::vector<double>& edited) {
  fmt::print("  {:<44} {:9.1f} ms {:9.2f} ms, at most {:.2f}\n", what, nothing.front(), median(edited),
             *std::ranges::max_element(edited));
}

void measure_policies(int files) {
  NftSocket socket = open_socket();
  send(socket, encode_replacement({}, options_of(socket)));
  BuildMemo memo;
  Ruleset in_kernel;
  Stages nothing;
  Stages edited;
  Directory directory(files);
  nothing.run(directory.list(), memo, socket, in_kernel);
  for (int edit = 0; edit < edits; ++edit) {
    directory.edit((edit * 379 + 1) % policies);
    edited.run(directory.list(), memo, socket, in_kernel);
  }
  fmt::print("1000 policies with {} rules each in {} files, {} rules in the kernel: from nothing, and one edited\n",
             rules, files, count_rules(in_kernel));
  print("parse", nothing.parse, edited.parse);
  print("compile both worlds", nothing.compile, edited.compile);
  print("lower", nothing.lower, edited.lower);
  print("fingerprint", nothing.rendering, edited.rendering);
  print("difference and batch", nothing.encode, edited.encode);
  print("send, until the kernel has committed", nothing.send, edited.send);
  print("all of these", nothing.all, edited.all);
  print("the flow table's book, after the commit", nothing.book, edited.book);
  fmt::print("\n");
  send(socket, encode_replacement({}, options_of(socket)));
}

double nft(const std::string& arguments) {
  return milliseconds([&] { test::run("nft " + arguments); });
}

Set set_of(std::uint32_t members, std::uint32_t one_more) {
  Set set{"members", {Field::source_address}, false, {}, "bench"};
  for (std::uint32_t i = 0; i < members; ++i) {
    const std::uint32_t address = 0x0a000000U + 2 * i + (i == one_more ? 1 : 0);
    const Bytes bytes{static_cast<std::uint8_t>(address >> 24U), static_cast<std::uint8_t>(address >> 16U),
                      static_cast<std::uint8_t>(address >> 8U), static_cast<std::uint8_t>(address)};
    set.elements.push_back({bytes, bytes});
  }
  return set;
}

/// One member in the place of another, among 100,000 of a set without intervals.
void measure_members() {
  constexpr std::uint32_t members = 100'000;
  const auto ruleset = [&](std::uint32_t changed) {
    Table table;
    table.sets.push_back(set_of(members, changed));
    return Ruleset{{table}};
  };
  NftSocket socket = open_socket();
  Ruleset before = ruleset(members);
  send(socket, encode_replacement(before, options_of(socket)));
  std::vector<double> batch;
  std::vector<double> sent;
  for (std::uint32_t edit = 0; edit < 15; ++edit) {
    const Ruleset after = ruleset(edit * 1000);
    Transaction transaction;
    batch.push_back(processor_ms([&] { transaction = encode_change(before, after, options_of(socket)); }));
    sent.push_back(processor_ms([&] { send(socket, transaction); }));
    before = after;
  }
  std::vector<double> theirs;
  for (int edit = 0; edit < 5; ++edit)
    theirs.push_back(nft(fmt::format("add element ip drywall members {{ 10.200.0.{} }}", edit)));
  fmt::print("one member of a set of {} changed\n", members);
  fmt::print("  {:<44} {:9.2f} ms\n", "difference and batch", median(batch));
  fmt::print("  {:<44} {:9.3f} ms, at most {:.3f}\n", "send, until the kernel has committed", median(sent),
             *std::ranges::max_element(sent));
  fmt::print("  {:<44} {:9.1f} ms\n", "peer: nft add element", median(theirs));
  fmt::print("  ratio to the peer: {:.0f}x as fast\n\n", median(theirs) / (median(batch) + median(sent)));
  send(socket, encode_replacement({}, options_of(socket)));
}

/// All rules in the place of as many others, in one transaction, while they are in force.
void measure_replacement() {
  const auto ruleset = [](std::uint8_t net) {
    Table table;
    NftRule<Stance::enforce> rule;
    rule.matches = {FieldIs{Field::source_address, Compare::equal, {255, 255, 255, 0}, {10, net, 0, 0}},
                    FieldIs{Field::l4_protocol, Compare::equal, {}, {6}},
                    FieldIs{Field::destination_port, Compare::equal, {}, {0, 80}}};
    rule.counter = true;
    rule.end = Continue{};
    NftRule<Stance::enforce> jump;
    std::vector<NftRule<Stance::enforce>> jumps;
    for (int policy = 0; policy < 5000; ++policy) {
      Chain<Stance::enforce> chain{{fmt::format("p{}", policy)}, std::nullopt, {}};
      for (std::uint8_t i = 0; i < rules; ++i) {
        std::get<FieldIs>(rule.matches[0]).value[2] = i;
        chain.rules.push_back(rule);
      }
      jump.end = Jump<Stance::enforce>{chain.name};
      jumps.push_back(jump);
      table.enforce.chains.push_back(std::move(chain));
    }
    table.enforce.chains.push_back(Chain<Stance::enforce>{{"base"}, BaseHook{Hook::input, 0}, jumps});
    return Ruleset{{table}};
  };
  const std::array rulesets{ruleset(1), ruleset(2)};
  const std::string path = fmt::format("/tmp/drywall-bench-{}.nft", getpid());
  NftSocket socket = open_socket();
  std::vector<double> ours;
  std::vector<double> theirs;
  for (std::size_t round = 0; round < 5; ++round) {
    const Ruleset& next = rulesets[round % 2];
    ours.push_back(milliseconds([&] { send(socket, encode_replacement(next, options_of(socket))); }));
    std::ofstream(path) << nft_text(next);
    theirs.push_back(nft("-f " + path));
  }
  unlink(path.c_str());
  fmt::print("50,000 rules replaced by others in one transaction, and 5000 chains\n");
  fmt::print("  {:<44} {:9.0f} ms\n", "encode and send", median(ours));
  fmt::print("  {:<44} {:9.0f} ms\n", "peer: nft -f of the same ruleset's text", median(theirs));
  fmt::print("  ratio to the peer: {:.1f}x as fast\n\n", median(theirs) / median(ours));
  send(socket, encode_replacement({}, options_of(socket)));
}

}  // namespace
}  // namespace drywall::bench

int main() {
  using namespace drywall::bench;
  try {
    drywall::test::enter_own_network();
    print_load();
    measure_policies(1000);
    measure_policies(4);
    measure_members();
    measure_replacement();
    print_load();
  } catch (const std::exception& error) {
    fmt::print(stderr, "change_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
