// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "render/encode.h"
#include "render/expression_writer.h"
#include "render/field.h"
#include "render/name.h"

namespace drywall {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using TablePtr = std::unique_ptr<nftnl_table, Freer<nftnl_table_free>>;
using ChainPtr = std::unique_ptr<nftnl_chain, Freer<nftnl_chain_free>>;
using RulePtr = std::unique_ptr<nftnl_rule, Freer<nftnl_rule_free>>;
using SetPtr = std::unique_ptr<nftnl_set, Freer<nftnl_set_free>>;
using UdataPtr = std::unique_ptr<nftnl_udata_buf, Freer<nftnl_udata_buf_free>>;

// Messages are built here one by one, then appended. A rule is a few KB; elements come in portions that stay well below
// the 64 KiB of one attribute.
inline constexpr std::size_t message_room = 256U << 10U;
inline constexpr std::size_t most_element_bytes = 48U << 10U;
inline constexpr std::size_t element_overhead = 64;  // of one element's attribute headers, at most

inline std::uint16_t netfilter_family(Family family) {
  return family == Family::v4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
}
inline const char* family_text(Family family) {
  return family == Family::v4 ? "ip" : "ip6";
}

/// A comment as nft stores and lists it (libnftnl/udata.h): one TLV.
inline UdataPtr comment_udata(std::uint8_t type, const std::string& comment) {
  UdataPtr udata(nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN));
  nftnl_udata_put_strz(udata.get(), type, comment.c_str());
  return udata;
}

/// Writes the messages of one transaction, each about one object of our tables.
class BatchWriter {
 public:
  explicit BatchWriter(const EncodeOptions& options) : options_(options), scratch_(message_room) {
    transaction_.first_sequence = options.first_sequence;
  }

  void begin() { control(NFNL_MSG_BATCH_BEGIN, 0, "begin of the transaction"); }
  void end() {
    if (!options_.acks_end) ask_for_ack();
    control(NFNL_MSG_BATCH_END, options_.acks_end ? NLM_F_ACK : 0, "end of the transaction");
  }

  void new_table(Family family, TableOwner owner) {
    const TablePtr table = table_of(family);
    nftnl_table_set_u32(table.get(), NFTNL_TABLE_FLAGS, flags_of(owner));
    nlmsghdr* header = start(NFT_MSG_NEWTABLE, family, NLM_F_CREATE);
    nftnl_table_nlmsg_build_payload(header, table.get());
    finish(header, {fmt::format("table {} {}", family_text(family), table_name), {}, family, {}});
  }

  void mark_generation(Family family) {
    if (options_.generation.empty()) return;
    const SetPtr object = set_of(family, generation_set, {Field::l4_protocol}, 0);
    describe(object.get(), {Field::l4_protocol}, options_.generation);
    write_set(family, object.get(), generation_set);
  }

  void mark_generation_anew(Family family) {
    if (options_.generation.empty()) return;
    delete_set(family, generation_set);
    mark_generation(family);
  }

  void delete_table(Family family) {
    const TablePtr table = table_of(family);
    nlmsghdr* header = start(NFT_MSG_DELTABLE, family, 0);
    nftnl_table_nlmsg_build_payload(header, table.get());
    finish(header, {fmt::format("table {} {}", family_text(family), table_name), {}, family, {}});
  }

  template <Stance S>
  void new_chain(Family family, const Chain<S>& chain) {
    const ChainPtr object(nftnl_chain_alloc());
    nftnl_chain_set_str(object.get(), NFTNL_CHAIN_TABLE, table_name);
    nftnl_chain_set_str(object.get(), NFTNL_CHAIN_NAME, chain.name.text.c_str());
    if (chain.base) {
      nftnl_chain_set_str(object.get(), NFTNL_CHAIN_TYPE, "filter");
      nftnl_chain_set_u32(object.get(), NFTNL_CHAIN_HOOKNUM, static_cast<std::uint32_t>(chain.base->hook));
      nftnl_chain_set_s32(object.get(), NFTNL_CHAIN_PRIO, chain.base->priority);
      nftnl_chain_set_u32(object.get(), NFTNL_CHAIN_POLICY, NF_ACCEPT);
    }
    nlmsghdr* header = start(NFT_MSG_NEWCHAIN, family, NLM_F_CREATE);
    nftnl_chain_nlmsg_build_payload(header, object.get());
    finish(header, about("chain", family, chain.name.text));
  }

