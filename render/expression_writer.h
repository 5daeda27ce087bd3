// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_log.h>
#include <linux/netfilter/nf_tables.h>

#include <array>
#include <cstdint>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "policy/result.h"
#include "render/field.h"
#include "render/ruleset.h"

namespace drywall {

/// Appends nf_tables expressions to a rule: what it matches, counts, limits, logs and ends by.
class ExpressionWriter {
 public:
  ExpressionWriter(nftnl_rule* rule, Family family) : rule_(rule), family_(family) {}

  void match(const Match& match) {
    std::visit(
        overloaded{
            [&](const FieldIs& m) { field_is(m); },
            [&](const FieldIn& m) { lookup(m.fields, m.set, m.sense == Sense::is_not ? NFT_LOOKUP_F_INV : 0, false); },
            [&](const StateIs& m) { ct_bits(NFT_CT_STATE, m.any_of, NFT_CMP_NEQ); },
            [&](const StatusIs& m) {
              ct_bits(NFT_CT_STATUS, m.any_of, m.sense == Sense::is ? NFT_CMP_NEQ : NFT_CMP_EQ);
            },
            [&](const IsOriginalDirection&) { original_direction(); },
            [&](const SourceIsLocal&) { fib(NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_SADDR, RTN_LOCAL_TYPE); },
            [&](const DestinationIsBroadcast&) { fib(NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR, RTN_BROADCAST_TYPE); },
            [&](const NoReversePath&) { fib(NFT_FIB_RESULT_OIF, NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF, 0); },
        },
        match);
  }

  void counter() { add(nftnl_expr_alloc("counter")); }

