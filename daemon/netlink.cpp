// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/netlink.h"

#include <endian.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>
#include <vector>

#include "machine/netlink_message.h"

namespace drywall {
namespace {

constexpr std::size_t send_slack = 64U << 10U;
constexpr int reply_buffer = 8 << 20;  // for the refusals of one batch
constexpr int most_dumps = 8;          // tries while somebody else keeps changing the ruleset
constexpr std::size_t most_replies = 1'000'000;
constexpr std::size_t most_rules_at_once = 8000;  // of one dump: beyond, one for each chain is quicker
constexpr unsigned set_comment = 7;               // NFTNL_UDATA_SET_COMMENT

/// What an NLMSG_ERROR says: error 0 is an acknowledgement.
struct Answer {
  int error = 0;  // errno, positive
  std::uint32_t sequence = 0;
  std::string words;  // the kernel's extended acknowledgement
};

Answer answer_of(const Message& message) {
  nlmsgerr body{};
  if (message.payload.size() < sizeof body) return {EBADMSG, message.header.nlmsg_seq, {}};
  std::memcpy(&body, message.payload.data(), sizeof body);
  Answer answer{-body.error, body.msg.nlmsg_seq, {}};
  const bool has_words = (message.header.nlmsg_flags & NLM_F_ACK_TLVS) != 0;
  std::size_t skip = sizeof body;
  if ((message.header.nlmsg_flags & NLM_F_CAPPED) == 0 && body.msg.nlmsg_len >= sizeof(nlmsghdr)) {
    skip += MNL_ALIGN(body.msg.nlmsg_len - sizeof(nlmsghdr));
  }
  if (has_words && skip <= message.payload.size()) {
    for_each_attribute(message.payload.subspan(skip), [&](int type, Attribute text) {
      if (type == NLMSGERR_ATTR_MSG) answer.words = text_of(text);
    });
  }
  return answer;
}

/// A small request under construction.
class Request {
 public:
  Request(std::uint16_t type, std::uint16_t flags, std::uint32_t sequence, std::uint8_t family,
          std::uint16_t resource) {
    header_ = mnl_nlmsg_put_header(buffer_.data());
    header_->nlmsg_type = type;
    header_->nlmsg_flags = flags;
    header_->nlmsg_seq = sequence;
    const nfgenmsg body{family, NFNETLINK_V0, htobe16(resource)};
    std::memcpy(mnl_nlmsg_put_extra_header(header_, sizeof body), &body, sizeof body);
  }
  void put(std::uint16_t type, const char* text) { mnl_attr_put_strz(header_, type, text); }
  void put(std::uint16_t type, std::uint32_t number) { mnl_attr_put_u32(header_, type, htobe32(number)); }
  [[nodiscard]] std::span<const std::byte> bytes() const { return {buffer_.data(), header_->nlmsg_len}; }