  void delete_chain(Family family, const std::string& name) {
    const ChainPtr object(nftnl_chain_alloc());
    nftnl_chain_set_str(object.get(), NFTNL_CHAIN_TABLE, table_name);
    nftnl_chain_set_str(object.get(), NFTNL_CHAIN_NAME, name.c_str());
    nlmsghdr* header = start(NFT_MSG_DELCHAIN, family, 0);
    nftnl_chain_nlmsg_build_payload(header, object.get());
    finish(header, about("end of chain", family, name));
  }

  /// All rules of a chain go.
  void flush_chain(Family family, const std::string& name) {
    const RulePtr object(nftnl_rule_alloc());
    nftnl_rule_set_str(object.get(), NFTNL_RULE_TABLE, table_name);
    nftnl_rule_set_str(object.get(), NFTNL_RULE_CHAIN, name.c_str());
    nlmsghdr* header = start(NFT_MSG_DELRULE, family, 0);
    nftnl_rule_nlmsg_build_payload(header, object.get());
    finish(header, about("rules of chain", family, name));
  }

  /// Elements and all; of a map, what they lead to is let go first.
  void delete_set(Family family, const std::string& name) {
    for (const std::uint16_t message : {std::uint16_t{NFT_MSG_DELSETELEM}, std::uint16_t{NFT_MSG_DELSET}}) {
      const SetPtr object(nftnl_set_alloc());
      nftnl_set_set_str(object.get(), NFTNL_SET_TABLE, table_name);
      nftnl_set_set_str(object.get(), NFTNL_SET_NAME, name.c_str());
      nlmsghdr* header = start(message, family, 0);
      nftnl_set_nlmsg_build_payload(header, object.get());
      finish(header, about("end of set", family, name));
    }
  }

  template <Stance S>
  void new_rule(Family family, const Chain<S>& chain, const NftRule<S>& rule) {
    const RulePtr object(nftnl_rule_alloc());
    nftnl_rule_set_str(object.get(), NFTNL_RULE_TABLE, table_name);
    nftnl_rule_set_str(object.get(), NFTNL_RULE_CHAIN, chain.name.text.c_str());
    ExpressionWriter writer(object.get(), family);
    for (const Match& match : rule.matches) writer.match(match);
    if (rule.counter) writer.counter();
    if (rule.limit) writer.limit(*rule.limit);
    if (rule.log) writer.log(*rule.log);
    if (rule.kernel_log) writer.kernel_log(*rule.kernel_log);
    write_end<S>(writer, rule.end);
    if (!rule.comment.empty()) {
      const UdataPtr udata = comment_udata(NFTNL_UDATA_RULE_COMMENT, rule.comment);
      nftnl_rule_set_data(object.get(), NFTNL_RULE_USERDATA, nftnl_udata_buf_data(udata.get()),
                          nftnl_udata_buf_len(udata.get()));
    }
    nlmsghdr* header = start(NFT_MSG_NEWRULE, family, NLM_F_CREATE | NLM_F_APPEND);
    nftnl_rule_nlmsg_build_payload(header, object.get());
    finish(header, about("rule in chain", family, chain.name.text, rule.at));
  }

  void new_set(Family family, const Set& set) {
    const SetPtr object = set_of(family, set.name, set.fields, set.interval ? NFT_SET_INTERVAL : 0);
    fix_size(object.get(), fixed_size(set));
    describe(object.get(), set.fields, set.comment);
    write_set(family, object.get(), set.name);
  }

  void new_limiter(Family family, const LimiterSet& limiter) {
    const SetPtr object = set_of(family, limiter.name, limiter_key, NFT_SET_EVAL | NFT_SET_TIMEOUT);
    nftnl_set_set_u64(object.get(), NFTNL_SET_TIMEOUT, std::uint64_t{limiter.timeout_seconds} * 1000);
    fix_size(object.get(), limiter.size);
    describe(object.get(), limiter_key, "");
    write_set(family, object.get(), limiter.name);
  }

