// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/differential/random_policies.h"

#include <algorithm>

namespace drywall::test {
namespace {

bool is_calico(PolicyKind kind) {
  const PolicyKind enforced = enforced_kind(kind);
  return enforced == PolicyKind::global_network_policy || enforced == PolicyKind::network_policy;
}

bool is_global(PolicyKind kind) {
  const PolicyKind enforced = enforced_kind(kind);
  return enforced == PolicyKind::global_network_policy || enforced == PolicyKind::cluster_network_policy;
}

const char* api_version(PolicyKind kind) {
  if (kind == PolicyKind::kubernetes_network_policy) return "networking.k8s.io/v1";
  if (kind == PolicyKind::cluster_network_policy) return "policy.networking.k8s.io/v1alpha2";
  return "projectcalico.org/v3";
}

}  // namespace

PolicyKind RandomPolicies::kind() {
  using enum PolicyKind;
  return random_.pick({global_network_policy, global_network_policy, global_network_policy, network_policy,
                       kubernetes_network_policy, cluster_network_policy, staged_global_network_policy,
                       staged_global_network_policy, staged_global_network_policy, staged_network_policy,
                       staged_kubernetes_network_policy});
}

/// Names that break ties in unlike ways: "-" and "." sort before the "/" that Calico puts behind a name.
PolicyId RandomPolicies::identity(PolicyKind kind) {
  if (is_staged(kind) && random_.chance(2)) {
    for (const PolicyId& known : made_) {
      const PolicyId twin{kind, known.ns, known.name};
      if (known.kind == enforced_kind(kind) && !made_.contains(twin)) return twin;
    }
  }
  for (std::size_t i = 0;; ++i) {
    PolicyId id{kind, is_global(kind) ? "" : random_.pick({"default", "default", "prod"}),
                random_.pick({"a", "a-b", "a.b", "b", "default.c", "c"})};
    if (i > 20) id.name = "p" + std::to_string(i);
    if (!made_.contains(id)) return id;
  }
}

YamlValue RandomPolicies::document(const PolicyId& id, YamlValue spec) {
  YamlValue metadata = mapping({{"name", text(id.name)}});
  if (!id.ns.empty() && (id.ns != "default" || random_.chance(2))) metadata.set("namespace", text(id.ns));
  if (random_.chance(10)) metadata.set("labels", selectors_.labels());
  if (random_.chance(20)) metadata.set("annotations", mapping({{"example.org/why", test::quoted("a reason")}}));
  return mapping({{"apiVersion", text(api_version(id.kind))},
                  {"kind", text(file_kind(id.kind))},
                  {"metadata", std::move(metadata)},
                  {"spec", std::move(spec)}});
}

template <class Make>
void RandomPolicies::add_list(YamlValue& spec, std::string_view key, Make make) {
  YamlValue made = list();
  const std::size_t count = random_.below(5);
  for (std::size_t i = 0; i < count; ++i) made.add(make());
  if (count > 0 || random_.chance(4)) spec.set(std::string(key), std::move(made));
}

/// What is left of a promotion by hand: a warning and nothing else.
void RandomPolicies::add_left_over_action(YamlValue& spec) {
  if (random_.chance(30)) spec.set("stagedAction", text("Set"));
}

YamlValue RandomPolicies::order() {
  return plain(random_.pick({"-1", "-0.5", "0", "1", "1", "1.5", "1000", "1e3", "1000000"}));
}

/// doNotTrack, preDNAT, applyOnForward.
void RandomPolicies::add_host_options(YamlValue& spec) {
  const bool early = early_ == EarlyPolicies::allowed && random_.chance(2);
  if (early) {
    spec.set(random_.pick({"doNotTrack", "preDNAT"}), plain("true"));
  } else if (random_.chance(20)) {
    spec.set(random_.pick({"doNotTrack", "preDNAT"}), plain("false"));
  }
  if (early || random_.chance(3)) spec.set("applyOnForward", plain("true"));
}

void RandomPolicies::add_rules(YamlValue& spec, PolicyKind kind) {
  const RuleWriter writer = is_global(kind) ? RuleWriter::global_policy : RuleWriter::namespaced_policy;
  const YamlValue* pre_dnat = spec.find("preDNAT");
  const bool no_egress = pre_dnat != nullptr && pre_dnat->text == "true";
  if (random_.chance(2)) {
    const std::vector<std::string> types{"Ingress", "Egress"};
    spec.set("types", no_egress ? texts({"Ingress"}) : texts(random_.some(types, 1 + random_.below(2))));
  }
  add_calico_list(spec, writer, Direction::ingress);
  if (!no_egress) add_calico_list(spec, writer, Direction::egress);
}

/// Any rules, or many of one port each with some others between them.
void RandomPolicies::add_calico_list(YamlValue& spec, RuleWriter writer, Direction direction) {
  const std::string key(to_string(direction));
  if (!random_.chance(6)) return add_list(spec, key, [&] { return rules_.calico(writer, direction); });
  YamlValue made = list();
  const std::size_t count = 6 + random_.below(14);
  for (std::size_t i = 0; i < count; ++i) {
    made.add(random_.chance(10) ? rules_.calico(writer, direction) : rules_.of_one_port());
  }
  spec.set(key, std::move(made));
}

YamlValue RandomPolicies::calico_spec(PolicyKind kind) {
  YamlValue spec;
  if (is_staged(kind) && !random_.chance(4)) {
    spec.set("stagedAction", text(random_.pick({"Set", "Set", "Set", "Delete", "Learn", "Ignore"})));
  }
  if (!is_staged(kind)) add_left_over_action(spec);
  const YamlValue* action = spec.find("stagedAction");
  const bool deletion = action != nullptr && action->text == "Delete";
  if (!random_.chance(3)) spec.set("tier", text(random_.pick(tiers_)));
  if (deletion) return spec;
  if (!random_.chance(4)) spec.set("order", order());
  if (random_.chance(2)) spec.set("selector", test::quoted(random_.chance(5) ? "" : selectors_.selector()));
  if (random_.chance(12)) spec.set("serviceAccountSelector", test::quoted(selectors_.selector(Labelled::accounts)));
  if (random_.chance(20)) spec.set("performanceHints", texts({"AssumeNeededOnEveryNode"}));
  if (is_global(kind)) {
    if (random_.chance(8)) spec.set("namespaceSelector", test::quoted(selectors_.selector(Labelled::namespaces)));
    add_host_options(spec);
  }
  add_rules(spec, kind);
  return spec;
}

YamlValue RandomPolicies::kubernetes_spec(PolicyKind kind) {
  YamlValue spec;
  if (is_staged(kind) && !random_.chance(4)) {
    spec.set("stagedAction", text(random_.pick({"Set", "Delete", "Learn", "Ignore"})));
    if (spec.find("stagedAction")->text == "Delete") return spec;
  }
  if (!is_staged(kind)) add_left_over_action(spec);
  spec.set("podSelector", selectors_.label_selector());
  if (random_.chance(2)) {
    spec.set("policyTypes", texts(random_.some<std::string>({"Ingress", "Egress"}, 1 + random_.below(2))));
  }
  add_list(spec, "ingress", [&] { return rules_.kubernetes(Direction::ingress); });
  add_list(spec, "egress", [&] { return rules_.kubernetes(Direction::egress); });
  return spec;
}

YamlValue RandomPolicies::cluster_spec() {
  YamlValue subject;
  if (random_.chance(2)) {
    subject.set("namespaces", selectors_.label_selector(Labelled::namespaces));
  } else {
    YamlValue pods = mapping({{"podSelector", selectors_.label_selector()}});
    if (random_.chance(2)) pods.set("namespaceSelector", selectors_.label_selector(Labelled::namespaces));
    subject.set("pods", std::move(pods));
  }
  YamlValue spec = mapping({{"tier", text(random_.pick({"Admin", "Baseline"}))},
                            {"priority", plain(random_.pick<std::int64_t>({0, 1, 1, 1000}))},
                            {"subject", std::move(subject)}});
  add_left_over_action(spec);
  add_list(spec, "ingress", [&] { return rules_.cluster(Direction::ingress); });
  add_list(spec, "egress", [&] { return rules_.cluster(Direction::egress); });
  return spec;
}

YamlValue RandomPolicies::next() {
  const PolicyId id = identity(kind());
  made_.insert(id);
  if (id.kind == PolicyKind::cluster_network_policy) return document(id, cluster_spec());
  return document(id, is_calico(id.kind) ? calico_spec(id.kind) : kubernetes_spec(id.kind));
}

}  // namespace drywall::test
