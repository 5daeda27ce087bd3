// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>

#include "cli/bus.h"
#include "cli/evidence.h"
#include "cli/flow_text.h"
#include "cli/policy_name.h"
#include "cli/terminal.h"
#include "cli/verb.h"
#include "flow/flow_filter.h"

namespace drywall::cli {
namespace {

struct FlowsOptions {
  std::map<std::string, std::vector<std::string>> fields;  // by name of the filter field
  bool differs = false;
  Follow follow = Follow::no;
  Output output;
};

/// Several values of one field are alternatives, written with commas.
FilterFields filter_of(const FlowsOptions& options) {
  FilterFields filter;
  for (const auto& [name, values] : options.fields) {
    if (!values.empty()) filter[name] = fmt::format("{}", fmt::join(values, ","));
  }
  if (options.differs) filter["differs"] = "true";
  return filter;
}

/// A sentence for the user if the daemon would not understand the filter.
std::optional<std::string> mistake_in(const FilterFields& filter) {
  const std::vector<std::pair<std::string, std::string>> fields(filter.begin(), filter.end());
  const auto now = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  const auto parsed = parse_flow_filter(fields, now);
  return parsed ? std::optional<std::string>() : parsed.error();
}

/// Hands on each line until the stream ends; false if it broke.
bool for_each_line(const Descriptor& stream, const std::function<void(const std::string&)>& take) {
  std::array<char, 65536> block{};
  std::string rest;
  while (true) {
    const ssize_t got = read(stream.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) say(fmt::format("cannot read the flows: {}", std::strerror(errno)));
    if (got <= 0) return got == 0;
    rest.append(block.data(), static_cast<std::size_t>(got));
    std::size_t start = 0;
    for (std::size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n', start)) {
      take(rest.substr(start, end - start));
      start = end + 1;
    }
    rest.erase(0, start);
    std::fflush(stdout);
  }
}

/// Prints records as they come; the columns widen when they must.
class Following {
 public:
  explicit Following(const Output& output) : output_(output), table_(flow_headings(output.wide)) {
    table_.widen({{"2026-01-31T23:59:59.123Z"},
                  {"namespace/workload"},
                  {"namespace/workload"},
                  {"tcp/65535"},
                  {"ingress"},
                  {"allow"},
                  {"would-allow"}});
    if (output.format == Format::table) fmt::print("{}", table_.heading());
  }
  void take(const std::string& line) {
    if (output_.format == Format::json) {
      fmt::print("{}\n", line);
      return;
    }
    const Json record = Json::parse(line, nullptr, false);
    const std::vector<Cell> row = flow_row(record, output_.wide);
    table_.widen(row);
    fmt::print("{}{}", table_.line(row), flow_traces(record, output_.wide));
  }

