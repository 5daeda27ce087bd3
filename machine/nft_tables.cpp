// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/nft_tables.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>

#include <unistd.h>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "machine/netlink_message.h"

namespace drywall {
namespace {

constexpr int most_rule_dumps = 8;  // tries while somebody else keeps changing the rules

std::uint32_t word_of(Attribute payload) {
  std::uint32_t word = 0;
  if (payload.size() == sizeof word) std::memcpy(&word, payload.data(), sizeof word);
  return be32toh(word);
}

std::optional<std::uint16_t> port_of(Attribute bytes) {
  std::uint16_t port = 0;
  if (bytes.size() < sizeof port) return std::nullopt;
  std::memcpy(&port, bytes.data(), sizeof port);
  return be16toh(port);
}

/// The payload of the first attribute of that type; empty if there is none.
Attribute find(Attribute attributes, int wanted) {
  Attribute found;
  for_each_attribute(attributes, [&](int type, Attribute value) {
    if (type == wanted && found.empty()) found = value;
  });
  return found;
}

std::string family_name(std::uint8_t family) {
  switch (family) {
    case NFPROTO_INET:
      return "inet";
    case NFPROTO_IPV4:
      return "ip";
    case NFPROTO_IPV6:
      return "ip6";
    case NFPROTO_ARP:
      return "arp";
    case NFPROTO_NETDEV:
      return "netdev";
    case NFPROTO_BRIDGE:
      return "bridge";
    default:
      return std::to_string(family);
  }
}

std::string hook_name(std::uint8_t family, std::uint32_t number) {
  if (family == NFPROTO_NETDEV) return number == 0 ? "ingress" : "egress";
  switch (number) {
    case NF_INET_PRE_ROUTING:
      return "prerouting";
    case NF_INET_LOCAL_IN:
      return "input";
    case NF_INET_FORWARD:
      return "forward";
    case NF_INET_LOCAL_OUT:
      return "output";
    case NF_INET_POST_ROUTING:
      return "postrouting";
    default:
      return "ingress";
  }
}

std::uint8_t family_of(const Message& message) {
  return message.payload.empty() ? std::uint8_t{NFPROTO_UNSPEC} : std::to_integer<std::uint8_t>(message.payload[0]);
}

/// What verdicts do: of a rule, or of the elements of a map.
struct Effect {
  bool drops = false;
  std::set<std::string> calls;

  void add(Attribute verdict) {
    const auto code = static_cast<std::int32_t>(word_of(find(verdict, NFTA_VERDICT_CODE)));
    if (code == NFT_JUMP || code == NFT_GOTO) calls.emplace(text_of(find(verdict, NFTA_VERDICT_CHAIN)));
    if (code == NF_DROP) drops = true;
  }
};

using SetKey = std::tuple<std::uint8_t, std::string, std::string>;  // family, table, set
using VerdictMaps = std::map<SetKey, Effect>;

/// What xtables' DNAT carries: struct nf_nat_range2, with the port in network byte order.
std::optional<Translation> xtables_translation(std::uint8_t family, Attribute info) {
  nf_nat_range2 range{};
  if (info.size() < sizeof range) return std::nullopt;
  std::memcpy(&range, info.data(), sizeof range);
  const auto bytes = std::as_bytes(std::span(&range.min_addr, 1));
  const auto address = address_from_bytes(bytes.first(family == NFPROTO_IPV6 ? 16 : 4));
  if (!address || (range.flags & NF_NAT_RANGE_MAP_IPS) == 0) return std::nullopt;
  Translation translation{*address, std::nullopt, std::nullopt, std::nullopt};
  if ((range.flags & NF_NAT_RANGE_PROTO_SPECIFIED) != 0) translation.to_port = be16toh(range.min_proto.all);
  return translation;
}

/// Reads the expressions of one rule in order.
class RuleReader {
 public:
  RuleReader(RuleChain& chain, std::uint8_t family, const VerdictMaps& maps)
      : chain_(chain), family_(family), maps_(maps) {}

  void read(Attribute expressions) {
    for_each_attribute(expressions, [&](int, Attribute expression) {
      take(text_of(find(expression, NFTA_EXPR_NAME)), find(expression, NFTA_EXPR_DATA));
    });
    if (!translation_) return;
    translation_->protocol = protocol_;
    translation_->original_port = port_;
    chain_.translations.push_back(*translation_);
  }

 private:
  void take(std::string_view name, Attribute data) {
    if (name == "immediate") immediate(data);
    if (name == "reject" || name == "queue") chain_.drops = true;
    if (name == "lookup") lookup(data);
    if (name == "meta")
      last_load_ = word_of(find(data, NFTA_META_KEY)) == NFT_META_L4PROTO ? Load::protocol : Load::other;
    if (name == "payload") payload(data);
    if (name == "cmp") compare(data);
    if (name == "nat") nat(data);
    if (name == "target") target(text_of(find(data, NFTA_TARGET_NAME)), find(data, NFTA_TARGET_INFO));
  }

