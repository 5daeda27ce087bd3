// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/differential/random_documents.h"

#include <fmt/format.h>

#include <algorithm>

#include "tests/differential/random_rules.h"
#include "tests/differential/random_selectors.h"
#include "tests/differential/random_source.h"

namespace drywall::test {
namespace {

constexpr const char* calico = "projectcalico.org/v3";

class RandomDocuments {
 public:
  RandomDocuments(std::uint64_t seed, EarlyPolicies early)
      : random_(seed), selectors_(random_), rules_(random_), early_(early) {}

  Documents make() {
    add_tiers();
    add_namespaces();
    add_profiles();
    add_host_endpoints();
    add_workloads();
    add_network_sets();
    add_services();
    if (random_.chance(3)) add_felix_configuration();
    RandomPolicies policies(random_, tiers_, early_);
    const std::size_t count = 1 + random_.below(9);
    for (std::size_t i = 0; i < count; ++i) documents_.push_back(policies.next());
    return std::move(documents_);
  }

 private:
  YamlValue metadata(std::string_view name) { return mapping({{"name", text(name)}}); }

  YamlValue metadata_in(std::string_view ns, std::string_view name) {
    YamlValue made = metadata(name);
    if (ns != "default" || random_.chance(2)) made.set("namespace", text(ns));
    return made;
  }

  YamlValue& add(const char* api_version, const char* kind, YamlValue metadata) {
    documents_.push_back(
        mapping({{"apiVersion", text(api_version)}, {"kind", text(kind)}, {"metadata", std::move(metadata)}}));
    return documents_.back();
  }

  void add_tiers() {
    for (const char* name : {"alpha", "beta", "gamma"}) {
      if (random_.chance(3)) continue;
      tiers_.emplace_back(name);
      YamlValue spec;
      if (!random_.chance(4)) spec.set("order", plain(random_.pick({"-5", "0", "1", "1", "999.5", "1000", "2e6"})));
      if (!random_.chance(3)) spec.set("defaultAction", text(random_.pick({"Deny", "Pass", "Pass"})));
      add(calico, "Tier", metadata(name)).set("spec", std::move(spec));
    }
    tiers_.insert(tiers_.end(), {"default", "kube-admin", "kube-baseline"});
    if (random_.chance(10)) {
      add(calico, "Tier", metadata("kube-admin"))
          .set("spec", mapping({{"order", plain(1000)}, {"defaultAction", text("Pass")}}));
    }
  }

  void add_namespaces() {
    for (const char* name : {"default", "prod"}) {
      if (random_.chance(6)) continue;  // a namespace that nobody declares exists all the same
      YamlValue meta = metadata(name);
      if (!random_.chance(4)) meta.set("labels", selectors_.labels(Labelled::namespaces));
      add("v1", "Namespace", std::move(meta));
    }
    for (const char* ns : {"default", "prod"}) {
      if (random_.chance(3)) continue;
      YamlValue meta = metadata_in(ns, "robot");
      meta.set("labels", selectors_.labels(Labelled::accounts));
      add("v1", "ServiceAccount", std::move(meta));
    }
  }

  void add_profiles() {
    add(calico, "Profile", metadata("open"))
        .set("spec", mapping({{"ingress", list({mapping({{"action", text("Allow")}})})},
                              {"egress", list({mapping({{"action", text("Allow")}})})}}));
    if (random_.chance(2)) return;
    YamlValue spec;
    if (random_.chance(2)) spec.set("labelsToApply", selectors_.labels());
    for (const Direction direction : {Direction::ingress, Direction::egress}) {
      YamlValue rules = list();
      const std::size_t count = random_.below(3);
      for (std::size_t i = 0; i < count; ++i) rules.add(rules_.calico(RuleWriter::profile, direction));
      spec.set(std::string(to_string(direction)), std::move(rules));
    }
    add(calico, "Profile", metadata("mixed")).set("spec", std::move(spec));
  }

