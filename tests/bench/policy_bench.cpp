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
constexpr std::size_t apps = 200;  // values of the label that most rules' selectors ask about

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

  /// `groups`: into how many the workloads are cut; each policy governs one of them.
  Files make(std::size_t policies, std::size_t groups) {
    groups_ = groups;
    Files files{{"population.yaml", population()}};
    for (std::size_t first = 0; first < policies; first += policies_in_file) {
      std::string text;
      for (std::size_t i = first; i < std::min(policies, first + policies_in_file); ++i) text += policy(i);
      files.push_back({fmt::format("policies-{:04}.yaml", first / policies_in_file), std::move(text)});
    }
    return files;
  }

 private:
  [[nodiscard]] std::string population() const {
    std::string text;
    for (std::size_t i = 0; i < namespaces; ++i) {
      text += fmt::format(
          "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: ns-{}\n  labels:\n    team: team-{}\n", i, i % 5);
    }
    for (std::size_t i = 0; i < workloads; ++i) {
      text += fmt::format(
          "---\napiVersion: projectcalico.org/v3\nkind: WorkloadEndpoint\nmetadata:\n  name: w-{0}\n"
          "  namespace: ns-{1}\n  labels:\n    app: app-{2}\n    zone: zone-{3}\n    group: group-{6}\nspec:\n  node: "
          "node-1\n"
          "  interfaceName: cali{0}\n  ipNetworks: [10.{4}.{5}.1/32]\n  profiles: [kns.ns-{1}]\n"
          "  ports:\n    - name: http\n      protocol: TCP\n      port: 8080\n",
          i, i % namespaces, i % apps, i % 7, i / 200, i % 200, i % groups_);
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
    const std::string subject = fmt::format("group == 'group-{}'", number % groups_);
    const double order = static_cast<double>(random_.below(1000));
    std::string text;
    switch (number % 10) {
      case 6:
      case 7:
        text = fmt::format(
            "---\napiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata:\n  name: p-{}\n"
            "  namespace: ns-{}\nspec:\n  order: {}\n  selector: {}\n",
            number, number % namespaces, order, subject);
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
  std::size_t groups_ = 1;
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

/// As made in a child, whose memory then holds the text and nothing else of ours.
Files large_directory() {
  return Directory(1).make(10'000, 200);
}

/// Bytes, and the time to read them as YAML and to forget the nodes of each file.
std::vector<double> load(const std::function<void(const yaml::SourceFile&)>& read) {
  const Files files = large_directory();
  std::size_t bytes = 0;
  for (const yaml::SourceFile& file : files) bytes += file.text.size();
  const double spent = milliseconds([&] { std::ranges::for_each(files, read); });
  return {spent, static_cast<double>(bytes)};
}

/// parse, lint, compile enforced, compile pending, all of these; warnings
std::vector<double> whole_road() {
  const Files files = large_directory();
  Inventory inventory;
  const double parsing = milliseconds([&] { inventory = inventory_of(files); });
  Diagnostics warnings;
  const double linting = milliseconds([&] { warnings = lint(inventory); });
  Plan enforced;
  Plan pending;
  const double enforcing = milliseconds([&] { enforced = compile(inventory, host(), World::enforced); });
  const double previewing = milliseconds([&] { pending = compile(inventory, host(), World::pending); });
  const double together = parsing + linting + enforcing + previewing;
  return {parsing, linting, enforcing, previewing, together, static_cast<double>(warnings.size())};
}

void measure_directory() {
  const auto repeated = [](const std::function<std::vector<double>()>& work) {
    return medians(rounds, [&] { return in_child(work); });
  };
  const Outcome loading = repeated([] { return load([](const auto& file) { (void)yaml::load(file); }); });
  const Outcome peer = repeated([] { return load([](const auto& file) { (void)YAML::LoadAll(file.text); }); });
  const Outcome whole = repeated(whole_road);
  fmt::print("10,000 policies with {} rules each: {:.1f} MiB of YAML; medians of {}\n", rules_in_policy,
             loading.numbers[1] / (1 << 20), rounds);
  const auto row = [](std::string_view what, double ms) { fmt::print("  {:<46} {:9.1f} ms\n", what, ms); };
  const auto row_with_peak = [](std::string_view what, double ms, double mib) {
    fmt::print("  {:<46} {:9.1f} ms {:7.0f} MiB peak\n", what, ms, mib);
  };
  row_with_peak("load: YAML to nodes, file by file", loading.numbers[0], loading.peak_mib);
  row_with_peak("peer: YAML::LoadAll of yaml-cpp, likewise", peer.numbers[0], peer.peak_mib);
  row("parse: load, check, to values", whole.numbers[0]);
  row(fmt::format("lint ({:.0f} warnings)", whole.numbers[5]), whole.numbers[1]);
  row("compile, enforced world", whole.numbers[2]);
  row("compile, pending world", whole.numbers[3]);
  row_with_peak("parse, lint and compile together", whole.numbers[4], whole.peak_mib);
  fmt::print("  ratio to the peer: load {:.1f}x as fast, all together {:.1f}x as fast\n\n",
             peer.numbers[0] / loading.numbers[0], peer.numbers[0] / whole.numbers[4]);
}

/// Packets between workloads, and between one and the world.
///   strangers  how many addresses the world has; a power of two
std::vector<Passage> random_packets(std::size_t count, std::uint32_t strangers) {
  constexpr std::array protocols{protocol::tcp, protocol::udp, protocol::icmp, protocol::sctp};
  Random random(2);
  const auto workload = [&] {
    const std::size_t i = random.below(workloads);
    return Address{Family::v4, 0, (10U << 24U) + (i / 200 << 16U) + (i % 200 << 8U) + 1};
  };
  // Spread over 10.0.0.0/8, so that the blocks of the rules hold some of them.
  const auto anybody = [&] {
    const std::uint32_t stranger = random.bits() & (strangers - 1);
    return Address{Family::v4, 0, (10U << 24U) + stranger * (0x1000000U / strangers)};
  };
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

struct Questions {
  std::string_view what;
  std::size_t groups;       // see Directory::make
  std::uint32_t strangers;  // see random_packets
};

/// Nanoseconds a packet by classifier, and by walk; policies of a leg; legs of a packet.
std::vector<double> question_cost(const Questions& questions) {
  constexpr std::size_t asked = 1'000'000;
  constexpr std::size_t walked = 20'000;
  const Inventory inventory = inventory_of(Directory(3).make(1000, questions.groups));
  const Plan plan = compile(inventory, host(), World::enforced);
  const EndpointMap endpoints(plan, {});
  const std::vector<Passage> packets = random_packets(asked, questions.strangers);
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
    const bool same = std::ranges::equal(judged, expected, {}, &JudgedLeg::decision);
    if (!same) throw std::runtime_error("the classifier and the walk disagree");
  }
  std::size_t governing = 0;
  for (const PlannedTier& tier : plan.endpoints.front().leg(Bucket::normal, Direction::ingress)->tiers) {
    governing += tier.policies.size();
  }
  return {indexed * 1e6 / asked, plain * 1e6 / walked, static_cast<double>(governing),
          static_cast<double>(legs) / asked};
}

void measure_questions(const Questions& questions) {
  constexpr int question_rounds = 3;
  const Outcome cost = medians(question_rounds, [&] { return in_child([&] { return question_cost(questions); }); });
  fmt::print("1,000,000 random packets, 1000 policies, {}; medians of {}\n", questions.what, question_rounds);
  fmt::print("  {:.0f} policies of {} rules a leg, {:.1f} legs a packet\n", cost.numbers[2], rules_in_policy / 2,
             cost.numbers[3]);
  fmt::print("  {:<46} {:9.0f} ns a packet {:7.0f} MiB peak\n", "Classifier and EndpointMap", cost.numbers[0],
             cost.peak_mib);
  fmt::print("  {:<46} {:9.0f} ns a packet\n", "peer: evaluate(), the walk (20,000 of them)", cost.numbers[1]);
  fmt::print("  ratio: {:.2f}x as fast, the same decisions\n\n", cost.numbers[1] / cost.numbers[0]);
}

}  // namespace
}  // namespace drywall::bench

int main() {
  using namespace drywall::bench;
  try {
    print_load();
    measure_directory();
    measure_questions({"each for a twentieth of the endpoints, 4096 strangers", 20, 1U << 12U});
    measure_questions({"each for all endpoints, 4096 strangers", 1, 1U << 12U});
    measure_questions({"each for all endpoints, 1,048,576 strangers", 1, 1U << 20U});
    print_load();
  } catch (const std::exception& error) {
    fmt::print(stderr, "policy_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