 private:
  alignas(nlmsghdr) std::array<std::byte, 256> buffer_{};
  nlmsghdr* header_;
};

std::uint8_t family_number(Family family) {
  return family == Family::v4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

std::string table_text(Family family) {
  return fmt::format("{} {}", family == Family::v4 ? "ip" : "ip6", table_name);
}

/// The first counter among a rule's expressions.
std::optional<RuleCount> counter_of(Attribute expressions) {
  std::optional<RuleCount> count;
  for_each_attribute(expressions, [&](int, Attribute expression) {
    std::string_view name;
    Attribute data;
    for_each_attribute(expression, [&](int type, Attribute value) {
      if (type == NFTA_EXPR_NAME) name = text_of(value);
      if (type == NFTA_EXPR_DATA) data = value;
    });
    if (name != "counter" || count) return;
    count.emplace();
    for_each_attribute(data, [&](int type, Attribute value) {
      if (type == NFTA_COUNTER_PACKETS) count->packets = number_of(value);
      if (type == NFTA_COUNTER_BYTES) count->bytes = number_of(value);
    });
  });
  return count;
}

/// What a rule of ours is to us.
struct CountingRule {
  std::string_view chain;
  std::string comment;
  std::optional<RuleCount> count;
};

std::optional<CountingRule> rule_of_ours(const Message& message) {
  CountingRule rule;
  Attribute expressions;
  bool ours = false;
  for_each_attribute(message.attributes(), [&](int type, Attribute value) {
    if (type == NFTA_RULE_TABLE) ours = text_of(value) == table_name;
    if (type == NFTA_RULE_CHAIN) rule.chain = text_of(value);
    if (type == NFTA_RULE_EXPRESSIONS) expressions = value;
    if (type == NFTA_RULE_USERDATA) rule.comment = comment_of(value, 0);
  });
  if (!ours) return std::nullopt;
  rule.count = counter_of(expressions);
  return rule;
}

/// The counters of one dump.
class CountCollector {
 public:
  void take(const CountingRule& rule) {
    ++loaded_;
    if (!rule.count) return;
    if (rule.comment == limited_comment) limited_ += rule.count->packets;
    if (rule.comment == full_comment) full_ += rule.count->packets;
    // Leaves of one tag at two hooks are told apart by what follows the tag.
    if (parse_rule_tag(rule.chain.substr(0, rule_tag_size))) first_of_chain_.emplace(rule.chain, *rule.count);
  }

  void add_to(KernelCounts& counts) const {
    counts.limited += limited_;
    counts.full += full_;
    counts.loaded += loaded_;
    for (const auto& [chain, count] : first_of_chain_) {
      RuleCount& sum = counts.rules[*parse_rule_tag(std::string_view(chain).substr(0, rule_tag_size))];
      sum.packets += count.packets;
      sum.bytes += count.bytes;
    }
  }

 private:
  std::map<std::string, RuleCount, std::less<>> first_of_chain_;
  std::uint64_t limited_ = 0;
  std::uint64_t full_ = 0;
  std::uint64_t loaded_ = 0;
};

template <Stance S>
std::size_t count_rules(const Layer<S>& layer) {
  std::size_t rules = 0;
  for (const Chain<S>& chain : layer.chains) rules += chain.rules.size();
  return rules;
}

/// Where packets end that no evidence tells of.
constexpr auto counts_unlogged = [](const auto& chain) {
  return std::ranges::any_of(
      chain.rules, [](const auto& rule) { return rule.comment == limited_comment || rule.comment == full_comment; });
};

constexpr auto counts = [](const auto& chain) {
  return parse_rule_tag(std::string_view(chain.name.text).substr(0, rule_tag_size)) || counts_unlogged(chain);
};

template <Stance S, class Wanted>
void add_names(const Layer<S>& layer, const Wanted& wanted, std::vector<std::string>& names) {
  for (const Chain<S>& chain : layer.chains) {
    if (wanted(chain)) names.push_back(chain.name.text);
  }
}

template <class Wanted>
std::vector<std::string> chains_that(const Wanted& wanted, const Table& table) {
  std::vector<std::string> names;
  add_names(table.enforce, wanted, names);
  add_names(table.observe, wanted, names);
  return names;
}

Refusal refusal_of(const Transaction& transaction, const Answer& answer) {
  const std::uint32_t index = answer.sequence - transaction.first_sequence;
  const MessageOrigin origin = index < transaction.origins.size() ? transaction.origins[index] : MessageOrigin{};
  return {{"apply", origin.object.empty() ? "the ruleset" : origin.object, answer.error, answer.words}, origin};
}

tl::unexpected<Refusal> refused(Failure failure) {
  return tl::unexpected(Refusal{std::move(failure), {}});
}

}  // namespace

Result<NftSocket> NftSocket::open() {
  Descriptor fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return tl::unexpected(Failure{"open", "the nf_tables socket", errno, {}});
  }
  const int on = 1;
  for (const int option : {NETLINK_CAP_ACK, NETLINK_EXT_ACK}) {
    setsockopt(fd.get(), SOL_NETLINK, option, &on, sizeof on);  // without it answers only have fewer words
  }
  if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &reply_buffer, sizeof reply_buffer) != 0) {
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &reply_buffer, sizeof reply_buffer);
  }
  NftSocket opened(std::move(fd));
  const Result<bool> acks = opened.probe_end();
  if (!acks) return tl::unexpected(acks.error());
  opened.acks_end_ = *acks;
  const Result<bool> owner = opened.probe_owner();
  if (!owner) return tl::unexpected(owner.error());
  opened.offers_owner_ = *owner;
  return opened;
}