  /// "missing" is defined nowhere: it denies.
  YamlValue profiles(std::vector<std::string> more) {
    std::vector<std::string> names{"open", "open", "mixed", "missing", "projectcalico-default-allow"};
    names.insert(names.end(), more.begin(), more.end());
    names = random_.some(std::move(names), random_.below(4));
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return texts(names);
  }

  YamlValue named_ports(bool with_host_port) {
    YamlValue made = list();
    for (const char* name : {"web", "dns"}) {
      if (random_.chance(2)) continue;
      YamlValue port = mapping({{"name", text(name)},
                                {"protocol", rules_.transport_name()},
                                {"port", plain(random_.pick<std::int64_t>({53, 80, 80, 1000, 8080}))}});
      if (with_host_port && random_.chance(5)) {
        port.set("hostPort", plain(8081));
        port.set("hostIP", test::quoted("203.0.113.1"));
      }
      made.add(std::move(port));
    }
    return made;
  }

  void add_host_endpoint(std::string_view name, YamlValue spec) {
    YamlValue meta = metadata(name);
    meta.set("labels", selectors_.labels());
    if (spec.find("node") == nullptr) spec.set("node", text("here"));
    if (!random_.chance(3)) spec.set("profiles", profiles({}));
    if (random_.chance(3)) spec.set("ports", named_ports(false));
    add(calico, "HostEndpoint", std::move(meta)).set("spec", std::move(spec));
  }

  /// By name, by address (one for two links), all others; and some that compete for the same.
  void add_host_endpoints() {
    const auto named = [](const char* interface) { return mapping({{"interfaceName", text(interface)}}); };
    const auto by_address = [](const std::vector<std::string>& addresses) {
      YamlValue ips = list();
      for (const std::string& address : addresses) ips.add(test::quoted(address));
      return mapping({{"expectedIPs", std::move(ips)}});
    };
    if (!random_.chance(3)) {
      YamlValue spec = named("eth0");
      if (random_.chance(3)) spec.set("expectedIPs", list({test::quoted("203.0.113.1"), test::quoted("fd99::1")}));
      add_host_endpoint("uplink", std::move(spec));
    }
    if (random_.chance(5)) add_host_endpoint("a-rival", named("eth0"));
    if (random_.chance(3)) add_host_endpoint("second", named("eth1"));
    if (random_.chance(6)) add_host_endpoint("bridge", named("br0"));
    if (random_.chance(2)) add_host_endpoint("two-links", by_address({"203.0.113.1", "fd98::1"}));
    if (random_.chance(8)) add_host_endpoint("z-late", by_address({"192.0.2.1", "172.16.0.1"}));
    if (random_.chance(2)) add_host_endpoint("others", mapping({{"interfaceName", test::quoted("*")}}));
    if (random_.chance(10)) add_host_endpoint("others-too", mapping({{"interfaceName", test::quoted("*")}}));
    if (random_.chance(4)) {
      YamlValue remote = by_address({"198.51.100.7", "2001:db8::7"});
      remote.set("node", text("elsewhere"));
      add_host_endpoint("remote", std::move(remote));
    }
  }

  void add_workload(const std::string& link, const char* node) {
    const bool bridged = link.starts_with("vnet");
    const std::string number = link.substr(4);
    const std::string v4 = (bridged ? "10.20.0." : "10.0.0.") + number;
    const std::string v6 = (bridged ? "fd20::" : "fd00::") + number;
    const std::string ns = random_.pick({"default", "default", "prod"});
    YamlValue meta = metadata_in(ns, "w" + number);
    meta.set("labels", selectors_.labels());
    YamlValue spec = mapping({{"node", text(node)}, {"interfaceName", text(link)}});
    YamlValue nets = list({test::quoted(v4 + "/32")});
    if (!random_.chance(6)) nets.add(test::quoted(v6 + "/128"));
    spec.set("ipNetworks", std::move(nets));
    if (!random_.chance(4)) spec.set("profiles", profiles({"kns." + ns, "ksa." + ns + ".robot"}));
    if (random_.chance(2)) spec.set("ports", named_ports(true));
    if (random_.chance(4)) spec.set("serviceAccountName", text("robot"));
    if (random_.chance(5)) spec.set("orchestrator", text(random_.pick({"k8s", "openstack"})));
    if (random_.chance(6))
      spec.set("allowSpoofedSourcePrefixes", list({test::quoted("10.5.0.0/16"), test::quoted("fd05::/64")}));
    if (random_.chance(10)) add_unused(spec, v4);
    add(calico, "WorkloadEndpoint", std::move(meta)).set("spec", std::move(spec));
  }