  void immediate(Attribute data) {
    const Attribute value = find(data, NFTA_IMMEDIATE_DATA);
    const std::uint32_t reg = word_of(find(data, NFTA_IMMEDIATE_DREG));
    if (reg != NFT_REG_VERDICT) {
      registers_[reg] = find(value, NFTA_DATA_VALUE);
      return;
    }
    Effect effect;
    effect.add(find(value, NFTA_DATA_VERDICT));
    add(effect);
  }

  void lookup(Attribute data) {
    const Attribute reg = find(data, NFTA_LOOKUP_DREG);
    if (reg.empty() || word_of(reg) != NFT_REG_VERDICT) return;
    const auto map = maps_.find({family_, chain_.table.table, std::string(text_of(find(data, NFTA_LOOKUP_SET)))});
    if (map != maps_.end()) add(map->second);
  }

  void payload(Attribute data) {
    const bool transport = word_of(find(data, NFTA_PAYLOAD_BASE)) == NFT_PAYLOAD_TRANSPORT_HEADER;
    const bool destination_port =
        word_of(find(data, NFTA_PAYLOAD_OFFSET)) == 2 && word_of(find(data, NFTA_PAYLOAD_LEN)) == 2;
    last_load_ = transport && destination_port ? Load::port : Load::other;
  }

  void compare(Attribute data) {
    const Attribute value = find(find(data, NFTA_CMP_DATA), NFTA_DATA_VALUE);
    const Load load = std::exchange(last_load_, Load::other);
    if (word_of(find(data, NFTA_CMP_OP)) != NFT_CMP_EQ || value.empty()) return;
    if (load == Load::protocol) protocol_ = Protocol{std::to_integer<std::uint8_t>(value[0])};
    if (load == Load::port) port_ = port_of(value);
  }

  void nat(Attribute data) {
    if (word_of(find(data, NFTA_NAT_TYPE)) != NFT_NAT_DNAT) return;
    const auto address = address_from_bytes(registers_[word_of(find(data, NFTA_NAT_REG_ADDR_MIN))]);
    if (!address) return;
    translation_ = Translation{*address, std::nullopt, std::nullopt, std::nullopt};
    const Attribute port = find(data, NFTA_NAT_REG_PROTO_MIN);
    if (!port.empty()) translation_->to_port = port_of(registers_[word_of(port)]);
  }

  void target(std::string_view name, Attribute info) {
    if (name == "REJECT" || name == "DROP" || name == "NFQUEUE") chain_.drops = true;
    if (name == "DNAT") translation_ = xtables_translation(family_, info);
  }

  void add(const Effect& effect) {
    chain_.drops |= effect.drops;
    chain_.calls.insert(effect.calls.begin(), effect.calls.end());
  }

  enum class Load : std::uint8_t { other, protocol, port };
  RuleChain& chain_;
  std::uint8_t family_;
  const VerdictMaps& maps_;
  std::map<std::uint32_t, Attribute> registers_;
  Load last_load_ = Load::other;
  std::optional<Protocol> protocol_;
  std::optional<std::uint16_t> port_;
  std::optional<Translation> translation_;
};

class DumpSocket {
 public:
  DumpSocket() : fd_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER)) {}
  DumpSocket(const DumpSocket&) = delete;
  DumpSocket& operator=(const DumpSocket&) = delete;
  ~DumpSocket() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

/// How a dump ended.
enum class Ended : std::uint8_t { whole, interrupted };

/// Asks for all objects of a kind and calls `take` for each.
///   table, set  of whose elements; empty: all tables
template <class Take>
Result<Ended> dump(const DumpSocket& socket, std::uint8_t family, int request_type,
                   const std::pair<std::string, std::string>& of, const Take& take) {
  alignas(nlmsghdr) std::array<std::byte, 1024> buffer{};
  nlmsghdr* const header = mnl_nlmsg_put_header(buffer.data());
  header->nlmsg_type = nft_type(request_type);
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  header->nlmsg_seq = 1;
  const nfgenmsg body{family, NFNETLINK_V0, 0};
  std::memcpy(mnl_nlmsg_put_extra_header(header, sizeof body), &body, sizeof body);
  if (!of.second.empty()) {
    mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_TABLE, of.first.c_str());
    mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_SET, of.second.c_str());
  }
  const auto failure = [](int error) { return tl::unexpected(Failure{"read", "the rules of nf_tables", error, {}}); };
  if (send(socket.fd(), header, header->nlmsg_len, 0) < 0) return failure(errno);
  bool done = false;
  bool interrupted = false;
  int error = 0;
  while (!done && error == 0) {
    const Result<Received> received = receive(socket.fd(), [&](const Message& message) {
      interrupted |= (message.header.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
      done |= message.header.nlmsg_type == NLMSG_DONE;
      if (message.header.nlmsg_type == NLMSG_ERROR && message.payload.size() >= sizeof(std::int32_t)) {
        std::memcpy(&error, message.payload.data(), sizeof error);
        error = -error;
      }
      if (message.header.nlmsg_type >= NLMSG_MIN_TYPE) take(message);
    });
    if (!received) return tl::unexpected(received.error());
    if (!done && error == 0 && *received != Received::messages) error = ENOBUFS;
  }
  if (error == ENOENT || error == EINTR) return Ended::interrupted;  // the set went away meanwhile
  if (error != 0) return failure(error);
  return interrupted ? Ended::interrupted : Ended::whole;
}

