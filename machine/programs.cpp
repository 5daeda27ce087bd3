// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/programs.h"

#include <algorithm>
#include <array>
#include <vector>

namespace drywall {
namespace {

/// What somebody's tables, chains and interfaces are called. Text that ends in `*` stands for all that begins so.
struct Mark {
  enum class Of : std::uint8_t { table, chain, interface } of;
  std::string_view text;
};

struct Known {
  Program program;
  std::vector<Mark> marks;
};

constexpr auto table = Mark::Of::table;
constexpr auto chain = Mark::Of::chain;
constexpr auto interface = Mark::Of::interface;

const std::vector<Known>& known() {
  static const std::vector<Known> list{
      {{"Docker", "docker", "publish the port (docker run -p), or add a rule to the chain DOCKER-USER"},
       {{table, "docker-bridges"}, {chain, "DOCKER"}, {chain, "DOCKER-*"}, {interface, "docker0"}}},
      {{"podman", "podman", "publish the port (podman run -p)"},
       {{table, "netavark"},
        {chain, "NETAVARK*"},
        {chain, "CNI-*"},
        {interface, "podman*"},
        {interface, "cni-podman*"}}},
      {{"libvirt", "libvirt", "use a routed or open libvirt network (virsh net-edit), whose guests can be reached"},
       {{table, "libvirt_network"}, {chain, "LIBVIRT_*"}, {interface, "virbr*"}}},
      {{"firewalld", "firewalld", "open it there too (firewall-cmd --permanent --add-port=PORT/tcp, then --reload)"},
       {{table, "firewalld"}}},
      {{"ufw", "ufw", "open it there too (ufw allow PORT/tcp), or leave filtering to one of the two (ufw disable)"},
       {{chain, "ufw-*"}, {chain, "ufw6-*"}}},
      {{"kube-proxy", "kube-proxy", "give the Service an endpoint: kube-proxy drops what has none"},
       {{table, "kube-proxy"}, {chain, "KUBE-*"}, {interface, "kube-ipvs0"}}},
      {{"fail2ban", "fail2ban", "lift the ban (fail2ban-client unban ADDRESS)"},
       {{table, "f2b-table"}, {chain, "f2b-*"}}},
      {{"Tailscale", "tailscale", "see tailscale set --netfilter-mode"}, {{chain, "ts-*"}, {interface, "tailscale*"}}},
      {{"LXD or Incus", "lxd", "set the network's ipv4.firewall and ipv6.firewall to false"},
       {{table, "lxd"}, {table, "incus"}, {interface, "lxdbr*"}, {interface, "incusbr*"}}},
      {{"Calico", "calico", "allow it in Calico's own policy"}, {{table, "calico"}, {chain, "cali-*"}}},
      {{"Cilium", "cilium", "allow it in Cilium's own policy"}, {{chain, "CILIUM_*"}, {interface, "cilium_*"}}},
  };
  return list;
}

bool fits(std::string_view pattern, std::string_view name) {
  if (!pattern.ends_with('*')) return name == pattern;
  return name.starts_with(pattern.substr(0, pattern.size() - 1));
}

bool is_hexadecimal(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool belongs(const Known& who, const BaseChain& base) {
  return std::ranges::any_of(who.marks, [&](const Mark& mark) {
    if (mark.of == table) return fits(mark.text, base.table.table);
    return mark.of == chain &&
           std::ranges::any_of(base.chains, [&](const std::string& name) { return fits(mark.text, name); });
  });
}

}  // namespace

std::set<const Program*> programs_of(const BaseChain& base) {
  std::set<const Program*> found;
  for (const Known& who : known()) {
    if (belongs(who, base)) found.insert(&who.program);
  }
  return found;
}

const Program* program_of_interface(std::string_view name) {
  for (const Known& who : known()) {
    for (const Mark& mark : who.marks) {
      if (mark.of == interface && fits(mark.text, name)) return &who.program;
    }
  }
  // Docker calls the bridges of its other networks by the first twelve digits of their id.
  constexpr std::string_view docker_bridge = "br-";
  if (name.size() == docker_bridge.size() + 12 && name.starts_with(docker_bridge) &&
      is_hexadecimal(name.substr(docker_bridge.size()))) {
    return &known().front().program;
  }
  return nullptr;
}

std::string names_of(const std::set<const Program*>& programs) {
  std::vector<std::string_view> names;
  for (const Program* program : programs) names.push_back(program->name);
  std::ranges::sort(names);
  std::string out;
  for (const std::string_view name : names) {
    if (!out.empty()) out += ", ";
    out += name;
  }
  return out;
}

}  // namespace drywall