 private:
  Output output_;
  Table table_;
};

void print_table(const std::vector<std::string>& lines, bool wide) {
  Table table(flow_headings(wide));
  std::vector<Json> records;
  for (const std::string& line : lines) records.push_back(Json::parse(line, nullptr, false));
  for (const Json& record : records) table.widen(flow_row(record, wide));
  fmt::print("{}", table.heading());
  for (const Json& record : records) fmt::print("{}{}", table.line(flow_row(record, wide)), flow_traces(record, wide));
}

enum class Unknown { tolerated, mistake };

/// Says so if a --policy may mean more than one policy or, where `unknown` is a mistake, none.
Exit complain_about_policies(const FlowsOptions& options, const Json& policies, Unknown unknown) {
  const auto asked = options.fields.find("policy");
  if (asked == options.fields.end()) return Exit::yes;
  for (const std::string& text : asked->second) {
    const std::vector<Json> found = named_policies(parse_policy_name(text), policies);
    std::vector<std::string> names;
    for (const Json& policy : found) names.push_back(full_name(policy));
    if (names.size() > 1) {
      say(fmt::format("\"{}\" may mean {}; write one of them", text, fmt::join(names, " or ")));
      return Exit::usage;
    }
    if (names.empty() && unknown == Unknown::mistake) {
      const std::vector<std::string> alike = candidates(text, policies);
      say(fmt::format("there is no policy \"{}\"{}", text,
                      alike.empty() ? "" : fmt::format("; there is {}", fmt::join(alike, ", "))));
      return Exit::usage;
    }
  }
  return Exit::yes;
}

Exit follow(Daemon& daemon, const FlowsOptions& options, const Descriptor& stream) {
  Following printer(options.output);
  const bool ended = for_each_line(stream, [&](const std::string& line) { printer.take(line); });
  say_what_was_lost(daemon);
  if (ended) say("drywalld ended the stream");
  return Exit::unreachable;
}

Exit list(Daemon& daemon, const FlowsOptions& options, const Json& policies, const Descriptor& stream) {
  const bool is_json = options.output.format == Format::json;
  std::vector<std::string> lines;  // of a table, whose columns are as wide as its widest row
  std::size_t number = 0;
  const bool whole = for_each_line(stream, [&](const std::string& line) {
    ++number;
    if (is_json) {
      fmt::print("{}\n", line);
    } else {
      lines.push_back(line);
    }
  });
  if (!whole) return Exit::unreachable;
  if (number == 0) {
    // A policy that is gone is still known by its records, so only without any is its name a mistake.
    const Exit complaint = complain_about_policies(options, policies, Unknown::mistake);
    if (complaint != Exit::yes) return complaint;
    say("no flow fits");
  }
  if (!lines.empty()) print_table(lines, options.output.wide);
  say_what_was_lost(daemon);
  return Exit::yes;
}

Exit flows(const FlowsOptions& options) {
  const FilterFields filter = filter_of(options);
  if (const auto mistake = mistake_in(filter)) {
    say(*mistake);
    return Exit::usage;
  }
  Answer<Daemon> daemon = Daemon::connect();
  if (!daemon) return report(daemon.error());
  Json policies = Json::array();
  if (filter.contains("policy")) {
    const Answer<Json> answer = daemon->policies();
    if (!answer) return report(answer.error());
    policies = *answer;
    const Exit complaint = complain_about_policies(
        options, policies, options.follow == Follow::yes ? Unknown::mistake : Unknown::tolerated);
    if (complaint != Exit::yes) return complaint;
  }
  const Answer<Descriptor> stream = daemon->stream(filter, options.follow);
  if (!stream) return report(stream.error());
  return options.follow == Follow::yes ? follow(*daemon, options, *stream) : list(*daemon, options, policies, *stream);
}

struct Field {
  const char* name;
  const char* value;
  const char* help;
};
constexpr std::array fields{
    Field{"since", "T", "Ending at or after T: RFC 3339, or a time ago such as 90s, 15m, 2h, 7d"},
    Field{"until", "T", "Starting before T"},
    Field{"action", "allow|deny", "What happened"},
    Field{"pending-action", "would-allow|would-deny", "What would happen if every staged policy were enforced"},
    Field{"policy", "POLICY", "A policy of either trace: [KIND/][NAMESPACE/]NAME"},
    Field{"tier", "TIER", "A tier of either trace"},
    Field{"source", "WHO", "Name, namespace/name, address or CIDR"},
    Field{"destination", "WHO", "Name, namespace/name, address or CIDR"},
    Field{"port", "PORT", "Destination port"},
    Field{"protocol", "PROTOCOL", "tcp, udp, icmp, icmpv6, sctp, udplite or a number"},
    Field{"reporter", "src|dst", "Whose leg: the source's egress or the destination's ingress"},
};

}  // namespace

Run declare_flows(Arguments& arguments) {
  auto options = std::make_shared<FlowsOptions>();
  for (const Field& field : fields) {
    arguments.add("--" + std::string(field.name), options->fields[field.name], field.help).takes(field.value).list();
  }
  arguments.add_flag("--differs", options->differs,
                     "Only flows that a joint promotion of all staged policies would change");
  arguments.add_flag(
      "--follow", [options] { options->follow = Follow::yes; }, "Go on with each record that is new or grew");
  add_output_options(arguments, options->output, Wide::offered);
  return [options] { return flows(*options); };
}

}  // namespace drywall::cli