/// Everything that is there at one moment.
class Reading {
 public:
  Result<Ended> run(const DumpSocket& socket) {
    const auto step = [&](int request, auto&& take) { return dump(socket, NFPROTO_UNSPEC, request, {}, take); };
    Result<Ended> ended = step(NFT_MSG_GETCHAIN, [&](const Message& message) { take_chain(message); });
    if (ended && *ended == Ended::whole)
      ended = step(NFT_MSG_GETSET, [&](const Message& message) { take_set(message); });
    for (auto& [key, effect] : maps_) {
      if (!ended || *ended != Ended::whole) return ended;
      const auto& [family, table, set] = key;
      ended = dump(socket, family, NFT_MSG_GETSETELEM, {table, set},
                   [&, &into = effect](const Message& message) { take_elements(message, into); });
    }
    if (ended && *ended == Ended::whole)
      ended = step(NFT_MSG_GETRULE, [&](const Message& message) { take_rule(message); });
    return ended;
  }

  std::vector<RuleChain> take() {
    std::vector<RuleChain> out;
    for (auto& [key, chain] : chains_) out.push_back(std::move(chain));
    return out;
  }

 private:
  void take_chain(const Message& message) {
    const std::uint8_t family = family_of(message);
    const Attribute attributes = message.attributes();
    RuleChain chain{{family_name(family), std::string(text_of(find(attributes, NFTA_CHAIN_TABLE))), Backend::nf_tables},
                    std::string(text_of(find(attributes, NFTA_CHAIN_NAME))),
                    std::nullopt,
                    false,
                    {},
                    {}};
    const Attribute hook = find(attributes, NFTA_CHAIN_HOOK);
    if (!hook.empty()) {
      chain.hook = ChainHook{std::string(text_of(find(attributes, NFTA_CHAIN_TYPE))),
                             hook_name(family, word_of(find(hook, NFTA_HOOK_HOOKNUM))),
                             static_cast<std::int32_t>(word_of(find(hook, NFTA_HOOK_PRIORITY))),
                             word_of(find(attributes, NFTA_CHAIN_POLICY)) == NF_DROP};
    }
    chains_.insert_or_assign(std::tuple(family, chain.table.table, chain.name), std::move(chain));
  }

  void take_set(const Message& message) {
    const Attribute attributes = message.attributes();
    if (word_of(find(attributes, NFTA_SET_DATA_TYPE)) != NFT_DATA_VERDICT) return;
    const TableName table{family_name(family_of(message)), std::string(text_of(find(attributes, NFTA_SET_TABLE))), {}};
    if (is_ours(table)) return;
    maps_.try_emplace({family_of(message), table.table, std::string(text_of(find(attributes, NFTA_SET_NAME)))});
  }

  static void take_elements(const Message& message, Effect& into) {
    for_each_attribute(find(message.attributes(), NFTA_SET_ELEM_LIST_ELEMENTS), [&](int, Attribute element) {
      const Attribute verdict = find(find(element, NFTA_SET_ELEM_DATA), NFTA_DATA_VERDICT);
      if (!verdict.empty()) into.add(verdict);
    });
  }

  void take_rule(const Message& message) {
    const Attribute attributes = message.attributes();
    const auto chain = chains_.find({family_of(message), std::string(text_of(find(attributes, NFTA_RULE_TABLE))),
                                     std::string(text_of(find(attributes, NFTA_RULE_CHAIN)))});
    if (chain == chains_.end() || is_ours(chain->second.table)) return;
    RuleReader(chain->second, family_of(message), maps_).read(find(attributes, NFTA_RULE_EXPRESSIONS));
  }

  std::map<std::tuple<std::uint8_t, std::string, std::string>, RuleChain> chains_;  // family, table, chain
  VerdictMaps maps_;
};

}  // namespace

Result<std::vector<RuleChain>> read_nft_tables() {
  for (int i = 0; i < most_rule_dumps; ++i) {
    const DumpSocket socket;  // a new one each time: nothing of an earlier dump is left in it
    if (socket.fd() < 0) return tl::unexpected(Failure{"open", "the nf_tables socket", errno, {}});
    Reading reading;
    const Result<Ended> ended = reading.run(socket);
    if (!ended) return tl::unexpected(ended.error());
    if (*ended == Ended::whole) return reading.take();
  }
  return tl::unexpected(Failure{"read", "the rules of nf_tables", EINTR, "they kept changing"});
}

}  // namespace drywall