  /// What Calico's network plug-in writes and policy does not need.
  static void add_unused(YamlValue& spec, const std::string& v4) {
    for (const char* key : {"pod", "workload", "endpoint", "containerID"}) spec.set(key, text("some-id"));
    spec.set("ipNATs",
             list({mapping({{"internalIP", test::quoted(v4)}, {"externalIP", test::quoted("203.0.113.77")}})}));
    spec.set("ipv4Gateway", test::quoted("169.254.1.1"));
    spec.set("ipv6Gateway", test::quoted("fe80::1"));
    spec.set("mac", test::quoted("02:00:00:00:00:01"));
  }

  void add_workloads() {
    if (!random_.chance(6)) add_workload("cali1", "here");
    if (!random_.chance(4)) add_workload("cali2", "here");
    if (random_.chance(4)) add_workload("cali3", "here");
    if (random_.chance(3)) add_workload("vnet5", "here");
    if (random_.chance(4)) add_workload("vnet6", "here");
    if (random_.chance(4)) add_workload("cali77", "elsewhere");
  }

  /// Overlapping, adjacent and far apart.
  void add_many_blocks(YamlValue& nets) {
    for (int i = 0; i < 300; ++i) {
      const std::string v4 =
          fmt::format("10.{}.{}.{}/{}", random_.below(12), random_.below(4), random_.below(256), 24 + random_.below(9));
      const std::string v6 =
          fmt::format("fd{:02x}::{:x}/{}", random_.below(8), random_.below(256), 100 + random_.below(29));
      nets.add(test::quoted(random_.chance(2) ? v4 : v6));
    }
  }

  void add_network_sets() {
    const auto add_set = [&](const char* kind, YamlValue meta) {
      meta.set("labels", selectors_.labels());
      YamlValue nets = list(rules_.blocks(Family::v4, random_.below(4)));
      for (YamlValue& block : rules_.blocks(Family::v6, random_.below(3))) nets.add(std::move(block));
      if (random_.chance(15)) add_many_blocks(nets);
      if (random_.chance(3)) nets.add(test::quoted(random_.pick({"198.51.100.7", "2001:db8::7", "10.2.0.9/14"})));
      add(calico, kind, std::move(meta)).set("spec", mapping({{"nets", std::move(nets)}}));
    };
    if (random_.chance(2)) add_set("GlobalNetworkSet", metadata("partners"));
    if (random_.chance(3)) add_set("GlobalNetworkSet", metadata("strangers"));
    if (random_.chance(2)) add_set("NetworkSet", metadata_in(random_.pick({"default", "prod"}), "outside"));
  }

  void add_services() {
    const char* ns = random_.pick({"default", "prod"});
    if (random_.chance(2)) {
      add("v1", "Service", metadata_in(ns, "shop")).set("spec", mapping({{"clusterIP", test::quoted("10.96.0.1")}}));
    }
    if (random_.chance(2)) add_slice(ns, "IPv4", {"10.0.0.1", "10.9.0.1", "198.51.100.7"});
    if (random_.chance(3)) add_slice(ns, "IPv6", {"fd00::1", "2001:db8::7"});
    if (random_.chance(12)) add_slice(ns, "FQDN", {"shop.example.org"});
  }

