# SPDX-License-Identifier: GPL-2.0-or-later
"""Random policy directories for the host of observe-only.sh, each with what is in force and what is staged apart."""
import itertools
from dataclasses import dataclass

CALICO, KUBERNETES = "projectcalico.org/v3", "networking.k8s.io/v1"
NAMESPACE = "prod"
WORKLOADS = ("web", "db", "box")
PORTS = (22, 53, 80, 81, 8080, 9090)
NETS = {
    4: ("10.77.1.0/24", "10.77.2.2/32", "10.77.3.0/24", "10.77.4.2/32", "10.77.5.0/24", "10.99.0.1/32", "0.0.0.0/0"),
    6: ("fd77:1::/64", "fd77:2::2/128", "fd77:3::/64", "fd77:4::2/128", "fd77:5::/64", "fd99::1/128", "::/0"),
}
SELECTORS = ("role == 'client'", "has(role)", "app == 'web'", "app in {'db', 'box'}", "has(app)", "all()",
             "app == 'nobody'")

ENFORCED_KIND = {
    "StagedGlobalNetworkPolicy": ("GlobalNetworkPolicy", CALICO),
    "StagedNetworkPolicy": ("NetworkPolicy", CALICO),
    "StagedKubernetesNetworkPolicy": ("NetworkPolicy", KUBERNETES),
}


@dataclass(frozen=True)
class Sort:
    """Of a staged document."""
    kind: str
    bucket: str  # normal, forward, preDNAT, untracked
    direction: str
    action: str


def every_sort():
    places = [("StagedGlobalNetworkPolicy", bucket, direction)
              for bucket in ("normal", "forward", "preDNAT", "untracked") for direction in ("Ingress", "Egress")
              if (bucket, direction) != ("preDNAT", "Egress")]
    places += [(kind, "normal", direction) for kind in ("StagedNetworkPolicy", "StagedKubernetesNetworkPolicy")
               for direction in ("Ingress", "Egress")]
    return [Sort(*place, action) for place, action in
            itertools.product(places, ("Set", "Set in the place of", "Delete", "Learn", "Ignore"))]


class Deck:
    """Deals each sort before any comes again."""

    def __init__(self, random):
        self.random, self.cards, self.dealt = random, [], set()

    def deal(self):
        if not self.cards:
            self.cards = every_sort()
            self.random.shuffle(self.cards)
        self.dealt.add(self.cards[-1])
        return self.cards.pop()

    def missing(self):
        return set(every_sort()) - self.dealt


@dataclass
class Directory:
    enforced: list
    staged: list


def directory(random, deck):
    made = Directory(enforced=[*endpoints(random), *settings(random)], staged=[])
    number = itertools.count(1)
    for _ in range(random.randint(1, 4)):
        sort = random.choice(every_sort())
        made.enforced.append(in_force(policy(random, sort, f"enforced-{next(number)}")))
    for _ in range(random.randint(3, 6)):
        sort, name = deck.deal(), f"staged-{next(number)}"
        document = policy(random, sort, name)
        if sort.action in ("Set in the place of", "Delete"):
            made.enforced.append(in_force(policy(random, sort, name, tier=document["spec"].get("tier"))))
        if sort.action == "Delete":
            document["spec"] = {key: value for key, value in document["spec"].items() if key == "tier"}
        document["spec"]["stagedAction"] = sort.action.split()[0]
        made.staged.append(document)
    return made


def in_force(staged):
    kind, version = ENFORCED_KIND[staged["kind"]]
    return {**staged, "kind": kind, "apiVersion": version}


# --- what the policies are about ----------------------------------------------------------------------------------------


def document(kind, name, spec=None, namespace=None, labels=None, version=CALICO):
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    made = {"apiVersion": version, "kind": kind, "spec": spec}
    return {**given(made), "metadata": given(metadata)}


def given(fields):
    return {key: value for key, value in fields.items() if value is not None}


def endpoints(random):
    yield document("Namespace", NAMESPACE, version="v1")
    interfaces = {"client": "if-client"}
    interfaces |= random.choice([{}, {"server": "if-server"}]) | random.choice([{}, {"rest": "*"}])
    for name, interface in interfaces.items():
        profiles = random.choice([[], ["projectcalico-default-allow"], ["projectcalico-default-allow"]])
        yield document("HostEndpoint", name, {"node": "host", "interfaceName": interface, "profiles": profiles},
                       labels={"role": name})
    for number, name in enumerate(WORKLOADS, 3):
        networks = [f"10.77.{number}.2/32", f"fd77:{number}::2/128"]
        yield document("WorkloadEndpoint", name, namespace=NAMESPACE, labels={"app": name}, spec={
            "node": "host", "interfaceName": f"if-{name}", "ipNetworks": networks, "profiles": [f"kns.{NAMESPACE}"]})


