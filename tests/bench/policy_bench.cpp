// SPDX-License-Identifier: GPL-2.0-or-later
// What a large directory costs from text to both worlds' plans, beside yaml-cpp reading the same text; and what a
// question costs, beside the plain walk over all rules.
#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <random>
#include <string>
#include <vector>

#include "policy/classifier.h"
#include "policy/compile.h"
#include "policy/evaluate.h"
#include "policy/lint.h"
#include "policy/parse.h"
#include "policy/path.h"
#include "tests/bench/measure.h"

namespace drywall::bench {
namespace {

constexpr int rounds = 5;
constexpr std::size_t policies_in_file = 100;
constexpr std::size_t rules_in_policy = 10;
constexpr std::size_t namespaces = 20;
constexpr std::size_t workloads = 400;
constexpr std::size_t network_sets = 100;
constexpr std::size_t apps = 200;  // values of the label that most selectors ask about

using Files = std::vector<yaml::SourceFile>;

/// The same everywhere: the standard's engine is exact, its distributions are not.
class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::size_t below(std::size_t bound) { return engine_() % bound; }
  std::uint32_t bits() { return static_cast<std::uint32_t>(engine_()); }

 private:
  std::mt19937 engine_;
};

/// Text of a directory with policies of all sorts that people write.
class Directory {
 public:
  explicit Directory(unsigned seed) : random_(seed) {}

  /// `app`: how many values the label has that selects whom a policy governs; 1: every policy governs everybody.
  Files make(std::size_t policies, std::size_t app) {
    apps_governed_ = app;
    Files files{{"population.yaml", population()}};
    for (std::size_t first = 0; first < policies; first += policies_in_file) {
      std::string text;
      for (std::size_t i = first; i < std::min(policies, first + policies_in_file); ++i) text += policy(i);
      files.push_back({fmt::format("policies-{:04}.yaml", first / policies_in_file), std::move(text)});
    }
    return files;
  }

 private:
  static std::string population() {
    std::string text;
    for (std::size_t i = 0; i < namespaces; ++i) {
      text += fmt::format(
          "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: ns-{}\n  labels:\n    team: team-{}\n", i, i % 5);
    }
    for (std::size_t i = 0; i < workloads; ++i) {
      text += fmt::format(
          "---\napiVersion: projectcalico.org/v3\nkind: WorkloadEndpoint\nmetadata:\n  name: w-{0}\n"
          "  namespace: ns-{1}\n  labels:\n    app: app-{2}\n    zone: zone-{3}\nspec:\n  node: node-1\n"
          "  interfaceName: cali{0}\n  ipNetworks: [10.{4}.{5}.1/32]\n  profiles: [kns.ns-{1}]\n"
          "  ports:\n    - name: http\n      protocol: TCP\n      port: 8080\n",
          i, i % namespaces, i % apps, i % 7, i / 200, i % 200);
    }
    for (std::size_t i = 0; i < network_sets; ++i) {
      text += fmt::format(
          "---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\nmetadata:\n  name: set-{0}\n  labels:\n"
          "    set: set-{0}\nspec:\n  nets:\n    - 172.16.{0}.0/24\n    - 192.168.{0}.0/25\n    - 2001:db8:{0}::/48\n",
          i);
    }
    return text;
  }

  std::string policy(std::size_t number) {
    const std::size_t app = number % apps_governed_;
    const std::string subject = apps_governed_ == 1 ? "all()" : fmt::format("app == 'app-{}'", app);
    const double order = static_cast<double>(random_.below(1000));
    std::string text;
    switch (number % 10) {
      case 6:
      case 7:
        text = fmt::format(
            "---\napiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata:\n  name: p-{}\n"
            "  namespace: ns-{}\nspec:\n  order: {}\n  selector: {}\n",
            number, app % namespaces, order, subject);
        break;
      case 8:
      case 9:
        text = fmt::format(
            "---\napiVersion: projectcalico.org/v3\nkind: StagedGlobalNetworkPolicy\nmetadata:\n  name: p-{}\nspec:\n"
            "  stagedAction: Set\n  order: {}\n  selector: {}\n",
            number, order, subject);
        break;
      default:
        text = fmt::format(
            "---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata:\n  name: p-{}\nspec:\n"
            "  order: {}\n  selector: {} && zone != 'zone-9'\n",
            number, order, subject);
    }
    text += "  types: [Ingress, Egress]\n  ingress:\n";
    for (std::size_t i = 0; i < rules_in_policy / 2; ++i) text += rule("source");
    text += "  egress:\n";
    for (std::size_t i = 0; i < rules_in_policy / 2; ++i) text += rule("destination");
    return text;
  }

  std::string block() { return fmt::format("10.{}.{}.0/24", random_.below(256), random_.below(256)); }