  void add_slice(const char* ns, const char* type, const std::vector<std::string>& addresses) {
    YamlValue meta = metadata_in(ns, fmt::format("shop-{}", type[3] == '4' ? "a" : type[3] == '6' ? "b" : "c"));
    meta.set("labels", mapping({{"kubernetes.io/service-name", text("shop")}}));
    YamlValue& slice = add("discovery.k8s.io/v1", "EndpointSlice", std::move(meta));
    slice.set("addressType", text(type));
    YamlValue ports = list();
    const std::size_t count = random_.below(3);
    for (std::size_t i = 0; i < count; ++i) {
      YamlValue port;
      if (random_.chance(2)) port.set("name", text(i == 0 ? "first" : "second"));
      if (random_.chance(2)) port.set("protocol", rules_.transport_name());
      if (!random_.chance(6)) port.set("port", plain(random_.pick<std::int64_t>({53, 80, 1000})));
      if (random_.chance(6)) port.set("appProtocol", text("http"));
      ports.add(std::move(port));
    }
    slice.set("ports", std::move(ports));
    YamlValue endpoints = list();
    for (const std::string& address : addresses) {
      if (random_.chance(3)) continue;
      YamlValue endpoint = mapping({{"addresses", list({test::quoted(address)})}});
      if (random_.chance(6)) endpoint.set("conditions", mapping({{"ready", plain("true")}}));
      endpoints.add(std::move(endpoint));
    }
    slice.set("endpoints", std::move(endpoints));
  }

  YamlValue failsafe_ports() {
    YamlValue made = list();
    const std::size_t count = random_.below(4);
    for (std::size_t i = 0; i < count; ++i) {
      YamlValue port = mapping({{"protocol", plain(random_.pick({"TCP", "UDP", "SCTP", "tcp"}))},
                                {"port", plain(random_.pick<std::int64_t>({22, 53, 80, 443}))}});
      if (random_.chance(3)) port.set("net", test::quoted(random_.pick({"10.0.0.0/8", "fd00::/8", "198.51.100.7/32"})));
      made.add(std::move(port));
    }
    return made;
  }

  void add_felix_configuration() {
    YamlValue spec;
    if (random_.chance(3)) spec.set("failsafeInboundHostPorts", failsafe_ports());
    if (random_.chance(3)) spec.set("failsafeOutboundHostPorts", failsafe_ports());
    if (random_.chance(2)) {
      spec.set("defaultEndpointToHostAction", text(random_.pick({"Drop", "Return", "ACCEPT", "Accept", "Reject"})));
    }
    const std::string deny = random_.pick({"Drop", "Reject"});
    if (random_.chance(3)) spec.set("nftablesFilterDenyAction", text(deny));
    if (random_.chance(6)) spec.set("iptablesFilterDenyAction", text(deny));
    if (random_.chance(3)) spec.set("interfacePrefix", test::quoted(random_.pick({"cali", "tap,cali", "tap"})));
    if (random_.chance(3)) spec.set("disableConntrackInvalidCheck", plain(random_.pick({"true", "false"})));
    if (random_.chance(8)) spec.set("logPrefix", text("policed"));
    if (random_.chance(8)) spec.set("logActionRateLimit", text(random_.pick({"1/second", "9999/day", "60/minute"})));
    if (random_.chance(8)) spec.set("logActionRateLimitBurst", plain(random_.pick<std::int64_t>({0, 5, 9999})));
    add(calico, "FelixConfiguration", metadata("default")).set("spec", std::move(spec));
  }

  Random random_;
  RandomSelectors selectors_;
  RandomRules rules_;
  EarlyPolicies early_;
  std::vector<std::string> tiers_;
  Documents documents_;
};

}  // namespace

Documents random_documents(std::uint64_t seed, EarlyPolicies early) {
  return RandomDocuments(seed, early).make();
}

}  // namespace drywall::test