def settings(random):
    yield document("Tier", "early", {"order": 10, "defaultAction": random.choice(["Pass", "Deny"])})
    yield document("FelixConfiguration", "default", {
        "defaultEndpointToHostAction": random.choice(["Accept", "Accept", "Return", "Drop"]),
        "nftablesFilterDenyAction": random.choice(["Drop", "Drop", "Reject"]),
        "disableConntrackInvalidCheck": random.choice([True, False, False])})


# --- policies -----------------------------------------------------------------------------------------------------------


def policy(random, sort, name, tier=None):
    if sort.kind == "StagedKubernetesNetworkPolicy":
        return document(sort.kind, name, kubernetes_spec(random, sort), namespace=NAMESPACE)
    spec = calico_spec(random, sort)
    if tier or (tier is None and random.random() < 0.4):
        spec["tier"] = tier or "early"
    namespace = NAMESPACE if sort.kind == "StagedNetworkPolicy" else None
    return document(sort.kind, name, spec, namespace=namespace)


def calico_spec(random, sort):
    directions = [sort.direction]
    if sort.bucket != "preDNAT" and random.random() < 0.4:
        directions = ["Ingress", "Egress"]
    spec = {"types": directions, "order": random.choice([1, 2, 3])}
    if sort.kind == "StagedNetworkPolicy":
        spec["selector"] = random.choice(["all()", "app == 'web'", "app in {'web', 'box'}"])
    elif sort.bucket == "normal":
        spec["selector"] = random.choice(["all()", "has(role)", "has(app)", "role == 'client'", "app == 'web'"])
    else:
        spec["selector"] = random.choice(["has(role)", "role == 'client'", "all()"])
        spec["applyOnForward"] = True
        spec.update({"preDNAT": {"preDNAT": True}, "untracked": {"doNotTrack": True}}.get(sort.bucket, {}))
    for direction in directions:
        spec[direction.lower()] = [rule(random) for _ in range(random.randint(0, 4))]
    return spec


def rule(random):
    made = {"action": random.choices(["Allow", "Deny", "Pass", "Log"], [8, 6, 4, 3])[0]}
    protocol = random.choice([None, "TCP", "TCP", "UDP", "UDP", "ICMP", "ICMPv6", "SCTP", 253])
    family = {"ICMP": 4, "ICMPv6": 6}.get(protocol, random.choice([4, 6]))
    sides = {"source": {}, "destination": {}}
    if protocol is not None:
        made["protocol"] = protocol
    if protocol in ("TCP", "UDP", "SCTP"):
        if random.random() < 0.6:
            sides["destination"]["ports"] = random.sample(PORTS, random.randint(1, 3))
        elif random.random() < 0.3:
            sides["source"]["ports"] = ["1024:40000"]
    if protocol in ("ICMP", "ICMPv6") and random.random() < 0.5:
        made["icmp"] = {"type": 8 if family == 4 else 128}
    for side in sides.values():
        chance = random.random()
        if chance < 0.2:
            side["nets"] = random.sample(NETS[family], 2)
        elif chance < 0.3:
            side["notNets"] = random.sample(NETS[family][:-1], 1)
        elif chance < 0.45:
            side["selector"] = random.choice(SELECTORS)
    return {**made, **{name: side for name, side in sides.items() if side}}


def kubernetes_spec(random, sort):
    directions = [sort.direction] if random.random() < 0.6 else ["Ingress", "Egress"]
    spec = {"podSelector": random.choice([{}, {"matchLabels": {"app": "web"}}]), "policyTypes": directions}
    for direction in directions:
        peers = "from" if direction == "Ingress" else "to"
        spec[direction.lower()] = [kubernetes_rule(random, peers) for _ in range(random.randint(0, 3))]
    return spec


def kubernetes_rule(random, peers):
    made = {}
    if random.random() < 0.6:
        made["ports"] = [{"protocol": random.choice(["TCP", "UDP"]), "port": port}
                         for port in random.sample(PORTS, random.randint(1, 2))]
    if random.random() < 0.6:
        net = random.choice(NETS[random.choice([4, 6])])
        made[peers] = [random.choice([{"podSelector": {}}, {"podSelector": {"matchLabels": {"app": "db"}}},
                                      {"ipBlock": {"cidr": net}}])]
    return made