  std::string rule(std::string_view peer) {
    const std::string_view action = random_.below(4) == 0 ? "Deny" : "Allow";
    const bool egress = peer == "destination";
    std::string text = fmt::format("    - action: {}\n", action);
    std::string ports = fmt::format("        ports: [{}]\n", 1 + random_.below(9000));
    std::string criteria;
    switch (random_.below(8)) {
      case 0:
        text += "      protocol: TCP\n";
        criteria = fmt::format("        selector: app == 'app-{}'\n", random_.below(apps));
        break;
      case 1:
        text += "      protocol: TCP\n";
        criteria = fmt::format("        nets: [{}, {}]\n", block(), block());
        ports =
            fmt::format("        ports: [{0}, \"{1}:{2}\"]\n", 1 + random_.below(1000), 2000, 2010 + random_.below(9));
        break;
      case 2:
        text += "      protocol: UDP\n";
        criteria = fmt::format(
            "        namespaceSelector: team == 'team-{}'\n        selector: zone in {{'zone-1', 'zone-{}'}}\n",
            random_.below(5), random_.below(7));
        break;
      case 3:
        text += "      protocol: UDP\n";
        criteria = fmt::format("        notNets: [{}]\n", block());
        break;
      case 4:
        text += "      protocol: TCP\n";
        criteria = fmt::format("        namespaceSelector: global()\n        selector: set == 'set-{}'\n",
                               random_.below(network_sets));
        break;
      case 5:
        text += "      protocol: TCP\n";
        criteria = fmt::format("        selector: app == 'app-{}'\n", random_.below(apps));
        ports = "        ports: [http]\n";
        break;
      case 6:
        text += fmt::format("      protocol: ICMP\n      icmp:\n        type: {}\n", random_.below(40));
        criteria = fmt::format("        nets: [{}]\n", block());
        ports.clear();
        break;
      default:
        text += "      protocol: SCTP\n";
        criteria = fmt::format("        nets: [\"2001:db8:{:x}::/48\"]\n", random_.below(65536));
    }
    text += fmt::format("      {}:\n{}", peer, criteria);
    if (!ports.empty()) text += egress ? ports : "      destination:\n" + ports;
    return text;
  }