void NftSocket::discard() {
  for (std::size_t i = 0; i < most_replies; ++i) {
    const Result<Received> received = receive(fd_.get(), [](const Message&) {});
    if (!received || *received == Received::nothing) return;
  }
}

std::optional<Failure> NftSocket::make_room(std::size_t bytes) {
  const std::size_t wanted = bytes + send_slack;
  const auto room = [&] {
    int size = 0;
    socklen_t length = sizeof size;
    getsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUF, &size, &length);
    return static_cast<std::size_t>(std::max(size, 0));
  };
  if (room() >= wanted) return std::nullopt;
  const int size = static_cast<int>(std::min<std::size_t>(wanted, INT_MAX / 2));  // the kernel doubles it
  if (setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0) {
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  }
  if (room() >= wanted) return std::nullopt;
  return Failure{
      "send", "the ruleset", EMSGSIZE,
      fmt::format(
          "it needs a socket buffer of {} bytes and {} are allowed, twice net.core.wmem_max: set that sysctl to "
          "at least {}, or give the daemon CAP_NET_ADMIN in the initial user namespace",
          wanted, room(), (wanted + 1) / 2)};
}

std::optional<Failure> NftSocket::send(std::span<const std::byte> bytes) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  ssize_t sent = 0;
  do {
    sent = sendto(fd_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return Failure{"send to", "nf_tables", errno, {}};
  return std::nullopt;
}

Result<bool> NftSocket::probe_end() {
  const std::uint32_t first = sequence_;
  sequence_ += 2;
  const Request begin(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, first, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  const Request end(NFNL_MSG_BATCH_END, NLM_F_REQUEST | NLM_F_ACK, first + 1, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  std::vector<std::byte> batch(begin.bytes().begin(), begin.bytes().end());
  batch.insert(batch.end(), end.bytes().begin(), end.bytes().end());
  if (const std::optional<Failure> failure = send(batch)) return tl::unexpected(*failure);

  bool acknowledged = false;
  Answer failed;
  for (;;) {
    const Result<Received> received = receive(fd_.get(), [&](const Message& message) {
      if (message.header.nlmsg_type != NLMSG_ERROR) return;
      const Answer answer = answer_of(message);
      if (answer.error != 0) failed = answer;
      acknowledged |= answer.error == 0 && answer.sequence == first + 1;
    });
    if (!received) return tl::unexpected(received.error());
    if (*received == Received::nothing) break;
  }
  if (failed.error == EPERM) return tl::unexpected(Failure{"use", "nf_tables", EPERM, "CAP_NET_ADMIN is missing"});
  if (failed.error != 0) return tl::unexpected(Failure{"use", "nf_tables", failed.error, failed.words});
  return acknowledged;
}

/// A batch without an end is checked and then undone.
Result<bool> NftSocket::probe_owner() {
  const std::uint32_t first = sequence_;
  sequence_ += 2;
  const Request begin(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, first, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  Request table(nft_type(NFT_MSG_NEWTABLE), NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, first + 1, NFPROTO_IPV4, 0);
  table.put(NFTA_TABLE_NAME, "drywall-asks");
  table.put(NFTA_TABLE_FLAGS, flags_of(TableOwner::sender));
  std::vector<std::byte> batch(begin.bytes().begin(), begin.bytes().end());
  batch.insert(batch.end(), table.bytes().begin(), table.bytes().end());
  if (const std::optional<Failure> failure = send(batch)) return tl::unexpected(*failure);
  bool is_taken = false;
  for (;;) {
    const Result<Received> received = receive(fd_.get(), [&](const Message& message) {
      if (message.header.nlmsg_type != NLMSG_ERROR) return;
      const Answer answer = answer_of(message);
      is_taken |= answer.error == 0 && answer.sequence == first + 1;
    });
    if (!received) return tl::unexpected(received.error());
    if (*received == Received::nothing) return is_taken;
  }
}

tl::expected<void, Refusal> NftSocket::apply(const Transaction& transaction, const TableComments& expected) {
  discard();
  sequence_ = transaction.first_sequence + static_cast<std::uint32_t>(transaction.origins.size()) + 1;
  if (std::optional<Failure> failure = make_room(transaction.bytes.size())) return refused(std::move(*failure));
  if (std::optional<Failure> failure = send(transaction.bytes)) return refused(std::move(*failure));

  // The kernel names each message that it refuses, and undoes all if there was one, also those it acknowledged.
  std::optional<Answer> refusal;
  bool acknowledged = false;
  for (std::size_t i = 0; i < most_replies; ++i) {
    const Result<Received> received = receive(fd_.get(), [&](const Message& message) {
      if (message.header.nlmsg_type != NLMSG_ERROR) return;
      Answer answer = answer_of(message);
      if (answer.error == 0) acknowledged = true;
      if (answer.error != 0 && !refusal) refusal = std::move(answer);
    });
    if (!received) return refused(received.error());
    if (*received == Received::nothing) break;
  }
  if (refusal) return tl::unexpected(refusal_of(transaction, *refusal));
  if (acknowledged) return {};

  // The answer was lost for want of buffer (ENOBUFS); the transaction may be in force all the same.
  const Result<TableComments> comments = read_comments();
  if (!comments) return refused(comments.error());
  if (*comments == expected) return {};
  return refused({"apply", "the ruleset", 0, "the kernel's answer was lost, and the old ruleset is still in force"});
}

std::uint32_t NftSocket::port() const {
  sockaddr_nl address{};
  socklen_t size = sizeof address;
  return getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0 ? address.nl_pid : 0;
}

Result<bool> NftSocket::try_to_add_counts(Family family, const std::string& chain, KernelCounts& counts) {
  Request request(nft_type(NFT_MSG_GETRULE), NLM_F_REQUEST | NLM_F_DUMP, sequence_++, family_number(family), 0);
  request.put(NFTA_RULE_TABLE, table_name);
  if (!chain.empty()) request.put(NFTA_RULE_CHAIN, chain.c_str());
  if (const std::optional<Failure> failure = send(request.bytes())) return tl::unexpected(*failure);
  CountCollector collector;
  bool done = false;
  bool interrupted = false;
  int error = 0;
  while (!done) {
    const Result<Received> received = receive(fd_.get(), [&](const Message& message) {
      interrupted |= (message.header.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
      if (message.header.nlmsg_type == NLMSG_ERROR) error = answer_of(message).error;
      done |= message.header.nlmsg_type == NLMSG_DONE || message.header.nlmsg_type == NLMSG_ERROR;
      if (message.header.nlmsg_type != nft_type(NFT_MSG_NEWRULE)) return;
      if (const auto rule = rule_of_ours(message)) collector.take(*rule);
    });
    if (!received) return tl::unexpected(received.error());
    if (*received != Received::messages) error = *received == Received::overrun ? ENOBUFS : EAGAIN;
    if (error != 0) break;
  }
  if (error != 0 && error != ENOENT) {
    discard();
    return tl::unexpected(Failure{"read the counters of", table_text(family), error, {}});
  }
  if (interrupted) return false;
  collector.add_to(counts);
  return true;
}

Result<void> NftSocket::add_counts(Family family, const std::vector<std::string>& chains, KernelCounts& counts) {
  for (const std::string& chain : chains) {
    Result<bool> whole = false;
    for (int i = 0; i < most_dumps && whole && !*whole; ++i) whole = try_to_add_counts(family, chain, counts);
    if (!whole) return tl::unexpected(whole.error());
    if (!*whole) return tl::unexpected(Failure{"read the counters of", table_text(family), EINTR, "it kept changing"});
  }
  return {};
}

Result<KernelCounts> NftSocket::read_counts() {
  discard();
  KernelCounts counts;
  for (const Family family : both_families) {
    if (const Result<void> added = add_counts(family, {{}}, counts); !added) return tl::unexpected(added.error());
  }
  return counts;
}

Result<KernelCounts> NftSocket::read_counts(const Ruleset& ruleset) {
  discard();
  KernelCounts read;
  for (const Table& table : ruleset.tables) {
    const bool is_big = count_rules(table.enforce) + count_rules(table.observe) > most_rules_at_once;
    const auto chains = is_big ? chains_that(counts, table) : std::vector<std::string>{{}};
    if (const Result<void> added = add_counts(table.family, chains, read); !added) return tl::unexpected(added.error());
  }
  return read;
}

Result<KernelCounts> NftSocket::read_unlogged(const Ruleset& ruleset) {
  discard();
  KernelCounts read;
  for (const Table& table : ruleset.tables) {
    const Result<void> added = add_counts(table.family, chains_that(counts_unlogged, table), read);
    if (!added) return tl::unexpected(added.error());
  }
  return read;
}

Result<std::optional<NftSocket::ObjectText>> NftSocket::read_object(Family family, std::string_view set) {
  const bool is_table = set.empty();
  Request request(nft_type(is_table ? NFT_MSG_GETTABLE : NFT_MSG_GETSET), NLM_F_REQUEST, sequence_++,
                  family_number(family), 0);
  request.put(is_table ? std::uint16_t{NFTA_TABLE_NAME} : std::uint16_t{NFTA_SET_TABLE}, table_name);
  if (!is_table) request.put(NFTA_SET_NAME, std::string(set).c_str());
  if (const std::optional<Failure> failure = send(request.bytes())) return tl::unexpected(*failure);
  std::optional<ObjectText> object;
  int error = 0;
  const Result<Received> received = receive(fd_.get(), [&](const Message& message) {
    if (message.header.nlmsg_type == NLMSG_ERROR) error = answer_of(message).error;
    if (message.header.nlmsg_type != nft_type(is_table ? NFT_MSG_NEWTABLE : NFT_MSG_NEWSET)) return;
    object.emplace();
    for_each_attribute(message.attributes(), [&](int type, Attribute value) {
      if (type == (is_table ? int{NFTA_TABLE_USERDATA} : int{NFTA_SET_USERDATA}))
        object->comment = comment_of(value, is_table ? 0 : set_comment);
      if (type == (is_table ? int{NFTA_TABLE_FLAGS} : int{NFTA_SET_FLAGS}) && value.size() == sizeof object->flags) {
        std::memcpy(&object->flags, value.data(), sizeof object->flags);
        object->flags = be32toh(object->flags);
      }
    });
  });
  if (!received) return tl::unexpected(received.error());
  if (error != 0 && error != ENOENT) return tl::unexpected(Failure{"read", table_text(family), error, {}});
  if (error == 0 && !object) return tl::unexpected(Failure{"read", table_text(family), 0, "the kernel did not answer"});
  return object;
}

Result<std::optional<std::string>> NftSocket::read_comment(Family family) {
  const Result<std::optional<ObjectText>> table = read_object(family, "");
  if (!table) return tl::unexpected(table.error());
  if (!*table) return std::nullopt;
  const Result<std::optional<ObjectText>> set = read_object(family, generation_set);
  if (!set) return tl::unexpected(set.error());
  return *set ? (*set)->comment : std::string();
}

Result<TableComments> NftSocket::read_comments() {
  discard();
  Result<std::optional<std::string>> v4 = read_comment(Family::v4);
  if (!v4) return tl::unexpected(v4.error());
  Result<std::optional<std::string>> v6 = read_comment(Family::v6);
  if (!v6) return tl::unexpected(v6.error());
  return TableComments{std::move(*v4), std::move(*v6)};
}

Result<TableFlags> NftSocket::read_flags() {
  discard();
  TableFlags flags;
  for (const Family family : both_families) {
    const Result<std::optional<ObjectText>> table = read_object(family, "");
    if (!table) return tl::unexpected(table.error());
    if (*table) flags[static_cast<std::size_t>(family)] = (*table)->flags;
  }
  return flags;
}

std::string comment_of(std::span<const std::byte> user_data, unsigned wanted) {
  while (user_data.size() >= 2) {
    const auto type = std::to_integer<unsigned>(user_data[0]);
    const auto length = std::to_integer<std::size_t>(user_data[1]);
    user_data = user_data.subspan(2);
    if (length > user_data.size()) break;
    if (type == wanted) return std::string(text_of(user_data.subspan(0, length)));
    user_data = user_data.subspan(length);
  }
  return {};
}

}  // namespace drywall