  void limit(const Limit& limit) {
    if (limit.flows.empty()) return add(limit_expression(limit));
    const std::uint32_t key = load_key(limiter_key);
    nftnl_expr* expr = nftnl_expr_alloc("dynset");
    nftnl_expr_set_str(expr, NFTNL_EXPR_DYNSET_SET_NAME, limit.flows.c_str());
    nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_ADD);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, key);
    nftnl_expr_set(expr, NFTNL_EXPR_DYNSET_EXPR, limit_expression(limit), 0);  // it owns the limit now
    add(expr);
  }

  void untrack() {
    add(nftnl_expr_alloc("notrack"));
    verdict(NF_ACCEPT);
  }

  void log(const Nflog& log) {
    nftnl_expr* expr = nftnl_expr_alloc("log");
    nftnl_expr_set_str(expr, NFTNL_EXPR_LOG_PREFIX, log.prefix.c_str());
    nftnl_expr_set_u16(expr, NFTNL_EXPR_LOG_GROUP, log.group);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_LOG_SNAPLEN, log.copy_bytes);
    add(expr);
  }

  void kernel_log(const std::string& prefix) {
    nftnl_expr* expr = nftnl_expr_alloc("log");
    nftnl_expr_set_str(expr, NFTNL_EXPR_LOG_PREFIX, prefix.c_str());
    nftnl_expr_set_u32(expr, NFTNL_EXPR_LOG_LEVEL, NFT_LOGLEVEL_INFO);
    add(expr);
  }

  void reject() {
    nftnl_expr* expr = nftnl_expr_alloc("reject");
    nftnl_expr_set_u32(expr, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_ICMP_UNREACH);
    nftnl_expr_set_u8(expr, NFTNL_EXPR_REJECT_CODE, family_ == Family::v4 ? 3 : 4);  // port unreachable
    add(expr);
  }

  void verdict(std::uint32_t verdict, const std::string& chain = {}) {
    nftnl_expr* expr = nftnl_expr_alloc("immediate");
    nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, verdict);
    if (!chain.empty()) nftnl_expr_set_str(expr, NFTNL_EXPR_IMM_CHAIN, chain.c_str());
    add(expr);
  }

  void dispatch(const std::vector<Field>& fields, const std::string& map) { lookup(fields, map, 0, true); }

 private:
  static constexpr std::uint32_t work_register = NFT_REG_1;
  static constexpr std::uint32_t RTN_LOCAL_TYPE = 2;  // RTN_LOCAL and RTN_BROADCAST, linux/rtnetlink.h
  static constexpr std::uint32_t RTN_BROADCAST_TYPE = 3;

  void add(nftnl_expr* expr) { nftnl_rule_add_expr(rule_, expr); }

  void load(Field field, std::uint32_t destination, std::uint32_t size) {
    const FieldLayout layout = field_layout(field, family_);
    if (layout.base == FieldBase::meta) {
      nftnl_expr* expr = nftnl_expr_alloc("meta");
      nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, layout.offset);
      nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, destination);
      add(expr);
      return;
    }
    if (layout.base == FieldBase::original_tuple) {
      nftnl_expr* expr = nftnl_expr_alloc("ct");
      nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, layout.offset);
      nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, destination);
      nftnl_expr_set_u8(expr, NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
      add(expr);
      return;
    }
    nftnl_expr* expr = nftnl_expr_alloc("payload");
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, destination);
    nftnl_expr_set_u32(
        expr, NFTNL_EXPR_PAYLOAD_BASE,
        layout.base == FieldBase::network_header ? NFT_PAYLOAD_NETWORK_HEADER : NFT_PAYLOAD_TRANSPORT_HEADER);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, layout.offset);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, size);
    add(expr);
  }

  void mask(const void* mask, std::uint32_t size) {
    const std::array<std::uint8_t, 16> zero{};
    nftnl_expr* expr = nftnl_expr_alloc("bitwise");
    nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, work_register);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, work_register);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, size);
    nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, mask, size);
    nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, zero.data(), size);
    add(expr);
  }

  void compare(std::uint32_t op, const void* value, std::uint32_t size) {
    nftnl_expr* expr = nftnl_expr_alloc("cmp");
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, work_register);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
    nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, value, size);
    add(expr);
  }

  static std::uint32_t operation(Compare compare) {
    switch (compare) {
      case Compare::equal:
        return NFT_CMP_EQ;
      case Compare::not_equal:
        return NFT_CMP_NEQ;
      case Compare::at_least:
        return NFT_CMP_GTE;
      case Compare::at_most:
        return NFT_CMP_LTE;
    }
    return NFT_CMP_EQ;
  }

  static nftnl_expr* limit_expression(const Limit& limit) {
    nftnl_expr* expr = nftnl_expr_alloc("limit");
    nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_RATE, limit.rate);
    nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_UNIT, limit.seconds);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_BURST, limit.burst);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
    return expr;
  }

  void original_direction() {
    const std::uint8_t original = IP_CT_DIR_ORIGINAL;
    nftnl_expr* expr = nftnl_expr_alloc("ct");
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, NFT_CT_DIRECTION);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, work_register);
    add(expr);
    compare(NFT_CMP_EQ, &original, sizeof original);
  }

  void field_is(const FieldIs& match) {
    load(match.field, work_register, field_layout(match.field, family_).size);
    if (!match.mask.empty()) mask(match.mask.data(), static_cast<std::uint32_t>(match.mask.size()));
    compare(operation(match.compare), match.value.data(), static_cast<std::uint32_t>(match.value.size()));
  }

  void ct_bits(std::uint32_t key, std::uint32_t bits, std::uint32_t op) {
    const std::uint32_t zero = 0;
    nftnl_expr* expr = nftnl_expr_alloc("ct");
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, key);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, work_register);
    add(expr);
    mask(&bits, sizeof bits);
    compare(op, &zero, sizeof zero);
  }

  void fib(std::uint32_t result, std::uint32_t flags, std::uint32_t value) {
    nftnl_expr* expr = nftnl_expr_alloc("fib");
    nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_DREG, work_register);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_RESULT, result);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_FLAGS, flags);
    add(expr);
    compare(NFT_CMP_EQ, &value, sizeof value);
  }

  /// A single field goes into the 16-byte register; concatenated ones into consecutive 4-byte ones over the same space.
  /// Returns the register where the key begins.
  std::uint32_t load_key(const std::vector<Field>& fields) {
    const std::uint32_t first = fields.size() == 1 ? std::uint32_t{work_register} : std::uint32_t{NFT_REG32_00};
    std::uint32_t next = first;
    for (const Field field : fields) {
      const std::uint32_t size = field_layout(field, family_).size;
      load(field, next, size);
      next += padded(size) / 4;
    }
    return first;
  }

  void lookup(const std::vector<Field>& fields, const std::string& set, std::uint32_t flags, bool to_verdict) {
    const std::uint32_t first = load_key(fields);
    nftnl_expr* expr = nftnl_expr_alloc("lookup");
    nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, first);
    nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, set.c_str());
    if (flags != 0) nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, flags);
    if (to_verdict) nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
    add(expr);
  }

  nftnl_rule* rule_;
  Family family_;
};

template <Stance S>
void write_end(ExpressionWriter& writer, const End<S>& end) {
  std::visit(
      [&](const auto& e) {
        using E = std::decay_t<decltype(e)>;
        if constexpr (std::is_same_v<E, Accept>)
          writer.verdict(NF_ACCEPT);
        else if constexpr (std::is_same_v<E, AcceptUntracked>)
          writer.untrack();
        else if constexpr (std::is_same_v<E, Drop>)
          writer.verdict(NF_DROP);
        else if constexpr (std::is_same_v<E, Reject>)
          writer.reject();
        else if constexpr (std::is_same_v<E, Return>)
          writer.verdict(static_cast<std::uint32_t>(NFT_RETURN));
        else if constexpr (std::is_same_v<E, Jump<S>>)
          writer.verdict(static_cast<std::uint32_t>(NFT_JUMP), e.to.text);
        else if constexpr (std::is_same_v<E, Goto<S>>)
          writer.verdict(static_cast<std::uint32_t>(NFT_GOTO), e.to.text);
        else if constexpr (std::is_same_v<E, Dispatch<S>>)
          writer.dispatch(e.fields, e.map);
        else
          static_assert(std::is_same_v<E, Continue>);
      },
      end);
}

}  // namespace drywall