  Random random_;
  std::size_t apps_governed_ = apps;
};

Host host() {
  Host made;
  made.failsafe_inbound = default_failsafe_inbound();
  made.failsafe_outbound = default_failsafe_outbound();
  return made;
}

Inventory inventory_of(const Files& files) {
  Parsed parsed = parse(files);
  if (has_errors(parsed.diagnostics)) throw std::runtime_error(to_string(parsed.diagnostics.front()));
  return std::move(parsed.inventory);
}

/// load, parse, lint, compile enforced, compile pending, all but load, warnings
std::vector<double> our_road(const Files& files) {
  const double load = milliseconds([&] {
    for (const yaml::SourceFile& file : files) (void)yaml::load(file);
  });
  Inventory inventory;
  const double parsing = milliseconds([&] { inventory = inventory_of(files); });
  Diagnostics warnings;
  const double linting = milliseconds([&] { warnings = lint(inventory); });
  Plan enforced;
  Plan pending;
  const double enforcing = milliseconds([&] { enforced = compile(inventory, host(), World::enforced); });
  const double previewing = milliseconds([&] { pending = compile(inventory, host(), World::pending); });
  return {load,
          parsing,
          linting,
          enforcing,
          previewing,
          parsing + linting + enforcing + previewing,
          static_cast<double>(warnings.size())};
}

/// As `make(...)` in a child, whose memory then holds the text but nothing else of ours.
Files large_directory() {
  return Directory(1).make(10'000, apps);
}

void measure_directory() {
  const Outcome ours = medians(rounds, [] { return in_child([] { return our_road(large_directory()); }); });
  const Outcome theirs = medians(rounds, [] {
    return in_child([] {
      const Files files = large_directory();
      std::size_t bytes = 0;
      for (const yaml::SourceFile& file : files) bytes += file.text.size();
      std::size_t documents = 0;
      const double load = milliseconds([&] {
        for (const yaml::SourceFile& file : files) documents += YAML::LoadAll(file.text).size();
      });
      return std::vector<double>{load, static_cast<double>(bytes), static_cast<double>(documents)};
    });
  });
  fmt::print("10,000 policies with {} rules each: {:.1f} MiB of YAML, {:.0f} documents; medians of {}\n",
             rules_in_policy, theirs.numbers[1] / (1 << 20), theirs.numbers[2], rounds);
  const auto row = [](std::string_view what, double ms) { fmt::print("  {:<46} {:9.1f} ms\n", what, ms); };
  row("load: YAML to nodes", ours.numbers[0]);
  row("parse: load, check, to values", ours.numbers[1]);
  row(fmt::format("lint ({:.0f} warnings)", ours.numbers[6]), ours.numbers[2]);
  row("compile, enforced world", ours.numbers[3]);
  row("compile, pending world", ours.numbers[4]);
  fmt::print("  {:<46} {:9.1f} ms {:7.0f} MiB peak\n", "parse, lint and compile together", ours.numbers[5],
             ours.peak_mib);
  fmt::print("  {:<46} {:9.1f} ms {:7.0f} MiB peak\n", "peer: YAML::LoadAll of yaml-cpp, nodes only", theirs.numbers[0],
             theirs.peak_mib);
  fmt::print("  ratio to the peer: load {:.2f}x as fast; all together {:.2f}x as fast\n\n",
             theirs.numbers[0] / ours.numbers[0], theirs.numbers[0] / ours.numbers[5]);
}

/// Packets between workloads, and between one and the world.
std::vector<Passage> random_packets(std::size_t count) {
  constexpr std::array protocols{protocol::tcp, protocol::udp, protocol::icmp, protocol::sctp};
  Random random(2);
  const auto workload = [&] {
    const std::size_t i = random.below(workloads);
    return Address{Family::v4, 0, (10U << 24U) + (i / 200 << 16U) + (i % 200 << 8U) + 1};
  };
  const auto anybody = [&] { return Address{Family::v4, 0, (10U << 24U) + (random.bits() & 0xFFFFFU)}; };
  std::vector<Passage> packets(count);
  for (Passage& passage : packets) {
    Packet& packet = passage.packet;
    packet.source = random.below(2) == 0 ? workload() : anybody();
    packet.destination = random.below(2) == 0 ? workload() : anybody();
    packet.protocol = protocols[random.below(protocols.size())];
    if (has_ports(packet.protocol)) {
      packet.source_port = static_cast<std::uint16_t>(1024 + random.below(60'000));
      packet.destination_port = static_cast<std::uint16_t>(1 + random.below(9000));
    } else {
      packet.icmp_type = static_cast<std::uint8_t>(random.below(40));
    }
  }
  return packets;
}

/// The same answers by a walk over the rules: the egress of the source's owner, the ingress of the destination's.
std::vector<Decision> walk(const EndpointMap& endpoints, const Packet& packet) {
  std::vector<Decision> decisions;
  const auto judge_leg = [&](const PlannedEndpoint* endpoint, Direction direction) {
    const PlannedLeg* leg = endpoint == nullptr ? nullptr : endpoint->leg(Bucket::normal, direction);
    if (leg != nullptr) decisions.push_back(evaluate(endpoints.plan(), *leg, packet));
  };
  judge_leg(endpoints.owner(packet.source), Direction::egress);
  judge_leg(endpoints.owner(packet.destination), Direction::ingress);
  return decisions;
}

/// Legs, nanoseconds a question by classifier and by walk, policies of a leg.
std::vector<double> question_cost(std::size_t app) {
  constexpr std::size_t questions = 1'000'000;
  constexpr std::size_t walked = 20'000;
  const Inventory inventory = inventory_of(Directory(3).make(1000, app));
  const Plan plan = compile(inventory, host(), World::enforced);
  const EndpointMap endpoints(plan, {});
  const std::vector<Passage> packets = random_packets(questions);
  std::size_t legs = 0;
  Classifier classifier(plan);
  const double indexed = milliseconds([&] {
    for (const Passage& passage : packets) legs += judge(endpoints, classifier, passage).size();
  });
  std::size_t walked_legs = 0;
  const double plain = milliseconds([&] {
    for (std::size_t i = 0; i < walked; ++i) walked_legs += walk(endpoints, packets[i].packet).size();
  });
  for (std::size_t i = 0; i < walked; ++i) {
    const std::vector<JudgedLeg> judged = judge(endpoints, classifier, packets[i]);
    const std::vector<Decision> expected = walk(endpoints, packets[i].packet);
    bool same = judged.size() == expected.size();
    for (std::size_t leg = 0; same && leg < judged.size(); ++leg) same = judged[leg].decision == expected[leg];
    if (!same) throw std::runtime_error("the classifier and the walk disagree");
  }
  std::size_t governing = 0;
  for (const PlannedTier& tier : plan.endpoints.front().leg(Bucket::normal, Direction::ingress)->tiers) {
    governing += tier.policies.size();
  }
  return {indexed / 1000, indexed * 1e6 / questions, plain * 1e6 / walked, static_cast<double>(governing),
          static_cast<double>(legs) / questions};
}

void measure_questions(std::string_view what, std::size_t app) {
  const Outcome cost = medians(rounds, [&] { return in_child([&] { return question_cost(app); }); });
  fmt::print("1,000,000 random packets over 1000 policies, {} ({:.0f} a leg, {:.1f} legs a packet); medians of {}\n",
             what, cost.numbers[3], cost.numbers[4], rounds);
  fmt::print("  {:<46} {:9.2f} s  {:9.0f} ns a packet {:7.0f} MiB peak\n", "Classifier and EndpointMap",
             cost.numbers[0], cost.numbers[1], cost.peak_mib);
  fmt::print("  {:<46} {:9} {:12.0f} ns a packet\n", "evaluate(): the walk (20,000 of them)", "", cost.numbers[2]);
  fmt::print("  ratio: {:.0f}x as fast; the same decisions\n\n", cost.numbers[2] / cost.numbers[1]);
}

}  // namespace
}  // namespace drywall::bench

int main() {
  try {
    drywall::bench::measure_directory();
    drywall::bench::measure_questions("each for some endpoints", drywall::bench::apps / 10);
    drywall::bench::measure_questions("each for all endpoints", 1);
  } catch (const std::exception& error) {
    fmt::print(stderr, "policy_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