  template <Stance S>
  void new_map(Family family, const VerdictMap<S>& map) {
    const SetPtr object =
        set_of(family, map.name, map.fields, map.interval ? NFT_SET_MAP | NFT_SET_INTERVAL : NFT_SET_MAP);
    nftnl_set_set_u32(object.get(), NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
    fix_size(object.get(), fixed_size(map));
    describe(object.get(), map.fields, "");
    write_set(family, object.get(), map.name);
  }

  void add_elements(Family family, const std::string& set, bool interval, const std::vector<Element>& elements) {
    write_elements(family, set, interval, elements, NFT_MSG_NEWSETELEM);
  }
  void delete_elements(Family family, const std::string& set, bool interval, const std::vector<Element>& elements) {
    write_elements(family, set, interval, elements, NFT_MSG_DELSETELEM);
  }

  template <Stance S>
  void add_entries(Family family, const std::string& map, bool interval,
                   const std::vector<typename VerdictMap<S>::Entry>& entries) {
    ElementPortions portions(*this, family, map, NFT_MSG_NEWSETELEM);
    for (const auto& entry : entries) {
      portions.add(entry.key, interval, entry_chain_size(entry.verdict),
                   [&](nftnl_set_elem* element) { set_verdict<S>(element, entry.verdict); });
    }
    portions.flush();
  }

  Transaction take() { return std::move(transaction_); }

 private:
  /// Elements of one set, in as many messages as they need.
  class ElementPortions {
   public:
    ElementPortions(BatchWriter& batch, Family family, const std::string& set, std::uint16_t message)
        : batch_(batch), family_(family), name_(set), message_(message) {}

    template <class SetData>
    void add(const Element& element, bool interval, std::size_t data_size, SetData set_data) {
      if (!portion_) {
        portion_.reset(nftnl_set_alloc());
        nftnl_set_set_str(portion_.get(), NFTNL_SET_TABLE, table_name);
        nftnl_set_set_str(portion_.get(), NFTNL_SET_NAME, name_.c_str());
      }
      nftnl_set_elem* first = key(element.first);
      set_data(first);
      nftnl_set_elem_add(portion_.get(), first);
      if (interval) add_interval_end(element.last);
      bytes_ += (interval ? 2 : 1) * (element_overhead + element.first.size()) + data_size;
      if (bytes_ >= most_element_bytes) flush();
    }

    void flush() {
      if (!portion_) return;
      nlmsghdr* header = batch_.start(message_, family_, message_ == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);
      nftnl_set_elems_nlmsg_build_payload(header, portion_.get());
      batch_.finish(header, about("elements of set", family_, name_));
      portion_.reset();
      bytes_ = 0;
    }

   private:
    static nftnl_set_elem* key(const Bytes& bytes) {
      nftnl_set_elem* element = nftnl_set_elem_alloc();
      nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, bytes.data(), static_cast<std::uint32_t>(bytes.size()));
      return element;
    }

    /// An interval ends before the element flagged so; one that reaches the highest value has no such element.
    void add_interval_end(Bytes last) {
      for (auto byte = last.rbegin(); byte != last.rend(); ++byte) {
        if (++*byte == 0) continue;
        nftnl_set_elem* end = key(last);
        nftnl_set_elem_set_u32(end, NFTNL_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
        nftnl_set_elem_add(portion_.get(), end);
        return;
      }
    }

    BatchWriter& batch_;
    Family family_;
    const std::string& name_;
    std::uint16_t message_;
    SetPtr portion_;
    std::size_t bytes_ = 0;  // of the portion, at most
  };

  void write_elements(Family family, const std::string& set, bool interval, const std::vector<Element>& elements,
                      std::uint16_t message) {
    ElementPortions portions(*this, family, set, message);
    for (const Element& element : elements) portions.add(element, interval, 0, [](nftnl_set_elem*) {});
    portions.flush();
  }

  template <class Verdict>
  static std::size_t entry_chain_size(const Verdict& verdict) {
    return std::visit(
        [](const auto& v) -> std::size_t {
          if constexpr (requires { v.to.text; }) return v.to.text.size();
          return 0;
        },
        verdict);
  }

  static TablePtr table_of(Family family) {
    TablePtr table(nftnl_table_alloc());
    nftnl_table_set_u32(table.get(), NFTNL_TABLE_FAMILY, netfilter_family(family));
    nftnl_table_set_str(table.get(), NFTNL_TABLE_NAME, table_name);
    return table;
  }

  SetPtr set_of(Family family, const std::string& name, const std::vector<Field>& fields, std::uint32_t flags) {
    SetPtr set(nftnl_set_alloc());
    nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, table_name);
    nftnl_set_set_str(set.get(), NFTNL_SET_NAME, name.c_str());
    nftnl_set_set_u32(set.get(), NFTNL_SET_ID, ++set_id_);
    nftnl_set_set_u32(set.get(), NFTNL_SET_FLAGS, flags);
    std::uint32_t type = 0;
    std::uint32_t size = 0;
    for (const Field field : fields) {
      const FieldLayout layout = field_layout(field, family);
      type = type << 6U | layout.type_id;
      size += fields.size() == 1 ? layout.size : padded(layout.size);
    }
    nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_TYPE, type);
    nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_LEN, size);
    return set;
  }

  static void fix_size(nftnl_set* set, std::size_t size) {
    if (size > 0) nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, static_cast<std::uint32_t>(size));
  }

  /// What nft needs to list a set as it was meant: the byte order of its key, and the comment.
  static void describe(nftnl_set* set, const std::vector<Field>& fields, const std::string& comment) {
    const bool host_order =
        fields.size() == 1 && (fields[0] == Field::in_interface || fields[0] == Field::out_interface);
    const UdataPtr udata(nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN));
    nftnl_udata_put_u32(udata.get(), NFTNL_UDATA_SET_KEYBYTEORDER,
                        host_order ? 1 : 2);  // enum byteorder of libnftables
    if (!comment.empty()) nftnl_udata_put_strz(udata.get(), NFTNL_UDATA_SET_COMMENT, comment_text(comment).c_str());
    nftnl_set_set_data(set, NFTNL_SET_USERDATA, nftnl_udata_buf_data(udata.get()), nftnl_udata_buf_len(udata.get()));
  }

  void write_set(Family family, nftnl_set* set, const std::string& name) {
    nlmsghdr* header = start(NFT_MSG_NEWSET, family, NLM_F_CREATE);
    nftnl_set_nlmsg_build_payload(header, set);
    finish(header, about("set", family, name));
  }

  template <Stance S>
  static void set_verdict(nftnl_set_elem* element, const MapVerdict<S>& verdict) {
    std::visit(
        [&](const auto& v) {
          using V = std::decay_t<decltype(v)>;
          if constexpr (std::is_same_v<V, Accept>) {
            nftnl_set_elem_set_u32(element, NFTNL_SET_ELEM_VERDICT, NF_ACCEPT);
          } else if constexpr (std::is_same_v<V, Drop>) {
            nftnl_set_elem_set_u32(element, NFTNL_SET_ELEM_VERDICT, NF_DROP);
          } else {
            const int code = std::is_same_v<V, Jump<S>> ? NFT_JUMP : NFT_GOTO;
            nftnl_set_elem_set_u32(element, NFTNL_SET_ELEM_VERDICT, static_cast<std::uint32_t>(code));
            nftnl_set_elem_set_str(element, NFTNL_SET_ELEM_CHAIN, v.to.text.c_str());
          }
        },
        verdict);
  }

  void control(std::uint16_t type, std::uint16_t flags, const char* what) {
    nlmsghdr* header = mnl_nlmsg_put_header(scratch_.data());
    header->nlmsg_type = type;
    header->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    header->nlmsg_seq = next_sequence();
    auto* generic = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(header, sizeof(nfgenmsg)));
    generic->nfgen_family = AF_UNSPEC;
    generic->version = NFNETLINK_V0;
    generic->res_id = htons(NFNL_SUBSYS_NFTABLES);
    finish(header, {what, {}, Family::v4, {}});
  }

  nlmsghdr* start(std::uint16_t type, Family family, int flags) {
    return nftnl_nlmsg_build_hdr(scratch_.data(), type, netfilter_family(family), static_cast<std::uint16_t>(flags),
                                 next_sequence());
  }

  static MessageOrigin about(const char* what, Family family, const std::string& name, const SourceLocation& at = {}) {
    return {fmt::format("{} {} {} {}", what, family_text(family), table_name, name), at, family, name};
  }

  void finish(const nlmsghdr* header, MessageOrigin origin) {
    last_message_ = transaction_.bytes.size();
    const auto* from = reinterpret_cast<const std::byte*>(header);
    transaction_.bytes.insert(transaction_.bytes.end(), from, from + header->nlmsg_len);
    transaction_.bytes.resize((transaction_.bytes.size() + NLMSG_ALIGNTO - 1) & ~std::size_t{NLMSG_ALIGNTO - 1});
    transaction_.origins.push_back(std::move(origin));
  }

  void ask_for_ack() {
    auto* header = reinterpret_cast<nlmsghdr*>(transaction_.bytes.data() + last_message_);
    header->nlmsg_flags = static_cast<std::uint16_t>(header->nlmsg_flags | NLM_F_ACK);
  }

  std::uint32_t next_sequence() const {
    return options_.first_sequence + static_cast<std::uint32_t>(transaction_.origins.size());
  }

  const EncodeOptions& options_;
  std::vector<char> scratch_;
  Transaction transaction_;
  std::size_t last_message_ = 0;
  std::uint32_t set_id_ = 0;
};

}  // namespace drywall
